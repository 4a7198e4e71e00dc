"""``emotionlayer decisions``: every time a rule of the escalation policy fired, and why, for audits."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Iterable, Mapping
from urllib.parse import quote

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
    conversations = _from_server(url, token, senders) if url else _from_store(endpoints, senders)
    rows = sorted(
        (row for sender, events in conversations.items() for row in _rows(sender, events)),
        key=lambda row: row["time"],
    )
    if not rows:
        click.echo(f"No decisions in {len(conversations)} conversation(s).", err=True)
    elif form == "jsonl":
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    else:
        _print_table(rows)


def _from_server(url: str, token: str | None, senders: tuple[str, ...]) -> dict[str, list[Mapping[str, Any]]]:
    import httpx

    from emotionlayer_rasa.errors import ConversationsError

    conversations = {}
    try:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
            for sender in senders:
                parameters = {"include_events": "ALL", **({"token": token} if token else {})}
                answer = http.get(f"/conversations/{quote(sender, safe='')}/tracker", params=parameters)
                if answer.status_code in (401, 403):
                    raise ConversationsError(f"{url} wants a token. Name the server's --auth-token with --token.")
                if answer.status_code == 404:
                    raise ConversationsError(f"{url} has no HTTP API. Start Rasa with --enable-api.")
                answer.raise_for_status()
                conversations[sender] = answer.json()["events"]
    except httpx.HTTPStatusError as error:
        raise ConversationsError(f"{url} answered {error.response.status_code}. See Rasa's log.") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
        raise ConversationsError(
            f"No Rasa server answers at {url} ({type(error).__name__}). Check the address."
        ) from None
    return conversations


def _from_store(endpoints: Path, senders: tuple[str, ...]) -> dict[str, list[Mapping[str, Any]]]:
    from rasa.core.tracker_store import TrackerStore
    from rasa.utils.endpoints import read_endpoint_config

    from emotionlayer_rasa.errors import ConfigurationError, ConversationsError

    if not endpoints.is_file():
        raise ConfigurationError(
            f"There is no file {endpoints}. Name it with --endpoints, or ask a server with --url."
        )
    try:
        config = read_endpoint_config(str(endpoints), "tracker_store")
    except Exception as error:  # whatever Rasa's YAML reader raises
        raise ConfigurationError(
            f"{endpoints} cannot be read ({type(error).__name__}). Check its indentation and quotes."
        ) from None
    if config is None or config.type is None:
        raise ConfigurationError(
            f"{endpoints} names no tracker store, so conversations are in the memory of the Rasa server. "
            "Ask it with --url http://localhost:5005 --sender ID, or configure 'tracker_store:'."
        )
    # No domain is needed to read decisions, but replaying events without one logs an error for every slot.
    logging.getLogger("rasa.shared.core.trackers").setLevel(logging.CRITICAL)

    async def read() -> dict[str, list[Mapping[str, Any]]]:
        store = TrackerStore.create(config)
        conversations = {}
        for sender in senders or sorted(await store.keys()):
            tracker = await store.retrieve_full_tracker(sender)
            conversations[sender] = [event.as_dict() for event in tracker.events] if tracker else []
        return conversations

    try:
        return asyncio.run(read())
    except Exception as error:  # every store has errors of its own, and their texts may hold passwords
        raise ConversationsError(
            f"The tracker store of {endpoints} cannot be read ({type(error).__name__}). Check 'tracker_store:'."
        ) from error


def _rows(sender: str, events: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    from emotionlayer_rasa.affect.escalation_rules import Decision

    for event in events:
        decision = Decision.from_metadata(event.get("metadata"))
        if decision is not None:
            taken = datetime.fromtimestamp(float(event.get("timestamp") or 0.0), timezone.utc)
            time = taken.isoformat(timespec="milliseconds")
            yield {"time": time, "conversation": sender, **decision.to_dict()}


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
        table.add_row(
            *(time, row["conversation"], row["rule"], row["action"], str(row["priority"])), _because(row)
        )
    Console(highlight=False, markup=False).print(table)


def _because(row: Mapping[str, Any]) -> str:
    readings = [_described(reading) for reading in row["readings"]]
    trend = [f"trend {row['trend']}"] if row["trend"] != "steady" else []
    failed = [f"failed: {', '.join(row['failed_strategies'])}"] if row["failed_strategies"] else []
    return "; ".join([*readings, *trend, *failed])


def _described(reading: Mapping[str, Any]) -> str:
    cues = "".join(f", {cue} {value:.2f}" for cue, value in reading["cues"].items())
    return (
        f"turn {reading['turn']}: {reading['state']} {reading['confidence']:.2f}, "
        f"{reading['emotion']} {reading['emotion_confidence']:.2f}{cues}"
    )
