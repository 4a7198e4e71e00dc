"""The one record that travels from the microphone to the reply.

An :class:`Utterance` has exactly two serial forms: :meth:`Utterance.to_metadata`, which Rasa stores with the
user's message (numbers and labels, never audio or words), and :meth:`Utterance.to_context`, the JSON a language
model sees (a superset of EmotionLayer's).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Mapping

from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, STATES, STRATEGIES, UNKNOWN

METADATA_KEY = "emotionlayer"
"""Key of ``UserMessage.metadata`` under which :meth:`Utterance.to_metadata` is found."""

ENTITY = "emotion"
"""Name of the entity that holds the emotion of every turn; for a typed turn its ``record`` is
:meth:`Utterance.to_metadata`."""

RECORD_VERSION = 2
"""Of :meth:`Utterance.to_metadata`, in its key ``version``; version 1 has no such key.

A reader takes the keys that it knows and leaves the others, so that servers of two releases can share a
conversation. The number goes up with a change that older readers should be told from; keys are added without.
"""


@dataclass(frozen=True)
class Word:
    """One recognised word; ``start`` and ``end`` in seconds from the start of the audio, ``confidence`` 0..1."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What was said. ``model`` names engine and model, for example ``vosk/vosk-model-small-en-us-0.15``."""

    text: str
    words: tuple[Word, ...] = ()
    language: str = ""
    model: str = ""


