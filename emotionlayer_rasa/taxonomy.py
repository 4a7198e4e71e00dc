"""The labels everybody shares: seven emotions, their three dimensions, nine affective states, six strategies.

Emotions, states and strategies are those of EmotionLayer (A. Bernardini, University of Milan).
Aliases cover the labels of common corpora and Hugging Face checkpoints, in English, Italian and German.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping

EMOTIONS: tuple[str, ...] = (
    "anger",
    "disgust",
    "fear",
    "joy",
    "neutral",
    "sadness",
    "surprise",
)
"""The seven emotions, in the order of every probability vector in this package."""

DIMENSIONS: tuple[str, ...] = ("valence", "arousal", "dominance")
"""What an emotion is measured by, each 0..1, in the order of every vector of the three in this package."""

UNKNOWN = "unknown"
"""The label when nothing was heard or the confidence is below the threshold."""

STATES: tuple[str, ...] = (
    "neutral",
    "enthusiasm",
    "satisfaction",
    "uncertainty",
    "anger",
    "frustration",
    "sarcasm",
    "urgency",
    "insecurity",
)
"""EmotionLayer's nine affective states."""

STRATEGIES: tuple[str, ...] = (
    "direct_efficiency",
    "active_deescalation",
    "empathic_validation",
    "positive_mirroring",
    "assertive_neutrality",
    "rapid_resolution",
)
"""EmotionLayer's six response strategies."""

_ALIASES = {
    "anger": "angry ang anger rage mad annoyance rabbia arrabbiato wut ärger aerger rab",
    "disgust": "dis disgusted disgusto schifo ekel",
    "fear": "fea fearful afraid scared anxious paura pau angst",
    "joy": "hap happy happiness joyful excited exc amusement gioia felicità felicita gio freude",
    "neutral": "neu neutrality calm calmness neutro neutrale neutralità neutralita other-neutral",
    "sadness": "sad sorrow grief tristezza triste tri trauer traurigkeit",
    "surprise": "sur surprised surprises astonishment sorpresa sor überraschung ueberraschung ps",
    UNKNOWN: "oth other others unk unknown xxx none no_agreement boredom bored contempt fru frustration",
}
EMOTION_ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: label for label, names in _ALIASES.items() for alias in {label, *names.split()}}
)
"""Lower-case alias to canonical emotion; labels outside the seven map to ``unknown``."""

_DIMENSION_ALIASES = {
    "valence": "pleasure pleasantness valenza valenz",
    "arousal": "activation attivazione aktivierung erregung",
    "dominance": "control dominanza dominanz",
}
DIMENSION_ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: axis for axis, names in _DIMENSION_ALIASES.items() for alias in {axis, *names.split()}}
)
"""Lower-case alias to one of :data:`DIMENSIONS`."""


def canonical_emotion(label: str) -> str:
    """Map a corpus's or a model's label to one of the seven emotions or ``unknown``.

    Case and surrounding blanks do not matter: ``"Angry"``, ``"ang"`` and ``"rabbia"`` give ``"anger"``.

    Raises:
        KeyError: the label is no known alias.
    """
    return EMOTION_ALIASES[label.strip().lower()]


def canonical_dimension(label: str) -> str:
    """Map a model's label to one of the three dimensions, as :func:`canonical_emotion` does with emotions.

    Raises:
        KeyError: the label is no known alias.
    """
    return DIMENSION_ALIASES[label.strip().lower()]
