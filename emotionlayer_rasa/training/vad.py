"""What the network learns about valence, arousal and dominance, and whether it did."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from emotionlayer_rasa.emotion.pad import EMOTION_PAD
from emotionlayer_rasa.emotion.prosody import MODEL_FEATURES
from emotionlayer_rasa.evaluation.voice import Clip
from emotionlayer_rasa.evaluation.voice.metrics import concordance
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS

INTENSITY = {"strong": 1.2, "normal": 0.8, "low": 0.7, "medium": 1.0, "high": 1.3}
"""How far from neutral a clip lies, relative to its emotion's mean, where the corpus tells the intensity."""

# What the teacher decides, by dimension, 0..1; the priors decide the rest. It knows arousal and dominance from the
# voice. About valence the teachers of two corpora do not even agree (correlation .06 on our clips): pleasure is
# more in the words than in the tone (Wagner et al., arXiv 2203.07378). See docs/model-experiments.md.
TEACHER_BETWEEN = np.array([0.0, 0.4, 0.6])
"""Share of the teacher in where an emotion lies on average."""

TEACHER_WITHIN = np.array([0.25, 1.0, 1.0])
"""Share of the teacher in how a clip differs from others of its emotion and intensity; the priors know nothing."""

VOTES_SHARE = 0.5
"""Of the listeners' votes in a clip's prior, where there are any; the rest is the emotion that was acted."""

LIVELY = (("energy_db", 1 / 3), ("pitch_semitones", 1 / 3), ("pitch_range_semitones", 1 / 3))
"""What makes a voice lively, and its weight: measurements in deviations from the speaker's mean."""

LIVELY_AROUSAL, LOUD_DOMINANCE = 0.07, 0.04
"""Arousal that a deviation of liveliness adds, and dominance that one of level adds. Set by hand."""

EXPECTED_ORDER = (
    ("arousal", "anger", "neutral"),
    ("arousal", "neutral", "sadness"),
    ("arousal", "strong", "normal"),
    ("arousal", "high", "low"),
    ("valence", "joy", "neutral"),
    ("valence", "neutral", "anger"),
)
"""Dimension, and two emotions or intensities: the mean of the first must be above that of the second."""


def vad_targets(
    clips: Sequence[Clip], opinion: np.ndarray | None = None, prosody: np.ndarray | None = None
) -> np.ndarray:
    """Human ratings where there are any, else priors, and the teacher's opinion or what votes and prosody tell.

    The prior is the mean of the emotion, stretched by the intensity. Clips with the same prior keep their
    distances in the opinion (:data:`TEACHER_WITHIN`), but their mean moves towards the prior
    (:data:`TEACHER_BETWEEN`).

    Args:
        clips: n clips.
        opinion: valence, arousal, dominance (n, 3), 0..1, of a teacher.
        prosody: of the clips, (n, 10) with NaN, in the order of ``MODEL_FEATURES``; used without an opinion.

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
    else:
        targets += VOTES_SHARE * (_voted(clips, targets) - targets)
        if prosody is not None:
            targets += _lively(clips, prosody)
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


def _voted(clips: Sequence[Clip], otherwise: np.ndarray) -> np.ndarray:
    """The mean of the emotions that listeners heard, float64 (n, 3); ``otherwise`` where nobody voted."""
    known = np.array([EMOTION_PAD[name] for name in EMOTIONS])
    heard = np.array([clip.target() for clip in clips]).reshape(-1, len(EMOTIONS)) @ known
    return np.where(np.array([bool(clip.votes) for clip in clips])[:, None], heard, otherwise)


def _lively(clips: Sequence[Clip], prosody: np.ndarray) -> np.ndarray:
    """What a voice's level and melody, beside its speaker's usual ones, add to its emotion's mean: (n, 3)."""
    deviation = np.zeros_like(prosody, dtype=np.float64)
    _, speaker = np.unique(["/".join(clip.speaker_key) for clip in clips], return_inverse=True)
    for place in range(speaker.max(initial=-1) + 1):
        own = prosody[speaker == place]
        measured = (own - _mean(own)) / (np.sqrt(_mean(np.square(own - _mean(own)))) + 1e-6)
        deviation[speaker == place] = np.clip(np.nan_to_num(measured), -2.0, 2.0)
    columns = {name: deviation[:, MODEL_FEATURES.index(name)] for name, _ in LIVELY}
    added = np.zeros((len(clips), 3))
    added[:, 1] = LIVELY_AROUSAL * sum(weight * columns[name] for name, weight in LIVELY)
    added[:, 2] = LOUD_DOMINANCE * columns["energy_db"]
    return added


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the rows (m, k) of what was measured; 0 where nothing was."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
