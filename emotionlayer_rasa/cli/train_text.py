"""``emotionlayer train-text``: train the models that read the emotion of words."""

from __future__ import annotations

import logging
from pathlib import Path

import click


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder with goemotions/, emobank/ and emoita/.")
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    help="Folder of a MiniLM sentence encoder in Hugging Face's layout; else the installed package's.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the pipelines; else the shipped ones'.")
def train_text(data: Path | None, encoder: Path | None, out: Path | None) -> None:
    """Train the English and the Italian model, measure them and write their spaCy pipelines."""
    from emotionlayer_rasa.errors import MissingExtraError

    try:
        from emotionlayer_rasa.training.words.train import TextTraining
        from emotionlayer_rasa.training.words.train import train_text as run
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers", "onnx"):
            raise
        raise MissingExtraError(error.name, "train") from None
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given = {"data": data, "encoder": encoder, "out": out}
    run(TextTraining.parse_obj({name: path for name, path in given.items() if path is not None}))
