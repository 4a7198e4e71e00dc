"""Wires by themselves: messages into commands, events into messages. No server, no call."""

from __future__ import annotations

import json
from typing import Any, Iterable

import pytest
import websockets
from counting_engines import SPEECH, CountingTranscriber, pcm, silence, with_engines
from echo_agent import EchoAgent, Serve
from sanic.request import Request

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings
from emotionlayer_rasa.channels.commands import (
    CallOptions,
    Command,
    EndOfSound,
    EndOfUtterance,
    HungUp,
    KeyPressed,
    Played,
    Sound,
    Start,
    TextMessage,
)
from emotionlayer_rasa.channels.events import (
    BotMessage,
    CallEvent,
    ConversationState,
    Discarded,
    EmotionRead,
    Failed,
    Interim,
    Opened,
    Partial,
    SpeechFormat,
    SpeechPiece,
    SpeechSent,
    SpeechStopped,
    Transcribed,
    TurnState,
)
from emotionlayer_rasa.channels.wires.base import CallRoute, Message, Wire
from emotionlayer_rasa.channels.wires.media_streams import (
    MediaStreamsRoute,
    MediaStreamsSettings,
    MediaStreamsWire,
)
from emotionlayer_rasa.channels.wires.stream import StreamWire
from emotionlayer_rasa.errors import BusyError
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, Transcript, Utterance, Word

ANGRY = EmotionReading("anger", 0.9, {"anger": 0.9, "neutral": 0.1}, 0.2, 0.8, 0.7, "voice", "test")
AFFECT = AffectiveState("anger", "active_deescalation", 0.9, 0.2, 0.8, 0.7)
SAID = Transcript("hello there", (Word("hello", 0.1, 0.4, 0.98), Word("there", 0.5, 0.9, 0.5)))
PIECE = SpeechPiece(1, 0, "Hello.", "mulaw", 8000, 2.5, b"\x7f" * 20_000)
EVENTS: dict[str, CallEvent] = {
    "ready": Opened("a", True, True, SpeechFormat("mulaw")),
    "partial": Partial("hel"),
    "interim": Interim(ANGRY, None, 1.0),
    "text": Transcribed(SAID, 2.0),
    "emotion": EmotionRead(Utterance(SAID, ANGRY)),
    "state": TurnState(AFFECT),
    "memory": ConversationState(True, False, AFFECT, "falling", 2, 70),
    "no memory": ConversationState(False, True),
    "bot": BotMessage({"text": "Hi.", "custom": {"speed": 0.8}}),
    "speech": PIECE,
    "spoken": SpeechSent(1, 2.5),
    "stop": SpeechStopped(1),
    "discarded": Discarded("noise", 1.0, 2.0),
    "error": Failed(BusyError("Too many. Try again.")),
}


def stream_wire(**config: Any) -> StreamWire:
    wire = StreamWire("a", 2000)
    if config:
        list(wire.read(json.dumps({"config": config})))
    return wire


def texts(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages if isinstance(message, str)]


def test_with_events_each_event_is_told_at_once() -> None:
    wire = stream_wire(events=True, speech="mulaw", sample_rate=16_000)
    told = {}
    for name, event in EVENTS.items():
        (told[name],) = texts(wire.write(event))
        assert not list(wire.write_reply(Sound(b"")))
    sound = {"sample_rate": 16_000, "encoding": "pcm16"}
    assert told["ready"] == {"ready": {"sender": "a", "new": True, "analysed": True, "speech": "mulaw", **sound}}
    assert told["partial"] == {"partial": "hel"}
    assert told["text"] == {
        "text": "hello there",
        "result": [
            {"conf": 0.98, "start": 2.1, "end": 2.4, "word": "hello"},
            {"conf": 0.5, "start": 2.5, "end": 2.9, "word": "there"},
        ],
    }
    assert (told["interim"]["interim"], set(told["interim"])) == (True, {"emotion", "interim", "prosody"})
    assert (told["emotion"]["interim"], told["emotion"]["emotion"]["label"]) == (False, "anger")
    assert set(told["emotion"]) == {"emotion", "interim", "prosody", "words"}
    assert told["state"]["state"]["strategy"] == "active_deescalation"
    extra = {"trend": "falling", "negative_streak": 2, "priority": 70, "analysed": True, "escalated": False}
    assert told["memory"]["state"] == {**told["state"]["state"], **extra}
    assert told["no memory"] == {"state": {"analysed": False, "escalated": True}}
    assert told["bot"] == {"bot": {"text": "Hi.", "custom": {"speed": 0.8}}}
    header = {"id": 1, "part": 0, "sentence": "Hello.", "sample_rate": 8000, "encoding": "mulaw"}
    assert told["speech"] == {"speech": {**header, "seconds": 2.5, "bytes": 20_000}}
    assert b"".join(part for part in wire.write(PIECE) if isinstance(part, bytes)) == PIECE.audio
    assert told["spoken"] == {"speech": {"id": 1, "end": True, "seconds": 2.5}}
    assert told["stop"] == {"stop": {"id": 1}}
    assert told["discarded"] == {"discarded": "noise"}
    assert told["error"] == {"error": {"code": "busy", "message": "Too many. Try again."}}


