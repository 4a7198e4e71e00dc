"""Which engines there are, and which one a configuration gets.

A new engine is a file beside this one and a line in :data:`ENGINES` and in :class:`SynthesisSettings`.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Callable, Literal, Mapping

from emotionlayer_rasa.errors import ConfigurationError, MissingProgramError
from emotionlayer_rasa.logs import log_place
from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.synthesis.base import SpeechSynthesizer
from emotionlayer_rasa.synthesis.espeak import EspeakSynthesizer
from emotionlayer_rasa.synthesis.piper import PiperSynthesizer

logger = logging.getLogger(__name__)


class SynthesisSettings(Settings):
    """How replies are spoken.

    Attributes:
        engine: ``espeak`` or ``piper``, which must then be installed; with ``none`` replies stay text. ``auto`` is
            ``piper`` where ``voice`` names an ``.onnx`` file, else ``espeak``; where the program is not installed
            the log says so and replies stay text.
        voice: for ``espeak`` a voice (``en-gb+f3``) or a variant of the language's (``+f3``), None for the
            language's own; for ``piper`` the path of the voice's ``.onnx`` file.
        timeout_s: seconds one sentence may take.
        max_processes: sentences spoken at a time, of all callers together.
    """

    engine: Literal["auto", "espeak", "piper", "none"] = "auto"
    voice: str | None = pydantic.Field(default=None, min_length=1)
    timeout_s: pydantic.PositiveFloat = 10.0
    max_processes: pydantic.PositiveInt = 4


def _espeak(settings: SynthesisSettings) -> SpeechSynthesizer:
    return EspeakSynthesizer(settings.voice, settings.timeout_s, settings.max_processes)


def _piper(settings: SynthesisSettings) -> SpeechSynthesizer:
    if settings.voice is None:
        raise ConfigurationError("The speech engine 'piper' needs 'voice': the path of a voice's .onnx file.")
    log_place("synthesis.voice", Path(settings.voice).expanduser().absolute())
    return PiperSynthesizer(Path(settings.voice), settings.timeout_s, settings.max_processes)


ENGINES: Mapping[str, Callable[[SynthesisSettings], SpeechSynthesizer]] = {"espeak": _espeak, "piper": _piper}

_loaded: dict[SynthesisSettings, SpeechSynthesizer] = {}
_loading = threading.Lock()


def create_synthesizer(settings: SynthesisSettings = SynthesisSettings()) -> SpeechSynthesizer | None:
    """The voice a configuration asks for, made once per process; call it at the start, it asks the program.

    Returns:
        None where replies stay text: the engine is ``none``, or ``auto`` found no program.

    Raises:
        MissingProgramError: the engine's program is not installed; says how to install it.
        ModelUnavailableError: the voice's file is missing or damaged.
        ConfigurationError: ``piper`` without a ``voice``, or a voice that eSpeak does not have.
        SpeechError: the program does not work.
    """
    if settings.engine == "none":
        return None
    if settings.engine != "auto":
        return _load(settings.engine, settings)
    try:
        return _load("piper" if (settings.voice or "").endswith(".onnx") else "espeak", settings)
    except MissingProgramError as error:
        logger.warning("synthesis.unavailable: replies stay text (%s: %s)", error.code, error)
        return None


def _load(engine: str, settings: SynthesisSettings) -> SpeechSynthesizer:
    with _loading:
        if settings not in _loaded:
            _loaded[settings] = ENGINES[engine](settings)
        return _loaded[settings]
