"""``action_validate_slot_mappings``: the emotion slots hold the last turn and the memory, and nothing older."""

from __future__ import annotations

import logging
from typing import Any, Mapping

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import ValidationAction

from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.affect.memory import AffectiveMemory, update_profile
from emotionlayer_rasa.affect.priority import priority
from emotionlayer_rasa.conversation import MEMORY_CONSENT, PROFILE, memory_days
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.taxonomy import DIMENSIONS
from emotionlayer_rasa.utterance import ENTITY, emotion_entity

logger = logging.getLogger(__name__)


def emotion_slots(memory: AffectiveMemory, slots: Mapping[str, Any]) -> list[EventType]:
    """Set those of the nine emotion slots that the bot's domain has.

    Where nothing is known of the last turn, ``emotion`` and ``affective_state`` are ``unknown``,
    ``response_strategy`` is ``direct_efficiency``, and ``valence``, ``arousal`` and ``dominance`` (0..1) are None;
    ``emotion_priority`` (0..100) stays that of the last turn of which something is known. The three axes are those
    of the last turn, not smoothed.
    """
    current = memory.current
    axes = {axis: getattr(current, axis) for axis in DIMENSIONS}
    values: dict[str, Any] = {
        "emotion": memory.emotion,
        "affective_state": current.state,
        "response_strategy": current.strategy,
        "emotion_trend": memory.trend,
        "negative_streak": float(memory.negative_streak),
        "emotion_priority": float(priority(memory)),
        **{axis: None if value is None else round(value, 4) for axis, value in axes.items()},
    }
    return [SlotSet(name, value) for name, value in values.items() if name in slots]


def profile_slots(conversation: ActionConversation) -> list[EventType]:
    """Set the slot of the emotional profile to what is known now; the caller has agreed to it."""
    profile = update_profile(conversation.turns, conversation.profile)
    if profile is None or PROFILE not in conversation.slots:
        return []
    return [SlotSet(PROFILE, profile.to_dict())]


def forgotten_slots(slots: Mapping[str, Any]) -> list[EventType]:
    """Withdraw the consent to the profile and erase it."""
    erased = {MEMORY_CONSENT: False, PROFILE: None}
    return [SlotSet(name, value) for name, value in erased.items() if name in slots]


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
