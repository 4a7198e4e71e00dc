"""The base of the actions that speak: whatever happens, the caller gets an answer and nothing private leaks."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Any, Mapping

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.call_control import NEXT_KEY, SPOKEN_KEY
from emotionlayer_rasa.conversation import default_language
from emotionlayer_rasa.endpoints import read_section
from emotionlayer_rasa.logs import describe, hide_addresses
from emotionlayer_rasa.response import Reply, ReplySettings, draft_reply, speech_payload

logger = logging.getLogger(__name__)

PAYLOAD_CHANNELS = frozenset({"voice", "rest", "callback", "cmdline", "rasa", "collector", "queue"})
"""Channels that carry a custom payload beside a text: ours, and Rasa's that answer a program in JSON.

``collector`` and ``queue`` are the names that an NLG server is told where the answer goes to one of the latter.
Every other channel, one of a bot's own too, gets text only. That a client of ``rest`` may give itself another name
does no harm: it is answered over ``rest`` all the same.
"""

CHAT_CHANNELS = frozenset(
    {
        *("botframework", "facebook", "hangouts", "mattermost", "rocketchat", "slack", "socketio", "telegram"),
        *("twilio", "twilio_voice", "webexteams"),
    }
)
"""Rasa's other channels: with a payload of ours they fail, post an empty message, or show people JSON."""


class SpeakingAction(Action, ABC):
    """An action whose errors stay here: rasa-sdk would answer them with the whole request, tracker included.

    Attributes:
        application_profile: the ``profile`` under ``replies:`` in ``endpoints.yml``.

    Raises:
        ConfigurationError: when the action server starts, for a wrong key or value under ``replies:``.
    """

    application_profile: str

    def __new__(cls, *_: Any, **__: Any) -> SpeakingAction:
        """Read the profile here, so that a subclass with an ``__init__`` of its own has it, too."""
        hide_addresses()
        action = super().__new__(cls)
        action.application_profile = (read_section(ReplySettings, "replies") or ReplySettings()).profile
        return action

    @abstractmethod
    async def answer(self, dispatcher: CollectingDispatcher, conversation: ActionConversation) -> list[EventType]:
        """Do what the action is for."""

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[EventType]:
        """Call :meth:`answer`; if that fails, apologise and return :meth:`events_after_failure`."""
        try:
            return await self.answer(dispatcher, ActionConversation(tracker, self.application_profile, domain))
        except Exception as error:
            logger.error("action.failed action=%s %s", self.name(), describe(error))
            if not dispatcher.messages:
                language, profile = default_language(), self.application_profile
                draft = draft_reply("failure", "direct_efficiency", {}, language, profile=profile)
                dispatcher.utter_message(text=draft.text)
            return self.events_after_failure()

    def events_after_failure(self) -> list[EventType]:
        """Events that Rasa must get in any case."""
        return []


def say(
    dispatcher: CollectingDispatcher,
    conversation: ActionConversation,
    reply: Reply,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Send a reply, over the channels that carry them with its speech settings.

    Rasa's own output channels deliver the payload as a second message, right behind the text; ``VoiceInput``
    delivers both in one.

    Args:
        dispatcher: takes the message.
        conversation: gives the channel.
        reply: what is said.
        payload: what goes with the speech settings; it is sent over any channel.
    """
    carried = reply.payload() if payload or conversation.channel in PAYLOAD_CHANNELS else None
    dispatcher.utter_message(text=reply.text, json_message={**carried, **(payload or {})} if carried else None)


def say_template(
    dispatcher: CollectingDispatcher,
    conversation: ActionConversation,
    *situations: str,
    spoken: bool = False,
    then: str | None = None,
    **facts: str,
) -> None:
    """Say situations of ``replies.yml`` or the profile, one after the other in one message, to the letter.

    Args:
        dispatcher: takes the message.
        conversation: gives tone, language, application profile and the slots.
        situations: keys of ``situations``.
        spoken: the message goes to a call: shorter wordings are said there, and the text stays whole.
        then: what becomes of the call once the message was heard; see :mod:`emotionlayer_rasa.call_control`.
        facts: values that go before the slots of the same name.
    """
    strategy, language = conversation.memory.current.strategy, conversation.language
    slots = {**conversation.slots, **facts}
    worded = (strategy, slots, language, conversation.said, conversation.application_profile)

    def text_of(spoken: bool) -> str:
        return " ".join(draft_reply(situation, *worded, spoken=spoken).text for situation in situations)

    text, said = text_of(False), text_of(spoken)
    payload = {**({SPOKEN_KEY: said} if spoken else {}), **({NEXT_KEY: then} if then else {})}
    reply = Reply(text, "template", strategy, speech_payload(said, strategy, language))
    say(dispatcher, conversation, reply, payload)
