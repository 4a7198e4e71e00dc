"""The one interface behind which voices live, and the stream of speech that it gives."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping

import numpy as np
import soxr

from emotionlayer_rasa.synthesis.sentence_cutter import SentenceCutter

SPEEDS = (0.8, 1.25)
"""Slowest and fastest speed of the response strategies, as a factor of the voice's normal rate."""

PITCH_SEMITONES: Mapping[str, float] = {"low": -1.5, "high": 1.5}
"""Pitch label to semitones from the voice's own pitch; ``medium``, ``balanced`` and ``default`` are 0."""

TONE_DB: Mapping[str, float] = {"apologetic": -3.0, "empathetic": -3.0}
"""Tone label to level, dB: who is sorry speaks a little softer. Other tones are 0."""

TELEPHONE_RATE = 8_000
"""Hz, of :meth:`SpeechChunk.mulaw`."""


@dataclass(frozen=True)
class SpeechStyle:
    """How a text is spoken, in numbers.

    Attributes:
        speed: factor of the voice's normal rate, within :data:`SPEEDS`.
        semitones: pitch relative to the voice's own.
        gain: factor of the samples, at most 1.
        language: code of the text's language, such as ``en`` or ``pt-br``.
    """

    speed: float = 1.0
    semitones: float = 0.0
    gain: float = 1.0
    language: str = "en"


@dataclass(frozen=True, eq=False)
class SpeechChunk:
    """A spoken sentence, or a part of a long one.

    Attributes:
        samples: float32 array of shape (n,), -1..1, mono.
        sample_rate: Hz.
        text: what is said.
        start_s: seconds of speech before it in the same stream.
    """

    samples: np.ndarray
    sample_rate: int
    text: str
    start_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def pcm16(self, sample_rate: int | None = None) -> bytes:
        """Signed 16 bit, little endian, mono.

        Args:
            sample_rate: wanted rate, Hz; None keeps the chunk's own.
        """
        return _pcm16(self.samples, self.sample_rate, sample_rate or self.sample_rate).tobytes()

    def mulaw(self) -> bytes:
        """G.711 µ-law at 8 kHz, a byte a sample, for the telephone."""
        return encode_mulaw(_pcm16(self.samples, self.sample_rate, TELEPHONE_RATE))


