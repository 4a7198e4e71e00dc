"""``emotionlayer judge``: what language models make the assistant say, by EmotionLayer's six metrics."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, AsyncIterator, Mapping, Sequence

import click

from emotionlayer_rasa.errors import ConfigurationError

if TYPE_CHECKING:
    from emotionlayer_rasa.evaluation.replies import Candidate, ScenarioReply

ANSWERS_FILE = "answers.jsonl"
"""What is finished, an answer a line; a rerun goes on from it."""

TIMEOUT_S = 60.0
"""No caller waits for an evaluation: what NAME=URL gets in place of the settings' default."""


@click.command()
@click.option(
    "--scenarios", required=True, type=click.Path(path_type=Path), help="JSON in EmotionLayer's scenario format."
)
@click.option(
    "--model",
    "named",
    multiple=True,
    metavar="NAME=URL",
    help="A model behind an OpenAI-compatible endpoint, or 'templates'. Can be repeated.",
)
@click.option(
    "--models",
    "file",
    type=click.Path(path_type=Path),
    help="YAML with 'models:' (each 'templates', or name and the keys of 'llm:' in endpoints.yml), and 'judge:'.",
)
@click.option("--judge", "judge_named", metavar="NAME=URL", help="The model that grades; else proxies stand in.")
@click.option(
    "--profile",
    type=click.Choice(("customer_support", "wellbeing", "tutoring")),
    default="customer_support",
    show_default=True,
    help="What the assistant is for, as under 'replies:' in endpoints.yml.",
)
@click.option("--language", help="Language of every scenario, such as it; else each one's is guessed.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many new answers; a rerun goes on.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for answers and report.")
def judge(
    scenarios: Path,
    named: tuple[str, ...],
    file: Path | None,
    judge_named: str | None,
    profile: str,
    language: str | None,
    limit: int | None,
    out: Path,
) -> None:
    """Let models answer scenarios through the assistant's composer, and score what is said.

    Without --model and --models the templates alone are scored. Each finished answer is kept in OUT; the same
    command goes on where it was stopped. A scenario may name the situation that is answered, and the facts, in its
    "input": "situation" (an intent) and "slots".

    Writes report.md, scores.csv and scores.png.
    """
    from emotionlayer_rasa.evaluation.replies import answer_scenarios, write_judge_report
    from emotionlayer_rasa.evaluation.replies.report import FILES
    from emotionlayer_rasa.evaluation.scenarios import read_scenarios

    listed = read_scenarios(scenarios)
    candidates, grader = _models(named, file, judge_named)
    expected = len(listed) * len(candidates)
    out.mkdir(parents=True, exist_ok=True)
    try:
        replies = asyncio.run(
            _collect(
                answer_scenarios(listed, candidates, grader, out / ANSWERS_FILE, profile, language, limit),
                expected,
            )
        )
    except KeyboardInterrupt:
        click.echo(f"\nStopped. Finished answers are in {out / ANSWERS_FILE}; run the command again to go on.")
        raise SystemExit(130) from None
    name = grader.name if grader else None
    write_judge_report(replies, name, expected, out)
    _print_table(replies, name)
    if len(replies) < expected:
        click.echo(f"{len(replies)} of {expected} answers; run the command again to go on.")
    click.echo(f"Written: {', '.join(str(out / written) for written in FILES)}")


def _models(
    named: Sequence[str], path: Path | None, judge_named: str | None
) -> tuple[list[Candidate], Candidate | None]:
    from emotionlayer_rasa.evaluation.replies import Candidate

    content = _read_models_file(path) if path else {}
    where = str(path)
    candidates = [_named(name, "--model") for name in named]
    entries = content.get("models") or []
    if not isinstance(entries, list):
        raise ConfigurationError(f"{where}: 'models' is no list. Give each model an entry of its own.")
    candidates += [
        Candidate.read(entry, f"{where}, models, number {place}") for place, entry in enumerate(entries, 1)
    ]
    candidates = candidates or [Candidate()]
    names = [candidate.name for candidate in candidates]
    if double := {name for name in names if names.count(name) > 1}:
        raise ConfigurationError(f"Two models are called {', '.join(sorted(double))}. Give each its own name.")
    grader = _named(judge_named, "--judge") if judge_named else None
    if grader is None and "judge" in content:
        grader = Candidate.read(content["judge"], f"{where}, judge")
    if grader is not None and grader.settings is None:
        raise ConfigurationError("The templates cannot be the judge. Name a language model, or leave it out.")
    return candidates, grader


def _read_models_file(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}. Correct the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigurationError(f"{path} is no valid YAML. Check its indentation and quotes.") from None
    if not isinstance(content, Mapping) or set(content) - {"models", "judge"}:
        raise ConfigurationError(f"{path}: expected the keys 'models' and 'judge' and no others.")
    return content


def _named(option: str, where: str) -> Candidate:
    from emotionlayer_rasa.evaluation.replies import TEMPLATES, Candidate

    if option == TEMPLATES:
        return Candidate()
    name, _, url = option.partition("=")
    if not name or not url:
        raise ConfigurationError(f"{where}: '{option}' is neither NAME=URL nor '{TEMPLATES}'.")
    return Candidate.read({"name": name, "base_url": url, "timeout_s": TIMEOUT_S}, f"{where} {name}")


async def _collect(replies: AsyncIterator[ScenarioReply], expected: int) -> list[ScenarioReply]:
    """All replies, with a bar on stderr that tells how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    collected = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("answering", total=expected)
        async for reply in replies:
            collected.append(reply)
            progress.update(task, advance=1, description=reply.model)
    return collected


def _print_table(replies: Sequence[ScenarioReply], judge: str | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from emotionlayer_rasa.evaluation.replies import WEIGHTS, summarise
    from emotionlayer_rasa.evaluation.replies.report import metric_names

    table = Table(box=box.SIMPLE_HEAD, padding=0)
    table.add_column("", overflow="fold", min_width=9)
    # "voice_suitability (proxy)" is too wide for a terminal; "voice proxy" is not.
    for metric in (
        "total",
        *(re.sub(r"(_\w+)? \((\w+)\)", r"\n\2", name) for name in metric_names(judge).values()),
    ):
        table.add_column(metric, justify="right", no_wrap=True)
    table.add_column("own\nwords", justify="right", no_wrap=True)
    table.add_column("of", justify="right", no_wrap=True)
    for model in summarise(replies, judge is not None):
        table.add_row(
            model.name,
            "-" if model.total is None else f"{model.total:.1f}",
            *(f"{model.metrics[metric]:.2f}" if metric in model.metrics else "-" for metric in WEIGHTS),
            f"{model.own_words:.0%}",
            f"{model.complete}/{model.answers}",
        )
    console = Console()
    console.print(f"Judge: {judge or 'none (proxies stand in)'}", highlight=False)
    console.print(table)
