"""What the network learns about valence, arousal and dominance, and whether it did."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from emotionlayer_rasa.emotion.pad import EMOTION_PAD
from emotionlayer_rasa.evaluation.voice import Clip
from emotionlayer_rasa.evaluation.voice.metrics import concordance
from emotionlayer_rasa.taxonomy import DIMENSIONS

INTENSITY = {"strong": 1.2, "normal": 0.8}
"""How far from neutral a clip lies, relative to its emotion's mean, where the corpus tells the intensity."""

# What the teacher decides, by dimension, 0..1; the priors decide the rest. It knows arousal and dominance from the
# voice. About valence the teachers of two corpora do not even agree (correlation .06 on our clips): pleasure is
# more in the words than in the tone (Wagner et al., arXiv 2203.07378). See docs/model-experiments.md.
TEACHER_BETWEEN = np.array([0.0, 0.4, 0.6])
"""Share of the teacher in where an emotion lies on average."""

TEACHER_WITHIN = np.array([0.25, 1.0, 1.0])
"""Share of the teacher in how a clip differs from others of its emotion and intensity; the priors know nothing."""

EXPECTED_ORDER = (
    ("arousal", "anger", "neutral"),
    ("arousal", "neutral", "sadness"),
    ("arousal", "strong", "normal"),
    ("valence", "joy", "neutral"),
    ("valence", "neutral", "anger"),
)
"""Dimension, and two emotions or intensities: the mean of the first must be above that of the second."""


def vad_targets(clips: Sequence[Clip], opinion: np.ndarray | None = None) -> np.ndarray:
    """Human ratings where there are any, else priors and the teacher's opinion together.

    The prior is the mean of the emotion, stretched by the intensity. Clips with the same prior keep their
    distances in the opinion (:data:`TEACHER_WITHIN`), but their mean moves towards the prior
    (:data:`TEACHER_BETWEEN`).

    Args:
        clips: n clips.
        opinion: valence, arousal, dominance (n, 3), 0..1, of a teacher; None leaves the priors alone.

    Returns:
        float32 (n, 3): valence, arousal, dominance, .02 to .98.
    """
    targets = _priors(clips)
    if opinion is not None:
        _, group = np.unique(targets, axis=0, return_inverse=True)
        for place in range(group.max(initial=-1) + 1):
            chosen = group == place
            mean = opinion[chosen].mean(axis=0)
            targets[chosen] += TEACHER_BETWEEN * (mean - targets[chosen])
            targets[chosen] += TEACHER_WITHIN * (opinion[chosen] - mean)
    rated = np.array([[clip.valence, clip.arousal, clip.dominance] for clip in clips], dtype=np.float64).reshape(
        -1, 3
    )  # None becomes NaN
    return np.clip(np.where(np.isnan(rated), targets, rated), 0.02, 0.98).astype(np.float32)


def student_concordance(vad: np.ndarray, opinion: np.ndarray) -> dict[str, float]:
    """Concordance correlation of the network's VAD (n, 3) with the teacher's opinion (n, 3), by dimension."""
    return {axis: round(concordance(vad[:, place], opinion[:, place]), 3) for place, axis in enumerate(DIMENSIONS)}


def orderings(clips: Sequence[Clip], vad: np.ndarray) -> dict[str, bool]:
    """Which of :data:`EXPECTED_ORDER` hold in the means over n clips.

    Args:
        clips: n clips.
        vad: valence, arousal, dominance of each, (n, 3).

    Returns:
        Such as ``{"arousal: anger > neutral": True}``; an order is left out where clips of a side are missing.
    """
    found = {}
    for axis, upper, lower in EXPECTED_ORDER:
        above, below = (
            vad[[name in (clip.emotion, clip.intensity) for clip in clips], DIMENSIONS.index(axis)]
            for name in (upper, lower)
        )
        if len(above) and len(below):
            found[f"{axis}: {upper} > {lower}"] = bool(above.mean() > below.mean())
    return found


def _priors(clips: Sequence[Clip]) -> np.ndarray:
    """The mean of each clip's emotion, stretched away from the middle by its intensity: float64 (n, 3)."""
    means = np.array([EMOTION_PAD.get(clip.emotion, (0.5, 0.5, 0.5)) for clip in clips]).reshape(-1, 3)
    stretch = np.array([INTENSITY.get(clip.intensity, 1.0) for clip in clips])
    return 0.5 + (means - 0.5) * stretch[:, None]
