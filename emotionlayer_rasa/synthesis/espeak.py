"""eSpeak NG: a small, fast, robotic voice in more than a hundred languages.

It is GPL-licensed and therefore only ever run as a program of its own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Mapping

import numpy as np

from emotionlayer_rasa.errors import ConfigurationError, MissingProgramError, SpeechError, UnknownLanguageError
from emotionlayer_rasa.language import language_code, language_tag
from emotionlayer_rasa.synthesis.base import SpeechStyle, SpeechSynthesizer
from emotionlayer_rasa.synthesis.program import SpeechProgram

NORMAL_WPM = 175
"""eSpeak's own default, words a minute."""

NORMAL_PITCH = 50
"""eSpeak's own default, of 0 .. 99."""

PITCH_PER_SEMITONE = 6.7
"""Steps of eSpeak's pitch a semitone: of its English voice, 30 to 70 raise the median pitch from 89 to 126 Hz."""

_DEFAULT_VOICES: Mapping[str, str] = {"en": "en-us"}  # eSpeak's is British; the small Vosk model is American
_HEADER = 44
"""Bytes of the WAV header, whose lengths are wrong in a pipe: the program cannot know them when it starts."""


class EspeakSynthesizer(SpeechSynthesizer):
    """The program ``espeak-ng``, a process a sentence.

    Args:
        voice: an eSpeak language with or without a variant (``en-gb+f3``), used for every text; a variant alone
            (``+f3``), for the voice of the text's language; None for that voice as it is.
        timeout_s: seconds a sentence may take.
        max_processes: at a time.

    Raises:
        MissingProgramError: ``espeak-ng`` is not installed.
        ConfigurationError: eSpeak has no such voice.
        SpeechError: the program does not work.
    """

    def __init__(self, voice: str | None = None, timeout_s: float = 10.0, max_processes: int = 4) -> None:
        path = shutil.which("espeak-ng")
        if path is None:
            raise MissingProgramError("espeak-ng", "apt install espeak-ng")
        self.model = f"espeak/{voice or 'default'}"
        self._voices = read_voices(_list(path, "--voices", timeout_s))
        self._fixed, plus, variant = (voice or "").partition("+")
        self._variant = plus + variant
        # Of an unknown voice eSpeak takes the first letters for a language, an unknown variant it ignores.
        if (self._fixed and self._fixed.lower() not in self._voices) or (
            plus and f"!v/{variant}" not in _list(path, "--voices=variant", timeout_s).split()
        ):
            raise ConfigurationError(
                f"espeak-ng has no voice '{voice}'. 'voice' is a language of 'espeak-ng --voices' ('en-gb'), "
                "a file of 'espeak-ng --voices=variant' after a plus sign ('+f3'), or both ('en-gb+f3')."
            )
        self._program = SpeechProgram(
            "espeak-ng", [path, "--stdin", "--stdout", "-b", "1"], timeout_s, max_processes
        )

    def voice(self, language: str) -> str:
        """eSpeak's name of the voice that speaks a language.

        Raises:
            UnknownLanguageError: lists the known languages.
        """
        wanted = self._fixed or language
        for code in (language_tag(wanted), language_code(wanted)):
            if code in self._voices:
                return self._voices[code] + self._variant
        raise UnknownLanguageError(
            f"espeak-ng has no voice for the language '{language}', but for: {', '.join(sorted(self._voices))}."
        )

    async def speak(self, sentence: str, style: SpeechStyle) -> tuple[np.ndarray, int]:
        """Speak one sentence; see :meth:`SpeechSynthesizer.speak`."""
        wpm = round(NORMAL_WPM * style.speed)
        pitch = round(NORMAL_PITCH + PITCH_PER_SEMITONE * style.semitones)
        # Without -m markup is text; text comes in by stdin, where it cannot be an option.
        options = ["-v", self.voice(style.language), "-s", str(wpm), "-p", str(pitch)]
        return read_streamed_wav(await self._program.run(options, sentence))


def read_voices(listing: str) -> dict[str, str]:
    """Language codes, in lower case, and eSpeak's name of the voice for each, from ``espeak-ng --voices``.

    A line is ``priority language age/gender name file (other language, priority)…``; a lower priority goes first.
    """
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines()[1:]:
        columns = line.split(None, 5)
        if len(columns) < 5:
            continue
        voice = columns[1]
        others = re.findall(r"\((\S+) (\d+)\)", columns[5]) if len(columns) == 6 else []
        for code, priority in [(voice, "0"), *others]:
            found[code.lower()] = min(found.get(code.lower(), (100, "")), (int(priority), voice))
    voices = {code: voice for code, (_, voice) in found.items()}
    return voices | {code: voice for code, voice in _DEFAULT_VOICES.items() if voice in voices}


def read_streamed_wav(wav: bytes) -> tuple[np.ndarray, int]:
    """Samples (float32, shape (n,)) and rate of a 16-bit mono WAV whose header was written before its sound.

    Raises:
        SpeechError: it is no such WAV.
    """
    if not wav:
        return np.empty(0, np.float32), 22_050
    if wav[:4] != b"RIFF" or wav[20:24] != b"\1\0\1\0" or wav[34:40] != b"\x10\0data":
        raise SpeechError("espeak-ng wrote no 16-bit mono WAV. Install version 1.50 or later.")
    pcm = np.frombuffer(wav, "<i2", count=(len(wav) - _HEADER) // 2, offset=_HEADER)
    return pcm.astype(np.float32) / 32768, int.from_bytes(wav[24:28], "little")


def _list(path: str, option: str, timeout_s: float) -> str:
    try:
        listed = subprocess.run(
            [path, option], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SpeechError(f"The program espeak-ng does not work. Run 'espeak-ng {option}' to see why.") from error
    return listed.stdout.decode("utf-8", "replace")
