"""``action_set_emotion_consent``, ``action_set_emotion_memory``: callers decide what is inferred and kept."""

from __future__ import annotations

from typing import Any, Mapping

from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say_template
from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.actions.slots import emotion_slots, forgotten_slots, profile_slots
from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.conversation import CONSENT, CONSENTS, MEMORY_CONSENT

MEMORY_CONSENTS = {"erase_emotion_memory": False, "allow_emotion_memory": True}
"""Intent to the value of the slot ``emotion_memory_consent``; any other intent changes nothing."""


class ActionSetEmotionConsent(SpeakingAction):
    """Sets the slot ``emotion_consent`` as the caller asks.

    Switching off also forgets what was read of voice and words, in this session and in the emotional profile.
    """

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_set_emotion_consent"

    async def answer(self, dispatcher: CollectingDispatcher, conversation: ActionConversation) -> list[EventType]:
        """Confirm in words that are never left to a language model."""
        consent = CONSENTS.get(conversation.intent)
        if consent is None:
            say_template(dispatcher, conversation, "nlu_fallback")
            return []
        say_template(dispatcher, conversation, conversation.intent)
        forgotten = [] if consent else _nothing_known(conversation.slots)
        return [SlotSet(CONSENT, consent), *forgotten]


class ActionSetEmotionMemory(SpeakingAction):
    """Sets the slot ``emotion_memory_consent`` as the caller asks; erasing also forgets this session."""

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_set_emotion_memory"

    async def answer(self, dispatcher: CollectingDispatcher, conversation: ActionConversation) -> list[EventType]:
        """Confirm in words that are never left to a language model."""
        consent = MEMORY_CONSENTS.get(conversation.intent)
        if consent is None:
            say_template(dispatcher, conversation, "nlu_fallback")
            return []
        say_template(dispatcher, conversation, conversation.intent)
        if not consent:
            return _nothing_known(conversation.slots)
        return [SlotSet(MEMORY_CONSENT, True), *profile_slots(conversation)]


def _nothing_known(slots: Mapping[str, Any]) -> list[EventType]:
    return [*emotion_slots(AffectiveMemory(), slots), *forgotten_slots(slots)]
