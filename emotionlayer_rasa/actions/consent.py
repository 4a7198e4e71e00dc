"""``action_set_emotion_consent``: the caller switches the analysis of the voice off or on."""

from __future__ import annotations

from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say_template
from emotionlayer_rasa.actions.conversation import Conversation
from emotionlayer_rasa.actions.slots import silent_slots

CONSENT = {"stop_emotion_analysis": False, "start_emotion_analysis": True}
"""Intent to the value of the slot ``emotion_consent``; any other intent changes nothing."""


class ActionSetEmotionConsent(SpeakingAction):
    """Sets the slot ``emotion_consent`` as the caller asks; switching off also forgets what was heard."""

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_set_emotion_consent"

    async def answer(self, dispatcher: CollectingDispatcher, conversation: Conversation) -> list[EventType]:
        """Confirm in words that are never left to a language model."""
        consent = CONSENT.get(conversation.intent)
        if consent is None:
            say_template(dispatcher, conversation, "nlu_fallback")
            return []
        say_template(dispatcher, conversation, conversation.intent)
        forgotten = [] if consent else silent_slots(conversation.slots)
        return [SlotSet("emotion_consent", consent), *forgotten]
