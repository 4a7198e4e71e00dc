"""What happens to a voice between the mouth and us, applied to training speakers' clips.

Every change takes and gives float32 samples of shape (n,) at 16 kHz; the length changes with speed only.
"""

from __future__ import annotations

import io
from typing import Callable

import numpy as np
import soundfile
import soxr
import torch
from torchaudio import functional, transforms

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform
from emotionlayer_rasa.evaluation.voice.degrade import telephone

N_FFT = 512
HOP = 128
_HANN = torch.hann_window(N_FFT)

CODECS = {
    "gsm": (8_000, "WAV", "GSM610"),
    "adpcm": (8_000, "WAV", "IMA_ADPCM"),
    "opus": (16_000, "OGG", "OPUS"),
    "mp3": (16_000, "MP3", "MPEG_LAYER_III"),
}
"""Lossy codecs: sample rate in Hz, container and encoding, as libsndfile names them."""


def speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Play ``factor`` times as fast; pitch moves along."""
    return soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE).astype(np.float32)


def pitch(samples: np.ndarray, semitones: float) -> np.ndarray:
    """Shift pitch and formants at the same speed: a phase vocoder stretches, then the clip is played faster."""
    factor = 2.0 ** (semitones / 12)
    advance = torch.linspace(0, np.pi * HOP, N_FFT // 2 + 1)[:, None]
    stretched = functional.phase_vocoder(_spectrum(samples), 1.0 / factor, advance)
    return _fitted(speed(_samples(stretched, int(len(samples) * factor)), factor), len(samples))


def gain(samples: np.ndarray, decibels: float) -> np.ndarray:
    """Change the level; what leaves -1..1 is clipped."""
    return functional.gain(torch.from_numpy(samples), decibels).clamp(-1.0, 1.0).numpy()


def band_limit(samples: np.ndarray, cutoff_hz: float) -> np.ndarray:
    """Remove what lies above ``cutoff_hz``, as a recorder with a lower sample rate does."""
    narrow = soxr.resample(samples, SAMPLE_RATE, 2 * cutoff_hz)
    return _fitted(soxr.resample(narrow, 2 * cutoff_hz, SAMPLE_RATE), len(samples))


def coloured_noise(count: int, colour: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of mean power 1, shape (count,), that falls as frequency ** -colour (0 white, 1 pink, 2 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** (-colour / 2)
    sound = np.fft.irfft(spectrum, count)
    return sound / (np.sqrt(np.mean(np.square(sound))) + 1e-12)


def noise(samples: np.ndarray, snr_db: float, colour: float, rng: np.random.Generator) -> np.ndarray:
    """Add :func:`coloured_noise` at a ratio of the mean powers of clip and noise, in dB."""
    return _mixed(samples, coloured_noise(len(samples), colour, rng), snr_db)


def babble(samples: np.ndarray, others: list[np.ndarray], snr_db: float) -> np.ndarray:
    """Add other voices talking at the same time, repeated to the length of the clip."""
    crowd = np.sum([np.resize(voice / (np.std(voice) + 1e-9), len(samples)) for voice in others], axis=0)
    return _mixed(samples, crowd, snr_db)


def reverberation(samples: np.ndarray, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    """Add a room: noise that decays by 60 dB within ``decay_s``, after the direct sound, at the same level."""
    times = np.arange(int(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    response = rng.standard_normal(len(times)) * 10 ** (-3 * times / decay_s)
    response *= 0.5 / np.sqrt(np.sum(np.square(response)))
    response[0] = 1.0
    wet = functional.fftconvolve(torch.from_numpy(samples), torch.tensor(response, dtype=torch.float32))
    wet = wet[: len(samples)].numpy()
    return wet * (np.std(samples) / (np.std(wet) + 1e-9))


def codec(samples: np.ndarray, name: str) -> np.ndarray:
    """Encode with one of :data:`CODECS` and decode again."""
    rate, container, encoding = CODECS[name]
    line = io.BytesIO()
    sent = soxr.resample(np.clip(samples, -1.0, 1.0), SAMPLE_RATE, rate)
    soundfile.write(line, sent, rate, format=container, subtype=encoding)
    line.seek(0)
    heard, rate = soundfile.read(line, dtype="float32")
    return _fitted(soxr.resample(heard, rate, SAMPLE_RATE), len(samples))


def spec_augment(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Silence a random band of frequencies and two random moments in the spectrogram (Park et al. 2019).

    The band is up to an eighth of 0..8 kHz, a moment up to 0.15 s.
    """
    spectrum = _spectrum(samples)
    torch.manual_seed(int(rng.integers(2**31)))  # torchaudio's masks have no generator of their own
    mask = transforms.FrequencyMasking(N_FFT // 16)(torch.ones(1, *spectrum.shape))
    for _ in range(2):
        mask = transforms.TimeMasking(int(0.15 * SAMPLE_RATE / HOP))(mask)
    return _samples(spectrum * mask[0], len(samples))


def random_view(
    samples: np.ndarray, voices: Callable[[], list[np.ndarray]], rng: np.random.Generator
) -> np.ndarray:
    """One random everyday version of a clip.

    Args:
        samples: the clip.
        voices: gives a few clips for babble, none of a held-out speaker.
        rng: source of all choices.
    """
    if rng.random() < 0.4:  # corpora differ in their bandwidth, which must not tell them apart
        samples = band_limit(samples, rng.uniform(3_000.0, 8_000.0))
    if rng.random() < 0.6:
        samples = speed(samples, rng.uniform(0.9, 1.1))
    if rng.random() < 0.25:
        samples = pitch(samples, rng.uniform(-1.5, 1.5))
    if rng.random() < 0.25:
        samples = spec_augment(samples, rng)
    if rng.random() < 0.25:
        samples = reverberation(samples, rng.uniform(0.15, 0.7), rng)
    chance = rng.random()
    if chance < 0.5:
        samples = noise(samples, rng.uniform(3.0, 30.0), rng.choice([0.0, 1.0, 2.0]), rng)
    elif chance < 0.6:
        samples = babble(samples, voices(), rng.uniform(8.0, 25.0))
    if rng.random() < 0.7:
        samples = gain(samples, rng.normal(0.0, 6.0))
    chance = rng.random()
    if chance < 0.3:
        samples = telephone(Waveform(samples)).samples
    elif chance < 0.5:
        samples = codec(samples, str(rng.choice(list(CODECS))))
    return samples


def _mixed(samples: np.ndarray, other: np.ndarray, snr_db: float) -> np.ndarray:
    """The sum of both at a ratio of their mean powers, in dB."""
    clip, sound = torch.from_numpy(samples), torch.tensor(other, dtype=torch.float32)
    return functional.add_noise(clip, sound, torch.tensor(snr_db)).numpy()


def _spectrum(samples: np.ndarray) -> torch.Tensor:
    return torch.stft(torch.from_numpy(samples), N_FFT, HOP, window=_HANN, return_complex=True)


def _samples(spectrum: torch.Tensor, length: int) -> np.ndarray:
    return torch.istft(spectrum, N_FFT, HOP, window=_HANN, length=length).numpy()


def _fitted(samples: np.ndarray, length: int) -> np.ndarray:
    """Padded with zeros or cut to ``length``: codecs and stretching move the end by some milliseconds."""
    return np.pad(samples, (0, max(0, length - len(samples))))[:length].astype(np.float32)
