"""``emotionlayer report``."""

from __future__ import annotations

import functools
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from emotionlayer_rasa.cli.conversations import Events
    from emotionlayer_rasa.cli.report.course import Course

_DATE = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.command()
@click.option(
    "--endpoints",
    type=click.Path(path_type=Path),
    default="endpoints.yml",
    show_default=True,
    help="File whose section tracker_store: says where the conversations are.",
)
@click.option(
    "--events",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read this dump instead: JSON lines, an event with its sender_id each, or a conversation.",
)
@click.option("--url", help="Ask a running Rasa server (started with --enable-api) instead; needs --sender.")
@click.option("--token", envvar="RASA_AUTH_TOKEN", help="The server's --auth-token [env: RASA_AUTH_TOKEN].")
@click.option("--sender", "senders", multiple=True, help="Id of a conversation, repeatable; without it, all.")
@click.option("--since", type=_DATE, help="Leave out what was before this date or time (UTC).")
@click.option("--until", type=_DATE, help="Leave out what was from this date or time on (UTC).")
@click.option("--out", type=click.Path(path_type=Path), default="report.html", show_default=True)
@click.option("--png", type=click.Path(path_type=Path), metavar="FILE", help="Draw the course as a picture, too.")
@click.option("--with-words", is_flag=True, help="Show what was said, on a page of one conversation.")
def report(
    endpoints: Path,
    events: Path | None,
    url: str | None,
    token: str | None,
    senders: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    out: Path,
    png: Path | None,
    with_words: bool,
) -> None:
    """Look back on conversations: emotion over time, states, strategies, escalations, share of unknown.

    With one --sender the page is of that conversation, turn by turn; else of a period, by hour, day or week. It is
    one HTML file that needs no connection, readable by its owner only. It holds the ids of the conversations, and
    no words of anybody unless you ask for them.
    """
    from emotionlayer_rasa.cli.conversations import read_dump, read_server, read_store
    from emotionlayer_rasa.cli.report.columns import by_time, by_turn
    from emotionlayer_rasa.cli.report.course import together
    from emotionlayer_rasa.cli.report.page import render
    from emotionlayer_rasa.errors import ConversationsError

    if url and not senders:
        raise click.UsageError("A Rasa server does not list its conversations: name them with --sender.")
    if url and events:
        raise click.UsageError("Name either --url or --events.")
    of_turns = len(senders) == 1
    if with_words and not of_turns:
        raise click.UsageError("--with-words shows one conversation: name it with --sender.")
    digest = functools.partial(
        _digest, since=_posix(since, 0.0), until=_posix(until, float("inf")), words=with_words
    )
    if events:
        courses = read_dump(events, senders, digest)
    else:
        courses = read_server(url, token, senders, digest) if url else read_store(endpoints, senders, digest)
    course = together(courses)
    if not course.turns:
        raise ConversationsError(
            f"No turn of a caller in {len(courses)} conversation(s). Check --sender, --since and --until."
        )
    title = f"Conversation {senders[0]}" if of_turns else "Emotion report"
    columns = (by_turn if of_turns else by_time)(course.turns, course.escalations)
    _write(out, render(title, course, columns, of_turns, with_words))
    click.echo(f"Written: {out} ({len(course.turns)} turns)")
    if png:
        from emotionlayer_rasa.cli.call_picture import draw_call

        labels = ["\n".join([column.label, *(column.states if of_turns else ())]) for column in columns]
        readings = [column.reading for column in columns]
        measure = "probability" if of_turns else "share of turns"
        draw_call(title, list(zip(labels, readings, strict=True)), png, measure)
        click.echo(f"Written: {png}")


def _digest(sender: str, events: Events, since: float, until: float, words: bool) -> Course:
    from emotionlayer_rasa.cli.report.course import read_course

    return read_course(sender, events, words).within(since, until)


def _posix(moment: datetime | None, otherwise: float) -> float:
    return moment.replace(tzinfo=timezone.utc).timestamp() if moment else otherwise


def _write(path: Path, page: str) -> None:
    """Readable by the owner only: what a page tells of people is theirs."""
    opener = functools.partial(os.open, mode=0o600)
    with open(path, "w", encoding="utf-8", opener=opener) as file:
        file.write(page)
