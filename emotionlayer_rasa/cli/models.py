"""``emotionlayer models``: what is shipped."""

from __future__ import annotations

import json
from importlib.resources import files

import click


@click.group()
def models() -> None:
    """Look at the models that are shipped with the package."""


@models.command()
def show() -> None:
    """Print the shipped emotion model's facts and its model card."""
    from rich.console import Console
    from rich.markdown import Markdown

    from emotionlayer_rasa.errors import ModelUnavailableError

    weights = files("emotionlayer_rasa.emotion") / "weights"
    facts = sorted((item for item in weights.iterdir() if item.name.endswith(".json")), key=lambda item: item.name)
    card = weights / "MODEL_CARD.md"
    if not facts or not card.is_file():
        raise ModelUnavailableError(
            "This installation holds no emotion model or no model card. "
            "Install the package again, or train a model with: emotionlayer train"
        )
    console = Console()
    for file in facts:
        console.print(f"[bold]{file.name}[/bold]")
        console.print_json(json.dumps(json.loads(file.read_text(encoding="utf-8"))))
    console.print(Markdown(card.read_text(encoding="utf-8")))
