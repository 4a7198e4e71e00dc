"""The files of a Rasa project, as Rasa finds them in its folder."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator, Mapping

import yaml

from emotionlayer_rasa.endpoints import ENDPOINTS_VARIABLE
from emotionlayer_rasa.errors import ConfigurationError

CHANNEL = "emotionlayer_rasa.VoiceInput"


class Project:
    """A Rasa project; each file is read when it is asked for.

    Args:
        folder: that holds ``config.yml``.

    Raises:
        ConfigurationError: of each property, where its file is no valid YAML.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Content of ``config.yml``; empty where it is missing."""
        return _read(self.folder / "config.yml")

    @cached_property
    def credentials(self) -> Mapping[str, Any]:
        """Content of ``credentials.yml``."""
        return _read(self.folder / "credentials.yml")

    @property
    def endpoints_path(self) -> Path:
        """Where ``endpoints.yml`` is, or would be: our servers find it by the same variable."""
        return self.folder / os.environ.get(ENDPOINTS_VARIABLE, "endpoints.yml")

    @cached_property
    def endpoints(self) -> Mapping[str, Any]:
        """Content of ``endpoints.yml``."""
        return _read(self.endpoints_path)

    @cached_property
    def domain(self) -> Mapping[str, Any]:
        """``domain.yml``, or the files of the folder ``domain`` put together: lists joined, mappings merged."""
        files = [self.folder / "domain.yml"]
        if not files[0].is_file():
            files = _yaml_below(self.folder / "domain")
        whole: dict[str, Any] = {}
        for file in files:
            for key, value in _read(file).items():
                former = whole.get(key)
                if isinstance(former, list) and isinstance(value, list):
                    whole[key] = [*former, *value]
                elif isinstance(former, dict) and isinstance(value, dict):
                    whole[key] = {**former, **value}
                else:
                    whole[key] = value
        return whole

    @property
    def slots(self) -> Mapping[str, Mapping[str, Any]]:
        """The slots of the domain by name."""
        slots = self.domain.get("slots")
        return {name: slot or {} for name, slot in slots.items()} if isinstance(slots, dict) else {}

    @property
    def actions(self) -> frozenset[str]:
        """Names of the domain's actions that an action server runs."""
        named = {name for action in _list(self.domain, "actions") for name in _names(action)}
        responses = self.domain.get("responses")
        return frozenset(named - set(responses if isinstance(responses, dict) else ()))

    @property
    def intents(self) -> frozenset[str]:
        """Names of the domain's intents."""
        return frozenset(name for intent in _list(self.domain, "intents") for name in _names(intent))

    @property
    def entities(self) -> Mapping[str, Mapping[str, Any]]:
        """The entities of the domain by name, with their settings."""
        found: dict[str, Mapping[str, Any]] = {}
        for entity in _list(self.domain, "entities"):
            found |= {name: (entity[name] or {}) if isinstance(entity, dict) else {} for name in _names(entity)}
        return found

    @cached_property
    def run_actions(self) -> frozenset[str]:
        """Names of actions that a rule or story runs."""
        steps = (
            step
            for file in _yaml_below(self.folder / "data")
            for key in ("rules", "stories")
            for dialogue in _list(_read(file), key)
            for step in _list(dialogue, "steps")
        )
        return frozenset(str(step["action"]) for step in steps if isinstance(step, dict) and step.get("action"))

    def components(self, key: str) -> list[Mapping[str, Any]]:
        """The components of ``config.yml`` under ``pipeline`` or ``policies``, in their order."""
        return [part for part in _list(self.config, key) if isinstance(part, dict)]

    def sources(self) -> Iterator[Path]:
        """The files that a model is trained from."""
        for name in ("config.yml", "domain.yml"):
            if (self.folder / name).is_file():
                yield self.folder / name
        for name in ("domain", "data"):
            yield from _yaml_below(self.folder / name)

    @cached_property
    def newest_model(self) -> Path | None:
        """The trained model that Rasa's server would take."""
        archives = sorted((self.folder / "models").glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)
        return archives[-1] if archives else None


def _read(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigurationError(f"{file} is no valid YAML. Check its indentation and quotes.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file} holds no keys and values. Compare it with Rasa's documentation.")
    return content


def _yaml_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".yml", ".yaml") and path.is_file())


def _list(content: Any, key: str) -> list[Any]:
    value = content.get(key) if isinstance(content, Mapping) else None
    return value if isinstance(value, list) else []


def _names(item: Any) -> list[str]:
    """An item of the domain is a name, or a mapping of a name to its settings."""
    return [str(name) for name in item] if isinstance(item, dict) else [str(item)]
