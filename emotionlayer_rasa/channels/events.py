"""What happens in a live call, from the caller's first sound to the reply: one vocabulary, whatever the wire.

:class:`Partial`, :class:`Interim` and :class:`Discarded` are told by hearing and passed on as they are. The others
of :mod:`emotionlayer_rasa.hearing.events` stay within the call: a :class:`Final` holds emotions that the caller
may have objected to meanwhile. :mod:`emotionlayer_rasa.channels.wires` makes messages of these events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Mapping

from emotionlayer_rasa.errors import EmotionLayerError
from emotionlayer_rasa.hearing.events import Discarded, Interim, Partial
from emotionlayer_rasa.utterance import AffectiveState, Transcript, Utterance


@dataclass(frozen=True)
class SpeechFormat:
    """What speech is sent in; ``sample_rate`` in Hz, None for what the voice has."""

    encoding: Literal["pcm16", "mulaw"]
    sample_rate: int | None = None


@dataclass(frozen=True)
class Opened:
    """The call has begun.

    Attributes:
        sender: id of the conversation.
        new: nothing was said in this conversation yet.
        analysed: emotion may be read.
        speech: what replies are spoken in; None where none are.
    """

    sender: str
    new: bool
    analysed: bool
    speech: SpeechFormat | None


@dataclass(frozen=True)
class Transcribed:
    """What was said; without words where only a voice was heard.

    Attributes:
        transcript: text and words, whose times count from ``start_s``.
        start_s: where the utterance begins, seconds from the start of the stream.
    """

    transcript: Transcript
    start_s: float


@dataclass(frozen=True)
class EmotionRead:
    """The emotion of a turn by itself, with consent; of a typed turn only the words tell."""

    utterance: Utterance


@dataclass(frozen=True)
class TurnState:
    """What voice and words of a spoken turn mean together, by itself."""

    affect: AffectiveState


@dataclass(frozen=True)
class ConversationState:
    """What the memory makes of the conversation after a turn.

    Attributes:
        analysed: emotion may be read.
        escalated: a person takes over.
        affect: the state; None, as all below, where nothing is known or may be known.
        trend: ``rising``, ``falling`` or ``steady``.
        negative_streak: negative turns in a row.
        priority: how soon the caller should be served, 0..100.
    """

    analysed: bool
    escalated: bool
    affect: AffectiveState | None = None
    trend: str = "steady"
    negative_streak: int = 0
    priority: int = 0


@dataclass(frozen=True)
class BotMessage:
    """A message of the assistant: ``text``, ``buttons``, ``image``, ``custom``, … as Rasa names them."""

    message: Mapping[str, Any]


@dataclass(frozen=True)
class SpeechPiece:
    """A sentence of a spoken reply, or a part of a long one.

    Attributes:
        id: number of the spoken message, from 1.
        part: number of the piece in it, from 0.
        sentence: what is said.
        encoding, sample_rate: of ``audio``.
        seconds: length.
        audio: the samples, one channel.
    """

    id: int
    part: int
    sentence: str
    encoding: str
    sample_rate: int
    seconds: float
    audio: bytes


@dataclass(frozen=True)
class SpeechSent:
    """All of a spoken message was sent, so many seconds."""

    id: int
    seconds: float


@dataclass(frozen=True)
class SpeechStopped:
    """Be silent at once: the caller makes a sound, writes or presses a key while a reply is heard.

    After a false alarm, what was not heard of it comes again as new spoken messages.

    Attributes:
        id: of the spoken message that was being heard.
    """

    id: int


@dataclass(frozen=True)
class Failed:
    """Something failed; the call goes on unless it is closed right behind."""

    error: EmotionLayerError


SpeechEvent = SpeechPiece | SpeechSent
CallEvent = (
    Opened
    | Partial
    | Interim
    | Discarded
    | Transcribed
    | EmotionRead
    | TurnState
    | ConversationState
    | BotMessage
    | SpeechEvent
    | SpeechStopped
    | Failed
)
