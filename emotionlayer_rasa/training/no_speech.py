"""Sounds without a voice, which teach the model to say that it hears none."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from emotionlayer_rasa.audio import SAMPLE_RATE
from emotionlayer_rasa.training.augmentation import coloured_noise

KINDS = ("noise", "hum", "tone", "melody", "chirp", "clicks", "rumble", "knocks", "coughs", "laughter")
"""What :func:`no_speech_sound` makes, in equal shares."""


def no_speech_sound(kind: str, rng: np.random.Generator) -> np.ndarray:
    """One synthetic sound of 0.5 to 6 s: float32 samples (n,) at 16 kHz, -60 to -3 dB relative to full scale."""
    times = np.arange(int(rng.uniform(0.5, 6.0) * SAMPLE_RATE)) / SAMPLE_RATE
    sound = _MAKERS[kind](times, rng)
    sound = sound / (np.abs(sound).max() + 1e-9) * 10 ** (rng.uniform(-60.0, -3.0) / 20)
    sound = sound + coloured_noise(len(times), 1.0, rng) * 10 ** (rng.uniform(-100.0, -60.0) / 20)
    return np.clip(sound, -1.0, 1.0).astype(np.float32)


def _noise(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return coloured_noise(len(times), rng.uniform(0.0, 2.0), rng)


def _hum(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mains = rng.choice([50.0, 60.0])
    parts = [rng.uniform(0, 1) * np.sin(2 * np.pi * mains * k * times + rng.uniform(0, 6)) for k in range(1, 9)]
    return np.sum(parts, axis=0) + coloured_noise(len(times), 1.0, rng) * rng.uniform(0, 0.5)


def _note(times: np.ndarray, pitch: float, rng: np.random.Generator) -> np.ndarray:
    harmonics = int(rng.integers(1, 9))
    fall = rng.uniform(0.5, 2.0)
    vibrato = rng.uniform(0, 0.01) * np.sin(2 * np.pi * rng.uniform(3, 7) * times)
    return np.sum(
        [np.sin(2 * np.pi * pitch * k * (times + vibrato / 6)) / k**fall for k in range(1, harmonics + 1)], axis=0
    )


def _tone(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    pitches = np.exp(rng.uniform(np.log(80), np.log(4000), int(rng.integers(1, 4))))
    return np.sum([_note(times, pitch, rng) for pitch in pitches], axis=0)


def _melody(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sound = np.zeros(len(times))
    start = 0.0
    while start < times[-1]:
        length = rng.uniform(0.1, 0.8)
        here = (times >= start) & (times < start + length)
        own = times[here] - start
        decay = np.exp(-own * rng.uniform(0, 6)) * np.minimum(1, own / 0.01)
        for _ in range(int(rng.integers(1, 4))):
            sound[here] += decay * _note(own, 110 * 2 ** (rng.integers(0, 37) / 12), rng)
        start += length
    return sound


def _chirp(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high = np.exp(rng.uniform(np.log(60), np.log(6000), 2))
    pitch = low + (high - low) * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 3) * times))
    return np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)


def _clicks(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sound = np.zeros(len(times))
    for place in rng.integers(0, len(times) - 200, int(rng.integers(1, 30))):
        sound[place : place + 200] += rng.standard_normal(200) * np.exp(-np.arange(200) / rng.uniform(5, 60))
    return sound + coloured_noise(len(times), 1.0, rng) * rng.uniform(0, 0.1)


def _rumble(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    swell = 1 + rng.uniform(0, 1) * np.sin(2 * np.pi * rng.uniform(0.1, 8) * times)
    return coloured_noise(len(times), rng.uniform(0.0, 2.0), rng) * swell


def _knocks(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sound = np.zeros(len(times))
    pitches, decay = rng.uniform(60, 900, 3), rng.uniform(0.01, 0.12)
    for start in np.cumsum(rng.uniform(0.1, 0.8, int(rng.integers(1, 8)))) - 0.1:
        own = np.maximum(times - start, 0.0)
        knock = np.sum([np.sin(2 * np.pi * pitch * own) for pitch in pitches], axis=0) * np.exp(-own / decay)
        sound += rng.uniform(0.3, 1.0) * np.where(times >= start, knock, 0.0)
    return sound


def _coughs(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bursts through a throat: a sharp start, then noise that decays, sometimes with a voiced end."""
    envelope, voiced = np.zeros(len(times)), np.zeros(len(times))
    for start in np.cumsum(rng.uniform(0.25, 0.7, int(rng.integers(1, 5)))) - 0.2:
        own = times - start
        level = rng.uniform(0.4, 1.0)
        envelope += (
            level
            * (own >= 0)
            * (np.exp(-own.clip(0) / 0.02) + 0.5 * np.exp(-own.clip(0) / rng.uniform(0.06, 0.2)))
        )
        voiced += level * rng.uniform(0, 0.4) * np.exp(-np.square((own - 0.25) / 0.06))
    noise = coloured_noise(len(times), rng.uniform(0.0, 1.0), rng)
    return _throat(envelope * noise + voiced * _note(times, rng.uniform(90, 300), rng), rng)


def _laughter(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Four to six breathy syllables a second, whose pitch and level fall (Bachorowski et al. 2001)."""
    rate, length = rng.uniform(4.0, 6.5), rng.uniform(0.6, 2.5)
    fall = np.clip(1 - times / length, 0.0, 1.0)
    syllables = np.maximum(np.sin(2 * np.pi * rate * times), 0.0) ** 2 * fall ** rng.uniform(0.3, 1.5)
    pitch = rng.uniform(150, 450) * (0.7 + 0.3 * fall) * (1 + 0.1 * np.sin(2 * np.pi * rate * times))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = np.sum([np.sin(k * phase) / k for k in range(1, 13)], axis=0)
    breath = coloured_noise(len(times), 0.5, rng) * rng.uniform(0.2, 2.0)
    return _throat(syllables * (voice + breath), rng)


def _throat(source: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two formants of an open mouth on a source (n,)."""
    for centre, width in ((rng.uniform(500, 900), 130.0), (rng.uniform(1100, 2200), 200.0)):
        radius = np.exp(-np.pi * width / SAMPLE_RATE)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * centre / SAMPLE_RATE), radius**2]
        source = 0.3 * source + lfilter([1 - radius], poles, source)
    return source


_MAKERS = {
    "noise": _noise,
    "hum": _hum,
    "tone": _tone,
    "melody": _melody,
    "chirp": _chirp,
    "clicks": _clicks,
    "rumble": _rumble,
    "knocks": _knocks,
    "coughs": _coughs,
    "laughter": _laughter,
}
