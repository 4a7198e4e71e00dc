"""A live call: sound and typed messages in, what is heard and answered out, whatever wire it comes over."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Awaitable, Callable, Coroutine, Iterator, Mapping, Protocol, Sequence

import structlog

from emotionlayer_rasa import errors
from emotionlayer_rasa.audio import RawEncoding
from emotionlayer_rasa.channels.assistant import (
    Assistant,
    VoiceOutput,
    last_utterance,
    may_analyse_now,
    state_of,
)
from emotionlayer_rasa.channels.requests import INTERRUPTED_KEY
from emotionlayer_rasa.channels.speaking import Interruption, Speaker, SpeechFormat, SpokenLine
from emotionlayer_rasa.early_speech import early_speech_metadata
from emotionlayer_rasa.hearing import (
    Discarded,
    Final,
    Interim,
    Listener,
    LiveEvent,
    LiveSession,
    Partial,
    SpeechStarted,
)
from emotionlayer_rasa.synthesis import SpeechSynthesizer
from emotionlayer_rasa.utterance import METADATA_KEY, Transcript, Utterance

log = structlog.get_logger(__name__)


class Line(SpokenLine, Protocol):
    """What a call tells the other side."""

    def tell(self, news: Mapping[str, Any]) -> None:
        """Tell something: keys and values as in :mod:`emotionlayer_rasa.channels.stream`, ``bot`` one message."""

    def stop(self, interruption: Interruption) -> None:
        """The caller interrupts: be silent at once."""


class Places:
    """Places for so many at a time.

    Args:
        limit: how many.
        taken: what to say when all are taken, and what to do then.
    """

    def __init__(self, limit: int, taken: str) -> None:
        self._limit = limit
        self._message = taken
        self._taken = 0

    def check(self) -> None:
        """Look whether there is one.

        Raises:
            BusyError: there is none.
        """
        if self._taken >= self._limit:
            raise errors.BusyError(f"{self._taken} {self._message}")

    @contextmanager
    def take(self) -> Iterator[None]:
        """Take one.

        Raises:
            BusyError: there is none.
        """
        self.check()
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class Calls:
    """The live calls of a channel, one a sender.

    Args:
        assistant: who answers.
        listener: who hears.
        synthesizer: who speaks; None where replies stay text.
        max_calls: calls at a time.
        idle_timeout_s: seconds without a word from either side after which a call is ended.
        max_characters: of a typed message.
        own_url: address at which the action server reaches this server; None for its port on this machine.
        early_speech: whether the beginning of a reply may be spoken before the rest is known.

    Attributes:
        places: those of the calls.
    """

    def __init__(
        self,
        assistant: Assistant,
        listener: Listener,
        synthesizer: SpeechSynthesizer | None,
        max_calls: int,
        idle_timeout_s: float,
        max_characters: int,
        own_url: str | None = None,
        early_speech: bool = True,
    ) -> None:
        self.assistant = assistant
        assistant.after_turn = self._forget_consent
        self.listener = listener
        self.synthesizer = synthesizer
        self.idle_timeout_s = idle_timeout_s
        self.max_characters = max_characters
        self.own_url = own_url
        self.early_speech = early_speech
        self.places = Places(
            max_calls, "calls are open already. Try again when one has ended, or raise 'max_calls'."
        )
        self._by_sender: dict[str, Call] = {}
        self._replies: dict[str, SpokenReply] = {}
        """By the unguessable name of the turn that is being answered."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def keep(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        """Run something to its end; the event loop itself holds tasks weakly."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, work: Awaitable[None]) -> None:
        """Do the last of a call to its end, even where the one who waits is cancelled."""
        await asyncio.shield(self.keep(work))

    def call_of(self, sender: str) -> Call | None:
        """The sender's call."""
        return self._by_sender.get(sender)

    def begin(self, call: Call) -> None:
        """A call takes over its sender's conversation."""
        earlier = self._by_sender.get(call.sender)
        if earlier:
            earlier.fail(errors.CallTakenOverError("Another call of this sender goes on with the conversation."))
        self._by_sender[call.sender] = call

    def end(self, call: Call) -> None:
        """A call is over."""
        if self._by_sender.get(call.sender) is call:
            del self._by_sender[call.sender]

    @contextmanager
    def answering(self, reply: SpokenReply) -> Iterator[str]:
        """While a turn is being answered, let the beginning of the reply in; gives the turn's name."""
        turn = secrets.token_urlsafe(32)
        self._replies[turn] = reply
        try:
            yield turn
        finally:
            del self._replies[turn]

    def _forget_consent(self, sender: str) -> None:
        if call := self._by_sender.get(sender):
            call.forget_consent()

    def say_early(self, turn: str, text: str, style: dict[str, Any]) -> None:
        """Speak the beginning of a reply.

        Args:
            turn: its name, from :meth:`answering`.
            text: plain text.
            style: the custom payload that goes with it.

        Raises:
            UnknownCallError: the turn is answered, or its call is over.
            CallerSpeaksError: the caller speaks, or has interrupted the reply.
        """
        reply = self._replies.get(turn)
        if reply is None or self._by_sender.get(reply.call.sender) is not reply.call:
            raise errors.UnknownCallError("This turn of a live call is answered, or the call is over.")
        reply.begin(text, style)


