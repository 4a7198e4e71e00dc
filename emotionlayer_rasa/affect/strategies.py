"""EmotionLayer's six response strategies: which one answers a state, and how each one is spoken."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping

from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, TextReading


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

_QUIET = 0.42
"""Arousal below which nobody is agitated."""

_HOPELESS = 0.4
"""Dominance below which a quiet, sad caller in a hurry has given up hope of help."""

_UNTROUBLED = 0.45
"""Valence of the voice from which a doubt is no trouble."""

_AFRAID = 0.3
"""Probability of fear from which a doubt is more than a missing fact."""

_CLEAR_CUE = 0.5
"""Strength from which the words clearly ask for a fact, or tell of danger."""


def strategy(
    state: AffectiveState, acoustic: EmotionReading | None = None, text: TextReading | None = None
) -> str:
    """The strategy that answers a state: EmotionLayer's table, with three exceptions.

    - Sad frustration (a quiet voice, sadness over anger) wants ``empathic_validation``: there is nothing to calm.
    - So does quiet despair over a deadline, where nobody is in danger: hurry does not help.
    - An uncertain caller who calmly asks for a fact wants ``direct_efficiency``: the answer ends the doubt.

    Args:
        state: the fused state with its PAD.
        acoustic: how it was said; None for a typed turn.
        text: what the words say.
    """
    heard = acoustic.scores if acoustic is not None else {}
    cues = text.cues if text is not None else {}
    heard_valence = state.valence if acoustic is None else acoustic.valence
    valence, arousal, dominance = (
        0.5 if value is None else value for value in (heard_valence, state.arousal, state.dominance)
    )
    sad = heard.get("sadness", 0.0) > heard.get("anger", 0.0) + heard.get("disgust", 0.0)
    quietly_sad = sad and arousal < _QUIET
    asks = cues.get("question", 0.0) >= _CLEAR_CUE and valence >= _UNTROUBLED and heard.get("fear", 0.0) < _AFRAID
    hopeless = quietly_sad and dominance < _HOPELESS and cues.get("danger", 0.0) < _CLEAR_CUE
    if (state.state == "frustration" and quietly_sad) or (state.state == "urgency" and hopeless):
        return "empathic_validation"
    if state.state == "uncertainty" and asks:
        return "direct_efficiency"
    return STATE_STRATEGY.get(state.state, "direct_efficiency")


def speech_settings(strategy: str) -> SpeechSettings:
    """Speech settings of a strategy; an unknown name is spoken like ``direct_efficiency``."""
    return SPEECH_SETTINGS.get(strategy, SPEECH_SETTINGS["direct_efficiency"])
