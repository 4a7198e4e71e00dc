"""``python -m emotionlayer_rasa.training.text``: train the models that read words."""

from __future__ import annotations

from pathlib import Path

import click

from emotionlayer_rasa.training.text.train import TextTraining, train_text


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder with goemotions/, emobank/ and emoita/.")
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    help="Folder of a MiniLM sentence encoder in Hugging Face's layout.",
)
@click.option("--out", type=click.Path(path_type=Path), default=TextTraining().out, show_default=True)
def main(data: Path | None, encoder: Path | None, out: Path) -> None:
    """Train both languages and write their spaCy pipelines."""
    train_text(TextTraining(out=out, data=data or TextTraining().data, encoder=encoder))


if __name__ == "__main__":
    main()
