"""``emotionlayer privacy``: what is stored of a caller, given out or erased."""

from __future__ import annotations

import functools
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from rasa.core.tracker_store import TrackerStore

_DAY_S = 86_400.0

_ENDPOINTS = click.option(
    "--endpoints",
    type=click.Path(path_type=Path),
    default="endpoints.yml",
    show_default=True,
    help="File whose section tracker_store: says where the conversations are.",
)
_SENDERS = click.option(
    "--sender", "senders", multiple=True, required=True, help="Id of a conversation, repeatable."
)
_YES = click.option("--yes", is_flag=True, help="Do not ask before erasing.")


@click.group()
def privacy() -> None:
    """Give out or erase what is stored of a caller.

    The tracker store and handovers that wait for delivery are all that this project keeps: recordings are never
    stored, and what a call's adaptation has learnt ends with the call. Copies in an event broker, in backups, at
    those who got a handover, and in the logs of others are yours to find.
    """


@privacy.command()
@_ENDPOINTS
@_SENDERS
@click.option("--out", type=click.Path(path_type=Path), help="File to write, readable by its owner only.")
def export(endpoints: Path, senders: tuple[str, ...], out: Path | None) -> None:
    """Write everything that is stored of the conversations: one JSON object a line, with "sender_id" and "events".

    The events are the tracker's: words, what was inferred of voice and words, slots, replies. A page of them is
    made by ``emotionlayer report --events FILE``.
    """
    from emotionlayer_rasa.cli.stores import events_of, with_store
    from emotionlayer_rasa.errors import ConversationsError

    async def read(store: TrackerStore) -> list[str]:
        lines = []
        for sender in senders:
            events = await events_of(store, sender)
            if not events:
                raise ConversationsError(f"Nothing is stored under {sender!r}. Check the id.")
            lines.append(json.dumps({"sender_id": sender, "events": list(events)}, ensure_ascii=False))
        return lines

    lines = with_store(endpoints, read)
    if out is None:
        _write(click.get_text_stream("stdout"), lines)
        return
    with open(out, "w", encoding="utf-8", opener=functools.partial(os.open, mode=0o600)) as file:
        _write(file, lines)
    click.echo(f"Written: {out} ({len(lines)} conversation(s))")


@privacy.command()
@_ENDPOINTS
@_SENDERS
@_YES
def erase(endpoints: Path, senders: tuple[str, ...], yes: bool) -> None:
    """Erase all that is stored of the conversations, for good."""
    from emotionlayer_rasa.cli.stores import with_store
    from emotionlayer_rasa.errors import ConversationsError

    stored = with_store(endpoints, functools.partial(_sizes, senders=senders))
    if missing := [sender for sender in senders if not stored[sender]]:
        raise ConversationsError(f"Nothing is stored under {missing[0]!r}, so nothing was erased. Check the id.")
    _erase(endpoints, list(senders), sum(stored.values()), yes)


@privacy.command()
@_ENDPOINTS
@click.option(
    "--older-than", "days", type=click.FloatRange(min=0), required=True, help="Days since the last event."
)
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@_YES
def purge(endpoints: Path, days: float, dry_run: bool, yes: bool) -> None:
    """Erase the conversations in which nothing has happened for so many days. Run it by cron."""
    from emotionlayer_rasa.cli.stores import events_of, ids_in, with_store

    before = time.time() - days * _DAY_S

    async def old_ones(store: TrackerStore) -> dict[str, int]:
        found = {}
        for sender in await ids_in(store):
            events = await events_of(store, sender)
            if events and max(event["timestamp"] or 0.0 for event in events) < before:
                found[sender] = len(events)
        return found

    stored = with_store(endpoints, old_ones)
    if dry_run or not stored:
        click.echo(f"{len(stored)} conversation(s) are older than {days:g} days.")
        return
    _erase(endpoints, list(stored), sum(stored.values()), yes)


async def _sizes(store: TrackerStore, senders: tuple[str, ...]) -> dict[str, int]:
    from emotionlayer_rasa.cli.stores import events_of

    return {sender: len(await events_of(store, sender)) for sender in senders}


def _erase(endpoints: Path, senders: list[str], events: int, yes: bool) -> None:
    from emotionlayer_rasa.cli.stores import erase as erase_in
    from emotionlayer_rasa.cli.stores import with_store

    if not yes:
        click.confirm(f"Erase {len(senders)} conversation(s) with {events} events for good?", abort=True)

    async def erase_all(store: TrackerStore) -> None:
        for sender in senders:
            await erase_in(store, sender)

    with_store(endpoints, erase_all)
    waiting = _forget_handovers(endpoints, senders)
    also = f" {waiting} handover(s) will not be delivered." if waiting else ""
    click.echo(f"Erased: {len(senders)} conversation(s), {events} events.{also}")


def _forget_handovers(endpoints: Path, senders: list[str]) -> int:
    from emotionlayer_rasa.endpoints import read_section
    from emotionlayer_rasa.handoff.delivery import HandoffSettings
    from emotionlayer_rasa.handoff.outbox import Outbox

    settings = read_section(HandoffSettings, "handoff", endpoints)
    if settings is None or not Path(settings.outbox).is_dir():
        return 0
    outbox = Outbox(Path(settings.outbox))
    return sum(map(outbox.forget, senders))


def _write(file: TextIO, lines: list[str]) -> None:
    file.writelines(f"{line}\n" for line in lines)
