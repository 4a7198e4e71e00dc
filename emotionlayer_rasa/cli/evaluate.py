"""``emotionlayer evaluate``: how good an emotion recognizer is on labelled recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

import click

if TYPE_CHECKING:
    from emotionlayer_rasa.emotion import EmotionRecognizer
    from emotionlayer_rasa.evaluation.voice import Clip, Outcome


@click.command()
@click.option(
    "--manifest",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV file with the columns path, corpus, language, speaker, gender, emotion.",
)
@click.option("--root", type=click.Path(path_type=Path), help="Folder of the recordings; else the manifest's.")
@click.option("--engine", type=click.Choice(["onnx", "transformers"]), default="onnx", show_default=True)
@click.option("--model", help="Path or hub id of the emotion model; else the shipped one.")
@click.option(
    "--degrade",
    type=click.Choice(["telephone", "snr10", "snr0", "clip", "reverb"]),
    help="Damage every recording first.",
)
@click.option(
    "--adapt",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Also hear every recording after 1, 4, ... N others of its speaker, and print the curve.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Threads.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the report.")
def evaluate(
    manifest: Path,
    root: Path | None,
    engine: str,
    model: str | None,
    degrade: str | None,
    adapt: int | None,
    workers: int,
    out: Path,
) -> None:
    """Measure an emotion recognizer on the recordings of a manifest.

    Writes metrics.json, report.md and confusion.png. A bad recording is one line on stderr; the others are still
    measured, and the exit code is 1.
    """
    from emotionlayer_rasa.emotion import EmotionSettings, create_recognizer
    from emotionlayer_rasa.evaluation.voice import measure, read_manifest, write_report
    from emotionlayer_rasa.settings import read_settings

    clips = read_manifest(manifest)
    settings = read_settings(EmotionSettings, {"engine": engine, "model": model}, "emotionlayer evaluate")
    recognizer = create_recognizer(settings)
    root = root or manifest.parent
    result = measure(_recognize(recognizer, clips, root, degrade, workers), recognizer.model, degrade)
    if adapt:
        result["adapted"] = _adapted(recognizer, clips, root, degrade, workers, adapt)
    write_report(result, out)
    _print_table(result)
    if adapt:
        _print_curve(result)
    click.echo(f"Written: {out}/metrics.json, report.md, confusion.png")
    if result["failures"]:
        raise SystemExit(1)


def _recognize(
    recognizer: EmotionRecognizer, clips: Sequence[Clip], root: Path, degrade: str | None, workers: int
) -> list[Outcome]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from emotionlayer_rasa.evaluation.voice import DEGRADATIONS, recognize_clips

    degradation = DEGRADATIONS[degrade] if degrade else None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    outcomes: list[Outcome] = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("listening", total=len(clips))
        for outcome in recognize_clips(recognizer, clips, root, degradation, workers):
            outcomes.append(outcome)
            progress.advance(task)
    for outcome in outcomes:
        if outcome.error:
            click.echo(f"{outcome.clip.path}: {outcome.error}", err=True)
    return outcomes


def _adapted(
    recognizer: EmotionRecognizer, clips: Sequence[Clip], root: Path, degrade: str | None, workers: int, most: int
) -> dict[str, Any]:
    """The main figures by how many other utterances of the speaker were heard before."""
    from emotionlayer_rasa.evaluation.voice import DEGRADATIONS, measure, recognize_adapted

    known = [count for count in (1, 4, 16, 64) if count < most] + [most]
    curve = {}
    for count, outcomes in recognize_adapted(
        recognizer, clips, root, known, DEGRADATIONS[degrade] if degrade else None, workers
    ):
        measured = measure(outcomes, recognizer.model, degrade)
        curve[str(count)] = {key: measured[key] for key in ("uar", "accuracy", "ece", "coverage")} | {
            "by_corpus": {name: row["uar"] for name, row in measured["by_corpus"].items()}
        }
    return curve


def _print_curve(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    corpora = list(result["by_corpus"])
    table = Table(title="UAR by other utterances of the speaker heard before", title_justify="left")
    for name in ("heard before", "all", *corpora, "ECE", "coverage"):
        table.add_column(name, justify="right")
    alone = {"uar": result["uar"], "ece": result["ece"], "coverage": result["coverage"]}
    alone["by_corpus"] = {name: result["by_corpus"][name]["uar"] for name in corpora}
    for count, row in {"0": alone, **result["adapted"]}.items():
        figures = (row["uar"], *(row["by_corpus"][name] for name in corpora), row["ece"], row["coverage"])
        table.add_row(count, *("-" if x is None else f"{x:.3f}" for x in figures))
    Console().print(table)


def _print_table(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"{result['model']}\nrecordings: {result['degrade'] or 'as they are'}"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in ("clips", "UAR", "accuracy", "ECE", "coverage", "UAR of 70 %"):
        table.add_column(name, justify="right")
    everything = {"all": result, "all, unmasked": {"scored": result["scored"], **result["unmasked"]}}
    for section in (everything, *(result[group] for group in ("by_corpus", "by_language", "by_gender"))):
        for name, record in section.items():
            figures = (record[key] for key in ("uar", "accuracy", "ece", "coverage", "uar_confident_70"))
            table.add_row(name, str(record["scored"]), *("-" if x is None else f"{x:.3f}" for x in figures))
        table.add_section()
    console = Console()
    console.print(table)
    masked = [f"{corpus}: {', '.join(names)}" for corpus, names in result["masked_labels"].items() if names]
    if masked:
        console.print(f"Labels that a corpus lacks are masked ({'; '.join(masked)}).")
    if result["ccc"]:
        ccc = "  ".join(f"{axis} {value:.3f}" for axis, value in result["ccc"].items() if value is not None)
        console.print(f"Concordance with human ratings: {ccc}")
