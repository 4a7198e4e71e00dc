"""Where a Rasa project has its files, and what they say that matters here."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from emotionlayer_rasa.errors import ProjectError
from emotionlayer_rasa.project.yaml_text import parse

OWN_NAME = "emotionlayer"
"""Stem of the files that are added to a project's folders."""

_ACTIONS = "emotionlayer_rasa.actions"


@dataclass(frozen=True)
class Project:
    """A Rasa project on disk, as ``rasa train`` and ``rasa run`` would read it.

    Attributes:
        folder: where Rasa's commands are started.
        config, credentials, endpoints: files; all but ``config`` may be missing.
        domain: a file, or a folder of files that Rasa merges.
        data: folder of the training data.
        actions: the Python module (a file) or package (a folder) of the custom actions; None where there is none.
    """

    folder: Path
    config: Path
    domain: Path
    data: Path
    credentials: Path
    endpoints: Path
    actions: Path | None

    @cached_property
    def config_content(self) -> Mapping[str, Any]:
        """``config.yml``."""
        return self._mapping(self.config)

    @cached_property
    def credentials_content(self) -> Mapping[str, Any]:
        """``credentials.yml``; empty where there is none."""
        return self._mapping(self.credentials)

    @cached_property
    def endpoints_content(self) -> Mapping[str, Any]:
        """``endpoints.yml``; empty where there is none."""
        return self._mapping(self.endpoints)

    @property
    def domain_addition(self) -> Path:
        """The file that what is new in the domain is written to: a folder gets a file of its own."""
        return self.domain if self.domain.is_file() else self.domain / f"{OWN_NAME}.yml"

    @property
    def data_addition(self) -> Path:
        """The file that new training data are written to."""
        return self.data / f"{OWN_NAME}.yml"

    @property
    def actions_addition(self) -> Path | None:
        """The file that our actions are imported in: a package gets a module of its own."""
        if self.actions is None or self.actions.suffix == ".py":
            return self.actions
        return self.actions / f"{OWN_NAME}.py"

    def domain_names(self, section: str) -> frozenset[str]:
        """Names in a list of the domain (``intents``, ``entities``, ``actions``) or of its mappings' keys."""
        return frozenset(name for content in self._domains for name in _names(content.get(section)))

    @property
    def slots(self) -> Mapping[str, Any]:
        """The domain's slots by name."""
        return {name: slot for content in self._domains for name, slot in (content.get("slots") or {}).items()}

    @cached_property
    def our_actions(self) -> frozenset[str]:
        """Names of the classes that the project's actions import from ``emotionlayer_rasa.actions``."""
        return frozenset(name for path in self._python_files() for name in _imported(path))

    @cached_property
    def _domains(self) -> tuple[Mapping[str, Any], ...]:
        if self.domain.is_file():
            return (self._mapping(self.domain),)
        files = sorted(path for path in self.domain.rglob("*") if path.suffix in (".yml", ".yaml"))
        return tuple(self._mapping(path) for path in files)

    def _mapping(self, path: Path) -> Mapping[str, Any]:
        if not path.is_file():
            return {}
        content = parse(self.text(path), self.name(path))
        if content is None:
            return {}
        if not isinstance(content, Mapping):
            raise ProjectError(f"{self.name(path)} must hold keys and values. Correct it first.")
        return content

    def _python_files(self) -> Iterable[Path]:
        if self.actions is None:
            return ()
        return sorted(self.actions.rglob("*.py")) if self.actions.is_dir() else (self.actions,)

    def text(self, path: Path) -> str:
        """What a file holds, line ends as they are; empty where there is none.

        Raises:
            ProjectError: it cannot be read, or is no UTF-8.
        """
        try:
            return path.read_bytes().decode("utf-8") if path.is_file() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise ProjectError(
                f"{self.name(path)} cannot be read ({type(error).__name__}). Correct that first."
            ) from None

    def name(self, path: Path) -> str:
        """A path as the user knows it: within the project's folder."""
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else str(path)


def read_project(
    folder: Path,
    *,
    config: Path | None = None,
    domain: Path | None = None,
    data: Path | None = None,
    credentials: Path | None = None,
    endpoints: Path | None = None,
    actions: Path | None = None,
) -> Project:
    """Find a project's files where Rasa looks for them; paths that are given are within the folder.

    Raises:
        ProjectError: there is no Rasa project; the message names what is missing.
    """
    config = folder / (config or "config.yml")
    if not config.is_file():
        raise ProjectError(
            f"There is no {config}. Name the folder of a Rasa project, name the file with --config, or start a "
            "new bot with: rasa init"
        )
    places = [folder / domain] if domain else [folder / "domain.yml", folder / "domain"]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise ProjectError(
            f"There is no {' and no '.join(map(str, places))}. Name the bot's domain with --domain."
        )
    trained = folder / (data or "data")
    if not trained.is_dir():
        raise ProjectError(f"There is no folder {trained}. Name that of the training data with --data.")
    if actions and not (folder / actions).exists():
        raise ProjectError(
            f"There is no {folder / actions}. Name the module or package of the bot's actions with --actions, or "
            "`--actions remote` where they run elsewhere."
        )
    modules = [folder / actions] if actions else [folder / "actions", folder / "actions.py"]
    return Project(
        *(folder, config, found, trained),
        folder / (credentials or "credentials.yml"),
        folder / (endpoints or "endpoints.yml"),
        next((path for path in modules if path.is_file() or any(path.rglob("*.py"))), None),
    )


def _names(section: Any) -> Iterator[str]:
    """Of a list, whose items are names or have one key, or of a mapping."""
    for item in section or ():
        yield from map(str, item if isinstance(item, Mapping) else (item,))


def _imported(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # as little use to the action server as to us
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_ACTIONS):
            yield from (alias.name for alias in node.names)
