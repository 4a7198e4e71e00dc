"""Fixed, repeatable damage to clean recordings, to see what a recognizer does with everyday sound.

Each function takes a :class:`~emotionlayer_rasa.audio.Waveform` and gives one of the same length. The random ones
take a seed: same waveform and seed, same result.
"""

from __future__ import annotations

import io
from functools import partial
from typing import Callable, Mapping

import numpy as np
import soundfile
import soxr
from scipy.signal import butter, fftconvolve, sosfilt

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform

TELEPHONE_RATE = 8_000
"""Samples a second of narrow-band telephony, Hz."""

TELEPHONE_BAND_HZ = (300.0, 3400.0)
"""What a narrow-band telephone line lets through."""

CLIPPED_SHARE = 0.05
"""Share of the samples that :func:`clip` drives into full scale."""

REVERBERATION_S = 0.5
"""Time in which the synthetic room's reverberation falls by 60 dB: a living room with hard walls."""

DIRECT_TO_REVERBERANT_DB = 3.0
"""Energy of the direct sound over that of the reverberation: a speaker about an arm's length away."""


def telephone(waveform: Waveform, seed: int = 0) -> Waveform:
    """A narrow-band call: 300-3400 Hz (Butterworth, order 4), 8 kHz, G.711 mu-law. The seed is not used."""
    band = butter(4, TELEPHONE_BAND_HZ, btype="bandpass", fs=SAMPLE_RATE, output="sos")
    narrow = soxr.resample(sosfilt(band, waveform.samples), SAMPLE_RATE, TELEPHONE_RATE)
    line = io.BytesIO()
    soundfile.write(line, np.clip(narrow, -1.0, 1.0), TELEPHONE_RATE, subtype="ULAW", format="RAW")
    line.seek(0)
    heard, _ = soundfile.read(
        line, dtype="float32", channels=1, samplerate=TELEPHONE_RATE, subtype="ULAW", format="RAW"
    )
    wide = soxr.resample(heard, TELEPHONE_RATE, SAMPLE_RATE)
    length = len(waveform.samples)
    return _waveform(np.pad(wide, (0, max(0, length - len(wide))))[:length])


def add_noise(waveform: Waveform, seed: int = 0, *, snr_db: float) -> Waveform:
    """Add pink noise (power falls by 3 dB an octave) at a ratio of the clip's mean power to the noise's, in dB.

    A sum that would leave full scale is attenuated as a whole.
    """
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(len(waveform.samples)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, len(waveform.samples))
    wanted = np.mean(np.square(waveform.samples, dtype=np.float64)) / 10 ** (snr_db / 10)
    mixed = waveform.samples + noise * np.sqrt(wanted / (np.mean(np.square(noise)) + 1e-30))
    return _waveform(mixed / max(1.0, float(np.abs(mixed).max())))


def clip(waveform: Waveform, seed: int = 0) -> Waveform:
    """An overdriven microphone: so loud that the loudest 5 % of the samples hit full scale. No seed is used."""
    limit = float(np.quantile(np.abs(waveform.samples), 1 - CLIPPED_SHARE))
    return _waveform(np.clip(waveform.samples / max(limit, 1e-6), -1.0, 1.0))


def reverberate(waveform: Waveform, seed: int = 0) -> Waveform:
    """A room: direct sound, then exponentially decaying noise; the clip's mean power stays as it was.

    Source of the room's model: J. Moorer (1979), About this reverberation business. Computer Music Journal 3(2).
    """
    times = np.arange(1, int(REVERBERATION_S * SAMPLE_RATE)) / SAMPLE_RATE
    tail = np.random.default_rng(seed).standard_normal(len(times)) * 10 ** (-3 * times / REVERBERATION_S)
    tail *= np.sqrt(10 ** (-DIRECT_TO_REVERBERANT_DB / 10) / np.sum(np.square(tail)))
    wet = fftconvolve(waveform.samples, np.concatenate([[1.0], tail]))[: len(waveform.samples)]
    power = np.sqrt(np.mean(np.square(waveform.samples)) / (np.mean(np.square(wet)) + 1e-30))
    return _waveform(np.clip(wet * power, -1.0, 1.0))


def _waveform(samples: np.ndarray) -> Waveform:
    return Waveform(np.ascontiguousarray(samples, dtype=np.float32))


DEGRADATIONS: Mapping[str, Callable[[Waveform, int], Waveform]] = {
    "telephone": telephone,
    "snr10": partial(add_noise, snr_db=10.0),
    "snr0": partial(add_noise, snr_db=0.0),
    "clip": clip,
    "reverb": reverberate,
}
"""What ``emotionlayer evaluate --degrade`` knows: name to function of waveform and seed."""
