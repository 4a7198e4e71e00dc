"""How soon a caller should be served: one number for queues."""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping

from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.taxonomy import UNKNOWN

HIGHEST = 100

STATE_POINTS: Mapping[str, float] = MappingProxyType(
    {
        "urgency": 60,
        "anger": 50,
        "frustration": 40,
        "insecurity": 35,
        "sarcasm": 30,
        "uncertainty": 20,
        "neutral": 10,
        "satisfaction": 0,
        "enthusiasm": 0,
    }
)
"""Points of the state, where it is clear."""

CLEAR = 0.6
"""Confidence from which a state gets all of its points; below, its share of them."""

TREND_POINTS: Mapping[str, float] = MappingProxyType({"falling": 15, "steady": 0, "rising": -10})

STREAK_POINTS = 5.0
LONGEST_STREAK = 3
"""Each negative turn in a row after the first adds points, up to this turn."""

CUE_POINTS: Mapping[str, float] = MappingProxyType({"danger": 25, "urgency": 10})
"""Points of a cue of the words at full strength; the larger of the two counts."""


def priority(memory: AffectiveMemory) -> int:
    """How soon this caller should be served, 0 (nothing is wrong, or nothing is known) .. 100.

    The sum, cut to 0..100, of

    - the state's :data:`STATE_POINTS`, times ``confidence / .6`` where it is less sure than .6;
    - 15 for a falling trend, -10 for a rising one;
    - 5 for the second negative turn in a row, 10 for the third and later ones;
    - 25 times the strength of danger in the words, or 10 times that of urgency, whichever is more.

    So danger in clear words (60 + 25) comes before any anger (50 + 15 + 10). The points were set by hand. State
    and cues are those of the last turn of which something is known: a button does not calm anybody, and who was
    handed over keeps the priority. Without consent nothing is known, and it is 0.
    """
    known = [reading for reading in memory.readings if reading.state != UNKNOWN]
    if not known:
        return 0
    last = known[-1]
    points = STATE_POINTS[last.state] * min(1.0, last.confidence / CLEAR)
    points += TREND_POINTS[memory.trend]
    points += STREAK_POINTS * max(0, min(memory.negative_streak, LONGEST_STREAK) - 1)
    points += max(value * last.cues.get(cue, 0.0) for cue, value in CUE_POINTS.items())
    return round(min(HIGHEST, max(0.0, points)))
