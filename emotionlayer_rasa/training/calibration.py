"""Making the confidence mean what it says, and choosing from when on to answer."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from emotionlayer_rasa.emotion.onnx_recognizer import softmax


def fit_temperature(logits: np.ndarray, truth: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The temperature that makes held-out labels most probable (C. Guo et al. 2017).

    Args:
        logits: shape (n, classes), of clips that the model was not trained on.
        truth: int (n,), the right classes.
        weight: how much each clip counts, (n,); None counts all the same.

    Returns:
        0.2 to 5; logits are to be divided by it.
    """

    def surprise(log_temperature: float) -> float:
        right = softmax(logits, float(np.exp(log_temperature)))[np.arange(len(truth)), truth]
        return -float(np.average(np.log(right + 1e-12), weights=weight))

    return float(np.exp(minimize_scalar(surprise, bounds=np.log([0.2, 5.0]), method="bounded").x))


def fit_threshold(
    probabilities: np.ndarray, truth: np.ndarray, target_accuracy: float, weight: np.ndarray | None = None
) -> float:
    """The lowest confidence, in steps of .01, from which on at least ``target_accuracy`` of the answers are right.

    Args:
        probabilities: calibrated, shape (n, classes), of held-out clips.
        truth: int (n,), the right classes.
        target_accuracy: 0..1.
        weight: how much each clip counts, (n,); None counts all the same.

    Returns:
        0..0.9; .9 when no lower threshold reaches the target.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    for threshold in np.arange(0.0, 0.9, 0.01):
        answered = confidence >= threshold
        counts = None if weight is None else weight[answered]
        if answered.any() and np.average(right[answered], weights=counts) >= target_accuracy:
            return float(threshold)
    return 0.9


def platt(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Slope and offset that make logits mean probabilities (J. Platt 1999), where the truth is known.

    Args:
        logits: (n,).
        truth: 0 or 1, (n,); NaN where it is not known.
    """
    known = ~np.isnan(truth)
    logits, truth = logits[known].astype(np.float64), truth[known]

    def surprise(line: np.ndarray) -> float:
        values = line[0] * logits + line[1]
        return float(np.mean(np.logaddexp(0, values) - truth * values) + 1e-3 * np.sum((line - [1, 0]) ** 2))

    slope, offset = minimize(surprise, [1.0, 0.0]).x
    return float(slope), float(offset)
