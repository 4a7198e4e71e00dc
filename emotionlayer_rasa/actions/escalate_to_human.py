"""``action_escalate_to_human``: hand the conversation to a person."""

from __future__ import annotations

import logging

from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say_template
from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.call_control import TRANSFER, can_transfer
from emotionlayer_rasa.handoff import Handoff, summarise
from emotionlayer_rasa.logs import describe

logger = logging.getLogger(__name__)

OFFER = "utter_offer_human"
"""The response that offers a person: a yes to it asks for one."""


class ActionEscalateToHuman(SpeakingAction):
    """Sets the slot ``escalated``, posts a summary to those who take over, and tells the caller what came of it.

    The slot ends the analysis of voice and words. A call that can be passed on (``transfer:`` in
    ``credentials.yml``, and a telephone system that does so) is, once the caller has heard that. Else, without
    ``handoff:`` in ``endpoints.yml`` nothing is posted: the slot is all that a person can go by, and the caller is
    told to try another way. A caller who did not ask for a person hears first that one should take over.

    Raises:
        ConfigurationError: when the action server starts, for a wrong key or value under ``handoff:`` or
            ``replies:``, a secret that is not set, or an outbox that cannot be used.
    """

    def __init__(self) -> None:
        self._handoff = Handoff.from_endpoints()

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_escalate_to_human"

    async def answer(self, dispatcher: CollectingDispatcher, conversation: ActionConversation) -> list[EventType]:
        """Hand over and tell the caller, without promising when somebody takes over."""
        opening = () if _asked(conversation) else ("handoff_unasked",)
        state = await self._hand_over(conversation)
        if can_transfer(conversation.call):
            say_template(dispatcher, conversation, *opening, "handoff_transfer", then=TRANSFER)
        else:
            say_template(dispatcher, conversation, *opening, state)
        return self.events_after_failure()

    def events_after_failure(self) -> list[EventType]:
        """A caller who is to get a person is marked for one, whatever fails."""
        return [SlotSet("escalated", True)]

    async def _hand_over(self, conversation: ActionConversation) -> str:
        """Post the summary; gives the situation of ``replies.yml`` that this leads to."""
        if self._handoff is None:
            logger.info("handoff.not_configured: nobody is told, for endpoints.yml has no section handoff.")
            return "ask_human"
        settings = self._handoff.settings
        try:
            summary = summarise(
                conversation,
                turns=settings.turns,
                transcripts=settings.transcripts == "redacted",
                slots=settings.slots,
            )
            state = await self._handoff.submit(summary)
        except Exception as error:  # the caller is told the truth all the same
            logger.error("handoff.failed %s", describe(error))
            state = "failed"
        return f"handoff_{state}"


def _asked(conversation: ActionConversation) -> bool:
    """Whether the last turn asks for a person, or says yes to the offer of one."""
    return conversation.intent == "ask_human" or (conversation.intent == "affirm" and _offered(conversation))


def _offered(conversation: ActionConversation) -> bool:
    """Whether a person was offered between the last turn and the one before."""
    turns = 0
    for event in reversed(conversation.events):
        turns += event.get("event") == "user"
        if turns == 2:
            break
        if turns == 1 and event.get("event") == "action" and event.get("name") == OFFER:
            return True
    return False
