"""What happens to a voice between the mouth and us, applied to training speakers' clips.

Every change takes and gives float32 samples of shape (n,) at 16 kHz; the length changes with speed only.
"""

from __future__ import annotations

from typing import Callable

import numpy as np
import soxr
from scipy.signal import fftconvolve

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform
from emotionlayer_rasa.evaluation.degrade import telephone


def speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Play ``factor`` times as fast; pitch moves along."""
    return soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE).astype(np.float32)


def gain(samples: np.ndarray, decibels: float) -> np.ndarray:
    """Change the level; what leaves -1..1 is clipped."""
    return np.clip(samples * 10 ** (decibels / 20), -1.0, 1.0).astype(np.float32)


def coloured_noise(count: int, colour: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of mean power 1, shape (count,), that falls as frequency ** -colour (0 white, 1 pink, 2 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** (-colour / 2)
    sound = np.fft.irfft(spectrum, count)
    return sound / (np.sqrt(np.mean(np.square(sound))) + 1e-12)


def noise(samples: np.ndarray, snr_db: float, colour: float, rng: np.random.Generator) -> np.ndarray:
    """Add :func:`coloured_noise` at a ratio of the mean powers of clip and noise, in dB."""
    level = np.sqrt(np.mean(np.square(samples)) / 10 ** (snr_db / 10))
    return (samples + level * coloured_noise(len(samples), colour, rng)).astype(np.float32)


def babble(samples: np.ndarray, others: list[np.ndarray], snr_db: float) -> np.ndarray:
    """Add other voices talking at the same time, repeated to the length of the clip."""
    crowd = np.sum([np.resize(voice / (np.std(voice) + 1e-9), len(samples)) for voice in others], axis=0)
    wanted = np.mean(np.square(samples)) / 10 ** (snr_db / 10)
    return (samples + crowd * np.sqrt(wanted / (np.mean(np.square(crowd)) + 1e-20))).astype(np.float32)


def reverberation(samples: np.ndarray, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    """Add a room: noise that decays by 60 dB within ``decay_s``, after the direct sound, at the same level."""
    times = np.arange(int(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    response = rng.standard_normal(len(times)) * 10 ** (-3 * times / decay_s)
    response *= 0.5 / np.sqrt(np.sum(np.square(response)))
    response[0] = 1.0
    wet = fftconvolve(samples, response)[: len(samples)]
    return (wet * np.std(samples) / (np.std(wet) + 1e-9)).astype(np.float32)


def random_view(
    samples: np.ndarray, voices: Callable[[], list[np.ndarray]], rng: np.random.Generator
) -> np.ndarray:
    """One random everyday version of a clip.

    Args:
        samples: the clip.
        voices: gives a few clips for babble, none of a held-out speaker.
        rng: source of all choices.
    """
    if rng.random() < 0.6:
        samples = speed(samples, rng.uniform(0.9, 1.1))
    if rng.random() < 0.25:
        samples = reverberation(samples, rng.uniform(0.15, 0.7), rng)
    chance = rng.random()
    if chance < 0.5:
        samples = noise(samples, rng.uniform(3.0, 30.0), rng.choice([0.0, 1.0, 2.0]), rng)
    elif chance < 0.6:
        samples = babble(samples, voices(), rng.uniform(8.0, 25.0))
    if rng.random() < 0.7:
        samples = gain(samples, rng.normal(0.0, 6.0))
    if rng.random() < 0.3:
        samples = telephone(Waveform(samples)).samples
    return samples
