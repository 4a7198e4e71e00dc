"""The models that hear: loaded at their first use, and asked for the words and the emotion of an utterance."""

from __future__ import annotations

import contextlib
import logging
import time
from concurrent.futures import Future, InvalidStateError
from threading import Lock, Thread
from typing import Callable, Generic, NamedTuple, TypeVar

from emotionlayer_rasa.audio import Waveform
from emotionlayer_rasa.emotion import (
    CallerVoice,
    EmotionRecognizer,
    EmotionSettings,
    Heard,
    create_recognizer,
    measure_prosody,
)
from emotionlayer_rasa.emotion.onnx_recognizer import OnnxRecognizer
from emotionlayer_rasa.errors import ConfigurationError, ModelUnavailableError
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.transcription import Transcriber, TranscriptionSettings, create_transcriber
from emotionlayer_rasa.utterance import EmotionReading, Prosody, TextReading, Transcript
from emotionlayer_rasa.words import create_text_reader

logger = logging.getLogger(__name__)

T = TypeVar("T")

_NEARLY_LOADED_S = 1.0
"""How long the end waits for a model that is being loaded, seconds: those on this machine are ready by then."""


class VoiceHeard(NamedTuple):
    """What a voice told, its prosody where it could be measured, and the milliseconds it took."""

    heard: Heard
    prosody: Prosody | None
    took_ms: float


class Engines:
    """A transcriber, a recognizer of the voice's emotion, and what reads the words. Thread safe.

    Args:
        transcription, emotion: which ones.
        store: where models are found.
    """

    def __init__(self, transcription: TranscriptionSettings, emotion: EmotionSettings, store: ModelStore) -> None:
        self._transcriber = LazyModel(lambda: create_transcriber(transcription, store))
        self._recognizer = LazyModel(lambda: create_recognizer(emotion))
        self._threshold = emotion.threshold

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
        if self._threshold is not None:
            return self._threshold
        recognizer = self.recognizer
        return recognizer.description.threshold if isinstance(recognizer, OnnxRecognizer) else 0.0

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
            logger.error("listener.text.failed %s", describe(error))
        return words, 1000 * (time.perf_counter() - began)

    def read_voice(self, waveform: Waveform, wanted: bool, caller: CallerVoice | None = None) -> VoiceHeard:
        """Emotion and prosody of a voice; ``unknown`` where the recognizer fails.

        Args:
            waveform: the utterance.
            wanted: whether emotion may be analysed.
            caller: what is known of the speaker; it is not changed.
        """
        if not wanted:
            return VoiceHeard(Heard(EmotionReading()), None, 0.0)
        prosody = None
        began = time.perf_counter()
        try:
            recognizer = self.recognizer
            began = time.perf_counter()
            prosody = measure_prosody(waveform)
            heard = recognizer.hear(waveform, prosody, caller)
        except Exception as error:  # a recognizer that fails must not end the call
            logger.error("listener.emotion.failed %s", describe(error))
            heard = Heard(EmotionReading())
        return VoiceHeard(heard, prosody, 1000 * (time.perf_counter() - began))

    def close(self) -> None:
        """Load nothing more; who waits for a model is told so."""
        self._transcriber.close()
        self._recognizer.close()


class LazyModel(Generic[T]):
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
            ModelUnavailableError: the model is not wanted any more.
        """
        with self._lock:
            if self._loading is None or (self._loading.done() and self._loading.exception()):
                if self._closed:
                    raise _ended()
                self._loading = Future()
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
