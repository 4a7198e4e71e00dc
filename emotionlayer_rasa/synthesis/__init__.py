"""Words to speech, sentence by sentence, through speech programs that run as processes of their own."""

from emotionlayer_rasa.synthesis.base import SpeechChunk, SpeechStream, SpeechStyle, SpeechSynthesizer
from emotionlayer_rasa.synthesis.engines import SynthesisSettings, create_synthesizer
from emotionlayer_rasa.synthesis.sentence_cutter import SentenceCutter

__all__ = [
    "SentenceCutter",
    "SpeechChunk",
    "SpeechStream",
    "SpeechStyle",
    "SpeechSynthesizer",
    "SynthesisSettings",
    "create_synthesizer",
]
