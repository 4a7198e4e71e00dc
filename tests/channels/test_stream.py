from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import subprocess
from functools import partialmethod
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from counting_engines import SPEECH, CountingTranscriber, pcm, silence, with_engines
from echo_agent import EchoAgent, Serve
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.events import SlotSet
from sanic.server.protocols.websocket_protocol import WebSocketProtocol

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings
from emotionlayer_rasa.channels.assistant import Assistant
from emotionlayer_rasa.channels.call import Call
from emotionlayer_rasa.channels.calls import Calls, CallSettings
from emotionlayer_rasa.channels.commands import CallOptions
from emotionlayer_rasa.errors import ModelUnavailableError
from emotionlayer_rasa.hearing import Listener
from emotionlayer_rasa.synthesis.espeak import EspeakSynthesizer

pytestmark = pytest.mark.anyio

UTTERANCE = pcm(SPEECH, silence(1.0))
CONFIG = {"sample_rate": 16_000}


@pytest.fixture
def transcriber() -> CountingTranscriber:
    return CountingTranscriber()


@pytest.fixture
def listener(transcriber: CountingTranscriber) -> Listener:
    return with_engines(transcriber, live={"max_live": 60})


def channel(listener: Any, **settings: Any) -> VoiceInput:
    return VoiceInput(VoiceSettings(**settings), listener)


def connect(http: httpx.AsyncClient, query: str = "", **options: Any) -> Any:
    return websockets.connect(f"ws://127.0.0.1:{http.base_url.port}/webhooks/voice/stream{query}", **options)


