"""Rasa as the voice channel sees it: who may be analysed, turns in order and in time, and what comes back."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any, Awaitable, Callable

from rasa.core.channels.channel import CollectingOutputChannel, UserMessage
from rasa.shared.core.events import BotUttered, SlotSet

from emotionlayer_rasa.affect.priority import priority
from emotionlayer_rasa.channels.events import ConversationState
from emotionlayer_rasa.channels.turns import TurnOrder
from emotionlayer_rasa.conversation import ESCALATED, Conversation
from emotionlayer_rasa.errors import AssistantNotReadyError, AssistantTimeoutError
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import Utterance

logger = logging.getLogger(__name__)

CHANNEL = "voice"
"""The channel's name: its route, and what ``channel:`` conditions of responses in ``domain.yml`` name."""


class VoiceOutput(CollectingOutputChannel):
    """Collects the assistant's messages: text, buttons and custom data of one response in one JSON object."""

    @classmethod
    def name(cls) -> str:
        """The name that ``channel:`` conditions of responses in ``domain.yml`` use."""
        return CHANNEL

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Keep one response of the assistant."""
        kept = {key: message.get(key) for key in ("text", "buttons", "image", "attachment", "elements", "custom")}
        kept["buttons"] = kept["buttons"] or message.get("quick_replies")
        if any(kept.values()):
            await self.deliver(recipient_id, {key: value for key, value in kept.items() if value})

    async def deliver(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Take one message."""
        await self._persist_message(message)


class Assistant:
    """The Rasa server that the channel is part of.

    Args:
        on_new_message: Rasa's handler of messages.
        waiting: turns of one caller that may wait.
        timeout_s: seconds that Rasa and its actions may take to answer one turn.

    Attributes:
        after_turn: called with the sender of each turn when Rasa is done with it, be that in time or late.
    """

    def __init__(
        self, on_new_message: Callable[[UserMessage], Awaitable[Any]], waiting: int, timeout_s: float
    ) -> None:
        self.order = TurnOrder(waiting)
        self.after_turn: Callable[[str], None] = lambda sender: None
        self._on_new_message = on_new_message
        self._timeout_s = timeout_s
        self._answering: set[asyncio.Task[Any]] = set()

    @staticmethod
    def check_ready(agent: Any) -> None:
        """Refuse turns while there is nobody to answer them.

        Raises:
            AssistantNotReadyError: Rasa runs without a model.
        """
        if agent is None or not agent.is_ready():
            raise AssistantNotReadyError(
                "The Rasa server runs without a model. Train one with 'rasa train' and start the server again."
            )

    async def answer(
        self, text: str, sender: str, output: VoiceOutput, metadata: dict[str, Any] | None = None
    ) -> None:
        """Give Rasa one message and wait for its answer, which goes to ``output``.

        Rasa is never cancelled: a turn cut off half way would leave half a conversation behind.

        Raises:
            AssistantTimeoutError: it took too long.
        """
        message = UserMessage(text, output, sender, input_channel=CHANNEL, metadata=metadata or None)
        task = asyncio.ensure_future(self._on_new_message(message))
        self._answering.add(task)  # the event loop itself holds tasks weakly
        task.add_done_callback(self._answering.discard)
        task.add_done_callback(lambda _: self.after_turn(sender))
        done, _ = await asyncio.wait({task}, timeout=self._timeout_s)
        if not done:
            task.add_done_callback(_log_late)
            raise AssistantTimeoutError(
                f"The assistant did not answer within {self._timeout_s:g} s. Its answer is lost, "
                "the turn is not. Look at the action server, or raise 'response_timeout_s'."
            )
        task.result()


async def may_analyse_now(agent: Any, sender: str) -> bool:
    """Whether the next turn of this caller may be read for emotion."""
    return Conversation.from_rasa(await _tracker(agent, sender)).may_analyse


async def is_new(agent: Any, sender: str) -> bool:
    """Whether nothing was said in this conversation yet."""
    tracker = await agent.tracker_store.retrieve(sender)
    return tracker is None or not any(event.type_name in ("user", "bot") for event in tracker.events)


async def last_utterance(agent: Any, sender: str) -> Utterance | None:
    """The caller's last turn as Rasa's pipeline read it; None where there is none."""
    tracker = await agent.tracker_store.retrieve(sender)
    turns = Conversation.from_rasa(tracker).turns if tracker else ()
    return turns[-1].utterance if turns else None


async def take_back(agent: Any, sender: str, said: str) -> None:
    """Note that no person has taken the conversation over after all, and what the caller was told of that."""
    async with agent.lock_store.lock(sender):
        tracker = await _tracker(agent, sender)
        if ESCALATED in tracker.slots:
            tracker.update(SlotSet(ESCALATED, False))
        tracker.update(BotUttered(said))
        await agent.tracker_store.save(tracker)


async def state_of(agent: Any, sender: str) -> ConversationState:
    """What the memory makes of the conversation."""
    tracker = await _tracker(agent, sender)
    return await asyncio.to_thread(_state, tracker)


def _state(tracker: Any) -> ConversationState:
    conversation = Conversation.from_rasa(tracker)
    state = ConversationState(conversation.may_analyse, conversation.escalated)
    if not conversation.may_analyse:
        return state
    memory = conversation.memory
    if memory.current.state == UNKNOWN:
        return state
    return replace(
        state,
        affect=memory.current,
        trend=memory.trend,
        negative_streak=memory.negative_streak,
        priority=priority(memory),
    )


async def _tracker(agent: Any, sender: str) -> Any:
    store = agent.tracker_store
    return await store.retrieve(sender) or store.init_tracker(sender)


def _log_late(task: asyncio.Task[Any]) -> None:
    failure = None if task.cancelled() else task.exception()
    logger.warning("voice.answer.late %s", describe(failure) if failure else "")
