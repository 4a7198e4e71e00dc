import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, recall_score

from emotionlayer_rasa.evaluation.voice import metrics

TRUTH = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 0, 2])


def test_by_hand():
    np.testing.assert_allclose(metrics.recalls(TRUTH, PREDICTED, 4), [0.75, 0.5, 1.0, np.nan])
    assert metrics.uar(TRUTH, PREDICTED) == pytest.approx(0.75)
    assert metrics.accuracy(TRUTH, PREDICTED) == pytest.approx(5 / 7)
    np.testing.assert_array_equal(metrics.confusion_matrix(TRUTH, PREDICTED, 3), [[3, 1, 0], [1, 1, 0], [0, 0, 1]])


def test_as_scikit_learn():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 7, 300), rng.integers(0, 7, 300)
    assert metrics.uar(truth, predicted) == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert metrics.accuracy(truth, predicted) == pytest.approx(accuracy_score(truth, predicted))
    np.testing.assert_allclose(metrics.recalls(truth, predicted, 7), recall_score(truth, predicted, average=None))
    np.testing.assert_array_equal(
        metrics.confusion_matrix(truth, predicted, 7), confusion_matrix(truth, predicted)
    )


def test_no_answer_is_never_right():
    predicted = np.array([0, 0, 0, -1, 1, -1, -1])
    np.testing.assert_allclose(metrics.recalls(TRUTH, predicted, 3), [0.75, 0.5, 0.0])
    assert metrics.confusion_matrix(TRUTH, predicted, 3).sum() == 4


def test_a_class_seen_only_in_answers_does_not_count():
    assert metrics.uar(np.array([0, 0]), np.array([0, 5])) == pytest.approx(0.5)


def test_calibration_by_hand():
    # bin (.8667, .9333]: three clips, mean confidence .9, two right; bin (.4667, .5333]: one clip, .5, right
    confidence, correct = np.array([0.9, 0.88, 0.92, 0.5]), np.array([True, True, False, True])
    expected = 0.75 * abs(2 / 3 - 0.9) + 0.25 * abs(1 - 0.5)
    assert metrics.expected_calibration_error(confidence, correct) == pytest.approx(expected)


def test_calibration_at_the_ends():
    assert metrics.expected_calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0.0
    assert metrics.expected_calibration_error(np.array([0.0]), np.array([True])) == 1.0
    # a boundary belongs to the lower bin: 1/15 and 1/15 - .01 share one, where the gaps cancel
    edge = np.array([1 / 15, 2 / 15 - 1e-9])
    gap = metrics.expected_calibration_error(edge, np.array([False, True]))
    assert gap == pytest.approx((1 / 15 + 1 - 2 / 15) / 2, abs=1e-6)


def test_masked_scores_sum_to_one_again():
    scores = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    masked = metrics.mask_scores(scores, np.array([False, True, True]))
    np.testing.assert_allclose(masked, [[0, 0.6, 0.4], [0, 0, 0]])
    np.testing.assert_array_equal(metrics.predict(masked), [1, metrics.NO_ANSWER])


def test_above_a_threshold():
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55]])
    truth = np.array([0, 1, 1, 0])
    assert metrics.above_threshold(truth, scores, 0.7) == (0.5, 1.0)
    coverage, uar = metrics.above_threshold(truth, scores, 0.95)
    assert coverage == 0.0
    assert np.isnan(uar)


def test_most_confident():
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55]])
    np.testing.assert_array_equal(metrics.most_confident(scores, 0.5), [0, 2])
    assert len(metrics.most_confident(scores, 0.7)) == 3


def test_concordance():
    x = np.array([1.0, 2.0, 3.0])
    assert metrics.concordance(x, x) == pytest.approx(1.0)
    assert metrics.concordance(x, -x + 4) == pytest.approx(-1.0)
    # variances 2/3, covariance 2/3, means one apart: 2 (2/3) / (4/3 + 1)
    assert metrics.concordance(x, x + 1) == pytest.approx(4 / 7)
    assert metrics.concordance(x, np.full(3, 2.0)) == 0.0
    assert np.isnan(metrics.concordance(np.array([]), np.array([])))


def test_concordance_is_the_correlation_shrunk_by_bias():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(500)
    y = 0.5 * x + 0.3 * rng.standard_normal(500) + 0.2
    correlation = np.corrcoef(x, y)[0, 1]
    scale = x.std() / y.std()
    shift = (x.mean() - y.mean()) ** 2 / (x.std() * y.std())
    assert metrics.concordance(x, y) == pytest.approx(correlation * 2 / (scale + 1 / scale + shift))


def test_nothing_to_measure():
    empty = np.array([], dtype=int)
    assert np.isnan(metrics.uar(empty, empty))
    assert np.isnan(metrics.accuracy(empty, empty))
    assert np.isnan(metrics.expected_calibration_error(empty, empty))
