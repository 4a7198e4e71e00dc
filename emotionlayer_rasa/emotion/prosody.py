"""Prosody: pitch, level, rate, pauses and voice quality, measured from the samples.

Pitch comes from WORLD (DIO and StoneMask; Morise 2016), everything else from short-time level and
autocorrelation. Frames are 10 ms apart. Sources:

* HNR: P. Boersma (1993), Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
  ratio of a sampled sound. IFA Proceedings 17, 97-110.
* Syllable nuclei: N. de Jong, T. Wempe (2009), Praat script to detect syllable nuclei and measure speech rate
  automatically. Behavior Research Methods 41, 385-390.
* Jitter and shimmer: "local" definitions and limits of the Praat manual (Voice 2 and Voice 3).
* Semitone scale: F. Eyben et al. (2016), The Geneva minimalistic acoustic parameter set (GeMAPS).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import metadata
from types import ModuleType
from typing import Sequence

import numpy as np
from scipy.fft import irfft, rfft
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform
from emotionlayer_rasa.imports import replaced
from emotionlayer_rasa.utterance import Prosody

# All that pyworld wants of pkg_resources, which setuptools has no more, is its own version.
_versions = ModuleType("pkg_resources")
_versions.get_distribution = metadata.distribution  # type: ignore[attr-defined]
with replaced("pkg_resources", _versions):
    import pyworld

HOP = SAMPLE_RATE // 100
"""Samples between frames: 10 ms."""

PITCH_RANGE_HZ = (65.0, 600.0)
"""Pitches looked for: a low male voice to a shout or a child."""

A0_HZ = 27.5
"""Pitch of 0 semitones."""

SPEECH_RANGE_DB = 30.0
"""Frames more than this below the loud ones (95th percentile) are silence."""

SILENCE_DB = -70.0
"""Below this level, dB relative to full scale, a frame is silence whatever surrounds it."""

VOICING_THRESHOLD = 0.45
"""Normalised autocorrelation at the pitch period from which a frame counts as voiced (Boersma 1993)."""

NUCLEUS_DIP_DB = 2.0
"""A syllable nucleus is a peak that rises this far out of the dips around it (de Jong & Wempe 2009)."""

PAUSE_S = 0.2
"""Shortest silence within speech that is counted as a pause."""

_WINDOW = int(0.040 * SAMPLE_RATE)
_FFT = 1024
"""Enough for lags of up to half a window of 40 ms, which is more than the longest pitch period."""


MODEL_FEATURES = (
    "energy_db",
    "energy_range_db",
    "pitch_semitones",
    "pitch_range_semitones",
    "syllable_rate",
    "pause_ratio",
    "voiced_ratio",
    "jitter",
    "shimmer_db",
    "hnr_db",
)
"""Fields of :class:`Prosody` that the shipped model takes, in its order."""


def prosody_vector(prosody: Prosody, names: Sequence[str] = MODEL_FEATURES) -> np.ndarray:
    """The named fields as float32 of shape (len(names),), NaN where nothing could be measured."""
    values = [getattr(prosody, name) for name in names]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)


@dataclass(frozen=True)
class Frames:
    """Short-time measurements of a waveform, one value every 10 ms; arrays of shape (frames,).

    Attributes:
        level_db: level, dB relative to full scale, at least -120.
        speech: whether the frame is loud enough to be speech.
        pitch_hz: fundamental frequency; 0 in frames that are not voiced.
        harmonicity: normalised autocorrelation at the pitch period, 0..1; 0 in frames that are not voiced.
    """

    level_db: np.ndarray
    speech: np.ndarray
    pitch_hz: np.ndarray
    harmonicity: np.ndarray


def measure_prosody(waveform: Waveform) -> Prosody:
    """Measure the voice in an utterance.

    Args:
        waveform: mono sound at 16 kHz; DC is removed, the level is left as it is.

    Returns:
        What could be measured; fields are None where the audio is too short (under 50 ms), silent or unvoiced.
    """
    samples = _centred(waveform.samples)
    if samples is None:
        return Prosody()
    frames = analyse_frames(samples)
    if not frames.speech.any():
        return Prosody()
    spoken = frames.level_db[frames.speech]
    pauses, pause_ratio = _pauses(frames.speech)
    voiced = frames.pitch_hz > 0
    prosody = Prosody(
        energy_db=float(10 * np.log10(np.mean(np.square(samples)))),
        energy_range_db=float(np.subtract(*np.percentile(spoken, [90, 10]))),
        syllable_rate=_syllable_nuclei(frames) / (len(samples) / SAMPLE_RATE),
        pause_ratio=pause_ratio,
        pauses=pauses,
        voiced_ratio=float(voiced.mean()),
    )
    if voiced.sum() < 3:
        return prosody
    semitones = 12 * np.log2(frames.pitch_hz[voiced] / A0_HZ)
    harmonicity = np.clip(frames.harmonicity[voiced], 1e-6, 1 - 1e-6)
    jitter, shimmer = _perturbation(samples, frames.pitch_hz)
    return replace(
        prosody,
        pitch_hz=float(np.median(frames.pitch_hz[voiced])),
        pitch_semitones=float(np.median(semitones)),
        pitch_range_semitones=float(np.subtract(*np.percentile(semitones, [80, 20]))),
        hnr_db=float(np.mean(10 * np.log10(harmonicity / (1 - harmonicity)))),
        jitter=jitter,
        shimmer_db=shimmer,
    )


def analyse_frames(samples: np.ndarray) -> Frames:
    """Level, pitch and harmonicity of float64 samples of shape (n,), n >= 800, without DC."""
    count = len(samples) // HOP + 1
    padded = np.pad(samples, (_WINDOW // 2, _WINDOW // 2 + HOP))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP][:count]
    # The variance within a window, not its power: DC steps and rumble below 25 Hz are no speech.
    level_db = 10 * np.log10(windows.var(axis=1) + 1e-12)
    speech = level_db > max(np.percentile(level_db, 95) - SPEECH_RANGE_DB, SILENCE_DB)

    rough, times = pyworld.dio(
        samples, SAMPLE_RATE, f0_floor=PITCH_RANGE_HZ[0], f0_ceil=PITCH_RANGE_HZ[1], frame_period=10.0, speed=2
    )
    pitch = pyworld.stonemask(samples, rough, times, SAMPLE_RATE)[:count]
    pitch = np.pad(pitch, (0, count - len(pitch)))
    pitch[(pitch < PITCH_RANGE_HZ[0]) | (pitch > PITCH_RANGE_HZ[1]) | ~speech] = 0.0
    harmonicity = np.zeros(count)
    candidates = np.flatnonzero(pitch)
    if len(candidates):
        harmonicity[candidates] = _autocorrelation_at(windows[candidates], SAMPLE_RATE / pitch[candidates])
    unvoiced = harmonicity < VOICING_THRESHOLD
    pitch[unvoiced], harmonicity[unvoiced] = 0.0, 0.0
    return Frames(level_db, speech, pitch, harmonicity)


def _centred(samples: np.ndarray) -> np.ndarray | None:
    """Float64 samples without DC, or None when there is nothing to measure."""
    if len(samples) < SAMPLE_RATE // 20 or not np.isfinite(samples).all():
        return None
    centred = np.ascontiguousarray(samples, dtype=np.float64)
    centred = centred - centred.mean()
    return centred if 10 * np.log10(np.mean(np.square(centred)) + 1e-30) > SILENCE_DB else None


def _autocorrelation_at(windows: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Normalised autocorrelation of each window at its pitch period (Boersma 1993, equation 9).

    The autocorrelation of the Hann-windowed signal is divided by that of the window itself. The maximum within a
    sample of the period is taken, which forgives the rounding of the period.

    Args:
        windows: shape (frames, samples).
        periods: shape (frames,), in samples.
    """
    hann = np.hanning(windows.shape[1])
    shaped = ((windows - windows.mean(axis=1, keepdims=True)) * hann).astype(np.float32)  # half the time
    spectrum = rfft(shaped, _FFT, axis=1)
    correlation = irfft(spectrum.real**2 + spectrum.imag**2, axis=1)
    reference = irfft(np.abs(rfft(hann, _FFT)) ** 2)
    lags = np.clip(np.rint(periods).astype(int)[:, None] + np.arange(-1, 2), 1, windows.shape[1] // 2)
    found = np.take_along_axis(correlation, lags, axis=1) / reference[lags]
    zero = correlation[:, :1] / reference[0]
    return np.clip(found / np.maximum(zero, 1e-12), 0.0, 1.0).max(axis=1)


def _syllable_nuclei(frames: Frames) -> int:
    """Peaks of the level that are voiced and rise ``NUCLEUS_DIP_DB`` out of both neighbouring dips."""
    smooth = uniform_filter1d(frames.level_db, 5)
    peaks, _ = find_peaks(smooth, prominence=NUCLEUS_DIP_DB, distance=5)
    return int(np.sum((frames.pitch_hz[peaks] > 0) & frames.speech[peaks]))


def _pauses(speech: np.ndarray) -> tuple[int, float]:
    """Number of pauses between first and last speech, and the share of that time that is silence."""
    spoken = np.flatnonzero(speech)
    gaps = np.diff(spoken) - 1
    span = spoken[-1] - spoken[0] + 1
    return int(np.sum(gaps * HOP >= PAUSE_S * SAMPLE_RATE)), float(gaps.sum() / span)


def _perturbation(samples: np.ndarray, pitch_hz: np.ndarray) -> tuple[float | None, float | None]:
    """Jitter (local, 0..1) and shimmer (local, dB) over the pitch periods of all voiced stretches.

    Periods lie between successive peaks of the waveform, each looked for within a fifth of a period of where the
    pitch contour expects it and refined by a parabola. As in Praat, neighbouring periods that differ by more than
    a factor 1.3, and amplitudes by more than 1.6, are left out.

    * jitter = mean abs(T[i] - T[i-1]) / mean T
    * shimmer = mean abs(20 log10(A[i] / A[i-1]))
    """
    period_steps: list[np.ndarray] = []
    periods: list[np.ndarray] = []
    amplitude_steps: list[np.ndarray] = []
    voiced = np.flatnonzero(pitch_hz)
    for stretch in np.split(voiced, np.flatnonzero(np.diff(voiced) > 1) + 1):
        if len(stretch) < 4:
            continue
        times, amplitudes = _period_peaks(samples, pitch_hz, stretch[0] * HOP, stretch[-1] * HOP)
        if len(times) < 3:
            continue
        period = np.diff(times)
        ratio = period[1:] / period[:-1]
        alike = (ratio < 1.3) & (ratio > 1 / 1.3)
        period_steps.append(np.abs(np.diff(period))[alike])
        periods.append(period)
        step = np.abs(20 * np.log10(amplitudes[1:] / amplitudes[:-1]))
        amplitude_steps.append(step[step < 20 * np.log10(1.6)])
    if not periods or not sum(map(len, period_steps)) or not sum(map(len, amplitude_steps)):
        return None, None
    jitter = np.concatenate(period_steps).mean() / np.concatenate(periods).mean()
    return float(jitter), float(np.concatenate(amplitude_steps).mean())


def _period_peaks(
    samples: np.ndarray, pitch_hz: np.ndarray, start: int, end: int
) -> tuple[np.ndarray, np.ndarray]:
    """Times (in samples, fractional) and heights of one waveform peak a pitch period, from start to end."""
    piece = samples[start:end]
    sign = 1.0 if piece.max() >= -piece.min() else -1.0
    times: list[float] = []
    heights: list[float] = []
    position, reach = start, SAMPLE_RATE / pitch_hz[start // HOP]
    low, high = start, int(start + reach)
    while high < min(end, len(samples) - 1):
        position = low + int(np.argmax(sign * samples[low:high]))
        if 0 < position < len(samples) - 1:
            before, at, after = sign * samples[position - 1 : position + 2]
            bend = before - 2 * at + after
            shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
            shift = min(max(float(shift), -0.5), 0.5)
            height = at - 0.25 * (before - after) * shift
            if height > 0:
                times.append(position + shift)
                heights.append(height)
        pitch = pitch_hz[min(position // HOP, len(pitch_hz) - 1)]
        if pitch <= 0:
            break
        period = SAMPLE_RATE / pitch
        low, high = int(position + 0.8 * period), int(position + 1.2 * period) + 1
    return np.array(times), np.array(heights)
