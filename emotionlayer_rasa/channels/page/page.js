// Ties the page together: conversation, microphone, spoken replies, feeling.

import { Call } from "./call.js";
import { Feeling } from "./feeling.js";
import { Microphone } from "./microphone.js";
import { Player } from "./player.js";
import { texts, translate } from "./texts.js";

const SILENCE_S = 2;
const HIGHEST_RATE = 48000;
const MIC_ERRORS = { NotAllowedError: "mic_denied", NotFoundError: "mic_missing", SecurityError: "mic_insecure" };

const $ = (id) => document.getElementById(id);

translate();
const feeling = new Feeling();
let token = takeToken();
let context, microphone, player, call;
let greeted; // resolves when the disclosure has been shown
let pressed = false; // the caller wants the microphone on
let analysed = true;
let escalated = false;
let turns = []; // messages that the server still works on, oldest first; null for those that are not shown

// --- conversation ---------------------------------------------------------------------------------------------------

function addMessage(who, ...content) {
  $("welcome").hidden = true;
  const item = document.createElement("div");
  item.className = `${who} message`;
  const speaker = document.createElement("span");
  speaker.className = "unseen";
  speaker.textContent = `${who === "caller" ? texts.you : texts.assistant}: `;
  item.append(speaker, ...content);
  $("messages").append(item);
  scrollDown();
  return item;
}

function scrollDown() {
  $("conversation").scrollTop = $("conversation").scrollHeight;
}

function addReply({ text, buttons, image, attachment }) {
  const parts = [];
  if (text) {
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    parts.push(paragraph);
  }
  for (const address of [image, attachment]) {
    if (typeof address !== "string" || !/^https?:/.test(address)) continue;
    const link = document.createElement("a");
    Object.assign(link, { href: address, target: "_blank", rel: "noopener noreferrer", textContent: texts.link });
    parts.push(link);
  }
  if (buttons?.length) {
    const group = document.createElement("div");
    group.className = "choices";
    for (const { title, payload } of buttons) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = title;
      button.addEventListener("click", () => {
        for (const other of group.children) other.disabled = true;
        button.classList.add("chosen");
        $("message").focus();
        write(payload ?? title, title);
      });
      group.append(button);
    }
    parts.push(group);
  }
  if (parts.length) addMessage("assistant", ...parts);
}

function showPartial(text) {
  $("partial").hidden = !text;
  $("partial").textContent = text;
  if (text) {
    $("welcome").hidden = true;
    scrollDown();
  }
}

/** The emotion below the message that it was read from. */
function label(emotion, words) {
  const spoken = emotion.source !== "none";
  const reading = spoken ? emotion : words?.emotion;
  if (!turns[0] || !reading) return;
  const tag = document.createElement("span");
  tag.className = "tag";
  tag.dataset.emotion = reading.label;
  const sure = reading.label === "unknown" ? "" : ` ${Math.round(100 * reading.confidence)} %`;
  tag.textContent = `${spoken ? texts.voice : texts.words}: ${texts.emotions[reading.label]}${sure}`;
  turns[0].append(tag);
  scrollDown();
}

function notice(text) {
  $("notice").hidden = !text;
  $("notice").textContent = text ?? "";
}

function showAnalysis() {
  const off = escalated ? texts.escalated : analysed ? null : texts.analysis_off;
  $("banner").hidden = !off;
  if ($("banner").textContent !== (off ?? "")) $("banner").textContent = off ?? "";
  $("banner").classList.toggle("escalated", escalated);
  $("disclosure").hidden = Boolean(off);
  $("consent").hidden = escalated || !call?.ready;
  $("consent").textContent = analysed ? texts.stop_analysis : texts.start_analysis;
  if (off) feeling.clear(texts.not_analysed);
}

// --- what the server tells ------------------------------------------------------------------------------------------

function take(news) {
  if ("ready" in news) greet(news.ready);
  if ("partial" in news) showPartial(news.partial);
  if ("discarded" in news) showPartial("");
  if ("text" in news) {
    showPartial("");
    feeling.turn();
    const item = addMessage("caller", news.text || texts.wordless);
    if (news.text) turns.push(item);
  }
  if ("emotion" in news) {
    feeling.emotion(news.emotion, news.words, news.interim);
    if (news.prosody) feeling.prosody(news.prosody);
    if (!news.interim) label(news.emotion, news.words);
  }
  if ("state" in news) {
    analysed = news.state.analysed ?? analysed;
    escalated = news.state.escalated ?? escalated;
    if (analysed) feeling.state(news.state);
    if ("analysed" in news.state) turns.shift(); // the answer is complete
  }
  if ("bot" in news) {
    addReply(news.bot);
    greeted.resolve();
  }
  if ("speech" in news) player.announce(news.speech);
  if ("stop" in news) player.stop();
  if ("error" in news) {
    notice(news.error.message);
    turns.shift();
    greeted.resolve(); // what is not said cannot be waited for
  }
  if ("ready" in news || "state" in news) showAnalysis();
}

/** A conversation begins with what the assistant does; one that goes on has begun with it. */
function greet(ready) {
  ({ analysed } = ready);
  if (!ready.new) return greeted.resolve();
  turns.push(null);
  call.send({ message: "/session_start" });
}

