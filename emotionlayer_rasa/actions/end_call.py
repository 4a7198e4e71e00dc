"""``action_end_call``: say goodbye, and hang up."""

from __future__ import annotations

from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say_template
from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.call_control import HANG_UP, is_call


class ActionEndCall(SpeakingAction):
    """Says goodbye. A call that is spoken ends when the caller has heard it, unless they say something more.

    Elsewhere nothing ends: who types may go on.
    """

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_end_call"

    async def answer(self, dispatcher: CollectingDispatcher, conversation: ActionConversation) -> list[EventType]:
        """Say goodbye in the fitting tone."""
        say_template(dispatcher, conversation, "goodbye", then=HANG_UP if is_call(conversation.call) else None)
        return []
