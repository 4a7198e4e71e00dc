"""The silence around speech, which is a habit of rooms and recorders and says nothing about the speaker."""

from __future__ import annotations

import numpy as np

from emotionlayer_rasa.audio import SAMPLE_RATE

FRAME = SAMPLE_RATE // 20
"""Samples whose power is one level: 50 ms, over which the power of noise is steady."""

BELOW_SPEECH_DB = 30.0
"""Frames this much quieter than the loudest twentieth are silence."""

ABOVE_NOISE = 0.4
"""So are those in the lowest part of the range from the background (the quietest twentieth) to the loudest."""

MARGIN_S = 0.15
"""Kept on both sides, for soft beginnings and ends."""


def without_silence(samples: np.ndarray) -> np.ndarray:
    """Samples (n,) at 16 kHz without the silence, or the steady noise, before and after the speech: (m,), m <= n.

    Recordings of one corpus may have two seconds of it and those of another none; statistics of frames then tell
    the corpora apart before they tell emotions apart.
    """
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    if not len(frames):
        return samples
    level = 10 * np.log10(np.mean(np.square(frames - samples.mean()), axis=1) + 1e-12)  # an offset is no sound
    background, speech = np.percentile(level, [5, 95])
    loud = np.flatnonzero(level > max(speech - BELOW_SPEECH_DB, background + ABOVE_NOISE * (speech - background)))
    if not len(loud):  # the same level everywhere
        return samples
    margin = int(MARGIN_S * SAMPLE_RATE)
    return samples[max(0, loud[0] * FRAME - margin) : (loud[-1] + 1) * FRAME + margin]
