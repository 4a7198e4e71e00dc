"""What a caller is asked who says nothing, and when."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Callable, Mapping

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import language_code, languages, own_file, place, read_file, read_own_file
from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.taxonomy import STRATEGIES

_FILE = "silence.yml"
_PLAIN = STRATEGIES[0]
"""The strategy whose wording is used where none is known."""


class SilenceSettings(Settings):
    """Keys of ``silence``: of telephone calls, and of others that ask for it.

    Attributes:
        after_s: seconds after which a caller who says nothing is asked whether they are there; 0 for never.
        prompts: how many times; then we say goodbye and end the call.
    """

    after_s: float = pydantic.Field(default=8.0, ge=0.0, le=300.0)
    prompts: int = pydantic.Field(default=2, ge=0, le=10)


class SilenceWording(Settings):
    """What ``languages/<code>/silence.yml`` holds for each strategy.

    Attributes:
        prompts: one after the other; the last one again, where there are fewer than are wanted.
        goodbye: what is said before the call is ended.
    """

    prompts: list[str] = pydantic.Field(min_items=1)
    goodbye: str = pydantic.Field(min_length=1)


@dataclass(frozen=True)
class Prompt:
    """What is to be said to a caller who says nothing; ``last``: then the call ends."""

    text: str
    last: bool


class SilenceWatch:
    """Tells when a caller has said nothing for too long. Off in a language without wording.

    Args:
        settings: when, and how often.
        language: of the call.
        now: a clock, in seconds.

    Raises:
        ConfigurationError: the language's file is wrong.
    """

    def __init__(
        self, settings: SilenceSettings, language: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._wordings = silence_wordings(language)
        self._now = now
        self._since = now()
        self._asked = 0

    def stir(self) -> None:
        """Something is going on, or need not be said."""
        self._since = self._now()

    def heard(self) -> None:
        """The caller is there."""
        self._asked = 0
        self.stir()

    def prompt(self, strategy: str | None) -> Prompt | None:
        """What is to be said now in the tone of a response strategy; None while the silence is no matter."""
        settings = self._settings
        if not settings.after_s or not self._wordings or self._now() - self._since < settings.after_s:
            return None
        self.stir()
        wording = self._wordings.get(strategy or _PLAIN, self._wordings[_PLAIN])
        self._asked += 1
        if self._asked > settings.prompts:
            return Prompt(wording.goodbye, last=True)
        return Prompt(wording.prompts[min(self._asked, len(wording.prompts)) - 1], last=False)


@cache
def silence_wordings(language: str) -> Mapping[str, SilenceWording]:
    """The wordings of a language by strategy; none where it has no file. The bot's own stand in place of ours.

    Raises:
        ConfigurationError: names the file and what is wrong with it.
    """
    code = language_code(language)
    own = read_own_file(dict[str, SilenceWording], code, _FILE)
    where = str(own_file(code, _FILE)) if own else place(code, _FILE)
    if own is None and code not in languages(_FILE):
        return {}
    wordings = own or read_file(dict[str, SilenceWording], code, _FILE)
    unknown = [strategy for strategy in wordings if strategy not in STRATEGIES]
    if unknown or _PLAIN not in wordings:
        raise ConfigurationError(
            f"{where}: its keys are strategies, '{_PLAIN}' among them. Strategies: {', '.join(STRATEGIES)}."
        )
    return wordings