class SpeechStream(AsyncIterator[SpeechChunk]):
    """The chunks of one text, in order. Belongs to one event loop.

    The first chunk comes as soon as the first sentence is spoken; the next ones are made while it is sent, two at
    most. For a caller who interrupts, :meth:`aclose` ends it from any task, as does leaving ``async with`` and
    cancelling the task that waits for the next chunk: the speech program is killed and no chunk comes any more.
    """

    def __init__(self, chunks: AsyncGenerator[SpeechChunk, None]) -> None:
        self._chunks = chunks
        self._ready: asyncio.Queue[SpeechChunk | Exception | None] = asyncio.Queue(maxsize=1)
        self._worker: asyncio.Task[None] | None = None
        self._ended = False

    async def __anext__(self) -> SpeechChunk:
        """The next chunk.

        Raises:
            SpeechError: the speech program failed, took too long or is not there any more.
            UnknownLanguageError: the voice does not speak the language.
        """
        if self._ended:
            raise StopAsyncIteration
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(_fill(self._ready, self._chunks))
        try:
            item = await self._ready.get()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if isinstance(item, SpeechChunk) and not self._ended:
            return item
        self._ended = True
        if isinstance(item, Exception):
            raise item
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the stream and the running speech program; calling it again does nothing."""
        self._ended = True
        if self._worker is None:
            await self._chunks.aclose()
            return
        self._worker.cancel()
        await asyncio.wait([self._worker])
        while not self._ready.empty():
            self._ready.get_nowait()
        self._ready.put_nowait(None)  # wakes a task that waits for the next chunk

    async def __aenter__(self) -> SpeechStream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._worker is not None and not self._worker.done():
            with contextlib.suppress(RuntimeError):  # the event loop is closed already
                self._worker.cancel()


async def _fill(
    ready: asyncio.Queue[SpeechChunk | Exception | None], chunks: AsyncGenerator[SpeechChunk, None]
) -> None:
    end: Exception | None = None
    try:
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                await ready.put(chunk)
    except Exception as error:
        end = error  # raised where the chunk is awaited
    await ready.put(end)


class SpeechSynthesizer(ABC):
    """A voice. Serves many streams at once, of one event loop or of several.

    Attributes:
        model: engine and voice, such as ``espeak/en-us``.
    """

    model: str

    def synthesize(
        self,
        text: str | AsyncIterable[str],
        *,
        speed: float = 1.0,
        pitch: str = "default",
        tone: str = "",
        language: str = "en",
    ) -> SpeechStream:
        """Speak a text, sentence by sentence; nothing runs before the first chunk is asked for.

        Args:
            text: plain text, markup in it is no markup; or pieces of it as a language model writes them: each
                sentence is spoken as soon as it is complete. A generator of pieces is closed with the stream.
            speed: factor of the voice's normal rate; moved into .8 .. 1.25.
            pitch: ``low``, ``high``, or the voice's own for ``medium``, ``balanced``, ``default`` and all else.
            tone: of the response strategy, such as ``apologetic``; see :data:`TONE_DB`.
            language: code of the text's language.

        Returns:
            The chunks; none for a text without words.
        """
        slowest, fastest = SPEEDS
        style = SpeechStyle(
            speed=min(max(slowest, speed), fastest),
            semitones=PITCH_SEMITONES.get(pitch, 0.0),
            gain=10 ** (TONE_DB.get(tone, 0.0) / 20),
            language=language,
        )
        return SpeechStream(self._chunks(text, style))

    @abstractmethod
    async def speak(self, sentence: str, style: SpeechStyle) -> tuple[np.ndarray, int]:
        """Speak one sentence, without the gain of the style.

        Args:
            sentence: one line without control characters.
            style: how to speak it.

        Returns:
            Float32 samples of shape (n,), -1..1, and their rate in Hz.

        Raises:
            SpeechError, UnknownLanguageError: as :meth:`SpeechStream.__anext__`.
        """

    async def _chunks(
        self, text: str | AsyncIterable[str], style: SpeechStyle
    ) -> AsyncGenerator[SpeechChunk, None]:
        start_s = 0.0
        async with contextlib.aclosing(_sentences(text)) as sentences:
            async for sentence in sentences:
                samples, rate = await self.speak(sentence, style)
                if len(samples):
                    yield SpeechChunk(samples * np.float32(style.gain), rate, sentence, start_s)
                    start_s += len(samples) / rate


async def _sentences(text: str | AsyncIterable[str]) -> AsyncGenerator[str, None]:
    cutter = SentenceCutter()
    if isinstance(text, str):
        for sentence in (*cutter.feed(text), *cutter.finish()):
            yield sentence
        return
    try:
        async for piece in text:
            for sentence in cutter.feed(piece):
                yield sentence
    finally:
        if isinstance(text, AsyncGenerator):
            await text.aclose()
    for sentence in cutter.finish():
        yield sentence


def _pcm16(samples: np.ndarray, sample_rate: int, wanted: int) -> np.ndarray:
    """Int16 (little endian) at the wanted rate."""
    if wanted != sample_rate:
        samples = soxr.resample(samples, sample_rate, wanted, quality="HQ")
    return np.rint(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")


def encode_mulaw(samples: np.ndarray) -> bytes:
    """G.711 µ-law of int16 samples of shape (n,), a byte a sample (ITU-T G.711, table 2a).

    The code is sign, exponent and mantissa (1, 3 and 4 bits) of the magnitude plus a bias, all bits inverted.
    """
    bias, most = 132, 32_635
    magnitude = np.minimum(np.abs(samples.astype(np.int32)), most) + bias
    exponent = np.frexp(magnitude)[1] - 8  # of the highest bit; bit 7 is exponent 0
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    return (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8).tobytes()
