import numpy as np
import pytest

from emotionlayer_rasa.training.augmentation import (
    CODECS,
    babble,
    band_limit,
    codec,
    coloured_noise,
    gain,
    noise,
    pitch,
    random_view,
    reverberation,
    spec_augment,
    speed,
)
from emotionlayer_rasa.training.no_speech import KINDS, no_speech_sound

TONE = (0.1 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype(np.float32)


def power(samples):
    return float(np.mean(np.square(samples)))


def loudest_hz(samples):
    return np.abs(np.fft.rfft(samples)).argmax() * 16000 / len(samples)


def test_speed_changes_length_and_pitch():
    fast = speed(TONE, 1.1)
    assert len(fast) == pytest.approx(16000 / 1.1, abs=2)
    assert loudest_hz(fast) == pytest.approx(484, abs=2)


@pytest.mark.parametrize("length", [16000, 15999, 8001])
def test_a_band_limit_takes_what_lies_above_and_nothing_else(length):
    hiss = np.random.default_rng(0).standard_normal(length).astype(np.float32)
    narrow = band_limit(hiss, 4000.0)
    assert (len(narrow), narrow.dtype) == (length, np.float32)
    before, after = (np.abs(np.fft.rfft(samples)) for samples in (hiss, narrow))
    hz = np.fft.rfftfreq(length, 1 / 16000)
    assert power(after[hz > 4300]) < 1e-3 * power(before[hz > 4300])
    assert power(after[hz < 3400]) == pytest.approx(power(before[hz < 3400]), rel=0.02)


def test_gain_is_in_decibels_and_clips():
    assert power(gain(TONE, 6.0)) / power(TONE) == pytest.approx(10**0.6, rel=1e-3)
    assert np.abs(gain(TONE, 60.0)).max() == 1.0


@pytest.mark.parametrize("snr", [0.0, 10.0, 20.0])
def test_noise_and_babble_have_the_wanted_ratio(snr):
    noisy = noise(TONE, snr, 1.0, np.random.default_rng(0))
    assert 10 * np.log10(power(TONE) / power(noisy - TONE)) == pytest.approx(snr, abs=0.1)
    crowded = babble(TONE, [np.random.default_rng(1).standard_normal(5000)], snr)
    assert 10 * np.log10(power(TONE) / power(crowded - TONE)) == pytest.approx(snr, abs=0.1)


def test_colour_of_noise():
    spectrum = np.abs(np.fft.rfft(coloured_noise(160_000, 2.0, np.random.default_rng(0)))) ** 2
    low, high = spectrum[1000:2000].sum(), spectrum[4000:8000].sum()
    assert low / high == pytest.approx(
        4, rel=0.2
    )  # brown: a quarter of the power two octaves up, in four times the width


def test_reverberation_rings_on_and_keeps_the_level():
    burst = np.concatenate([TONE[:4000], np.zeros(8000, np.float32)])
    wet = reverberation(burst, 0.5, np.random.default_rng(0))
    assert power(wet[4100:6000]) > 1e-6
    assert np.std(wet) == pytest.approx(np.std(burst), rel=1e-3)


@pytest.mark.parametrize("semitones", [-2.0, 3.0])
def test_pitch_moves_and_the_length_stays(semitones):
    shifted = pitch(TONE, semitones)
    assert shifted.shape == TONE.shape
    assert loudest_hz(shifted) == pytest.approx(440 * 2 ** (semitones / 12), abs=4)


@pytest.mark.parametrize("name", CODECS)
def test_codecs_keep_length_and_sound_but_not_the_samples(name):
    chord = TONE + 0.05 * np.sin(2 * np.pi * 700 * np.arange(16000) / 16000).astype(np.float32)
    heard = codec(chord, name)
    assert heard.shape == chord.shape
    assert 0.9 < np.corrcoef(heard, chord)[0, 1] < 1.0
    assert loudest_hz(heard) == pytest.approx(440, abs=2)


def test_spec_augment_silences_moments_and_a_band():
    sound = coloured_noise(48_000, 0.0, np.random.default_rng(0)).astype(np.float32) * 0.1
    masked = spec_augment(sound, np.random.default_rng(3))
    assert masked.shape == sound.shape
    frames = [power(masked[start : start + 160]) for start in range(0, 48_000, 160)]
    assert 3 <= sum(frame < 1e-6 for frame in frames) <= 30
    spectrum = np.abs(np.fft.rfft(masked)).reshape(-1)[:24_000].reshape(48, -1).mean(axis=1)
    assert spectrum.min() < 0.3 * np.median(spectrum)


def test_random_views_differ_by_seed_and_only_by_seed():
    def view(seed):
        return random_view(TONE, lambda: [TONE[::-1]], np.random.default_rng(seed))

    for seed in range(20):
        changed = view(seed)
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert 14000 < len(changed) < 18000
        np.testing.assert_array_equal(changed, view(seed))
    assert len({view(seed).tobytes() for seed in range(20)}) > 15


@pytest.mark.parametrize("kind", KINDS)
def test_sounds_without_speech(kind):
    for seed in range(5):
        sound = no_speech_sound(kind, np.random.default_rng(seed))
        assert sound.dtype == np.float32
        assert 8000 <= len(sound) <= 96000
        assert 0 < np.abs(sound).max() <= 1
        assert np.isfinite(sound).all()
