"""What is trained of multilingual-e5-small: its first layers, and linear heads on what they make of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertModel
from typing_extensions import Self

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS
from emotionlayer_rasa.words.encoder import OUTPUTS, pieces

_EMOTIONS = slice(0, len(EMOTIONS))
_RATINGS = slice(_EMOTIONS.stop, _EMOTIONS.stop + len(DIMENSIONS))
_YES_NO = slice(_RATINGS.stop, len(OUTPUTS))

AVERAGED_FROM = 0.6
"""Share of the training after which the weights are averaged, every ten batches (P. Izmailov et al. 2018)."""

DROPPED = 0.1
"""Share of what a head reads that is dropped while it is trained."""


class PieceEncoder(nn.Module):
    """Pieces of words to one vector for each of them.

    Args:
        bert: the encoder; its table of pieces stays as it is, its layers are trained further.
        places: most pieces that a text may have.
    """

    def __init__(self, bert: BertModel, places: int) -> None:
        super().__init__()
        table = bert.embeddings.word_embeddings.weight.detach()
        # One byte a number, and a scale for each piece: half the file would be this table otherwise.
        scale = table.abs().amax(dim=1, keepdim=True) / 127
        self.register_buffer("table", torch.round(table / scale).to(torch.int8))
        self.register_buffer("scale", scale)
        first = bert.embeddings.position_embeddings.weight[:places]
        self.register_buffer("places", (first + bert.embeddings.token_type_embeddings.weight[0]).detach())
        self.norm = bert.embeddings.LayerNorm.requires_grad_(False)
        self.layers = bert.encoder.layer
        self.config = bert.config

    @property
    def width(self) -> int:
        """Numbers of one vector."""
        return int(self.table.shape[1])

    @classmethod
    def load(cls, path: Path) -> tuple[PieceEncoder, Tokenizer]:
        """Encoder and tokenizer of what :meth:`HeadedEncoder.save` wrote.

        Raises:
            ConfigurationError: there is no such file.
        """
        kept = _kept(path)
        bert = BertModel(BertConfig.from_dict(kept["config"]), add_pooling_layer=False)
        encoder = cls(bert, len(kept["weights"]["places"]))
        encoder.load_state_dict(kept["weights"])
        return encoder, Tokenizer.from_str(kept["tokenizer"])

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """float32 (texts, length, width).

        Args:
            ids: of pieces, int64 (texts, length).
            mask: 1 for pieces and 0 for padding, float (texts, length); None where nothing is padded.
        """
        hidden = self.table[ids].to(self.scale.dtype) * self.scale[ids]
        hidden = self.norm(hidden + self.places[: ids.shape[1]])
        away = None if mask is None else (1 - mask)[:, None, None, :] * -1e4
        for layer in self.layers:
            hidden = layer(hidden, away)[0]
        return hidden.float()


def pooled(hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Mean and largest value over the pieces shown; (texts, 2 * width)."""
    if mask is None:
        return torch.cat([hidden.mean(1), hidden.amax(1)], dim=1)
    shown = mask[..., None]
    mean = (hidden * shown).sum(1) / shown.sum(1)
    return torch.cat([mean, (hidden - 1e4 * (1 - shown)).amax(1)], dim=1)


