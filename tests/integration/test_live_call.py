"""Live calls through real servers: a client of vosk-server, one that takes events, and the telephone."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import uuid
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
import soundfile
import soxr
import websockets

from emotionlayer_rasa.audio import decode_raw
from emotionlayer_rasa.synthesis.base import encode_mulaw
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.utterance import METADATA_KEY

if TYPE_CHECKING:
    from conftest import Assistant

pytestmark = pytest.mark.anyio

TWILIO_TOKEN = "the account's secret"  # as conftest.py gives it to the server

RATE = 16_000
SILENCE = np.zeros(RATE, "<i2")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def address(assistant: Assistant, query: str = "") -> str:
    return f"ws://127.0.0.1:{assistant.http.base_url.port}/webhooks/voice/stream{query}"


def spoken(*files: Path) -> np.ndarray:
    """Recordings one after the other, each with a second of silence behind it."""
    pieces = []
    for file in files:
        samples, rate = soundfile.read(file, dtype="int16")
        assert rate == RATE
        pieces += [samples, SILENCE]
    return np.concatenate(pieces)


def frames(samples: np.ndarray, seconds: float = 0.2) -> list[bytes]:
    step = int(seconds * RATE)
    return [samples[start : start + step].tobytes() for start in range(0, len(samples), step)]


async def vosk_client(url: str, samples: np.ndarray) -> list[dict[str, Any]]:
    """Does what the test client of vosk-server does: configuration, then send one, read one, to the end."""
    replies = []
    async with websockets.connect(url) as socket:
        await socket.send(f'{{ "config" : {{ "sample_rate" : {RATE} }} }}')
        for frame in frames(samples):
            await socket.send(frame)
            replies.append(json.loads(await socket.recv()))
        await socket.send('{"eof" : 1}')
        replies.append(json.loads(await socket.recv()))
        with pytest.raises(websockets.ConnectionClosedOK):
            await socket.recv()
    return replies


class Client:
    """Takes events as they come; speaks in real time or as fast as it may."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self.audio: list[bytes] = []
        self._news = asyncio.Condition()
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                async with self._news:
                    if isinstance(message, bytes):
                        self.audio.append(message)
                    else:
                        self.events.append(json.loads(message))
                    self._news.notify_all()
        except websockets.ConnectionClosedError:
            pass
        async with self._news:
            self._news.notify_all()

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def speak(self, samples: np.ndarray, pace_s: float = 0.0) -> None:
        for frame in frames(samples, 0.1):
            await self.socket.send(frame)
            await asyncio.sleep(pace_s)

    async def until(self, wanted: Callable[[list[dict[str, Any]]], Any], timeout_s: float = 120) -> Any:
        """Wait until the events hold something."""

        async def wait() -> Any:
            async with self._news:
                while not (found := wanted(self.events)):
                    assert not self.reading.done(), self.events[-3:]
                    await self._news.wait()
                return found

        return await asyncio.wait_for(wait(), timeout_s)

    def named(self, key: str) -> list[Any]:
        return [event[key] for event in self.events if key in event]

    async def have(self, key: str, count: int = 1) -> list[Any]:
        await self.until(lambda _: len(self.named(key)) >= count)
        return self.named(key)

    async def answers(self, count: int) -> list[dict[str, Any]]:
        """The states after so many answers of the assistant."""

        def remembered(events: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
            states = [event["state"] for event in events if "analysed" in event.get("state", {})]
            return states if len(states) >= count else None

        return await self.until(remembered)


@asynccontextmanager
async def calling(url: str, **config: Any) -> AsyncIterator[Client]:
    async with websockets.connect(url, max_size=None) as socket:
        client = Client(socket)
        await client.send(config={"sample_rate": RATE, "events": True, **config})
        try:
            yield client
        finally:
            await socket.close()
            await client.reading


async def off_loop(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments)


async def test_a_vosk_client_holds_a_conversation(assistant: Assistant, data: Path) -> None:
    sender = "vosk-client"
    sound = spoken(data / "en_order.flac", data / "en_thanks.flac")
    replies = await vosk_client(address(assistant, f"?sender={sender}"), sound)

    assert len(replies) == len(frames(sound)) + 1
    assert all(("partial" in reply) != ("text" in reply) for reply in replies)
    assert any(reply.get("partial") for reply in replies)
    assert not any("error" in reply for reply in replies), [reply for reply in replies if "error" in reply]
    texts = [reply for reply in replies if reply.get("text")]
    assert "order" in texts[0]["text"].lower()
    assert "thank" in texts[-1]["text"].lower()
    words = [word for reply in texts for word in reply["result"]]
    assert all(set(word) == {"conf", "end", "start", "word"} for word in words)
    starts = [word["start"] for word in words]
    assert starts == sorted(starts)
    assert starts[-1] > 6.0, "times count from the start of the stream"
    assert texts[0]["emotion"]["source"] == "voice"
    assert set(texts[0]["emotion"]["scores"]) == set(EMOTIONS)
    assert texts[0]["state"]["strategy"]
    assert "text" in replies[-1]
    said = [message["text"] for reply in replies for message in reply.get("bot", ()) if message.get("text")]
    assert any("1042" in text for text in said), said
    states = [reply["state"] for reply in replies if "state" in reply]
    assert {"trend", "priority", "analysed", "escalated"} <= set(states[-1])

    turns = await off_loop(assistant.turns, sender)
    assert turns[0]["parse_data"]["intent"]["name"] == "order_status"
    assert len(turns) == len(texts)
    assert turns[0]["metadata"][METADATA_KEY]["emotion"]["label"] == texts[0]["emotion"]["label"]
    assert (await off_loop(assistant.slots, sender))["affective_state"] == states[-1].get("state", "unknown")


async def test_a_call_with_events_is_heard_felt_answered_and_spoken(assistant: Assistant, data: Path) -> None:
    async with calling(address(assistant), sender="events", speech="pcm16", metadata={"page": "cart"}) as client:
        (ready,) = await client.have("ready")
        assert ready == {
            "sender": "events",
            "new": True,
            "analysed": True,
            "sample_rate": RATE,
            "encoding": "pcm16",
            "speech": "pcm16",
        }
        await client.send(message="/session_start")
        (opening,) = await client.have("bot")
        assert "voice" in opening["text"].lower()
        await client.until(lambda _: any(piece.get("end") for piece in client.named("speech")))
        pieces = [piece for piece in client.named("speech") if "sentence" in piece]
        spoken_words = " ".join(piece["sentence"] for piece in pieces).split()
        assert spoken_words == opening["custom"]["spoken"].split()
        assert len(spoken_words) < len(opening["text"].split()), "the text is the whole disclosure"
        assert sum(len(audio) for audio in client.audio) == sum(piece["bytes"] for piece in pieces)
        assert pieces[0]["bytes"] == pytest.approx(2 * pieces[0]["seconds"] * pieces[0]["sample_rate"], abs=40)
        await client.send(played={"id": 1, "done": True})

        await client.speak(spoken(data / "en_order.flac"))
        states = await client.answers(2)
        texts = [message for message in client.named("bot") if message.get("text")]
        await client.until(lambda _: {"id": len(texts), "end": True}.items() <= client.named("speech")[-1].items())
        assert "stop" not in Counter(key for event in client.events for key in event), "all had been played"
        assert any("order" in text.lower() for text in client.named("text"))
        assert client.named("partial")
        assert any(event.get("interim") is True for event in client.events)
        final = next(event for event in client.events if event.get("interim") is False)
        assert final["emotion"]["source"] == "voice"
        assert final["prosody"]["pitch_hz"] > 50
        assert final["words"]["emotion"]["source"] == "text"
        assert states[-1]["analysed"] is True
        assert any("1042" in message.get("text", "") for message in client.named("bot"))

        await client.send(message="thank you so much for your help that is wonderful")
        states = await client.answers(3)
        assert client.events[-1] == {"state": states[-1]}
        typed = [event for event in client.events if event.get("words")][-1]
        assert typed["words"]["emotion"]["label"] == "joy"
        await client.send(eof=1)
        await asyncio.wait_for(client.reading, 60)
        assert client.socket.close_code == 1000
    turns = await off_loop(assistant.turns, "events")
    assert turns[-1]["metadata"]["page"] == "cart"


async def test_a_caller_who_speaks_stops_the_assistant(assistant: Assistant, data: Path) -> None:
    async with calling(address(assistant), sender="barge-in", speech="mulaw") as client:
        await client.send(message="/session_start")
        await client.have("speech")
        await client.speak(spoken(data / "en_order.flac"))
        await client.have("stop")
        at = next(place for place, event in enumerate(client.events) if "stop" in event)
        assert client.named("stop")[0]["id"] == 1
        assert not [event for event in client.events[at:] if event.get("speech", {}).get("id") == 1]
        await client.answers(2)
    turns = await off_loop(assistant.turns, "barge-in")
    interrupted = turns[-1]["metadata"]["emotionlayer_interrupted"]
    assert set(interrupted) == {"said", "sentences", "resumed"}
    assert 0 < interrupted["said"] < 1


async def test_a_dropped_call_resumes_and_a_second_one_takes_over(assistant: Assistant, data: Path) -> None:
    url = address(assistant, "?sender=resumed")
    async with calling(url) as first:
        await first.speak(spoken(data / "en_order.flac"))
        await first.answers(1)
        first.socket.transport.abort()
    async with calling(url) as second:
        assert (await second.have("ready"))[0]["new"] is False
        async with calling(url) as third:
            assert (await second.have("error"))[0]["code"] == "call.taken_over"
            await asyncio.wait_for(second.reading, 30)
            assert second.socket.close_code == 1008
            await third.speak(spoken(data / "en_thanks.flac"))
            await third.answers(1)
    assert len(await off_loop(assistant.turns, "resumed")) == 2


async def test_without_consent_no_emotion_is_told(assistant: Assistant, data: Path) -> None:
    async with calling(address(assistant), sender="objects") as client:
        await client.send(message="stop analysing my voice")
        assert (await client.answers(1))[0] == {"analysed": False, "escalated": False}
        told = len(client.named("emotion"))
        await client.speak(spoken(data / "en_complaint.flac"))
        assert (await client.answers(2))[1] == {"analysed": False, "escalated": False}
        assert len(client.named("emotion")) == told == 0
        assert len(client.named("state")) == 2
        assert any("complain" in text.lower() for text in client.named("text"))
    turns = await off_loop(assistant.turns, "objects")
    assert turns[-1]["metadata"][METADATA_KEY]["emotion"]["source"] == "none"


class Telephone:
    """Twilio's side of a call: signs as Twilio does, sends µ-law at twice its pace, takes speech and marks."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.call = f"CA{uuid.uuid4().hex}"
        self.messages: list[dict[str, Any]] = []
        self.played = bytearray()
        self.plays = True
        """What comes has been played at once; else it lies there."""

    def incoming(self, number: str) -> dict[str, str]:
        """An incoming call: the parameters that the TwiML gives for the stream."""
        (stream,) = self.post("", From=number, To="+39025550100", CallerName="").iter("Stream")
        assert stream.get("url") == "wss://bot.test/webhooks/voice/twilio"
        return {parameter.attrib["name"]: parameter.attrib["value"] for parameter in stream}

    def post(self, query: str, **form: str) -> ElementTree.Element:
        """Asks what to do with the call, as Twilio does: the TwiML."""
        form = {"CallSid": self.call, **form}
        signed = f"https://bot.test/webhooks/voice/twilio{query}" + "".join(
            f"{key}{form[key]}" for key in sorted(form)
        )
        digest = hmac.new(TWILIO_TOKEN.encode(), signed.encode(), "sha1").digest()
        headers = {"X-Twilio-Signature": base64.b64encode(digest).decode()}
        answer = self.http.post(f"/webhooks/voice/twilio{query}", data=form, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/xml")
        return ElementTree.fromstring(answer.text)

    async def dial(self, socket: Any, parameters: dict[str, str]) -> None:
        """The messages with which Twilio begins."""
        self.socket = socket
        sound = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        ids = {"streamSid": "MZ1", "accountSid": "AC1", "callSid": self.call}
        start = {**ids, "tracks": ["inbound"], "mediaFormat": sound}
        await self.send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self.send({"event": "start", "start": {**start, "customParameters": parameters}})
        self.news = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps({"streamSid": "MZ1", **message}))

    async def _read(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):  # also while a mark is sent back
            async for message in self.socket:
                told = json.loads(message)
                self.messages.append(told)
                if told["event"] == "media":
                    self.played += base64.b64decode(told["media"]["payload"])
                if told["event"] == "mark" and self.plays:
                    await self.send({"event": "mark", "mark": told["mark"]})
                self.news.set()
        self.news.set()

    async def until(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        async def wait() -> list[dict[str, Any]]:
            while len(found := [told for told in self.messages if told["event"] == event]) < count:
                assert not self.reading.done(), self.messages[-1:]
                self.news.clear()
                await self.news.wait()
            return found

        return await asyncio.wait_for(wait(), 120)

    async def quiet(self) -> None:
        """Wait until no more comes for a while."""
        told = -1
        while told != len(self.messages):
            told = len(self.messages)
            await asyncio.sleep(4)

    async def speak(self, samples: np.ndarray) -> None:
        telephone = soxr.resample(samples.astype(np.float32), RATE, 8000)
        sound = encode_mulaw(np.clip(telephone, -32768, 32767).astype("<i2"))
        for number, start in enumerate(range(0, len(sound), 160)):
            payload = base64.b64encode(sound[start : start + 160]).decode()
            media = {"track": "inbound", "chunk": str(number), "timestamp": str(20 * number), "payload": payload}
            await self.send({"event": "media", "media": media})
            await asyncio.sleep(0.01)


def loudness(mulaw: bytes) -> float:
    return decode_raw(bytes(mulaw), "mulaw", 8000).samples.std()


async def test_a_telephone_call(assistant: Assistant, data: Path) -> None:
    url = address(assistant).replace("/stream", "/twilio")
    phone = Telephone(assistant.http)
    parameters = await off_loop(phone.incoming, "+393331234567")
    sender = parameters["sender"]
    assert sender.startswith("tel-")
    assert "333" not in sender.replace("tel-", "")[:6]
    async with websockets.connect(url, max_size=None) as socket:
        await phone.dial(socket, parameters)
        await phone.until("mark")
        await phone.quiet()
        assert loudness(phone.played) > 0.01, "the disclosure is spoken first"
        seconds = len(phone.played) / 8000
        assert seconds > 5
        assert all(len(base64.b64decode(told["media"]["payload"])) <= 1600 for told in await phone.until("media"))

        phone.plays = False
        marks = len(await phone.until("mark"))
        await phone.speak(spoken(data / "en_order.flac"))
        await phone.until("mark", marks + 1)
        assert not [told for told in phone.messages if told["event"] == "clear"], "it had been played"
        assert len(phone.played) / 8000 > seconds + 0.5

        await phone.speak(spoken(data / "en_thanks.flac"))  # into our answer
        await phone.until("clear")
        phone.plays = True
        await phone.quiet()
        for key in "10#":
            await phone.send({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": key}})
        while "10" not in [turn["text"] for turn in await off_loop(assistant.turns, sender)]:
            await asyncio.sleep(0.2)
        await phone.send({"event": "stop", "stop": {"callSid": phone.call}})
        await asyncio.wait_for(phone.reading, 30)
    turns = await off_loop(assistant.turns, sender)
    texts = [turn["text"].lower() for turn in turns]
    assert any("order" in text for text in texts)
    assert any("thank" in text for text in texts)
    order = next(turn for turn in turns if "order" in turn["text"].lower())
    assert order["parse_data"]["intent"]["name"] == "order_status"
    assert order["metadata"][METADATA_KEY]["emotion"]["source"] == "voice"

    again = Telephone(assistant.http)
    assert (await off_loop(again.incoming, "+393331234567"))["sender"] == sender, "who calls again goes on"
    assert (await off_loop(again.incoming, "anonymous"))["sender"] == f"tel-{again.call}"


async def test_a_telephone_call_needs_signature_ticket_and_the_caller_alone(assistant: Assistant) -> None:
    url = address(assistant).replace("/stream", "/twilio")
    form = {"CallSid": "CA1", "From": "+393331234567"}
    for headers in ({}, {"X-Twilio-Signature": "bm8="}):
        answer = await off_loop(
            lambda headers=headers: assistant.http.post("/webhooks/voice/twilio", data=form, headers=headers)
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "request.unauthorized")

    phone = Telephone(assistant.http)
    good = await off_loop(phone.incoming, "+393330000001")
    for parameters in (
        {},
        {**good, "sender": "tel-else"},
        {**good, "ticket": "9999999999.00"},
        {**good, "ticket": "x"},
    ):
        async with websockets.connect(url) as socket:
            await phone.dial(socket, parameters)
            error = (await phone.until("error"))[-1]
            assert error["error"]["code"] == "request.unauthorized"
            await asyncio.wait_for(phone.reading, 30)
            assert socket.close_code == 1008
            phone.messages.clear()

    async with websockets.connect(url) as socket:
        await phone.dial(socket, good)
        await phone.send({"event": "media", "media": {"track": "outbound", "payload": "/////w=="}})
        assert (await phone.until("error"))[0]["error"]["code"] == "call.agent_voice"
        await asyncio.wait_for(phone.reading, 30)
        assert socket.close_code == 1008
