"""Hearing a call while it goes on: :meth:`emotionlayer_rasa.listener.Listener.live` gives a :class:`LiveSession`.

::

    async with listener.live(sample_rate=8000, encoding="mulaw", emotion=may_analyse) as session:
        session.feed(data)              # as data comes in; returns at once
        ...
        async for event in session:     # in another task
            match event:
                case SpeechStarted(): ...
                case Final(utterance): ...

One task a session takes the sound in order. It decodes, finds the utterances and transcribes them in the
listener's threads, so the event loop never waits for a model. The emotion is read when the caller falls silent,
before it is sure that the utterance is over, and is ready when that is known.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, Awaitable, Callable, Literal, Mapping, Protocol, Sequence, TypeVar

import numpy as np
import pydantic
import structlog

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.audio import (
    SAMPLE_RATE,
    Endpointer,
    EndpointSettings,
    RawEncoding,
    StreamDecoder,
    Waveform,
)
from emotionlayer_rasa.audio.endpointing import Boundary, Ended, EndReason, Paused, Resumed, Started
from emotionlayer_rasa.errors import BusyError, EmotionLayerError
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.transcription import Transcriber, TranscriptionStream, without_ghost_words
from emotionlayer_rasa.utterance import EmotionReading, Prosody, TextReading, Transcript, Utterance

log = structlog.get_logger(__name__)

T = TypeVar("T")

Consent = bool | Callable[[], bool | Awaitable[bool]]
"""Whether emotion may be analysed: for all utterances, or asked (and awaited) for each."""

DiscardReason = Literal["too_short", "ghost_words", "noise", "reset"]
"""Why something that began like speech is no utterance: too little speech; only words that recognisers invent; no
words and no voice that shows an emotion; :meth:`LiveSession.reset`."""

_TRANSCRIBED_AT_ONCE = SAMPLE_RATE // 5
"""Samples: a decoder asked more often for its partial text spends its time on that."""
_FRAME_S = 0.03
_LONGEST_JOB_S = 1.0
"""Sound taken in by one job at most, so that one call that has fallen behind does not hold up the others."""
_WORDLESS_SPEECH_S = 0.5
_MAX_EVENTS = 1000


class LiveSettings(Settings):
    """How calls are heard while they go on.

    Attributes:
        endpointing: when an utterance begins and ends.
        max_live: sessions at the same time; one more is answered with :class:`BusyError`. None is four for each of
            the listener's ``workers``, which two cores keep up with where Vosk's small models transcribe
            (``benchmarks/streaming.py --part load``). The Whisper fallback hears one call on two cores.
        max_behind_s: sound that may wait to be heard, seconds; more is answered with :class:`BusyError`.
        interim_every_s: seconds of an utterance between readings of the emotion while it goes on; 0 for none. When
            all workers have something to do, one is left out.
        interim_window_s: such a reading hears the last so many seconds of the utterance.
    """

    endpointing: EndpointSettings = EndpointSettings()
    max_live: int | None = pydantic.Field(default=None, ge=1, le=256)
    max_behind_s: float = pydantic.Field(default=5.0, gt=0.0, le=60.0)
    interim_every_s: float = pydantic.Field(default=1.0, ge=0.0, le=60.0)
    interim_window_s: float = pydantic.Field(default=4.0, ge=1.0, le=10.0)


@dataclass(frozen=True)
class SpeechStarted:
    """The caller begins to speak. One :class:`Final` or :class:`Discarded` follows.

    Attributes:
        at_s: where the first speech is, seconds from the start of the stream.
        continues: the utterance before was cut because of its length, and the caller just goes on.
    """

    at_s: float
    continues: bool = False


@dataclass(frozen=True)
class Partial:
    """The text of the utterance so far; told when it changes."""

    text: str


@dataclass(frozen=True)
class Interim:
    """How the caller sounds while still speaking: the last seconds.

    Attributes:
        emotion: of the voice.
        prosody: of the same seconds.
        at_s: up to where was listened, seconds from the start of the stream.
    """

    emotion: EmotionReading
    prosody: Prosody | None
    at_s: float


@dataclass(frozen=True)
class Final:
    """An utterance is over.

    Attributes:
        utterance: the record that :meth:`Listener.hear` gives for the same sound; word times count from
            ``start_s``. Of an utterance that continues another (see :class:`SpeechStarted`) the emotion of the
            voice is that of all of them together, weighted by length and level.
        start_s, end_s: where it lies in the stream, seconds, a little silence on both sides included.
        reason: ``silence`` (the caller paused), ``length`` (it got too long and was cut at a pause) or ``eof``.
    """

    utterance: Utterance
    start_s: float
    end_s: float
    reason: EndReason


@dataclass(frozen=True)
class Discarded:
    """What began like speech was none; ``start_s`` and ``end_s`` in seconds from the start of the stream."""

    reason: DiscardReason
    start_s: float
    end_s: float


LiveEvent = SpeechStarted | Partial | Interim | Final | Discarded


class Ears(Protocol):
    """What a session needs of a :class:`~emotionlayer_rasa.listener.Listener`."""

    @property
    def transcriber(self) -> Transcriber:
        """The loaded transcriber."""

    @property
    def threshold(self) -> float:
        """Confidence below which an emotion of the voice is ``unknown``."""

    @property
    def busy(self) -> bool:
        """Whether every worker has something to do: what can be left out is."""

    def read_voice(self, waveform: Waveform, wanted: bool) -> tuple[EmotionReading, Prosody | None, float]:
        """Emotion and prosody of a voice, and the milliseconds it took."""

    def read_words(self, said: Transcript, wanted: bool) -> tuple[TextReading | None, float]:
        """What the words say, and the milliseconds it took."""

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Call in a thread for whole utterances."""

    async def run_stream(self, function: Callable[..., T], *args: object) -> T:
        """Call in a thread for short work on streams."""


