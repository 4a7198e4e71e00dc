"""Which engines there are, and which one a configuration gets.

A new engine is a file beside this one (a settings class, and a loader), a line in :data:`ENGINES` and its section
in :class:`TranscriptionSettings`.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Callable, Literal, Mapping

from emotionlayer_rasa.errors import (
    DownloadError,
    MissingExtraError,
    ModelError,
    ModelUnavailableError,
)
from emotionlayer_rasa.logs import log_place
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.transcription.base import Transcriber
from emotionlayer_rasa.transcription.vosk import VoskSettings, load_vosk
from emotionlayer_rasa.transcription.whisper import WhisperSettings, load_whisper

logger = logging.getLogger(__name__)


class TranscriptionSettings(Settings):
    """How speech becomes words.

    Attributes:
        engine: what transcribes.
        fallback: what transcribes where the engine's model cannot be had; None stops the start instead. It is not
            used when a model is configured by its path: that one must work.
        language: code of the spoken language, such as ``en``, ``it`` or ``en-in``.
        vosk: settings of the engine ``vosk``.
        whisper: settings of the engine ``whisper``.
    """

    engine: Literal["vosk", "whisper"] = "vosk"
    fallback: Literal["whisper"] | None = "whisper"
    language: str = "en"
    vosk: VoskSettings = VoskSettings()
    whisper: WhisperSettings = WhisperSettings()


ENGINES: Mapping[str, Callable[[TranscriptionSettings, ModelStore], Transcriber]] = {
    "vosk": lambda settings, store: load_vosk(settings.vosk, settings.language, store),
    "whisper": lambda settings, store: load_whisper(settings.whisper, settings.language, store),
}

_Key = tuple[str, str, Settings, Path]
_loaded: dict[_Key, Transcriber] = {}
_loading: dict[_Key, threading.Lock] = {}
"""One lock each: nobody waits for the download of a model of others."""


def create_transcriber(
    settings: TranscriptionSettings | None = None, store: ModelStore | None = None
) -> Transcriber:
    """The transcriber a configuration asks for, loaded once per process.

    Args:
        settings: the configuration; defaults where None.
        store: where models come from; the default store where None.

    Raises:
        UnknownLanguageError: no model of the engine is known for the language.
        DownloadError, ModelUnavailableError: neither the model nor a fallback can be had; the message names the
            ways out.
        ChecksumError: a downloaded model is not the one expected; there is no fallback from that.
        MissingExtraError: the engine's package is not installed.
    """
    settings = settings or TranscriptionSettings()
    store = store or ModelStore()
    try:
        return _load(settings.engine, settings, store)
    except (DownloadError, ModelUnavailableError) as error:
        if getattr(settings, settings.engine).model or settings.engine == "whisper":
            raise
        if settings.fallback is None:
            raise type(error)(f"{error} Or, for English, set 'fallback: whisper'.") from error
        try:
            transcriber = _load(settings.fallback, settings, store)
        except (MissingExtraError, ModelError) as second:
            raise type(error)(f"{error} The fallback '{settings.fallback}' cannot stand in: {second}") from error
        logger.warning(
            "transcription.fallback: using %s instead of '%s' (%s: %s)",
            transcriber.model,
            settings.engine,
            error.code,
            error,
        )
        return transcriber


def _load(engine: str, settings: TranscriptionSettings, store: ModelStore) -> Transcriber:
    key = (engine, settings.language, getattr(settings, engine), store.cache_dir)
    with _loading.setdefault(key, threading.Lock()):
        if key not in _loaded:
            if model := getattr(settings, engine).model:
                log_place(f"{engine}.model", model.expanduser().absolute())
            _loaded[key] = ENGINES[engine](settings, store)
        return _loaded[key]
