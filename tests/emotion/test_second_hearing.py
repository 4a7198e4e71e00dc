"""Hearing a doubtful utterance again: when, and what."""

import numpy as np
import pytest

from emotionlayer_rasa.audio import SAMPLE_RATE
from emotionlayer_rasa.emotion.second_hearing import SecondHearing
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.settings import read_settings

HEARING = SecondHearing(below=0.6, speeds=[0.87, 1.15], max_seconds=2.5)


def test_doubtful_is_what_has_no_clear_emotion_and_is_speech():
    probabilities = np.array(
        [
            [0.7, 0.3, 0, 0, 0, 0, 0, 0.0],
            [0.5, 0.4, 0, 0, 0, 0, 0, 0.1],
            [0.3, 0.1, 0, 0, 0, 0, 0, 0.6],
            [0.6, 0.4, 0, 0, 0, 0, 0, 0.0],
        ]
    )
    assert HEARING.is_doubtful(probabilities).tolist() == [False, True, False, False]


@pytest.mark.parametrize("speed", [0.87, 1.0, 1.15])
def test_speed_moves_pitch_and_pace_together(speed):
    samples = np.sin(2 * np.pi * 400 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)
    heard = HEARING.version(samples, speed)
    assert heard.dtype == np.float32
    assert len(heard) == pytest.approx(len(samples) / speed, abs=2)
    pitch = np.abs(np.fft.rfft(heard)).argmax() * SAMPLE_RATE / len(heard)
    assert pitch == pytest.approx(400 * speed, rel=0.01)


def test_of_a_long_utterance_the_middle_is_heard():
    samples = np.zeros(5 * SAMPLE_RATE + 1)
    samples[len(samples) // 2] = 1.0
    heard = HEARING.version(samples, 1.0)
    assert len(heard) == 2.5 * SAMPLE_RATE
    assert heard.argmax() == pytest.approx(len(heard) // 2, abs=1)


def test_an_offset_is_taken_out_and_the_sound_left_as_it_is():
    samples = 0.1 * np.sin(np.arange(SAMPLE_RATE))
    before = samples.copy()
    assert HEARING.version(samples + 0.3, 0.87) == pytest.approx(HEARING.version(samples, 0.87), abs=1e-5)
    assert (samples == before).all()


@pytest.mark.parametrize(
    ("key", "value"), [("below", 1.5), ("speeds", []), ("speeds", [0]), ("max_seconds", 0), ("times", 2)]
)
def test_wrong_settings_are_named(key, value):
    with pytest.raises(ConfigurationError, match=key):
        read_settings(SecondHearing, {"below": 0.6, "speeds": [0.9], "max_seconds": 3, key: value}, "model.json")
