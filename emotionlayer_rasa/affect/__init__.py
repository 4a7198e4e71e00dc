"""From readings to meaning: affective states and response strategies. Pure functions over records."""

from emotionlayer_rasa.affect.fusion import fuse
from emotionlayer_rasa.affect.strategies import SPEECH_SETTINGS, SpeechSettings, speech_settings

__all__ = ["SPEECH_SETTINGS", "SpeechSettings", "fuse", "speech_settings"]
