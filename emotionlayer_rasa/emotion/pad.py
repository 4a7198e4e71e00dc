"""Where the seven emotions lie in the space of pleasure (valence), arousal and dominance."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Mapping

from emotionlayer_rasa.taxonomy import DIMENSIONS

_MEANS = {
    "anger": (-0.51, 0.59, 0.25),
    "disgust": (-0.60, 0.35, 0.11),
    "fear": (-0.64, 0.60, -0.43),
    "joy": (0.81, 0.51, 0.46),
    "neutral": (0.0, 0.0, 0.0),
    "sadness": (-0.63, -0.27, -0.33),
    "surprise": (0.40, 0.67, -0.13),
}
EMOTION_PAD: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {label: tuple((value + 1) / 2 for value in means) for label, means in _MEANS.items()}  # type: ignore[misc]
)
"""Mean valence, arousal and dominance of each emotion, 0..1, .5 is neutral.

From the ratings of emotion words by J. A. Russell and A. Mehrabian (1977), Evidence for a three-factor theory of
emotions, Journal of Research in Personality 11, 273-294 (angry, disgusted, fearful, happy, sad, surprised), which
are on -1..1. Neutral is the middle by definition.
"""

_WIDTH = 0.15
"""Standard deviation within an emotion; some .3 on the scale of -1..1 of the same ratings."""


def expected_pad(scores: Mapping[str, float]) -> tuple[float, float, float]:
    """Mean valence, arousal and dominance, 0..1, under emotion probabilities that sum to 1."""
    return tuple(  # type: ignore[return-value]
        sum(score * EMOTION_PAD[label][axis] for label, score in scores.items()) for axis in range(3)
    )


def emotions_near(pad: Mapping[str, float]) -> dict[str, float]:
    """Probability of each of the seven emotions, given where a voice lies.

    The emotions count as equally frequent and equally wide, :data:`_WIDTH` in each dimension.

    Args:
        pad: valence, arousal and dominance by name, 0..1; one or two of them will do.
    """
    axes = [DIMENSIONS.index(axis) for axis in pad]
    squares = {
        label: sum((value - means[axis]) ** 2 for axis, value in zip(axes, pad.values(), strict=True))
        for label, means in EMOTION_PAD.items()
    }
    nearest = min(squares.values())
    weights = {label: math.exp((nearest - square) / (2 * _WIDTH**2)) for label, square in squares.items()}
    return {label: weight / sum(weights.values()) for label, weight in weights.items()}
