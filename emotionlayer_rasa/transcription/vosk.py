"""Vosk: offline streaming recognition, small models in more than twenty languages."""

from __future__ import annotations

import ctypes
import json
import logging
import math
import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Iterator, Mapping, Sequence

import numpy as np
import yaml

from emotionlayer_rasa.audio import SAMPLE_RATE
from emotionlayer_rasa.errors import ConfigurationError, ModelUnavailableError, UnknownLanguageError
from emotionlayer_rasa.language import language_code, language_tag
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.transcription.babble import babble
from emotionlayer_rasa.transcription.base import Transcriber, TranscriptionStream
from emotionlayer_rasa.utterance import Transcript, Word

logger = logging.getLogger(__name__)

BASE_URL_VARIABLE = "EMOTIONLAYER_VOSK_URL"
"""Environment variable that names a mirror of the model archives."""

_UNKNOWN_WORD = "[unk]"

_LIFETIME = 120 * SAMPLE_RATE
"""Samples after which a recogniser is replaced: what it has looked up of the graph fills some 150 MB by then."""


class VoskSettings(Settings):
    """Settings of the engine ``vosk``.

    Attributes:
        model: folder of a Vosk model; where None, the small model of the language is looked for in an installed
            package (``vosk_model_<language>``), then in the cache, then downloaded.
        sha256: SHA-256 the downloaded archive must have, in hexadecimal.
        base_url: where the archives lie; where None, ``$EMOTIONLAYER_VOSK_URL``, else Vosk's own site.
        beam, max_active: how much worse than the best one a hypothesis may be, and how many are followed at a
            time; where None, as the model has it (10 and 3000 in most small ones). Fewer take less processor time
            and miss some words: try it on recordings of your own callers.
        kept_recognizers: recognisers that wait for the next utterance. One that has been used knows the parts of
            the graph that it met and needs half the processor time of a new one; it takes some 150 MB.
        warm_up_s: seconds of speech-like sound that recognisers hear before the first live calls, so that they are
            not new; 0 for none. Ten take some 3 s of processor time and 80 MB a recogniser.
    """

    model: Path | None = None
    sha256: str | None = pydantic.Field(default=None, regex=r"^[0-9a-fA-F]{64}$")
    base_url: str | None = pydantic.Field(default=None, regex=r"^https?://")
    beam: float | None = pydantic.Field(default=None, ge=2.0, le=20.0)
    max_active: int | None = pydantic.Field(default=None, ge=200, le=20_000)
    kept_recognizers: int = pydantic.Field(default=8, ge=0, le=256)
    warm_up_s: float = pydantic.Field(default=10.0, ge=0.0, le=60.0)


@dataclass(frozen=True)
class VoskModel:
    """One row of the catalogue ``vosk_models.yml``.

    Attributes:
        language: code of the language.
        name: name of the archive, without ``.zip``, and of the model's folder.
        aliases: other codes of the same language.
        sha256: SHA-256 of the archive, where it is known.
        licence: SPDX name of the model's licence.
    """

    language: str
    name: str
    aliases: tuple[str, ...] = ()
    sha256: str | None = None
    licence: str = ""


@cache
def catalogue() -> tuple[VoskModel, ...]:
    """The small models that Vosk publishes, one a language."""
    content = _catalogue_file()
    return tuple(
        VoskModel(
            language=code,
            name=row["name"],
            aliases=tuple(row.get("aliases", ())),
            sha256=row.get("sha256"),
            licence=row.get("licence", content["licence"]),
        )
        for code, row in content["models"].items()
    )


@cache
def _catalogue_file() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("vosk_models.yml").read_text("utf-8"))
    return content


def archive_url(row: VoskModel, base_url: str | None = None) -> str:
    """Where the archive of a model lies.

    Args:
        row: the model.
        base_url: the folder of the archives; where None, ``$EMOTIONLAYER_VOSK_URL``, else Vosk's own site.
    """
    base = base_url or os.environ.get(BASE_URL_VARIABLE) or _catalogue_file()["base_url"]
    return f"{base.rstrip('/')}/{row.name}.zip"


def packaged_model(row: VoskModel, store: ModelStore) -> tuple[str, Path] | None:
    """The installed Python package that holds the model, by its import name, and the model's folder in it."""
    for code in (row.language, *row.aliases):
        package = f"vosk_model_{code.replace('-', '_')}"
        acoustic_model = store.find_in_package(package, "**/final.mdl")
        if acoustic_model:
            folder = acoustic_model.parent
            return package, folder.parent if folder.name == "am" else folder
    return None


