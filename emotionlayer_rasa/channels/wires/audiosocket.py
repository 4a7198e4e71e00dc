"""AudioSocket: calls of Asterisk over TCP, at a port of its own (``audiosocket: {port: 9092}``).

(https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/; Asterisk 18 or later)

A message is a kind (one byte), the length of what follows (two bytes, big endian), and that. We listen from the
start of the Rasa server to its end, on this machine unless ``host`` says otherwise: nothing is encrypted.

**The UUID** of a call, the first that Asterisk sends, lets it in. The dialplan gets it from ``POST
/webhooks/voice/audiosocket``, with the channel's token and ``call=<name>``; it is good once, for a minute, and at
this server. A connection without a good one is ended before it takes a call's place, and only a few may wait. The
sender is ``tel-`` and the name of the call, or the UUID where it was given none. Sound has 8 kHz, as the
application ``AudioSocket`` sends it; ``sample_rate=16000`` announces that of ``Dial(AudioSocket/…/c(slin16))``.

Asterisk plays at once what comes: we send 20 ms in 20 ms. It tells nothing of what it has played, so we count.

**Hanging up** is a message; the dialplan goes on behind ``AudioSocket``. **A transfer** is the same: the dialplan
asks ``POST /webhooks/voice/audiosocket`` with ``ended=<uuid>`` what it has to dial; the answer is empty for
nothing.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Iterable, Iterator

from cachetools import TTLCache
from sanic.request import Request
from sanic.response import HTTPResponse, text

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import Command, HungUp, KeyPressed, Sound
from emotionlayer_rasa.channels.events import SpeechPiece
from emotionlayer_rasa.channels.limit import ConcurrencyLimit
from emotionlayer_rasa.channels.requests import form_field, read_form, read_sender
from emotionlayer_rasa.channels.wires.base import ListenerRoute, Message, Webhook, Wire
from emotionlayer_rasa.channels.wires.telephone import (
    START_WITHIN_S,
    TelephoneSettings,
    TelephoneWire,
    Transfers,
    cut,
    padded,
)
from emotionlayer_rasa.settings import pydantic

_HANG_UP, _UUID, _KEY, _ERROR = 0x00, 0x01, 0x03, 0xFF
_RATES = {0x10: 8000, 0x11: 12_000, 0x12: 16_000, 0x13: 24_000, 0x14: 32_000, 0x15: 44_100, 0x16: 48_000}
"""Hz, by the kind of a message with sound."""
_FRAME_S = 0.02
_UUID_S = 60.0
_UUIDS = 10_000
_WAITING = 16
"""Connections that may wait to begin."""


class AudioSocketSettings(TelephoneSettings):
    """Keys of ``audiosocket``.

    Attributes:
        host: where we listen; ``0.0.0.0`` for all networks.
        port: of TCP.
    """

    host: str = pydantic.Field(default="127.0.0.1", min_length=1)
    port: int = pydantic.Field(default=9092, ge=1, le=65_535)


class AudioSocketRoute(ListenerRoute, Webhook):
    """The calls of Asterisk servers.

    Args:
        settings: where we listen, and how calls are held.
    """

    path = "/audiosocket"
    start_within_s = START_WITHIN_S
    frame_s = _FRAME_S

    def __init__(self, settings: AudioSocketSettings) -> None:
        self.host, self.port = settings.host, settings.port
        self.waiting = ConcurrencyLimit(_WAITING, "AudioSocket connections wait to begin already. Try again.")
        self._settings = settings
        self._transfers = Transfers()
        self._invited: TTLCache[str, tuple[str, int]] = TTLCache(_UUIDS, _UUID_S)
        """Sender and sample rate, by the UUID that lets a call in."""

    def open(self) -> Wire:
        """The wire of a connection."""
        return AudioSocketWire(self._settings, self, self._transfers)

    async def read_message(self, reader: asyncio.StreamReader) -> bytes:
        """The next message, from its kind on."""
        head = await reader.readexactly(3)
        return head + await reader.readexactly(int.from_bytes(head[1:], "big"))

    async def answer_webhook(self, request: Request) -> HTTPResponse:
        """A UUID for a call; with ``ended``, what the dialplan has to dial after it."""
        await read_form(request)
        if ended := form_field(request, "ended"):
            return text(self._transfers.take(ended.lower()) or "")
        return text(self.invite(form_field(request, "call"), form_field(request, "sample_rate") or "8000"))

    def invite(self, call: str = "", sample_rate: str = "8000") -> str:
        """A new UUID, for the call of that name, whose sound has so many samples a second.

        Raises:
            RequestError: the name is too long, or AudioSocket has no such rate.
        """
        rates = {str(rate): rate for rate in _RATES.values()}
        if sample_rate not in rates:
            raise errors.RequestError(f"'sample_rate' must be one of {', '.join(rates)}.")
        name = str(uuid.uuid4())
        self._invited[name] = read_sender(f"tel-{call or name}"), rates[sample_rate]
        return name

    def let_in(self, name: str) -> tuple[str, int]:
        """Use a UUID up; gives sender and sample rate.

        Raises:
            UnauthorizedError: it is none of ours, too old, or used already.
        """
        invited: tuple[str, int] | None = self._invited.pop(name, None)
        if invited is None:
            raise errors.UnauthorizedError(
                "The UUID of an AudioSocket connection is not known here. Let the dialplan get one with "
                "POST /webhooks/voice/audiosocket, for each call, at most a minute before."
            )
        return invited


class AudioSocketWire(TelephoneWire):
    """One call's connection.

    Args:
        settings: how the call is held.
        door: who lets calls in.
        transfers: where calls go on.
    """

    def __init__(self, settings: TelephoneSettings, door: AudioSocketRoute, transfers: Transfers) -> None:
        super().__init__(settings)
        self._door = door
        self._transfers = transfers
        self._name: str | None = None
        """The UUID, once the call has begun."""
        self._kind = 0x10
        """Of the sound."""

    def read(self, message: Message) -> Iterable[Command]:
        """What a message of Asterisk's asks for; the call begins with its UUID."""
        assert isinstance(message, bytes)
        kind, content = message[0], message[3:]
        if kind == _UUID:
            return self._identify(content)
        if kind in (_HANG_UP, _ERROR):
            return (HungUp(),)
        if self._name is None:
            raise errors.UnauthorizedError("An AudioSocket connection begins with its UUID.")
        if kind == _KEY:
            return (KeyPressed(content.decode("ascii", "replace")),)
        if kind not in _RATES:
            raise errors.RequestError("An AudioSocket message has a kind that is not known here.")
        if kind != self._kind:
            raise errors.RequestError(
                f"Sound of {_RATES[kind]} Hz comes, and {_RATES[self._kind]} were announced. Ask for the UUID "
                f"with sample_rate={_RATES[kind]}."
            )
        return (Sound(content),)

    def write_speech(self, piece: SpeechPiece, mark: str) -> Iterator[Message]:
        """Frames of 20 ms."""
        size = self._frame_bytes
        for frame in cut(padded(piece.audio, size, piece.encoding), size):
            yield _message(self._kind, frame)

    def write_stop(self) -> Iterator[Message]:
        """Nothing: what was not sent yet is not sent."""
        yield from ()

    def keep_alive(self) -> Iterable[Message]:
        """A frame of silence: Asterisk gives up where neither side makes a sound for two seconds."""
        return () if self._name is None else (_message(self._kind, bytes(self._frame_bytes)),)

    async def hang_up(self) -> None:
        """The dialplan goes on behind ``AudioSocket``."""
        self.send(_message(_HANG_UP))

    async def transfer(self, target: str) -> bool:
        """The dialplan asks where the call goes on."""
        if self._name is None:
            return False
        self._transfers.note(self._name, target)
        await self.hang_up()
        return True

    def _identify(self, content: bytes) -> tuple[Command, ...]:
        if self._name is not None:
            raise errors.RequestError("An AudioSocket connection has one UUID, and a second one came.")
        if len(content) != 16:
            raise errors.RequestError("A UUID has 16 bytes.")
        name = str(uuid.UUID(bytes=content))
        sender, rate = self._door.let_in(name)
        self._name = name
        self._kind = next(kind for kind in _RATES if _RATES[kind] == rate)
        return self.begin(sender, "pcm16", rate)

    @property
    def _frame_bytes(self) -> int:
        return 2 * round(_RATES[self._kind] * _FRAME_S)


def _message(kind: int, content: bytes = b"") -> bytes:
    return bytes([kind]) + len(content).to_bytes(2, "big") + content