class SpokenReply:
    """The assistant's reply to one turn, whose beginning may be spoken before the rest is known.

    Args:
        call: the call that the turn is of.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self._said = ""
        self._interrupted = False

    def begin(self, text: str, style: dict[str, Any]) -> None:
        """Speak the beginning, or what comes right after it.

        Raises:
            CallerSpeaksError: the caller speaks, or has interrupted the reply.
        """
        if self._interrupted or not self.call.speak(text, style):
            raise errors.CallerSpeaksError("The caller speaks. Give the reply to Rasa.")
        self._said = f"{self._said} {text}"

    def interrupt(self) -> None:
        """The caller speaks: if the reply has begun, the rest of it is not spoken."""
        self._interrupted = bool(self._said)

    def rest(self, text: str) -> str:
        """What is left to be spoken of a message of the assistant.

        Of the one that was begun it is all but the beginning. That need not be the first one: an action may send
        others before it.
        """
        said, words = self._said.split(), text.split()
        if not said or words[: len(said)] != said:
            return text
        self._said = ""
        return "" if self._interrupted else " ".join(words[len(said) :])


class LiveOutput(VoiceOutput):
    """Delivers each message of the assistant as it comes, to the call that the sender has then.

    Without a call it keeps the message, as its base does.

    Args:
        calls: the channel's calls.
        reply: what the messages are; None where they answer no turn of a call.
    """

    def __init__(self, calls: Calls, reply: SpokenReply | None = None) -> None:
        super().__init__()
        self._calls = calls
        self._reply = reply

    async def keep(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Take one message."""
        if call := self._calls.call_of(recipient_id):
            call.receive(message, self._reply if self._reply and self._reply.call is call else None)
            if call.speaker:  # Rasa goes on to predict then, and nothing is sent meanwhile
                await call.speaker.begun()
            return
        log.warning(
            "voice.message.no_call",
            event_info="The assistant spoke to a sender who has no live call on this server. The message stands "
            "in the conversation, and was not spoken.",
        )
        await super().keep(recipient_id, message)