async def send(socket: Any, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def next_with(socket: Any, key: str) -> dict[str, Any]:
    """The next event that has a key."""

    async def find() -> dict[str, Any]:
        async for message in socket:
            event = json.loads(message) if isinstance(message, str) else {}
            if key in event:
                return event
        raise AssertionError(f"closed with {socket.close_code}, and no {key!r}")

    return await asyncio.wait_for(find(), 60)


async def ask(socket: Any, message: bytes | str) -> dict[str, Any]:
    await socket.send(message)
    return json.loads(await asyncio.wait_for(socket.recv(), 60))


async def test_in_plain_mode_every_message_has_one_reply(serve: Serve, listener: Listener) -> None:
    agent = EchoAgent()
    async with serve(channel(listener), agent) as http, connect(http, "?sender=a") as socket:
        await send(socket, config={**CONFIG, "metadata": {"page": "cart", "emotionlayer": 1}})
        replies = [await ask(socket, UTTERANCE[at : at + 6400]) for at in range(0, len(UTTERANCE), 6400)]
        (text,) = [reply for reply in replies if "text" in reply]
        assert all("partial" in reply for reply in replies if reply is not text)
        assert any(reply.get("partial", "").startswith("word") for reply in replies)
        assert set(text["text"].split()) == {"word"}
        assert [set(word) for word in text["result"]] == [{"conf", "end", "start", "word"}] * len(text["result"])
        assert text["emotion"]["label"] == "anger"
        assert text["state"]["state"] == "anger"
        assert (await ask(socket, '{"reset" : 1}'))["text"] == ""
        typed = await ask(socket, '{"message": "hello"}')
        assert {"text": "hello", "custom": {"speed": 1.0}} in typed["bot"]
        assert await ask(socket, b"") == {"partial": ""}
        final = await ask(socket, '{"eof" : 1}')
        assert final == {"text": ""}
        with pytest.raises(websockets.ConnectionClosedOK):
            await socket.recv()
    spoken, hello = agent.messages
    assert (spoken.text, spoken.sender_id, spoken.input_channel) == (text["text"], "a", "voice")
    assert spoken.metadata["page"] == hello.metadata["page"] == "cart"
    assert spoken.metadata["emotionlayer"]["emotion"]["label"] == "anger"
    assert "emotionlayer" not in hello.metadata


REFUSED = {
    "wrong json": ("{", "request", False),
    "no object": ("[1]", "request", False),
    "no known key": ('{"hello": 1}', "request", False),
    "empty message": ('{"message": " "}', "request", False),
    "metadata": ('{"message": "a", "metadata": 3}', "request", False),
    "played": ('{"played": {"id": "x"}}', "request", False),
    "played seconds are true": ('{"played": {"id": 1, "seconds": true}}', "request", False),
    "played id is true": ('{"played": {"id": true, "seconds": 1}}', "request", False),
    "played before the start": ('{"played": {"id": 1, "seconds": -1e18}}', "request", False),
    "played no number": ('{"played": {"id": 1, "seconds": NaN}}', "request", False),
    "played for ever": ('{"played": {"id": 1, "seconds": 1e999}}', "request", False),
    "played for ever before": ('{"played": {"id": 1, "seconds": -Infinity}}', "request", False),
    "deep": ("[" * 100_000, "request", False),
    "deep in an object": ('{"message": ' * 900 + '"a"' + "}" * 900, "request", False),
    "deep metadata": ('{"message": "a", "metadata": ' + '{"a":' * 40 + "1" + "}" * 41, "request", False),
    "deep payload": (json.dumps({"message": '/greet{"a": ' + "[" * 900 + "]" * 900 + "}"}), "request", False),
    "much metadata": (json.dumps({"message": "a", "metadata": {"a": "b" * 70_000}}), "request.too_large", False),
    "half a character": ('{"message": "\\ud83d"}', "request", False),
    "huge number": ('{"message": "a", "metadata": {"a": ' + "9" * 5000 + "}}", "request", False),
    "long message": (json.dumps({"message": "a" * 2001}), "request.too_large", False),
    "config of events too late": ('{"config": {"events": true}}', "call", True),
    "model too late": ('{"config": {"model": "/etc"}}', "call", True),
}


@pytest.mark.parametrize(("message", "code", "ends"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_wrong_message_is_refused_with_its_code(
    serve: Serve, listener: Listener, message: bytes | str, code: str, ends: bool
) -> None:
    agent = EchoAgent()
    async with serve(channel(listener), agent) as http, connect(http) as socket:
        await send(socket, config=CONFIG)
        await ask(socket, b"\0\0" * 800)
        error = (await ask(socket, message))["error"]
        assert error["code"] == code
        assert len(error["message"]) > 20
        if ends:
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await socket.recv()
            assert closed.value.code == 1008
        else:
            assert (await ask(socket, '{"message": "goes on"}'))["bot"][0]["text"] == "goes on"


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"sample_rate": 7999}, "sample_rate"),
        ({"sample_rate": "fast"}, "sample_rate"),
        ({"encoding": "gsm"}, "encoding"),
        ({"model": "/etc"}, "credentials.yml"),
        ({"model_path": "/etc"}, "credentials.yml"),
        ({"sampel_rate": 8000, "events": True}, "sampel_rate"),
        ({"max_alternatives": -1}, "max_alternatives"),
        ({"answer_as_text": "perhaps"}, "answer_as_text"),
        ({"speech": "pcm16"}, "events"),
        ({"sender": "x" * 256}, "sender"),
        ({"sender": True}, "sender"),
        ({"sender": 1.5}, "sender"),
        ({"sample_rate": True}, "sample_rate"),
        ({"sample_rate": 10**400}, "sample_rate"),
        ({"speech_rate": -1}, "speech_rate"),
        ({"metadata": 3}, "metadata"),
        ({"sender": ""}, "sender"),
        (3, "object"),
    ],
)
async def test_a_wrong_configuration_ends_the_call_and_names_the_key(
    serve: Serve, listener: Listener, config: Any, named: str
) -> None:
    async with serve(channel(listener), EchoAgent()) as http, connect(http) as socket:
        await send(socket, config=config)
        await socket.send(b"\0\0")
        error = json.loads(await asyncio.wait_for(socket.recv(), 30))["error"]
        assert error["code"] in ("call", "request")
        assert named in error["message"]


async def test_refused_before_the_upgrade(serve: Serve, listener: Listener) -> None:
    async def status(http: httpx.AsyncClient, query: str = "", **headers: str) -> int:
        try:
            async with connect(http, query, extra_headers=headers):
                return 101
        except websockets.InvalidStatusCode as refused:
            return refused.status_code

    agent = EchoAgent()
    async with serve(channel(listener, max_calls=1), agent) as http:
        own = f"127.0.0.1:{http.base_url.port}"
        assert await status(http) == 101
        assert await status(http, Origin=f"http://{own}") == 101
        for origin in ("https://example.org", "null", f"http://127.0.0.1:{http.base_url.port + 1}", "file://"):
            assert await status(http, Origin=origin) == 401, origin
        rebound = f"rebound.example.org:{http.base_url.port}"
        assert await status(http, Origin=f"http://{rebound}", Host=rebound) == 401
        async with connect(http):
            assert await status(http) == 503
        agent.ready = False
        assert await status(http) == 503
    async with serve(channel(listener, token="s3cret"), EchoAgent()) as http:
        assert await status(http) == 401
        assert await status(http, "?token=wrong") == 401
        assert await status(http, "?token=s3cret", Origin="https://example.org") == 101
        assert await status(http, Authorization="Bearer s3cret") == 101


