"""The part of a live session that runs on the event loop: sound in, events out, the models asked in threads."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Callable, Sequence, TypeVar

import numpy as np

from emotionlayer_rasa.audio import RawEncoding, StreamDecoder
from emotionlayer_rasa.audio.endpointing import Resumed
from emotionlayer_rasa.emotion import CallerVoice
from emotionlayer_rasa.errors import BusyError, EmotionLayerError
from emotionlayer_rasa.hearing.consent import Consent, may_analyse
from emotionlayer_rasa.hearing.engines import Engines, VoiceHeard
from emotionlayer_rasa.hearing.events import Discarded, Final, Interim, LiveEvent, Partial, SpeechStarted
from emotionlayer_rasa.hearing.joining import join, pool
from emotionlayer_rasa.hearing.settings import LiveSettings
from emotionlayer_rasa.hearing.stream import (
    InterimWindow,
    SpeechPaused,
    StreamEvent,
    StreamTranscriber,
    UtteranceEnded,
)
from emotionlayer_rasa.hearing.workers import Workers
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.utterance import EmotionReading

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FRAME_S = 0.03
_LONGEST_JOB_S = 1.0
"""Sound taken in by one job at most, so that one call that has fallen behind does not hold up the others."""
_WORDLESS_SPEECH_S = 0.5
_MAX_EVENTS = 1000


class LiveSession:
    """One caller's stream: sound in with :meth:`feed`, events out with ``async for``.

    Made by :meth:`Listener.open_session`, in a running event loop; used from that loop only. For each utterance
    come, in this order, :class:`SpeechStarted`; any number of :class:`Partial` and :class:`Interim`;
    :class:`Final` or :class:`Discarded`. The loop over the events ends after :meth:`eof` and :meth:`close`. It
    raises what made hearing impossible (:class:`ModelError`, :class:`MissingExtraError`); then it is over.
    """

    def __init__(
        self,
        engines: Engines,
        workers: Workers,
        settings: LiveSettings,
        encoding: RawEncoding,
        sample_rate: int,
        emotion: Consent,
        on_close: Callable[[], None],
        grammar: Sequence[str] | None = None,
    ) -> None:
        self._engines = engines
        self._workers = workers
        self._settings = settings
        decoder = StreamDecoder(encoding, sample_rate)
        self._stream = StreamTranscriber(lambda: engines.transcriber, settings, decoder, grammar)
        self._bytes_per_second = decoder.bytes_per_second
        self._consent = emotion
        self._on_close: Callable[[], None] | None = on_close
        self._pending = bytearray()
        self._hearing_s = 0.0
        """Seconds of sound in the job that is being done."""
        self._eof = False
        self._taken = 0
        """Bytes of sound that have been taken to be heard."""
        self._cuts: deque[int] = deque()
        """Behind how many bytes the utterance ends."""
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        self._asked = False
        """Somebody waits for the next event."""
        self._events: asyncio.Queue[LiveEvent | Exception | None] = asyncio.Queue()
        self._failure: Exception | None = None
        self._job: asyncio.Future[Any] | None = None
        self._ongoing = _OngoingUtterance()
        self._monologue: list[tuple[float, EmotionReading]] = []
        self._caller = CallerVoice()
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
            self._hearing_s or self._cuts or len(self._pending) >= least or self._events.qsize() or not self._asked
        ):
            self._progress.clear()
            await self._progress.wait()

    def eof(self) -> None:
        """The stream is over: an utterance that is going on ends, and the loop over the events after it."""
        self._eof = True
        self._wake.set()

    def cut(self) -> None:
        """The utterance that is going on ends behind the sound so far; the stream goes on."""
        self._cuts.append(self._taken + len(self._pending))
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
            while not self._eof or self._pending or self._cuts:
                await self._wake.wait()
                self._wake.clear()
                least = 1 if self._eof else int(_FRAME_S * self._bytes_per_second)
                while self._cuts or len(self._pending) >= least:
                    await self._hear_next()
            await self._hear_next(last=True)
        except Exception as error:
            if not isinstance(error, EmotionLayerError):
                logger.error("live.failed %s", describe(error))
            self._failure = error
            self._events.put_nowait(error)
        self._release()

    def _release(self) -> None:
        """Give the memory back and the place to another session; tell no more."""
        if self._on_close is None:
            return
        self._stream.close()
        self._drop_early()
        if self._interim:
            self._interim.cancel()
        self._pending.clear()
        self._events.put_nowait(None)
        on_close, self._on_close = self._on_close, None
        self._progress.set()
        on_close()

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        job = self._job = self._workers.run_stream(function, *args)
        return await asyncio.shield(job)

    async def _hear_next(self, last: bool = False) -> None:
        size = int(_LONGEST_JOB_S * self._bytes_per_second)
        if self._cuts:
            size = min(size, self._cuts[0] - self._taken)
        data = bytes(self._pending[:size])
        del self._pending[:size]
        self._taken += len(data)
        self._hearing_s = len(data) / self._bytes_per_second
        cut = bool(self._cuts) and self._cuts[0] == self._taken
        for event in await self._in_thread(self._stream.feed, data, last, cut):
            await self._tell(event)
        if cut:
            self._cuts.popleft()
        self._hearing_s = 0.0
        self._progress.set()

    async def _tell(self, event: StreamEvent) -> None:
        ongoing = self._ongoing
        if isinstance(event, Partial):
            self._events.put_nowait(event)
        elif isinstance(event, SpeechStarted):
            self._ongoing = _OngoingUtterance()
            self._events.put_nowait(event)
            if not event.continues:
                self._monologue.clear()
            self._ongoing.allowed = await may_analyse(self._consent)
        elif isinstance(event, InterimWindow):
            if ongoing.allowed and not self._workers.busy and (self._interim is None or self._interim.done()):
                self._interim = asyncio.create_task(self._read_interim(ongoing, event))
        elif isinstance(event, SpeechPaused):
            if ongoing.allowed:
                ongoing.early = asyncio.ensure_future(
                    self._workers.run(self._engines.read_voice, event.waveform, True, self._caller)
                )
        elif isinstance(event, Resumed):
            self._drop_early()
        else:
            told = event if isinstance(event, Discarded) else await self._read(ongoing, event)
            self._drop_early()
            self._ongoing = _OngoingUtterance()  # an interim reading that comes late has no place any more
            self._events.put_nowait(told)

    def _drop_early(self) -> None:
        if self._ongoing.early:
            self._ongoing.early.cancel()
            self._ongoing.early = None

    async def _read_interim(self, ongoing: _OngoingUtterance, window: InterimWindow) -> None:
        heard, prosody, _ = await self._workers.run(self._engines.read_voice, window.waveform, True, self._caller)
        if ongoing is self._ongoing:
            self._events.put_nowait(Interim(heard.reading, prosody, window.at_s))

    async def _read(self, ongoing: _OngoingUtterance, ended: UtteranceEnded) -> Final | Discarded:
        """The utterance that is over, with what voice and words tell; or that it is none."""
        said, noise = ended.transcript, Discarded("noise", ended.start_s, ended.end_s)
        # Asked again: the caller may have objected in the utterance before, which was not understood yet.
        allowed = ongoing.allowed and await may_analyse(self._consent)
        if not allowed:
            self._caller.forget()
        if not said.words and (not allowed or ended.speech_s < _WORDLESS_SPEECH_S):
            return noise
        (heard, prosody, emotion_ms), (words, text_ms) = await asyncio.gather(
            ongoing.early
            if ongoing.early and allowed
            else self._workers.run(self._engines.read_voice, ended.waveform, allowed, self._caller),
            self._workers.run(self._engines.read_words, said, allowed),
        )
        voice = heard.reading
        if not said.words and not voice.scores:
            return noise
        if allowed:
            heard.teach(self._caller)
            weight = float(np.std(ended.waveform.samples)) * ended.waveform.duration_s
            self._monologue.append((weight, voice))
            if len(self._monologue) > 1 and any(reading.scores for _, reading in self._monologue):
                voice = pool(self._monologue, self._engines.threshold)
        timings = {"decode": ended.decode_ms, "transcription": ended.transcription_ms, "text": text_ms}
        utterance = join(
            said,
            voice,
            words,
            prosody,
            ended.waveform.duration_s,
            {**timings, "emotion": emotion_ms},
            ended.known,
        )
        return Final(utterance, ended.start_s, ended.end_s, ended.reason, ended.speech_s)


class _OngoingUtterance:
    """What the event loop knows of the utterance that is going on.

    Attributes:
        allowed: emotion may be analysed.
        early: the reading of the voice, begun when the caller fell silent.
    """

    def __init__(self) -> None:
        self.allowed = False
        self.early: asyncio.Future[VoiceHeard] | None = None
