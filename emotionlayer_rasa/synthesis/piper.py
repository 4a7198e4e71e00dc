"""Piper: natural voices, one ONNX file and its settings each.

Its present releases are GPL-licensed: it is only ever run as a program of its own.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from emotionlayer_rasa.errors import MissingProgramError, ModelUnavailableError, UnknownLanguageError
from emotionlayer_rasa.language import language_code
from emotionlayer_rasa.synthesis.base import SpeechStyle, SpeechSynthesizer
from emotionlayer_rasa.synthesis.program import SpeechProgram

PAUSE_S = 0.25
"""Seconds of silence after a sentence. Piper's releases differ in it: they are asked for none."""


@dataclass(frozen=True)
class PiperVoice:
    """What the settings of a voice say.

    Attributes:
        sample_rate: Hz.
        length_scale: length of its sounds at the normal rate, as piper counts it.
        language: code of the language without region; empty where unknown.
    """

    sample_rate: int
    length_scale: float
    language: str


class PiperSynthesizer(SpeechSynthesizer):
    """The program ``piper``, a process a sentence: each loads the voice anew, so choose a small one.

    Piper has no pitch of its own: it speaks slower and is played faster, or the other way round.

    Args:
        voice: path of the voice's ``.onnx`` file; its settings lie beside it as ``.onnx.json``.
        timeout_s: seconds a sentence may take.
        max_processes: at a time.

    Raises:
        MissingProgramError: neither the program nor the Python package ``piper-tts`` is installed.
        ModelUnavailableError: the voice or its settings are missing or damaged.
    """

    def __init__(self, voice: Path, timeout_s: float = 10.0, max_processes: int = 4) -> None:
        voice = voice.expanduser()
        self.model = f"piper/{voice.stem}"
        self._voice = _read_voice(voice)
        command = [*_find_piper(), "--model", str(voice), "--output-raw", "--sentence-silence", "0"]
        self._program = SpeechProgram("piper", command, timeout_s, max_processes)

    async def speak(self, sentence: str, style: SpeechStyle) -> tuple[np.ndarray, int]:
        """Speak one sentence; see :meth:`SpeechSynthesizer.speak`."""
        rate, spoken = self._voice.sample_rate, self._voice.language
        if spoken and language_code(style.language) != spoken:
            raise UnknownLanguageError(
                f"The voice {self.model} speaks '{spoken}', not '{style.language}'. "
                "Set 'voice' to one of that language."
            )
        raised = 2 ** (style.semitones / 12)
        length_scale = self._voice.length_scale * raised / style.speed
        raw = await self._program.run(["--length-scale", f"{length_scale:.4f}"], sentence + "\n")
        samples = np.frombuffer(raw, "<i2", count=len(raw) // 2).astype(np.float32) / 32768
        if not len(samples):
            return samples, rate
        if raised != 1.0:
            samples = np.clip(soxr.resample(samples, rate * raised, rate, quality="HQ"), -1.0, 1.0)
        return np.pad(samples, (0, round(PAUSE_S * rate))), rate


def _read_voice(voice: Path) -> PiperVoice:
    try:
        settings = json.loads(voice.with_name(f"{voice.name}.json").read_text("utf-8"))
        language = settings.get("language", {}).get("family") or settings.get("espeak", {}).get("voice", "")
        read = PiperVoice(
            sample_rate=int(settings["audio"]["sample_rate"]),
            length_scale=float(settings.get("inference", {}).get("length_scale", 1.0)),
            language=language_code(str(language)),
        )
        if read.sample_rate > 0 and voice.is_file():
            return read
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise ModelUnavailableError(
        f"{voice} is no voice of piper: it takes a file '….onnx' and its settings beside it, '….onnx.json'. "
        "Point 'voice' at the .onnx file of a complete one."
    )


def _find_piper() -> list[str]:
    path = shutil.which("piper")
    if path is not None:
        return [path]
    if importlib.util.find_spec("piper") is not None:
        return [sys.executable, "-m", "piper"]
    raise MissingProgramError("piper", "pip install piper-tts")
