"""Figures of merit for emotion recognizers, in plain numpy.

Labels are integer arrays of shape (n,) with values 0..classes-1; a prediction of -1 means "no answer" and is never
right. Scores are probabilities of shape (n, classes).
"""

from __future__ import annotations

import numpy as np

ECE_BINS = 15
"""Bins of the expected calibration error."""

NO_ANSWER = -1
"""A prediction that is no class."""


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts of shape (classes, classes): rows are the truth, columns the prediction; no answer is left out."""
    matrix = np.zeros((classes, classes), dtype=int)
    answered = predicted != NO_ANSWER
    np.add.at(matrix, (truth[answered], predicted[answered]), 1)
    return matrix


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of right predictions, 0..1; NaN without clips."""
    return float(np.mean(truth == predicted)) if len(truth) else float("nan")


def recalls(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Recall of each class, TP / (TP + FN), shape (classes,); NaN for a class that does not occur."""
    counts = np.bincount(truth, minlength=classes)
    hits = np.bincount(truth[truth == predicted], minlength=classes)
    return np.divide(hits, counts, out=np.full(classes, np.nan), where=counts > 0)


def uar(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Unweighted average recall: the mean recall of the classes that occur, 0..1; NaN without clips.

    Source: B. Schuller, S. Steidl, A. Batliner (2009), The INTERSPEECH 2009 Emotion Challenge.
    """
    if not len(truth):
        return float("nan")
    return float(np.nanmean(recalls(truth, predicted, int(truth.max()) + 1)))


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS) -> float:
    """Mean distance of confidence and accuracy over equal-width bins of confidence, weighted by their clips.

    ECE = sum over bins b of (n_b / n) * abs(accuracy_b - confidence_b), with bins (0, 1/15], (1/15, 2/15], ...

    Source: C. Guo et al. (2017), On Calibration of Modern Neural Networks, equation 3.

    Args:
        confidence: probability of the prediction, 0..1, shape (n,).
        correct: whether the prediction is right, shape (n,).
        bins: number of bins.

    Returns:
        0..1, 0 is perfect; NaN without clips.
    """
    if not len(confidence):
        return float("nan")
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(place, weights=correct - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))


def mask_scores(scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Set the probability of labels that cannot be right to 0 and let the others sum to 1 again.

    Args:
        scores: shape (n, classes).
        allowed: bool, shape (n, classes) or (classes,).

    Returns:
        shape (n, classes); rows whose allowed labels all have probability 0 are all 0.
    """
    kept = np.where(allowed, scores, 0.0)
    total = kept.sum(axis=1, keepdims=True)
    return np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)


def predict(scores: np.ndarray) -> np.ndarray:
    """The most probable class of each row, shape (n,); ``NO_ANSWER`` for a row of zeros."""
    return np.where(scores.max(axis=1, initial=0.0) > 0, scores.argmax(axis=1), NO_ANSWER)


def above_threshold(truth: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[float, float]:
    """Coverage and UAR when answers less probable than ``threshold`` are withheld.

    Returns:
        Share of the clips that are answered, 0..1, and the UAR over those (NaN when there are none).
    """
    kept = scores.max(axis=1) >= threshold
    coverage = float(kept.mean()) if len(kept) else float("nan")
    return coverage, uar(truth[kept], predict(scores[kept]))


def most_confident(scores: np.ndarray, share: float) -> np.ndarray:
    """Indices of the ``share`` (0..1) of rows with the highest best probability; ties in the order given."""
    order = np.argsort(-scores.max(axis=1), kind="stable")
    return order[: int(np.ceil(share * len(scores)))]


def concordance(first: np.ndarray, second: np.ndarray) -> float:
    """Lin's concordance correlation coefficient of two arrays of shape (n,), -1..1.

    CCC = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2), moments divided by n.

    Source: L. Lin (1989), A concordance correlation coefficient to evaluate reproducibility. Biometrics 45(1).

    Returns:
        The coefficient; NaN when both arrays are constant and equal, or empty.
    """
    if not len(first):
        return float("nan")
    covariance = np.mean((first - first.mean()) * (second - second.mean()))
    spread = first.var() + second.var() + (first.mean() - second.mean()) ** 2
    return float(2 * covariance / spread) if spread > 0 else float("nan")
