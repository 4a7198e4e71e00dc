"""The one record that travels from the microphone to the reply.

An :class:`Utterance` has exactly two serial forms: :meth:`Utterance.to_metadata`, which Rasa stores with the
user's message (numbers and labels, never audio or words), and :meth:`Utterance.to_context`, the JSON a language
model sees (a superset of EmotionLayer's).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Mapping

from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN

METADATA_KEY = "emotionlayer"
"""Key of ``UserMessage.metadata`` under which :meth:`Utterance.to_metadata` is found."""


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
    """

    label: str = UNKNOWN
    confidence: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    source: str = "none"
    model: str = ""

    def best(self, count: int = 2) -> list[tuple[str, float]]:
        """The ``count`` most probable emotions with their probabilities, best first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:count]


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
class Utterance:
    """One turn of the caller, as far as it is understood yet.

    Attributes:
        transcript: what was said.
        emotion: how it was said.
        prosody: measurements of the voice; None for a typed turn.
        state: one of the nine affective states, or ``unknown``.
        strategy: one of the six response strategies; ``direct_efficiency`` when nothing is known.
        duration_s: length of the audio in seconds; 0 for a typed turn.
        timings_ms: milliseconds by stage (``decode``, ``transcription``, ``emotion``, ``total``, …).
    """

    transcript: Transcript
    emotion: EmotionReading = EmotionReading()
    prosody: Prosody | None = None
    state: str = UNKNOWN
    strategy: str = "direct_efficiency"
    duration_s: float = 0.0
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, Any]:
        """What Rasa stores with the user's message: JSON numbers and labels only, never audio or words."""
        return {
            "emotion": _rounded(asdict(self.emotion)),
            "prosody": _rounded(asdict(self.prosody)) if self.prosody else None,
            "state": self.state,
            "strategy": self.strategy,
            "duration_s": round(self.duration_s, 3),
            "language": self.transcript.language,
            "transcription_model": self.transcript.model,
            "timings_ms": _rounded(dict(self.timings_ms)),
        }

    @classmethod
    def from_metadata(cls, text: str, metadata: Mapping[str, Any] | None) -> Utterance:
        """Rebuild the record of a turn from the tracker.

        Args:
            text: the message text as Rasa stores it.
            metadata: ``UserMessage.metadata`` (the whole mapping); other channels' metadata, None or a malformed
                record give an utterance whose emotion is ``unknown``.
        """
        record = (metadata or {}).get(METADATA_KEY) if isinstance(metadata, Mapping) else None
        utterance = cls(Transcript(text))
        if not isinstance(record, Mapping):
            return utterance
        try:
            reading = EmotionReading(**record["emotion"])
            prosody = Prosody(**record["prosody"]) if record.get("prosody") else None
        except (KeyError, TypeError):
            return utterance
        if reading.label not in (*EMOTIONS, UNKNOWN):
            return utterance
        return replace(
            utterance,
            transcript=Transcript(
                text, language=record.get("language", ""), model=record.get("transcription_model", "")
            ),
            emotion=reading,
            prosody=prosody,
            state=record.get("state", UNKNOWN),
            strategy=record.get("strategy", "direct_efficiency"),
            duration_s=record.get("duration_s", 0.0),
            timings_ms=record.get("timings_ms", {}),
        )

    def to_context(self) -> dict[str, Any]:
        """The JSON a language model sees: EmotionLayer's three keys, then ours.

        EmotionLayer's keys are ``vocal_sentiment`` (the two best emotions), ``prosody`` (valence, arousal and
        dominance, 0..1) and ``transcription``.
        """
        voice = asdict(self.prosody) if self.prosody else {}
        return {
            "vocal_sentiment": [{"Emotion": name, "Score": f"{score:.0%}"} for name, score in self.emotion.best()],
            "prosody": _rounded(
                {name: getattr(self.emotion, name) for name in ("arousal", "dominance", "valence")}
            ),
            "transcription": self.transcript.text,
            "emotion": self.emotion.label,
            "confidence": round(self.emotion.confidence, 2),
            "affective_state": self.state,
            "response_strategy": self.strategy,
            "voice": _rounded({name: value for name, value in voice.items() if value is not None}),
        }


def _rounded(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: round(value, 4)
        if isinstance(value, float)
        else (_rounded(value) if isinstance(value, Mapping) else value)
        for key, value in record.items()
    }
