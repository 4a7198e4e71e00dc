from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from cachetools import TTLCache
from counting_engines import SPEECH, CountingRecognizer, CountingTranscriber, with_engines
from echo_agent import DOMAIN, EchoAgent, Serve
from rasa.core.channels.channel import UserMessage
from rasa.core.run import create_http_input_channels
from rasa.shared.core.events import ConversationPaused, SlotSet, UserUttered
from rasa.shared.exceptions import InvalidConfigException

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.audio import decode_raw
from emotionlayer_rasa.channels import VoiceInput, VoiceSettings
from emotionlayer_rasa.errors import BusyError, ModelUnavailableError
from emotionlayer_rasa.hearing import Listener, ListenerSettings
from emotionlayer_rasa.utterance import METADATA_KEY, EmotionReading, TextReading, Transcript, Utterance, Word

pytestmark = pytest.mark.anyio


class FakeListener:
    """Hears the same angry sentence in every recording; keeps what it was asked."""

    def __init__(self, text: str = "where is my order", failure: Exception | None = None) -> None:
        self.settings = ListenerSettings()
        self.text = text
        self.failure = failure
        self.asked: list[dict[str, Any]] = []
        self.closed = False

    async def warm_up(self, live: bool) -> None:
        if self.failure:
            raise self.failure

    async def hear(self, data: bytes, **options: Any) -> Utterance:
        if self.failure:
            raise self.failure
        self.asked.append({"data": data, **options})
        reading = EmotionReading("anger", 0.8, {"anger": 1.0}, 0.2, 0.9, 0.8, "voice", "fake")
        words = Transcript(self.text, (Word("where", 0.0, 0.2, 0.9),), "en", "fake")
        if not options["emotion"]:
            return Utterance(words, duration_s=1.5)
        return Utterance(words, reading, affect=fuse(reading, None), duration_s=1.5)

    def close(self) -> None:
        self.closed = True


def channel(listener: Any = None, **settings: Any) -> VoiceInput:
    return VoiceInput(VoiceSettings(**settings), listener or FakeListener())


def wav(samples: np.ndarray, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


TONE = 0.3 * np.sin(np.arange(8000) / 5)


async def test_a_spoken_turn_reaches_rasa_with_its_record_and_comes_back_with_the_replies(serve: Serve) -> None:
    agent, listener = EchoAgent(), FakeListener()
    async with serve(channel(listener), agent) as http:
        answer = await http.post(
            "/webhook", data={"sender": "a", "metadata": '{"page": "cart"}'}, files={"audio": ("x.wav", b"sound")}
        )
    body = answer.json()
    assert answer.status_code == 200
    assert body["transcript"]["text"] == "where is my order"
    assert body["transcript"]["words"][0]["confidence"] == 0.9
    assert body["emotion"]["label"] == "anger"
    assert (body["state"], body["strategy"]) == ("anger", "active_deescalation")
    assert body["affect"]["state"] == "anger"
    assert body["no_speech"] is False
    assert body["messages"] == [{"text": "where is my order", "custom": {"speed": 1.0}}]
    assert body["timings_ms"]["total"] >= body["timings_ms"]["assistant"] >= 0
    (message,) = agent.messages
    assert (message.sender_id, message.input_channel) == ("a", "voice")
    assert message.metadata["page"] == "cart"
    assert Utterance.from_metadata(message.text, message.metadata).emotion.label == "anger"
    assert "where" not in json.dumps(message.metadata)
    assert listener.asked[0]["data"] == b"sound"
    assert listener.closed


async def test_models_that_are_still_loaded_do_not_keep_the_server(serve: Serve) -> None:
    class Slow(FakeListener):
        async def warm_up(self, live: bool) -> None:
            await asyncio.Event().wait()

    voice = channel(Slow())
    async with serve(voice, EchoAgent()) as http:
        assert (await http.get("/")).json() == {"status": "loading"}
    await asyncio.wait({voice._warming_up}, timeout=5)  # type: ignore[arg-type]
    assert voice._warming_up.cancelled()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("path", "headers", "encoding", "rate"),
    [
        ("/webhook?sender=a", {"content-type": "audio/wav"}, None, 16000),
        ("/webhook", {"content-type": "application/octet-stream", "X-Sender-Id": "a"}, None, 16000),
        ("/webhook?sender=a", {"content-type": "audio/webm;codecs=opus"}, None, 16000),
        ("/webhook?sender=a", {"content-type": "video/webm"}, None, 16000),
        ("/webhook?sender=a", {"content-type": "audio/mp4"}, None, 16000),
        ("/webhook?sender=a", {"content-type": "audio/x-m4a"}, None, 16000),
        ("/webhook?sender=a", {"content-type": "video/3gpp"}, None, 16000),
        ("/webhook?sender=a", {"content-type": "application/ogg"}, None, 16000),
        ("/webhook?sender=a", {"content-type": "audio/basic"}, "mulaw", 8000),
        ("/webhook?sender=a", {"content-type": "audio/PCMU;rate=16000"}, "mulaw", 16000),
        ("/webhook?sender=a", {"content-type": "audio/PCMA"}, "alaw", 8000),
        ("/webhook?sender=a&encoding=pcm16&sample_rate=44100", {"content-type": "audio/raw"}, "pcm16", 44100),
    ],
)
async def test_audio_bodies(
    serve: Serve, path: str, headers: dict[str, str], encoding: str | None, rate: int | None
) -> None:
    listener = FakeListener()
    async with serve(channel(listener), EchoAgent()) as http:
        answer = await http.post(path, headers=headers, content=b"sound")
    assert answer.status_code == 200, answer.text
    assert answer.json()["sender"] == "a"
    asked = listener.asked[0]
    assert (asked["data"], asked["encoding"], asked["sample_rate"]) == (b"sound", encoding, rate)


