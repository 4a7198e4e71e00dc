"""Affective state and strategy of one voice reading, by EmotionLayer's table of composition and PAD thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping

from emotionlayer_rasa.affect.strategies import STATE_STRATEGY
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import EmotionReading


@dataclass(frozen=True)
class StateProfile:
    """One row of EmotionLayer's table: the emotions a state is made of, and where it lies (PAD, 0..1)."""

    emotions: tuple[str, ...]
    valence: float
    arousal: float
    dominance: float | None = None


STATE_PROFILES: Mapping[str, StateProfile] = MappingProxyType(
    {
        "neutral": StateProfile(("neutral",), 0.5, 0.5),
        "enthusiasm": StateProfile(("joy", "surprise"), 0.8, 0.8),
        "satisfaction": StateProfile(("joy",), 0.75, 0.4),
        "uncertainty": StateProfile(("fear", "surprise"), 0.4, 0.5, 0.3),
        "anger": StateProfile(("anger", "disgust"), 0.2, 0.85, 0.8),
        "frustration": StateProfile(("anger", "sadness", "disgust"), 0.3, 0.65, 0.45),
        "urgency": StateProfile(("fear", "anger"), 0.3, 0.85, 0.4),
        "insecurity": StateProfile(("fear", "sadness"), 0.3, 0.35, 0.25),
    }
)
"""Points inside EmotionLayer's threshold ranges. Sarcasm has none: it is words against voice, so it takes text."""


def interpret(reading: EmotionReading) -> tuple[str, str]:
    """The affective state of a reading and the strategy that answers it.

    A state scores the probability of its emotions, less the distance of the reading's PAD from its profile: the
    composition decides, and the PAD separates states of the same composition (anger from frustration).

    Returns:
        ``(state, strategy)``; ``("unknown", "direct_efficiency")`` when the reading is unknown.
    """
    if reading.label == UNKNOWN or reading.valence is None:
        return UNKNOWN, "direct_efficiency"
    state = max(STATE_PROFILES, key=lambda name: _fit(reading, STATE_PROFILES[name]))
    return state, STATE_STRATEGY[state]


def _fit(reading: EmotionReading, profile: StateProfile) -> float:
    leads = 1.0 if reading.label in profile.emotions else 0.0
    mass = sum(reading.scores.get(emotion, 0.0) for emotion in profile.emotions)
    targets = {
        "valence": profile.valence,
        "arousal": profile.arousal,
        "dominance": profile.dominance,
    }
    gaps = [abs(getattr(reading, axis) - target) for axis, target in targets.items() if target is not None]
    return leads + mass - sum(gaps) / len(gaps)
