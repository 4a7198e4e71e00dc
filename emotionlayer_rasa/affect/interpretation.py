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
    """One row of EmotionLayer's table: the emotions of a state, the leading one first, and its PAD (0..1)."""

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
        "frustration": StateProfile(("anger", "sadness", "disgust"), 0.3, 0.6, 0.45),
        "urgency": StateProfile(("fear", "anger"), 0.3, 0.85, 0.4),
        "insecurity": StateProfile(("fear", "sadness"), 0.3, 0.35, 0.25),
    }
)
"""Points inside EmotionLayer's threshold ranges. Sarcasm has none: it is words against voice, so it takes text."""


_FOLLOWS = 0.15
"""What a state loses when the emotion heard is in its composition but does not lead it."""


def interpret(reading: EmotionReading) -> tuple[str, str]:
    """The affective state of a reading and the strategy that answers it.

    A state scores half the probability of its emotions, less the distance of the reading's PAD from its profile:
    the composition decides, and the PAD separates states of like composition. The emotion that leads a composition
    counts most: fear may be urgency at any dominance, anger only where dominance is clearly low.

    Returns:
        ``(state, strategy)``; ``("unknown", "direct_efficiency")`` when the reading is unknown.
    """
    if reading.label == UNKNOWN or reading.valence is None:
        return UNKNOWN, "direct_efficiency"
    state = max(STATE_PROFILES, key=lambda name: _fit(reading, STATE_PROFILES[name]))
    return state, STATE_STRATEGY[state]


def _fit(reading: EmotionReading, profile: StateProfile) -> float:
    leads = 0.0
    if reading.label in profile.emotions:
        leads = 1.0 if reading.label == profile.emotions[0] else 1.0 - _FOLLOWS
    mass = sum(reading.scores.get(emotion, 0.0) for emotion in profile.emotions)
    targets = {"valence": profile.valence, "arousal": profile.arousal, "dominance": profile.dominance}
    gaps = [abs(getattr(reading, axis) - target) for axis, target in targets.items() if target is not None]
    return leads + mass / 2 - sum(gaps) / len(gaps)