def find_model(language: str) -> VoskModel:
    """The catalogue's model for a language; a region without one of its own falls back to the language.

    Raises:
        UnknownLanguageError: lists the known languages.
    """
    for code in (language_tag(language), language_code(language)):
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
        ConfigurationError: ``beam`` or ``max_active`` is set, and the model has no ``conf/model.conf``.
        DownloadError, ChecksumError: as :meth:`ModelStore.fetch`.
    """
    folder, language, name = _find(settings, language, store)
    options = {"beam": settings.beam, "max-active": settings.max_active}
    wanted = {option: value for option, value in options.items() if value is not None}
    return VoskTranscriber(folder, language, name, settings.kept_recognizers, wanted, settings.warm_up_s)


def _find(settings: VoskSettings, language: str, store: ModelStore) -> tuple[Path, str, str]:
    """Folder, language and name of the model."""
    if settings.model:
        folder = settings.model.expanduser()
        return folder, language, folder.absolute().name
    row = find_model(language)
    packaged = packaged_model(row, store)
    if packaged:
        package, folder = packaged
        return folder, row.language, package
    folder = store.fetch(row.name, archive_url(row, settings.base_url), settings.sha256 or row.sha256)
    return folder, row.language, row.name


class VoskTranscriber(Transcriber):
    """A Vosk model, shared by all streams.

    Args:
        folder: the model's folder.
        language: code of the language it hears.
        name: the model's name, for :attr:`model`.
        kept: recognisers that wait for the next utterance at most.
        options: decoder options, beside those of the model's ``conf/model.conf``.
        warm_up_s: seconds of speech-like sound that a recogniser hears in :meth:`prepare`.

    Raises:
        ModelUnavailableError: the folder is no Vosk model, or a broken one.
        ConfigurationError: there are options, and the model has no ``conf/model.conf``.
    """

    def __init__(
        self,
        folder: Path,
        language: str,
        name: str,
        kept: int = 8,
        options: Mapping[str, float] = MappingProxyType({}),
        warm_up_s: float = 10.0,
    ) -> None:
        import vosk

        self.language = language
        self.model = f"vosk/{name}"
        self._kept = kept
        self._warm_up_s = warm_up_s
        self._waiting: list[_Recognizer] = []
        # Only ever a path: given a name, vosk's own loader downloads unchecked and ends the process on failure.
        if not (folder / "am" / "final.mdl").is_file() and not (folder / "final.mdl").is_file():
            raise ModelUnavailableError(
                f"{folder} is no folder of a Vosk model (no am/final.mdl in it). "
                "Point 'model' under 'vosk' at the unpacked folder that holds 'am', 'conf' and 'graph'."
            )
        vosk.SetLogLevel(-1)
        try:
            self._model = _native(folder.absolute(), tuple(options.items()))
        except ConfigurationError:
            raise
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
        if grammar is not None:
            return _VoskStream(_Recognizer(self._new(grammar)), self.language, self.model)
        try:
            recognizer = self._waiting.pop()  # the one used last knows most, and the others may be too many
        except IndexError:
            recognizer = _Recognizer(self._new(None))
        if recognizer.within:  # here and not when its stream was closed: it takes a while
            recognizer.final_result()
        return _VoskStream(recognizer, self.language, self.model, self._keep)

    def prepare(self) -> None:
        """Let one more recogniser hear some babble and wait for an utterance, unless enough are waiting."""
        if not self._warm_up_s or len(self._waiting) >= self._kept:
            return
        stream = _VoskStream(_Recognizer(self._new(None)), self.language, self.model, self._keep)
        for block in np.array_split(babble(self._warm_up_s), math.ceil(self._warm_up_s)):
            stream.accept(block)
        stream.finish()

    def _keep(self, recognizer: _Recognizer) -> None:
        if recognizer.heard < _LIFETIME and len(self._waiting) < self._kept:
            self._waiting.append(recognizer)
        else:
            recognizer.native = None
            _return_freed_memory()

    def _new(self, grammar: Sequence[str] | None) -> Any:
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


@cache
def _native(folder: Path, options: tuple[tuple[str, float], ...]) -> Any:
    """Vosk's own model, which never changes: transcribers that differ in the rest share it."""
    import vosk

    with _with_options(folder, dict(options)) as path:
        return vosk.Model(model_path=str(path))


