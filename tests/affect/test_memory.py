"""The memory of a caller, from turns."""

from __future__ import annotations

import ast
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cases import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.affect import memory as memory_module
from emotionlayer_rasa.affect.memory import (
    ALTERNATIVES,
    NEGATIVE_STATES,
    EmotionalProfile,
    Turn,
    remember,
    update_profile,
)
from emotionlayer_rasa.taxonomy import EMOTIONS, STATES, STRATEGIES, UNKNOWN
from emotionlayer_rasa.utterance import (
    AffectiveState,
    EmotionReading,
    Prosody,
    TextReading,
    Transcript,
    Utterance,
)

STRATEGY = {
    "anger": "active_deescalation",
    "frustration": "active_deescalation",
    "sarcasm": "assertive_neutrality",
    "urgency": "rapid_resolution",
    "insecurity": "empathic_validation",
    "satisfaction": "positive_mirroring",
    "neutral": "direct_efficiency",
    UNKNOWN: "direct_efficiency",
}
VALENCE = {
    "anger": 0.2,
    "frustration": 0.3,
    "insecurity": 0.3,
    "urgency": 0.3,
    "satisfaction": 0.8,
    "neutral": 0.5,
}


def affect(state: str, valence: float | None = None, confidence: float = 0.8) -> AffectiveState:
    if state == UNKNOWN:
        return AffectiveState()
    valence = VALENCE.get(state, 0.5) if valence is None else valence
    return AffectiveState(state, STRATEGY[state], confidence, valence, 0.6, 0.5)


def turn(state: str, *, answered: str | None = None, time: float = 0.0, **details: float) -> Turn:
    utterance = Utterance(Transcript(""), affect=affect(state, **details))
    return Turn(utterance, UNKNOWN, time, answered or STRATEGY[state])


# Looking back


def test_nothing_is_known_of_an_empty_session() -> None:
    memory = remember(())
    assert (memory.emotion, memory.current, memory.trend) == (UNKNOWN, AffectiveState(), "steady")
    assert (memory.negative_streak, memory.peak, memory.helped) == (0, None, None)


def test_smoothing_halves_a_turn_after_two_more() -> None:
    memory = remember([turn("neutral", valence=0.2), turn(UNKNOWN), turn("neutral", valence=0.8)])
    assert memory.valence == pytest.approx((0.2 * 0.5 + 0.8) / 1.5)
    assert memory.current.valence == 0.8
    assert remember([turn(UNKNOWN)]).valence is None


@for_each(
    "valences, trend",
    [
        ((0.8, 0.2), "steady"),
        ((0.8, 0.5, 0.2), "falling"),
        ((0.2, 0.5, 0.8), "rising"),
        ((0.5, 0.52, 0.5, 0.51), "steady"),
        # One outlier, wherever it is.
        ((0.8, 0.8, 0.1), "steady"),
        ((0.1, 0.8, 0.8), "steady"),
        ((0.8, 0.1, 0.8), "steady"),
        ((0.5, 0.5, 0.5, 0.0), "steady"),
        ((0.5, 0.5, 0.5, 0.5, 1.0), "steady"),
        ((0.9, 0.7, 0.0, 0.3, 0.1), "falling"),
        ((0.1, 0.9, 0.5, 0.7, 0.9), "rising"),
        # Only the last five count.
        ((0.0, 0.2, 0.9, 0.7, 0.5, 0.3, 0.1), "falling"),
    ],
)
def test_trend(valences: tuple[float, ...], trend: str) -> None:
    turns = [turn("neutral", valence=valence) for valence in valences]
    assert remember(turns).trend == trend
    assert remember([quiet for known in turns for quiet in (known, turn(UNKNOWN))]).trend == trend


@pytest.mark.parametrize(
    ("states", "streak"),
    [
        ("anger", 1),
        ("neutral anger frustration", 2),
        ("anger neutral anger", 1),
        ("anger satisfaction", 0),
        ("anger uncertainty", 0),
        ("anger unknown anger unknown", 2),
        ("unknown", 0),
    ],
)
def test_unknown_turns_neither_break_nor_extend_a_streak(states: str, streak: int) -> None:
    STRATEGY.setdefault("uncertainty", "empathic_validation")
    memory = remember([turn(state) for state in states.split()])
    assert memory.negative_streak == streak


def test_a_doubtful_state_makes_no_turn_negative() -> None:
    assert remember([turn("anger"), turn("urgency", confidence=0.3)]).negative_streak == 0
    assert remember([turn("anger"), turn("urgency", confidence=0.4)]).negative_streak == 2


