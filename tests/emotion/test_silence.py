"""The silence around speech is found whatever its level, and what the model hears does not depend on it."""

from pathlib import Path

import numpy as np
import pytest

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio
from emotionlayer_rasa.emotion.onnx_recognizer import OnnxRecognizer
from emotionlayer_rasa.emotion.silence import FRAME, MARGIN_S, without_silence

DATA = Path(__file__).parents[1] / "data"
SPEECH = load_audio(DATA / "en_complaint.flac").samples


def padded(before_s: float, after_s: float, noise: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    quiet = [np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32) for seconds in (before_s, after_s)]
    sound = np.concatenate([quiet[0], SPEECH, quiet[1]])
    return (sound + noise * rng.standard_normal(len(sound))).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-3])
def test_silence_or_steady_noise_around_speech_is_cut_off(noise):
    alone, longer = without_silence(padded(0, 0, noise)), without_silence(padded(2.0, 1.0, noise))
    assert len(alone) <= len(SPEECH)
    assert abs(len(longer) - len(alone)) <= 2 * (MARGIN_S * SAMPLE_RATE + FRAME)


def test_pauses_within_speech_stay():
    pause = np.zeros(SAMPLE_RATE, dtype=np.float32)
    one = without_silence(SPEECH)
    assert len(without_silence(np.concatenate([SPEECH, pause, SPEECH]))) >= len(one) + len(SPEECH) + len(pause) - 1


@pytest.mark.parametrize(
    "samples", [np.zeros(0), np.zeros(10), np.zeros(SAMPLE_RATE), np.full(SAMPLE_RATE, 0.3)], ids=str
)
def test_where_there_is_no_speech_nothing_is_cut(samples):
    assert len(without_silence(samples.astype(np.float32))) == len(samples)


def test_the_reading_hardly_depends_on_the_silence_around():
    recognizer = OnnxRecognizer()
    scores = [
        np.array(list(recognizer.recognize(Waveform(padded(*around, 1e-4))).scores.values()))
        for around in ((0.0, 0.0), (1.5, 1.0))
    ]
    assert np.abs(scores[0] - scores[1]).max() < 0.1