@dataclass(frozen=True)
class EmotionReading:
    """How it was said.

    Attributes:
        label: one of the seven emotions, or ``unknown`` below the confidence threshold.
        confidence: calibrated probability of the best emotion, 0..1 (kept when the label is ``unknown``).
        scores: probability of each of the seven emotions, summing to 1; empty when nothing was heard.
        valence, arousal, dominance: 0..1, .5 is neutral; None when nothing was heard.
        source: ``voice``, ``text`` or ``none``.
        model: engine and model id.
        adapted_from: how many utterances of the same caller, in the same call, the model had learnt from.
    """

    label: str = UNKNOWN
    confidence: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    source: str = "none"
    model: str = ""
    adapted_from: int = 0

    def best(self, count: int = 2) -> list[tuple[str, float]]:
        """The ``count`` most probable emotions with their probabilities, best first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:count]


CUES: tuple[str, ...] = (
    "urgency",
    "danger",
    "sarcasm",
    "doubt",
    "self_doubt",
    "resignation",
    "complaint",
    "praise",
    "question",
    "hostility",
)
"""What a reading of the words tells besides emotion."""

TOLD_CUE = 0.3
"""Probability from which a cue is shown to people and language models: below, it is most often not there."""


@dataclass(frozen=True)
class TextReading:
    """What the words say.

    Attributes:
        emotion: of the words alone, with source ``text``.
        cues: probability of each of :data:`CUES`, 0..1.
        own: probability that a feeling named is the speaker's own and of now, not somebody else's, over, denied or
            supposed, 0..1; None where it is not known.
    """

    emotion: EmotionReading = EmotionReading()
    cues: Mapping[str, float] = field(default_factory=dict)
    own: float | None = None


@dataclass(frozen=True)
class Prosody:
    """Measured properties of the voice; None where the audio does not allow a measurement.

    Attributes:
        pitch_hz: median fundamental frequency of voiced frames, Hz.
        pitch_semitones: the same, in semitones above 27.5 Hz (A0), as in eGeMAPS.
        pitch_range_semitones: 20th to 80th percentile, semitones.
        energy_db: level of the whole utterance, dB relative to full scale (0 dB is a full-scale square wave).
        energy_range_db: 10th to 90th percentile of frame levels within speech, dB.
        syllable_rate: syllable nuclei a second of audio.
        word_rate: words a second of audio, where a transcript is known.
        pause_ratio: share of the time between first and last speech that is silence, 0..1.
        pauses: number of pauses of 0.2 s or more.
        voiced_ratio: share of frames with a pitch, 0..1.
        jitter: mean relative difference of neighbouring pitch periods, 0..1.
        shimmer_db: mean difference of neighbouring periods' peak amplitudes, dB.
        hnr_db: harmonics-to-noise ratio, dB.
    """

    pitch_hz: float | None = None
    pitch_semitones: float | None = None
    pitch_range_semitones: float | None = None
    energy_db: float | None = None
    energy_range_db: float | None = None
    syllable_rate: float | None = None
    word_rate: float | None = None
    pause_ratio: float | None = None
    pauses: int | None = None
    voiced_ratio: float | None = None
    jitter: float | None = None
    shimmer_db: float | None = None
    hnr_db: float | None = None


@dataclass(frozen=True)
class AffectiveState:
    """What voice and words mean together.

    Attributes:
        state: one of the nine affective states, or ``unknown``.
        strategy: one of the six response strategies; ``direct_efficiency`` when nothing is known.
        confidence: how sure the state is, 0..1.
        valence, arousal, dominance: of voice and words together, 0..1, .5 is neutral; None when nothing is known.
        incongruence: how far the words contradict the voice, 0..1.
        reasons: what led to the state, for machines and audits, such as ``voice:anger=.71``; never the words.
    """

    state: str = UNKNOWN
    strategy: str = "direct_efficiency"
    confidence: float = 0.0
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    incongruence: float = 0.0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Utterance:
    """One turn of the caller, as far as it is understood yet.

    Attributes:
        transcript: what was said.
        emotion: how it was said.
        words: what the words say; None where they were not read.
        prosody: measurements of the voice; None for a typed turn.
        affect: what voice and words mean together, and the strategy that answers it.
        duration_s: length of the audio in seconds; 0 for a typed turn.
        timings_ms: milliseconds by stage (``decode``, ``transcription``, ``text``, ``emotion``, ``fusion``, …).
    """

    transcript: Transcript
    emotion: EmotionReading = EmotionReading()
    words: TextReading | None = None
    prosody: Prosody | None = None
    affect: AffectiveState = AffectiveState()
    duration_s: float = 0.0
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def reading(self) -> EmotionReading:
        """The emotion of the turn: the voice's, or the words' where no voice was analysed."""
        if self.emotion.source == "none" and self.words is not None:
            return self.words.emotion
        return self.emotion

    def to_metadata(self) -> dict[str, Any]:
        """What Rasa stores with the user's message: JSON numbers and labels only, never audio or words."""
        return {
            "version": RECORD_VERSION,
            "emotion": _rounded(asdict(self.emotion)),
            "words": {
                "emotion": _rounded(asdict(self.words.emotion)),
                "cues": _rounded({cue: strength for cue, strength in self.words.cues.items() if strength}),
                "own": None if self.words.own is None else round(self.words.own, 4),
            }
            if self.words
            else None,
            "prosody": _rounded(asdict(self.prosody)) if self.prosody else None,
            "affect": {**_rounded(asdict(self.affect)), "reasons": list(self.affect.reasons)},
            "duration_s": round(self.duration_s, 3),
            "language": self.transcript.language,
            "transcription_model": self.transcript.model,
            "timings_ms": _rounded(dict(self.timings_ms)),
        }

    @classmethod
    def from_metadata(cls, text: str, metadata: Mapping[str, Any] | None) -> Utterance:
        """Rebuild the record of a turn from the metadata of its message.

        Args:
            text: the message text as Rasa stores it.
            metadata: ``UserMessage.metadata`` (the whole mapping); other channels' metadata, None or a malformed
                record give an utterance whose emotion is ``unknown``. Keys of newer records are left out.
        """
        record = (metadata or {}).get(METADATA_KEY) if isinstance(metadata, Mapping) else None
        return cls._from_record(text, record)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Utterance:
        """Rebuild the record of a turn from its event in the tracker (``UserUttered.as_dict()``).

        A spoken turn has it in the message's metadata, a typed one in its entity ``emotion``; a button
        (``/intent``) and a turn that was not analysed have none and give ``unknown``. A button has no words.
        """
        text = str(event.get("text") or "")
        text = "" if text.startswith("/") else text
        metadata = event.get("metadata")
        if isinstance(metadata, Mapping) and METADATA_KEY in metadata:
            return cls.from_metadata(text, metadata)
        return cls._from_record(text, (emotion_entity(event) or {}).get("record"))

    @classmethod
    def _from_record(cls, text: str, record: Any) -> Utterance:
        utterance = cls(Transcript(text))
        if not isinstance(record, Mapping):
            return utterance
        try:
            reading = _reading(record["emotion"])
            words = record.get("words")
            language, model = str(record.get("language", "")), str(record.get("transcription_model", ""))
            return replace(
                utterance,
                transcript=Transcript(text, language=language, model=model),
                emotion=reading,
                words=_words(words) if words else None,
                prosody=_prosody(record["prosody"]) if record.get("prosody") else None,
                affect=_affect(record, reading),
                duration_s=float(record.get("duration_s", 0.0)),
                timings_ms=dict(record.get("timings_ms", {})),
            )
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return utterance

    def to_context(self) -> dict[str, Any]:
        """The JSON a language model sees: EmotionLayer's three keys, then ours.

        EmotionLayer's keys are ``vocal_sentiment`` (the two best emotions of the voice), ``prosody`` (its valence,
        arousal and dominance, 0..1) and ``transcription``. ``text_sentiment`` and ``cues`` are what the words say,
        ``emotion`` is the voice's or, for a typed turn, the words', and ``affect`` is voice and words together.
        """
        voice = asdict(self.prosody) if self.prosody else {}
        words = self.words or TextReading()
        return {
            "vocal_sentiment": _sentiment(self.emotion),
            "prosody": _rounded({axis: getattr(self.emotion, axis) for axis in DIMENSIONS}),
            "transcription": self.transcript.text,
            "text_sentiment": _sentiment(words.emotion),
            "cues": _rounded({cue: strength for cue, strength in words.cues.items() if strength >= TOLD_CUE}),
            "emotion": self.reading.label,
            "confidence": round(self.reading.confidence, 2),
            "affect": _rounded({axis: getattr(self.affect, axis) for axis in DIMENSIONS}),
            "affective_state": self.affect.state,
            "response_strategy": self.affect.strategy,
            "incongruence": round(self.affect.incongruence, 2),
            "voice": _rounded({name: value for name, value in voice.items() if value is not None}),
        }


