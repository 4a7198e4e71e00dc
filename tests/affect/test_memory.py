"""The memory, from events shaped as Rasa keeps them."""

from __future__ import annotations

import ast
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasa.shared.core.events import ActionExecuted, SessionStarted, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from emotionlayer_rasa.affect import baseline as baseline_module
from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.affect import memory as memory_module
from emotionlayer_rasa.affect.baseline import ENOUGH_TURNS, Baseline, against, usual_voice
from emotionlayer_rasa.affect.memory import (
    ALTERNATIVES,
    NEGATIVE_STATES,
    AffectiveMemory,
    EmotionalProfile,
    Turn,
    read_profile,
    read_turns,
    remember,
    update_profile,
)
from emotionlayer_rasa.taxonomy import EMOTIONS, STATES, STRATEGIES, UNKNOWN
from emotionlayer_rasa.utterance import (
    CUES,
    METADATA_KEY,
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


def user(utterance: Utterance | None = None, text: str = "words", time: float = 1.0) -> dict[str, Any]:
    metadata = {METADATA_KEY: utterance.to_metadata()} if utterance else {}
    return {"event": "user", "text": text, "parse_data": {"entities": []}, "metadata": metadata, "timestamp": time}


def slot(name: str, value: Any) -> dict[str, Any]:
    return {"event": "slot", "name": name, "value": value, "timestamp": 1.0}


CUES_HEARD = {**dict.fromkeys(CUES, 0.0), "praise": 0.8}
SESSION = {"event": "session_started", "timestamp": 0.0}


def heard(state: str) -> Utterance:
    return Utterance(Transcript(""), EmotionReading("neutral", 0.6, {}, source="voice"), affect=affect(state))


# Reading the tracker


def test_turns_are_read_from_metadata_or_entity_since_the_session_began() -> None:
    typed = Utterance(Transcript(""), words=TextReading(EmotionReading("joy", 0.7, source="text"), CUES_HEARD))
    entity = {"entity": "emotion", "value": "joy", "record": typed.to_metadata()}
    events = [
        user(heard("anger")),
        SESSION,
        user(heard("frustration"), time=10),
        slot("response_strategy", "active_deescalation"),
        {"event": "bot", "text": "Sorry."},
        slot("response_strategy", "rapid_resolution"),
        {**user(time=12), "parse_data": {"entities": [{"entity": "order_number"}, entity]}},
        user(text="/affirm", time=15),
    ]
    frustrated, glad, button = read_turns(events)
    assert (frustrated.utterance.affect.state, frustrated.time) == ("frustration", 10)
    assert (frustrated.label, frustrated.strategy) == ("neutral", "rapid_resolution")
    assert (glad.label, glad.utterance.words, glad.strategy) == ("joy", typed.words, None)
    assert (button.label, button.utterance) == (UNKNOWN, Utterance(Transcript("")))


def test_a_doubtful_entity_counts_more_than_the_record() -> None:
    event = user(heard("anger"))
    event["parse_data"]["entities"] = [{"entity": "emotion", "value": UNKNOWN}]
    assert read_turns([event])[0].label == UNKNOWN


@pytest.mark.parametrize("withdrawn", ["emotion_consent", "emotion_memory_consent"])
def test_what_was_withdrawn_is_forgotten(withdrawn: str) -> None:
    events = [SESSION, user(heard("anger")), slot(withdrawn, False), user(heard("neutral"))]
    assert [turn.utterance.affect.state for turn in read_turns(events)] == ["neutral"]
    assert len(read_turns([SESSION, user(heard("anger")), slot(withdrawn, True), user()])) == 2


def test_the_memory_of_a_real_tracker() -> None:
    tracker = DialogueStateTracker("a", [])
    for event in (
        SessionStarted(),
        ActionExecuted("action_listen"),
        UserUttered("no", metadata={METADATA_KEY: heard("anger").to_metadata()}),
        SlotSet("response_strategy", "active_deescalation"),
        ActionExecuted("action_listen"),
        UserUttered("still no", metadata={METADATA_KEY: heard("anger").to_metadata()}),
    ):
        tracker.update(event)
    memory = remember(read_turns(json.loads(json.dumps([event.as_dict() for event in tracker.events]))))
    assert (memory.negative_streak, memory.last_strategy, memory.helped) == (2, "active_deescalation", False)


def test_edited_and_replayed_trackers_give_the_same_answer_on_any_server() -> None:
    said = [SESSION]
    for place, state in enumerate(("anger", "frustration", "neutral"), start=1):
        said += [user(heard(state), time=place), slot("response_strategy", "active_deescalation")]
    memory = remember(read_turns(said)).summary()
    taken_back = [*said, user(heard("anger"), time=9), slot("response_strategy", "rapid_resolution")]
    assert remember(read_turns(taken_back)).summary() != memory
    assert remember(read_turns([*taken_back, {"event": "rewind", "timestamp": 10.0}])).summary() == memory
    assert remember(read_turns([user(heard("urgency")), {"event": "restart"}, *said])).summary() == memory
    button = remember(read_turns([*said, user(text="/affirm", time=9)]))
    assert (button.current.state, button.trend) == (UNKNOWN, memory["trend"])
    replayed = DialogueStateTracker.from_dict("another server", json.loads(json.dumps(said)))
    assert remember(read_turns([event.as_dict() for event in replayed.events])).summary() == memory


def test_any_events_are_survived() -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"event": "user"},
        {"event": "user", "text": None, "metadata": [], "parse_data": 7, "timestamp": None},
        {"event": "user", "text": "x", "parse_data": {"entities": [3, {"entity": "emotion", "record": "x"}]}},
        slot("response_strategy", "shout"),
        slot("emotional_profile", "x"),
    ]
    assert [turn.strategy for turn in read_turns(odd)] == [None, None, None]
    assert read_profile(odd) is None
    assert remember(read_turns(odd)).to_slots() == AffectiveMemory().to_slots()


