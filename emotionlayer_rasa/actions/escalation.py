"""``action_escalate_to_human``: hand the conversation to a person."""

from __future__ import annotations

from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say_template
from emotionlayer_rasa.actions.conversation import Conversation


class ActionEscalateToHuman(SpeakingAction):
    """Sets the slot ``escalated``, by which the voice channel stops analysing emotion, and says so honestly."""

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_escalate_to_human"

    async def answer(self, dispatcher: CollectingDispatcher, conversation: Conversation) -> list[EventType]:
        """Tell the caller, without promising when somebody takes over."""
        say_template(dispatcher, conversation, "ask_human")
        return self.events_after_failure()

    def events_after_failure(self) -> list[EventType]:
        """A caller who asked for a person is marked for one, whatever fails."""
        return [SlotSet("escalated", True)]
