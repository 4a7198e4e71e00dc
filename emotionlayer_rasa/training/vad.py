"""Targets for valence, arousal and dominance where no human rated the clip."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from emotionlayer_rasa.emotion.pad import EMOTION_PAD
from emotionlayer_rasa.evaluation import Clip

INTENSITY = {"strong": 1.2, "normal": 0.8}
"""How far from neutral a clip lies, relative to its emotion's mean, where the corpus tells the intensity."""


def vad_targets(clips: Sequence[Clip]) -> np.ndarray:
    """Human ratings where there are any, else the mean of the emotion, stretched by the intensity.

    Returns:
        float32 of shape (n, 3): valence, arousal, dominance, 0..1.
    """
    targets = np.full((len(clips), 3), 0.5, dtype=np.float32)
    for place, clip in enumerate(clips):
        rated = (clip.valence, clip.arousal, clip.dominance)
        prior = np.array(EMOTION_PAD.get(clip.emotion, (0.5, 0.5, 0.5)))
        stretched = 0.5 + (prior - 0.5) * INTENSITY.get(clip.intensity, 1.0)
        targets[place] = [guess if value is None else value for value, guess in zip(rated, stretched, strict=True)]
    return np.clip(targets, 0.02, 0.98)