def test_the_peak_is_the_most_negative_turn() -> None:
    turns = [
        turn("frustration", confidence=0.4, time=100),
        turn("anger", confidence=0.9, time=110),
        turn(UNKNOWN, time=120),
        turn("neutral", valence=0.1, time=150),
    ]
    peak = remember(turns).peak
    assert peak is not None
    assert (peak.state, peak.turns_ago, peak.seconds_ago) == ("anger", 2, 40)
    assert peak.wellbeing == pytest.approx((0.2 + 0.5 - 0.45) / 2)
    assert remember([turn("neutral")]).peak is None


# Feedback


def test_a_strategy_that_fails_twice_is_given_up_and_not_taken_again_in_the_streak() -> None:
    turns: list[Turn] = []
    used = []
    for _ in range(8):
        current = remember([*turns, turn("anger")]).current
        used.append(current.strategy)
        turns.append(turn("anger", answered=current.strategy))
    first, second = ALTERNATIVES["active_deescalation"]
    assert used == [*["active_deescalation"] * 2, *[first] * 2, *[second] * 4]
    assert "memory:active_deescalation_failed=2" in remember(turns).current.reasons


def test_without_the_slot_the_strategy_of_the_turn_counts_as_used() -> None:
    turns = [Turn(turn("anger").utterance, UNKNOWN, 0.0) for _ in range(3)]
    assert remember(turns).current.strategy == ALTERNATIVES["active_deescalation"][0]


def test_a_streak_that_ended_gives_the_strategy_a_new_chance() -> None:
    turns = [turn(state) for state in ("anger", "anger", "anger", "neutral", "anger")]
    assert remember(turns).current.strategy == "active_deescalation"


def test_what_improves_a_negative_turn_has_helped() -> None:
    rising = [turn("anger", valence=0.05, confidence=0.9), turn("frustration", valence=0.35, confidence=0.7)]
    assert remember(rising).helped is True
    assert remember([turn("anger"), turn("neutral")]).helped is True
    assert remember([turn("anger"), turn("anger")]).helped is False
    assert remember([turn("anger"), turn(UNKNOWN), turn("neutral")]).helped is True


def test_nothing_is_said_of_help_where_nothing_needed_it_or_nothing_is_known() -> None:
    assert remember([turn("neutral"), turn("anger")]).helped is None
    assert remember([turn("anger"), turn(UNKNOWN)]).helped is None
    assert remember([turn("anger")]).helped is None
    assert remember([turn("anger")]).last_strategy is None
    assert remember([turn("anger"), turn(UNKNOWN)]).last_strategy == "active_deescalation"


def test_what_helped_is_kept_for_one_unclear_turn() -> None:
    unclear = [turn("anger"), turn("neutral", confidence=0.4)]
    kept = remember(unclear).current
    assert kept.strategy == "active_deescalation"
    assert "memory:active_deescalation_helped" in kept.reasons
    assert remember([turn("anger"), turn("neutral", confidence=0.9)]).current.strategy == "direct_efficiency"
    later = [
        turn("anger"),
        turn("neutral", answered=kept.strategy, confidence=0.4),
        turn("neutral", confidence=0.4),
    ]
    assert remember(later).current.strategy == "direct_efficiency"


def test_alternatives_are_other_strategies() -> None:
    assert set(ALTERNATIVES) == set(STRATEGIES)
    for strategy, options in ALTERNATIVES.items():
        assert options
        assert set(options) <= set(STRATEGIES) - {strategy}


# Anger that lasts


def spoken(
    scores: dict[str, float],
    arousal: float = 0.8,
    *,
    words: str = "neutral",
    cues: dict[str, float] | None = None,
    energy_db: float = -20.0,
    pitch_semitones: float = 30.0,
) -> Utterance:
    full = {emotion: scores.get(emotion, 0.0) for emotion in EMOTIONS}
    label = max(full, key=lambda emotion: full[emotion])
    voice = EmotionReading(label, full[label], full, 0.3, arousal, 0.7, "voice", "test")
    reading = TextReading(EmotionReading(words, 0.7, {words: 1.0}, 0.5, 0.5, 0.5, "text"), cues or {})
    prosody = Prosody(energy_db=energy_db, pitch_semitones=pitch_semitones)
    return Utterance(Transcript(""), voice, reading, prosody, fuse(voice, reading, prosody))


LOUD = {"anger": 0.8, "neutral": 0.15, "joy": 0.05}


def turns_of(*utterances: Utterance) -> list[Turn]:
    return [Turn(utterance, utterance.reading.label, float(place)) for place, utterance in enumerate(utterances)]


