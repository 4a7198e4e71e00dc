"""Hearing recordings and calls: words and emotion side by side, in a bounded pool of threads.

The only place of the package that owns threads. The models release Python's lock while they compute, so threads
are enough, and an event loop that awaits :meth:`Listener.hear` stays free.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any, Callable, Generic, Iterator, Sequence, TypeVar

import pydantic
import structlog

from emotionlayer_rasa.audio import SAMPLE_RATE, AudioLimits, RawEncoding, Waveform, decode_audio, decode_raw
from emotionlayer_rasa.emotion import EmotionRecognizer, EmotionSettings, create_recognizer, measure_prosody
from emotionlayer_rasa.emotion.onnx_recognizer import OnnxRecognizer
from emotionlayer_rasa.emotion.text import create_text_reader
from emotionlayer_rasa.errors import BusyError, ConfigurationError, ModelUnavailableError
from emotionlayer_rasa.live import Consent, LiveSession, LiveSettings, join
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.transcription import Transcriber, TranscriptionSettings, create_transcriber
from emotionlayer_rasa.utterance import EmotionReading, Prosody, TextReading, Transcript, Utterance

log = structlog.get_logger(__name__)

T = TypeVar("T")

_CALLS_A_WORKER = 4
"""Live calls for each worker, where no other number is set: see :class:`LiveSettings`."""

_NEARLY_LOADED_S = 1.0
"""How long the end waits for a model that is being loaded, seconds: those on this machine are ready by then."""


class ListenerSettings(Settings):
    """What a listener hears with.

    Attributes:
        transcription, emotion, limits: settings of the three engines.
        workers: utterances heard at the same time; as many as there are cores to hear with.
        waiting: utterances that may wait for a worker; one more is answered with :class:`BusyError`.
        live: how calls are heard while they go on.
    """

    transcription: TranscriptionSettings = TranscriptionSettings()
    emotion: EmotionSettings = EmotionSettings()
    limits: AudioLimits = AudioLimits()
    workers: int = pydantic.Field(default=2, ge=1, le=64)
    waiting: int = pydantic.Field(default=4, ge=0, le=1024)
    live: LiveSettings = LiveSettings()


class Listener:
    """Turns the bytes of a recording or a call into :class:`Utterance`. Models load at the first use, once.

    Args:
        settings: engines, limits and the size of the pool.
        store: where models are found; the default store otherwise.
    """

    def __init__(self, settings: ListenerSettings | None = None, store: ModelStore | None = None) -> None:
        self.settings = settings or ListenerSettings()
        store = store or ModelStore()
        self._transcriber = Engine(lambda: create_transcriber(self.settings.transcription, store))
        self._recognizer = Engine(lambda: create_recognizer(self.settings.emotion))
        # Two threads a worker: one for the words, one for the emotion.
        self._pool = ThreadPoolExecutor(2 * self.settings.workers, thread_name_prefix="listener")
        # Streams want short work done soon: they do not queue behind whole utterances.
        self._stream_pool = ThreadPoolExecutor(2 * self.settings.workers, thread_name_prefix="listener-live")
        self._preparing: asyncio.Task[None] | None = None
        self._jobs: set[Future[Any]] = set()
        """What the threads have to do: also what was given up, since a thread cannot be stopped."""
        self._utterances: set[_Place] = set()
        self._live = 0

    @property
    def transcriber(self) -> Transcriber:
        """The transcriber, loaded if need be (seconds, or a download)."""
        return self._transcriber.get()

    @property
    def recognizer(self) -> EmotionRecognizer:
        """The emotion recognizer, loaded if need be."""
        return self._recognizer.get()

    @property
    def threshold(self) -> float:
        """Confidence below which an emotion of the voice is ``unknown``."""
        if self.settings.emotion.threshold is not None:
            return self.settings.emotion.threshold
        recognizer = self.recognizer
        return recognizer.description.threshold if isinstance(recognizer, OnnxRecognizer) else 0.0

    @property
    def busy(self) -> bool:
        """Whether every worker has something to do, utterances and streams together: leave out what can be."""
        return len(self._jobs) >= self.settings.workers

    @property
    def max_live(self) -> int:
        """Live calls that are heard at the same time."""
        return self.settings.live.max_live or _CALLS_A_WORKER * self.settings.workers

    async def warm_up(self, *, transcript: bool = True, emotion: bool = True, live: bool = False) -> None:
        """Load the models now, off the event loop.

        Args:
            transcript: the transcriber.
            emotion: the emotion recognizer; and with both, what reads the words.
            live: when the models are loaded, go on in the background and make a stream ready for each call that
                may come (:meth:`Transcriber.prepare`), one at a time, while not every worker is busy.

        Raises:
            ModelError: a model cannot be found, fetched or loaded.
            MissingExtraError: an engine's package is not installed.
        """
        if transcript:
            await self.run(lambda: self.transcriber)
        if emotion:
            await self.run(lambda: self.recognizer)
        if transcript and emotion:
            ready = Transcript("ready", language=self.settings.transcription.language)
            await self.run(self.read_words, ready, True)
        if live:
            self._preparing = asyncio.create_task(self._prepare())

    async def _prepare(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            for _ in range(self.max_live):
                while self.busy:
                    await asyncio.sleep(0.2)
                # Not counted as work: nothing else is to be left out because of it.
                await loop.run_in_executor(self._pool, lambda: self.transcriber.prepare())
        except Exception as error:  # calls can do without
            log.error("listener.prepare.failed", error=type(error).__name__)

    async def hear(
        self,
        data: bytes,
        *,
        encoding: RawEncoding | None = None,
        sample_rate: int = SAMPLE_RATE,
        transcript: bool = True,
        emotion: bool = True,
    ) -> Utterance:
        """Decode a recording, transcribe it and read the emotion of voice and words.

        Args:
            data: the bytes of an audio file, or raw samples.
            encoding: None for a file, else the encoding of raw samples (see :func:`decode_raw`).
            sample_rate: samples a second of raw samples, Hz.
            transcript: False skips the words.
            emotion: False only transcribes (the caller has not agreed to more): neither voice nor words are read
                for emotion.

        Returns:
            The utterance with what voice and words mean together, and milliseconds by stage. Where the recognizer
            or the reader of the words fails, or nothing reads the language, the other side decides alone, and
            without both the state is ``unknown``: the conversation goes on.

        Raises:
            BusyError: all workers are taken and the waiting room is full.
            AudioError: the bytes cannot be used.
            ModelError, MissingExtraError: a model cannot be had.
        """
        with self._place() as place:
            began = time.perf_counter()
            waveform, decode_ms = await self._begin(place, self._decode, data, encoding, sample_rate)
            (said, transcription_ms, words, text_ms), (voice, prosody, emotion_ms) = await asyncio.gather(
                self._begin(place, self._understand, waveform, transcript, emotion),
                self._begin(place, self.read_voice, waveform, emotion),
            )
        timings = {
            "decode": decode_ms,
            "transcription": transcription_ms,
            "text": text_ms,
            "emotion": emotion_ms,
        }
        return join(said, voice, words, prosody, waveform.duration_s, timings, began)

    def live(
        self,
        *,
        encoding: RawEncoding = "pcm16",
        sample_rate: int = SAMPLE_RATE,
        emotion: Consent = True,
        grammar: Sequence[str] | None = None,
    ) -> LiveSession:
        """Hear a call while it goes on. Call it in a running event loop, and close the session.

        Args:
            encoding: of the raw samples, one channel.
            sample_rate: Hz; 8000 on the telephone.
            emotion: whether emotion may be analysed: False, or a function, plain or async, that is asked when an
                utterance begins and again when it ends. Who cannot be asked (it raises) has not agreed.
            grammar: phrases to listen for, where the engine can; None hears everything.

        Raises:
            BusyError: as many sessions are open as ``live.max_live`` says.
            UnsupportedAudioError: the encoding or the rate is not supported.
        """
        if self._live >= self.max_live:
            raise BusyError(
                f"{self._live} calls are heard already. Try again when one has ended, or raise 'max_live' under "
                "'live'."
            )

        def ended() -> None:
            self._live -= 1

        session = LiveSession(self, self.settings.live, encoding, sample_rate, emotion, ended, grammar)
        self._live += 1
        return session

    def close(self) -> None:
        """End the threads. Close live sessions before.

        Waits for what a thread is at, a few seconds at most: what has not begun is given up, and so are models
        that are still being loaded.
        """
        if self._preparing:
            self._preparing.cancel()
        self._transcriber.close()
        self._recognizer.close()
        for pool in (self._stream_pool, self._pool):
            pool.shutdown(cancel_futures=True)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Call in a thread for whole utterances."""
        return await self._submit(self._pool, function, *args)

    async def run_stream(self, function: Callable[..., T], *args: object) -> T:
        """Call in a thread for short work on streams."""
        return await self._submit(self._stream_pool, function, *args)

    def _submit(
        self, pool: ThreadPoolExecutor, function: Callable[..., T], *args: object, place: _Place | None = None
    ) -> asyncio.Future[T]:
        job = pool.submit(function, *args)
        self._jobs.add(job)
        if place:
            place.jobs.append(job)
        future = asyncio.wrap_future(job)
        # Just before who waits goes on, so that one job after another keeps a worker busy all the time.
        future.add_done_callback(lambda _: job.add_done_callback(self._jobs.discard))
        return future

    def _begin(self, place: _Place, function: Callable[..., T], *args: object) -> asyncio.Future[T]:
        return self._submit(self._pool, function, *args, place=place)

    @contextmanager
    def _place(self) -> Iterator[_Place]:
        """A place among the utterances that are heard or wait, taken until the last of its jobs is done."""
        if len(self._utterances) >= self.settings.workers + self.settings.waiting:
            raise BusyError(
                f"All {self.settings.workers} workers are busy and {self.settings.waiting} utterances wait. "
                "Try again in a second, or raise 'workers' or 'waiting'."
            )
        place = _Place()
        self._utterances.add(place)

        def leave(_: object = None) -> None:
            if all(job.done() for job in place.jobs):
                self._utterances.discard(place)

        try:
            yield place
        finally:
            leave()
            for job in place.jobs:
                job.add_done_callback(leave)

    def _decode(self, data: bytes, encoding: RawEncoding | None, sample_rate: int) -> tuple[Waveform, float]:
        began = time.perf_counter()
        if encoding is None:
            waveform = decode_audio(data, self.settings.limits)
        else:
            waveform = decode_raw(data, encoding, sample_rate, limits=self.settings.limits)
        return waveform, 1000 * (time.perf_counter() - began)

    def _understand(
        self, waveform: Waveform, transcript: bool, emotion: bool
    ) -> tuple[Transcript, float, TextReading | None, float]:
        said, transcription_ms = self._transcribe(waveform, transcript)
        words, text_ms = self.read_words(said, emotion)
        return said, transcription_ms, words, text_ms

    def _transcribe(self, waveform: Waveform, wanted: bool) -> tuple[Transcript, float]:
        if not wanted:
            return Transcript(""), 0.0
        transcriber = self.transcriber
        began = time.perf_counter()
        return transcriber.transcribe(waveform), 1000 * (time.perf_counter() - began)

    def read_words(self, said: Transcript, wanted: bool) -> tuple[TextReading | None, float]:
        """What the words say, and the milliseconds it took; None where nothing reads them."""
        if not wanted or not said.text:
            return None, 0.0
        words = None
        began = time.perf_counter()
        try:
            words = create_text_reader(said.language).read(said.text)
        except ConfigurationError:  # nothing reads this language: the voice decides alone
            pass
        except Exception as error:
            log.error("listener.text.failed", error=type(error).__name__)
        return words, 1000 * (time.perf_counter() - began)

    def read_voice(
        self, waveform: Waveform, wanted: bool, interim: bool = False
    ) -> tuple[EmotionReading, Prosody | None, float]:
        """Emotion and prosody of a voice, and the milliseconds it took; ``unknown`` where the recognizer fails."""
        if not wanted:
            return EmotionReading(), None, 0.0
        prosody = None
        began = time.perf_counter()
        try:
            recognizer = self.recognizer
            began = time.perf_counter()
            prosody = measure_prosody(waveform)
            reading = recognizer.recognize(waveform, prosody, interim=interim)
        except Exception as error:  # an ear that fails must not end the call
            log.error("listener.emotion.failed", error=type(error).__name__)
            reading = EmotionReading()
        return reading, prosody, 1000 * (time.perf_counter() - began)


