"""The first sentence of a reply, spoken before Rasa has the rest; and an assistant that speaks unasked."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any, Awaitable, Callable

import httpx
import pytest
import websockets
from counting_engines import SPEECH, CountingTranscriber, pcm, silence, with_engines
from echo_agent import EchoAgent, Serve
from rasa.core.channels.channel import UserMessage
from test_speaking import ToneSynthesizer
from test_stream import CONFIG, connect, next_with, send

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings
from emotionlayer_rasa.channels.wires.media_streams import MediaStreamsRoute, MediaStreamsSettings
from emotionlayer_rasa.early_speech import SECRET_VARIABLE, early_speech_metadata, early_speech_url

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, "known to both servers")


FIRST, REST = "I am sorry.", "Your order is on its way."


class EarlyAgent(EchoAgent):
    """Does what the action server does: says the first sentence, and gives Rasa the reply when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.early: list[httpx.Response] = []
        self.done = asyncio.Event()
        self.before: Callable[[], Awaitable[Any]] | None = None
        self.first = FIRST
        self.reply = f"{FIRST} {REST}"
        self.first_message: str | None = None

    async def say(self, url: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            return await http.post(url, **(options or {"json": {"text": self.first, "custom": {"speed": 0.8}}}))

    async def handle_message(self, message: UserMessage) -> None:
        self.messages.append(message)
        if self.before:
            await self.before()
        if url := early_speech_url(message.metadata):
            self.early.append(await self.say(url))
        await asyncio.wait_for(self.done.wait(), 60)
        if self.first_message:
            await message.output_channel.send_response(message.sender_id, {"text": self.first_message})
        await message.output_channel.send_response(
            message.sender_id, {"text": self.reply, "custom": {"speed": 0.8}}
        )


@pytest.fixture
def agent() -> EarlyAgent:
    return EarlyAgent()


def channel(**settings: Any) -> VoiceInput:
    return VoiceInput(VoiceSettings(**settings), with_engines(CountingTranscriber()), ToneSynthesizer())


SPOKEN = {**CONFIG, "events": True, "interim": False, "speech": "mulaw"}


async def events_until(socket: Any, last: Callable[[dict[str, Any]], Any]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while not events or not last(events[-1]):
        message = await asyncio.wait_for(socket.recv(), 60)
        if isinstance(message, str):
            events.append(json.loads(message))
    return events


def sentences(events: list[dict[str, Any]]) -> list[tuple[int, str]]:
    told = [event["speech"] for event in events if "speech" in event]
    return [(piece["id"], piece["sentence"]) for piece in told if "sentence" in piece]


def is_end_of(id: int) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event.get("speech", {}).get("end") and event["speech"]["id"] == id


async def test_the_first_sentence_is_heard_before_the_reply_is_known(serve: Serve, agent: EarlyAgent) -> None:
    async with serve(channel(token="s3cret"), agent) as http, connect(http, "?token=s3cret") as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message="hello")
        early = await events_until(socket, is_end_of(1))
        assert sentences(early) == [(1, FIRST)]
        assert not [event for event in early if "bot" in event]
        agent.done.set()
        late = await events_until(socket, is_end_of(2))
        assert sentences(late) == [(2, REST)], "only the rest is left to say"
        assert [event["bot"]["text"] for event in late if "bot" in event] == [f"{FIRST} {REST}"]
        assert [(answer.status_code, answer.json()) for answer in agent.early] == [(200, {"spoken": True})]
        after = await agent.say(early_speech_url(agent.messages[0].metadata) or "")
        assert (after.status_code, after.json()["error"]["code"]) == (404, "request.unknown_call")


async def test_another_reply_than_was_begun_is_spoken_in_full(serve: Serve, agent: EarlyAgent) -> None:
    agent.reply = "I am sorry, that went wrong."
    async with serve(channel(), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        agent.done.set()
        await send(socket, message="hello")
        assert sentences(await events_until(socket, is_end_of(2))) == [(1, FIRST), (2, agent.reply)]


async def test_a_sentence_is_spoken_once_when_another_message_comes_before_the_reply(
    serve: Serve, agent: EarlyAgent
) -> None:
    agent.first_message = "One moment."
    async with serve(channel(), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        agent.done.set()
        await send(socket, message="hello")
        assert sentences(await events_until(socket, is_end_of(3))) == [(1, FIRST), (2, "One moment."), (3, REST)]


async def test_no_more_can_have_been_played_than_was_sent(serve: Serve) -> None:
    async with serve(channel(idle_timeout_s=1), EchoAgent()) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message="Hello.")
        await events_until(socket, is_end_of(1))
        for seconds in (1e18, 0.9, 10**400):
            await send(socket, played={"id": 1, "seconds": seconds})
            assert (await next_with(socket, "error"))["error"]["code"] == "request"
        await send(socket, played={"id": 1, "seconds": 0.601})
        assert (await next_with(socket, "error"))["error"]["code"] == "call.idle", "what was told is believed"


REFUSED = {
    "unknown": ({"json": {"text": "a"}}, 404, "request.unknown_call"),
    "no json": ({"content": b"{"}, 400, "request"),
    "no object": ({"json": ["a"]}, 400, "request"),
    "no text": ({"json": {"text": " "}}, 400, "request"),
    "too large": ({"json": {"text": "a" * 20_000}}, 413, "request.too_large"),
}


async def test_what_is_no_sentence_for_an_open_turn_is_refused(
    serve: Serve, agent: EarlyAgent, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(channel(), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message="hello")
        await events_until(socket, is_end_of(1))
        url = early_speech_url(agent.messages[0].metadata) or ""
        for name, (options, status, code) in REFUSED.items():
            wrong = url.replace("/say", "x/say") if name == "unknown" else url
            answer = await agent.say(wrong, **options)
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), name
        assert (await agent.say(url, json={"text": "And more.", "custom": 3})).status_code == 200
        assert (await http.get(url)).status_code == 405
        agent.done.set()
        await next_with(socket, "bot")
    assert FIRST not in caplog.text


async def test_while_the_caller_speaks_nothing_is_said_early(serve: Serve, agent: EarlyAgent) -> None:
    async with serve(channel(), agent) as http, connect(http) as socket:

        async def speak() -> None:
            await socket.send(pcm(SPEECH))
            await next_with(socket, "partial")

        agent.before = speak
        agent.done.set()
        await send(socket, config=SPOKEN)
        await next_with(socket, "ready")
        sending = asyncio.create_task(send(socket, message="hello"))
        while not agent.early:
            await asyncio.sleep(0.01)
        await sending
        assert agent.early[0].json()["error"]["code"] == "request.caller_speaks"
        agent.before = None
        await socket.send(pcm(silence(1.0)))
        spoken = await events_until(socket, is_end_of(1))
        assert sentences(spoken) == [(1, FIRST), (1, REST)], "the whole reply, when the caller has finished"


async def test_of_a_reply_that_is_interrupted_the_rest_is_not_spoken(serve: Serve, agent: EarlyAgent) -> None:
    async with serve(channel(), agent) as http, connect(http) as socket:
        agent.first = (
            "I am sorry that this takes us such a long while, and so does what I am saying at the moment."
        )
        agent.reply = f"{agent.first} {REST}"
        await send(socket, config=SPOKEN)
        await send(socket, message="hello")
        await events_until(socket, lambda event: "sentence" in event.get("speech", {}))
        await socket.send(pcm(SPEECH))
        await next_with(socket, "stop")
        url = early_speech_url(agent.messages[0].metadata) or ""
        assert (await agent.say(url)).status_code == 409
        agent.done.set()
        assert (await next_with(socket, "bot"))["bot"]["text"] == agent.reply
        agent.first, agent.reply = FIRST, f"{FIRST} {REST}"
        await socket.send(pcm(silence(1.0)))
        heard = await events_until(socket, is_end_of(3))
        assert sentences(heard) == [(2, FIRST), (3, REST)], "of the next reply"
    assert "said" in agent.messages[1].metadata["emotionlayer_interrupted"]


@pytest.mark.parametrize(
    ("settings", "config", "address"),
    [
        ({}, {"speech": "mulaw"}, "http://localhost:{port}"),
        ({"own_url": "https://rasa-2.internal:5005"}, {"speech": "mulaw"}, "https://rasa-2.internal:5005"),
        ({"own_url": "https://bot.example.com/a/b"}, {"speech": "mulaw"}, "https://bot.example.com/a/b"),
        ({"early_speech": False}, {"speech": "mulaw"}, None),
        ({}, {}, None),
    ],
)
async def test_only_calls_that_speak_have_an_address_and_no_client_writes_it(
    serve: Serve, settings: dict[str, Any], config: dict[str, Any], address: str | None
) -> None:
    agent = EchoAgent()
    foreign = early_speech_metadata("http://elsewhere.example.org", "x" * 43)
    async with serve(channel(**settings), agent) as http, connect(http) as socket:
        await send(socket, config={**CONFIG, "events": True, "metadata": foreign, **config})
        for text in ("one", "two"):
            await send(socket, message=text, metadata=foreign)
            await next_with(socket, "bot")
        await http.post("/webhook", json={"sender": "typed", "message": "three", "metadata": foreign})
        port = http.base_url.port
    one, two, three = (early_speech_url(message.metadata) for message in agent.messages)
    assert three is None
    if address is None:
        assert (one, two) == (None, None)
        return
    assert one
    assert two
    assert one != two, "each turn has its own"
    assert one.startswith(address.format(port=port) + "/webhooks/voice/calls/")


async def test_a_telephone_call_has_an_address_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "12345")
    account = MediaStreamsRoute(MediaStreamsSettings(public_url="https://bot.example.com"))
    agent = EarlyAgent()
    voice = VoiceInput(VoiceSettings(), with_engines(CountingTranscriber()), ToneSynthesizer(), [account])
    async with serve(voice, agent) as http:
        port = http.base_url.port
        async with websockets.connect(f"ws://127.0.0.1:{port}/webhooks/voice/twilio") as socket:
            sound = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
            parameters = {"sender": "tel-1", "ticket": account.tickets.issue("CA1", "tel-1")}
            start = {"callSid": "CA1", "streamSid": "MZ1", "mediaFormat": sound, "customParameters": parameters}
            await send(socket, event="start", start=start)
            await next_with(socket, "media")
            agent.done.set()
            marks = [(await next_with(socket, "mark"))["mark"]["name"] for _ in range(2)]
            assert marks == ["1.0", "2.0"], "the rest comes as another piece"
    assert agent.early[0].status_code == 200


FORGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another host": lambda entry: {**entry, "url": entry["url"].replace("localhost", "192.0.2.7")},
    "another port": lambda entry: {**entry, "url": entry["url"].replace("5005", "9999")},
    "another path": lambda entry: {**entry, "url": entry["url"].replace("/say", "/say?to=x")},
    "no signature": lambda entry: {"url": entry["url"]},
    "empty signature": lambda entry: {**entry, "signature": ""},
    "no text": lambda entry: {"url": 7, "signature": 7},
    "half a character": lambda entry: {"url": "http://\ud83d", "signature": "\ud83d"},
    "no object": lambda entry: entry["url"],
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_an_address_that_the_channel_did_not_sign_is_none(forge: Callable[[dict[str, Any]], Any]) -> None:
    genuine = early_speech_metadata("http://localhost:5005", "x" * 43)["early_speech"]
    assert early_speech_url({"early_speech": genuine}) == genuine["url"]
    assert early_speech_url({"early_speech": forge(genuine)}) is None
    assert early_speech_url(None) is None


def test_servers_of_one_account_on_one_machine_share_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(SECRET_VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "a"))
    metadata = early_speech_metadata("http://localhost:5006", "x" * 43)
    assert early_speech_url(metadata) == f"http://localhost:5006/webhooks/voice/calls/{'x' * 43}/say"
    (file,) = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert file.stat().st_mode & 0o077 == 0, "nobody else reads it"
    assert len(file.read_bytes()) >= 32

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "b"))
    with caplog.at_level(logging.WARNING):
        assert early_speech_url(metadata) is None, "another account's"
    assert SECRET_VARIABLE in caplog.text
    assert "localhost" not in caplog.text


def test_without_a_secret_no_address_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv(SECRET_VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    assert early_speech_metadata("http://localhost:5005", "x" * 43) == {}


async def test_the_assistant_speaks_first(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    voice = channel()
    assert voice.get_output_channel() is None, "nobody is served yet"
    async with serve(voice, EchoAgent()) as http:
        output = voice.get_output_channel()
        assert output is not None
        assert output.name() == "voice"
        await output.send_response("caller", {"text": "Nobody hears this."})
        assert output.messages == [{"text": "Nobody hears this."}], "trigger_intent gives it back"
        async with connect(http, "?sender=caller") as socket:
            await send(socket, config=SPOKEN)
            await next_with(socket, "ready")
            await output.send_response("caller", {"text": "Are you still there?", "custom": {"speed": 0.8}})
            told = await events_until(socket, is_end_of(1))
            assert sentences(told) == [(1, "Are you still there?")]
            assert [event["bot"]["text"] for event in told if "bot" in event] == ["Are you still there?"]
        assert len(output.messages) == 1
    assert "Nobody hears" not in caplog.text
