"""What an action needs to know of a conversation, read from the tracker."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Mapping

from rasa_sdk import Tracker

from emotionlayer_rasa.response import supported_language
from emotionlayer_rasa.utterance import Utterance

LANGUAGE_VARIABLE = "EMOTIONLAYER_LANGUAGE"
"""Environment variable with the language of replies, where neither the slot ``language`` nor the channel says."""


@dataclass(frozen=True)
class Conversation:
    """The tracker, as the actions see it.

    Attributes:
        utterance: the caller's last turn; without words when it was a button (``/intent``).
        intent: its intent, empty when there is none.
        slots: all slots.
        said: the assistant's messages, oldest first.
        language: the language to answer in.
        channel: name of the input channel, empty when unknown.
    """

    utterance: Utterance
    intent: str
    slots: Mapping[str, Any]
    said: tuple[str, ...]
    language: str
    channel: str


def read_conversation(tracker: Tracker) -> Conversation:
    """Read the tracker that came with an action call.

    The emotion comes from the metadata of the last user event: Rasa keeps it there for button turns as well, while
    ``latest_message`` holds none.
    """
    events = [event for event in tracker.events if isinstance(event, Mapping)]
    turn: Mapping[str, Any] = next((event for event in reversed(events) if event.get("event") == "user"), {})
    text = turn.get("text") or ""
    utterance = Utterance.from_metadata("" if text.startswith("/") else text, turn.get("metadata"))
    return Conversation(
        utterance=utterance,
        intent=str((tracker.latest_message.get("intent") or {}).get("name") or ""),
        slots=tracker.slots,
        said=tuple(str(event["text"]) for event in events if event.get("event") == "bot" and event.get("text")),
        language=supported_language(
            tracker.slots.get("language"), utterance.transcript.language, default_language()
        ),
        channel=str(turn.get("input_channel") or ""),
    )


def default_language() -> str:
    """The language of ``EMOTIONLAYER_LANGUAGE``, else English."""
    return supported_language(os.environ.get(LANGUAGE_VARIABLE))