# Looking back


def test_nothing_is_known_of_an_empty_session() -> None:
    memory = remember(())
    assert memory.to_slots() == {
        "emotion": UNKNOWN,
        "affective_state": UNKNOWN,
        "response_strategy": "direct_efficiency",
        "emotion_trend": "steady",
        "negative_streak": 0.0,
        "emotion_priority": 0.0,
        "valence": None,
        "arousal": None,
        "dominance": None,
    }
    assert (memory.peak, memory.helped, memory.baseline) == (None, None, None)


def test_smoothing_halves_a_turn_after_two_more() -> None:
    memory = remember([turn("neutral", valence=0.2), turn(UNKNOWN), turn("neutral", valence=0.8)])
    assert memory.valence == pytest.approx((0.2 * 0.5 + 0.8) / 1.5)
    assert memory.current.valence == 0.8
    assert remember([turn(UNKNOWN)]).valence is None


@pytest.mark.parametrize(
    ("valences", "trend"),
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
    assert memory.to_slots()["negative_streak"] == float(streak)


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


# The speaker's usual voice


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


def test_a_naturally_loud_voice_is_not_called_angry_every_time() -> None:
    first = remember(turns_of(spoken(LOUD)))
    assert (first.emotion, first.current.state, first.baseline) == ("anger", "anger", None)
    later = remember(turns_of(*[spoken(LOUD)] * 4))
    assert later.baseline is not None
    assert later.baseline.turns == 4
    assert (later.emotion, later.current.state, later.negative_streak) == ("neutral", "neutral", 0)
    assert later.current.arousal is not None
    assert first.current.arousal is not None
    assert later.current.arousal < first.current.arousal
    assert any(reason.startswith("memory:usual_voice=") for reason in later.current.reasons)


def test_a_complaint_in_a_loud_voice_is_meant() -> None:
    for angry in (spoken(LOUD, words="anger"), spoken(LOUD, cues={"complaint": 0.8})):
        memory = remember(turns_of(*[spoken(LOUD)] * 3, angry))
        assert memory.emotion == "anger"
        assert memory.current == angry.affect


def test_who_raises_the_voice_against_the_own_habit_is_heard_as_before() -> None:
    usual = [spoken(LOUD)] * 3
    for raised in (spoken(LOUD, energy_db=-14), spoken(LOUD, pitch_semitones=34)):
        memory = remember(turns_of(*usual, raised))
        assert memory.emotion == "anger"
        assert memory.current == raised.affect


def test_who_complains_is_not_loud_by_nature() -> None:
    for angry in (spoken(LOUD, words="anger"), spoken(LOUD, cues={"complaint": 0.8})):
        memory = remember(turns_of(*[angry] * 5))
        assert memory.baseline is None
        assert memory.negative_streak == 5


def test_without_words_nothing_is_known_of_the_habit() -> None:
    voice = spoken(LOUD).emotion
    turns = turns_of(*[Utterance(Transcript(""), voice, affect=fuse(voice, None))] * 5)
    assert remember(turns).baseline is None
    assert remember(turns).emotion == "anger"


def test_a_baseline_changes_no_voice_that_is_as_neutral_as_others() -> None:
    calm = spoken({"neutral": 0.9, "sadness": 0.1}, arousal=0.5)
    angry = spoken({"anger": 0.9, "neutral": 0.1}, words="anger", cues={"complaint": 0.9})
    memory = remember(turns_of(calm, calm, calm, angry))
    assert memory.baseline is not None
    assert memory.current == angry.affect


def test_typed_turns_stay_as_they_were_read() -> None:
    words = TextReading(EmotionReading("anger", 0.9, {"anger": 1.0}, 0.2, 0.6, 0.6, "text"), {"complaint": 1.0})
    typed = Utterance(Transcript(""), words=words, affect=fuse(None, words))
    memory = remember(turns_of(*[spoken(LOUD)] * 3, typed))
    assert (memory.emotion, memory.current.state) == ("anger", typed.affect.state)


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
    json.dumps([memory.to_slots(), memory.summary()])
    baseline = usual_voice(utterances * ENOUGH_TURNS)
    assert baseline is not None
    assert against(baseline, utterances[-1])[0] in EMOTIONS


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
    assert again.baseline is not None
    assert again.baseline.turns == 2
    assert again.strategies == {"active_deescalation": (1, 2)}
    stored = EmotionalProfile.from_dict(json.loads(json.dumps(again.to_dict())))
    assert stored is not None
    assert stored.to_dict() == again.to_dict()
    second = update_profile(turns, stored)
    assert second is not None
    assert second.baseline is not None
    assert (second.turns, second.baseline.turns) == (6, 4)
    assert update_profile([turn(UNKNOWN)], second) is second


def test_a_profile_holds_numbers_and_labels_only() -> None:
    profile = update_profile(turns_of(spoken(LOUD)))
    assert profile is not None

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [*value, *(leaf for item in value.values() for leaf in leaves(item))]
        return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]

    texts = {leaf for leaf in leaves(profile.to_dict()) if isinstance(leaf, str)} - {profile.updated}
    names = {*EmotionalProfile.__dataclass_fields__, *Baseline.__dataclass_fields__}
    assert texts <= {*names, *EMOTIONS, *STRATEGIES}
    assert len(json.dumps(profile.to_dict())) < 1000


