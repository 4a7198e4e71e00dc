"""``emotionlayer train-replies``: the reply reader, from the reader of words' start to one ONNX file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional

from emotionlayer_rasa.response.reply_reader import (
    DESCRIPTION,
    FAULTS,
    GRAPH,
    TOKENIZER,
    WEIGHTS_DIR,
    ReplyReader,
    reply_pieces,
)
from emotionlayer_rasa.response.said import review
from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.training.calibration import platt
from emotionlayer_rasa.training.export import export_onnx
from emotionlayer_rasa.training.replies.corpora import LabelledReply, Variations, hands, older, templates
from emotionlayer_rasa.training.words.network import DROPPED, HeadedEncoder, PieceEncoder, fit, padded, pooled

logger = logging.getLogger(__name__)

NAME = "emotionlayer-replies-1.1"


class ReplyTraining(Settings):
    """How the reply reader is trained.

    Attributes:
        start: the encoder as ``emotionlayer train-text --keep FILE`` leaves it.
        out: where graph, tokenizer and description go.
        epochs: passes over the hands' replies; the older ones are read once less, templates once.
        rate, head_rate: learning rates of the encoder's layers and of the head.
        refused: share of good replies of the development part that a strategy's threshold may refuse.
        threads: processor threads.
        seed: of everything random.
    """

    start: Path
    out: Path = WEIGHTS_DIR
    epochs: pydantic.PositiveInt = 4
    rate: float = 8e-5
    head_rate: float = 1e-3
    refused: float = 0.06
    threads: pydantic.PositiveInt = 2
    seed: int = 7


class ReplyNetwork(HeadedEncoder):
    """Replies to logits of :data:`~emotionlayer_rasa.response.reply_reader.FAULTS`."""

    POOLS = 2
    OUTPUTS = FAULTS

    def forward(self, ids: torch.Tensor, reply: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """float32 (replies, 11).

        Args:
            ids: of pieces, int64 (replies, length).
            reply: 1 where the reply stands, float (replies, length).
            mask: 1 for pieces and 0 for padding, float (replies, length); None where nothing is padded.
        """
        hidden = self.encoder(ids, mask)
        whole = torch.cat([pooled(hidden, mask), pooled(hidden, reply)], dim=1)
        return self.head(functional.dropout(whole, DROPPED, self.training))

    def inputs(self, replies: Sequence[LabelledReply]) -> tuple[torch.Tensor, ...]:
        """The arguments of :meth:`forward` for some replies."""
        found = [reply_pieces(self.tokenizer, one.reply, one.strategy, one.caller, one.slots) for one in replies]
        ids, mask = padded([pieces for pieces, _ in found])
        shown = mask.clone()
        for row, (_, start) in enumerate(found):
            shown[row, :start] = 0
        return ids, shown, mask


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy where a target is known; ``unfit`` counts three times a fault."""
    known = ~torch.isnan(targets)
    each = (
        functional.binary_cross_entropy_with_logits(outputs, torch.nan_to_num(targets), reduction="none") * known
    )
    return (0.5 * each[:, :-1].sum(1) + 1.5 * each[:, -1]).mean()


def train_replies(settings: ReplyTraining) -> None:
    """Train the reply reader; calibrate, measure and choose thresholds on the development part.

    Args:
        settings: how.

    Raises:
        ConfigurationError: there is no file to start from.
    """
    torch.set_num_threads(settings.threads)
    settings.out.mkdir(parents=True, exist_ok=True)
    network = _trained(settings)
    _export(network, settings.out)
    _calibrate(settings)


def _trained(settings: ReplyTraining) -> ReplyNetwork:
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    network = ReplyNetwork(*PieceEncoder.load(settings.start))
    written, before = hands("train"), older()
    variations = Variations([*written, *before])
    read = [variations.of(reply, rng) for _ in range(settings.epochs) for reply in written]
    read += [variations.of(reply, rng) for _ in range(settings.epochs - 1) for reply in before] + templates()
    batches = [
        (network.inputs(batch), np.stack([reply.target for reply in batch])) for batch in _batches(read, rng)
    ]
    rng.shuffle(batches)
    logger.info("replies.training batches=%d", len(batches))
    for hundred, value in enumerate(fit(network, batches, loss, settings.rate, settings.head_rate), 1):
        logger.info("replies.training batches=%d loss=%.3f", 100 * hundred, value)
    return network


def _batches(
    replies: Sequence[LabelledReply], rng: np.random.Generator, size: int = 32
) -> Iterator[list[LabelledReply]]:
    """Batches of like length, so that little is padded."""
    order = rng.permutation(len(replies))
    for start in range(0, len(order), 16 * size):
        window = sorted(order[start : start + 16 * size], key=lambda place: _length(replies[place]))
        for at in range(0, len(window), size):
            yield [replies[place] for place in window[at : at + size]]


def _length(reply: LabelledReply) -> int:
    return len(reply.reply) + len(reply.caller) + len(str(reply.slots))


def _export(network: ReplyNetwork, out: Path) -> None:
    ids, start = reply_pieces(network.tokenizer, "Hello there.", STRATEGIES[0], "Hello?", {"name": "Ann"})
    shown = torch.tensor([[float(place >= start) for place in range(len(ids))]])
    example = {"pieces": torch.tensor([ids]), "reply": shown}
    export_onnx(network, example, ["outputs"], out / GRAPH, {"pieces": {1: "length"}, "reply": {1: "length"}})
    network.tokenizer.save(str(out / TOKENIZER), pretty=False)


def _calibrate(settings: ReplyTraining) -> None:
    """Fit probabilities and thresholds to the development part."""
    description: dict[str, Any] = {
        "name": NAME,
        "slopes": [1.0] * len(FAULTS),
        "offsets": [0.0] * len(FAULTS),
        "thresholds": dict.fromkeys(STRATEGIES, 0.5),
    }
    _describe(settings.out, description)
    held_out = hands("dev")
    reader = ReplyReader(settings.out)
    as_given = [review(one.reply, one.slots, one.caller, one.language).as_given for one in held_out]
    logits = np.stack(
        [
            reader.logits(reply, one.strategy, one.caller, one.slots)
            for reply, one in zip(as_given, held_out, strict=True)
        ]
    )
    targets = np.stack([one.target for one in held_out])
    lines = [platt(logits[:, place], targets[:, place]) for place in range(len(FAULTS))]
    slopes, offsets = (np.round(values, 3) for values in zip(*lines, strict=True))
    unfit = 1 / (1 + np.exp(-(logits[:, -1] * slopes[-1] + offsets[-1])))
    good = targets[:, -1] == 0
    thresholds = {}
    of_all = np.quantile(unfit[good], 1 - settings.refused)
    for strategy in STRATEGIES:
        of = np.asarray([one.strategy == strategy for one in held_out])
        fit_ones = unfit[good & of]  # some ninety: half of what they tell is chance
        own = np.quantile(fit_ones, 1 - settings.refused) if len(fit_ones) else of_all
        thresholds[strategy] = round(float(own + of_all) / 2, 3)
    limits = np.asarray([thresholds[one.strategy] for one in held_out])
    figures = {
        "caught": float((unfit >= limits)[~good].mean()),
        "wrongly_refused": float((unfit >= limits)[good].mean()),
    }
    description |= {
        "slopes": slopes.tolist(),
        "offsets": offsets.tolist(),
        "thresholds": thresholds,
        "figures": {name: round(value, 3) for name, value in figures.items()},
    }
    _describe(settings.out, description)
    logger.info("replies.trained figures=%s", figures)


def _describe(out: Path, description: dict[str, Any]) -> None:
    (out / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
