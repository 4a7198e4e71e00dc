import numpy as np
import pytest

from emotionlayer_rasa.training.augmentation import (
    babble,
    coloured_noise,
    gain,
    noise,
    random_view,
    reverberation,
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
