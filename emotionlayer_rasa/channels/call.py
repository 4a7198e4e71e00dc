"""A live call: sound and typed messages in, what is heard and answered out as events, whatever the wire."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Callable, Mapping

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.call_turns import CallTurns, wait_for
from emotionlayer_rasa.channels.calls import Calls
from emotionlayer_rasa.channels.commands import CallOptions
from emotionlayer_rasa.channels.events import BotMessage, CallEvent
from emotionlayer_rasa.channels.reply import SpokenReply, spoken_text
from emotionlayer_rasa.channels.speaking import Speaker
from emotionlayer_rasa.hearing import Final, Interim, LiveEvent, LiveSession, Partial, SpeechStarted
from emotionlayer_rasa.logs import describe

logger = logging.getLogger(__name__)


class Call:
    """One caller's call.

    Args:
        calls: the channel's calls.
        agent: gives Rasa's agent.
        sender: id of the conversation.
        tell: takes what happens in the call; never waits.
        options: how the call is held.
        own_url: address at which the action server reaches this server, to have the beginning of a reply spoken
            early; None where it may not.
    """

    def __init__(
        self,
        calls: Calls,
        agent: Callable[[], Any],
        sender: str,
        tell: Callable[[CallEvent], None],
        options: CallOptions,
        own_url: str | None = None,
    ) -> None:
        self.sender = sender
        self.speaker: Speaker | None = None
        if options.speech and calls.synthesizer:
            language = calls.listener.settings.transcription.language
            self.speaker = Speaker(calls.synthesizer, language, options.speech, tell)
        self._calls = calls
        self._tell = tell
        self._options = options
        self._turns = CallTurns(
            calls, self, agent, tell, self.speak, options.metadata, own_url if self.speaker else None
        )
        self._session: LiveSession | None = None
        self._following: asyncio.Task[None] | None = None
        self._failure: errors.EmotionLayerError | None = None
        self._caller_speaks = False
        self._held_back: list[tuple[str, dict[str, Any]]] = []
        """Texts to be spoken when the caller has finished, each with its custom payload."""
        self._active_at = time.monotonic()
        calls.add(self)

    def feed(self, data: bytes) -> None:
        """Hear the next sound.

        Raises:
            BusyError: too many calls are heard already, or this one's sound comes faster than it can be heard.
            ModelError, MissingExtraError: there is nothing to hear with.
        """
        if self._session is None:
            options = self._options
            self._session = self._calls.listener.open_session(
                encoding=options.encoding,
                sample_rate=options.sample_rate,
                emotion=self.may_analyse,
                grammar=options.grammar,
            )
            self._following = asyncio.create_task(self._follow(self._session))
        self._session.feed(data)

    @property
    def behind_s(self) -> float:
        """Seconds of sound that came in and were not heard yet."""
        return self._session.behind_s if self._session else 0.0

    async def caught_up(self) -> None:
        """Wait until all sound so far is heard and told."""
        if self._session and self._following:
            await wait_for(self._session.caught_up(), self._following)

    async def may_analyse(self) -> bool:
        """Whether emotion may be read now."""
        return await self._turns.may_analyse()

    def forget_consent(self) -> None:
        """A turn of the sender may have given or withdrawn it."""
        self._turns.forget_consent()

    def reset(self) -> None:
        """Forget the utterance that is going on."""
        if self._session:
            self._session.reset()

    def take_text(self, text: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Take a typed turn, a button's payload or ``/session_start``; it ends what we are saying."""
        self._active_at = time.monotonic()
        self.interrupt()
        self._turns.take_text(text, metadata or {})

    async def answered(self) -> None:
        """Wait for the assistant's answers to all that was said and written so far."""
        await self._turns.answered()

    async def end_sound(self) -> None:
        """No more sound comes: an utterance that is open becomes a turn."""
        if self._session and self._following:
            self._session.eof()
            await asyncio.wait({self._following})

    async def finish(self) -> None:
        """No more sound comes: finish what is open, and wait until it is answered and spoken."""
        await self.end_sound()
        await self.answered()
        if self.speaker:
            await self.speaker.sent()

    def fail(self, error: errors.EmotionLayerError) -> None:
        """End the call: the next :meth:`check` raises the error."""
        self._failure = self._failure or error

    def check(self) -> None:
        """Raise what the call has to end with.

        Raises:
            EmotionLayerError: hearing became impossible, another call took over, or nobody speaks any more.
        """
        idle_timeout_s = self._calls.settings.idle_timeout_s
        if self._turns.open or (self.speaker and self.speaker.speaking):
            self._active_at = time.monotonic()
        elif time.monotonic() - self._active_at > idle_timeout_s:
            self.fail(errors.CallIdleError(f"Nobody spoke or wrote for {idle_timeout_s:g} s. Call again."))
        if self._failure:
            raise self._failure

    async def close(self) -> None:
        """End now. Turns that Rasa has are finished there; the recogniser's memory is given back."""
        self._calls.remove(self)
        if self.speaker:
            await self.speaker.close()
        if self._session and self._following:
            self._following.cancel()
            await self._session.close()
            await asyncio.wait({self._following})

    async def deliver(self, message: dict[str, Any], reply: SpokenReply | None = None) -> None:
        """Pass on a message of the assistant, and wait a short while until it sounds.

        Args:
            message: all of it.
            reply: the reply whose beginning may have been spoken already.
        """
        self._active_at = time.monotonic()
        self._tell(BotMessage(message))
        text = spoken_text(message, self._options.speak_buttons)
        if reply and text:
            text = reply.unspoken(text)
        style = message.get("custom")
        style = style if isinstance(style, dict) else {}
        if text and not self.speak(text, style):
            self._held_back.append((text, style))
        if self.speaker:  # Rasa goes on to predict then, and nothing is sent meanwhile
            await self.speaker.begun()

    def speak(self, text: str, style: dict[str, Any]) -> bool:
        """Speak a text; false while the caller speaks."""
        if self._caller_speaks:
            return False
        if self.speaker:
            self._active_at = time.monotonic()
            self.speaker.say(text, style)
        return True

    def interrupt(self) -> None:
        """Be silent: the caller speaks, writes or presses a key."""
        interruption = self.speaker.interrupt() if self.speaker else None
        if interruption:
            self._tell(interruption)
            self._turns.interrupt(interruption)

    async def _follow(self, session: LiveSession) -> None:
        try:
            async for event in session:
                await self._take(event)
        except errors.EmotionLayerError as error:
            self.fail(error)
        except Exception as error:
            logger.error("voice.call.failed %s", describe(error))
            self.fail(errors.CallError("Hearing this call failed. The server's log names the error."))

    async def _take(self, event: LiveEvent) -> None:
        if isinstance(event, Interim):
            # Not while an earlier turn is being understood: it may withdraw the consent.
            if not self._turns.open and await self.may_analyse():
                self._tell(event)
            return
        self._active_at = time.monotonic()
        if isinstance(event, SpeechStarted):
            self._caller_speaks = True
            self.interrupt()
        elif isinstance(event, Partial):
            self._tell(event)
        else:
            self._caller_speaks = False
            held_back, self._held_back = self._held_back, []
            for text, style in held_back:
                self.speak(text, style)
            if isinstance(event, Final):
                await self._turns.take_utterance(event)
            else:
                self._tell(event)
