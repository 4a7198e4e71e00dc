"""EmotionLayer's six response strategies and how each one is spoken."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping


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


def speech_settings(strategy: str) -> SpeechSettings:
    """Speech settings of a strategy; an unknown name is spoken like ``direct_efficiency``."""
    return SPEECH_SETTINGS.get(strategy, SPEECH_SETTINGS["direct_efficiency"])