async def test_those_who_find_no_place_any_more_are_told_so(serve: Serve, listener: Listener) -> None:
    async def outcome(http: httpx.AsyncClient) -> str:
        try:
            async with connect(http) as socket:
                reply = await ask(socket, '{"message": "hello"}')
                if "bot" in reply:
                    await asyncio.sleep(0.5)  # holds its place until the others have tried
                    return "call"
                await socket.wait_closed()
                return f"{reply['error']['code']} {socket.close_code}"
        except websockets.InvalidStatusCode as refused:
            return str(refused.status_code)

    async with serve(channel(listener, max_calls=1), EchoAgent()) as http:
        outcomes = await asyncio.gather(*(outcome(http) for _ in range(20)))
        assert outcomes.count("call") == 1
        assert set(outcomes) <= {"call", "503", "busy 1008"}
        assert await outcome(http) == "call", "the place is free again"


async def test_a_failure_of_ours_ends_the_call_with_an_error_and_no_log_has_the_token(
    serve: Serve, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(EchoAgent):
        def __init__(self) -> None:
            super().__init__()
            self.tracker_store.retrieve = None  # type: ignore[assignment]

    async with (
        serve(channel(listener, token="s3cret"), Broken()) as http,
        connect(http, "?token=s3cret") as socket,
    ):
        await send(socket, config={**CONFIG, "events": True})
        assert (await next_with(socket, "error"))["error"]["code"] == "call"
        await socket.wait_closed()
        assert socket.close_code == 1008
    logging.getLogger("sanic.error").error(
        "Exception occurred while handling uri: %s", str(http.base_url) + "x?token=s3cret"
    )
    assert "s3cret" not in caplog.text


async def test_a_waiter_that_is_cancelled_leaves_no_task(
    listener: Listener, transcriber: CountingTranscriber
) -> None:
    transcriber.go_on.clear()
    before = asyncio.all_tasks()
    agent = EchoAgent()
    calls = Calls(Assistant(agent.handle_message, 4, 60), listener, None, CallSettings())
    call = Call(calls, lambda: agent, "a", lambda event: None, CallOptions(sample_rate=16_000))
    call.feed(UTTERANCE)
    hearing = asyncio.all_tasks()
    waiting = asyncio.create_task(call.caught_up())
    await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.wait({waiting})
    await asyncio.sleep(0)
    left = [task.get_coro().__qualname__ for task in asyncio.all_tasks() - hearing]
    transcriber.go_on.set()
    await call.close()
    assert "LiveSession.caught_up" not in left
    assert asyncio.all_tasks() == before


class CountingStore:
    """Counts how often a tracker store is read."""

    def __init__(self, store: Any) -> None:
        self._store, self.retrieved = store, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def retrieve(self, sender: str) -> Any:
        self.retrieved += 1
        return await self._store.retrieve(sender)


async def test_the_conversation_is_not_read_again_while_a_caller_speaks(serve: Serve, listener: Listener) -> None:
    agent = EchoAgent()
    store = agent.tracker_store = CountingStore(agent.tracker_store)  # type: ignore[assignment]
    async with serve(channel(listener), agent) as http, connect(http, "?sender=a") as socket:
        await send(socket, config={**CONFIG, "events": True})
        await next_with(socket, "ready")
        for _ in range(2):
            store.retrieved = 0
            for piece in (UTTERANCE[:48_000], UTTERANCE[48_000:90_000]):
                await socket.send(piece)
                assert (await next_with(socket, "interim"))["interim"] is True
            await socket.send(UTTERANCE[90_000:])
            await next_with(socket, "bot")
            await next_with(socket, "state")
            assert store.retrieved == 2, "before the turn, and for the state after it"


async def test_an_objection_by_another_way_holds_for_the_next_words(serve: Serve, listener: Listener) -> None:
    class Objecting(EchoAgent):
        async def handle_message(self, message: UserMessage) -> None:
            tracker = self.tracker_store.init_tracker(message.sender_id)
            tracker.update(SlotSet("emotion_consent", message.text != "stop"))
            await self.tracker_store.save(tracker)
            await super().handle_message(message)

    async with serve(channel(listener), Objecting()) as http, connect(http, "?sender=a") as socket:
        await send(socket, config={**CONFIG, "events": True})
        await next_with(socket, "ready")
        await http.post("/webhook", json={"sender": "a", "message": "stop"})
        told: list[dict[str, Any]] = []
        await socket.send(UTTERANCE)
        while not told or "bot" not in told[-1]:
            told.append(json.loads(await asyncio.wait_for(socket.recv(), 30)))
        assert not [event for event in told if "emotion" in event]


async def test_a_hundred_calls_that_break_leave_nothing_and_harm_no_other(
    serve: Serve, listener: Listener, transcriber: CountingTranscriber, caplog: pytest.LogCaptureFixture
) -> None:
    def speech_programs() -> int:
        processes = subprocess.run(["ps", "-A", "-o", "ppid=,comm="], capture_output=True, text=True, check=True)
        listed = (line.split(None, 1) for line in processes.stdout.splitlines())
        return sum(int(parent) == os.getpid() and "espeak" in name for parent, name in listed)

    spoken = 0

    async def broken(number: int) -> None:
        nonlocal spoken
        async with connect(http) as socket:
            speaks = number % 4 == 0
            await send(
                socket, config={**CONFIG, "events": number % 2 == 0, "speech": "mulaw" if speaks else "none"}
            )
            if speaks:
                await send(socket, message="This sentence takes a while to say. " * 50)
            if number % 8 == 0:
                await next_with(socket, "speech")
                spoken += 1
            for at in range(0, (number % 4) * 16_000, 6400):
                await socket.send(UTTERANCE[at : at + 6400])
            if number % 4 == 2:
                await next_with(socket, "partial")
            socket.transport.abort()

    voice = VoiceInput(VoiceSettings(max_calls=200), listener, EspeakSynthesizer())
    async with serve(voice, EchoAgent()) as http:
        await asyncio.sleep(0.2)
        before = len(asyncio.all_tasks())
        async with connect(http) as good:
            await send(good, config=CONFIG)
            for wave in range(4):
                await asyncio.gather(*(broken(25 * wave + number) for number in range(25)))
            replies = [await ask(good, UTTERANCE[at : at + 6400]) for at in range(0, len(UTTERANCE), 6400)]
            assert sum("text" in reply for reply in replies) == 1
        for _ in range(100):
            if len(asyncio.all_tasks()) <= before and listener._sessions == speech_programs() == 0:
                break
            await asyncio.sleep(0.1)
        gc.collect()
        assert len(asyncio.all_tasks()) <= before, asyncio.all_tasks()
        assert (listener._sessions, transcriber.open, speech_programs()) == (0, 0, 0)
        assert spoken >= 12, "they had been spoken to"
        assert len(transcriber.streams) >= 25, "they had begun to speak"
        assert not [record for record in caplog.records if "destroyed" in record.message]


async def test_more_calls_than_can_be_heard_are_told_so(serve: Serve, transcriber: CountingTranscriber) -> None:
    listener = with_engines(transcriber, live={"max_live": 1})
    async with serve(channel(listener), EchoAgent()) as http, connect(http) as first, connect(http) as second:
        await ask(first, b"\0\0" * 800)
        assert (await ask(second, b"\0\0" * 800))["error"]["code"] == "busy"
        assert (await ask(first, '{"message": "still here"}'))["bot"]


async def test_without_a_model_typed_turns_go_on(serve: Serve, transcriber: CountingTranscriber) -> None:
    class NoTranscriber(CountingTranscriber):
        def stream(self, grammar: Any = None) -> Any:
            raise ModelUnavailableError("No Vosk model for 'xx'. Name a folder as 'model'.")

    listener = with_engines(NoTranscriber())
    async with serve(channel(listener), EchoAgent()) as http, connect(http) as socket:
        await send(socket, config=CONFIG)
        assert (await ask(socket, '{"message": "hello"}'))["bot"]
        reply: dict[str, Any] = {}
        for at in range(0, len(UTTERANCE), 6400):
            reply = await ask(socket, UTTERANCE[at : at + 6400])
            if "error" in reply:
                break
        assert reply["error"]["code"] == "model.unavailable"


async def test_silence_ends_a_call(serve: Serve, listener: Listener) -> None:
    async with serve(channel(listener, idle_timeout_s=1), EchoAgent()) as http:
        async with connect(http) as mute:
            assert json.loads(await asyncio.wait_for(mute.recv(), 30))["error"]["code"] == "call.idle"
        async with connect(http) as silent:
            await send(silent, config={**CONFIG, "events": True})

            async def hum() -> None:
                while True:
                    await silent.send(pcm(silence(0.1)))
                    await asyncio.sleep(0.1)

            humming = asyncio.create_task(hum())
            assert (await next_with(silent, "error"))["error"]["code"] == "call.idle"
            humming.cancel()
            await asyncio.wait({humming})


async def test_a_client_that_does_not_read_is_ended(
    serve: Serve, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sanic waits ten seconds for such a connection to close, and has no setting for it.
    monkeypatch.setattr(
        WebSocketProtocol, "__init__", partialmethod(WebSocketProtocol.__init__, websocket_timeout=0.5)
    )
    agent = EchoAgent()
    async with serve(channel(listener, waiting=1000, limits={"max_characters": 200_000}), agent) as http:
        options = {"max_size": None, "max_queue": 1, "read_limit": 1024, "ping_interval": None}
        async with connect(http, **options) as deaf:
            await send(deaf, config={**CONFIG, "events": True})

            async def talk() -> None:
                for _ in range(200):
                    await send(deaf, message="x" * 200_000)
                    await asyncio.sleep(0.01)
                await deaf.wait_closed()
                await deaf.ensure_open()

            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(talk(), 60)
        async with connect(http) as other:
            assert (await ask(other, '{"message": "hello"}'))["bot"]


async def test_a_second_call_of_a_sender_takes_over(serve: Serve, listener: Listener) -> None:
    taken_over = asyncio.Event()

    class Slow(EchoAgent):
        async def handle_message(self, message: UserMessage) -> None:
            await taken_over.wait()
            await super().handle_message(message)

    async with serve(channel(listener), Slow()) as http, connect(http, "?sender=a") as first:
        await send(first, config={**CONFIG, "events": True})
        await send(first, message="asked before")
        async with connect(http, "?sender=a") as second:
            await send(second, config={**CONFIG, "events": True})
            assert (await next_with(first, "error"))["error"]["code"] == "call.taken_over"
            taken_over.set()
            assert (await next_with(second, "bot"))["bot"]["text"] == "asked before", "the answer finds the caller"


async def test_an_objection_holds_for_what_was_said_before_it_was_understood(
    serve: Serve, listener: Listener
) -> None:
    class Objecting(EchoAgent):
        async def handle_message(self, message: UserMessage) -> None:
            if message.text == "stop":
                await asyncio.sleep(1.0)
                tracker = self.tracker_store.init_tracker(message.sender_id)
                tracker.update(SlotSet("emotion_consent", False))
                await self.tracker_store.save(tracker)
            await super().handle_message(message)

    agent = Objecting()
    async with serve(channel(listener), agent) as http, connect(http) as socket:
        await send(socket, config={**CONFIG, "events": True, "interim": False})
        await send(socket, message="stop")
        await socket.send(UTTERANCE)
        told: list[dict[str, Any]] = []
        while (
            len(agent.messages) < 2 or not told or told[-1].get("state") != {"analysed": False, "escalated": False}
        ):
            told.append(json.loads(await asyncio.wait_for(socket.recv(), 30)))
        assert not [event for event in told if "emotion" in event]
    assert agent.messages[1].metadata["emotionlayer"]["emotion"]["source"] == "none"


async def test_an_assistant_that_fails_is_told_and_the_call_goes_on(serve: Serve, listener: Listener) -> None:
    agent = EchoAgent()
    agent.failure = ValueError("cannot store 'my secret sentence'")
    async with serve(channel(listener), agent) as http, connect(http) as socket:
        failed = await ask(socket, '{"message": "my secret sentence"}')
        assert failed["error"]["code"] == "assistant"
        assert "secret" not in json.dumps(failed)
        agent.failure = None
        assert (await ask(socket, '{"message": "hello"}'))["bot"][0]["text"] == "hello"


async def test_raw_encodings_are_heard_alike(serve: Serve, listener: Listener) -> None:
    quiet = (np.frombuffer(UTTERANCE, "<i2")[::2]).tobytes()
    async with serve(channel(listener), EchoAgent()) as http, connect(http) as socket:
        replies = [await ask(socket, quiet[at : at + 3200]) for at in range(0, len(quiet), 3200)]
        assert [reply for reply in replies if reply.get("text")], "8000 Hz unless the client says otherwise"
