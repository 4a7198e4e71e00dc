"""How something is said: emotion and prosody of a voice."""

from emotionlayer_rasa.emotion.adaptation import CallerVoice
from emotionlayer_rasa.emotion.base import EmotionRecognizer, Heard
from emotionlayer_rasa.emotion.prosody import measure_prosody
from emotionlayer_rasa.emotion.recognizers import EmotionSettings, create_recognizer

__all__ = ["CallerVoice", "EmotionRecognizer", "EmotionSettings", "Heard", "create_recognizer", "measure_prosody"]