class HeadedEncoder(nn.Module):
    """An encoder with a linear head on it; what lies between is the subclass's.

    Args:
        encoder: trained further.
        tokenizer: cuts texts into its pieces.
    """

    POOLS = 1
    """How often the pieces are :func:`pooled` for the head."""
    OUTPUTS: tuple[str, ...] = ()
    """Names of the head's numbers."""

    def __init__(self, encoder: PieceEncoder, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.encoder, self.tokenizer = encoder, tokenizer
        self.head = nn.Linear(self.POOLS * 2 * encoder.width, len(self.OUTPUTS))

    def save(self, path: Path) -> None:
        """Write encoder, head and tokenizer to one file, from which another training may start."""
        kept = {"config": self.encoder.config.to_dict(), "weights": self.encoder.state_dict()}
        torch.save({**kept, "head": self.head.state_dict(), "tokenizer": self.tokenizer.to_str()}, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What :meth:`save` wrote.

        Raises:
            ConfigurationError: there is no such file.
        """
        network = cls(*PieceEncoder.load(path))
        network.head.load_state_dict(_kept(path)["head"])
        return network


class WordNetwork(HeadedEncoder):
    """Texts to the numbers of :data:`~emotionlayer_rasa.words.encoder.OUTPUTS`."""

    OUTPUTS = OUTPUTS

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """float32 (texts, 22); the arguments are those of :meth:`PieceEncoder.forward`."""
        return self.head(functional.dropout(pooled(self.encoder(ids, mask), mask), DROPPED, self.training))

    def inputs(self, texts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        """The arguments of :meth:`forward` for some texts."""
        return padded([pieces(self.tokenizer, text) for text in texts])


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """What is asked of the reader of words, where a target is known: the others are NaN; both float32 (texts, 22).

    Cross-entropy with the shares of the emotions, squared error of the ratings, binary cross-entropy of the rest.
    """
    known = ~torch.isnan(targets)
    wanted = torch.nan_to_num(targets)
    emotions = -(wanted[:, _EMOTIONS] * functional.log_softmax(outputs[:, _EMOTIONS], dim=1)).sum(1)
    ratings = functional.mse_loss(outputs[:, _RATINGS], wanted[:, _RATINGS], reduction="none")
    yes_no = functional.binary_cross_entropy_with_logits(outputs[:, _YES_NO], wanted[:, _YES_NO], reduction="none")
    total = emotions.sum() + 0.5 * (ratings * known[:, _RATINGS]).sum() + 0.7 * (yes_no * known[:, _YES_NO]).sum()
    return total / len(outputs)


def fit(
    network: nn.Module,
    batches: Sequence[tuple[tuple[torch.Tensor, ...], np.ndarray]],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    rate: float,
    head_rate: float,
) -> Iterator[float]:
    """Train over the batches, in their order; the weights kept are the mean of the last ones.

    Args:
        network: an ``encoder`` and a ``head``, changed in place.
        batches: what the network takes, and targets, float32 (examples, outputs), NaN where nothing is known.
        loss: of outputs and targets.
        rate: learning rate of the layers; falls in a straight line after a short warm-up.
        head_rate: that of the head.

    Yields:
        The mean loss of every hundred batches.
    """
    body = list(network.get_submodule("encoder.layers").parameters())
    head = list(network.get_submodule("head").parameters())
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": rate}, {"params": head, "lr": head_rate}], weight_decay=0.01
    )
    warm_up = min(200, len(batches) // 10 + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, max(0.02, 1 - step / len(batches)))
    )
    network.train()
    weights = [*body, *head]
    means, counted = [weight.detach().clone() for weight in weights], 0
    total = 0.0
    for step, (inputs, targets) in enumerate(batches, 1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = network(*inputs).float()
        value = loss(outputs, torch.from_numpy(targets))
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(body, 1.0)
        optimizer.step()
        schedule.step()
        if step > AVERAGED_FROM * len(batches) and step % 10 == 0:
            counted += 1
            for mean, weight in zip(means, weights, strict=True):
                mean += (weight.detach() - mean) / counted
        total += value.item()
        if step % 100 == 0:
            yield total / 100
            total = 0.0
    if counted:
        with torch.no_grad():
            for mean, weight in zip(means, weights, strict=True):
                weight.copy_(mean)
    network.eval()


def _kept(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigurationError(f"{path} is missing. Write it with `emotionlayer train-text --keep {path}`.")
    return dict(torch.load(path, weights_only=True))


def padded(ids: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids filled up to one length, int64, and the mask of :meth:`PieceEncoder.forward`."""
    length = max(map(len, ids))
    filled = torch.tensor([[*text, *[0] * (length - len(text))] for text in ids])
    mask = torch.tensor([[1.0] * len(text) + [0.0] * (length - len(text)) for text in ids])
    return filled, mask
