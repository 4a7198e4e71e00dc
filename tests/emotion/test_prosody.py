"""Prosody on voices whose pitch, rate and quality are known because they were made here."""

import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio
from emotionlayer_rasa.emotion import measure_prosody
from emotionlayer_rasa.emotion.prosody import MODEL_FEATURES, prosody_vector

DATA = Path(__file__).parents[1] / "data"


def pulses(periods: np.ndarray, amplitudes: np.ndarray | None = None) -> np.ndarray:
    """A glottal pulse train through one resonance at 700 Hz; periods in samples."""
    times = np.cumsum(periods)
    amplitudes = np.ones(len(times)) if amplitudes is None else amplitudes
    sound = np.zeros(int(times[-1]) + 402)
    own = np.arange(400) / SAMPLE_RATE
    for time, amplitude in zip(times, amplitudes, strict=True):
        start = int(np.ceil(time))
        shifted = own + (start - time) / SAMPLE_RATE
        sound[start : start + 400] += amplitude * np.exp(-shifted * 600) * np.sin(2 * np.pi * 700 * shifted)
    return sound * 0.3


def vowel(pitch_hz: float, seconds: float = 1.5) -> np.ndarray:
    return pulses(np.full(int(seconds * pitch_hz), SAMPLE_RATE / pitch_hz))


def prosody(samples: np.ndarray):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return measure_prosody(Waveform(np.asarray(samples, dtype=np.float32)))


@pytest.mark.parametrize("pitch_hz", [90.0, 150.0, 220.0, 350.0])
def test_pitch_of_a_vowel(pitch_hz):
    measured = prosody(vowel(pitch_hz))
    assert measured.pitch_hz == pytest.approx(pitch_hz, rel=0.02)
    assert measured.pitch_semitones == pytest.approx(12 * np.log2(pitch_hz / 27.5), abs=0.4)
    assert measured.voiced_ratio > 0.8
    assert measured.pitch_range_semitones < 0.5
    assert measured.word_rate is None


def test_pitch_range_of_a_glide():
    pitch = np.geomspace(120, 240, 250)
    assert 5 < prosody(pulses(SAMPLE_RATE / pitch)).pitch_range_semitones < 9


def test_level_is_relative_to_full_scale_and_ignores_dc():
    square = np.sign(np.sin(2 * np.pi * 200 * np.arange(16000) / SAMPLE_RATE + 0.1))
    assert prosody(square).energy_db == pytest.approx(0.0, abs=0.1)
    assert prosody(square * 0.1 + 0.3).energy_db == pytest.approx(-20.0, abs=0.1)


def test_jitter_grows_with_irregular_periods():
    rng = np.random.default_rng(0)
    period = np.full(200, 100.0)
    steady = prosody(pulses(period))
    shaky = prosody(pulses(period * (1 + 0.03 * rng.standard_normal(200))))
    assert steady.jitter < 0.005
    assert 0.015 < shaky.jitter < 0.06  # mean |difference| of two normal deviates of .03 is .034


def test_shimmer_grows_with_irregular_amplitudes():
    rng = np.random.default_rng(0)
    period = np.full(200, 100.0)
    assert prosody(pulses(period)).shimmer_db < 0.3
    assert prosody(pulses(period, 1 + 0.1 * rng.standard_normal(200))).shimmer_db > 0.5


def test_hnr_falls_with_noise_and_matches_the_mixture():
    clean = vowel(150)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(len(clean)) * np.std(clean)
    assert prosody(clean).hnr_db > 15
    for snr in (15, 5):
        assert prosody(clean + noise * 10 ** (-snr / 20)).hnr_db == pytest.approx(snr, abs=4)


def test_syllables_and_pauses():
    syllable = vowel(140, 0.18)
    gap, pause = np.zeros(1000), np.zeros(8000)
    word = np.concatenate([syllable, gap, syllable, gap, syllable])
    speech = np.concatenate([word, pause, word])
    measured = prosody(speech)
    assert measured.syllable_rate * len(speech) / SAMPLE_RATE == pytest.approx(6, abs=1)
    assert measured.pauses == 1
    assert measured.pause_ratio > 0.1
    assert prosody(word).pauses == 0


def test_noise_has_no_pitch():
    measured = prosody(np.random.default_rng(0).standard_normal(32000) * 0.1)
    assert measured.voiced_ratio < 0.05
    assert measured.energy_db == pytest.approx(-20, abs=0.2)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(1),
        np.ones(1),
        np.zeros(32000),
        np.full(32000, 0.7),
        np.full(32000, np.nan),
        np.random.default_rng(0).standard_normal(32000) * 1e-5,
        np.sin(np.arange(700)),
    ],
    ids=["empty", "one zero", "one", "silence", "DC", "NaN", "whisper of the converter", "44 ms"],
)
def test_nothing_to_measure_gives_none(samples):
    assert all(value is None for value in asdict(prosody(samples)).values())


@pytest.mark.parametrize("samples", [np.sin(0.3 * np.arange(810)), np.clip(vowel(150) * 100, -1, 1), -vowel(150)])
def test_odd_but_loud_sound_gives_finite_numbers(samples):
    known = [value for value in asdict(prosody(samples)).values() if value is not None]
    assert known
    assert np.isfinite(known).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6000), st.floats(1e-4, 1.0), st.floats(-0.5, 0.5), st.integers(0, 2**16))
def test_never_raises_and_stays_in_range(count, level, dc, seed):
    rng = np.random.default_rng(seed)
    samples = np.clip(level * rng.standard_normal(count).cumsum() / np.sqrt(count) + dc, -1, 1)
    measured = prosody(samples)
    for name in ("voiced_ratio", "pause_ratio", "jitter"):
        value = getattr(measured, name)
        assert value is None or 0 <= value <= 1
    vector = prosody_vector(measured)
    assert vector.shape == (len(MODEL_FEATURES),)
    assert not np.isinf(vector).any()


def test_recorded_speech():
    measured = measure_prosody(load_audio(DATA / "en_order.flac"))
    assert 60 < measured.pitch_hz < 400
    assert 1 < measured.syllable_rate < 8
    assert not np.isnan(prosody_vector(measured)).any()
