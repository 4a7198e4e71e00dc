"""The way in: a listener hears recordings and live calls with the same engines and workers."""

from __future__ import annotations

import asyncio
import logging
from typing import Sequence

from emotionlayer_rasa.audio import SAMPLE_RATE, RawEncoding, create_turn_detector
from emotionlayer_rasa.emotion import CallerVoice
from emotionlayer_rasa.errors import BusyError
from emotionlayer_rasa.hearing.consent import Consent
from emotionlayer_rasa.hearing.engines import Engines
from emotionlayer_rasa.hearing.recording import hear_recording
from emotionlayer_rasa.hearing.session import LiveSession
from emotionlayer_rasa.hearing.settings import ListenerSettings
from emotionlayer_rasa.hearing.workers import Workers
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.utterance import Transcript, Utterance

logger = logging.getLogger(__name__)

_CALLS_A_WORKER = 4
"""Live calls for each worker, where no other number is set: see :class:`LiveSettings`."""


class Listener:
    """Turns the bytes of a recording or a call into :class:`Utterance`. Models load at the first use, once.

    Args:
        settings: engines, limits and the number of workers.
        store: where models are found; the default store otherwise.
    """

    def __init__(self, settings: ListenerSettings | None = None, store: ModelStore | None = None) -> None:
        self.settings = settings or ListenerSettings()
        self.engines = Engines(self.settings.transcription, self.settings.emotion, store or ModelStore())
        self.workers = Workers(self.settings.workers, self.settings.waiting)
        self._preparing: asyncio.Task[None] | None = None
        self._sessions = 0

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
        engines, workers = self.engines, self.workers
        if transcript:
            await workers.run(lambda: engines.transcriber)
        if emotion:
            await workers.run(lambda: engines.recognizer)
        if transcript and emotion:
            ready = Transcript("ready", language=self.settings.transcription.language)
            await workers.run(engines.read_words, ready, True)
        if live:
            await workers.run(create_turn_detector, self.settings.live.turns)
            self._preparing = asyncio.create_task(self._prepare())

    async def _prepare(self) -> None:
        try:
            for _ in range(self.max_live):
                while self.workers.busy:
                    await asyncio.sleep(0.2)
                await self.workers.run_aside(lambda: self.engines.transcriber.prepare())
        except Exception as error:  # calls can do without
            logger.error("listener.prepare.failed %s", describe(error))

    async def hear(
        self,
        data: bytes,
        *,
        encoding: RawEncoding | None = None,
        sample_rate: int = SAMPLE_RATE,
        transcript: bool | Transcript = True,
        emotion: bool = True,
        caller: CallerVoice | None = None,
    ) -> Utterance:
        """Decode a recording, transcribe it and read the emotion of voice and words.

        Args:
            data: the bytes of an audio file, or raw samples.
            encoding: None for a file, else the encoding of raw samples (see :func:`decode_raw`).
            sample_rate: samples a second of raw samples, Hz.
            transcript: False skips the words; a transcript is what another engine heard, and is read as it is.
            emotion: False only transcribes (the caller has not agreed to more): neither voice nor words are read
                for emotion.
            caller: what is known of the speaker, which the utterance adds to; one utterance of a caller at a time.

        Returns:
            The utterance with what voice and words mean together, and milliseconds by stage. Where the recognizer
            or the reader of the words fails, or nothing reads the language, the other side decides alone, and
            without both the state is ``unknown``: the conversation goes on.

        Raises:
            BusyError: all workers are taken and the waiting room is full.
            AudioError: the bytes cannot be used.
            ModelError, MissingExtraError: a model cannot be had.
        """
        return await hear_recording(
            data,
            self.engines,
            self.workers,
            self.settings.limits,
            encoding,
            sample_rate,
            transcript,
            emotion,
            caller,
        )

    def open_session(
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
        if self._sessions >= self.max_live:
            raise BusyError(
                f"{self._sessions} calls are heard already. "
                "Try again when one has ended, or raise 'max_live' under 'live'."
            )

        def closed() -> None:
            self._sessions -= 1

        session = LiveSession(
            self.engines, self.workers, self.settings.live, encoding, sample_rate, emotion, closed, grammar
        )
        self._sessions += 1
        return session

    async def check_grammar(self, grammar: Sequence[str]) -> None:
        """Whether a session can listen for these phrases.

        Raises:
            ConfigurationError: the grammar is empty, or holds words that the model does not know.
            ModelError, MissingExtraError: the transcriber cannot be had.
        """
        await self.workers.run_stream(lambda: self.engines.transcriber.stream(grammar).close())

    def close(self) -> None:
        """End the threads. Close live sessions before.

        Waits for what a thread is at, a few seconds at most: what has not begun is given up, and so are models
        that are still being loaded.
        """
        if self._preparing:
            self._preparing.cancel()
        self.engines.close()
        self.workers.close()
