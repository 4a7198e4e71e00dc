"""``action_session_start``: tell the caller what is analysed, before anything else."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Sequence

from rasa_sdk import Tracker
from rasa_sdk.events import ActionExecuted, EventType, SessionStarted, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say_template
from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.affect.memory import EmotionalProfile
from emotionlayer_rasa.call_control import is_call
from emotionlayer_rasa.conversation import PROFILE, Event, carried_over, memory_days

DISCLOSURES = ("disclosure", "disclosure_typed")
"""Situations that tell of the analysis: of voice and words, and of words alone."""

_OPENING = ("disclosure", "greet")
_GREETING = re.compile("utter_(?:greet|hello|welcome)")
_STARTED_WITH = "session_started_metadata"
"""Rasa's slot for the metadata of the message that begins a session."""


class ActionSessionStart(SpeakingAction):
    """Starts a session as Rasa does, and opens with the disclosure and a greeting.

    In a call that is spoken the disclosure is a short one; its text, for who can read it, is the whole.

    Who switched the analysis off in an earlier session, whose slots are carried over, is only greeted. One
    whose conversation begins anew (``/restart``, ``action_restart`` in a story) has heard both, and hears nothing.
    An emotional profile that is older than ``EMOTIONLAYER_MEMORY_DAYS`` is not carried over.

    Attributes:
        opening: situations of ``replies.yml`` that are said, in their order. A bot that nobody speaks to says
            ``disclosure_typed``. None is the disclosure, and a greeting where the bot has no response of its own
            for that (``utter_greet``, ``utter_welcome`` and the like), which would be a second one.
    """

    opening: tuple[str, ...] | None = None

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_session_start"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[EventType]:
        """Speak, then return the events of Rasa's own ``action_session_start``."""
        if not (_opened_just_now(tracker) or _restarted_just_now(tracker)):
            await super().run(dispatcher, tracker, domain)
        carries = _carries_over(domain)
        slots = {**(_latest_slots(tracker) if carries else {}), **carried_over(tracker.events, carries)}
        carried = [SlotSet(name, value) for name, value in slots.items()]
        return [SessionStarted(), *carried, ActionExecuted("action_listen")]

    async def answer(self, dispatcher: CollectingDispatcher, conversation: ActionConversation) -> list[EventType]:
        """Say the disclosure, unless the analysis is off, and the greeting."""
        opening = self.opening
        if opening is None:
            opening = ("disclosure",) if any(map(_GREETING.match, conversation.responses)) else _OPENING
        if situations := [name for name in opening if conversation.consent or name not in DISCLOSURES]:
            spoken = is_call(_begun_with(conversation.events))
            say_template(dispatcher, conversation, *situations, spoken=spoken)
        return []


def _begun_with(events: Sequence[Event]) -> Any:
    """The metadata of the message that begins the session; those of an earlier one may still be in the slot."""
    for event in reversed(events):
        if event.get("event") == "slot" and event.get("name") == _STARTED_WITH:
            return event.get("value")
        if event.get("event") in ("user", "bot"):
            return event.get("metadata") if event.get("text") == "/session_start" else None
    return None


def _opened_just_now(tracker: Tracker) -> bool:
    """Rasa calls twice where /session_start opens a conversation: by itself, then for the message."""
    earlier: list[dict[str, Any]] = [event for event in tracker.events if event.get("event") in ("user", "bot")]
    if not earlier or earlier[-1].get("text") != "/session_start":
        return False
    return len(earlier) > 1 and all(event["event"] == "bot" for event in earlier[:-1])


def _restarted_just_now(tracker: Tracker) -> bool:
    """Rasa starts a session at once after a restart, without waiting for the caller."""
    return bool(tracker.events) and tracker.events[-1].get("event") == "restart"


def _carries_over(domain: dict[str, Any]) -> bool:
    session_config = (domain or {}).get("session_config") or {}
    return bool(session_config.get("carry_over_slots_to_new_session", True))


def _latest_slots(tracker: Tracker) -> dict[str, Any]:
    latest = {
        event["name"]: event.get("value") for event in tracker.applied_events() if event.get("event") == "slot"
    }
    profile = EmotionalProfile.from_dict(latest.get(PROFILE))
    if profile is not None and profile.expired(datetime.now(timezone.utc), memory_days()):
        latest[PROFILE] = None
    return latest
