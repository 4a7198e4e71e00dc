"""``emotionlayer doctor``."""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Sequence

import click

if TYPE_CHECKING:
    from emotionlayer_rasa.cli.doctor.findings import Finding


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="As JSON: 'ok', and each finding with its level and advice.")
def doctor(folder: Path | None, as_json: bool) -> None:
    """Look at this machine and at the Rasa project in DIR (the working folder), and say what to mend.

    Each line is ok, a warning (it works, with less than there could be, or only you know whether it is meant), or
    an error, with what to do. The exit code is 1 where something must be mended. Nothing is changed, downloaded or
    started, and no prompt is sent; action server and language model's endpoint are asked whether they answer.

    Environment variables count as they are set here: set those of the servers.
    """
    with _quietly():
        findings = _examine(folder)
    healthy = all(finding.level != "error" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": healthy, "findings": [finding.to_dict() for finding in findings]}, indent=2))
    else:
        _print(findings)
    if not healthy:
        raise SystemExit(1)


def _examine(folder: Path | None) -> list[Finding]:
    from emotionlayer_rasa.cli.doctor import assistant, machine, services
    from emotionlayer_rasa.cli.doctor.findings import Finding, Level, examine
    from emotionlayer_rasa.cli.doctor.project import Project

    project = Project((folder or Path()).absolute())
    findings = [
        *examine("Python", machine.python, None),
        *examine("packages", machine.packages, None),
        *examine("models", machine.models, None),
        *examine("codecs", machine.codecs, None),
        *examine("ffmpeg", machine.ffmpeg, None),
        *examine("speech", services.spoken, project),
    ]
    if not (project.folder / "config.yml").is_file():
        level: Level = "warning" if folder is None else "error"
        advice = "Run it in the folder of your bot, or name that: emotionlayer doctor DIR"
        return [*findings, Finding("project", level, f"There is no config.yml in {project.folder}.", advice)]
    return [
        *findings,
        *examine("config.yml", assistant.pipeline, project),
        *examine("words", services.words, project),
        *examine("trained model", assistant.trained_model, project),
        *examine("domain", assistant.slots, project),
        *examine("consent", assistant.consent, project),
        *examine("credentials.yml", services.channel, project),
        *examine("voice", services.ears, project),
        *examine("language model", services.language_model, project),
        *examine("replies", services.replies, project),
        *examine("action server", services.action_server, project),
    ]


def _print(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    colours = {"ok": "green", "warning": "yellow", "error": "red"}
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        level = Text(f"{finding.level:8}", style=colours[finding.level])
        console.print(level, Text(f"{finding.subject:{width}}  {finding.message}"), sep="")
        if finding.advice:
            console.print(Text(f"{'':{8 + width}}  -> {finding.advice}"))
    counts = [sum(finding.level == level for finding in findings) for level in ("error", "warning", "ok")]
    console.print("{} to mend, {} warnings, {} ok".format(*counts))


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what packages and our own modules log or warn of while they are looked at."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own logs, which Rasa's import brings
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
