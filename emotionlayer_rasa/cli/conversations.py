"""Where the conversations are that a command looks back on: tracker store, running server, or dump of events."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Sequence, TypeVar
from urllib.parse import quote

from emotionlayer_rasa.errors import ConfigurationError, ConversationsError
from emotionlayer_rasa.rasa_versions import tracker_stores

Events = Sequence[Mapping[str, Any]]
T = TypeVar("T")
Digest = Callable[[str, Events], T]
"""Makes of a conversation's id and events what a command needs of it; the events are not kept."""


def read_server(url: str, token: str | None, senders: Iterable[str], digest: Digest[T]) -> list[T]:
    """Ask a running Rasa server for conversations.

    Args:
        url: of the server, which was started with ``--enable-api``.
        token: its ``--auth-token``.
        senders: ids of the conversations; it lists none by itself.
        digest: what is wanted of each.

    Raises:
        ConversationsError: there is no such server, or it does not give them.
    """
    import httpx

    digested = []
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
                digested.append(digest(sender, answer.json()["events"]))
    except httpx.HTTPStatusError as error:
        raise ConversationsError(f"{url} answered {error.response.status_code}. See Rasa's log.") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
        raise ConversationsError(
            f"No Rasa server answers at {url} ({type(error).__name__}). Check the address."
        ) from None
    return digested


def read_store(endpoints: Path, senders: Sequence[str], digest: Digest[T]) -> list[T]:
    """Read conversations from the tracker store that ``endpoints.yml`` names: any that Rasa knows.

    Args:
        endpoints: the file.
        senders: ids of the conversations; all where it is empty.
        digest: what is wanted of each.

    Raises:
        ConfigurationError: the file is missing, cannot be read, or names no tracker store.
        MissingRasaError: Rasa, which reads it, is not installed.
        ConversationsError: the store cannot be read.
    """
    stores = tracker_stores()
    from rasa.utils.endpoints import read_endpoint_config

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
    # No domain is needed to read events, but replaying them without one logs an error for every slot.
    logging.getLogger("rasa.shared.core.trackers").setLevel(logging.CRITICAL)

    async def read() -> list[T]:
        store = stores.TrackerStore.create(config)
        digested = []
        for sender in senders or sorted(await store.keys()):
            tracker = await store.retrieve_full_tracker(sender)
            digested.append(digest(sender, [event.as_dict() for event in tracker.events] if tracker else []))
        return digested

    try:
        return asyncio.run(read())
    except Exception as error:  # every store has errors of its own, and their texts may hold passwords
        raise ConversationsError(
            f"The tracker store of {endpoints} cannot be read ({type(error).__name__}). Check 'tracker_store:'."
        ) from error


def read_dump(path: Path, senders: Sequence[str], digest: Digest[T]) -> list[T]:
    """Read conversations from a file of JSON lines.

    A line is an event with its ``sender_id``, as Rasa's event brokers write it, or a whole conversation:
    ``{"sender_id", "events"}``, as ``GET /conversations/ID/tracker`` answers. The events of a conversation are in
    their order.

    Args:
        path: the file.
        senders: ids of the conversations; all where it is empty.
        digest: what is wanted of each.

    Raises:
        ConversationsError: the file is missing, or names the line that is no such thing.
    """
    conversations: dict[str, list[Mapping[str, Any]]] = {sender: [] for sender in senders}
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    sender, events = _line(path, number, line)
                    if not senders or sender in conversations:
                        conversations.setdefault(sender, []).extend(events)
    except (OSError, UnicodeDecodeError) as error:
        raise ConversationsError(
            f"The file {path} cannot be read ({type(error).__name__}). Name a file of JSON lines."
        ) from None
    return [digest(sender, events) for sender, events in conversations.items()]


def _line(path: Path, number: int, line: str) -> tuple[str, list[Mapping[str, Any]]]:
    try:
        record = json.loads(line)
        events = record.get("events", [record])
        if isinstance(events, list) and all(isinstance(event, dict) and "event" in event for event in events):
            return str(record["sender_id"]), events
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise ConversationsError(
        f"{path}, line {number} is neither an event with 'event' and 'sender_id' nor a conversation with "
        "'sender_id' and 'events'. Write one JSON object a line, as Rasa's event brokers do."
    )
