"""Clients of our wires, each written after what the telephone system's source or documentation does."""

from __future__ import annotations

import asyncio
import audioop
import base64
import contextlib
import hashlib
import hmac
import json
import os
import socket
import time
import uuid
from abc import ABC, abstractmethod
from typing import Any, AsyncIterator, Callable
from xml.etree import ElementTree

import httpx
import jwt
import numpy as np
import soxr
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator

from emotionlayer_rasa.synthesis.base import encode_mulaw

TOKEN = "s3cret"
PUBLIC_URL = "https://bot.test"
_TELNYX_KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
ENVIRONMENT = {
    "JAMBONZ_WEBHOOK_SECRET": "jambonz's secret",
    "SIGNALWIRE_SIGNING_KEY": "signalwire's key",
    "TELNYX_PUBLIC_KEY": base64.b64encode(
        _TELNYX_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    ).decode(),
    "VONAGE_SIGNATURE_SECRET": "vonage's secret, of 32 letters and more",
}


def _port() -> int:
    """A free port below those that the system gives to whoever asks for any: it stays free until it is used."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port is free")


AUDIOSOCKET_PORT = _port()
SETTINGS: dict[str, Any] = {
    "asterisk": {},
    "audiosocket": {"port": AUDIOSOCKET_PORT},
    "audio_fork": {},
    "audio_stream": {},
    "jambonz": {"public_url": PUBLIC_URL},
    "signalwire": {"public_url": PUBLIC_URL},
    "telnyx": {"public_url": PUBLIC_URL},
    "vonage": {"public_url": PUBLIC_URL},
}
"""Keys of ``emotionlayer_rasa.VoiceInput`` that switch the wires on."""


class Phone(ABC):
    """One call.

    Attributes:
        played: what came, as it came.
        stops: how many times we were told to be silent.
        hung_up: the other side has hung up.
        plays: what comes is played at once, as far as we tell; else it lies there.
    """

    rate = 8000
    mulaw = False
    told_played = True

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.name = uuid.uuid4().hex
        self.played = bytearray()
        self.stops = 0
        self.hung_up = False
        self.plays = True
        self.over = asyncio.Event()
        self._news = asyncio.Condition()
        self._reading: asyncio.Task[None] | None = None

    @property
    def sender(self) -> str:
        return f"tel-{self.name}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"pbx:{TOKEN}".encode()).decode()}

    @contextlib.asynccontextmanager
    async def call(self) -> AsyncIterator[Phone]:
        """Be connected, and begin."""
        await self.connect()
        self._reading = asyncio.create_task(self._read_on())
        try:
            await self.begin()
            yield self
        finally:
            await self.disconnect()
            await self._reading

    async def until(self, holds: Callable[[], Any], timeout_s: float = 60) -> None:
        async def wait() -> None:
            async with self._news:
                while not holds():
                    assert not self.over.is_set(), "the connection is closed"
                    await self._news.wait()

        await asyncio.wait_for(wait(), timeout_s)

    async def speak(self, samples: np.ndarray, pace_s: float = 0.0) -> None:
        """Float samples at 16 kHz, 20 ms a message."""
        if self.rate != 16_000:
            samples = soxr.resample(samples, 16_000, self.rate)
        sound = (np.clip(samples, -1, 1) * 32767).astype("<i2")
        step = self.rate // 50
        for start in range(0, len(sound), step):
            frame = sound[start : start + step]
            await self.send_sound(encode_mulaw(frame) if self.mulaw else frame.tobytes())
            await asyncio.sleep(pace_s)

    def loudness(self) -> float:
        """Of what came, 0..1."""
        played = bytes(self.played)
        sound = np.frombuffer(audioop.ulaw2lin(played, 2) if self.mulaw else played, "<i2")
        return float(np.abs(sound / 32768).mean())

    async def _read_on(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed, asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self.take(await self.receive())
                async with self._news:
                    self._news.notify_all()
        self.over.set()
        async with self._news:
            self._news.notify_all()

    @abstractmethod
    async def connect(self) -> None: ...

    @abstractmethod
    async def begin(self) -> None:
        """What is sent first."""

    @abstractmethod
    async def receive(self) -> Any: ...

    @abstractmethod
    async def take(self, message: Any) -> None: ...

    @abstractmethod
    async def send_raw(self, message: str | bytes) -> None: ...

    @abstractmethod
    async def send_sound(self, sound: bytes) -> None: ...

    @abstractmethod
    async def press(self, key: str) -> None: ...

    @abstractmethod
    async def disconnect(self) -> None: ...


class SocketPhone(Phone):
    path: str
    subprotocols: tuple[str, ...] = ()
    longest: int | None = None
    """Bytes that a message of ours may have."""
    socket: Any

    @property
    def query(self) -> str:
        return f"?call={self.name}"

    async def connect(self) -> None:
        base = f"ws://127.0.0.1:{self.http.base_url.port}/webhooks/voice{self.path}"
        self.socket = await websockets.connect(
            base + self.query,
            extra_headers=self.headers,
            subprotocols=self.subprotocols or None,
            max_size=self.longest,
        )
        assert self.socket.subprotocol == (self.subprotocols[0] if self.subprotocols else None)

    async def receive(self) -> Any:
        return await self.socket.recv()

    async def send_raw(self, message: str | bytes) -> None:
        await self.socket.send(message)

    async def tell(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def send_sound(self, sound: bytes) -> None:
        await self.socket.send(sound)

    async def disconnect(self) -> None:
        await self.socket.close()


class AsteriskPhone(SocketPhone):
    """``channels/chan_websocket.c`` of Asterisk 22.10, with JSON control messages."""

    path = "/asterisk"
    subprotocols = ("media",)
    rate = 16_000
    longest = 65_500
    json = True

    async def begin(self) -> None:
        await self.event(
            "MEDIA_START",
            connection_id="bot",
            channel="WebSocket/bot/0x1",
            channel_id=f"1.{self.name}",
            format="slin16",
            optimal_frame_size=640,
            ptime=20,
            **({"channel_variables": {}} if self.json else {}),
        )

    async def event(self, event: str, **values: Any) -> None:
        if self.json:
            await self.tell(event=event, **values)
        elif event == "MEDIA_MARK_PROCESSED":
            await self.socket.send(f"{event} {values['correlation_id']}")
        else:
            await self.socket.send(" ".join([event, *(f"{key}:{value}" for key, value in values.items())]))

    async def take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            assert len(message) % 640 == 0, "only whole frames are played"
            self.played += message
            return
        assert len(message) <= 128, "a longer one is not read"
        if self.json:
            value = json.loads(message)
            command, mark = value["command"], value.get("correlation_id", "")
        else:
            command, _, mark = message.partition(" ")
        if command == "MARK_MEDIA" and self.plays:
            await self.event("MEDIA_MARK_PROCESSED", correlation_id=mark)
        elif command == "FLUSH_MEDIA":
            self.stops += 1
        elif command == "HANGUP":
            self.hung_up = True
            await self.socket.close()
        else:
            assert command in ("ANSWER", "MARK_MEDIA"), command

    async def press(self, key: str) -> None:
        await self.event("DTMF_END", digit=key)


class PlainAsteriskPhone(AsteriskPhone):
    """With plain control messages."""

    json = False


class AudioSocketPhone(Phone):
    """``apps/app_audiosocket.c`` and ``res/res_audiosocket.c`` of Asterisk 22.10."""

    told_played = False
    kind = 0x10

    @property
    def asked(self) -> dict[str, str]:
        return {"call": self.name}

    async def connect(self) -> None:
        answer = await self.http.post(f"{self.url}?token={TOKEN}", data=self.asked)
        assert answer.status_code == 200, answer.text
        self.uuid = uuid.UUID(answer.text)
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", AUDIOSOCKET_PORT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.base_url.port}/webhooks/voice/audiosocket"

    async def begin(self) -> None:
        await self.send_raw(message(0x01, self.uuid.bytes))

    async def receive(self) -> tuple[int, bytes]:
        head = await self.reader.readexactly(3)
        return head[0], await self.reader.readexactly(int.from_bytes(head[1:], "big"))

    async def take(self, frame: tuple[int, bytes]) -> None:
        kind, content = frame
        if kind == 0x00:
            self.hung_up = True
            self.writer.close()
            return
        assert (kind, len(content)) == (self.kind, self.rate // 25), "20 ms a frame"
        self.played += content

    async def send_raw(self, message: str | bytes) -> None:
        self.writer.write(message.encode() if isinstance(message, str) else message)
        await self.writer.drain()

    async def send_sound(self, sound: bytes) -> None:
        await self.send_raw(message(self.kind, sound))

    async def press(self, key: str) -> None:
        await self.send_raw(message(0x03, key.encode()))

    async def disconnect(self) -> None:
        self.writer.close()


class WideAudioSocketPhone(AudioSocketPhone):
    """``channels/chan_audiosocket.c``, dialled with ``c(slin16)``."""

    kind, rate = 0x12, 16_000

    @property
    def asked(self) -> dict[str, str]:
        return {"call": self.name, "sample_rate": "16000"}


def message(kind: int, content: bytes = b"") -> bytes:
    """A message of AudioSocket."""
    return bytes([kind]) + len(content).to_bytes(2, "big") + content


class ForkPhone(SocketPhone):
    """``mod_audio_fork``, bidirectional and streaming."""

    path = "/audio-fork"
    subprotocols = ("audio.drachtio.org",)

    async def begin(self) -> None:
        await self.socket.send("any metadata, be they JSON or not")

    async def take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.played += message
            return
        value = json.loads(message)
        kind, data = value["type"], value.get("data", {})
        if kind == "mark" and self.plays:
            await self.tell(type="mark", data={"name": data["name"], "event": "playout"})
        elif kind == "killAudio":
            self.stops += 1
        elif kind == "disconnect":
            self.hung_up = True
            await self.socket.close()
        else:
            self.take_file(kind, data)

    def take_file(self, kind: str, data: dict[str, Any]) -> None:
        assert kind == "mark", kind

    async def press(self, key: str) -> None:
        await self.tell(event="dtmf", dtmf=key, duration="1600")


class FileForkPhone(ForkPhone):
    """``mod_audio_fork`` that writes files."""

    told_played = False

    @property
    def query(self) -> str:
        return f"?call={self.name}&speech=file&sample_rate=8000"

    def take_file(self, kind: str, data: dict[str, Any]) -> None:
        assert (kind, data["audioContentType"], data["sampleRate"]) == ("playAudio", "raw", 8000)
        self.played += base64.b64decode(data["audioContent"])


class StreamPhone(ForkPhone):
    """``mod_audio_stream``: its first message may be sound."""

    path = "/audio-stream"
    subprotocols = ()
    told_played = False
    rate = 16_000

    @property
    def query(self) -> str:
        return f"?call={self.name}&sample_rate=16000"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    async def begin(self) -> None:
        await self.send_sound(bytes(640))

    def take_file(self, kind: str, data: dict[str, Any]) -> None:
        assert (kind, data["audioDataType"], data["sampleRate"]) == ("streamAudio", "raw", 16_000)
        self.played += base64.b64decode(data["audioData"])


class JambonzPhone(ForkPhone):
    """jambonz: signed webhooks, and ``listen``."""

    path = "/jambonz"
    subprotocols = ("audio.jambonz.org",)
    query = ""
    headers: dict[str, str] = {}  # noqa: RUF012

    async def webhook(self, query: str = "") -> list[dict[str, Any]]:
        body = json.dumps({"call_sid": self.name, "from": "+39021", "to": "+39022"}).encode()
        signed_at = str(int(time.time()))
        key = ENVIRONMENT["JAMBONZ_WEBHOOK_SECRET"].encode()
        digest = hmac.new(key, signed_at.encode() + b"." + body, hashlib.sha256).hexdigest()
        url = f"http://127.0.0.1:{self.http.base_url.port}/webhooks/voice/jambonz{query}"
        signature = {"Jambonz-Signature": f"t={signed_at},v1={digest}"}
        answer = await self.http.post(url, content=body, headers=signature)
        assert answer.status_code == 200, answer.text
        verbs: list[dict[str, Any]] = answer.json()
        return verbs

    async def begin(self) -> None:
        answer, listen = await self.webhook()
        assert answer == {"verb": "answer"}
        assert listen["url"] == "wss://bot.test/webhooks/voice/jambonz"
        assert listen["actionHook"] == "https://bot.test/webhooks/voice/jambonz?ended=1"
        known = {"callSid": self.name, "sampleRate": listen["sampleRate"], "mixType": listen["mixType"]}
        await self.tell(**known, direction="inbound", **listen["metadata"])


class MediaStreamsPhone(SocketPhone):
    """SignalWire, after its compatibility API; its base for the others."""

    path = "/signalwire"
    mulaw = True
    stream, call_key, parameters, format = "streamSid", "callSid", "customParameters", "mediaFormat"
    sound: dict[str, Any] = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}  # noqa: RUF012
    headers: dict[str, str] = {}  # noqa: RUF012
    admission: dict[str, str]
    address = ""

    @property
    def query(self) -> str:
        return self.address

    def signature(self, url: str, form: dict[str, str], body: bytes) -> dict[str, str]:
        key = ENVIRONMENT["SIGNALWIRE_SIGNING_KEY"]
        return {"X-SignalWire-Signature": RequestValidator(key).compute_signature(url, form)}

    async def webhook(self, query: str = "") -> ElementTree.Element:
        path = f"/webhooks/voice{self.path}{query}"
        form = {"CallSid": self.name, "From": "+39021", "To": "+39022"}
        request = self.http.build_request("POST", f"http://127.0.0.1:{self.http.base_url.port}{path}", data=form)
        request.headers.update(self.signature(f"{PUBLIC_URL}{path}", form, request.read()))
        answer = await self.http.send(request)
        assert answer.status_code == 200, answer.text
        return ElementTree.fromstring(answer.text)

    async def connect(self) -> None:
        (connect,) = (await self.webhook()).iter("Connect")
        assert connect.attrib["action"] == f"{PUBLIC_URL}/webhooks/voice{self.path}?ended=1"
        (stream,) = connect
        address = stream.attrib["url"].removeprefix(f"wss://bot.test/webhooks/voice{self.path}")
        self.address = address
        self.admission = {item.attrib["name"]: item.attrib["value"] for item in stream}
        await super().connect()

    async def begin(self) -> None:
        await self.tell(event="connected", version="1.0.0")
        start = {self.call_key: self.name, self.format: self.sound, self.parameters: self.admission}
        await self.tell(event="start", start={**start, self.stream: "S1"}, **{self.stream: "S1"})

    async def take(self, message: str | bytes) -> None:
        value = json.loads(message)
        if value["event"] == "media":
            self.played += base64.b64decode(value["media"]["payload"])
        elif value["event"] == "mark" and self.plays:
            await self.tell(event="mark", mark=value["mark"])
        elif value["event"] == "clear":
            self.stops += 1

    async def send_sound(self, sound: bytes) -> None:
        await self.tell(event="media", media={"track": "inbound", "payload": base64.b64encode(sound).decode()})

    async def press(self, key: str) -> None:
        await self.tell(event="dtmf", dtmf={"digit": key})


class TelnyxPhone(MediaStreamsPhone):
    """Telnyx with TeXML."""

    path = "/telnyx"
    stream, call_key, parameters, format = "stream_id", "call_control_id", "custom_parameters", "media_format"
    sound: dict[str, Any] = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}  # noqa: RUF012

    def signature(self, url: str, form: dict[str, str], body: bytes) -> dict[str, str]:
        signed_at = str(int(time.time()))
        signed = base64.b64encode(_TELNYX_KEY.sign(signed_at.encode() + b"|" + body)).decode()
        return {"Telnyx-Signature-Ed25519": signed, "Telnyx-Timestamp": signed_at}


class VonagePhone(SocketPhone):
    """Vonage: signed webhooks, and ``connect`` to a websocket."""

    path = "/vonage"
    rate = 16_000
    headers: dict[str, str] = {}  # noqa: RUF012
    address = ""

    @property
    def query(self) -> str:
        return self.address

    async def connect(self) -> None:
        body = json.dumps({"uuid": self.name, "from": "39021", "to": "39022"}).encode()
        claims = {"iss": "Vonage", "iat": int(time.time()), "payload_hash": hashlib.sha256(body).hexdigest()}
        token = jwt.encode(claims, ENVIRONMENT["VONAGE_SIGNATURE_SECRET"], "HS256")
        url = f"http://127.0.0.1:{self.http.base_url.port}/webhooks/voice/vonage"
        answer = await self.http.post(url, content=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        (action,) = answer.json()
        (endpoint,) = action["endpoint"]
        assert endpoint["content-type"] == "audio/l16;rate=16000"
        self.address = endpoint["uri"].removeprefix("wss://bot.test/webhooks/voice/vonage")
        await super().connect()

    async def begin(self) -> None:
        await self.tell(event="websocket:connected", **{"content-type": "audio/l16;rate=16000"})

    async def take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            assert len(message) == 640, "20 ms a message"
            self.played += message
            return
        value = json.loads(message)
        if value["action"] == "notify" and self.plays:
            await self.tell(event="websocket:notify", payload=value["payload"])
        elif value["action"] == "clear":
            self.stops += 1

    async def press(self, key: str) -> None:
        await self.tell(event="websocket:dtmf", digit=key, duration=260)


PHONES: tuple[type[Phone], ...] = (
    AsteriskPhone,
    PlainAsteriskPhone,
    AudioSocketPhone,
    WideAudioSocketPhone,
    ForkPhone,
    FileForkPhone,
    StreamPhone,
    JambonzPhone,
    MediaStreamsPhone,
    TelnyxPhone,
    VonagePhone,
)
