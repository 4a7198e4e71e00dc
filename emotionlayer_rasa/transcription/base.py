"""The one interface behind which speech recognisers live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Sequence

import numpy as np

from emotionlayer_rasa.audio import Waveform
from emotionlayer_rasa.utterance import Transcript


class TranscriptionStream(ABC):
    """One caller's stream of audio. Not thread safe: one stream, one thread at a time."""

    @abstractmethod
    def accept(self, samples: np.ndarray) -> str:
        """Feed float32 samples of shape (n,) at 16 kHz; return the partial text of everything fed so far."""

    @abstractmethod
    def finish(self) -> Transcript:
        """End the stream and return the final transcript, word times counted from the first sample fed."""

    def settle(self) -> None:  # noqa: B027  (most engines have nothing to do)
        """The speaker paused: do now what :meth:`finish` would have to do if nothing more were fed."""

    @abstractmethod
    def close(self) -> None:
        """End the stream without a transcript and give its memory back; also after :meth:`finish`."""


class Transcriber(ABC):
    """A loaded model. Thread safe: many streams and calls may run at once.

    Attributes:
        language: code of the language it hears, such as ``en``.
        model: engine and model id, such as ``vosk/vosk-model-small-en-us-0.15``.
    """

    language: str
    model: str

    @abstractmethod
    def stream(self, grammar: Sequence[str] | None = None) -> TranscriptionStream:
        """Start a stream.

        Args:
            grammar: phrases to listen for, where the engine can; None hears everything.
        """

    def prepare(self) -> None:  # noqa: B027  (most engines have nothing to do)
        """Make one more stream ready that costs less than a new one; takes seconds, so do it before calls come."""

    def transcribe(self, waveform: Waveform, grammar: Sequence[str] | None = None) -> Transcript:
        """Transcribe a whole utterance; an utterance without words gives an empty text."""
        stream = self.stream(grammar)
        stream.accept(waveform.samples)
        return stream.finish()
