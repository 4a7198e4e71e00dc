"""The turns of a live call: what was said or typed goes to Rasa, and what is known of it is told."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any, Awaitable, Callable, Coroutine, Mapping

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.assistant import last_utterance, may_analyse_now, state_of, take_back
from emotionlayer_rasa.channels.calls import Calls, LiveOutput, SenderCall
from emotionlayer_rasa.channels.events import (
    CallEvent,
    ConversationState,
    EmotionRead,
    Failed,
    Transcribed,
    TurnState,
)
from emotionlayer_rasa.channels.reply import SpokenReply
from emotionlayer_rasa.channels.requests import INTERRUPTED_KEY, SILENCE_KEY
from emotionlayer_rasa.channels.speaking import HeardReply
from emotionlayer_rasa.early_speech import early_speech_metadata
from emotionlayer_rasa.hearing import Final
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.utterance import METADATA_KEY, Transcript, Utterance

logger = logging.getLogger(__name__)


class CallTurns:
    """One caller's turns, one after the other, and whether they may be read for emotion.

    Args:
        calls: the channel's calls.
        call: whose turns they are.
        agent: gives Rasa's agent.
        tell: takes what is known of a turn.
        speak: speaks the beginning of a reply; false while the caller speaks.
        metadata: for every message to Rasa.
        own_url: address at which the action server reaches this server, to have the beginning of a reply spoken
            early; None where it may not.
    """

    def __init__(
        self,
        calls: Calls,
        call: SenderCall,
        agent: Callable[[], Any],
        tell: Callable[[CallEvent], None],
        speak: Callable[[str, dict[str, Any]], bool],
        metadata: Mapping[str, Any],
        own_url: str | None,
    ) -> None:
        self._calls = calls
        self._call = call
        self._agent = agent
        self._tell = tell
        self._speak = speak
        self._metadata = metadata
        self._own_url = own_url
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reply: SpokenReply | None = None
        """To the turn that Rasa has now."""
        self._heard: HeardReply | None = None
        """What the next turn tells Rasa of the reply before."""
        self._prompts = 0
        """How many times the caller was asked since whether they were there."""
        self.state: ConversationState | None = None
        """What the memory made of the conversation after the last turn."""
        self._analysed: bool | None = None
        """Whether emotion may be read, as last asked; None where a turn may have changed it."""
        self._consents = 0
        """How many times it may have changed."""

    @property
    def open(self) -> bool:
        """Whether a turn is not answered yet."""
        return bool(self._tasks)

    async def answered(self) -> None:
        """Wait for the assistant's answers to all that was said and written so far."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def note_heard(self, heard: HeardReply) -> None:
        """The caller broke into a reply: the next turn tells Rasa how much of it was heard."""
        self._heard = heard
        if self._reply and heard.given_up:
            self._reply.interrupt()

    def note_prompt(self) -> None:
        """The caller says nothing, and was asked whether they were there: the next turn tells Rasa so."""
        self._prompts += 1

    async def note_nobody_answered(self, told: str) -> None:
        """The call came back from its transfer, and the caller was told so: no person has taken over."""
        sender = self._call.sender
        async with self._calls.assistant.order.turn(sender):
            await take_back(self._agent(), sender, told)
            self.forget_consent()
            await self._tell_state()

    async def may_analyse(self) -> bool:
        """Whether emotion may be read now.

        Rasa's store reads the whole conversation for an answer, and some stores block the event loop meanwhile, so
        that it is asked once for each turn of the sender: only a turn can change it.
        """
        return await self._ask_consent() if self._analysed is None else self._analysed

    def forget_consent(self) -> None:
        """A turn of the sender may have given or withdrawn it."""
        self._analysed = None
        self._consents += 1

    async def _ask_consent(self) -> bool:
        asked = self._consents
        analysed = await may_analyse_now(self._agent(), self._call.sender)
        if asked == self._consents:
            self._analysed = analysed
        return analysed

    def take_text(self, text: str, metadata: Mapping[str, Any]) -> None:
        """Have a typed turn answered."""
        self._begin(self._answer_text(text, {**self._metadata, **metadata}))

    async def take_utterance(self, final: Final) -> None:
        """Tell what was said, and have it answered."""
        self._tell(Transcribed(final.utterance.transcript, final.start_s))
        earlier = self.open
        told = asyncio.Event()
        turn = self._begin(self._answer_utterance(final.utterance, told))
        if not earlier:  # so that text and emotion go together
            await wait_for(told.wait(), turn)

    def _begin(self, turn: Awaitable[None]) -> asyncio.Task[Any]:
        task = self._calls.run_in_background(self._run(turn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, turn: Awaitable[None]) -> None:
        """A turn that fails is told; the call goes on."""
        try:
            await turn
        except errors.EmotionLayerError as error:
            logger.info("voice.turn.refused code=%s", error.code)
            self._tell(Failed(error))
        except Exception as error:
            logger.error("voice.turn.failed %s", describe(error))
            failed = errors.AssistantError("The assistant failed. The server's log names the error.")
            self._tell(Failed(failed))

    async def _answer_utterance(self, utterance: Utterance, told: asyncio.Event) -> None:
        """Tell the emotion of what was said (``told`` is set then), and have it answered."""
        async with self._calls.assistant.order.turn(self._call.sender):
            # Asked again: the turns before, now understood, or somebody beside us may have withdrawn the consent.
            if not await self._ask_consent():
                utterance = Utterance(
                    utterance.transcript, duration_s=utterance.duration_s, timings_ms=utterance.timings_ms
                )
            if _was_analysed(utterance):
                self._tell(EmotionRead(utterance))
                self._tell(TurnState(utterance.affect))
            told.set()
            text = utterance.transcript.text.strip()
            if text:
                await self._answer(text, {**self._metadata, METADATA_KEY: utterance.to_metadata()})
                await self._tell_state()

    async def _answer_text(self, text: str, metadata: dict[str, Any]) -> None:
        async with self._calls.assistant.order.turn(self._call.sender):
            await self._answer(text, metadata)
            read = await last_utterance(self._agent(), self._call.sender)
            if read and _was_analysed(read) and not text.startswith("/"):
                self._tell(EmotionRead(replace(read, transcript=Transcript(text))))
            await self._tell_state()

    async def _tell_state(self) -> None:
        """Tell what the memory makes of the conversation after a turn, and note what it says of the consent."""
        asked = self._consents
        state = await state_of(self._agent(), self._call.sender)
        if asked == self._consents:
            self._analysed = state.analysed
        self.state = state
        self._tell(state)

    async def _answer(self, text: str, metadata: dict[str, Any]) -> None:
        if heard := self._heard:
            said = {"said": round(heard.said, 3), "sentences": heard.sentences, "resumed": heard.resumed}
            metadata = {**metadata, INTERRUPTED_KEY: said}
            self._heard = None
        if self._prompts:
            metadata = {**metadata, SILENCE_KEY: self._prompts}
            self._prompts = 0
        agent = self._agent()
        self._calls.assistant.check_ready(agent)
        reply = self._reply = SpokenReply(self._speak)
        with self._calls.answering(self._call, reply) as turn:
            if self._own_url:
                metadata = {**metadata, **early_speech_metadata(self._own_url, turn)}
            output = LiveOutput(self._calls, self._call, reply)
            await self._calls.assistant.answer(text, self._call.sender, output, metadata)


def _was_analysed(utterance: Utterance) -> bool:
    return utterance.emotion.source != "none" or utterance.words is not None


async def wait_for(what: Coroutine[Any, Any, Any], unless: asyncio.Task[Any]) -> None:
    """Wait for something, or for the end of a task without which it will not come."""
    waiting = asyncio.create_task(what)
    try:
        await asyncio.wait({waiting, unless}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
