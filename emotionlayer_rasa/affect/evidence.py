"""What speaks for an affective state: every piece of evidence, 0..1, by its name."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping

from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS
from emotionlayer_rasa.utterance import CUES, EmotionReading, Prosody, TextReading


@dataclass(frozen=True)
class PadProfile:
    """Where a state lies in valence, arousal and dominance (0..1); None where any value will do."""

    valence: float | None
    arousal: float | None
    dominance: float | None = None


PAD_PROFILES: Mapping[str, PadProfile] = MappingProxyType(
    {
        "neutral": PadProfile(0.5, 0.47, 0.5),
        "enthusiasm": PadProfile(0.8, 0.8),
        "satisfaction": PadProfile(0.75, 0.4),
        "uncertainty": PadProfile(0.4, 0.5, 0.33),
        "anger": PadProfile(0.2, 0.85, 0.8),
        "frustration": PadProfile(0.3, 0.6, 0.45),
        "sarcasm": PadProfile(0.45, 0.52, 0.62),
        "urgency": PadProfile(0.3, 0.85, 0.4),
        "insecurity": PadProfile(0.3, 0.32, 0.24),
    }
)
"""Points inside EmotionLayer's threshold ranges. Sarcasm has none there: it is spoken in a controlled voice."""

_ENDS: Mapping[str, tuple[str, float, float]] = MappingProxyType(
    {
        "unpleasant": ("valence", 0.5, 0.1),
        "pleasant": ("valence", 0.5, 0.9),
        "quiet": ("arousal", 0.5, 0.2),
        "excited": ("arousal", 0.5, 0.9),
        "weak": ("dominance", 0.5, 0.15),
        "strong": ("dominance", 0.5, 0.8),
    }
)
"""The two ends of each dimension: where it begins to speak for one, and where it does so fully."""

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "words:grievance": ("words:complaint", "words:resignation", "words:hostility"),
        "words:alarm": ("words:urgency", "words:danger"),
        "words:any_doubt": ("words:doubt", "words:self_doubt"),
        "voice:cross": ("voice:anger", "voice:disgust"),
    }
)
"""Evidence that several pieces give, as strong as the strongest of them."""

PAIRS: tuple[tuple[str, str], ...] = (
    ("voice:cross", "words:praise"),
    ("voice:cross", "words:joy"),
    ("voice:joy", "words:grievance"),
    ("voice:joy", "words:sarcasm"),
    ("voice:joy", "words:praise"),
    ("voice:disgust", "words:grievance"),
    ("voice:disgust", "words:praise"),
    ("voice:sadness", "words:grievance"),
    ("voice:sadness", "words:alarm"),
    ("voice:fear", "words:any_doubt"),
    ("voice:neutral", "words:grievance"),
    ("voice:neutral", "words:alarm"),
    ("voice:neutral", "words:sarcasm"),
    ("voice:neutral", "words:praise"),
    ("voice:neutral", "words:any_doubt"),
    ("voice:neutral", "words:plain"),
    ("voice:anger", "words:plain"),
    ("voice:joy", "words:plain"),
    ("voice:quiet", "words:grievance"),
    ("voice:quiet", "words:alarm"),
    ("voice:excited", "words:grievance"),
    ("voice:excited", "words:praise"),
    ("voice:weak", "words:any_doubt"),
)
"""Meanings that neither side has alone, such as praise in a cross voice; as strong as the product of the two."""


def evidence(voice: EmotionReading | None, words: TextReading | None, prosody: Prosody | None) -> dict[str, float]:
    """Every piece of evidence that is there.

    Args:
        voice: how it was said; None where it is not known.
        words: what the words say; None where it is not known.
        prosody: a slow voice full of pauses is a quiet one.

    Returns:
        Values 0..1 by name: ``voice:`` and ``words:`` with an emotion, a cue or an end of a dimension;
        ``pad:STATE``, how near the voice's valence, arousal and dominance are to a state's profile; and
        ``voice:cross+words:praise`` for one of :data:`PAIRS`. What is 0 is left out.
    """
    found: dict[str, float] = {}
    if voice is not None:
        found |= {f"voice:{emotion}": share for emotion, share in voice.scores.items()}
        found |= _ends("voice", voice) | _pad_fits(voice)
        found["voice:quiet"] = max(found.get("voice:quiet", 0.0), _slowness(prosody))
    if words is not None:
        found |= {f"words:{emotion}": share for emotion, share in words.emotion.scores.items()}
        found |= {f"words:{cue}": strength for cue, strength in words.cues.items()}
        found |= _ends("words", words.emotion)
        found["words:own"] = 1.0 if words.own is None else words.own
        found["words:plain"] = 1 - max(
            (value for cue, value in words.cues.items() if cue != "question"), default=0
        )
    for name, parts in GROUPS.items():
        found[name] = max(found.get(part, 0.0) for part in parts)
    for first, second in PAIRS:
        found[f"{first}+{second}"] = found.get(first, 0.0) * found.get(second, 0.0)
    return {name: value for name, value in found.items() if value > 0}


NAMES: tuple[str, ...] = (
    *(f"{side}:{emotion}" for side in ("voice", "words") for emotion in EMOTIONS),
    *(f"{side}:{end}" for side in ("voice", "words") for end in _ENDS),
    *(f"words:{cue}" for cue in (*CUES, "own", "plain")),
    *(f"pad:{state}" for state in PAD_PROFILES),
    *GROUPS,
    *(f"{first}+{second}" for first, second in PAIRS),
)
"""All names that :func:`evidence` may give."""


def _ends(side: str, reading: EmotionReading) -> dict[str, float]:
    values = ((end, getattr(reading, axis), zero, one) for end, (axis, zero, one) in _ENDS.items())
    return {f"{side}:{end}": _ramp(value, zero, one) for end, value, zero, one in values if value is not None}


def _pad_fits(voice: EmotionReading) -> dict[str, float]:
    """How near the voice's PAD is to each state's profile: 1 is on it; empty where there is none."""
    if voice.valence is None:
        return {}
    fits = {}
    for state, profile in PAD_PROFILES.items():
        pairs = [(getattr(voice, axis), getattr(profile, axis)) for axis in DIMENSIONS]
        gaps = [abs(value - target) for value, target in pairs if value is not None and target is not None]
        fits[f"pad:{state}"] = 1 - sum(gaps) / len(gaps)
    return fits


def _slowness(prosody: Prosody | None) -> float:
    """0..1: few syllables a second and long pauses."""
    if prosody is None or prosody.syllable_rate is None or prosody.pause_ratio is None:
        return 0.0
    return min(_ramp(prosody.syllable_rate, 3.0, 1.5), _ramp(prosody.pause_ratio, 0.2, 0.5))


def _ramp(value: float, zero: float, one: float) -> float:
    """0 at ``zero``, 1 at ``one``, straight between, flat beyond."""
    return max(0.0, min(1.0, (value - zero) / (one - zero)))
