"""``action_validate_slot_mappings``: the emotion slots hold the last turn and the memory, and nothing older."""

from __future__ import annotations

import logging
from typing import Any, Mapping

from rasa_sdk import Tracker
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import ValidationAction

from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.actions.slots import emotion_slots, profile_slots
from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.conversation import memory_days
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.utterance import ENTITY, emotion_entity

logger = logging.getLogger(__name__)


def _unfilled(tracker: Tracker) -> Mapping[str, Any]:
    """The slots, without ``emotion`` where the turn has its entity: that says what this slot may hold."""
    turn: Mapping[str, Any] = next(
        (event for event in reversed(tracker.events) if event.get("event") == "user"), {}
    )
    filled = emotion_entity(turn) is not None
    return {name: value for name, value in tracker.slots.items() if not (filled and name == ENTITY)}


class ValidateEmotionSlots(ValidationAction):
    """Fills the emotion slots on every turn from the tracker, so that none is ever stale.

    A bot that validates slots of its own derives from this class and adds ``extract_<slot>``, ``validate_<slot>``.

    Raises:
        ConfigurationError: when the action server starts, if ``EMOTIONLAYER_MEMORY_DAYS`` is no number of days.
    """

    def __init__(self) -> None:
        memory_days()

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[EventType]:
        """Return the slots of a derived class, then the emotion slots, then the profile where it is agreed to."""
        try:
            events = await super().run(dispatcher, tracker, domain)
        except Exception as error:
            logger.error("action.failed action=%s %s", self.name(), describe(error))
            events = []
        try:
            conversation = ActionConversation(tracker)
            events += emotion_slots(conversation.memory, _unfilled(tracker))
            events += profile_slots(conversation) if conversation.memory_consent else []
        except Exception as error:
            logger.error("action.failed action=%s %s", self.name(), describe(error))
            events += emotion_slots(AffectiveMemory(), _unfilled(tracker))
        return events

    async def required_slots(
        self, domain_slots: list[str], dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[str]:
        """Slots that a derived class has a method for; rasa-sdk would warn about each of the others every turn."""
        return [
            slot
            for slot in domain_slots
            if any(hasattr(self, f"{verb}_{slot.replace('-', '_')}") for verb in ("extract", "validate"))
        ]
