"""What the wires of telephone systems share: a caller who hears, sees nothing, and presses keys."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import Iterable, Iterator, Literal

from cachetools import TTLCache

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import CallOptions, Command, Played, Start, TextMessage
from emotionlayer_rasa.channels.events import CallEvent, Failed, SpeechFormat, SpeechPiece, SpeechStopped
from emotionlayer_rasa.channels.wires.base import Message, Wire
from emotionlayer_rasa.settings import Settings, pydantic

logger = logging.getLogger(__name__)

START_WITHIN_S = 5.0
"""A telephone system begins at once."""

MESSAGE_S = 0.2
"""Seconds of speech a message, so that little is on its way when the caller interrupts."""

_TRANSFER_S = 60.0
_TRANSFERS = 10_000


class TelephoneSettings(Settings):
    """Keys that the wires of telephone systems share.

    Attributes:
        dtmf_intent: intent that pressed keys are sent as, ``/INTENT{"digits": "12"}``; None sends them as text.
        dtmf_pause_s: seconds without a key after which the keys are a turn.
    """

    dtmf_intent: str | None = pydantic.Field(default=None, regex=r"^[\w-]+$")
    dtmf_pause_s: float = pydantic.Field(default=2.0, gt=0.0, le=30.0)


class TelephoneWire(Wire):
    """Speech, and nothing else, to the caller; the call opens with ``/session_start``.

    Args:
        settings: how the call is held.
    """

    real_time = True

    def __init__(self, settings: TelephoneSettings) -> None:
        self._settings = settings
        self._marks: dict[str, tuple[int, float]] = {}
        """By name, what of which message has been heard when the mark comes back."""
        self._sent = (0, 0.0)

    @abstractmethod
    def write_speech(self, piece: SpeechPiece, mark: str) -> Iterable[Message]:
        """The messages that play a piece, and ask for a mark behind it where the protocol has marks."""

    @abstractmethod
    def write_stop(self) -> Iterable[Message]:
        """The messages that make the telephone system forget what it has not played."""

    def write(self, event: CallEvent) -> Iterator[Message]:
        """Speech, and its end where the caller speaks: a telephone shows nothing."""
        match event:
            case SpeechPiece():
                id, seconds = self._sent
                self._sent = (event.id, event.seconds + (seconds if id == event.id else 0.0))
                mark = f"{event.id}.{event.part}"
                self._marks[mark] = self._sent
                yield from self.write_speech(event, mark)
            case SpeechStopped():
                self._marks.clear()  # some send back the marks of what they forget
                yield from self.write_stop()
            case Failed(error):
                logger.warning("voice.telephone.failed code=%s", error.code)

    def write_end(self, error: errors.EmotionLayerError) -> Iterator[Message]:
        """Nothing that a caller could read."""
        logger.warning("voice.telephone.ended code=%s: %s", error.code, error)
        yield from ()

    def passed(self, mark: str) -> tuple[Command, ...]:
        """A mark came back: what is played by then."""
        heard = self._marks.pop(mark, None)
        return (Played(*heard),) if heard else ()

    def begin(
        self,
        sender: str,
        encoding: Literal["pcm16", "mulaw"],
        sample_rate: int,
        speech_rate: int | None = None,
        other_sender: str | None = None,
    ) -> tuple[Command, ...]:
        """The commands with which a call begins.

        Args:
            sender: id of the conversation.
            encoding: of the sound, both ways.
            sample_rate: of the caller's, Hz.
            speech_rate: of ours, Hz; None for the same.
            other_sender: see :class:`Start`.
        """
        options = CallOptions(
            encoding=encoding,
            sample_rate=sample_rate,
            speech=SpeechFormat(encoding, None if encoding == "mulaw" else speech_rate or sample_rate),
            speak_buttons=True,
            silence_prompts=True,
            key_intent=self._settings.dtmf_intent,
            key_pause_s=self._settings.dtmf_pause_s,
        )
        return Start(sender, options, other_sender=other_sender), TextMessage("/session_start")


class Transfers:
    """Where calls go on that we let go, kept for a minute, until the telephone system asks."""

    def __init__(self) -> None:
        self._targets: TTLCache[str, str] = TTLCache(_TRANSFERS, _TRANSFER_S)

    def note(self, call: str, target: str) -> None:
        """A call goes on at ``target``."""
        self._targets[call] = target

    def take(self, call: str) -> str | None:
        """Where a call goes on; asked once. None: nowhere, it is over."""
        target: str | None = self._targets.pop(call, None)
        return target


def cut(audio: bytes, size: int) -> Iterator[bytes]:
    """Audio in pieces of so many bytes, the last one shorter."""
    for start in range(0, len(audio), size):
        yield audio[start : start + size]


def padded(audio: bytes, size: int, encoding: str) -> bytes:
    """Audio with silence behind it, to whole frames of so many bytes."""
    return audio + (b"\xff" if encoding == "mulaw" else b"\x00") * (-len(audio) % size)
