"""How one speaker usually sounds, so that a naturally loud voice is not called angry every time.

The habit comes from spoken turns whose words were read and are not negative: who complains is not loud by nature,
and who complains in a loud voice means it. In the other turns, where a speaker usually shows more of an emotion
than chance (1/7), most of that excess is moved to neutral before voice and words are fused again, and valence,
arousal and dominance move as much of the way that the speaker's medians lie off the middle. The more a voice is
raised against the speaker's own level and pitch, the less of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from statistics import fmean, median
from typing import Any, Iterable, Mapping

from emotionlayer_rasa.affect.fusion import fuse
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, Prosody, TextReading, Utterance

ENOUGH_TURNS = 3
"""Turns from which a speaker's habit is known."""

LONGEST_HABIT = 20
"""Turns that a habit counts as at most when new ones are added, so that a changed voice is learnt anew."""

HABIT_SHARE = 0.75
"""Part of a speaker's habit that is taken off a reading when the voice is not raised."""

RAISED_DB = 6.0
RAISED_SEMITONES = 4.0
"""Level and pitch above the speaker's own medians at which a voice is fully raised: nothing is taken off."""

PLAIN_CUE = 0.3
"""A cue of grievance, alarm or mockery weaker than this does not make words negative."""

_AXES = ("valence", "arousal", "dominance")
_MIDDLE = 0.5
_CHANCE = 1 / len(EMOTIONS)
_UNPLEASANT = frozenset({"anger", "disgust", "fear", "sadness"})
_INNOCENT_CUES = frozenset({"praise", "question"})


@dataclass(frozen=True)
class Baseline:
    """How one speaker usually sounds.

    Attributes:
        turns: spoken turns that it comes from.
        scores: mean probability of each emotion.
        valence, arousal, dominance: medians, 0..1.
        energy_db, pitch_semitones: medians, as in :class:`Prosody`; None where they were not measured.
    """

    turns: int
    scores: Mapping[str, float]
    valence: float
    arousal: float
    dominance: float
    energy_db: float | None = None
    pitch_semitones: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The baseline as JSON."""
        record = {
            name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()
        }
        return {**record, "scores": {emotion: round(score, 4) for emotion, score in self.scores.items()}}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Baseline:
        """Read what :meth:`to_dict` wrote.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: the record is no baseline.
        """
        return cls(
            int(record["turns"]),
            {emotion: float(record["scores"].get(emotion, 0.0)) for emotion in EMOTIONS},
            **{axis: float(record[axis]) for axis in _AXES},
            energy_db=_optional(record.get("energy_db")),
            pitch_semitones=_optional(record.get("pitch_semitones")),
        )

    @property
    def known(self) -> bool:
        """Whether enough turns tell."""
        return self.turns >= ENOUGH_TURNS


def usual_voice(utterances: Iterable[Utterance], earlier: Baseline | None = None) -> Baseline | None:
    """The baseline of a speaker; None where no turn tells.

    Args:
        utterances: turns of one speaker; those with negative or unread words tell nothing.
        earlier: what was known before; it counts with its turns, twenty at most.
    """
    telling = [utterance for utterance in utterances if _tells(utterance)]
    if not telling:
        return earlier
    prosodies = [utterance.prosody or Prosody() for utterance in telling]
    here = Baseline(
        len(telling),
        {emotion: fmean(spoken.emotion.scores.get(emotion, 0.0) for spoken in telling) for emotion in EMOTIONS},
        **{axis: _median_of(getattr(spoken.emotion, axis) for spoken in telling) or _MIDDLE for axis in _AXES},
        energy_db=_median_of(prosody.energy_db for prosody in prosodies),
        pitch_semitones=_median_of(prosody.pitch_semitones for prosody in prosodies),
    )
    return _merged(earlier, here) if earlier else here


def against(baseline: Baseline, utterance: Utterance) -> tuple[str, AffectiveState]:
    """Emotion and state of a turn, seen against the speaker's usual voice.

    A turn without a voice, with negative words, or in which the voice shows nothing that is usual for it alone,
    stays as it was read.
    """
    voice = utterance.emotion
    if voice.source != "voice" or voice.label == UNKNOWN or _negative(utterance.words):
        return utterance.reading.label, utterance.affect
    share = HABIT_SHARE * (1 - _raised(utterance.prosody, baseline))
    taken = {
        emotion: share * min(score, max(0.0, baseline.scores.get(emotion, 0.0) - _CHANCE))
        for emotion, score in voice.scores.items()
        if emotion != "neutral"
    }
    moved = sum(taken.values())
    if not moved:
        return voice.label, utterance.affect
    scores = {**dict.fromkeys(EMOTIONS, 0.0), **voice.scores}
    scores = {emotion: score - taken.get(emotion, 0.0) for emotion, score in scores.items()}
    scores["neutral"] += moved
    label = max(scores, key=lambda emotion: scores[emotion])
    axes = {
        axis: min(1.0, max(0.0, value - share * (getattr(baseline, axis) - _MIDDLE)))
        for axis in _AXES
        if (value := getattr(voice, axis)) is not None
    }
    usual = EmotionReading(label, scores[label], scores, **axes, source=voice.source, model=voice.model)
    state = fuse(usual, utterance.words, utterance.prosody)
    return label, replace(state, reasons=(*state.reasons, f"memory:usual_voice={moved:.2f}"))


def _tells(utterance: Utterance) -> bool:
    return utterance.emotion.source == "voice" and utterance.words is not None and not _negative(utterance.words)


def _negative(words: TextReading | None) -> bool:
    if words is None:
        return False
    telling = (strength for cue, strength in words.cues.items() if cue not in _INNOCENT_CUES)
    return words.emotion.label in _UNPLEASANT or any(strength >= PLAIN_CUE for strength in telling)


def _merged(earlier: Baseline, here: Baseline) -> Baseline:
    """Two baselines, weighted by their turns."""
    total = earlier.turns + here.turns

    def mean(first: float | None, second: float | None) -> float | None:
        if first is None or second is None:
            return second if first is None else first
        return (first * earlier.turns + second * here.turns) / total

    return Baseline(
        min(total, LONGEST_HABIT),
        {emotion: mean(earlier.scores[emotion], here.scores[emotion]) or 0.0 for emotion in EMOTIONS},
        **{axis: mean(getattr(earlier, axis), getattr(here, axis)) or 0.0 for axis in _AXES},
        energy_db=mean(earlier.energy_db, here.energy_db),
        pitch_semitones=mean(earlier.pitch_semitones, here.pitch_semitones),
    )


def _raised(prosody: Prosody | None, baseline: Baseline) -> float:
    """How far the voice is raised against the speaker's own habit, 0..1."""
    if prosody is None:
        return 0.0
    louder = _above(prosody.energy_db, baseline.energy_db) / RAISED_DB
    higher = _above(prosody.pitch_semitones, baseline.pitch_semitones) / RAISED_SEMITONES
    return min(1.0, max(louder, higher))


def _above(value: float | None, usual: float | None) -> float:
    return 0.0 if value is None or usual is None else max(0.0, value - usual)


def _median_of(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
