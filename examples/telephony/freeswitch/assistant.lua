-- Holds a call with the assistant. Argument: 0 for mod_audio_fork (bidirectional, streaming), 1 for mod_audio_stream.
-- In credentials.yml: token: change-me, and audio_fork: {} or audio_stream: {}.
-- Written after the modules' sources and documentation; not run with FreeSWITCH.

local bot, token = "ws://127.0.0.1:5005/webhooks/voice", "change-me"
local with_stream = argv[1] == "1"
local api, uuid = freeswitch.API(), session:get_uuid()
local module = with_stream and "mod_audio_stream" or "mod_audio_fork"

local events = freeswitch.EventConsumer()
for _, name in ipairs({"play", "play_audio", "kill_audio", "transfer", "disconnect", "json"}) do
  events:bind("CUSTOM", module .. "::" .. name)
end
events:bind("DTMF")

if with_stream then
  session:setVariable("STREAM_EXTRA_HEADERS", '{"Authorization": "Bearer ' .. token .. '"}')
  api:executeString(string.format("uuid_audio_stream %s start %s/audio-stream?call=%s&sample_rate=8000 mono 8k",
    uuid, bot, uuid))
else
  session:setVariable("MOD_AUDIO_BASIC_AUTH_USERNAME", "freeswitch")
  session:setVariable("MOD_AUDIO_BASIC_AUTH_PASSWORD", token)
  -- uuid, start, address, mix, rate, name of the bug, metadata, bidirectional, streaming, rate of what comes back
  api:executeString(string.format("uuid_audio_fork ^^|%s|start|%s/audio-fork?call=%s|mono|8000|assistant||true|true|8000",
    uuid, bot, uuid))
end

-- What a message of the assistant's asks for: {"type": ..., "data": {"target": ...}}.
local function obey(kind, body)
  if kind == "disconnect" then
    session:hangup()
  elseif kind == "transfer" then
    local target = body:match('"target"%s*:%s*"([%w+@.:_-]+)"')
    if target then session:transfer(target, "XML", "default") end
    return true
  elseif kind == "kill_audio" or kind == "killAudio" then
    api:executeString("uuid_break " .. uuid .. " all")
  end
end

while session:ready() do
  local event = events:pop(1, 200)
  if event and event:getHeader("Unique-ID") == uuid then
    local name, body = event:getHeader("Event-Subclass") or event:getType(), event:getBody() or ""
    local kind = name:match("::([%w_]+)$") or name
    if kind == "DTMF" then
      local text = '{"event":"dtmf","dtmf":"' .. event:getHeader("DTMF-Digit") .. '"}'
      api:executeString(string.format("uuid_%s %s send_text %s", with_stream and "audio_stream" or "audio_fork", uuid, text))
    elseif kind == "play" or kind == "play_audio" then
      local file = body:match('"file"%s*:%s*"([^"]+)"')
      if file then api:executeString(string.format("uuid_broadcast %s %s aleg", uuid, file)) end
    elseif obey(kind == "json" and body:match('"type"%s*:%s*"(%w+)"') or kind, body) then
      break
    end
  end
end