def test_a_known_voice_is_seen_against_its_habit_from_the_first_turn() -> None:
    profile = update_profile(turns_of(*[spoken(LOUD)] * 3))
    fresh, known = remember(turns_of(spoken(LOUD))), remember(turns_of(spoken(LOUD)), profile)
    assert (fresh.emotion, known.emotion) == ("anger", "neutral")


def test_what_helped_this_caller_before_is_tried_first() -> None:
    first, second = ALTERNATIVES["active_deescalation"]
    turns = [turn("anger"), turn("anger"), turn("anger")]
    profile = EmotionalProfile(
        "2026-01-01T00:00:00+00:00", 9, 0.4, 0.5, 0.5, None, {first: (0, 4), second: (3, 4)}
    )
    assert remember(turns).current.strategy == first
    assert remember(turns, profile).current.strategy == second


def test_the_profile_of_earlier_sessions_is_the_one_carried_over() -> None:
    earlier, later = ({**PROFILE, "turns": count} for count in (5, 7))
    events = [
        slot("emotional_profile", {**PROFILE, "turns": 3}),
        SESSION,
        slot("emotional_profile", earlier),
        user(heard("anger")),
        slot("emotional_profile", later),
    ]
    profile = read_profile(events)
    assert profile is not None
    assert profile.turns == 5
    assert read_profile(events[:2]) is None
    assert read_profile([*events, slot("emotion_memory_consent", False)]) is None
    assert read_profile([*events, SESSION, slot("emotional_profile", None)]) is None


PROFILE = {
    "updated": "2026-01-01T00:00:00+00:00",
    "turns": 4,
    "valence": 0.4,
    "arousal": 0.6,
    "dominance": 0.5,
    "baseline": None,
    "strategies": {"rapid_resolution": [1, 2]},
}


@pytest.mark.parametrize(
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
        {**PROFILE, "baseline": {"turns": 3, "scores": []}},
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
    for module in (memory_module, baseline_module):
        tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {name for name in imported if name and name.startswith("emotionlayer_rasa")}
        allowed = ("affect", "utterance", "taxonomy", "errors")
        assert all(name.split(".")[1] in allowed for name in ours)
