"""Speech to words with timings, whole or while it is spoken."""

from emotionlayer_rasa.transcription.base import Transcriber, TranscriptionStream
from emotionlayer_rasa.transcription.engines import TranscriptionSettings, create_transcriber
from emotionlayer_rasa.transcription.ghost_words import without_ghost_words
from emotionlayer_rasa.transcription.vosk import VoskSettings
from emotionlayer_rasa.transcription.whisper import WhisperSettings

__all__ = [
    "Transcriber",
    "TranscriptionSettings",
    "TranscriptionStream",
    "VoskSettings",
    "WhisperSettings",
    "create_transcriber",
    "without_ghost_words",
]
