"""``WS /webhooks/voice/asterisk``: calls of Asterisk's ``chan_websocket``, which connects to us.

(https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/; Asterisk 20.16, 21.11, 22.6 or later)

Set up: ``asterisk: {}`` under ``emotionlayer_rasa.VoiceInput`` in ``credentials.yml``, and in Asterisk the files
in ``examples/telephony/asterisk``. Asterisk sends the channel's token as password (``websocket_client.conf``), and
is refused without it before there is a websocket.

``?call=`` (in the dialplan ``v(call=${UNIQUEID})``) names the call: the sender is ``tel-`` and that, else ``tel-``
and the id of Asterisk's channel. Control messages may be plain text or JSON (``f(json)``): we speak as Asterisk
does. Asterisk buffers what we say; ``FLUSH_MEDIA`` makes it silent, and ``MARK_MEDIA`` tells what was heard.

**Hanging up** is ``HANGUP``. **A transfer**: we hang up, the dialplan goes on behind ``Dial`` and asks ``POST
/webhooks/voice/asterisk`` with ``ended=<call>``; the answer is what it has to dial, or empty. That needs
``?call=``.
"""

from __future__ import annotations

import json
from typing import Any, Iterable, Iterator

from sanic.request import Request
from sanic.response import HTTPResponse, text

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import Command, KeyPressed, Sound
from emotionlayer_rasa.channels.events import SpeechPiece
from emotionlayer_rasa.channels.requests import form_field, read_form, read_json_object, read_sender
from emotionlayer_rasa.channels.wires.base import CallRoute, Message, Webhook, Wire
from emotionlayer_rasa.channels.wires.telephone import (
    MESSAGE_S,
    START_WITHIN_S,
    TelephoneSettings,
    TelephoneWire,
    Transfers,
    cut,
    padded,
)

_RATES = {
    "slin": 8000,
    "slin12": 12_000,
    "slin16": 16_000,
    "slin24": 24_000,
    "slin32": 32_000,
    "slin44": 44_100,
    "slin48": 48_000,
}
"""Hz, by Asterisk's name of the format."""


class AsteriskRoute(CallRoute, Webhook):
    """The calls of Asterisk servers.

    Args:
        settings: how calls are held.
    """

    path = "/asterisk"
    subprotocols = ("media",)

    def __init__(self, settings: TelephoneSettings) -> None:
        self._settings = settings
        self._transfers = Transfers()

    def admit(self, request: Request) -> None:
        """Let a request become a websocket.

        Raises:
            RequestError: its ``?call=`` is too long.
        """
        if "call" in request.args:
            read_sender(request.args.get("call"))

    def open(self, request: Request) -> Wire:
        """The wire of a websocket."""
        return AsteriskWire(self._settings, request.args.get("call"), self._transfers)

    def start_within_s(self, idle_s: float) -> float:
        """``MEDIA_START`` comes at once."""
        return START_WITHIN_S

    async def answer_webhook(self, request: Request) -> HTTPResponse:
        """What the dialplan has to dial after a call; empty for nothing."""
        await read_form(request)
        return text(self._transfers.take(form_field(request, "ended")) or "")


class AsteriskWire(TelephoneWire):
    """One channel's websocket.

    Args:
        settings: how the call is held.
        call: its name; None for that of Asterisk's channel.
        transfers: where calls go on.
    """

    def __init__(self, settings: TelephoneSettings, call: str | None, transfers: Transfers) -> None:
        super().__init__(settings)
        self._call = call
        self._transfers = transfers
        self._json = False
        self._frame_bytes = 0
        """Of 20 ms; 0 until the call begins."""
        self._held: list[Message] | None = None
        """Messages that Asterisk has no room for; None where it has."""

    def read(self, message: Message) -> Iterable[Command]:
        """What a message of Asterisk's asks for."""
        if isinstance(message, bytes):
            # Sound may come before MEDIA_START: of a call that has not begun.
            return (Sound(message),) if self._frame_bytes else ()
        event = _read_event(message)
        name = event.get("event")
        if name == "MEDIA_START":
            self._json = message.startswith("{")
            return self._start(event)
        if not self._frame_bytes:
            raise errors.RequestError("A control message came before MEDIA_START.")
        if name == "DTMF_END":
            return (KeyPressed(str(event.get("digit", ""))),)
        if name == "MEDIA_MARK_PROCESSED":
            return self.passed(str(event.get("correlation_id", "")))
        if name == "MEDIA_XOFF":
            self._held = self._held or []
        elif name == "MEDIA_XON":
            held, self._held = self._held or [], None
            for waiting in held:
                self.send(waiting)
        return ()

    def write_speech(self, piece: SpeechPiece, mark: str) -> Iterator[Message]:
        """Whole frames: of others Asterisk forgets the rest."""
        audio = padded(piece.audio, self._frame_bytes, piece.encoding)
        size = self._frame_bytes * round(MESSAGE_S / 0.02)
        messages: list[Message] = [*cut(audio, size), self._command("MARK_MEDIA", mark)]
        if self._held is not None:
            self._held += messages
        else:
            yield from messages

    def write_stop(self) -> Iterator[Message]:
        """Asterisk's queue is emptied."""
        if self._held:
            self._held = []
        yield self._command("FLUSH_MEDIA")

    async def hang_up(self) -> None:
        """Asterisk hangs up the channel; the dialplan of the caller's goes on behind ``Dial`` (option g)."""
        self.send(self._command("HANGUP"))

    async def transfer(self, target: str) -> bool:
        """The dialplan asks where the call goes on; it can where it has named the call."""
        if self._call is None:
            return False
        self._transfers.note(self._call, target)
        await self.hang_up()
        return True

    def _start(self, event: dict[str, Any]) -> Iterable[Command]:
        if self._frame_bytes:
            raise errors.RequestError("MEDIA_START came twice.")
        format, size = str(event.get("format")), str(event.get("optimal_frame_size"))
        rate = 8000 if format == "ulaw" else _RATES.get(format)
        if rate is None or not size.isdecimal() or not 0 < int(size) <= 65_500:
            raise errors.UnsupportedAudioError(
                "Asterisk sends sound in a format that is not read here. Dial with c(slin16), c(slin) or c(ulaw), "
                "and without p()."
            )
        self._frame_bytes = int(size)
        sender = read_sender(f"tel-{self._call or event.get('channel_id', '')}")
        self.send(self._command("ANSWER"))
        return self.begin(sender, "mulaw" if format == "ulaw" else "pcm16", rate)

    def _command(self, name: str, id: str | None = None) -> str:
        if self._json:
            return json.dumps({"command": name, **({} if id is None else {"correlation_id": id})})
        return name if id is None else f"{name} {id}"


def _read_event(message: str) -> dict[str, Any]:
    """A control message: JSON, or ``NAME key:value ...``, or a mark's ``NAME id``."""
    if message.startswith("{"):
        return read_json_object(message, "A control message")
    name, _, rest = message.partition(" ")
    if not name.isupper():
        raise errors.RequestError("A control message is neither JSON nor begins with the name of an event.")
    if name == "MEDIA_MARK_PROCESSED":
        return {"event": name, "correlation_id": rest.removeprefix("correlation_id:")}
    pairs = (item.partition(":") for item in rest.split())
    return {"event": name, **{key: value for key, _, value in pairs}}
