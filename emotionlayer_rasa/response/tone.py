"""Which tone of a reply is unfit for which strategy: by words, and by the reader that reads the caller's words.

The word groups are ``tone`` in ``languages/<language>/check.yml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping

from emotionlayer_rasa.words import create_text_reader

_EVERYWHERE = ("mocking", "angry", "gloomy", "slang")

UNFIT_TONES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "active_deescalation": (*_EVERYWHERE, "festive", "praising", "breezy", "flippant", "brush_off"),
        "empathic_validation": (*_EVERYWHERE, "festive", "flippant", "brush_off"),
        "positive_mirroring": (*_EVERYWHERE, "pitying", "contrite", "dampening", "brush_off"),
        "direct_efficiency": (*_EVERYWHERE, "contrite"),
        "assertive_neutrality": (*_EVERYWHERE, "festive", "praising", "flippant", "contrite"),
        "rapid_resolution": (*_EVERYWHERE, "festive", "praising", "flippant", "contrite", "unhurried"),
    }
)
"""Strategy to the groups of words that are unfit in its replies.

Joy in answer to anger, sadness or sarcasm mocks the caller, and so do sorrow and cold in answer to joy; an urgent
caller has no time for either. Anger, mockery, despair and slang are unfit everywhere.
"""

WORD_GROUPS: tuple[str, ...] = (
    *dict.fromkeys(group for groups in UNFIT_TONES.values() for group in groups),
    "apologetic",
)
"""The groups that a language's file must have; ``apologetic`` words are only counted: one apology is enough."""


@dataclass(frozen=True)
class ToneTarget:
    """What the words of a reply may read like.

    Attributes:
        valence, arousal: lowest and highest value, 0..1.
        unfit: emotion to the probability, 0..1, above which it is unfit.
    """

    valence: tuple[float, float] = (0.0, 1.0)
    arousal: tuple[float, float] = (0.0, 1.0)
    unfit: Mapping[str, float] = MappingProxyType({})


TONE_TARGETS: Mapping[str, ToneTarget] = MappingProxyType(
    {
        # To name the caller's anger reads as anger, and an apology as sadness: neither has a limit here.
        "active_deescalation": ToneTarget(valence=(0.0, 0.88), arousal=(0.0, 0.92)),
        "empathic_validation": ToneTarget(valence=(0.0, 0.88), arousal=(0.0, 0.95)),
        "positive_mirroring": ToneTarget(
            valence=(0.2, 1.0), unfit=MappingProxyType({"anger": 0.6, "sadness": 0.6, "fear": 0.6, "disgust": 0.5})
        ),
        "direct_efficiency": ToneTarget(
            valence=(0.1, 1.0), unfit=MappingProxyType({"anger": 0.95, "fear": 0.8, "disgust": 0.7})
        ),
        "assertive_neutrality": ToneTarget(
            valence=(0.1, 0.88), arousal=(0.0, 0.85), unfit=MappingProxyType({"sadness": 0.95})
        ),
        "rapid_resolution": ToneTarget(valence=(0.1, 0.88), unfit=MappingProxyType({"disgust": 0.7})),
    }
)
"""Strategy to the tone of its replies: a little beyond what good ones of ``tests/data/check_cases.yml`` reach."""

UNFIT_CUES: Mapping[str, float] = MappingProxyType({"hostility": 0.9, "sarcasm": 0.9})
"""Cues of the words and the strength, 0..1, above which they are unfit in any reply."""


def load_tone_reader(language: str) -> None:
    """Load the reader of a language now, so that no caller waits for it."""
    create_text_reader(language)


def reading_fits(reply: str, strategy: str, language: str) -> bool:
    """Whether what the reply's words read like fits the strategy; an unknown strategy has no target."""
    reading = create_text_reader(language).read(reply)
    emotion, target = reading.emotion, TONE_TARGETS.get(strategy, ToneTarget())
    return (
        all(reading.cues.get(cue, 0.0) <= strength for cue, strength in UNFIT_CUES.items())
        and all(emotion.scores.get(name, 0.0) <= limit for name, limit in target.unfit.items())
        and _within(emotion.valence, target.valence)
        and _within(emotion.arousal, target.arousal)
    )


def _within(value: float | None, limits: tuple[float, float]) -> bool:
    return value is None or limits[0] <= value <= limits[1]
