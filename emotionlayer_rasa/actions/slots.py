"""``action_validate_slot_mappings``: the emotion slots hold what the last turn sounded like, and nothing older."""

from __future__ import annotations

import logging
from typing import Any, Mapping

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import ValidationAction

from emotionlayer_rasa.actions.conversation import read_conversation
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import Transcript, Utterance

logger = logging.getLogger(__name__)


def emotion_slots(utterance: Utterance, slots: Mapping[str, Any]) -> list[EventType]:
    """Set those of the emotion slots that the bot's domain has.

    When nothing was heard, ``affective_state`` is ``unknown``, ``response_strategy`` is ``direct_efficiency``, and
    ``valence``, ``arousal`` and ``dominance`` (0..1) are None.
    """
    reading = utterance.emotion
    values = {
        "affective_state": utterance.state,
        "response_strategy": utterance.strategy,
        "valence": reading.valence,
        "arousal": reading.arousal,
        "dominance": reading.dominance,
    }
    return [SlotSet(name, value) for name, value in values.items() if name in slots]


def silent_slots(slots: Mapping[str, Any]) -> list[EventType]:
    """The emotion slots of a turn in which nothing was heard, ``emotion`` included."""
    emotion = [SlotSet("emotion", UNKNOWN)] if "emotion" in slots else []
    return emotion + emotion_slots(Utterance(Transcript("")), slots)


class ValidateEmotionSlots(ValidationAction):
    """Fills the emotion slots on every turn from the message's metadata, so that none is ever stale.

    A bot that validates slots of its own derives from this class and adds ``extract_<slot>``, ``validate_<slot>``.
    """

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[EventType]:
        """Return the slots of a derived class, then the emotion slots."""
        utterance = read_conversation(tracker).utterance
        try:
            events = await super().run(dispatcher, tracker, domain)
        except Exception as error:
            logger.error("action.failed action=%s error=%s", self.name(), type(error).__name__)
            events = []
        return events + emotion_slots(utterance, tracker.slots)

    async def required_slots(
        self, domain_slots: list[str], dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[str]:
        """Slots that a derived class has a method for; rasa-sdk would warn about each of the others every turn."""
        return [
            slot
            for slot in domain_slots
            if any(hasattr(self, f"{verb}_{slot.replace('-', '_')}") for verb in ("extract", "validate"))
        ]
