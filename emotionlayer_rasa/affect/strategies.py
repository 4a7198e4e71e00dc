"""EmotionLayer's six response strategies: which one answers a state, and how each one is spoken."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping

from emotionlayer_rasa.utterance import EmotionReading, TextReading


@dataclass(frozen=True)
class SpeechSettings:
    """How a reply is spoken: ``speed`` .80 .. 1.25 of the normal rate, ``tone`` and ``pitch`` as labels."""

    speed: float
    tone: str
    pitch: str


SPEECH_SETTINGS: Mapping[str, SpeechSettings] = MappingProxyType(
    {
        "direct_efficiency": SpeechSettings(1.00, "informative", "balanced"),
        "active_deescalation": SpeechSettings(0.80, "apologetic", "low"),
        "empathic_validation": SpeechSettings(0.85, "empathetic", "low"),
        "positive_mirroring": SpeechSettings(1.10, "cheerful", "high"),
        "assertive_neutrality": SpeechSettings(1.00, "professional", "low"),
        "rapid_resolution": SpeechSettings(1.25, "professional", "default"),
    }
)
"""Strategy to speech settings, from EmotionLayer's table."""

STATE_STRATEGY: Mapping[str, str] = MappingProxyType(
    {
        "neutral": "direct_efficiency",
        "anger": "active_deescalation",
        "frustration": "active_deescalation",
        "insecurity": "empathic_validation",
        "uncertainty": "empathic_validation",
        "enthusiasm": "positive_mirroring",
        "satisfaction": "positive_mirroring",
        "sarcasm": "assertive_neutrality",
        "urgency": "rapid_resolution",
    }
)
"""Affective state to strategy, from EmotionLayer's table."""

_CLEAR = 0.5
"""Strength from which a cue of the words counts here."""


def asks_for_a_fact(state: str, voice: EmotionReading | None, words: TextReading | None) -> bool:
    """Whether an uncertain caller calmly asks for a fact, in voice and words: the answer ends the doubt.

    Everybody else who wavers, question or not, wants ``empathic_validation``.
    """
    if state != "uncertainty" or voice is None or words is None or voice.label != "neutral":
        return False
    cues = words.cues
    wavers = max(cues.get("doubt", 0.0), cues.get("self_doubt", 0.0))
    return cues.get("question", 0.0) >= _CLEAR > wavers


def speech_settings(strategy: str) -> SpeechSettings:
    """Speech settings of a strategy; an unknown name is spoken like ``direct_efficiency``."""
    return SPEECH_SETTINGS.get(strategy, SPEECH_SETTINGS["direct_efficiency"])
