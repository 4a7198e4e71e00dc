"""From readings to meaning: affective states and response strategies. Pure functions over records."""

from emotionlayer_rasa.affect.interpretation import interpret
from emotionlayer_rasa.affect.strategies import SPEECH_SETTINGS, SpeechSettings, speech_settings

__all__ = ["SPEECH_SETTINGS", "SpeechSettings", "interpret", "speech_settings"]
