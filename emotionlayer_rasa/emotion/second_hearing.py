"""Hearing a doubtful utterance again, slower and faster, before saying what was in it.

Played at another speed, a voice keeps its manner while its pitch, its formants and its pace move together, as if
somebody else spoke. Where the network is unsure, its answers to such versions differ, and their mean is right more
often than the first: .015 of unweighted average recall (docs/model-experiments.md).
"""

from __future__ import annotations

from typing import List

import numpy as np
import pydantic
import soxr

from emotionlayer_rasa.audio import SAMPLE_RATE
from emotionlayer_rasa.settings import Settings


class SecondHearing(Settings):
    """When and how an utterance is heard again.

    Attributes:
        below: an utterance whose most probable emotion is less probable than this is heard again, 0..1. Not one
            that is no speech at all.
        speeds: at which it is heard besides 1, by resampling.
        max_seconds: only so much, from its middle, is heard again, so that a doubtful answer to a long utterance
            takes little longer than a clear one.
    """

    below: float = pydantic.Field(ge=0.0, le=1.0)
    speeds: List[pydantic.PositiveFloat] = pydantic.Field(min_items=1)
    max_seconds: pydantic.PositiveFloat

    def is_doubtful(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether each is heard again: bool (n,), for probabilities (n, 8) of the emotions and "no speech"."""
        best = probabilities[:, :-1].max(axis=1)
        return (best < self.below) & (best >= probabilities[:, -1])

    def version(self, samples: np.ndarray, speed: float) -> np.ndarray:
        """What is heard again at a speed of samples (n,) at 16 kHz: float32 (m,)."""
        surplus = max(0, len(samples) - int(self.max_seconds * SAMPLE_RATE))
        middle = np.array(samples[surplus // 2 : len(samples) - (surplus + 1) // 2], dtype=np.float32)
        middle -= middle.mean()  # an offset would become a click at both ends
        return soxr.resample(middle, SAMPLE_RATE * speed, SAMPLE_RATE)