async def test_l16_comes_in_network_byte_order(serve: Serve) -> None:
    listener = FakeListener()
    samples = (TONE * 32767).astype(">i2")
    async with serve(channel(listener), EchoAgent()) as http:
        answer = await http.post(
            "/webhook?sender=a", headers={"content-type": "audio/L16;rate=16000"}, content=samples.tobytes()
        )
    assert answer.status_code == 200
    heard = decode_raw(listener.asked[0]["data"], "pcm16", 16_000).samples
    assert np.abs(heard - TONE).max() < 1e-3


class ReadingAgent(EchoAgent):
    """Keeps each turn in its tracker, with what it read of the words in the entity."""

    words = TextReading(EmotionReading("joy", 0.8, {"joy": 1.0}, 0.8, 0.6, 0.6, "text", "fake"), {"praise": 0.9})

    async def handle_message(self, message: UserMessage) -> None:
        await super().handle_message(message)
        read = Utterance(Transcript(message.text), words=self.words, affect=fuse(None, self.words))
        entity = {"entity": "emotion", "value": "joy", "record": read.to_metadata()}
        tracker = self.tracker_store.init_tracker(message.sender_id)
        tracker.update(UserUttered(message.text, parse_data={"text": message.text, "entities": [entity]}))
        await self.tracker_store.save(tracker)


async def test_a_typed_turn_is_answered_with_what_rasa_read(serve: Serve) -> None:
    async with serve(channel(), ReadingAgent()) as http:
        body = (await http.post("/webhook", json={"sender": "a", "message": "thank you"})).json()
    assert body["transcript"]["text"] == "thank you"
    assert body["words"]["emotion"]["label"] == "joy"
    assert body["words"]["cues"] == {"praise": 0.9}
    assert (body["emotion"]["source"], body["prosody"]) == ("none", None)
    assert body["state"] == fuse(None, ReadingAgent.words).state


async def test_typed_turns_carry_no_record_even_if_the_client_forges_one(serve: Serve) -> None:
    agent = EchoAgent()
    forged = {METADATA_KEY: {"emotion": {"label": "anger"}}, "page": "cart"}
    async with serve(channel(), agent) as http:
        answer = await http.post("/webhook", json={"sender": "a", "message": "hello", "metadata": forged})
    assert answer.json()["emotion"]["label"] == "unknown"
    assert answer.json()["messages"][0]["text"] == "hello"
    assert agent.messages[0].metadata == {"page": "cart"}


