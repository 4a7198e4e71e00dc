"""A small Transformer over word pieces, as one ONNX file with its vocabulary."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import numpy as np
import onnxruntime

MAX_PIECES = 64
"""Longer texts are cut: a turn in a call is shorter."""

_TOKENS = re.compile(r"\w+|[^\w\s]")
_START, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"


class WordPieces:
    """BERT's uncased word pieces: the longest known piece first, continuations marked by ``##``.

    From Y. Wu et al. (2016), Google's Neural Machine Translation System, arXiv 1609.08144, section 4.1.

    Args:
        vocabulary: pieces in the order of their ids.
    """

    def __init__(self, vocabulary: list[str]) -> None:
        self.vocabulary = vocabulary
        self._ids = {piece: index for index, piece in enumerate(vocabulary)}
        self._longest = max(map(len, vocabulary))

    def __call__(self, text: str) -> list[int]:
        """Ids of a text's pieces, between the start and the end mark; at most ``MAX_PIECES``."""
        decomposed = unicodedata.normalize("NFD", text.lower().replace("’", "'").replace("_", " _ "))
        plain = "".join(mark for mark in decomposed if unicodedata.category(mark) != "Mn")
        ids = [self._ids[_START]]
        for word in _TOKENS.findall(plain):
            ids.extend(self._word(word))
        return [*ids[: MAX_PIECES - 1], self._ids[_END]]

    def _word(self, word: str) -> list[int]:
        ids: list[int] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            ends = range(min(len(word), start + self._longest), start, -1)
            end = next((end for end in ends if mark + word[start:end] in self._ids), None)
            if end is None:
                return [self._ids[_UNKNOWN]]
            ids.append(self._ids[mark + word[start:end]])
            start = end
        return ids


class EncoderModel:
    """Ten numbers of a text: a score of each emotion and standardised valence, arousal and dominance.

    The graph takes ``pieces`` (1, n) int64 and gives ``outputs`` (1, 10).

    Args:
        graph: the ONNX file's bytes.
        pieces: cuts a text into ids.
    """

    GRAPH = "encoder.onnx"
    VOCABULARY = "vocabulary.txt"

    def __init__(self, graph: bytes, pieces: WordPieces) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._graph = graph
        self._pieces = pieces
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, text: str) -> np.ndarray:
        """Seven emotion logits, then valence, arousal and dominance in standard deviations; float32 (10,)."""
        pieces = np.asarray([self._pieces(text)], dtype=np.int64)
        return np.asarray(self._session.run(["outputs"], {"pieces": pieces})[0][0], dtype=np.float32)

    def to_disk(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        (folder / self.GRAPH).write_bytes(self._graph)
        (folder / self.VOCABULARY).write_text("\n".join(self._pieces.vocabulary), encoding="utf-8")

    @classmethod
    def from_disk(cls, folder: Path) -> EncoderModel:
        """Read what :meth:`to_disk` wrote."""
        vocabulary = (folder / cls.VOCABULARY).read_text(encoding="utf-8").split("\n")
        return cls((folder / cls.GRAPH).read_bytes(), WordPieces(vocabulary))
