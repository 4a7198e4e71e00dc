"""``emotionlayer decisions``: every time a rule of the escalation policy fired, and why, for audits."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import Any, Iterable, Mapping

import click


@click.command()
@click.option(
    "--endpoints",
    type=click.Path(path_type=Path),
    default="endpoints.yml",
    show_default=True,
    help="File whose section tracker_store: says where the conversations are.",
)
@click.option("--url", help="Ask a running Rasa server (started with --enable-api) instead; needs --sender.")
@click.option("--token", envvar="RASA_AUTH_TOKEN", help="The server's --auth-token [env: RASA_AUTH_TOKEN].")
@click.option("--sender", "senders", multiple=True, help="Id of a conversation, repeatable; without it, all.")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def decisions(endpoints: Path, url: str | None, token: str | None, senders: tuple[str, ...], form: str) -> None:
    """List what the escalation policy decided, with the readings that led to it.

    One row or JSON object a decision on stdout, oldest first; no words of anybody.
    """
    if url and not senders:
        raise click.UsageError("A Rasa server does not list its conversations: name them with --sender.")
    from emotionlayer_rasa.cli.conversations import read_server, read_store

    conversations = read_server(url, token, senders, _rows) if url else read_store(endpoints, senders, _rows)
    rows = sorted(chain.from_iterable(conversations), key=lambda row: row["time"])
    if not rows:
        click.echo(f"No decisions in {len(conversations)} conversation(s).", err=True)
    elif form == "jsonl":
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    else:
        _print_table(rows)


def _rows(sender: str, events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    from emotionlayer_rasa.affect.escalation_rules import Decision

    rows = []
    for event in events:
        # rasa-pro repeats an action's metadata in the messages that the action sends.
        decision = Decision.from_metadata(event.get("metadata")) if event.get("event") == "action" else None
        if decision is not None:
            taken = datetime.fromtimestamp(float(event.get("timestamp") or 0.0), timezone.utc)
            time = taken.isoformat(timespec="milliseconds")
            rows.append({"time": time, "conversation": sender, **decision.to_dict()})
    return rows


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("time (UTC)")
    for name in ("conversation", "rule", "action"):
        table.add_column(name, overflow="fold")
    table.add_column("prio.", justify="right", no_wrap=True)
    table.add_column("because of", overflow="fold")
    for row in rows:
        time = row["time"][:19].replace("T", " ")
        table.add_row(*(time, row["conversation"], row["rule"], row["action"], str(row["priority"])), because(row))
    Console(highlight=False, markup=False).print(table)


def because(row: Mapping[str, Any]) -> str:
    """What led to a decision (``Decision.to_dict()``), in one line without words of anybody."""
    readings = [_described(reading) for reading in row["readings"]]
    trend = [f"trend {row['trend']}"] if row["trend"] != "steady" else []
    failed = [f"failed: {', '.join(row['failed_strategies'])}"] if row["failed_strategies"] else []
    return "; ".join([*readings, *trend, *failed])


def _described(reading: Mapping[str, Any]) -> str:
    from emotionlayer_rasa.utterance import TOLD_CUE

    cues = "".join(f", {cue} {value:.2f}" for cue, value in reading["cues"].items() if value >= TOLD_CUE)
    return (
        f"turn {reading['turn']}: {reading['state']} {reading['confidence']:.2f}, "
        f"{reading['emotion']} {reading['emotion_confidence']:.2f}{cues}"
    )