function showStatus(status) {
  $("connection").textContent = texts[status];
  $("connection").dataset.status = status;
  if (status === "closed") hangUp();
  if (status !== "open") {
    turns = [];
    showPartial("");
    player?.stop();
  }
  if (status === "open" || status === "closed") showAnalysis();
}

// --- the call -------------------------------------------------------------------------------------------------------

/** Connects where that was not done yet, and waits until the assistant has told what it does. */
async function begin() {
  if (!context) {
    context = new AudioContext();
    if (context.sampleRate > HIGHEST_RATE) {
      context.close();
      context = new AudioContext({ sampleRate: HIGHEST_RATE });
    }
    microphone = new Microphone(context, hear, () => {
      hangUp();
      notice(texts.mic_ended);
    });
  }
  context.resume();
  if (!call) {
    const rate = context.sampleRate;
    call = new Call({ sample_rate: rate, encoding: "pcm16", events: true, speech: "pcm16", speech_rate: rate, words: false }, token);
    player = new Player(context, (played) => call.send({ played }), showTalk);
    player.muted = $("sound").getAttribute("aria-pressed") === "false";
    call.addEventListener("news", ({ detail }) => take(detail));
    call.addEventListener("audio", ({ detail }) => player.play(detail));
    call.addEventListener("status", ({ detail }) => showStatus(detail));
  }
  if (!greeted) {
    greeted = {};
    greeted.shown = new Promise((resolve) => (greeted.resolve = resolve));
  }
  try {
    await call.connect();
    await greeted.shown;
  } catch (error) {
    greeted = null;
    throw error;
  }
}

function hear(samples, level) {
  call.hear(samples);
  $("talk").style.setProperty("--level", Math.min(1, level * 6).toFixed(2));
}

async function talk() {
  if (pressed) return hangUp();
  pressed = true;
  notice();
  showTalk("opening");
  try {
    await begin();
    if (!pressed) return;
    showTalk("allow");
    await microphone.start();
    if (!pressed) microphone.stop(); // switched off while the browser was asking
  } catch (error) {
    pressed = false;
    if (error instanceof Error) {
      notice(texts[MIC_ERRORS[error.name] ?? "mic_failed"]);
      $("message").focus();
    } else refused(error);
  }
  showTalk();
}

/** Microphone off. The silence lets the server finish what was being said. */
function hangUp() {
  pressed = false;
  if (microphone?.on) {
    microphone.stop();
    call.hear(new Int16Array(SILENCE_S * context.sampleRate).buffer);
  }
  $("talk").style.removeProperty("--level");
  showTalk();
}

function showTalk(step) {
  const on = Boolean(microphone?.on);
  const state = on ? (player?.speaking ? "interrupt" : "listening") : pressed ? (step ?? "opening") : "talk";
  $("talk").dataset.state = state;
  $("talk").setAttribute("aria-pressed", String(pressed));
  $("talk").title = texts[pressed ? "talk_on" : "talk_off"];
  $("talk-text").textContent = texts[state];
}

/** Says whether it could be sent. */
async function write(text, shown = text) {
  notice();
  try {
    await begin();
    turns.push(addMessage("caller", shown));
    if (!text.startsWith("/")) feeling.turn();
    call.send({ message: text });
    return true;
  } catch (error) {
    refused(error);
    return false;
  }
}

function refused({ code, message }) {
  if (code === "unauthorized") askForToken(texts.wrong_token);
  else notice(message ?? texts.unreachable);
}

// --- access ---------------------------------------------------------------------------------------------------------

/** From the address, where it never reaches a server's log, else from this tab's memory. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token");
}

function askForToken(text) {
  sessionStorage.removeItem("token");
  token = call = greeted = null;
  $("access").hidden = false;
  $("talk").disabled = $("message").disabled = true;
  notice(text);
  $("token").focus();
}

/** Asks the server whether it can hear, until it can. */
async function look() {
  try {
    const headers = { Accept: "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(document.baseURI.split("#")[0], { headers, cache: "no-store" });
    const { status, error } = await answer.json();
    if (answer.status === 401) return askForToken(token ? texts.wrong_token : null);
    if (status === "failed") return notice(texts.server_failed + (error?.message ?? ""));
    if (status === "ok") {
      notice();
      return call || showStatus("idle");
    }
    showStatus("loading");
  } catch {
    notice(texts.unreachable);
  }
  setTimeout(look, 2000);
}

// --- controls -------------------------------------------------------------------------------------------------------

$("talk").addEventListener("click", talk);

$("typing").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("message").value.trim();
  if (!text) return;
  $("message").value = "";
  if (!(await write(text))) $("message").value ||= text;
});

$("consent").addEventListener("click", () => {
  write(analysed ? "/stop_emotion_analysis" : "/start_emotion_analysis", $("consent").textContent);
});

$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  $("token").value = "";
  $("access").hidden = true;
  $("talk").disabled = $("message").disabled = false;
  notice();
  look();
});

$("sound").addEventListener("click", () => {
  const on = $("sound").getAttribute("aria-pressed") === "false";
  $("sound").setAttribute("aria-pressed", String(on));
  if (player) player.muted = !on;
});

const dark = matchMedia("(prefers-color-scheme: dark)");
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
$("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
});

const wide = matchMedia("(min-width: 60rem)");
const unfold = () => ($("details").open = wide.matches);
wide.addEventListener("change", unfold);
unfold();

new ResizeObserver(scrollDown).observe($("conversation"));

addEventListener("pagehide", () => call?.end());

showTalk();
look();
