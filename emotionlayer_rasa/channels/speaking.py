"""Speaking an assistant's messages to one caller, until the caller interrupts."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Callable

from emotionlayer_rasa.channels.events import (
    Failed,
    Interruption,
    SpeechFormat,
    SpeechPiece,
    SpeechSent,
)
from emotionlayer_rasa.errors import EmotionLayerError, RequestError
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.synthesis import SpeechChunk, SpeechSynthesizer

logger = logging.getLogger(__name__)

_AHEAD_S = 5.0
"""Speech that is sent before it is heard, seconds: more is made for nothing when the caller interrupts."""

_FIRST_SOUND_S = 0.3
"""The longest wait for the first sound of a message, seconds: espeak-ng takes some 20 ms."""

_ROUNDED_S = 0.1
"""By so much a client may count more seconds of a message than there are: it adds up pieces that are rounded."""


@dataclass
class _SpokenMessage:
    id: int
    text: str
    style: dict[str, Any]
    pieces: list[tuple[int, float]] = field(default_factory=list)
    """Characters and seconds of each piece sent."""

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.pieces)


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
        self._worker: asyncio.Task[None] | None = None
        self._sounds = asyncio.Event()
        """A piece of what was said last is sent, or there is none."""
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def speaking(self) -> bool:
        """Whether the caller hears us, or soon will."""
        return self._worker is not None or self._now() < self._heard_at

    def say(self, text: str, style: dict[str, Any]) -> None:
        """Speak a message after those before it.

        Args:
            text: plain text.
            style: the message's custom payload: ``speed``, ``pitch`` and ``tone`` count.
        """
        if not self.speaking:
            self._messages.clear()
            self._begun = 0
        self._count += 1
        self._messages.append(_SpokenMessage(self._count, text, style))
        if self._worker is None:
            self._sounds.clear()
            self._worker = asyncio.create_task(self._speak_on())

    def interrupt(self) -> Interruption | None:
        """Be silent now; what was heard of what, or None where nothing was being said."""
        if not self.speaking:
            return None
        if self._worker:
            self._worker.cancel()
            self._ending.add(self._worker)
            self._worker.add_done_callback(self._ending.discard)
            self._worker = None
        heard_s = sum(reply.seconds for reply in self._messages) - max(0.0, self._heard_at - self._now())
        self._heard_at = 0.0
        self._sounds.set()
        replies, self._messages, self._begun = self._messages, [], 0
        return _interruption(replies, heard_s)

    def played(self, id: int, seconds: float | None) -> None:
        """The other side tells what it has played: so many seconds of a message, or None for all of it.

        Raises:
            RequestError: more than was sent.
        """
        if not self._messages or not self._messages[0].id <= id <= self._messages[-1].id:
            return
        left = 0.0
        for reply in self._messages:
            if reply.id == id and seconds is not None:
                if not 0 <= seconds <= reply.seconds + _ROUNDED_S:
                    raise RequestError(
                        f"Of spoken reply {id} {reply.seconds:.2f} seconds were sent, and more cannot have been "
                        "played. Count the seconds of its pieces."
                    )
                left += max(0.0, reply.seconds - seconds)
            elif reply.id > id:
                left += reply.seconds
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
        self.interrupt()
        if self._ending:
            await asyncio.wait(self._ending)

    async def _speak_on(self) -> None:
        while self._begun < len(self._messages):
            reply = self._messages[self._begun]
            self._begun += 1
            try:
                await self._speak(reply)
            except EmotionLayerError as error:
                self._tell(Failed(error))
            except Exception as error:
                logger.error("voice.speech.failed %s", describe(error))
            self._tell(SpeechSent(reply.id, reply.seconds))
        self._worker = None
        self._sounds.set()

    async def _speak(self, reply: _SpokenMessage) -> None:
        stream = self._synthesizer.synthesize(
            reply.text,
            speed=_number(reply.style.get("speed"), 1.0),
            pitch=str(reply.style.get("pitch", "default")),
            tone=str(reply.style.get("tone", "")),
            language=self._language,
        )
        async with stream:
            async for chunk in stream:
                rate, audio = await asyncio.to_thread(self._encoded, chunk)
                self._heard_at = max(self._now(), self._heard_at) + chunk.duration_s
                part = len(reply.pieces)
                reply.pieces.append((len(chunk.text), chunk.duration_s))
                self._tell(
                    SpeechPiece(reply.id, part, chunk.text, self._format.encoding, rate, chunk.duration_s, audio)
                )
                self._sounds.set()
                await asyncio.sleep(max(0.0, self._heard_at - self._now() - _AHEAD_S))

    def _encoded(self, chunk: SpeechChunk) -> tuple[int, bytes]:
        if self._format.encoding == "mulaw":
            return 8000, chunk.mulaw()
        rate = self._format.sample_rate or chunk.sample_rate
        return rate, chunk.pcm16(rate)


def _interruption(replies: list[_SpokenMessage], heard_s: float) -> Interruption:
    characters, sentences, id = 0.0, 0, replies[0].id
    for reply in replies:
        for length, seconds in reply.pieces:
            if heard_s <= 0:
                break
            id = reply.id
            share = min(1.0, heard_s / seconds) if seconds else 1.0
            characters += share * length
            sentences += share > 0.99
            heard_s -= seconds
    total = sum(len(reply.text) for reply in replies) or 1
    return Interruption(id, min(1.0, characters / total), sentences)


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default
