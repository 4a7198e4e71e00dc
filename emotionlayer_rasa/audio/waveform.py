"""The form in which every other room receives sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE_RATE = 16_000
"""Samples a second of every :class:`Waveform`, Hz."""


@dataclass(frozen=True, eq=False)
class Waveform:
    """Mono sound at 16 kHz.

    Attributes:
        samples: float32 array of shape (n,), nominally -1..1, finite.
    """

    samples: np.ndarray

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE
