"""``emotionlayer models``: what is shipped."""

from __future__ import annotations

import json

import click


@click.group()
def models() -> None:
    """Look at the emotion models of this project."""


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def show(names: tuple[str, ...]) -> None:
    """Print each model's facts and its model card: open, which is shipped, and research, where it is there."""
    from rich.console import Console
    from rich.markdown import Markdown

    from emotionlayer_rasa.emotion.onnx_recognizer import NAMED_MODELS
    from emotionlayer_rasa.errors import ConfigurationError, ModelUnavailableError

    if strange := [name for name in names if name not in NAMED_MODELS]:
        raise ConfigurationError(f"No model is called {', '.join(strange)}. Known: {', '.join(NAMED_MODELS)}.")
    console = Console()
    for name in names or NAMED_MODELS:
        facts, card = (NAMED_MODELS[name].with_suffix(suffix) for suffix in (".json", ".md"))
        if not facts.is_file() or not card.is_file():
            if name in names or name == "open":
                raise ModelUnavailableError(
                    f"This installation holds no emotion model '{name}', or no card of it. "
                    f"Install the package again, or train the model with: emotionlayer train --config {name}"
                )
            continue
        console.print(f"[bold]{name}[/bold]: {facts.name}")
        console.print_json(json.dumps(json.loads(facts.read_text(encoding="utf-8"))))
        console.print(Markdown(card.read_text(encoding="utf-8")))
