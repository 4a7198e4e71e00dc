import numpy as np
import pytest

from emotionlayer_rasa.emotion.onnx_recognizer import softmax
from emotionlayer_rasa.evaluation.voice.metrics import expected_calibration_error
from emotionlayer_rasa.training.calibration import fit_temperature, fit_threshold


def overconfident(count=4000):
    """Logits three times too large for labels drawn from their probabilities."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((count, 5)) * 1.5
    truth = np.array([rng.choice(5, p=row) for row in softmax(logits, 1.0)])
    return 3 * logits, truth


def test_temperature_undoes_overconfidence():
    logits, truth = overconfident()
    temperature = fit_temperature(logits, truth)
    assert temperature == pytest.approx(3.0, rel=0.1)

    def error(value):
        scores = softmax(logits, value)
        return expected_calibration_error(scores.max(axis=1), scores.argmax(axis=1) == truth)

    assert error(temperature) < 0.03 < error(1.0)


def test_threshold_reaches_the_wanted_accuracy():
    logits, truth = overconfident()
    scores = softmax(logits, 3.0)
    threshold = fit_threshold(scores, truth, 0.7)
    kept = scores.max(axis=1) >= threshold
    assert 0.1 < kept.mean() < 1
    assert (scores.argmax(axis=1) == truth)[kept].mean() >= 0.7
    assert fit_threshold(scores, truth, 0.999999) >= threshold
    assert fit_threshold(scores, truth, 0.01) == 0.0


def test_clips_that_weigh_nothing_decide_nothing():
    logits, truth = overconfident()
    garbage = np.random.default_rng(1).standard_normal((8000, 5)) * 9
    both, labels = np.concatenate([logits, garbage]), np.concatenate([truth, np.zeros(8000, dtype=int)])
    weight = np.concatenate([np.ones(len(truth)), np.zeros(8000)])
    temperature = fit_temperature(logits, truth)
    assert fit_temperature(both, labels, weight) == pytest.approx(temperature, rel=1e-3)
    assert fit_temperature(both, labels) > 1.3 * temperature
    scores, all_scores = softmax(logits, temperature), softmax(both, temperature)
    threshold = fit_threshold(scores, truth, 0.7)
    assert fit_threshold(all_scores, labels, 0.7, weight) == threshold
    assert fit_threshold(all_scores, labels, 0.7) > threshold