def emotion_entity(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The entity ``emotion`` of a turn's event in the tracker; None where it has none."""
    parsed = event.get("parse_data")
    entities = parsed.get("entities") if isinstance(parsed, Mapping) else None
    listed = entities if isinstance(entities, list) else []
    found = (entity for entity in listed if isinstance(entity, Mapping) and entity.get("entity") == ENTITY)
    return next(found, None)


def _sentiment(reading: EmotionReading) -> list[dict[str, str]]:
    return [{"Emotion": name, "Score": f"{score:.0%}"} for name, score in reading.best()]


# Anybody can send metadata through Rasa's REST channel: what is no number or label never gets further than here.


def _known(kind: type, record: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a record that this release knows."""
    return {key.name: record[key.name] for key in fields(kind) if key.name in record}


def _reading(record: Mapping[str, Any]) -> EmotionReading:
    reading = EmotionReading(**_known(EmotionReading, record))
    if reading.label not in (*EMOTIONS, UNKNOWN) or not set(reading.scores) <= set(EMOTIONS):
        raise ValueError(reading.label)
    if reading.source not in ("voice", "text", "none") or not isinstance(reading.model, str):
        raise ValueError("no source or model")
    _check(reading.confidence, reading.adapted_from, *reading.scores.values(), *_axes_known(reading))
    return reading


def _words(record: Mapping[str, Any]) -> TextReading:
    cues, own = {cue: record["cues"].get(cue, 0.0) for cue in CUES}, record.get("own")
    _check(*cues.values(), *([] if own is None else [own]))
    return TextReading(_reading(record["emotion"]), cues, own)


def _prosody(record: Mapping[str, Any]) -> Prosody:
    known = _known(Prosody, record)
    _check(*(value for value in known.values() if value is not None))
    return Prosody(**known)


def _affect(record: Mapping[str, Any], reading: EmotionReading) -> AffectiveState:
    """Records of version 0.1 have ``state`` and ``strategy`` beside the voice's reading, and no ``affect``."""
    older = {"state": record.get("state", UNKNOWN), "strategy": record.get("strategy", AffectiveState.strategy)}
    if older["state"] != UNKNOWN:
        older |= {"confidence": reading.confidence, **{axis: getattr(reading, axis) for axis in DIMENSIONS}}
    affect = AffectiveState(**_known(AffectiveState, record.get("affect", older)))
    if affect.state not in (*STATES, UNKNOWN) or affect.strategy not in STRATEGIES:
        raise ValueError(affect.state)
    _check(affect.confidence, affect.incongruence, *_axes_known(affect))
    return replace(affect, reasons=tuple(str(reason) for reason in affect.reasons))


def _axes_known(record: EmotionReading | AffectiveState) -> list[float]:
    return [value for axis in DIMENSIONS if (value := getattr(record, axis)) is not None]


def _check(*numbers: Any) -> None:
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise ValueError(f"{type(number).__name__} is no number")


def _rounded(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: round(value, 4)
        if isinstance(value, float)
        else (_rounded(value) if isinstance(value, Mapping) else value)
        for key, value in record.items()
    }
