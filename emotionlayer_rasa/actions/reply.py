"""``action_empathetic_reply``: what to say, in the way that fits how the caller sounds."""

from __future__ import annotations

from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say
from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.actions.early_speech import early_speech
from emotionlayer_rasa.response import ReplyComposer
from emotionlayer_rasa.response.llm import LLMClient, read_llm_settings


class ActionEmpatheticReply(SpeakingAction):
    """Answers the last intent; the facts come from slots, the tone from voice, words and memory.

    Raises:
        ConfigurationError: when the action server starts, for a wrong key or value under ``llm:`` or
            ``replies:`` in ``endpoints.yml`` or in a ``replies.yml``, or a prompt that cannot be used.
    """

    def __init__(self) -> None:
        super().__init__()
        settings = read_llm_settings()
        self._composer = ReplyComposer(LLMClient(settings) if settings else None, self.application_profile)

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_empathetic_reply"

    async def answer(self, dispatcher: CollectingDispatcher, conversation: ActionConversation) -> list[EventType]:
        """Say the reply, in a live call its first sentence as soon as that is written.

        The strategy of the reply is noted in the slot ``response_strategy``.
        """
        reply = await self._composer.reply(
            conversation.utterance,
            conversation.intent,
            conversation.slots,
            conversation.said,
            conversation.language,
            conversation.memory,
            early_speech(conversation),
        )
        say(dispatcher, conversation, reply)
        return [SlotSet("response_strategy", reply.strategy)] if "response_strategy" in conversation.slots else []
