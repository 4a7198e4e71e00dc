"""What an action needs to know of a conversation, read from the tracker."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Mapping, Sequence

from rasa_sdk import Tracker

from emotionlayer_rasa.affect.memory import (
    AffectiveMemory,
    EmotionalProfile,
    Turn,
    read_profile,
    read_turns,
    remember,
)
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response import supported_language
from emotionlayer_rasa.response.templates import DEFAULT_PROFILE
from emotionlayer_rasa.utterance import Utterance

LANGUAGE_VARIABLE = "EMOTIONLAYER_LANGUAGE"
"""Environment variable with the language of replies, where neither the slot ``language`` nor the channel says."""

MEMORY_VARIABLE = "EMOTIONLAYER_MEMORY_DAYS"
"""Environment variable with the days that an emotional profile is kept after its last change; 30 where not set."""


@dataclass(frozen=True)
class Conversation:
    """The tracker, as the actions see it.

    Attributes:
        utterance: the caller's last turn; without words when it was a button (``/intent``). Its ``affect`` is the
            memory's ``current``.
        memory: what this session, and the profile where the caller agreed to one, tell about the caller.
        turns: the turns of this session.
        profile: what earlier sessions told; None without consent or when expired.
        memory_consent: the slot ``emotion_memory_consent`` is true.
        intent: its intent, empty when there is none.
        slots: all slots.
        said: the assistant's messages, oldest first.
        language: the language to answer in.
        channel: name of the channel over which the turn came and the answer goes out; empty when that is not
            known, as at the start of a session, and on a reminder or ``trigger_intent``.
        sender: Rasa's id of the conversation.
        events: all events, oldest first.
        application_profile: what the assistant is for; see :class:`emotionlayer_rasa.response.ReplySettings`.
    """

    utterance: Utterance
    memory: AffectiveMemory
    turns: tuple[Turn, ...]
    profile: EmotionalProfile | None
    memory_consent: bool
    intent: str
    slots: Mapping[str, Any]
    said: tuple[str, ...]
    language: str
    channel: str
    sender: str
    events: tuple[Mapping[str, Any], ...]
    application_profile: str = DEFAULT_PROFILE


def read_conversation(tracker: Tracker, application_profile: str = DEFAULT_PROFILE) -> Conversation:
    """Read the tracker that came with an action call.

    The emotion comes from the user events: Rasa keeps the message's metadata there for button turns as well, while
    ``latest_message`` holds none.

    Args:
        tracker: of the call.
        application_profile: what the assistant is for; not the tracker, but ``endpoints.yml`` tells.
    """
    events = [event for event in tracker.events if isinstance(event, Mapping)]
    turn: Mapping[str, Any] = next((event for event in reversed(events) if event.get("event") == "user"), {})
    utterance = Utterance.from_event(turn)
    turns = read_turns(events)
    memory_consent = tracker.slots.get("emotion_memory_consent") is True
    profile = read_profile(events) if memory_consent else None
    if profile is not None and profile.expired(datetime.now(timezone.utc), memory_days()):
        profile = None
    memory = remember(turns, profile)
    return Conversation(
        utterance=replace(utterance, affect=memory.current),
        memory=memory,
        turns=turns,
        profile=profile,
        memory_consent=memory_consent,
        intent=str((tracker.latest_message.get("intent") or {}).get("name") or ""),
        slots=tracker.slots,
        said=tuple(str(event["text"]) for event in events if event.get("event") == "bot" and event.get("text")),
        language=supported_language(
            tracker.slots.get("language"), utterance.transcript.language, default_language()
        ),
        channel=_channel(events),
        sender=str(tracker.sender_id),
        events=tuple(events),
        application_profile=application_profile,
    )


def _channel(events: Sequence[Mapping[str, Any]]) -> str:
    """The channel of the turn that is being answered.

    At the start of a session, and whenever the bot has gone back to listening, the last turn's channel says
    nothing of where a message goes; nor does that of an external turn, which Rasa copies from the turn before.
    """
    for event in reversed(events):
        if event.get("event") == "user":
            metadata = event.get("metadata")
            external = isinstance(metadata, Mapping) and metadata.get("is_external")
            return "" if external else str(event.get("input_channel") or "")
        if event.get("event") == "action" and event.get("name") == "action_listen":
            break
    return ""


def default_language() -> str:
    """The language of ``EMOTIONLAYER_LANGUAGE``, else English."""
    return supported_language(os.environ.get(LANGUAGE_VARIABLE))


def memory_days() -> float:
    """Days that an emotional profile is kept after its last change.

    Raises:
        ConfigurationError: ``EMOTIONLAYER_MEMORY_DAYS`` is no number of days.
    """
    value = os.environ.get(MEMORY_VARIABLE, "30")
    try:
        days = float(value)
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise ConfigurationError(f"{MEMORY_VARIABLE} is '{value}'. Set it to a number of days, 0 or more.")
    return days