def _return_freed_memory() -> None:
    """To the system, where the C library can (glibc): else what threads freed lies about in pieces and adds up."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


@contextmanager
def _with_options(folder: Path, options: Mapping[str, float]) -> Iterator[Path]:
    """A model's folder in which the options count; Vosk takes them from ``conf/model.conf`` alone, as it loads."""
    if not options:
        yield folder
        return
    conf = folder / "conf" / "model.conf"
    if not conf.is_file():
        raise ConfigurationError(
            f"The model in {folder} has no conf/model.conf: leave 'beam' and 'max_active' under 'vosk' out."
        )
    lines = [conf.read_text("utf-8"), *(f"--{name}={value:g}" for name, value in options.items()), ""]
    with tempfile.TemporaryDirectory() as links:
        derived = Path(links)
        (derived / "conf").mkdir()
        for path in (*folder.iterdir(), *conf.parent.iterdir()):
            if path not in (conf, conf.parent):
                (derived / path.relative_to(folder)).symlink_to(path.absolute())
        # Of an option given twice the last line counts.
        (derived / "conf" / "model.conf").write_text("\n".join(lines), "utf-8")
        yield derived


@dataclass
class _Recognizer:
    """Vosk's recogniser, which hears one utterance after another.

    Attributes:
        native: Vosk's own.
        heard: samples since it was made: it counts the times of its words from the first.
        within: it has heard something of an utterance that it was not asked the final result of.
        between: it has ended a segment and heard nothing since.
    """

    native: Any
    heard: int = 0
    within: bool = False
    between: bool = False

    def accept(self, pcm: bytes) -> bool:
        """Hear 16-bit samples; whether they ended a segment."""
        self.heard += len(pcm) // 2
        self.within = True
        self.between = bool(self.native.AcceptWaveform(pcm))
        return self.between

    def final_result(self) -> str:
        """What is left of the utterance, as JSON; the next one begins afresh, with another speaker."""
        if self.between:  # Vosk forgets the speaker on a final result only within a segment
            self.accept(bytes(2))
        self.within = self.between = False
        return str(self.native.FinalResult())


class _VoskStream(TranscriptionStream):
    """Vosk ends a segment at every pause and starts afresh; the transcript is all segments together.

    Args:
        recognizer: has heard nothing, or was asked for a final result.
        language, model: of the transcript.
        done: takes the recogniser when the stream is over, be it in the middle of an utterance.
    """

    def __init__(
        self,
        recognizer: _Recognizer,
        language: str,
        model: str,
        done: Callable[[_Recognizer], None] = lambda _: None,
    ) -> None:
        self._recognizer: _Recognizer | None = recognizer
        self._language = language
        self._model = model
        self._done = done
        self._start = recognizer.heard
        self._words: list[Word] = []

    def accept(self, samples: np.ndarray) -> str:
        recognizer = self._open()
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        try:
            if recognizer.accept(pcm):
                self._note(recognizer.native.Result())
        except Exception:
            self._recognizer = None  # one that has failed is not used again
            raise
        partial = json.loads(recognizer.native.PartialResult()).get("partial", "")
        heard = partial.replace(_UNKNOWN_WORD, " ").split()
        return " ".join([*(word.text for word in self._words), *heard])

    def close(self) -> None:
        # Now, not when the stream is collected: one that is not kept is freed.
        recognizer, self._recognizer = self._recognizer, None
        if recognizer:
            self._done(recognizer)

    def finish(self) -> Transcript:
        self._note(self._open().final_result())
        self.close()
        words = tuple(self._words)
        return Transcript(" ".join(word.text for word in words), words, self._language, self._model)

    def _open(self) -> _Recognizer:
        if self._recognizer is None:
            raise RuntimeError("This stream is closed.")
        return self._recognizer

    def _note(self, result: str) -> None:
        start = self._start / SAMPLE_RATE
        length = (self._open().heard - self._start) / SAMPLE_RATE
        for word in json.loads(result).get("result", ()):
            if word["word"] != _UNKNOWN_WORD:
                # Vosk leaves 'conf' out of results that it does not rescore.
                confidence = min(1.0, max(0.0, word.get("conf", 1.0)))
                begin, end = (round(word[edge] - start, 3) for edge in ("start", "end"))
                self._words.append(Word(word["word"], max(0.0, begin), min(end, length), confidence))
