"""Speaking an assistant's messages to one caller: silent while the caller speaks, on again after a false alarm."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Callable

from emotionlayer_rasa.channels.events import Failed, SpeechFormat, SpeechPiece, SpeechSent, SpeechStopped
from emotionlayer_rasa.errors import EmotionLayerError, RequestError
from emotionlayer_rasa.language import CLOSERS
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.synthesis import SpeechChunk, SpeechSynthesizer

logger = logging.getLogger(__name__)

_SAMPLE_BYTES = {"pcm16": 2, "mulaw": 1}

_AHEAD_S = 5.0
"""Speech that is sent before it is heard, seconds: more is made for nothing when the caller interrupts."""

_FIRST_SOUND_S = 0.3
"""The longest wait for the first sound of a message, seconds: espeak-ng takes some 20 ms."""

_NOTHING_S = 0.02
"""Speech that is not worth to be sent again, seconds."""

_NEARLY_OVER_S = 1.0
"""Who answers has not waited for the last word, seconds."""

_UNDERSTOOD = 0.8
"""Share of a question that is heard, and it is answered."""

_ROUNDED_S = 0.1
"""By so much a client may count more seconds of a message than there are: it adds up pieces that are rounded."""


@dataclass(frozen=True)
class HeardReply:
    """How much of what we said the caller has heard who broke in.

    Attributes:
        said: share of all that was to be said, by characters, 0..1.
        sentences: sentences that were heard to their end.
        resumed: how many times we went on after a false alarm.
        given_up: the rest is not said any more; else it was heard to its end.
    """

    said: float
    sentences: int
    resumed: int
    given_up: bool


@dataclass(frozen=True)
class _Piece:
    """A piece as it was sent, kept until we are silent: after a false alarm the rest of it is sent again."""

    sentence: str
    seconds: float
    sample_rate: int
    audio: bytes


@dataclass
class _SpokenMessage:
    text: str
    style: dict[str, Any]
    id: int
    """That it is told under: another one after each pause."""
    pieces: list[_Piece] = field(default_factory=list)
    complete: bool = False
    parts: int = 0
    """Pieces told under this id."""
    skipped_s: float = 0.0
    """Heard before the last pause, and so under an earlier id."""

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self.pieces)

    @property
    def told_s(self) -> float:
        """Seconds told under this id."""
        return self.seconds - self.skipped_s


class Speaker:
    """Speaks messages one after the other.

    Args:
        synthesizer: the voice.
        language: of the texts.
        format: what speech is sent in.
        tell: takes what is spoken, and what cannot be.
        now: a clock, in seconds.
    """

    def __init__(
        self,
        synthesizer: SpeechSynthesizer,
        language: str,
        format: SpeechFormat,
        tell: Callable[[SpeechPiece | SpeechSent | Failed], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._synthesizer = synthesizer
        self._language = language
        self._format = format
        self._tell = tell
        self._now = now
        self._count = 0
        self._messages: list[_SpokenMessage] = []
        """Since we were last silent."""
        self._begun = 0
        """How many of them."""
        self._heard_at = 0.0
        """When the last of what was sent will have been heard."""
        self._paused_s: float | None = None
        """Seconds of the messages that had been heard when we paused; None where we did not."""
        self._resumed = 0
        self._goes_on = asyncio.Event()
        """Cleared while paused."""
        self._goes_on.set()
        self._worker: asyncio.Task[None] | None = None
        self._sounds = asyncio.Event()
        """A piece of what was said last is sent, or there is none."""
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def paused(self) -> bool:
        """Whether something is left to be said, and the caller speaks."""
        return self._paused_s is not None

    @property
    def speaking(self) -> bool:
        """Whether the caller hears us, or soon will."""
        return not self.paused and (self._worker is not None or self._now() < self._heard_at)

    @property
    def may_be_answered(self) -> bool:
        """Whether a "yes" answers what was heard: there was a question, or hardly anything is left to be heard."""
        heard_s = self._heard_s()
        pieces = [piece for message in self._messages for piece in message.pieces]
        if self._worker is None and sum(piece.seconds for piece in pieces) - heard_s < _NEARLY_OVER_S:
            return True
        for piece in pieces:
            if heard_s < _UNDERSTOOD * piece.seconds:
                break
            if piece.sentence.rstrip(CLOSERS).endswith(("?", "？")):
                return True
            heard_s -= piece.seconds
        return False

    def say(self, text: str, style: dict[str, Any]) -> None:
        """Speak a message after those before it.

        Args:
            text: plain text.
            style: the message's custom payload: ``speed``, ``pitch`` and ``tone`` count.
        """
        if not self.speaking and not self.paused:
            self._forget()
        self._count += 1
        self._messages.append(_SpokenMessage(text, style, self._count))
        if self._worker is None:
            self._sounds.clear()
            self._worker = asyncio.create_task(self._speak_on())

    def pause(self) -> SpeechStopped | None:
        """Be silent now, until :meth:`resume` or :meth:`give_up`; None where nothing was being said."""
        if not self.speaking:
            return None
        self._paused_s = heard_s = self._heard_s()
        self._heard_at = 0.0
        self._goes_on.clear()
        self._sounds.set()
        heard = self._messages[0]
        for message in self._messages:
            if heard_s > 0 and message.pieces:
                heard = message
            heard_s -= message.seconds
        return SpeechStopped(heard.id)

    def resume(self) -> None:
        """Go on from where :meth:`pause` stopped."""
        if self._paused_s is None:
            return
        heard_s, self._paused_s = self._paused_s, None
        self._resumed += 1
        self._heard_at = self._now()
        for message in self._messages:
            skipped_s = min(max(0.0, heard_s), message.seconds)
            heard_s -= message.seconds
            if not message.complete or message.seconds - skipped_s > _NOTHING_S:
                self._tell_again(message, skipped_s)
        self._goes_on.set()

    def give_up(self) -> HeardReply | None:
        """Say nothing more of what is being said; what was heard of it.

        None where nothing was being said, nor had been paused before it was heard to its end.
        """
        given_up = self.speaking or self.paused
        heard = None
        if given_up or self._resumed:
            heard = _heard_reply(self._messages, self._heard_s(), self._resumed, given_up)
        if self._worker:
            self._worker.cancel()
            self._ending.add(self._worker)
            self._worker.add_done_callback(self._ending.discard)
            self._worker = None
        self._paused_s = None
        self._goes_on.set()
        self._heard_at = 0.0
        self._sounds.set()
        self._forget()
        return heard

    def played(self, id: int, seconds: float | None) -> None:
        """The other side tells what it has played: so many seconds of a message, or None for all of it.

        Raises:
            RequestError: more than was sent.
        """
        if self.paused or id not in (message.id for message in self._messages):
            return
        left = 0.0
        for message in self._messages:
            if message.id == id and seconds is not None:
                if not 0 <= seconds <= message.told_s + _ROUNDED_S:
                    raise RequestError(
                        f"Of spoken reply {id} {message.told_s:.2f} seconds were sent, and more cannot have been "
                        "played. Count the seconds of its pieces."
                    )
                left += max(0.0, message.told_s - seconds)
            elif message.id > id:
                left += message.told_s
        self._heard_at = self._now() + left

    async def begun(self) -> None:
        """Wait until the first sound is sent, for a short while at most."""
        if self._worker:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._sounds.wait(), _FIRST_SOUND_S)

    async def sent(self) -> None:
        """Wait until everything is sent."""
        while self._worker:
            await asyncio.wait({self._worker})

    async def close(self) -> None:
        """Be silent for good; the speech program has ended then."""
        self.give_up()
        if self._ending:
            await asyncio.wait(self._ending)

    def _forget(self) -> None:
        self._messages = []
        self._begun = self._resumed = 0

    def _heard_s(self) -> float:
        """Seconds of the messages that have been heard."""
        if self._paused_s is not None:
            return self._paused_s
        sent_s = sum(message.seconds for message in self._messages)
        return sent_s - max(0.0, self._heard_at - self._now())

    async def _speak_on(self) -> None:
        while self._begun < len(self._messages):
            message = self._messages[self._begun]
            self._begun += 1
            try:
                await self._speak(message)
            except EmotionLayerError as error:
                self._tell(Failed(error))
            except Exception as error:
                logger.error("voice.speech.failed %s", describe(error))
            await self._goes_on.wait()
            message.complete = True
            self._tell(SpeechSent(message.id, message.told_s))
        self._worker = None
        self._sounds.set()

    async def _speak(self, message: _SpokenMessage) -> None:
        stream = self._synthesizer.synthesize(
            message.text,
            speed=_number(message.style.get("speed"), 1.0),
            pitch=str(message.style.get("pitch", "default")),
            tone=str(message.style.get("tone", "")),
            language=self._language,
        )
        async with stream:
            async for chunk in stream:
                rate, audio = await asyncio.to_thread(self._encoded, chunk)
                await self._goes_on.wait()
                piece = _Piece(chunk.text, chunk.duration_s, rate, audio)
                message.pieces.append(piece)
                self._send(message, piece)
                self._sounds.set()
                while (ahead_s := self._heard_at - self._now() - _AHEAD_S) > 0:
                    await asyncio.sleep(ahead_s)

    def _send(self, message: _SpokenMessage, piece: _Piece, since_s: float = 0.0) -> None:
        seconds = piece.seconds - since_s
        self._heard_at = max(self._now(), self._heard_at) + seconds
        encoding, rate = self._format.encoding, piece.sample_rate
        audio = piece.audio[int(since_s * rate) * _SAMPLE_BYTES[encoding] :]
        self._tell(SpeechPiece(message.id, message.parts, piece.sentence, encoding, rate, seconds, audio))
        message.parts += 1

    def _tell_again(self, message: _SpokenMessage, skipped_s: float) -> None:
        """Tell what has not been heard of a message, under a new id: reports of the old one mean nothing more."""
        self._count += 1
        message.id, message.skipped_s, message.parts = self._count, skipped_s, 0
        for piece in message.pieces:
            if piece.seconds - skipped_s > _NOTHING_S:
                self._send(message, piece, max(0.0, skipped_s))
            skipped_s -= piece.seconds
        if message.complete:
            self._tell(SpeechSent(message.id, message.told_s))

    def _encoded(self, chunk: SpeechChunk) -> tuple[int, bytes]:
        if self._format.encoding == "mulaw":
            return 8000, chunk.mulaw()
        rate = self._format.sample_rate or chunk.sample_rate
        return rate, chunk.pcm16(rate)


def _heard_reply(messages: list[_SpokenMessage], heard_s: float, resumed: int, given_up: bool) -> HeardReply:
    characters, sentences = 0.0, 0
    for piece in (piece for message in messages for piece in message.pieces):
        share = min(1.0, max(0.0, heard_s) / piece.seconds) if piece.seconds else 1.0
        characters += share * len(piece.sentence)
        sentences += share > 0.99
        heard_s -= piece.seconds
    total = sum(len(message.text) for message in messages) or 1
    said = min(1.0, characters / total) if given_up else 1.0
    return HeardReply(said, sentences, resumed, given_up)


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default
