"""``emotionlayer init``: add the plugin to a Rasa project."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Sequence

import click

if TYPE_CHECKING:
    from emotionlayer_rasa.project import Change, Plan

_LOCAL_LLM = "http://127.0.0.1:8090/v1"
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def _file(name: str, what: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", type=click.Path(path_type=Path), help=f"{what}, within DIR.")


@click.command()
@click.argument(
    "folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option("--text-only", is_flag=True, help="No voice channel: typed words alone are read.")
@click.option("--language", help="Code of the callers' language [default: that of config.yml].")
@click.option("--escalation", is_flag=True, help="Hand over callers who stay angry, or are in danger.")
@click.option("--transfer", metavar="URL", help="Webhook for handovers to a person.")
@click.option(
    "--llm",
    metavar="URL",
    is_flag=False,
    flag_value=_LOCAL_LLM,
    help=f"OpenAI-compatible endpoint that words replies; without URL, that of `emotionlayer llm` ({_LOCAL_LLM}).",
)
@click.option("--llm-model", metavar="NAME", default="SmolLM2-135M-Instruct", show_default=True)
@click.option(
    "--actions",
    metavar="PATH|remote",
    help="Module or package of the bot's actions [default: actions]; `remote`: they run elsewhere, ours too.",
)
@_file("config", "The bot's configuration [default: config.yml]")
@_file("domain", "Its domain, a file or a folder [default: domain.yml, else domain]")
@_file("data", "Its training data [default: data]")
@_file("credentials", "Its channels [default: credentials.yml]")
@_file("endpoints", "Its services [default: endpoints.yml]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--undo", is_flag=True, help="Take back what the last run wrote.")
def init(
    folder: Path,
    text_only: bool,
    language: str | None,
    escalation: bool,
    transfer: str | None,
    llm: str | None,
    llm_model: str,
    actions: str | None,
    config: Path | None,
    domain: Path | None,
    data: Path | None,
    credentials: Path | None,
    endpoints: Path | None,
    yes: bool,
    undo: bool,
) -> None:
    """Add the plugin to the Rasa project in DIR.

    Shows the changes as a diff and asks before it writes. Only what is missing is added: comments, order and
    whatever the bot has of its own stay, and so does every dialogue. What the files were is kept in
    DIR/.emotionlayer, for --undo.
    """
    from emotionlayer_rasa.project import Wishes, plan, read_project, take_back, taken_back, write

    if undo:
        changes: Sequence[Change] = taken_back(folder)
        _show(changes, folder)
        if changes and not yes:
            click.confirm("Take this back?", abort=True)
        take_back(changes, folder)
        click.echo(f"Taken back: {len(changes)} file(s).", err=True)
        return
    remote = actions == "remote"
    project = read_project(
        folder,
        config=config,
        domain=domain,
        data=data,
        credentials=credentials,
        endpoints=endpoints,
        actions=Path(actions) if actions and not remote else None,
    )
    wishes = Wishes(not text_only, language, escalation, llm, llm_model, transfer, remote)
    planned = plan(project, wishes, secrets.token_urlsafe(24))
    if not planned.changes:
        click.echo("Nothing to add: it is all there.", err=True)
        return
    _show(planned.changes, folder)
    for note in planned.notes:
        click.echo(click.style("Note: ", bold=True) + note + "\n", err=True)
    if not yes:
        click.confirm(f"Write {len(planned.changes)} file(s)?", abort=True)
    write(planned.changes, folder)
    click.echo(f"Written. To take it back: emotionlayer init {folder} --undo\n", err=True)
    _tell_what_comes_next(planned, folder, voice=not text_only)


def _show(changes: Sequence[Change], folder: Path) -> None:
    from emotionlayer_rasa.project import diff

    for change in changes:
        for line in diff(change, folder):
            heading = line.startswith(("+++", "---"))
            click.secho(line, bold=heading, fg=None if heading else _COLOURS.get(line[:1]))
        click.echo()


def _tell_what_comes_next(planned: Plan, folder: Path, voice: bool) -> None:
    from emotionlayer_rasa.conversation import LANGUAGE_VARIABLE
    from emotionlayer_rasa.language import DEFAULT_LANGUAGE, language_code

    code = language_code(planned.language)
    variable = "" if code == DEFAULT_LANGUAGE else f"{LANGUAGE_VARIABLE}={code} "
    steps = ["Next:"] + [f"cd {folder}"] * (folder.resolve() != Path.cwd()) + ["rasa train"]
    if planned.acts:
        steps.append(f"{variable}rasa run actions     # in a terminal of its own")
    steps.append(f"{variable}rasa run")
    if voice:
        steps += [
            "open http://localhost:5005/webhooks/voice/#token=TOKEN (see credentials.yml), or send a recording:",
            'curl -H "Authorization: Bearer TOKEN" -F sender=me -F audio=@hello.wav \\',
            "     http://localhost:5005/webhooks/voice/webhook",
        ]
    click.echo("\n  ".join(steps), err=True)
