"""The models whose replies are compared."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Mapping

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings
from emotionlayer_rasa.settings import read_settings

TEMPLATES = "templates"
"""The model that is none: every reply is a template."""

_NOT_THE_MODEL = {
    *("base_url", "api_key_env", "max_concurrent", "breaker_failures", "breaker_pause_s"),
    *("price_per_million_input", "price_per_million_output"),
}
"""Settings that do not change what a model says."""


@dataclass(frozen=True)
class Candidate:
    """A model to evaluate; ``settings`` None stands for the templates alone."""

    name: str = TEMPLATES
    settings: LLMSettings | None = None

    @classmethod
    def read(cls, entry: Any, where: str) -> Candidate:
        """Read ``templates``, or ``name`` and the keys of ``llm:`` in ``endpoints.yml``; ``model`` may be missing.

        Args:
            entry: as it was configured.
            where: names the place in messages.

        Raises:
            ConfigurationError: it is neither, or holds an unknown key or a bad value.
        """
        if entry == TEMPLATES:
            return cls()
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str) or not entry["name"]:
            raise ConfigurationError(f"{where}: expected '{TEMPLATES}', or a model with 'name' and 'base_url'.")
        values = {"model": entry["name"], **{key: value for key, value in entry.items() if key != "name"}}
        return cls(entry["name"], read_settings(LLMSettings, values, where))

    def client(self, **changes: Any) -> LLMClient | None:
        """A client that asks on after any number of failures: a paused model would be scored as templates."""
        if self.settings is None:
            return None
        return LLMClient(self.settings.copy(update={"breaker_failures": sys.maxsize, **changes}))

    def identity(self) -> list[Any]:
        """What makes it say what it says, whatever server it runs on."""
        return [self.name, self.settings and self.settings.dict(exclude=_NOT_THE_MODEL)]
