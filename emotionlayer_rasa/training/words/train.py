"""``emotionlayer train-text``: the reader of words, from multilingual-e5-small to one small ONNX file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Iterator, Sequence

import numpy as np
import torch
import wordfreq

from emotionlayer_rasa.affect.fusion import TABLE
from emotionlayer_rasa.emotion.onnx_recognizer import softmax
from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS
from emotionlayer_rasa.training.calibration import fit_temperature, fit_threshold, platt
from emotionlayer_rasa.training.export import export_onnx
from emotionlayer_rasa.training.states.train import train_states
from emotionlayer_rasa.training.words.corpora import (
    LabelledTexts,
    caller_lines,
    caller_ratings,
    callers,
    cue_sentences,
    default_data,
    emo_bank,
    foreign,
    go_emotions,
    joined,
)
from emotionlayer_rasa.training.words.figures import all_outputs, caller_figures, corpus_figures
from emotionlayer_rasa.training.words.network import PieceEncoder, WordNetwork, fit, loss
from emotionlayer_rasa.training.words.start import Carrier, starting_point
from emotionlayer_rasa.words.encoder import OUTPUTS, WordEncoder, pieces, plain
from emotionlayer_rasa.words.reader import DESCRIPTION, LANGUAGES, WEIGHTS_DIR, TextReader

logger = logging.getLogger(__name__)

NAME = "emotionlayer-text-2.1"

PLACES = 192
"""Most pieces of a text, in whatever is trained further from the encoder."""

FOREIGN = (1.0, 2.25)
"""Slope and offset of ``foreign``, which has no development part of its own: five of the callers' 2,507 lines
there are unknown by it."""

_YES_NO = slice(len(EMOTIONS) + len(DIMENSIONS), len(OUTPUTS))


class TextTraining(Settings):
    """How the reader of words is trained.

    Attributes:
        data: folder with ``goemotions``, ``emobank`` and ``emoita``.
        encoder: packed file of multilingual-e5-small; None takes the installed package's.
        out: where graph, tokenizer and description go, and the table of states where it is not the package's.
        start: what an earlier training kept, to be trained further; None starts from ``encoder``.
        keep: file for the trained network, from which ``emotionlayer train-replies`` starts; None keeps none.
        layers: of the encoder, from the bottom.
        vocabulary: most frequent words of each language whose pieces are kept.
        epochs: passes over what callers say.
        new_hands: those of the training part whose lines are read three times as often, since ``start`` has not
            learnt from them.
        foreign_epochs: passes over texts that are not to be read.
        rated_epochs: passes over EmoBank and EmoITA.
        comments: how many comments of GoEmotions are used, the rarer emotions first.
        spoken: share of the texts that are trained without punctuation, as a recogniser writes them.
        rate, head_rate: learning rates of the encoder's layers and of the head.
        target_accuracy: share of right labels, on the callers' development part, from which on a label is given.
        threads: processor threads.
        seed: of everything random.
    """

    data: Path = pydantic.Field(default_factory=default_data)
    encoder: Path | None = None
    start: Path | None = None
    out: Path = WEIGHTS_DIR
    keep: Path | None = None
    layers: pydantic.PositiveInt = 12
    vocabulary: pydantic.PositiveInt = 40_000
    epochs: pydantic.PositiveInt = 4
    new_hands: tuple[int, ...] = ()
    foreign_epochs: pydantic.PositiveInt = 2
    rated_epochs: tuple[int, int] = (3, 3)
    comments: pydantic.PositiveInt = 30_000
    spoken: float = 0.3
    rate: float = 8e-5
    head_rate: float = 1e-3
    target_accuracy: float = 0.85
    threads: pydantic.PositiveInt = 2
    seed: int = 7


def train_text(settings: TextTraining = TextTraining()) -> None:
    """Train the reader, calibrate it on the callers' development part, measure it, and fit the table of states.

    Args:
        settings: how.

    Raises:
        ConfigurationError: a corpus is missing.
        ModelUnavailableError: there is no encoder to start from.
    """
    torch.set_num_threads(settings.threads)
    settings.out.mkdir(parents=True, exist_ok=True)
    network = _trained(settings)
    if settings.keep is not None:
        network.save(settings.keep)
    _export(network, settings.out)
    reader = _calibrated(settings)
    figures = {"callers": caller_figures(reader.read, "dev"), **corpus_figures(reader, settings.data, "test")}
    _describe(settings.out, {**reader.description, "figures": _rounded(figures)})
    logger.info("text.trained figures=%s", figures)
    train_states(reader.read, TABLE if settings.out == WEIGHTS_DIR else settings.out / TABLE.name)


def _trained(settings: TextTraining) -> WordNetwork:
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    said = callers("train")
    new = [place for place, line in enumerate(caller_lines("train")) if line.hand in settings.new_hands]
    parts = [(said, settings.epochs), (said.part(new), 2 * settings.epochs), (cue_sentences(), settings.epochs)]
    parts += [(foreign("train"), settings.foreign_epochs)]
    parts += [(_some(go_emotions(settings.data, "train"), settings.comments, rng), 1)]
    rated = zip(("en", "it"), settings.rated_epochs, strict=True)
    parts += [(emo_bank(settings.data, "train", language), epochs) for language, epochs in rated]
    network = WordNetwork.load(settings.start) if settings.start else _untrained(settings, said.texts)
    read = joined([corpus for corpus, epochs in parts for _ in range(epochs)])
    batches = [
        (network.inputs(_as_heard(batch.texts, settings.spoken, rng)), batch.targets)
        for batch in _batches(read, rng)
    ]
    rng.shuffle(batches)
    logger.info("text.training batches=%d pieces=%d", len(batches), network.tokenizer.get_vocab_size())
    for hundred, value in enumerate(fit(network, batches, loss, settings.rate, settings.head_rate), 1):
        logger.info("text.training batches=%d loss=%.3f", 100 * hundred, value)
    return network


def _untrained(settings: TextTraining, said: Sequence[str]) -> WordNetwork:
    words = [word for language in LANGUAGES for word in wordfreq.top_n_list(language, settings.vocabulary)]
    bert, tokenizer = starting_point(Carrier(settings.encoder), settings.layers, [*words, *map(plain, said)])
    return WordNetwork(PieceEncoder(bert, PLACES), tokenizer)


def _export(network: WordNetwork, out: Path) -> None:
    example = {"pieces": torch.tensor([pieces(network.tokenizer, "Hello there.")])}
    export_onnx(network, example, ["outputs"], out / WordEncoder.GRAPH, {"pieces": {1: "length"}})
    network.tokenizer.save(str(out / WordEncoder.TOKENIZER), pretty=False)


def _calibrated(settings: TextTraining) -> TextReader:
    """The exported reader, its probabilities fitted to the callers' development part."""
    count = len(OUTPUTS) - _YES_NO.start
    description: dict[str, Any] = {
        "name": NAME,
        "temperature": 1.0,
        "threshold": 0.0,
        "ratings": np.round(np.stack(caller_ratings(), axis=1), 4).tolist(),
        "slopes": [1.0] * count,
        "offsets": [0.0] * count,
    }
    _describe(settings.out, description)
    held_out = callers("dev")
    outputs = all_outputs(TextReader(settings.out), held_out)
    logits, truth = outputs[:, : len(EMOTIONS)], held_out.targets[:, : len(EMOTIONS)].argmax(axis=1)
    temperature = fit_temperature(logits, truth)
    threshold = fit_threshold(softmax(logits, temperature), truth, settings.target_accuracy)
    lines = [
        platt(outputs[:, place], held_out.targets[:, place]) if OUTPUTS[place] != "foreign" else FOREIGN
        for place in range(_YES_NO.start, _YES_NO.stop)
    ]
    slopes, offsets = zip(*lines, strict=True)
    description |= {
        "temperature": round(temperature, 3),
        "threshold": round(threshold, 3),
        "slopes": np.round(slopes, 3).tolist(),
        "offsets": np.round(offsets, 3).tolist(),
    }
    _describe(settings.out, description)
    return TextReader(settings.out)


