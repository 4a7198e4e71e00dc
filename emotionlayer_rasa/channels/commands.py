"""What the other side of a live call asks for: what the wires make of the messages that come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from emotionlayer_rasa.audio import RawEncoding
from emotionlayer_rasa.channels.events import SpeechFormat


@dataclass(frozen=True)
class CallOptions:
    """How a call is held.

    Attributes:
        encoding, sample_rate: of the caller's sound; Hz.
        grammar: phrases to listen for; None hears everything.
        metadata: for every message to Rasa.
        speech: what replies are spoken in; None for text only.
        speak_buttons: whether the titles of a message's buttons are spoken, too.
        silence_prompts: whether a caller who says nothing is asked whether they are there.
        key_intent: intent that pressed keys are sent as, ``/INTENT{"digits": "12"}``; None sends them as text.
        key_pause_s: seconds without a key after which the keys are a turn.
    """

    encoding: RawEncoding = "pcm16"
    sample_rate: int = 8000
    grammar: Sequence[str] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    speech: SpeechFormat | None = None
    speak_buttons: bool = False
    silence_prompts: bool = False
    key_intent: str | None = None
    key_pause_s: float = 2.0


@dataclass(frozen=True)
class Start:
    """Begin the call.

    Attributes:
        sender: id of the conversation; None makes a new one. A call that the sender has already is ended.
        options: how the call is held.
        other_sender: id to be taken where ``sender`` has a call already, instead of ending that.
        announce: tell, as :class:`Opened`, what is known of the conversation.
    """

    sender: str | None
    options: CallOptions = CallOptions()
    other_sender: str | None = None
    announce: bool = False


@dataclass(frozen=True)
class Sound:
    """The caller's next sound, in the encoding of the options."""

    data: bytes


@dataclass(frozen=True)
class TextMessage:
    """A typed turn, a button's payload, or ``/session_start``."""

    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class KeyPressed:
    """A key of the telephone; ``#`` ends what was pressed."""

    key: str


@dataclass(frozen=True)
class Played:
    """So many seconds of a spoken message were heard; None for all of it."""

    id: int
    seconds: float | None


@dataclass(frozen=True)
class NobodyAnswered:
    """The call was passed on to a person, and comes back: nobody took it."""


@dataclass(frozen=True)
class EndOfUtterance:
    """The utterance that is going on ends here: its text so far is a turn."""


@dataclass(frozen=True)
class EndOfSound:
    """No more sound comes: what is open is finished, answered and spoken; then the call ends."""


@dataclass(frozen=True)
class HungUp:
    """The caller is gone: what was said becomes a turn, and the call ends."""


Command = Start | Sound | TextMessage | KeyPressed | Played | NobodyAnswered | EndOfUtterance | EndOfSound | HungUp