class LiveSession:
    """One caller's stream: sound in with :meth:`feed`, events out with ``async for``.

    Made by :meth:`Listener.live`, in a running event loop; used from that loop only. For each utterance come, in
    this order, :class:`SpeechStarted`; any number of :class:`Partial` and :class:`Interim`; :class:`Final` or
    :class:`Discarded`. The loop over the events ends after :meth:`eof` and :meth:`close`. It raises what made
    hearing impossible (:class:`ModelError`, :class:`MissingExtraError`); the session is over then.
    """

    def __init__(
        self,
        ears: Ears,
        settings: LiveSettings,
        encoding: RawEncoding,
        sample_rate: int,
        emotion: Consent,
        on_close: Callable[[], None],
        grammar: Sequence[str] | None = None,
    ) -> None:
        self._ears = ears
        self._settings = settings
        self._ear = _Ear(ears, settings, StreamDecoder(encoding, sample_rate), grammar)
        self._bytes_per_second = self._ear.decoder.bytes_per_second
        self._consent = emotion
        self._on_close: Callable[[], None] | None = on_close
        self._pending = bytearray()
        self._hearing_s = 0.0
        """Seconds of sound in the job that is being done."""
        self._eof = self._reset = False
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        self._asked = False
        """Somebody waits for the next event."""
        self._events: asyncio.Queue[LiveEvent | Exception | None] = asyncio.Queue()
        self._failure: Exception | None = None
        self._job: asyncio.Future[Any] | None = None
        self._turn = _Turn()
        self._monologue: list[tuple[float, EmotionReading]] = []
        self._interim: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._hear_on())

    @property
    def behind_s(self) -> float:
        """Seconds of sound that came in and were not heard yet."""
        return len(self._pending) / self._bytes_per_second + self._hearing_s

    def feed(self, data: bytes) -> None:
        """Take the next sound; never waits.

        Args:
            data: raw samples in the session's encoding, any number of bytes: half a sample at the end waits for
                the other half.

        Raises:
            BusyError: too much sound waits to be heard (``max_behind_s``), or too many events to be taken. The
                data is not taken.
            ModelError, MissingExtraError: the session ended with that.
            RuntimeError: the session is closed, or :meth:`eof` was called.
        """
        if self._failure:
            raise self._failure
        if self._eof or self._on_close is None:
            raise RuntimeError("This session takes no more sound: it was ended or closed.")
        if self.behind_s > self._settings.max_behind_s or self._events.qsize() > _MAX_EVENTS:
            raise BusyError(
                f"This call is heard {self.behind_s:.1f} s late. Send sound no faster than it is spoken, "
                "end other calls, or raise 'max_behind_s'."
            )
        self._pending += data
        self._wake.set()

    async def caught_up(self) -> None:
        """Wait until the sound that was fed is heard and its events are taken and dealt with.

        That is, until whoever loops over the events waits for the next one, or the session is over.
        """
        least = _FRAME_S * self._bytes_per_second
        while self._on_close and (
            self._hearing_s or len(self._pending) >= least or self._events.qsize() or not self._asked
        ):
            self._progress.clear()
            await self._progress.wait()

    def eof(self) -> None:
        """The stream is over: an utterance that is going on ends, and the loop over the events after it."""
        self._eof = True
        self._wake.set()

    def reset(self) -> None:
        """Forget the sound that waits and the utterance that is going on (it is told as :class:`Discarded`)."""
        self._pending.clear()
        self._reset = True
        self._wake.set()

    async def close(self) -> None:
        """End now: nothing more is heard or told, and the recogniser's memory is given back."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._job:
            await asyncio.wait({self._job})  # a thread cannot be stopped
        self._release()

    async def __aenter__(self) -> LiveSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> LiveSession:
        return self

    async def __anext__(self) -> LiveEvent:
        self._asked = True
        self._progress.set()
        try:
            event = await self._events.get()
        finally:
            self._asked = False
        if event is None:
            self._events.put_nowait(None)  # for whoever asks again
            raise StopAsyncIteration
        if isinstance(event, Exception):
            raise event
        return event

    async def _hear_on(self) -> None:
        try:
            while not self._eof or self._pending or self._reset:
                await self._wake.wait()
                self._wake.clear()
                if self._reset:
                    self._reset = False
                    await self._forget()
                least = 1 if self._eof else int(_FRAME_S * self._bytes_per_second)
                while not self._reset and len(self._pending) >= least:
                    await self._hear_next()
            await self._hear_next(last=True)
        except Exception as error:
            if not isinstance(error, EmotionLayerError):
                log.error("live.failed", error=type(error).__name__)
            self._failure = error
            self._events.put_nowait(error)
        self._release()

    def _release(self) -> None:
        """Give the memory back and the place to another session; tell no more."""
        if self._on_close is None:
            return
        self._ear.close()
        self._drop_early()
        if self._interim:
            self._interim.cancel()
        self._pending.clear()
        self._events.put_nowait(None)
        on_close, self._on_close = self._on_close, None
        self._progress.set()
        on_close()

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        self._job = asyncio.ensure_future(self._ears.run_stream(function, *args))
        return await asyncio.shield(self._job)

    async def _hear_next(self, last: bool = False) -> None:
        size = int(_LONGEST_JOB_S * self._bytes_per_second)
        data = bytes(self._pending[:size])
        del self._pending[:size]
        self._hearing_s = len(data) / self._bytes_per_second
        for moment in await self._in_thread(self._ear.hear, data, last):
            await self._tell(moment)
        self._hearing_s = 0.0
        self._progress.set()

    async def _forget(self) -> None:
        open_since = await self._in_thread(self._ear.reset)
        self._drop_early()
        self._monologue.clear()
        if open_since is not None:
            self._turn = _Turn()
            self._events.put_nowait(Discarded("reset", *open_since))

    async def _tell(self, moment: _Moment) -> None:
        turn = self._turn
        if isinstance(moment, Partial):
            self._events.put_nowait(moment)
        elif isinstance(moment, Started):
            self._turn = _Turn()
            self._events.put_nowait(SpeechStarted(moment.onset / SAMPLE_RATE, moment.continues))
            if not moment.continues:
                self._monologue.clear()
            self._turn.allowed = await self._may_analyse()
        elif isinstance(moment, _Glimpse):
            if turn.allowed and not self._ears.busy and (self._interim is None or self._interim.done()):
                self._interim = asyncio.create_task(self._glimpse(turn, moment))
        elif isinstance(moment, _Silent):
            if turn.allowed:
                turn.early = asyncio.ensure_future(self._ears.run(self._ears.read_voice, moment.waveform, True))
        elif isinstance(moment, Resumed):
            self._drop_early()
        else:
            event = await self._judge(turn, moment)
            self._drop_early()
            self._turn = _Turn()  # an interim reading that comes late has no place any more
            self._events.put_nowait(event)

    def _drop_early(self) -> None:
        if self._turn.early:
            self._turn.early.cancel()
            self._turn.early = None

    async def _may_analyse(self) -> bool:
        try:
            answer = self._consent() if callable(self._consent) else self._consent
            return bool(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:  # who cannot be asked has not agreed
            log.error("live.consent.failed", error=type(error).__name__)
            return False

    async def _glimpse(self, turn: _Turn, glimpse: _Glimpse) -> None:
        emotion, prosody, _ = await self._ears.run(self._ears.read_voice, glimpse.waveform, True)
        if turn is self._turn:
            self._events.put_nowait(Interim(emotion, prosody, glimpse.at_s))

    async def _judge(self, turn: _Turn, over: _Over) -> Final | Discarded:
        """The utterance that is over, or why it is none."""
        start_s, end_s = over.start / SAMPLE_RATE, over.ended.sample / SAMPLE_RATE
        speech = [(a / SAMPLE_RATE - start_s, b / SAMPLE_RATE - start_s) for a, b in over.ended.speech]
        speech_s = sum(b - a for a, b in speech)
        if 1000 * speech_s < self._settings.endpointing.min_speech_ms:
            return Discarded("too_short", start_s, end_s)
        said = without_ghost_words(over.transcript, speech)
        if over.transcript.words and not said.words:
            return Discarded("ghost_words", start_s, end_s)
        # Asked again: the caller may have objected in the utterance before, which was not understood yet.
        allowed = turn.allowed and await self._may_analyse()
        if not said.words and (not allowed or speech_s < _WORDLESS_SPEECH_S):
            return Discarded("noise", start_s, end_s)
        (voice, prosody, emotion_ms), (words, text_ms) = await asyncio.gather(
            turn.early
            if turn.early and allowed
            else self._ears.run(self._ears.read_voice, over.waveform, allowed),
            self._ears.run(self._ears.read_words, said, allowed),
        )
        if not said.words and not voice.scores:
            return Discarded("noise", start_s, end_s)
        if allowed:
            weight = float(np.std(over.waveform.samples)) * over.waveform.duration_s
            self._monologue.append((weight, voice))
            if len(self._monologue) > 1 and any(reading.scores for _, reading in self._monologue):
                voice = pool(self._monologue, self._ears.threshold)
        timings = {"decode": over.decode_ms, "transcription": over.transcription_ms, "text": text_ms}
        utterance = join(
            said,
            voice,
            words,
            prosody,
            over.waveform.duration_s,
            {**timings, "emotion": emotion_ms},
            over.known,
        )
        return Final(utterance, start_s, end_s, over.ended.reason)


def join(
    said: Transcript,
    voice: EmotionReading,
    words: TextReading | None,
    prosody: Prosody | None,
    duration_s: float,
    timings_ms: Mapping[str, float],
    began: float,
) -> Utterance:
    """One record of what was understood: rate of words, and what voice and words mean together.

    Args:
        said, voice, words, prosody: what was understood.
        duration_s: length of the sound, seconds.
        timings_ms: milliseconds by stage so far; ``fusion`` and ``hearing`` are added.
        began: ``time.perf_counter()`` when the hearing began.
    """
    if prosody and said.words and duration_s:
        prosody = replace(prosody, word_rate=len(said.words) / duration_s)
    understood = time.perf_counter()
    affect = fuse(voice, words, prosody)
    ended = time.perf_counter()
    timings = {**timings_ms, "fusion": 1000 * (ended - understood), "hearing": 1000 * (ended - began)}
    return Utterance(said, voice, words, prosody, affect, duration_s, timings)


def pool(readings: Sequence[tuple[float, EmotionReading]], threshold: float) -> EmotionReading:
    """The emotion of a monologue from those of its pieces, as the shipped recogniser pools its windows.

    Args:
        readings: of each piece its weight (level times length) and its reading; at least one with scores.
        threshold: confidence below which the label is ``unknown``.

    Returns:
        The weighted mean of the probabilities and of valence, arousal and dominance. Pieces in which no voice was
        heard lower the confidence only.
    """
    heard = [(weight, reading) for weight, reading in readings if reading.scores]
    everything = sum(weight for weight, _ in readings) or 1.0
    voiced = sum(weight for weight, _ in heard) or 1.0
    probabilities: dict[str, float] = defaultdict(float)
    for weight, reading in heard:
        # The scores sum to one; the confidence is what doubt about there being speech leaves of the best.
        certainty = reading.confidence / max(reading.scores.values())
        for name, score in reading.scores.items():
            probabilities[name] += weight / everything * certainty * score
    best = max(probabilities, key=lambda name: probabilities[name])
    confidence = probabilities[best]
    total = sum(probabilities.values())

    def mean(axis: str) -> float | None:
        values = [getattr(reading, axis) for _, reading in heard]
        if None in values:
            return None
        return float(sum(weight * value for (weight, _), value in zip(heard, values, strict=True)) / voiced)

    return EmotionReading(
        label=best if confidence >= threshold else UNKNOWN,
        confidence=confidence,
        scores={name: value / total for name, value in probabilities.items()},
        valence=mean("valence"),
        arousal=mean("arousal"),
        dominance=mean("dominance"),
        source=heard[-1][1].source,
        model=heard[-1][1].model,
    )


class _Turn:
    """What the event loop knows of the utterance that is going on.

    Attributes:
        allowed: emotion may be analysed.
        early: the reading of the voice, begun when the caller fell silent.
    """

    def __init__(self) -> None:
        self.allowed = False
        self.early: asyncio.Future[tuple[EmotionReading, Prosody | None, float]] | None = None


@dataclass(frozen=True)
class _Glimpse:
    """The last seconds of an utterance that is going on."""

    waveform: Waveform
    at_s: float


@dataclass(frozen=True)
class _Silent:
    """The whole utterance, if nothing follows."""

    waveform: Waveform


@dataclass(frozen=True)
class _Over:
    """An utterance that is over; ``known`` is ``time.perf_counter()`` when that was clear."""

    waveform: Waveform
    transcript: Transcript
    start: int
    ended: Ended
    decode_ms: float
    transcription_ms: float
    known: float


_Moment = Started | Resumed | Partial | _Glimpse | _Silent | _Over


class _Ear:
    """What a session does in threads, one call at a time: decode, find utterances, transcribe."""

    def __init__(
        self, ears: Ears, settings: LiveSettings, decoder: StreamDecoder, grammar: Sequence[str] | None
    ) -> None:
        self.decoder = decoder
        self._grammar = grammar
        self._ears = ears
        self._settings = settings
        self._sound = _Sound()
        self._endpointer: Endpointer | None = None
        self._stream: TranscriptionStream | None = None
        self._start = self._transcribed = self._next_glimpse = 0
        self._holding = False
        """The caller is silent: what comes is transcribed only if the utterance goes on."""
        self._text = ""
        self._decode_ms = self._transcription_ms = 0.0

    def hear(self, data: bytes, last: bool) -> list[_Moment]:
        """Take in the next sound; ``last``: nothing follows."""
        if self._endpointer is None:  # here, since it may load a model
            self._endpointer = Endpointer(self._settings.endpointing)
        began = time.perf_counter()
        samples = self.decoder.feed(data)
        if last:
            samples = np.concatenate([samples, self.decoder.finish()])
        self._sound.append(samples)
        boundaries = self._endpointer.feed(samples)
        if last:
            boundaries += self._endpointer.finish()
        self._decode_ms += 1000 * (time.perf_counter() - began)
        moments: list[_Moment] = []
        for boundary in boundaries:
            moments += self._pass(boundary)
        if not self._holding:
            moments += self._transcribe(self._endpointer.heard, _TRANSCRIBED_AT_ONCE)
        self._sound.keep_from(self._endpointer.needed_from)
        return moments

    def reset(self) -> tuple[float, float] | None:
        """Forget the utterance; where it began and how far it was heard, seconds, where there was one."""
        if self._endpointer is None:
            return None
        self._endpointer.reset()
        self._sound.keep_from(self._endpointer.needed_from)
        if self._stream is None:
            return None
        self.close()
        return self._start / SAMPLE_RATE, self._endpointer.heard / SAMPLE_RATE

    def close(self) -> None:
        """Give the recogniser's memory back."""
        if self._stream:
            self._stream.close()
            self._stream = None

    def _pass(self, boundary: Boundary) -> list[_Moment]:
        if isinstance(boundary, Started):
            self._stream = self._ears.transcriber.stream(self._grammar)
            self._start = self._transcribed = boundary.sample
            self._next_glimpse = self._start + int(self._settings.interim_every_s * SAMPLE_RATE)
            self._holding, self._text, self._transcription_ms = False, "", 0.0
            return [boundary]
        if isinstance(boundary, Resumed):
            self._holding = False
            return [boundary]
        moments = self._transcribe(boundary.sample)
        waveform = Waveform(self._sound.between(self._start, boundary.sample))
        assert self._stream is not None
        began = time.perf_counter()
        if isinstance(boundary, Paused):
            self._holding = True
            self._stream.settle()
            self._transcription_ms += 1000 * (time.perf_counter() - began)
            return [*moments, _Silent(waveform)]
        transcript = self._stream.finish()
        self._stream = None
        self._transcription_ms += 1000 * (time.perf_counter() - began)
        over = _Over(waveform, transcript, self._start, boundary, self._decode_ms, self._transcription_ms, began)
        self._decode_ms = 0.0
        return [*moments, over]

    def _transcribe(self, until: int, at_least: int = 1) -> list[_Moment]:
        if self._stream is None or until - self._transcribed < at_least:
            return []
        began = time.perf_counter()
        text = self._stream.accept(self._sound.between(self._transcribed, until))
        self._transcribed = until
        self._transcription_ms += 1000 * (time.perf_counter() - began)
        moments: list[_Moment] = []
        if text and text != self._text:
            self._text = text
            moments.append(Partial(text))
        if self._settings.interim_every_s and until >= self._next_glimpse:
            self._next_glimpse = until + int(self._settings.interim_every_s * SAMPLE_RATE)
            window = int(self._settings.interim_window_s * SAMPLE_RATE)
            seen = Waveform(self._sound.between(max(self._start, until - window), until))
            moments.append(_Glimpse(seen, until / SAMPLE_RATE))
        return moments


class _Sound:
    """The sound that is still needed, by its place in the stream."""

    def __init__(self) -> None:
        self._samples = np.empty(4 * SAMPLE_RATE, np.float32)
        self._first = self._end = 0

    def append(self, samples: np.ndarray) -> None:
        count = self._end - self._first
        if count + len(samples) > len(self._samples):
            larger = np.empty(2 * (count + len(samples)), np.float32)
            larger[:count] = self._samples[:count]
            self._samples = larger
        self._samples[count : count + len(samples)] = samples
        self._end += len(samples)

    def between(self, start: int, end: int) -> np.ndarray:
        """A copy of the samples from ``start`` to ``end``."""
        return self._samples[start - self._first : end - self._first].copy()

    def keep_from(self, start: int) -> None:
        """Sound before ``start`` is not needed any more."""
        unneeded = start - self._first
        if unneeded > len(self._samples) // 2:  # moving sound costs: not for every frame
            kept = self._samples[unneeded : self._end - self._first].copy()
            self._samples = np.empty(max(4 * SAMPLE_RATE, 2 * len(kept)), np.float32)
            self._samples[: len(kept)] = kept
            self._first = start
