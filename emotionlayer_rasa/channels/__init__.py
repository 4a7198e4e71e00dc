"""Rasa input channels."""

from emotionlayer_rasa.channels.voice import VoiceInput, VoiceSettings

__all__ = ["VoiceInput", "VoiceSettings"]
