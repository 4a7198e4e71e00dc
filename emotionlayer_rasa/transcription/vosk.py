"""Vosk: offline streaming recognition, small models in more than twenty languages."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pydantic
import yaml

from emotionlayer_rasa.audio import SAMPLE_RATE
from emotionlayer_rasa.errors import ConfigurationError, ModelUnavailableError, UnknownLanguageError
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.transcription.base import Transcriber, TranscriptionStream
from emotionlayer_rasa.utterance import Transcript, Word

logger = logging.getLogger(__name__)

BASE_URL_VARIABLE = "EMOTIONLAYER_VOSK_URL"
"""Environment variable that names a mirror of the model archives."""

_UNKNOWN_WORD = "[unk]"


class VoskSettings(Settings):
    """Settings of the engine ``vosk``.

    Attributes:
        model: folder of a Vosk model; where None, the small model of the language is looked for in an installed
            package (``vosk_model_<language>``), then in the cache, then downloaded.
        sha256: SHA-256 the downloaded archive must have, in hexadecimal.
        base_url: where the archives lie; where None, ``$EMOTIONLAYER_VOSK_URL``, else Vosk's own site.
    """

    model: Path | None = None
    sha256: str | None = pydantic.Field(default=None, regex=r"^[0-9a-fA-F]{64}$")
    base_url: str | None = pydantic.Field(default=None, regex=r"^https?://")


@dataclass(frozen=True)
class VoskModel:
    """One row of the catalogue ``vosk_models.yml``.

    Attributes:
        language: code of the language.
        name: name of the archive, without ``.zip``, and of the model's folder.
        aliases: other codes of the same language.
        sha256: SHA-256 of the archive, where it is known.
    """

    language: str
    name: str
    aliases: tuple[str, ...] = ()
    sha256: str | None = None


@cache
def catalogue() -> tuple[VoskModel, ...]:
    """The small models that Vosk publishes, one a language."""
    rows = yaml.safe_load(files(__package__).joinpath("vosk_models.yml").read_text("utf-8"))["models"]
    return tuple(
        VoskModel(code, row["name"], tuple(row.get("aliases", ())), row.get("sha256"))
        for code, row in rows.items()
    )


@cache
def official_url() -> str:
    """The address at which Vosk publishes its archives."""
    return str(yaml.safe_load(files(__package__).joinpath("vosk_models.yml").read_text("utf-8"))["base_url"])


def find_model(language: str) -> VoskModel:
    """The catalogue's model for a language; a region without one of its own falls back to the language.

    Raises:
        UnknownLanguageError: lists the known languages.
    """
    wanted = language.strip().lower().replace("_", "-")
    for code in (wanted, wanted.split("-")[0]):
        for row in catalogue():
            if code == row.language or code in row.aliases:
                return row
    raise UnknownLanguageError(
        f"No Vosk model is known for the language '{language}'. Known are: "
        f"{', '.join(sorted(row.language for row in catalogue()))}. "
        "For any other, set 'model' under 'vosk' to the folder of a Vosk model."
    )


def load_vosk(settings: VoskSettings, language: str, store: ModelStore) -> Transcriber:
    """Find the model and load it.

    Raises:
        UnknownLanguageError: no model is known for the language.
        ModelUnavailableError: the folder is no Vosk model, or a broken one.
        DownloadError, ChecksumError: as :meth:`ModelStore.fetch`.
    """
    if settings.model:
        folder = settings.model.expanduser()
        return VoskTranscriber(folder, language, folder.absolute().name)
    row = find_model(language)
    for code in (row.language, *row.aliases):
        package = f"vosk_model_{code.replace('-', '_')}"
        acoustic_model = store.find_in_package(package, "**/final.mdl")
        if acoustic_model:
            folder = acoustic_model.parent
            return VoskTranscriber(folder.parent if folder.name == "am" else folder, row.language, package)
    base = settings.base_url or os.environ.get(BASE_URL_VARIABLE) or official_url()
    url = f"{base.rstrip('/')}/{row.name}.zip"
    return VoskTranscriber(store.fetch(row.name, url, settings.sha256 or row.sha256), row.language, row.name)


class VoskTranscriber(Transcriber):
    """A Vosk model, shared by all streams.

    Args:
        folder: the model's folder.
        language: code of the language it hears.
        name: the model's name, for :attr:`model`.

    Raises:
        ModelUnavailableError: the folder is no Vosk model, or a broken one.
    """

    def __init__(self, folder: Path, language: str, name: str) -> None:
        import vosk

        self.language = language
        self.model = f"vosk/{name}"
        # Only ever a path: given a name, vosk's own loader downloads unchecked and ends the process on failure.
        if not (folder / "am" / "final.mdl").is_file() and not (folder / "final.mdl").is_file():
            raise ModelUnavailableError(
                f"{folder} is no folder of a Vosk model (no am/final.mdl in it). "
                "Point 'model' under 'vosk' at the unpacked folder that holds 'am', 'conf' and 'graph'."
            )
        vosk.SetLogLevel(-1)
        try:
            self._model = vosk.Model(model_path=str(folder))
        except Exception as error:  # vosk raises no narrower type
            raise ModelUnavailableError(
                f"Vosk cannot load the model in {folder}: files are missing or damaged. "
                "Delete the folder and fetch or unpack the model again."
            ) from error

    def stream(self, grammar: Sequence[str] | None = None) -> TranscriptionStream:
        """Start a stream.

        Args:
            grammar: phrases to listen for, in the model's vocabulary; None hears everything. Models with a
                precompiled graph (``HCLG.fst``, most large ones) hear everything all the same.

        Raises:
            ConfigurationError: the grammar is empty, or holds words that the model does not know.
        """
        return _VoskStream(self._recognizer(grammar), self.language, self.model)

    def _recognizer(self, grammar: Sequence[str] | None) -> Any:
        import vosk

        if grammar is None:
            recognizer = vosk.KaldiRecognizer(self._model, SAMPLE_RATE)
        else:
            words = sorted({word for phrase in grammar for word in phrase.split()})
            missing = [word for word in words if self._model.vosk_model_find_word(word) < 0]
            if missing or not words:
                raise ConfigurationError(
                    f"Grammar for {self.model}: "
                    + (f"not in its vocabulary: {', '.join(missing)}. " if missing else "no words. ")
                    + "Give phrases made of words the model knows, or no grammar."
                )
            phrases = list(grammar)
            if self._model.vosk_model_find_word(_UNKNOWN_WORD) >= 0:
                phrases.append(_UNKNOWN_WORD)  # else other speech is forced into the phrases
            recognizer = vosk.KaldiRecognizer(self._model, SAMPLE_RATE, json.dumps(phrases, ensure_ascii=False))
        recognizer.SetWords(True)
        return recognizer


class _VoskStream(TranscriptionStream):
    """Vosk ends a segment at every pause and starts afresh; the transcript is all segments together."""

    def __init__(self, recognizer: Any, language: str, model: str) -> None:
        self._recognizer = recognizer
        self._language = language
        self._model = model
        self._words: list[Word] = []
        self._fed = 0

    def accept(self, samples: np.ndarray) -> str:
        self._fed += len(samples)
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        if self._recognizer.AcceptWaveform(pcm):
            self._keep(self._recognizer.Result())
        partial = json.loads(self._recognizer.PartialResult()).get("partial", "")
        heard = partial.replace(_UNKNOWN_WORD, " ").split()
        return " ".join([*(word.text for word in self._words), *heard])

    def close(self) -> None:
        self._recognizer = None  # frees the native decoder now, not when the stream is collected

    def finish(self) -> Transcript:
        self._keep(self._recognizer.FinalResult())
        self.close()
        words = tuple(self._words)
        return Transcript(" ".join(word.text for word in words), words, self._language, self._model)

    def _keep(self, result: str) -> None:
        length = self._fed / SAMPLE_RATE
        for word in json.loads(result).get("result", ()):
            if word["word"] != _UNKNOWN_WORD:
                # Vosk leaves 'conf' out of results that it does not rescore.
                confidence = min(1.0, max(0.0, word.get("conf", 1.0)))
                self._words.append(Word(word["word"], word["start"], min(word["end"], length), confidence))
