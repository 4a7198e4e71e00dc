"""What interrupts the assistant: words that are meant for it, and no cough, and no "mhm"."""

from __future__ import annotations

import re
from functools import cache
from typing import Sequence

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import (
    fold,
    language_code,
    languages,
    normalise,
    own_file,
    place,
    read_file,
    read_own_file,
)
from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.transcription.ghost_words import ghost_words

_FILE = "backchannels.yml"


class InterruptionSettings(Settings):
    """Keys of ``interruptions``. A reply is silent once the caller makes a sound, and given up only for speech.

    Attributes:
        min_speech_s: seconds of speech from which one word interrupts.
        min_words: words that interrupt however fast they are said. Backchannels do not count.
        resume_s: seconds of sound without a word after which a reply goes on, although the sound does.
    """

    min_speech_s: float = pydantic.Field(default=0.5, ge=0.0, le=10.0)
    min_words: int = pydantic.Field(default=2, ge=1, le=20)
    resume_s: float = pydantic.Field(default=2.0, ge=0.5, le=30.0)


class BackchannelFile(Settings):
    """What ``languages/<code>/backchannels.yml`` holds: regular expressions over whole words without accents.

    Attributes:
        backchannels: what is said while the other one speaks, to show that one listens.
        interruptions: what interrupts however short it is.
    """

    backchannels: tuple[str, ...]
    interruptions: tuple[str, ...] = ()


class InterruptionJudge:
    """Tells what interrupts.

    Args:
        settings: how much of it must be said.
        language: that the caller speaks; one without ``backchannels.yml`` has none.

    Raises:
        ConfigurationError: the language's file is wrong.
    """

    def __init__(self, settings: InterruptionSettings, language: str) -> None:
        self._settings = settings
        code = language_code(language)
        listed, where = _listed(code)
        longest_first = sorted(listed.backchannels, key=len, reverse=True)
        self._backchannels = _any_of(longest_first, f"{where}: backchannels")
        self._interruptions = _any_of(listed.interruptions, f"{where}: interruptions")
        self._ghosts = {normalise(word) for word in ghost_words(code)}

    def counted(self, text: str) -> list[str]:
        """The words of a text that count: neither backchannels, nor such as recognisers hear in noise."""
        words = self._backchannels.sub(" ", _words(text)).split()
        return [word for word in words if word not in self._ghosts]

    def interrupts(self, text: str, speech_s: float) -> bool:
        """Whether an utterance of so many seconds of speech, said while we speak, is meant to interrupt us."""
        words = self.counted(text)
        return (
            len(words) >= self._settings.min_words
            or (bool(words) and speech_s >= self._settings.min_speech_s)
            or bool(self._interruptions.search(_words(text)))
        )


def _any_of(patterns: Sequence[str], where: str) -> re.Pattern[str]:
    """One expression that finds any of the patterns among words; none of them finds nothing."""
    either = "|".join(fold(pattern).replace("'", " ") for pattern in patterns) or "(?!)"
    try:
        return re.compile(rf"(?<![^ ])(?:{either})(?![^ ])")
    except re.error as error:
        raise ConfigurationError(f"{where}: one is no regular expression: {error}.") from None


def _words(text: str) -> str:
    return " ".join(word for word in normalise(text).split() if word not in (",", "?", "!"))


@cache
def _listed(code: str) -> tuple[BackchannelFile, str]:
    if own := read_own_file(BackchannelFile, code, _FILE):
        return own, str(own_file(code, _FILE))
    if code in languages(_FILE):
        return read_file(BackchannelFile, code, _FILE), place(code, _FILE)
    return BackchannelFile(backchannels=()), place(code, _FILE)