def test_who_stays_angry_stays_angry() -> None:
    """Also in plain words, and however long it lasts: nobody sounds angry by habit."""
    calm, angry = spoken({"neutral": 0.9, "sadness": 0.1}, arousal=0.5), spoken(LOUD)
    for count in range(1, 12):
        memory = remember(turns_of(calm, calm, *[angry] * count))
        assert (memory.emotion, memory.current.state, memory.negative_streak) == ("anger", "anger", count)
        assert memory.current.confidence == angry.affect.confidence
        assert memory.current.arousal == angry.affect.arousal


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(EMOTIONS), st.floats(0.01, 1), min_size=1),
            st.floats(0, 1),
            st.floats(-60, 0),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_call_gives_numbers_in_range(call: list[tuple[dict[str, float], float, float]]) -> None:
    utterances = []
    for scores, arousal, energy_db in call:
        total = sum(scores.values())
        shares = {emotion: score / total for emotion, score in scores.items()}
        utterances.append(spoken(shares, arousal, energy_db=energy_db))
    memory = remember(turns_of(*utterances))
    assert memory.current.state in (*STATES, UNKNOWN)
    assert memory.current.strategy in STRATEGIES
    assert memory.emotion in EMOTIONS
    for axis in ("valence", "arousal", "dominance"):
        assert 0 <= getattr(memory, axis) <= 1
        assert 0 <= getattr(memory.current, axis) <= 1
    json.dumps(memory.summary())


# The profile


def test_a_profile_grows_over_sessions_and_counts_no_turn_twice() -> None:
    turns = turns_of(
        spoken(LOUD), spoken(LOUD, words="anger", cues={"complaint": 1.0}), spoken({"neutral": 1.0}, 0.5)
    )
    first = update_profile(turns[:2])
    assert first is not None
    again = update_profile(turns)
    assert again is not None
    assert (first.turns, again.turns) == (2, 3)
    assert again.strategies == {"active_deescalation": (1, 2)}
    stored = EmotionalProfile.from_dict(json.loads(json.dumps(again.to_dict())))
    assert stored is not None
    assert stored.to_dict() == again.to_dict()
    second = update_profile(turns, stored)
    assert second is not None
    assert second.turns == 6
    assert update_profile([turn(UNKNOWN)], second) is second


def test_a_profile_holds_numbers_and_labels_only() -> None:
    profile = update_profile(turns_of(spoken(LOUD)))
    assert profile is not None

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [*value, *(leaf for item in value.values() for leaf in leaves(item))]
        return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]

    texts = {leaf for leaf in leaves(profile.to_dict()) if isinstance(leaf, str)} - {profile.updated}
    names = set(EmotionalProfile.__dataclass_fields__)
    assert texts <= {*names, *EMOTIONS, *STRATEGIES}
    assert len(json.dumps(profile.to_dict())) < 1000


def test_a_profile_of_an_older_version_is_read() -> None:
    """It had how the speaker usually sounds."""
    older = {**PROFILE, "baseline": {"turns": 4, "scores": {"anger": 1.0}, "valence": 0.1}}
    assert EmotionalProfile.from_dict(older) == EmotionalProfile.from_dict(PROFILE)
    assert EmotionalProfile.from_dict(PROFILE) is not None


def test_what_helped_this_caller_before_is_tried_first() -> None:
    first, second = ALTERNATIVES["active_deescalation"]
    turns = [turn("anger"), turn("anger"), turn("anger")]
    profile = EmotionalProfile("2026-01-01T00:00:00+00:00", 9, 0.4, 0.5, 0.5, {first: (0, 4), second: (3, 4)})
    assert remember(turns).current.strategy == first
    assert remember(turns, profile).current.strategy == second


PROFILE = {
    "updated": "2026-01-01T00:00:00+00:00",
    "turns": 4,
    "valence": 0.4,
    "arousal": 0.6,
    "dominance": 0.5,
    "strategies": {"rapid_resolution": [1, 2]},
}


@for_each(
    "broken",
    [
        None,
        "x",
        [],
        {},
        {**PROFILE, "updated": "yesterday"},
        {**PROFILE, "updated": "2026-01-01"},
        {**PROFILE, "valence": None},
        {**PROFILE, "strategies": {"rapid_resolution": 1}},
    ],
)
def test_anything_else_is_no_profile(broken: Any) -> None:
    assert EmotionalProfile.from_dict(PROFILE) is not None
    assert EmotionalProfile.from_dict(broken) is None


def test_a_profile_expires() -> None:
    profile = EmotionalProfile.from_dict(PROFILE)
    assert profile is not None
    written = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert not profile.expired(written + timedelta(days=29), 30)
    assert profile.expired(written + timedelta(days=30), 30)
    assert profile.expired(written, 0)


def test_the_memory_knows_the_taxonomy_and_nothing_else() -> None:
    assert set(STATES) > NEGATIVE_STATES
    tree = ast.parse(Path(memory_module.__file__ or "").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in imported if name and name.startswith("emotionlayer_rasa")}
    assert ours == {"emotionlayer_rasa.utterance", "emotionlayer_rasa.taxonomy"}