class Call:
    """One caller's call.

    Args:
        calls: the channel's calls.
        agent: gives Rasa's agent.
        sender: id of the conversation.
        line: what the other side is told over.
        metadata: for every message to Rasa.
        encoding, sample_rate: of the sound.
        grammar: phrases to listen for.
        interim: tell emotion while the caller speaks.
        words: tell each word with its times.
        speech: what replies are spoken in; None for text only.
        spoken_text: what of a message is spoken.
        own_url: address at which the action server reaches this server, to have the beginning of a reply spoken
            early; None where it may not.
    """

    def __init__(
        self,
        calls: Calls,
        agent: Callable[[], Any],
        sender: str,
        line: Line,
        *,
        metadata: dict[str, Any] | None = None,
        encoding: RawEncoding = "pcm16",
        sample_rate: int = 8000,
        grammar: Sequence[str] | None = None,
        interim: bool = False,
        words: bool = True,
        speech: SpeechFormat | None = None,
        spoken_text: Callable[[Mapping[str, Any]], str] = lambda message: str(message.get("text") or ""),
        own_url: str | None = None,
    ) -> None:
        self.sender = sender
        self.speaker: Speaker | None = None
        if speech and calls.synthesizer:
            language = calls.listener.settings.transcription.language
            self.speaker = Speaker(calls.synthesizer, language, speech, line)
        self._calls = calls
        self._agent = agent
        self._line = line
        self._metadata = metadata or {}
        self._sound: dict[str, Any] = {"encoding": encoding, "sample_rate": sample_rate, "grammar": grammar}
        self._interim = interim
        self._words = words
        self._spoken_text = spoken_text
        self._own_url = own_url
        self._reply: SpokenReply | None = None
        """To the turn that Rasa has now."""
        self._session: LiveSession | None = None
        self._following: asyncio.Task[None] | None = None
        self._failure: errors.EmotionLayerError | None = None
        self._turns: set[asyncio.Task[Any]] = set()
        self._caller_speaks = False
        self._held: list[tuple[str, dict[str, Any]]] = []
        """Texts to be spoken when the caller has finished, each with its custom payload."""
        self._interruption: Interruption | None = None
        self._analysed: bool | None = None
        """Whether emotion may be read, as last asked; None where a turn may have changed it."""
        self._consents = 0
        """How many times it may have changed."""
        self._active_at = time.monotonic()
        calls.begin(self)

    def feed(self, data: bytes) -> None:
        """Hear the next sound.

        Raises:
            BusyError: too many calls are heard already, or this one's sound comes faster than it can be heard.
            ModelError, MissingExtraError: there is nothing to hear with.
        """
        if self._session is None:
            self._session = self._calls.listener.open_session(emotion=self.may_analyse, **self._sound)
            self._following = asyncio.create_task(self._follow(self._session))
        self._session.feed(data)

    @property
    def behind_s(self) -> float:
        """Seconds of sound that came in and were not heard yet."""
        return self._session.behind_s if self._session else 0.0

    async def caught_up(self) -> None:
        """Wait until all sound so far is heard and told."""
        if self._session and self._following:
            await _wait_for(self._session.caught_up(), self._following)

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
        analysed = await may_analyse_now(self._agent(), self.sender)
        if asked == self._consents:
            self._analysed = analysed
        return analysed

    def reset(self) -> None:
        """Forget the utterance that is going on."""
        if self._session:
            self._session.reset()

    def write(self, text: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Take a typed turn, a button's payload or ``/session_start``; it ends what we are saying."""
        self._active_at = time.monotonic()
        self.interrupt()
        self._begin(self._typed(text, {**self._metadata, **(metadata or {})}))

    async def answered(self) -> None:
        """Wait for the assistant's answers to all that was said and written so far."""
        while self._turns:
            await asyncio.wait(self._turns)

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
        if self._turns or (self.speaker and self.speaker.speaking):
            self._active_at = time.monotonic()
        elif time.monotonic() - self._active_at > self._calls.idle_timeout_s:
            self.fail(
                errors.CallIdleError(f"Nobody spoke or wrote for {self._calls.idle_timeout_s:g} s. Call again.")
            )
        if self._failure:
            raise self._failure

    async def close(self) -> None:
        """End now. Turns that Rasa has are finished there; the recogniser's memory is given back."""
        self._calls.end(self)
        if self.speaker:
            await self.speaker.close()
        if self._session and self._following:
            self._following.cancel()
            await self._session.close()
            await asyncio.wait({self._following})

    def receive(self, message: dict[str, Any], reply: SpokenReply | None = None) -> None:
        """Pass on a message of the assistant.

        Args:
            message: all of it.
            reply: the reply whose beginning may have been spoken already.
        """
        self._active_at = time.monotonic()
        self._line.tell({"bot": message})
        text = self._spoken_text(message)
        if reply and text:
            text = reply.rest(text)
        style = message.get("custom")
        style = style if isinstance(style, dict) else {}
        if text and not self.speak(text, style):
            self._held.append((text, style))

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
            self._interruption = interruption
            self._line.stop(interruption)
            if self._reply:
                self._reply.interrupt()

    async def _follow(self, session: LiveSession) -> None:
        try:
            async for event in session:
                await self._take(event)
        except errors.EmotionLayerError as error:
            self.fail(error)
        except Exception as error:
            log.error("voice.call.failed", error=type(error).__name__, where=errors.where(error))
            self.fail(errors.CallError("Hearing this call failed. The server's log names the error."))

    async def _take(self, event: LiveEvent) -> None:
        if isinstance(event, Interim):
            # Not while an earlier turn is being understood: it may withdraw the consent.
            if self._interim and not self._turns and await self.may_analyse():
                told = Utterance(Transcript(""), event.emotion, prosody=event.prosody).to_metadata()
                self._line.tell({"emotion": told["emotion"], "interim": True, "prosody": told["prosody"]})
            return
        self._active_at = time.monotonic()
        if isinstance(event, SpeechStarted):
            self._caller_speaks = True
            self.interrupt()
        elif isinstance(event, Partial):
            self._line.tell({"partial": event.text})
        else:
            self._caller_speaks = False
            held, self._held = self._held, []
            for text, style in held:
                self.speak(text, style)
            if isinstance(event, Discarded):
                self._line.tell({"discarded": event.reason})
            else:
                await self._understood(event)

    async def _understood(self, final: Final) -> None:
        utterance = final.utterance
        self._line.tell({"text": utterance.transcript.text, **self._result(final)})
        earlier = bool(self._turns)
        judged = asyncio.Event()
        turn = self._begin(self._spoken(utterance, judged))
        if not earlier:  # so that text and emotion go together
            await _wait_for(judged.wait(), turn)

    def _result(self, final: Final) -> dict[str, Any]:
        words = final.utterance.transcript.words
        if not self._words or not words:
            return {}
        return {
            "result": [
                {
                    "conf": round(word.confidence, 6),
                    "end": round(final.start_s + word.end, 3),
                    "start": round(final.start_s + word.start, 3),
                    "word": word.text,
                }
                for word in words
            ]
        }

    def _begin(self, turn: Awaitable[None]) -> asyncio.Task[Any]:
        task = self._calls.keep(self._told(turn))
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)
        return task

    async def _told(self, turn: Awaitable[None]) -> None:
        """A turn that fails is told; the call goes on."""
        try:
            await turn
        except errors.EmotionLayerError as error:
            log.info("voice.turn.refused", code=error.code)
            self._line.fail(error)
        except Exception as error:
            log.error("voice.turn.failed", error=type(error).__name__, where=errors.where(error))
            self._line.fail(errors.AssistantError("The assistant failed. The server's log names the error."))

    async def _spoken(self, utterance: Utterance, judged: asyncio.Event) -> None:
        async with self._calls.assistant.order.turn(self.sender):
            # Asked again: the turns before, now understood, or somebody beside us may have withdrawn the consent.
            if not await self._ask_consent():
                utterance = Utterance(
                    utterance.transcript, duration_s=utterance.duration_s, timings_ms=utterance.timings_ms
                )
            if self._tell_emotion(utterance):
                self._line.tell({"state": utterance.to_metadata()["affect"]})
            judged.set()
            text = utterance.transcript.text.strip()
            if text:
                await self._ask(text, {**self._metadata, METADATA_KEY: utterance.to_metadata()})
                await self._tell_state()

    async def _typed(self, text: str, metadata: dict[str, Any]) -> None:
        async with self._calls.assistant.order.turn(self.sender):
            await self._ask(text, metadata)
            read = await last_utterance(self._agent(), self.sender)
            if read and not text.startswith("/"):
                self._tell_emotion(replace(read, transcript=Transcript(text)))
            await self._tell_state()

    async def _tell_state(self) -> None:
        """Tell what the memory makes of the conversation after a turn, and note what it says of the consent."""
        asked = self._consents
        state = await state_of(self._agent(), self.sender)
        if asked == self._consents:
            self._analysed = state["analysed"]
        self._line.tell({"state": state})

    async def _ask(self, text: str, metadata: dict[str, Any]) -> None:
        if self._interruption:
            said = {"said": round(self._interruption.said, 3), "sentences": self._interruption.sentences}
            metadata = {**metadata, INTERRUPTED_KEY: said}
            self._interruption = None
        agent = self._agent()
        self._calls.assistant.check_ready(agent)
        reply = self._reply = SpokenReply(self)
        with self._calls.answering(reply) as turn:
            if self.speaker and self._own_url:
                metadata = {**metadata, **early_speech_metadata(self._own_url, turn)}
            output = LiveOutput(self._calls, reply)
            await self._calls.assistant.answer(text, self.sender, output, metadata)

    def _tell_emotion(self, utterance: Utterance) -> bool:
        """Tell what this turn alone says; false where it was not analysed."""
        if utterance.emotion.source == "none" and utterance.words is None:
            return False
        record = utterance.to_metadata()
        self._line.tell(
            {
                "emotion": record["emotion"],
                "interim": False,
                "prosody": record["prosody"],
                "words": record["words"],
            }
        )
        return True


async def _wait_for(what: Coroutine[Any, Any, Any], unless: asyncio.Task[Any]) -> None:
    """Wait for something, or for the end of a task without which it will not come."""
    waiting = asyncio.create_task(what)
    try:
        await asyncio.wait({waiting, unless}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


def error_news(error: errors.EmotionLayerError) -> dict[str, Any]:
    """An error as both wires tell it."""
    return {"error": {"code": error.code, "message": str(error)}}
