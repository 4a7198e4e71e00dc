"""A live call: sound and typed messages in, what is heard and answered out as events, whatever the wire."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any, Callable, Mapping

from emotionlayer_rasa import errors
from emotionlayer_rasa.call_control import HANG_UP, NEXT_KEY, TRANSFER
from emotionlayer_rasa.channels.call_turns import CallTurns, wait_for
from emotionlayer_rasa.channels.calls import Calls
from emotionlayer_rasa.channels.commands import CallOptions
from emotionlayer_rasa.channels.events import BotMessage, CallEvent
from emotionlayer_rasa.channels.reply import SpokenReply, spoken_text
from emotionlayer_rasa.channels.silence import SilenceWatch
from emotionlayer_rasa.channels.speaking import Speaker
from emotionlayer_rasa.channels.transfer import transfer_wording
from emotionlayer_rasa.hearing import (
    Discarded,
    Final,
    Interim,
    LiveEvent,
    LiveSession,
    Partial,
    SpeechStarted,
)
from emotionlayer_rasa.logs import describe

logger = logging.getLogger(__name__)

_FLOWS_S = 2.0
"""Sound comes from a caller who has sent some within so many seconds."""

_TOO_LATE_S = 0.5
"""Sound that waits to be heard: there may be words in it."""


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
            self.speaker = Speaker(calls.synthesizer, calls.language, options.speech, tell)
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
        self._broke_in = False
        """The caller's utterance began while we spoke."""
        self._partial = ""
        """Its text so far."""
        self._sound_lasts: asyncio.TimerHandle | None = None
        self._held_back: list[tuple[str, dict[str, Any], SpokenReply | None]] = []
        """Texts to be spoken when the caller has finished, each with its custom payload and its reply."""
        self._active_at = time.monotonic()
        self._fed_at = -math.inf
        self._silence = SilenceWatch(calls.settings.silence, calls.language)
        self._style: dict[str, Any] = {}
        """Custom payload of the assistant's last message."""
        self._says_goodbye = False
        self._next: str | None = None
        """What an action wants to become of the call once the caller has heard it."""
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
        self._fed_at = time.monotonic()

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

    def end_utterance(self) -> None:
        """The utterance that is going on ends here."""
        if self._session:
            self._session.cut()

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

    @property
    def over(self) -> bool:
        """Whether we have said goodbye: to a caller who says nothing, or as an action wants."""
        return (self._says_goodbye or self._next == HANG_UP) and self._quiet

    @property
    def leaves(self) -> bool:
        """Whether it shall be passed on to a person now: the caller has heard so."""
        return self._next == TRANSFER and self._quiet

    @property
    def _quiet(self) -> bool:
        speaker = self.speaker
        return not (self._turns.open or self._caller_speaks or (speaker and (speaker.speaking or speaker.paused)))

    async def come_back(self) -> None:
        """No person took the call: tell the caller, and go on."""
        self._next = None
        told = transfer_wording(self._calls.language).nobody_answered
        self._tell(BotMessage({"text": told}))
        self._speak_of(told, self._style, None)
        await self._turns.note_nobody_answered(told)

    def check(self) -> None:
        """Raise what the call has to end with; ask a caller who says nothing. To be called every second or so.

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
        self._ask_the_silent()

    def _ask_the_silent(self) -> None:
        speaker, state = self.speaker, self._turns.state
        # Whose microphone is off says nothing, nor who was asked to wait.
        deaf = time.monotonic() - self._fed_at > _FLOWS_S
        waits = self._style.get("wait") is True or (state is not None and state.escalated)
        if not self._options.silence_prompts or not speaker or self._ending or not self._quiet or deaf or waits:
            self._silence.stir()
        elif prompt := self._silence.prompt(state.affect.strategy if state and state.affect else None):
            self._says_goodbye = prompt.last
            self._turns.note_prompt()
            self._tell(BotMessage({"text": prompt.text}))
            self.speak(prompt.text, self._style)

    @property
    def _ending(self) -> bool:
        return self._says_goodbye or self._next is not None

    def _caller_is_there(self) -> None:
        self._silence.heard()
        self._says_goodbye = False
        if self._next == HANG_UP:
            self._next = None

    async def close(self) -> None:
        """End now. Turns that Rasa has are finished there; the recogniser's memory is given back."""
        self._calls.remove(self)
        self._wait_no_more()
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
        style = message.get("custom")
        self._style = style if isinstance(style, dict) else {}
        if self.speaker and self._style.get(NEXT_KEY) in (HANG_UP, TRANSFER):
            self._next = self._style[NEXT_KEY]
        if text:
            self._speak_of(text, self._style, reply)
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
        """Say nothing more of what we are saying: the caller interrupts, writes or presses a key."""
        self._caller_is_there()
        self._wait_no_more()
        self._broke_in = False
        if self.speaker:
            self._be_silent()
            if heard := self.speaker.give_up():
                self._turns.note_heard(heard)

    def _be_silent(self) -> bool:
        stopped = self.speaker.pause() if self.speaker else None
        if stopped:
            self._tell(stopped)
        return stopped is not None

    def _speak_of(self, text: str, style: dict[str, Any], reply: SpokenReply | None) -> None:
        """Speak a message of a reply, or what is left of it, as soon as the caller does not speak."""
        if self._caller_speaks:
            self._held_back.append((text, style, reply))
        elif text := reply.unspoken(text) if reply else text:
            self.speak(text, style)

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
            self._partial = ""
            self._caller_begins()
        elif isinstance(event, Partial):
            self._partial = event.text
            if not self._caller_speaks and self._calls.judge.counted(event.text):
                self._caller_begins()  # what we went on to speak over was speech
            self._tell(event)
        elif isinstance(event, Final):
            await self._take_final(event)
        else:
            self._tell(event)
            self._caller_ends()

    async def _take_final(self, final: Final) -> None:
        text = final.utterance.transcript.text.strip()
        meant = not self._broke_in or self._interrupts(text, final.speech_s)
        if meant:
            self.interrupt()
        elif text:
            self._caller_is_there()
            self._tell(Discarded("backchannel", final.start_s, final.end_s))
        self._caller_ends()
        if meant or not text:
            await self._turns.take_utterance(final)

    def _interrupts(self, text: str, speech_s: float) -> bool:
        answers = bool(text) and self.speaker is not None and self.speaker.may_be_answered
        return answers or self._calls.judge.interrupts(text, speech_s)

    def _caller_begins(self) -> None:
        self._caller_speaks = True
        if self._be_silent():
            self._broke_in = True
            self._wait_for_words(self._calls.settings.interruptions.resume_s)

    def _wait_for_words(self, seconds: float) -> None:
        self._wait_no_more()
        self._sound_lasts = asyncio.get_running_loop().call_later(seconds, self._speak_over_sound)

    def _wait_no_more(self) -> None:
        if self._sound_lasts:
            self._sound_lasts.cancel()
            self._sound_lasts = None

    def _speak_over_sound(self) -> None:
        """The sound lasts, and has no words: music, say, does not keep us from going on."""
        if self.behind_s > _TOO_LATE_S:
            self._wait_for_words(_TOO_LATE_S)
        elif not self._calls.judge.counted(self._partial):
            self._go_on()

    def _caller_ends(self) -> None:
        self._wait_no_more()
        self._broke_in = False
        self._go_on()

    def _go_on(self) -> None:
        """Speak on, unless we were interrupted, and what has come meanwhile."""
        self._caller_speaks = False
        if self.speaker:
            self.speaker.resume()
        held_back, self._held_back = self._held_back, []
        for text, style, reply in held_back:
            self._speak_of(text, style, reply)
