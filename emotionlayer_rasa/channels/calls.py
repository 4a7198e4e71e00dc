"""The live calls of a channel: how many there may be, whose each is, and how messages reach them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import contextmanager
from typing import Any, Awaitable, Iterator, Protocol

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.assistant import Assistant, VoiceOutput
from emotionlayer_rasa.channels.interruptions import InterruptionJudge, InterruptionSettings
from emotionlayer_rasa.channels.limit import ConcurrencyLimit
from emotionlayer_rasa.channels.reply import SpokenReply
from emotionlayer_rasa.channels.requests import SERVER_ADDRESS
from emotionlayer_rasa.channels.silence import SilenceSettings, silence_wordings
from emotionlayer_rasa.channels.transfer import TransferSettings, transfer_wording
from emotionlayer_rasa.hearing import Listener
from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.synthesis import SpeechSynthesizer

logger = logging.getLogger(__name__)


class SenderCall(Protocol):
    """What is asked of a call from outside its connection."""

    sender: str

    def fail(self, error: errors.EmotionLayerError) -> None:
        """End the call."""

    def forget_consent(self) -> None:
        """A turn of the sender may have given or withdrawn it."""

    async def deliver(self, message: dict[str, Any], reply: SpokenReply | None = None) -> None:
        """Pass on a message of the assistant, which may be of a reply that has begun."""


class CallSettings(Settings):
    """Keys of ``emotionlayer_rasa.VoiceInput`` about live calls.

    Attributes:
        max_calls: calls open at a time; of these ``live.max_live`` can be heard.
        idle_timeout_s: seconds without a word from either side after which a call is ended.
        interruptions: what interrupts a reply.
        silence: what a caller is asked who says nothing.
        transfer: where calls are passed on to that an action hands over to a person; None where they are not.
        early_speech: whether the first sentence of a reply is spoken while a language model writes the rest.
        own_url: address at which the action server reaches this server for that, such as ``http://rasa:5005`` or
            ``https://bot.example.com/rasa``; None for this machine, at the port that the call came in at. Several
            Rasa servers behind a balancer need one each.
    """

    max_calls: int = pydantic.Field(default=64, ge=1, le=10_000)
    idle_timeout_s: float = pydantic.Field(default=300.0, ge=1.0)
    interruptions: InterruptionSettings = InterruptionSettings()
    silence: SilenceSettings = SilenceSettings()
    transfer: TransferSettings | None = None
    early_speech: bool = True
    own_url: str | None = pydantic.Field(default=None, regex=SERVER_ADDRESS)


class Calls:
    """The live calls, one a sender.

    Args:
        assistant: who answers.
        listener: who hears.
        synthesizer: who speaks; None where replies stay text.
        settings: how many, and how long.

    Attributes:
        limit: what each call counts to.
        language: that is heard and spoken.
        judge: what interrupts a reply.

    Raises:
        ConfigurationError: a file of the language is wrong.
    """

    def __init__(
        self,
        assistant: Assistant,
        listener: Listener,
        synthesizer: SpeechSynthesizer | None,
        settings: CallSettings,
    ) -> None:
        self.assistant = assistant
        assistant.after_turn = self._forget_consent
        self.listener = listener
        self.synthesizer = synthesizer
        self.settings = settings
        self.language = listener.settings.transcription.language
        self.judge = InterruptionJudge(settings.interruptions, self.language)
        silence_wordings(self.language)  # a wrong file stops the start
        transfer_wording(self.language)
        self.limit = ConcurrencyLimit(
            settings.max_calls,
            "calls are open already. Try again when one has ended, or raise 'max_calls'.",
        )
        self._by_sender: dict[str, SenderCall] = {}
        self._replies: dict[str, tuple[SenderCall, SpokenReply]] = {}
        """By the unguessable name of the turn that is being answered."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def run_in_background(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        """Run something to its end; the event loop itself holds tasks weakly."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def run_to_end(self, work: Awaitable[None]) -> None:
        """Do the last of a call to its end, even where the one who waits is cancelled."""
        await asyncio.shield(self.run_in_background(work))

    def of_sender(self, sender: str) -> SenderCall | None:
        """The sender's call."""
        return self._by_sender.get(sender)

    def add(self, call: SenderCall) -> None:
        """A call takes over its sender's conversation."""
        earlier = self._by_sender.get(call.sender)
        if earlier:
            earlier.fail(errors.CallTakenOverError("Another call of this sender goes on with the conversation."))
        self._by_sender[call.sender] = call

    def remove(self, call: SenderCall) -> None:
        """A call is over."""
        if self._by_sender.get(call.sender) is call:
            del self._by_sender[call.sender]

    @contextmanager
    def answering(self, call: SenderCall, reply: SpokenReply) -> Iterator[str]:
        """While a turn of a call is being answered, let the beginning of the reply in; gives the turn's name."""
        turn = secrets.token_urlsafe(32)
        self._replies[turn] = (call, reply)
        try:
            yield turn
        finally:
            del self._replies[turn]

    def speak_early(self, turn: str, text: str, style: dict[str, Any]) -> None:
        """Speak the beginning of a reply.

        Args:
            turn: its name, from :meth:`answering`.
            text: plain text.
            style: the custom payload that goes with it.

        Raises:
            UnknownCallError: the turn is answered, or its call is over.
            CallerSpeaksError: the caller speaks, or has interrupted the reply.
        """
        call, reply = self._replies.get(turn, (None, None))
        if call is None or reply is None or self._by_sender.get(call.sender) is not call:
            raise errors.UnknownCallError("This turn of a live call is answered, or the call is over.")
        reply.speak_early(text, style)

    def _forget_consent(self, sender: str) -> None:
        if call := self._by_sender.get(sender):
            call.forget_consent()


class LiveOutput(VoiceOutput):
    """Delivers each message of the assistant as it comes, to the call that the sender has then.

    Without a call it keeps the message, as its base does.

    Args:
        calls: the channel's calls.
        call, reply: the call whose turn the messages answer, and their reply; None where they answer none.
    """

    def __init__(self, calls: Calls, call: SenderCall | None = None, reply: SpokenReply | None = None) -> None:
        super().__init__()
        self._calls = calls
        self._call = call
        self._reply = reply

    async def deliver(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Take one message."""
        if call := self._calls.of_sender(recipient_id):
            await call.deliver(message, self._reply if call is self._call else None)
            return
        logger.warning(
            "voice.message.no_call: the assistant spoke to a sender who has no live call on this server. The "
            "message stands in the conversation, and was not spoken."
        )
        await super().deliver(recipient_id, message)