async def test_no_words_means_no_turn(serve: Serve) -> None:
    agent = EchoAgent()
    async with serve(channel(FakeListener(text=" ")), agent) as http:
        answer = await http.post("/webhook", data={"sender": "a"}, files={"audio": b"sigh"})
    assert answer.status_code == 200
    assert answer.json()["no_speech"] is True
    assert answer.json()["messages"] == []
    assert agent.messages == []


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 2):
        value = {"a": value}
    return value


MALFORMED = {
    "no content type": {"content": b"x"},
    "other content type": {"content": b"x", "headers": {"content-type": "text/plain"}},
    "broken JSON": {"content": b"{", "headers": {"content-type": "application/json"}},
    "JSON list": {"json": []},
    "no message": {"json": {"sender": "a"}},
    "empty message": {"json": {"sender": "a", "message": " "}},
    "message is no text": {"json": {"sender": "a", "message": 5}},
    "no sender": {"json": {"message": "hello"}},
    "sender is no text": {"json": {"sender": {"a": 1}, "message": "hello"}},
    "long sender": {"json": {"sender": "a" * 256, "message": "hello"}},
    "metadata is a list": {"json": {"sender": "a", "message": "hello", "metadata": [1]}},
    "form without audio": {"data": {"sender": "a"}, "files": {"sound": b"x"}},
    "form without sender": {"files": {"audio": b"x"}},
    "form with broken metadata": {"data": {"sender": "a", "metadata": "{"}, "files": {"audio": b"x"}},
    "form that is none": {"content": b"rubbish", "headers": {"content-type": "multipart/form-data; boundary=q"}},
    "form with a broken part": {
        "content": b"--q\r\nno header\r\n\r\nx\r\n--q--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=q"},
    },
    "form without boundary": {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
    "raw without rate": {"data": {"sender": "a", "encoding": "pcm16"}, "files": {"audio": b"xx"}},
    "deep JSON": {"content": b"[" * 100_000, "headers": {"content-type": "application/json"}},
    "deep metadata": {"json": {"sender": "a", "message": "hello", "metadata": nested(900)}},
    "metadata a little too deep": {"json": {"sender": "a", "message": "hello", "metadata": nested(33)}},
    "form with deep metadata": {
        "data": {"sender": "a", "metadata": json.dumps(nested(900))},
        "files": {"audio": b"x"},
    },
    "form with metadata deeper than Python reads": {
        "data": {"sender": "a", "metadata": "[" * 60_000},
        "files": {"audio": b"x"},
    },
    "payload nested too deep": {"json": {"sender": "a", "message": '/greet{"a": ' + "[" * 900 + "]" * 900 + "}"}},
    "no number": {
        "content": b'{"sender": "a", "message": "hello", "metadata": {"x": NaN}}',
        "headers": {"content-type": "application/json"},
    },
    "infinite number": {
        "content": b'{"sender": "a", "message": "hello", "metadata": {"x": -1e999}}',
        "headers": {"content-type": "application/json"},
    },
    "number of 5000 digits": {
        "content": b'{"sender": ' + b"9" * 5000 + b', "message": "hello"}',
        "headers": {"content-type": "application/json"},
    },
    "half a character": {
        "content": b'{"sender": "a", "message": "\\ud83d"}',
        "headers": {"content-type": "application/json"},
    },
    "no UTF-8": {
        "content": b'{"sender": "a", "message": "\xe4"}',
        "headers": {"content-type": "application/json"},
    },
    "raw with a rate of 5000 digits": {
        "data": {"sender": "a", "encoding": "pcm16", "sample_rate": "9" * 5000},
        "files": {"audio": b"xx"},
    },
    "raw with a bad rate": {
        "data": {"sender": "a", "encoding": "pcm16", "sample_rate": "fast"},
        "files": {"audio": b"xx"},
    },
    "body without sender": {"content": b"x", "headers": {"content-type": "audio/wav"}},
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_requests_are_told_what_is_wrong(serve: Serve, request_: dict[str, Any]) -> None:
    async with serve(channel(), EchoAgent()) as http:
        answer = await http.post("/webhook", **request_)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == "request"
        assert len(answer.json()["error"]["message"]) > 20
        good = await http.post("/webhook", json={"sender": "a", "message": "hello"})
        assert good.status_code == 200


TOO_LONG = {
    "message": {"json": {"sender": "a", "message": "x" * 2001}},
    "message of a megabyte": {"json": {"sender": "a", "message": "x" * 1_000_000}},
    "metadata": {"json": {"sender": "a", "message": "hello", "metadata": {"x": "y" * 70_000}}},
    "metadata in a form": {
        "data": {"sender": "a", "metadata": json.dumps({"x": "y" * 70_000})},
        "files": {"audio": b"x"},
    },
}


@pytest.mark.parametrize("request_", TOO_LONG.values(), ids=TOO_LONG.keys())
async def test_what_is_too_long_is_refused_before_rasa_reads_it(serve: Serve, request_: dict[str, Any]) -> None:
    agent = EchoAgent()
    async with serve(channel(), agent) as http:
        answer = await http.post("/webhook", **request_)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request.too_large")
        assert agent.messages == []
        longest = {"sender": "a", "message": "\U0001f642" * 2000, "metadata": {"x": "y" * 60_000, "z": nested(30)}}
        assert (await http.post("/webhook", json=longest)).status_code == 200
    async with serve(channel(limits={"max_characters": 5}), agent) as http:
        assert (await http.post("/webhook", json={"sender": "a", "message": "12345"})).status_code == 200
        refused = await http.post("/webhook", json={"sender": "a", "message": "123456"})
        assert "max_characters" in refused.json()["error"]["message"]


async def test_without_a_token_no_page_of_another_server_posts_a_turn(serve: Serve) -> None:
    agent = EchoAgent()
    turns: list[dict[str, Any]] = [
        {"json": {"sender": "a", "message": "hello"}},
        {"data": {"sender": "a"}, "files": {"audio": b"x"}},
    ]
    async with serve(channel(), agent) as http:
        own = f"127.0.0.1:{http.base_url.port}"
        foreign = ["https://example.org", "null", "http://127.0.0.1:1", "http://[::1", f"http://{own}.example.org"]
        for turn in turns:
            for origin in foreign:
                answer = await http.post("/webhook", headers={"Origin": origin}, **turn)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "request.unauthorized"), (
                    origin
                )
            rebound = {"Origin": "http://rebound.example.org", "Host": "rebound.example.org"}
            assert (await http.post("/webhook", headers=rebound, **turn)).status_code == 401
            assert agent.messages == []
            assert (await http.post("/webhook", headers={"Origin": f"http://{own}"}, **turn)).status_code == 200
            assert (await http.post("/webhook", **turn)).status_code == 200
            agent.messages.clear()
    async with serve(channel(token="s3cret"), agent) as http:
        headers = {"Origin": "https://example.org", "Authorization": "Bearer s3cret"}
        assert (await http.post("/webhook", headers=headers, **turns[0])).status_code == 200