class Engine(Generic[T]):
    """A model that is loaded at its first use, once.

    It is loaded in a thread of its own that does not outlive the process: a download may take minutes, and cannot
    be stopped from outside.

    Args:
        load: gives the model; what it raises is raised by :meth:`get`, and the next :meth:`get` tries again.
    """

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._lock = Lock()
        self._loading: Future[T] | None = None
        self._thread: Thread | None = None
        self._closed = False

    def get(self) -> T:
        """The model, loaded if need be (seconds, or a download).

        Raises:
            ModelUnavailableError: the engine is closed.
        """
        with self._lock:
            if self._loading is None or (self._loading.done() and self._loading.exception()):
                self._loading = Future()
                if self._closed:
                    self._loading.set_exception(_ended())
                else:
                    self._thread = Thread(target=self._fill, args=(self._loading,), daemon=True)
                    self._thread.start()
            loading = self._loading
        return loading.result()

    def close(self) -> None:
        """Load nothing more; who waits for the model is told so."""
        with self._lock:
            self._closed = True
        if self._loading and self._thread:
            self._thread.join(_NEARLY_LOADED_S)
            with contextlib.suppress(InvalidStateError):
                self._loading.set_exception(_ended())

    def _fill(self, loading: Future[T]) -> None:
        try:
            model = self._load()
        except BaseException as error:
            with contextlib.suppress(InvalidStateError):  # closed meanwhile
                loading.set_exception(error)
        else:
            with contextlib.suppress(InvalidStateError):
                loading.set_result(model)


def _ended() -> ModelUnavailableError:
    return ModelUnavailableError("The model was not loaded before the listener was closed. Make a new listener.")


class _Place:
    """The place that an utterance takes: its jobs in the threads so far."""

    def __init__(self) -> None:
        self.jobs: list[Future[Any]] = []
