"""Where the conversations are that a command looks back on: tracker store, running server, or dump of events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Sequence, TypeVar
from urllib.parse import quote

from emotionlayer_rasa.cli.stores import events_of, ids_in, with_store
from emotionlayer_rasa.errors import ConversationsError

if TYPE_CHECKING:
    from rasa.core.tracker_store import TrackerStore

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

    async def read(store: TrackerStore) -> list[T]:
        return [digest(sender, await events_of(store, sender)) for sender in senders or await ids_in(store)]

    return with_store(endpoints, read)


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
