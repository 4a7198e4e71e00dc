"""``emotionlayer train-replies``: train the reply reader."""

from __future__ import annotations

import logging
from pathlib import Path

import click


@click.command()
@click.option(
    "--start", type=click.Path(path_type=Path), required=True, help="What `train-text --keep` has written."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the reader; else the shipped one's.")
def train_replies(start: Path, out: Path | None) -> None:
    """Train what finds faults of meaning in replies, in six languages, and choose its thresholds."""
    from emotionlayer_rasa.errors import MissingExtraError

    try:
        from emotionlayer_rasa.training.replies.train import ReplyTraining
        from emotionlayer_rasa.training.replies.train import train_replies as run
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers", "onnx"):
            raise
        raise MissingExtraError(error.name, "train") from None
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given = {"start": start, "out": out}
    run(ReplyTraining.parse_obj({name: path for name, path in given.items() if path is not None}))
