"""``action_empathetic_reply``: what to say, in the way that fits how the caller sounds."""

from __future__ import annotations

from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say
from emotionlayer_rasa.actions.conversation import Conversation
from emotionlayer_rasa.endpoints import read_section
from emotionlayer_rasa.response import LLMClient, ReplyComposer, ReplySettings, read_llm_settings


class ActionEmpatheticReply(SpeakingAction):
    """Answers the last intent; the facts come from slots, the tone from voice, words and memory.

    Raises:
        ConfigurationError: when the action server starts, for a wrong key or value under ``llm:`` or
            ``replies:`` in ``endpoints.yml`` or in a ``replies.yml``, or a prompt that cannot be used.
    """

    def __init__(self) -> None:
        settings = read_llm_settings()
        profile = (read_section(ReplySettings, "replies") or ReplySettings()).profile
        self._composer = ReplyComposer(LLMClient(settings) if settings else None, profile)

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_empathetic_reply"

    async def answer(self, dispatcher: CollectingDispatcher, conversation: Conversation) -> list[EventType]:
        """Say the reply and note its strategy in the slot ``response_strategy``."""
        reply = await self._composer.reply(
            conversation.utterance,
            conversation.intent,
            conversation.slots,
            conversation.said,
            conversation.language,
            conversation.memory,
        )
        say(dispatcher, conversation, reply)
        return [SlotSet("response_strategy", reply.strategy)] if "response_strategy" in conversation.slots else []
