"""The Italian model: ridge regression over hashed words and pieces of words."""

from __future__ import annotations

from typing import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge

from emotionlayer_rasa.words.ngrams import BUCKETS, NgramModel, hashed_features, scaled


def fit_ngrams(texts: Sequence[str], targets: np.ndarray, strength: float, least: int = 2) -> NgramModel:
    """Fit the linear model.

    Args:
        texts: training sentences.
        targets: shape (n, 10), the model's outputs to learn.
        strength: of the ridge penalty.
        least: features in fewer sentences than this count nothing.
    """
    features = [hashed_features(text) for text in texts]
    seen = np.zeros(BUCKETS)
    for buckets, _ in features:
        seen[buckets] += 1
    rarity = np.where(seen >= least, np.log((1 + len(texts)) / (1 + seen)) + 1, 0.0).astype(np.float32)
    rows = [scaled(buckets, values, rarity) for buckets, values in features]
    matrix = csr_matrix(
        (
            np.concatenate(rows),
            np.concatenate([buckets for buckets, _ in features]),
            np.cumsum([0, *(len(row) for row in rows)]),
        ),
        shape=(len(texts), BUCKETS),
    )
    ridge = Ridge(alpha=strength, solver="sparse_cg", tol=1e-3).fit(matrix, targets)
    return NgramModel(rarity, ridge.coef_.T, ridge.intercept_)
