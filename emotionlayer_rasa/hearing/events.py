"""What a live session tells of a call: records, in the order in which they happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emotionlayer_rasa.audio.endpointing import EndReason
from emotionlayer_rasa.utterance import EmotionReading, Prosody, Utterance

DiscardReason = Literal["too_short", "ghost_words", "noise", "backchannel"]
"""Why something that began like speech is no utterance: too little speech; only words that recognisers invent; no
words and no voice that shows an emotion; words that only show that one listens, which a call discards, and not its
hearing, while a reply is heard."""


@dataclass(frozen=True)
class SpeechStarted:
    """The caller begins to speak. One :class:`Final` or :class:`Discarded` follows.

    Attributes:
        at_s: where the first speech is, seconds from the start of the stream.
        continues: the utterance before was cut because of its length, and the caller just goes on.
    """

    at_s: float
    continues: bool = False


@dataclass(frozen=True)
class Partial:
    """The text of the utterance so far; told when it changes."""

    text: str


@dataclass(frozen=True)
class Interim:
    """How the caller sounds while still speaking: the last seconds.

    Attributes:
        emotion: of the voice.
        prosody: of the same seconds.
        at_s: up to where was listened, seconds from the start of the stream.
    """

    emotion: EmotionReading
    prosody: Prosody | None
    at_s: float


@dataclass(frozen=True)
class Final:
    """An utterance is over.

    Attributes:
        utterance: the record that :meth:`Listener.hear` gives for the same sound; word times count from
            ``start_s``. Of an utterance that continues another (see :class:`SpeechStarted`) the emotion of the
            voice is that of all of them together, weighted by length and level.
        start_s, end_s: where it lies in the stream, seconds, a little silence on both sides included.
        reason: ``silence`` (the caller paused), ``length`` (it got too long and was cut at a pause), ``cut``
            (:meth:`LiveSession.cut`) or ``eof``.
        speech_s: how much of it is speech, seconds.
    """

    utterance: Utterance
    start_s: float
    end_s: float
    reason: EndReason
    speech_s: float


@dataclass(frozen=True)
class Discarded:
    """What began like speech was none; ``start_s`` and ``end_s`` in seconds from the start of the stream."""

    reason: DiscardReason
    start_s: float
    end_s: float


LiveEvent = SpeechStarted | Partial | Interim | Final | Discarded
