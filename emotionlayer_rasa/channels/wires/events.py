"""Our own events on ``WS /webhooks/voice/stream``: each is one JSON object, told as it happens.

==================  =============================================================================================
``ready``           answer to config: ``{"sender", "new", "analysed", "sample_rate", "encoding", "speech"}``;
                    ``new``: nothing was said in this conversation yet; ``analysed``: emotion may be read;
                    ``speech``: what replies are spoken in, or null where none are
``partial``         the text of the utterance so far
``text``            what was said, with ``result`` (see :mod:`emotionlayer_rasa.channels.wires.vosk`); empty where
                    a voice was heard and no words
``emotion``         as in the webhook's answer (of a typed turn only ``words`` tells); beside it ``interim`` (true:
                    of the last seconds, while the caller speaks), ``prosody``, and unless interim ``words``
``state``           after an utterance ``{"state", "strategy", "confidence", "valence", "arousal", "dominance",
                    "incongruence", "reasons"}`` of this turn alone; after the assistant's answer what the memory
                    makes of it: the same and ``trend``, ``negative_streak``, ``priority`` (0..100), ``analysed``,
                    ``escalated``; only the last two where nothing is known or may be known
``bot``             one message of the assistant: ``{"text", "buttons", "image", "custom", ...}``
``speech``          a piece of a spoken reply, ``{"id", "part", "sentence", "sample_rate", "encoding", "seconds",
                    "bytes"}``; its audio follows in binary messages. ``id`` counts what is spoken in this call: a
                    message, or, where its first sentence comes before the ``bot`` message is known, that sentence
                    and then the rest; or what is left of one after a ``stop``. When all of one was sent:
                    ``{"id", "end": true, "seconds"}``
``stop``            ``{"id"}``: be silent at once and forget what was not heard: the caller speaks. Where that was
                    a false alarm, the rest comes again as ``speech`` with new ids
``discarded``       what began like speech was none: ``too_short``, ``ghost_words`` or ``noise``; or it was a
                    ``backchannel`` ("mhm"), which is no turn while a reply is heard
``error``           ``{"code", "message"}``; the call goes on, unless we close right behind it
==================  =============================================================================================

Without consent no ``emotion`` comes, and of ``state`` only ``analysed`` and ``escalated``.
"""

from __future__ import annotations

import json
from typing import Any, Iterator

from emotionlayer_rasa.audio import RawEncoding
from emotionlayer_rasa.channels.commands import Command
from emotionlayer_rasa.channels.events import (
    BotMessage,
    CallEvent,
    ConversationState,
    Discarded,
    EmotionRead,
    Failed,
    Interim,
    Opened,
    Partial,
    SpeechPiece,
    SpeechSent,
    SpeechStopped,
    Transcribed,
    TurnState,
)
from emotionlayer_rasa.http_guard import error_body
from emotionlayer_rasa.utterance import AffectiveState, Transcript, Utterance

_PIECE_BYTES = 16_384
"""Of speech a message, so that little of it is on its way when the caller interrupts."""


class EventsWriter:
    """Tells everything as it comes.

    Args:
        encoding, sample_rate: of the caller's sound, for ``ready``.
        interim: tell emotion while the caller speaks.
        words: tell each word with its times.
    """

    one_reply = False

    def __init__(self, encoding: RawEncoding, sample_rate: int, interim: bool, words: bool) -> None:
        self._sound = {"sample_rate": sample_rate, "encoding": encoding}
        self._interim = interim
        self._words = words

    def write(self, event: CallEvent) -> Iterator[str | bytes]:
        """The messages of an event."""
        if isinstance(event, Interim) and not self._interim:
            return
        record = event_record(event, self._words)
        if isinstance(event, Opened):
            record["ready"] |= self._sound
        yield json.dumps(record, ensure_ascii=False)
        if isinstance(event, SpeechPiece):
            for start in range(0, len(event.audio), _PIECE_BYTES):
                yield event.audio[start : start + _PIECE_BYTES]

    def write_reply(self, command: Command | None) -> Iterator[str]:
        """Nothing: all is told."""
        yield from ()


def event_record(event: CallEvent, words: bool) -> dict[str, Any]:
    """An event as JSON; ``words``: each word of a transcript with its times, too."""
    match event:
        case Opened():
            speech = event.speech.encoding if event.speech else None
            known = {"sender": event.sender, "new": event.new, "analysed": event.analysed}
            return {"ready": {**known, "speech": speech}}
        case Partial(text):
            return {"partial": text}
        case Transcribed():
            result = word_records(event) if words else []
            return {"text": event.transcript.text, **({"result": result} if result else {})}
        case Interim():
            record = Utterance(Transcript(""), event.emotion, prosody=event.prosody).to_metadata()
            return {"emotion": record["emotion"], "interim": True, "prosody": record["prosody"]}
        case EmotionRead(utterance):
            record = utterance.to_metadata()
            told = {key: record[key] for key in ("emotion", "prosody", "words")}
            return {**told, "interim": False}
        case TurnState(affect):
            return {"state": _affect_record(affect)}
        case ConversationState():
            return {"state": _state_record(event)}
        case BotMessage(message):
            return {"bot": message}
        case SpeechPiece():
            header = {key: getattr(event, key) for key in ("id", "part", "sentence", "sample_rate", "encoding")}
            return {"speech": {**header, "seconds": round(event.seconds, 3), "bytes": len(event.audio)}}
        case SpeechSent():
            return {"speech": {"id": event.id, "end": True, "seconds": round(event.seconds, 3)}}
        case SpeechStopped():
            return {"stop": {"id": event.id}}
        case Discarded():
            return {"discarded": event.reason}
        case Failed(error):
            return error_body(error.code, str(error))


def word_records(said: Transcribed) -> list[dict[str, Any]]:
    """The words as vosk-server tells them, in seconds from the start of the stream."""
    return [
        {
            "conf": round(word.confidence, 6),
            "end": round(said.start_s + word.end, 3),
            "start": round(said.start_s + word.start, 3),
            "word": word.text,
        }
        for word in said.transcript.words
    ]


def _state_record(state: ConversationState) -> dict[str, Any]:
    record: dict[str, Any] = {"analysed": state.analysed, "escalated": state.escalated}
    if state.affect is None:
        return record
    return {
        **record,
        **_affect_record(state.affect),
        "trend": state.trend,
        "negative_streak": state.negative_streak,
        "priority": state.priority,
    }


def _affect_record(affect: AffectiveState) -> dict[str, Any]:
    record: dict[str, Any] = Utterance(Transcript(""), affect=affect).to_metadata()["affect"]
    return record