def test_without_interim_and_words_these_are_left_out() -> None:
    wire = stream_wire(events=True, interim=False, words=False)
    assert not list(wire.write(EVENTS["interim"]))
    assert texts(wire.write(EVENTS["text"])) == [{"text": "hello there"}]


def test_in_plain_mode_all_is_kept_for_the_reply() -> None:
    wire = stream_wire()
    assert not [message for event in EVENTS.values() for message in wire.write(event)]
    assert not list(wire.write_reply(Start("a")))
    assert not list(wire.write_reply(Played(1, None)))
    (reply,) = texts(wire.write_reply(Sound(b"")))
    assert set(reply) == {"text", "result", "emotion", "interim", "prosody", "words", "state", "bot", "error"}
    assert (reply["text"], reply["bot"]) == ("hello there", [{"text": "Hi.", "custom": {"speed": 0.8}}])
    assert texts(wire.write_reply(Sound(b""))) == [{"partial": ""}]
    list(wire.write(Partial("hel")))
    assert texts(wire.write_reply(Sound(b""))) == [{"partial": "hel"}]
    assert texts(wire.write_reply(EndOfUtterance())) == [{"text": ""}]


def test_a_stream_begins_with_its_first_sound_or_message() -> None:
    wire = stream_wire(encoding="mulaw", metadata={"page": "cart"})
    start, sound = wire.read(b"\x7f")
    assert isinstance(start, Start)
    assert (start.sender, start.options.encoding, start.options.metadata) == ("a", "mulaw", {"page": "cart"})
    assert sound == Sound(b"\x7f")
    for message, command in {
        '{"message": "hello", "metadata": {"a": 1}}': TextMessage("hello", {"a": 1}),
        '{"reset": 1}': EndOfUtterance(),
        '{"eof": 1}': EndOfSound(),
        '{"played": {"id": 2, "seconds": 1.5}}': Played(2, 1.5),
        '{"played": {"id": 2, "done": true}}': Played(2, None),
    }.items():
        assert tuple(wire.read(message)) == (command,), message


@pytest.fixture
def telephone(monkeypatch: pytest.MonkeyPatch) -> Wire:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "12345")
    account = MediaStreamsRoute(MediaStreamsSettings(public_url="https://bot.example.com", dtmf_intent="keys"))
    parameters = {"sender": "tel-1", "ticket": account.tickets.issue("CA1", "tel-1")}
    sound = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"callSid": "CA1", "streamSid": "MZ1", "mediaFormat": sound, "customParameters": parameters}
    wire = MediaStreamsWire(account, {})
    begun, opening = wire.read(json.dumps({"event": "start", "start": start}))
    assert isinstance(begun, Start)
    assert (begun.sender, begun.other_sender, begun.options.key_intent) == ("tel-1", "tel-1-CA1", "keys")
    assert begun.options.silence_prompts
    assert opening == TextMessage("/session_start")
    return wire


def test_a_telephone_gets_speech_and_nothing_else(telephone: Wire) -> None:
    written = {name: texts(telephone.write(event)) for name, event in EVENTS.items()}
    assert [name for name, messages in written.items() if messages] == ["speech", "stop"]
    *media, mark = written["speech"]
    assert [message["event"] for message in media] == ["media"] * 13
    assert mark == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "1.0"}}
    assert written["stop"] == [{"event": "clear", "streamSid": "MZ1"}]


def test_what_a_telephone_sends_becomes_commands(telephone: Wire) -> None:
    def read(event: str, **content: Any) -> tuple[Command, ...]:
        return tuple(telephone.read(json.dumps({"event": event, event: content})))

    assert read("connected") == ()
    assert read("media", payload="fw==", track="inbound") == (Sound(b"\x7f"),)
    assert read("dtmf", digit="5") == (KeyPressed("5"),)
    list(telephone.write(PIECE))
    assert read("mark", name="1.0") == (Played(1, 2.5),)
    assert read("mark", name="1.0") == ()
    assert read("stop") == (HungUp(),)


class _LineWire(Wire):
    """A protocol made up: sound in, one line of text for each utterance out."""

    def __init__(self) -> None:
        self._started = False

    def read(self, message: Message) -> Iterable[Command]:
        if not self._started:
            self._started = True
            yield Start("made-up", CallOptions(sample_rate=16_000))
        yield Sound(message) if isinstance(message, bytes) else EndOfSound()

    def write(self, event: CallEvent) -> Iterable[Message]:
        if isinstance(event, Transcribed):
            yield f"heard {event.transcript.text}"


class _LineRoute(CallRoute):
    path = "/line"

    def open(self, request: Request) -> Wire:
        return _LineWire()


@pytest.mark.anyio
async def test_a_new_wire_is_a_wire_and_a_route(serve: Serve) -> None:
    agent = EchoAgent()
    voice = VoiceInput(VoiceSettings(), with_engines(CountingTranscriber()), routes=[_LineRoute()])
    async with (
        serve(voice, agent) as http,
        websockets.connect(f"ws://127.0.0.1:{http.base_url.port}/webhooks/voice/line") as socket,
    ):
        await socket.send(pcm(SPEECH, silence(1.0)))
        await socket.send("bye")
        assert "heard word" in await socket.recv()
        await socket.wait_closed()
        assert socket.close_code == 1000
    assert [message.sender_id for message in agent.messages] == ["made-up"]
