"""The tracker store that ``endpoints.yml`` names: what is in it, and taking conversations out of it for good."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Mapping, Sequence, TypeVar

from emotionlayer_rasa.errors import ConfigurationError, ConversationsError, EmotionLayerError
from emotionlayer_rasa.rasa_versions import tracker_stores

if TYPE_CHECKING:
    from rasa.core.tracker_store import TrackerStore

T = TypeVar("T")


def with_store(endpoints: Path, work: Callable[[TrackerStore], Awaitable[T]]) -> T:
    """Open the store, any that Rasa knows, and do something with it.

    Args:
        endpoints: the file.
        work: is given the store.

    Returns:
        What ``work`` returns.

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

    async def open_and_work() -> T:
        return await work(stores.TrackerStore.create(config))

    try:
        return asyncio.run(open_and_work())
    except EmotionLayerError:
        raise
    except Exception as error:  # every store has errors of its own, and their texts may hold passwords
        raise ConversationsError(
            f"The tracker store of {endpoints} cannot be read ({type(error).__name__}). Check 'tracker_store:'."
        ) from error


async def ids_in(store: Any) -> list[str]:
    """Ids of the conversations, sorted."""
    store = _inner(store)
    # Redis lists its own keys, of which a conversation's id is the end.
    prefix = store._get_key_prefix() if _is(store, "RedisTrackerStore") else ""
    return sorted(str(key).removeprefix(prefix) for key in await store.keys())


async def events_of(store: TrackerStore, sender: str) -> Sequence[Mapping[str, Any]]:
    """All events of a conversation, oldest first; none where there is no such conversation."""
    tracker = await store.retrieve_full_tracker(sender)
    return [event.as_dict() for event in tracker.events] if tracker else []


async def erase(store: Any, sender: str) -> None:
    """Take a conversation out of the store, with everything that it holds of it.

    Raises:
        ConversationsError: this kind of store is none of those that Rasa brings and that can forget one.
    """
    store = _inner(store)
    if _is(store, "SQLTrackerStore"):
        with store.session_scope() as session:
            session.query(store.SQLEvent).filter(store.SQLEvent.sender_id == sender).delete()
            session.commit()
    elif _is(store, "RedisTrackerStore"):
        store.red.delete(store._get_key_prefix() + sender)
    elif _is(store, "MongoTrackerStore"):
        store.conversations.delete_one({"sender_id": sender})
    else:
        raise ConversationsError(
            f"Conversations cannot be taken out of a {type(store).__name__} from here. Erase them with the tools "
            "of its database; SQL, Redis and MongoDB are erased by this command."
        )


def _inner(store: Any) -> Any:
    """The store itself, out of what Rasa wraps around it for errors and for waiting."""
    while _is(store, "AwaitableTrackerStore", "FailSafeTrackerStore"):
        store = store._tracker_store
    return store


def _is(store: Any, *kinds: str) -> bool:
    """Whether a store is of a kind, by its name: Rasa's releases have them in other places."""
    return any(kind.__name__ in kinds for kind in type(store).__mro__)
