"""``WS /webhooks/voice/audio-fork``: calls of FreeSWITCH with ``mod_audio_fork``, which connects to us.

(https://github.com/drachtio/drachtio-freeswitch-modules/tree/main/modules/mod_audio_fork)

Set up: ``audio_fork: {}`` under ``emotionlayer_rasa.VoiceInput`` in ``credentials.yml``, and in FreeSWITCH the
files in ``examples/telephony/freeswitch``. The module sends the channel's token as password (the channel variable
``MOD_AUDIO_BASIC_AUTH_PASSWORD``), and is refused without it before there is a websocket.

The address says what the module cannot: ``?call=<uuid>&sample_rate=8000&speech=stream``. The sender is ``tel-``
and the call, else ``tel-`` and something new. Sound is PCM of one channel: fork ``mono``, the caller alone. The
module's metadata, a text of any kind, are not read; with ``send_text`` keys come as ``{"event": "dtmf", "dtmf":
"5"}``.

========== =======================================================================================================
speech     how replies are played
========== =======================================================================================================
``stream`` binary messages, where the fork is bidirectional and streams; marks tell what was heard (default)
``file``   ``playAudio``, which the module writes to a file; a script plays it when the module's event says so
========== =======================================================================================================

``killAudio`` makes FreeSWITCH silent. **Hanging up and transfers** are ``{"type": "disconnect"}`` and ``{"type":
"transfer", "data": {"target": "..."}}``, which the module passes on as events; the script of the example obeys
them.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any, Iterable, Iterator, Literal

from sanic.request import Request

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import Command, KeyPressed, Sound
from emotionlayer_rasa.channels.events import SpeechPiece
from emotionlayer_rasa.channels.requests import read_json_object, read_sender
from emotionlayer_rasa.channels.wires.base import CallRoute, Message, Wire
from emotionlayer_rasa.channels.wires.telephone import (
    MESSAGE_S,
    START_WITHIN_S,
    TelephoneSettings,
    TelephoneWire,
    cut,
)
from emotionlayer_rasa.settings import Settings, read_settings


class ForkAddress(Settings):
    """Parameters of the websocket's address.

    Attributes:
        call: its name; None for something new.
        sample_rate: of the sound, both ways, Hz: one for which FreeSWITCH plays raw files.
        speech: how replies are played.
    """

    call: str | None = None
    sample_rate: Literal[8000, 16_000, 24_000, 32_000, 48_000] = 8000
    speech: Literal["stream", "file"] = "stream"


class AudioForkRoute(CallRoute):
    """The calls of FreeSWITCH servers.

    Args:
        settings: how calls are held.
    """

    path = "/audio-fork"
    subprotocols: tuple[str, ...] = ("audio.drachtio.org",)

    def __init__(self, settings: TelephoneSettings) -> None:
        self._settings = settings

    def admit(self, request: Request) -> None:
        """Let a request become a websocket.

        Raises:
            RequestError: its address has a wrong value.
        """
        read_address(request)

    def open(self, request: Request) -> Wire:
        """The wire of a websocket."""
        return AudioForkWire(self._settings, read_address(request))

    def start_within_s(self, idle_s: float) -> float:
        """The first message comes at once."""
        return START_WITHIN_S


class AudioForkWire(TelephoneWire):
    """One fork's websocket.

    Args:
        settings: how the call is held.
        address: of the websocket.
    """

    def __init__(self, settings: TelephoneSettings, address: ForkAddress) -> None:
        super().__init__(settings)
        self._address = address
        self._started = False

    def read(self, message: Message) -> Iterable[Command]:
        """What a message of FreeSWITCH's asks for; the first one begins the call."""
        if not self._started:
            opening = self._open(message)
            self._started = True
            return (*opening, *([Sound(message)] if isinstance(message, bytes) else ()))
        if isinstance(message, bytes):
            return (Sound(message),)
        value = read_json_object(message, "A text message")
        content = value.get("data")
        content = content if isinstance(content, dict) else {}
        if value.get("event") == "dtmf":
            return (KeyPressed(str(value.get("dtmf", ""))),)
        if value.get("type") == "mark" and content.get("event") != "cleared":
            return self.passed(str(content.get("name")))
        return ()

    def write_speech(self, piece: SpeechPiece, mark: str) -> Iterator[Message]:
        """Sound, as it is played there."""
        if self._address.speech == "file":
            yield self.write_file(piece)
            return
        yield from cut(piece.audio, 2 * int(MESSAGE_S * piece.sample_rate))
        yield told("mark", {"name": mark})

    def write_file(self, piece: SpeechPiece) -> Message:
        """A message that plays a piece as a file."""
        audio = base64.b64encode(piece.audio).decode()
        return told(
            "playAudio", {"audioContentType": "raw", "sampleRate": piece.sample_rate, "audioContent": audio}
        )

    def write_stop(self) -> Iterator[Message]:
        """FreeSWITCH forgets what it has not played."""
        yield told("killAudio")

    async def hang_up(self) -> None:
        """The script hangs the call up."""
        self.send(told("disconnect"))

    async def transfer(self, target: str) -> bool:
        """The script transfers the call."""
        self.send(told("transfer", {"target": target}))
        return True

    def _open(self, message: Message) -> tuple[Command, ...]:
        rate = self._address.sample_rate
        return self.begin(f"tel-{self._address.call or uuid.uuid4().hex}", "pcm16", rate)


def read_address(request: Request) -> ForkAddress:
    """Read the parameters of a websocket's address.

    Raises:
        RequestError: one has a wrong value.
    """
    given: dict[str, Any] = {key: request.args.get(key) for key in ForkAddress.__fields__ if key in request.args}
    if str(given.get("sample_rate", "")).isdecimal():
        given["sample_rate"] = int(given["sample_rate"])
    try:
        address = read_settings(ForkAddress, given, "The address")
    except errors.ConfigurationError as error:
        raise errors.RequestError(str(error)) from None
    if address.call is not None:
        read_sender(f"tel-{address.call}")
    return address


def told(kind: str, data: dict[str, Any] | None = None) -> str:
    """A message of that type."""
    return json.dumps({"type": kind} if data is None else {"type": kind, "data": data})
