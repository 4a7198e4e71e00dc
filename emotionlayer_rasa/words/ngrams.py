"""A linear model over words, pairs of words and pieces of words: small and fast."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

from emotionlayer_rasa.language import normalise

BUCKETS = 1 << 17
_PIECES = (3, 4, 5)
_WORDS, _CHARACTERS = 0, 1


def hashed_features(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Buckets and dampened counts (1 + log count) of a text's words and pairs, and of pieces of 3 to 5 letters.

    Returns:
        Two arrays of equal length: buckets, 0..``BUCKETS``-1, and values; an even bucket holds words, an odd one
        pieces.
    """
    words = normalise(text, " ").split()
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    pieces = [
        padded[start : start + size]
        for padded in (f" {word} " for word in words if re.match(r"\w", word))
        for size in _PIECES
        for start in range(len(padded) - size + 1)
    ]
    counts = Counter(_bucket(word, _WORDS) for word in (*words, *pairs))
    counts.update(_bucket(piece, _CHARACTERS) for piece in pieces)
    buckets = np.fromiter(counts.keys(), dtype=np.int64, count=len(counts))
    values = 1 + np.log(np.fromiter(counts.values(), dtype=np.float32, count=len(counts)))
    return buckets, values


class NgramModel:
    """Ten numbers of a text: a score of each emotion and standardised valence, arousal and dominance.

    Args:
        rarity: inverse document frequency of each bucket, shape (``BUCKETS``,).
        weights: shape (``BUCKETS``, 10).
        bias: shape (10,).
    """

    FILE = "ngrams.npz"

    def __init__(self, rarity: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> None:
        self.rarity, self.weights, self.bias = rarity, weights, bias

    def __call__(self, text: str) -> np.ndarray:
        """Seven emotion logits, then valence, arousal and dominance in standard deviations; float32 (10,)."""
        buckets, values = hashed_features(text)
        values = scaled(buckets, values, self.rarity)
        return np.asarray(values @ self.weights[buckets].astype(np.float32) + self.bias, dtype=np.float32)

    def to_disk(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        np.savez_compressed(
            folder / self.FILE,
            rarity=self.rarity.astype(np.float16),
            weights=self.weights.astype(np.float16),
            bias=self.bias.astype(np.float32),
        )

    @classmethod
    def from_disk(cls, folder: Path) -> NgramModel:
        """Read what :meth:`to_disk` wrote."""
        with np.load(folder / cls.FILE) as arrays:
            return cls(arrays["rarity"].astype(np.float32), arrays["weights"], arrays["bias"])


def scaled(buckets: np.ndarray, values: np.ndarray, rarity: np.ndarray) -> np.ndarray:
    """Values times rarity, words and pieces each of length 1."""
    values = values * rarity[buckets]
    for kind in (_WORDS, _CHARACTERS):
        chosen = buckets % 2 == kind
        length = float(np.linalg.norm(values[chosen]))
        if length > 0:
            values[chosen] /= length
    return values


def _bucket(feature: str, kind: int) -> int:
    return zlib.crc32(feature.encode("utf-8")) % (BUCKETS // 2) * 2 + kind