UNUSABLE = {
    "empty": (b"", {}, 422, "audio.empty"),
    "truncated": (wav(TONE)[:-2000], {}, 422, "audio.truncated"),
    "silent": (wav(np.zeros(16_000)), {}, 422, "audio.silent"),
    "text": (b"This is no sound at all. " * 40, {}, 415, "audio.unsupported"),
    "too long": (wav(np.tile(TONE, 5)), {}, 413, "audio.too_long"),
    "too large": (b"\0" * 200_000, {}, 413, "audio.too_large"),
    "unknown encoding": (b"xx", {"encoding": "gsm", "sample_rate": "8000"}, 415, "audio.unsupported"),
    "odd pcm16": (b"xxx", {"encoding": "pcm16", "sample_rate": "8000"}, 422, "audio.truncated"),
}


@pytest.mark.parametrize(("audio", "fields", "status", "code"), UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_unusable_audio_is_refused_with_its_code(
    serve: Serve, audio: bytes, fields: dict[str, str], status: int, code: str
) -> None:
    agent = EchoAgent()
    strict = VoiceInput(VoiceSettings(limits={"max_seconds": 2, "max_bytes": 100_000}))
    strict.listener.warm_up = FakeListener().warm_up  # type: ignore[method-assign]
    async with serve(strict, agent) as http:
        answer = await http.post("/webhook", data={"sender": "a", **fields}, files={"audio": ("a", audio)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert agent.messages == []


async def test_the_token_guards_every_route(serve: Serve) -> None:
    agent = EchoAgent()
    turn = {"sender": "a", "message": "hello"}
    async with serve(channel(token="s3cret-ü"), agent) as http:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"X-Token": "s3cret"},
            {"Authorization": "s3cret-ü"},
        ):
            encoded = {key: value.encode() for key, value in headers.items()}
            for answer in (
                await http.post("/webhook", json=turn, headers=encoded),
                await http.get("/", headers=encoded),
            ):
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["error"]["code"] == "request.unauthorized"
        assert agent.messages == []
        assert (await http.get("/", params={"token": "s3cret-ü"})).status_code == 200
    async with serve(channel(token="s3cret"), agent) as http:
        for headers in (
            {"Authorization": "Bearer s3cret"},
            {"authorization": "bearer s3cret"},
            {"X-Token": "s3cret"},
        ):
            assert (await http.post("/webhook", json=turn, headers=headers)).status_code == 200


async def test_busy_says_when_to_come_back(serve: Serve) -> None:
    async with serve(channel(FakeListener(failure=BusyError("All workers are busy."))), EchoAgent()) as http:
        answer = await http.post("/webhook", data={"sender": "a"}, files={"audio": b"x"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"] == {"code": "busy", "message": "All workers are busy."}


async def test_a_missing_model_is_named_by_health_and_by_the_answer(serve: Serve) -> None:
    failure = ModelUnavailableError("No Vosk model for 'en'. Name a folder as 'model'.")
    async with serve(channel(FakeListener(failure=failure)), EchoAgent()) as http:
        await asyncio.sleep(0)
        for answer in (
            await http.get("/"),
            await http.post("/webhook", data={"sender": "a"}, files={"audio": b"x"}),
        ):
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "model.unavailable"
        typed = await http.post("/webhook", json={"sender": "a", "message": "hello"})
        assert typed.status_code == 200


async def test_health_once_the_models_are_loaded(serve: Serve) -> None:
    async with serve(channel(), EchoAgent()) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_server_without_a_rasa_model_is_not_well_until_it_has_one(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    agent = EchoAgent()
    agent.ready = False
    async with serve(channel(), agent) as http:
        answer = await http.get("/")
        assert (answer.status_code, answer.json()["status"]) == (503, "failed")
        assert answer.json()["error"]["code"] == "assistant.not_ready"
        assert "voice.ready" not in caplog.text
        assert "rasa train" in caplog.text
        agent.ready = True
        assert (await http.get("/")).json() == {"status": "ok"}


async def test_a_server_whose_models_were_not_loaded_to_the_end_is_not_well(serve: Serve) -> None:
    class Cancelled(FakeListener):
        async def warm_up(self, live: bool) -> None:
            raise asyncio.CancelledError

    async with serve(channel(Cancelled()), EchoAgent()) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()) == (503, {"status": "failed"})


async def test_a_late_assistant_is_504_and_its_turn_is_still_finished(serve: Serve) -> None:
    agent = EchoAgent()
    agent.delay_s = 0.5
    async with serve(channel(response_timeout_s=0.1), agent) as http:
        answer = await http.post("/webhook", json={"sender": "a", "message": "hello"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "assistant.timeout")
        assert agent.messages == []
        for _ in range(100):
            if agent.messages:
                break
            await asyncio.sleep(0.05)
    assert [message.text for message in agent.messages] == ["hello"]


async def test_rasa_without_a_model_is_503(serve: Serve) -> None:
    agent = EchoAgent()
    agent.ready = False
    async with serve(channel(), agent) as http:
        answer = await http.post("/webhook", json={"sender": "a", "message": "hello"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "assistant.not_ready")


async def test_failures_are_500_and_leave_no_words_in_answer_or_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    agent = EchoAgent()
    agent.failure = ValueError("cannot store 'my secret sentence'")
    with caplog.at_level(logging.DEBUG):
        async with serve(channel(), agent) as http:
            answer = await http.post("/webhook", json={"sender": "a", "message": "my secret sentence"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "voice.webhook.failed error=ValueError where=emotionlayer_rasa/channels/" in caplog.text
    assert "secret" not in answer.text + caplog.text


async def test_turns_of_a_sender_reach_rasa_in_their_order(serve: Serve) -> None:
    agent = EchoAgent()
    agent.delay_s = 0.05
    async with serve(channel(), agent) as http:
        turns = []
        for number in range(4):
            turn = http.post("/webhook", json={"sender": "a", "message": str(number)})
            turns.append(asyncio.create_task(turn))
            await asyncio.sleep(0.01)
        await asyncio.gather(*turns)
    assert [message.text for message in agent.messages] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("event", "analysed"),
    [
        (None, True),
        (SlotSet("emotion_consent", False), False),
        (SlotSet("emotion_consent", True), True),
        (SlotSet("escalated", True), False),
        (ConversationPaused(), False),
    ],
)
async def test_the_voice_is_analysed_only_with_consent_and_before_a_handoff(
    serve: Serve, event: Any, analysed: bool
) -> None:
    agent, listener = EchoAgent(), FakeListener()
    tracker = agent.tracker_store.init_tracker("a")
    if event:
        tracker.update(event)
    await agent.tracker_store.save(tracker)
    async with serve(channel(listener), agent) as http:
        answer = await http.post("/webhook", data={"sender": "a"}, files={"audio": b"x"})
    assert listener.asked[0]["emotion"] is analysed
    assert answer.json()["emotion"]["label"] == ("anger" if analysed else "unknown")
    record = agent.messages[0].metadata[METADATA_KEY]
    assert record["emotion"]["source"] == ("voice" if analysed else "none")


def listening() -> Listener:
    """A listener that hears anger in all speech, and says from how many utterances it knew the caller."""
    return with_engines(CountingTranscriber("word", "en"), CountingRecognizer())


async def heard(http: httpx.AsyncClient, sender: str) -> dict[str, Any]:
    """The voice's reading of a spoken turn."""
    answer = await http.post("/webhook", data={"sender": sender}, files={"audio": wav(SPEECH)})
    assert answer.status_code == 200, answer.text
    return answer.json()["emotion"]


async def test_a_sender_is_heard_with_what_the_former_turns_taught_and_others_are_not(serve: Serve) -> None:
    async with serve(channel(listening()), EchoAgent()) as http:
        turns = [(sender, (await heard(http, sender))["adapted_from"]) for sender in "aabaab"]
    assert turns == [("a", 0), ("a", 1), ("b", 0), ("a", 2), ("a", 3), ("b", 1)]


async def consent(agent: EchoAgent, sender: str, given: bool) -> None:
    tracker = await agent.tracker_store.get_or_create_tracker(sender)
    tracker.update(SlotSet("emotion_consent", given))
    await agent.tracker_store.save(tracker)


async def test_who_does_not_agree_any_more_is_forgotten(serve: Serve) -> None:
    agent, voice = EchoAgent(), channel(listening())
    async with serve(voice, agent) as http:
        assert [(await heard(http, "a"))["adapted_from"] for _ in range(2)] == [0, 1]
        assert (await heard(http, "b"))["adapted_from"] == 0
        await consent(agent, "a", False)
        refused = await heard(http, "a")
        assert (refused["label"], refused["adapted_from"]) == ("unknown", 0)
        assert list(voice._callers) == ["b"]
        await consent(agent, "a", True)
        assert (await heard(http, "a"))["adapted_from"] == 0
        assert (await heard(http, "b"))["adapted_from"] == 1


async def test_who_does_not_agree_any_more_is_forgotten_even_where_rasa_fails(serve: Serve) -> None:
    agent, voice = EchoAgent(), channel(listening())
    async with serve(voice, agent) as http:
        await heard(http, "a")
        await consent(agent, "a", False)
        agent.failure = ValueError("out of order")
        answer = await http.post("/webhook", data={"sender": "a"}, files={"audio": wav(SPEECH)})
        assert answer.status_code == 500
        assert list(voice._callers) == []


@pytest.mark.parametrize("spoken", [True, False])
async def test_who_objects_in_a_turn_is_forgotten_with_it(serve: Serve, spoken: bool) -> None:
    class Obeying(EchoAgent):
        async def handle_message(self, message: UserMessage) -> None:
            await super().handle_message(message)
            if len(self.messages) == 2:
                await consent(self, message.sender_id, False)

    voice = channel(listening())
    async with serve(voice, Obeying()) as http:
        await heard(http, "a")
        assert list(voice._callers) == ["a"]
        if spoken:
            await heard(http, "a")
        else:
            await http.post("/webhook", json={"sender": "a", "message": "do not analyse my voice"})
        assert list(voice._callers) == []


async def test_voices_are_remembered_for_half_an_hour_after_the_last_turn_and_not_without_end(
    serve: Serve,
) -> None:
    now, voice = [0.0], channel(listening())
    assert (voice._callers.maxsize, voice._callers.ttl) == (1000, 1800)
    voice._callers = TTLCache(2, voice._callers.ttl, timer=lambda: now[0])
    async with serve(voice, EchoAgent()) as http:
        for at_s, known in ((0, 0), (1700, 1), (3400, 2), (5201, 0)):
            now[0] = at_s
            assert (await heard(http, "a"))["adapted_from"] == known
        for sender in "bc":
            await heard(http, sender)
        assert list(voice._callers) == ["b", "c"]
        assert (await heard(http, "a"))["adapted_from"] == 0


async def test_of_what_was_learnt_rasa_and_the_log_get_the_count_alone(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    agent = EchoAgent()
    with caplog.at_level("DEBUG"):
        async with serve(channel(listening()), agent) as http:
            for _ in range(2):
                await heard(http, "a")
    first, second = (message.metadata[METADATA_KEY] for message in agent.messages)
    assert (first["emotion"].pop("adapted_from"), second["emotion"].pop("adapted_from")) == (0, 1)
    assert first["emotion"] == second["emotion"]
    assert set(first) == set(Utterance(Transcript("")).to_metadata())
    assert caplog.text
    assert not [word for word in ("offset", "shift", "CallerVoice") if word in caplog.text]


async def test_a_domain_can_ask_for_consent_first_and_need_not_know_the_slots(serve: Serve) -> None:
    for domain, analysed in ((DOMAIN.replace("initial_value: true", "initial_value: false"), False), ("{}", True)):
        listener = FakeListener()
        async with serve(channel(listener), EchoAgent(domain)) as http:
            await http.post("/webhook", data={"sender": "new"}, files={"audio": b"x"})
        assert listener.asked[0]["emotion"] is analysed


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("emotionlayer_rasa.VoiceInput:\n  tokn: x\n", "'tokn'"),
        ("emotionlayer_rasa.VoiceInput:\n  token: ''\n", "'token'"),
        ("emotionlayer_rasa.VoiceInput:\n  response_timeout_s: 0\n", "'response_timeout_s'"),
        ("emotionlayer_rasa.VoiceInput:\n  limits:\n    max_second: 3\n", "'limits.max_second'"),
        ("emotionlayer_rasa.VoiceInput:\n  limits:\n    max_characters: 0\n", "'limits.max_characters'"),
        ("emotionlayer_rasa.VoiceInput:\n  own_url: http://rasa:5005/\n", "'own_url'"),
        ("emotionlayer_rasa.VoiceInput: on\n", "expected keys and values"),
    ],
)
def test_wrong_credentials_stop_the_start_and_name_the_key(tmp_path: Any, text: str, named: str) -> None:
    file = tmp_path / "credentials.yml"
    file.write_text(text)
    with pytest.raises(InvalidConfigException, match="credentials") as raised:
        create_http_input_channels(None, str(file))
    assert named in str(raised.value)


def test_the_start_warns_when_there_is_no_token(caplog: pytest.LogCaptureFixture) -> None:
    VoiceInput.from_credentials(None)
    VoiceInput.from_credentials({"token": "x"})
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [warning.split(":")[0] for warning in warnings] == ["voice.no_token"]