def _describe(out: Path, description: dict[str, Any]) -> None:
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (out / DESCRIPTION).write_text(text, encoding="utf-8")


def _batches(corpus: LabelledTexts, rng: np.random.Generator, size: int = 32) -> Iterator[LabelledTexts]:
    """Batches of like length, so that little is padded."""
    order = rng.permutation(len(corpus))
    for start in range(0, len(order), 16 * size):
        window = sorted(order[start : start + 16 * size], key=lambda index: len(corpus.texts[index]))
        yield from (corpus.part(window[at : at + size]) for at in range(0, len(window), size))


def _some(comments: LabelledTexts, count: int, rng: np.random.Generator) -> LabelledTexts:
    """``count`` comments: those with an emotion other than joy and neutral first, the rest by chance."""
    common = (comments.targets[:, [EMOTIONS.index("joy"), EMOTIONS.index("neutral")]] > 0).any(axis=1)
    return comments.part(np.lexsort((rng.random(len(comments)), common))[:count])


def _as_heard(texts: Sequence[str], share: float, rng: np.random.Generator) -> list[str]:
    """Texts, a share of them without punctuation, as a recogniser writes them."""
    return [
        "".join(mark for mark in text if mark.isalnum() or mark in " '’") if rng.random() < share else text
        for text in texts
    ]


def _rounded(figures: Any) -> Any:
    if isinstance(figures, dict):
        return {name: _rounded(value) for name, value in figures.items()}
    return round(figures, 3)
