"""The caller's place in a queue."""

from __future__ import annotations

from dataclasses import replace

from cases import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionlayer_rasa.affect.memory import AffectiveMemory, Reading
from emotionlayer_rasa.affect.priority import STATE_POINTS, TREND_POINTS, priority
from emotionlayer_rasa.taxonomy import STATES, UNKNOWN


def memory(*readings: Reading, trend: str = "steady", streak: int = 0) -> AffectiveMemory:
    return AffectiveMemory(trend=trend, negative_streak=streak, readings=readings)


def test_nothing_known_is_nothing_urgent() -> None:
    assert priority(AffectiveMemory()) == 0
    assert priority(memory(Reading(1.0), Reading(2.0))) == 0


@for_each(
    "remembered, points",
    [
        (memory(Reading(1.0, "neutral", 0.9)), 10),
        (memory(Reading(1.0, "satisfaction", 0.9), trend="rising"), 0),
        (memory(Reading(1.0, "anger", 0.6), streak=1), 50),
        (memory(Reading(1.0, "anger", 0.3), streak=1), 25),
        (memory(Reading(1.0, "anger", 0.9), trend="falling", streak=3), 75),
        (memory(Reading(1.0, "anger", 0.9), trend="falling", streak=9), 75),
        (memory(Reading(1.0, "frustration", 0.9), trend="rising", streak=2), 35),
        (memory(Reading(1.0, "urgency", 0.9, cues={"urgency": 1.0}), streak=1), 70),
        (memory(Reading(1.0, "urgency", 0.9, cues={"urgency": 1.0, "danger": 0.8}), streak=1), 80),
        (memory(Reading(1.0, "urgency", 1.0, cues={"danger": 1.0}), trend="falling", streak=3), 100),
    ],
)
def test_the_points_add_up(remembered: AffectiveMemory, points: int) -> None:
    assert priority(remembered) == points


def test_a_button_calms_nobody() -> None:
    angry = memory(Reading(1.0, "anger", 0.9), streak=1)
    assert priority(replace(angry, readings=(*angry.readings, Reading(2.0)))) == priority(angry) == 50


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Reading,
            st.just(0.0),
            st.sampled_from([*STATES, UNKNOWN]),
            st.floats(0, 1),
            cues=st.dictionaries(st.sampled_from(["danger", "urgency"]), st.floats(0, 1)),
        )
    ),
    st.sampled_from(sorted(TREND_POINTS)),
    st.integers(0, 100),
)
def test_it_is_a_whole_number_up_to_a_hundred(readings: list[Reading], trend: str, streak: int) -> None:
    points = priority(memory(*readings, trend=trend, streak=streak))
    assert isinstance(points, int)
    assert 0 <= points <= 100


def test_every_state_has_its_points() -> None:
    assert set(STATE_POINTS) == set(STATES)
