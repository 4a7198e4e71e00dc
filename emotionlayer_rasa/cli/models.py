"""``emotionlayer models``: what is on this machine, its licence, whether it is intact, and how to get the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from emotionlayer_rasa.cli.model_catalogue import Found, Model


@click.group()
def models() -> None:
    """Look at the models that are used, and fetch those that are not on this machine.

    Downloads go to the folder that EMOTIONLAYER_CACHE names, else to the user's cache. Vosk's archives come from
    the address that EMOTIONLAYER_VOSK_URL names, else from Vosk's own site.
    """


@models.command("list")
@click.option("--here", is_flag=True, help="Only those that are on this machine.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every file and its SHA-256.")
def list_models(here: bool, as_json: bool) -> None:
    """List all models: what for, licence, size, where they are, and whether their files are as installed.

    The exit code is 1 where a file of a model is not as it was installed.
    """
    from emotionlayer_rasa.cli.model_catalogue import catalogue
    from emotionlayer_rasa.model_store import ModelStore

    store = ModelStore()
    rows = [(model, model.find(store)) for model in catalogue()]
    rows = [(model, found) for model, found in rows if found or not here]
    if as_json:
        click.echo(json.dumps([_facts(model, found) for model, found in rows], indent=2))
    else:
        _print_table(rows)
    damaged = [(model, found) for model, found in rows if found and found.damaged]
    for model, found in damaged:
        click.echo(
            f"{model.name}: not as it was installed: {', '.join(found.damaged)}. {model.renewal(found)}", err=True
        )
    if damaged:
        raise SystemExit(1)


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--from",
    "archive",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Unpack this zip archive instead, for a machine without a connection; for one NAME of Vosk's.",
)
def download(names: tuple[str, ...], archive: Path | None) -> None:
    """Fetch models, with progress on stderr, and print where they are.

    An archive must have the SHA-256 of the catalogue; where that has none, the sum of the first download counts
    from then on. Nothing is fetched twice.
    """
    from emotionlayer_rasa.cli.model_catalogue import find_models
    from emotionlayer_rasa.model_store import ModelStore

    wanted, store = find_models(names), ModelStore()
    if archive is None:
        for model in wanted:
            click.echo(model.fetch(store))
        return
    row = wanted[0].vosk
    if len(wanted) > 1 or row is None:
        raise click.UsageError("--from takes one NAME, of a model of Vosk's.")
    click.echo(store.install(row.name, archive, row.sha256))


@models.command()
@click.argument("name")
def path(name: str) -> None:
    """Print the file or folder of a model on this machine, for scripts and settings."""
    from emotionlayer_rasa.cli.model_catalogue import find_models
    from emotionlayer_rasa.model_store import ModelStore

    (model,) = find_models([name])
    found = model.locate(ModelStore())
    if found is None:
        raise model.unavailable()
    click.echo(found)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def show(names: tuple[str, ...]) -> None:
    """Print each model's facts, the sums of its files, and its model card.

    Without a NAME, those of the models that are on this machine and have a card.
    """
    from rich.console import Console

    from emotionlayer_rasa.cli.model_catalogue import catalogue, find_models
    from emotionlayer_rasa.model_store import ModelStore

    console, store = Console(highlight=False), ModelStore()
    for model in find_models(names) if names else catalogue():
        found = model.find(store)
        if found and (names or _card(found)):
            _print_model(console, model, found)
        elif names:
            raise model.unavailable()


def _print_model(console: Console, model: Model, found: Found) -> None:
    from rich.markdown import Markdown

    about = f"{model.purpose}, {model.licence}, {found.summary}"
    console.print(f"[bold]{model.name}[/bold]: {about}", soft_wrap=True)
    for file in found.files:
        console.print(f"{file.sha256}  {file.path}", soft_wrap=True, markup=False)
    described = found.path.with_suffix(".json")
    if found.path.is_file() and described.is_file():
        console.print_json(described.read_text(encoding="utf-8"))
    if card := _card(found):
        console.print(Markdown(card.read_text(encoding="utf-8")))


def _card(found: Found) -> Path | None:
    """The model card: beside a file, within a folder."""
    place = found.path / "README.md" if found.path.is_dir() else found.path.with_suffix(".md")
    return place if place.is_file() else None


def _facts(model: Model, found: Found | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": model.name,
        "purpose": model.purpose,
        "language": model.language or None,
        "licence": model.licence,
        "here": found is not None,
    }
    if found is None:
        return {**facts, "obtain": model.obtain}
    return {
        **facts,
        "place": found.place,
        "path": str(found.path),
        "bytes": found.size,
        "sums": found.sums,
        "files": [
            {"path": str(file.path), "bytes": file.size, "sha256": file.sha256, "recorded": file.recorded}
            for file in found.files
        ],
        "missing": list(found.missing),
    }


def _print_table(rows: list[tuple[Model, Found | None]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("name", no_wrap=True)
    for name in ("for", "licence"):
        table.add_column(name, overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    for name in ("where", "sums"):
        table.add_column(name, overflow="fold")
    for model, found in rows:
        purpose = f"{model.purpose} ({model.language})" if model.language else model.purpose
        here = (f"{found.size / 1e6:.1f} MB", found.place, found.sums) if found else ("", "not here", "")
        table.add_row(model.name, purpose, model.licence, *here)
    Console(highlight=False, markup=False).print(table)
