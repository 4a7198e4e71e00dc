"""``emotionlayer train``: train and export the emotion model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command()
@click.option(
    "--config",
    default="open",
    show_default=True,
    help="open or research, the models of this project, or a file like their configurations.",
)
@click.option("--out", type=click.Path(path_type=Path), default="results/training", show_default=True)
@click.option(
    "--corpus", "named", multiple=True, metavar="NAME=PATH", help="Train on this corpus; may be repeated."
)
@click.option("--agreement", default=0.0, show_default=True, help="Share of the votes a clip's label must have.")
@click.option(
    "--ambiguous",
    type=click.Choice(["drop", "soften"]),
    default="drop",
    show_default=True,
    help="Leave out clips with less agreement, or train them on their raters' votes.",
)
def train(
    config: str,
    out: Path,
    named: tuple[str, ...],
    agreement: float,
    ambiguous: Literal["drop", "soften"],
) -> None:
    """Train the emotion model on labelled recordings, split by speaker, measure it and export it to ONNX.

    Corpora that can be named: ravdess, crema-d, emovo, emodb, iemocap, emozionalmente, ai4ser, msp-podcast, and
    shared (a folder with a manifest.csv). Without --corpus, the manifests of the configuration are used.
    """
    from emotionlayer_rasa.errors import MissingExtraError

    try:
        from emotionlayer_rasa.training.config import CONFIGS
        from emotionlayer_rasa.training.train import train as run
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchaudio", "transformers", "onnx"):
            raise
        raise MissingExtraError(error.name, "train") from None
    corpora = {}
    for pair in named:
        name, separator, path = pair.partition("=")
        if not separator or not path:
            raise click.BadParameter(f"'{pair}' is not of the form NAME=PATH", param_hint="--corpus")
        corpora[name] = Path(path)
    run(CONFIGS.get(config, Path(config)), out, corpora, agreement, ambiguous)
