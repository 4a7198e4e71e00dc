import numpy as np
import pytest

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio
from emotionlayer_rasa.evaluation.voice import DEGRADATIONS


@pytest.fixture(scope="module")
def voice(data):
    return load_audio(data / "en_complaint.flac")


def tone(*frequencies, level=0.1, seconds=1.0):
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return Waveform(np.float32(level * sum(np.sin(2 * np.pi * f * times) for f in frequencies)))


def power_db(samples, low, high):
    """Power between two frequencies, dB, of the middle half."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    frequencies = np.fft.rfftfreq(len(middle), 1 / SAMPLE_RATE)
    return 10 * np.log10(spectrum[(frequencies >= low) & (frequencies < high)].sum() + 1e-12)


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("seconds", [0.31, 1.0001, 2.7])
def test_form_length_and_repeatability(voice, name, seconds):
    piece = Waveform(voice.samples[: int(seconds * SAMPLE_RATE)])
    before = piece.samples.copy()
    degraded = DEGRADATIONS[name](piece, 7)
    assert degraded.samples.dtype == np.float32
    assert degraded.samples.shape == piece.samples.shape
    assert np.isfinite(degraded.samples).all()
    assert np.abs(degraded.samples).max() <= 1.0
    assert not np.array_equal(degraded.samples, piece.samples)
    np.testing.assert_array_equal(piece.samples, before)
    np.testing.assert_array_equal(DEGRADATIONS[name](piece, 7).samples, degraded.samples)


@pytest.mark.parametrize("name", ["snr10", "snr0", "reverb"])
def test_the_seed_counts(voice, name):
    assert not np.array_equal(DEGRADATIONS[name](voice, 1).samples, DEGRADATIONS[name](voice, 2).samples)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_silence_stays_finite(name):
    assert np.isfinite(DEGRADATIONS[name](Waveform(np.zeros(8000, np.float32)), 0).samples).all()


def test_the_telephone_lets_its_band_through_only():
    heard = DEGRADATIONS["telephone"](tone(100, 1000, 5000), 0).samples
    sent = tone(100, 1000, 5000).samples
    assert abs(power_db(heard, 950, 1050) - power_db(sent, 950, 1050)) < 1.0
    assert power_db(heard, 80, 120) < power_db(sent, 80, 120) - 30
    assert power_db(heard, 4100, 8000) < power_db(sent, 4100, 8000) - 40


def test_the_telephone_adds_the_noise_of_eight_bits():
    sent = tone(1000, level=0.3)
    heard = DEGRADATIONS["telephone"](sent, 0).samples
    ratio = power_db(heard, 950, 1050) - power_db(heard, 1200, 3400)
    assert 25 < ratio < 60  # G.711 gives 38 dB or so over its whole band


@pytest.mark.parametrize(("name", "ratio"), [("snr10", 10.0), ("snr0", 0.0)])
def test_the_noise_has_the_ratio_asked_for(voice, name, ratio):
    quiet = Waveform(voice.samples * 0.1)
    noise = DEGRADATIONS[name](quiet, 3).samples - quiet.samples
    assert 10 * np.log10(np.mean(quiet.samples**2) / np.mean(noise**2)) == pytest.approx(ratio, abs=0.05)


def test_the_noise_is_pink():
    sound = tone(50, level=0.2, seconds=8)
    noise = DEGRADATIONS["snr0"](sound, 3).samples - sound.samples
    octaves = [power_db(noise, f, 2 * f) for f in (250, 500, 1000, 2000)]
    assert np.ptp(octaves) < 1.5  # equal power in every octave


def test_a_loud_clip_with_noise_is_attenuated_not_clipped():
    mixed = DEGRADATIONS["snr0"](tone(300, level=0.99), 0).samples
    assert np.abs(mixed).max() == pytest.approx(1.0)
    assert np.sum(np.abs(mixed) > 0.999) < 5


def test_clipping_reaches_full_scale(voice):
    clipped = np.abs(DEGRADATIONS["clip"](voice, 0).samples)
    assert np.mean(clipped >= 1.0) == pytest.approx(0.05, abs=0.005)


def test_the_room_answers_after_the_sound_and_dies_away():
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[1000] = 0.5
    heard = DEGRADATIONS["reverb"](Waveform(click), 0).samples
    direct = heard[1000]
    assert np.abs(heard[:1000]).max() < 1e-6 * direct
    tail = heard[1001:] / direct
    assert 10 * np.log10(np.sum(tail**2)) == pytest.approx(-3.0, abs=0.1)
    early, late = (np.mean(tail[start : start + 1600] ** 2) for start in (0, 4000))
    assert 10 * np.log10(early / late) == pytest.approx(30.0, abs=2.0)  # 60 dB in .5 s, so 30 in .25 s
    assert np.mean(heard**2) == pytest.approx(np.mean(click**2), rel=0.01)
