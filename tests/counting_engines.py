"""Engines that hear nothing and count what they are given, and the sound to give them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio
from emotionlayer_rasa.emotion import CallerVoice, EmotionRecognizer, Heard
from emotionlayer_rasa.hearing import Listener, ListenerSettings
from emotionlayer_rasa.hearing.engines import LazyModel
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.transcription import Transcriber, TranscriptionStream
from emotionlayer_rasa.utterance import EmotionReading, Prosody, Transcript, Word

SPEECH = load_audio(Path(__file__).parent / "data" / "en_person.flac").samples
"""Speech from 0.2 to 3.3 s, in 4.15 s."""


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def pcm(*pieces: np.ndarray) -> bytes:
    return (np.concatenate(pieces) * 32767).astype("<i2").tobytes()


class CountingTranscriber(Transcriber):
    """Hears one word for each half second of what it is fed; remembers its streams."""

    model = "test/counting"

    def __init__(self, word: str = "word", language: str = "ko") -> None:
        self.word, self.language = word, language
        self.streams: list[CountingStream] = []
        self.go_on = threading.Event()
        self.go_on.set()

    @property
    def open(self) -> int:
        return sum(stream.open for stream in self.streams)

    def stream(self, grammar: Any = None) -> TranscriptionStream:
        self.streams.append(CountingStream(self))
        return self.streams[-1]


class CountingStream(TranscriptionStream):
    def __init__(self, transcriber: CountingTranscriber) -> None:
        self._transcriber = transcriber
        self.fed = 0
        self.open = True

    def accept(self, samples: np.ndarray) -> str:
        self._transcriber.go_on.wait(20)
        self.fed += len(samples)
        return " ".join([self._transcriber.word] * (self.fed // 8000))

    def finish(self) -> Transcript:
        self.close()
        words = tuple(Word(self._transcriber.word, 0.5 * n, 0.5 * n + 0.4, 1.0) for n in range(self.fed // 8000))
        return Transcript(
            " ".join(word.text for word in words), words, self._transcriber.language, self._transcriber.model
        )

    def close(self) -> None:
        self.open = False


class CountingRecognizer(EmotionRecognizer):
    """Hears what the test says; remembers what it was given, and how many utterances the caller was known from."""

    model = "test/counting"

    def __init__(self, reading: EmotionReading | None = None) -> None:
        self.reading = reading or EmotionReading(
            "anger", 0.9, {"anger": 0.9, "neutral": 0.1}, 0.2, 0.9, 0.8, "voice"
        )
        self.heard: list[float] = []
        self.known: list[int] = []

    def hear(self, waveform: Waveform, prosody: Prosody | None = None, caller: CallerVoice | None = None) -> Heard:
        self.heard.append(waveform.duration_s)
        self.known.append(caller.heard if caller else 0)
        reading = replace(self.reading, adapted_from=self.known[-1])
        return Heard(reading, np.ones(2, np.float32) if reading.scores else None, 1.0)


def with_engines(
    transcriber: Transcriber, recognizer: EmotionRecognizer | None = None, **settings: Any
) -> Listener:
    """A listener that hears with these."""
    listener = Listener(read_settings(ListenerSettings, settings, "test"))
    listener.engines._transcriber = LazyModel(lambda: transcriber)
    listener.engines._recognizer = LazyModel(lambda: recognizer or CountingRecognizer())
    return listener
