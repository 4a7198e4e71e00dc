"""Sound that is like speech and says nothing, for recognisers to warm up on."""

from __future__ import annotations

import numpy as np

from emotionlayer_rasa.audio import SAMPLE_RATE

_FORMANTS = (((250, 850), 80), ((800, 2400), 110), ((2300, 3200), 160))
"""Of vowels: range of the frequency, and the bandwidth, Hz (Peterson and Barney 1952, rounded outwards)."""
_FRICATION = (((1500, 6000), 1200),)
"""Of hissing consonants, the same."""
_RESONANCE_S = 0.02
_FADE_S = 0.01


def babble(duration_s: float) -> np.ndarray:
    """Vowels, hisses and short breaks by chance, always the same ones.

    Args:
        duration_s: seconds; 0 or more.

    Returns:
        float32 array of shape (n,), -1..1, at 16 kHz.
    """
    chance = np.random.default_rng(0)
    sound = np.zeros(int(duration_s * SAMPLE_RATE), np.float32)
    start = 0
    while start < len(sound):
        length = int(chance.uniform(0.05, 0.16) * SAMPLE_RATE)
        kind = chance.random()
        if kind < 0.6:
            pulses = np.zeros(length)
            pulses[:: int(SAMPLE_RATE / chance.uniform(90, 240))] = 1.0
            phone = 0.4 * _resonate(pulses, _FORMANTS, chance)
        elif kind < 0.85:
            phone = 0.15 * _resonate(chance.standard_normal(length), _FRICATION, chance)
        else:
            phone = 0.001 * chance.standard_normal(length)
        edge = np.minimum(np.arange(length), np.arange(length)[::-1]) / (_FADE_S * SAMPLE_RATE)
        phone *= np.minimum(1.0, edge)
        end = min(start + length, len(sound))
        sound[start:end] = phone[: end - start]
        start = end
    return sound


def _resonate(
    source: np.ndarray, resonances: tuple[tuple[tuple[int, int], int], ...], chance: np.random.Generator
) -> np.ndarray:
    """The source through one resonance after the other, their frequencies drawn by chance; its peak is 1."""
    time = np.arange(int(_RESONANCE_S * SAMPLE_RATE)) / SAMPLE_RATE
    sound = source
    for (lowest, highest), bandwidth in resonances:
        frequency = chance.uniform(lowest, highest)
        response = np.exp(-np.pi * bandwidth * time) * np.sin(2 * np.pi * frequency * (time + 1 / SAMPLE_RATE))
        sound = np.convolve(sound, response)[: len(source)]
    peak = np.abs(sound).max()
    return sound / peak if peak else sound
