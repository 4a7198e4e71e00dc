"""``emotionlayer train``: train and export the emotion model."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="A training configuration; else the shipped one.")
@click.option("--out", type=click.Path(path_type=Path), default="results/training", show_default=True)
def train(config: Path | None, out: Path) -> None:
    """Train the emotion model on labelled recordings, split by speaker, measure it and export it to ONNX."""
    from emotionlayer_rasa.errors import MissingExtraError

    try:
        from emotionlayer_rasa.training.train import train as run
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers", "onnx"):
            raise
        raise MissingExtraError(error.name, "train") from None
    run(config, out)
