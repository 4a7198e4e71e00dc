"""Rules over the memory, from events shaped as Rasa keeps them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cases import for_each

from emotionlayer_rasa.affect.escalation_rules import Condition, Decision, Rule, decide
from emotionlayer_rasa.conversation import Conversation
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import (
    METADATA_KEY,
    AffectiveState,
    EmotionReading,
    TextReading,
    Transcript,
    Utterance,
)

EMOTION = {
    "anger": "anger",
    "frustration": "anger",
    "urgency": "fear",
    "satisfaction": "joy",
    "neutral": "neutral",
}
VALENCE = {"anger": 0.2, "frustration": 0.3, "urgency": 0.3, "satisfaction": 0.8, "neutral": 0.5}
STRATEGY = {"anger": "active_deescalation", "frustration": "active_deescalation", "urgency": "rapid_resolution"}

SESSION = {"event": "session_started"}
LISTEN = {"event": "action", "name": "action_listen"}
ANGRY = Condition(states=("anger", "frustration"), confidence=0.6, turns=2, window=3)
TWICE = Rule("twice", ANGRY, "action_escalate_to_human")


def user(state: str = UNKNOWN, confidence: float = 0.8, time: float = 1.0, **cues: float) -> dict[str, Any]:
    """A turn of the caller; of an unknown one nothing was recorded."""
    event: dict[str, Any] = {"event": "user", "text": "some words", "timestamp": time, "parse_data": {}}
    if state == UNKNOWN:
        return event
    valence = VALENCE[state]
    emotion = EMOTION.get(state, "neutral")
    voice = EmotionReading(emotion, 0.9, {emotion: 0.9}, valence, 0.6, 0.5, "voice")
    fused = AffectiveState(state, STRATEGY.get(state, "direct_efficiency"), confidence, valence, 0.6, 0.5)
    utterance = Utterance(Transcript(""), voice, TextReading(cues=cues) if cues else None, affect=fused)
    return {**event, "metadata": {METADATA_KEY: utterance.to_metadata()}}


def ask(
    events: list[dict[str, Any]], *rules: Rule, intent: str = "complaint", slots: dict[str, Any] | None = None
) -> Decision | None:
    conversation = Conversation(events, slots or {})
    return decide(rules, conversation.memory, conversation.history, intent, conversation.slots)


def hold(events: list[dict[str, Any]], *rules: Rule) -> list[str | None]:
    """The names of the rules that fire, turn by turn, with the events that Rasa would add."""
    fired: list[str | None] = []
    past: list[dict[str, Any]] = []
    for event in events:
        past.append(event)
        if event["event"] == "user":
            decision = ask(past, *rules)
            fired.append(decision.rule if decision else None)
            if decision:
                past.append({"event": "action", "name": decision.action, "metadata": decision.to_metadata()})
                assert ask(past, *rules) is None, "twice in a turn"
            past.append(LISTEN)
    return fired


@for_each(
    "turns, fires",
    [
        ([user("anger"), user("frustration")], True),
        ([user("anger"), user("neutral"), user("anger")], True),
        ([user("anger"), user("neutral"), user("neutral"), user("anger")], False),
        ([user("anger")], False),
        ([user("anger", 0.59), user("anger")], False),
        ([user("anger", 0.6), user("anger", 0.6)], True),
        ([user("anger"), user("anger"), user("neutral")], False),  # calm by now
        ([user("anger"), user(), user(), user("anger")], True),  # buttons neither break nor extend anything
        ([user("anger"), user("anger"), user()], False),  # never on an unknown turn
        ([user("urgency"), user("urgency")], False),
        ([], False),
    ],
)
def test_so_many_of_the_last_turns(turns: list[dict[str, Any]], fires: bool) -> None:
    assert (ask([SESSION, *turns], TWICE) is not None) is fires


def test_a_decision_says_why_in_numbers() -> None:
    events = [SESSION, user("anger", time=10.0), user(), user("frustration", 0.7, 20.0, complaint=0.9, praise=0.0)]
    decision = ask(events, TWICE)
    assert decision is not None
    record = decision.to_metadata()[METADATA_KEY]["escalation"]
    assert record == {
        "rule": "twice",
        "action": "action_escalate_to_human",
        "turn": 3,
        "priority": 45,
        "trend": "steady",
        "failed_strategies": ["active_deescalation"],
        "readings": [
            {
                **{"turn": 1, "time": 10.0, "state": "anger", "confidence": 0.8, "emotion": "anger"},
                **{"emotion_confidence": 0.9, "cues": {}},
            },
            {
                **{"turn": 3, "time": 20.0, "state": "frustration", "confidence": 0.7, "emotion": "anger"},
                **{"emotion_confidence": 0.9, "cues": {"complaint": 0.9}},
            },
        ],
    }
    assert "words" not in json.dumps(record)
    again = Decision.from_metadata(json.loads(json.dumps(decision.to_metadata())))
    assert again is not None
    assert again.to_dict() == record


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {METADATA_KEY: {"escalation": {"rule": "x"}}},
        {METADATA_KEY: "x"},
        {METADATA_KEY: {"escalation": {}}},
    ],
)
def test_other_metadata_is_no_decision(metadata: Any) -> None:
    assert Decision.from_metadata(metadata) is None


def test_emotions_cues_trend_strategies_intents_and_slots() -> None:
    def fires(when: Condition, *turns: dict[str, Any], **asked: Any) -> bool:
        return ask([SESSION, *turns], Rule("rule", when, "action"), **asked) is not None

    danger = Condition(states=("urgency",), cues={"danger": 0.5, "urgency": 0.9})
    assert fires(danger, user("urgency", danger=0.5))
    assert fires(danger, user("urgency", urgency=0.9))
    assert not fires(danger, user("urgency", danger=0.4, urgency=0.8))
    assert not fires(danger, user("anger", danger=0.9))
    assert not fires(danger, user("urgency"))

    assert fires(Condition(emotions=("fear",), confidence=0.9), user("urgency"))
    assert not fires(Condition(emotions=("fear",), confidence=0.91), user("urgency"))
    assert not fires(Condition(emotions=("fear",), states=("anger",)), user("urgency"))

    worse = [user("satisfaction"), user("neutral"), user("frustration")]
    assert fires(Condition(trend="falling"), *worse)
    assert not fires(Condition(trend="rising"), *worse)
    assert not fires(Condition(trend="falling"), *worse, user())

    failing = [user("anger"), user("urgency"), user("anger")]
    assert fires(Condition(failed_strategies=2), *failing)
    assert not fires(Condition(failed_strategies=2), *failing[:2])

    complaint = Condition(states=("anger",), intents=("complaint", "refund"))
    assert fires(complaint, user("anger"), intent="refund")
    assert not fires(complaint, user("anger"), intent="greet")
    late = Condition(states=("anger",), slots={"order_status": "late", "vip": True})
    assert fires(late, user("anger"), slots={"order_status": "late", "vip": True})
    assert not fires(late, user("anger"), slots={"order_status": "late", "vip": None})


def test_what_led_to_a_rule_about_the_trend_are_the_turns_of_the_trend() -> None:
    events = [SESSION, user(), user("satisfaction"), user("neutral"), user("frustration")]
    decision = ask(events, Rule("worse", Condition(trend="falling"), "action"))
    assert decision is not None
    assert list(decision.readings) == [2, 3, 4]


def test_cool_down_counts_the_callers_turns() -> None:
    once = Condition(states=("anger",))
    turns = [SESSION, *[user("anger")] * 6]
    fired = hold(turns, Rule("a", once, "action", cooldown=2))
    assert fired == ["a", None, None, "a", None, None]
    assert hold(turns, Rule("a", once, "action", cooldown=0)) == ["a"] * 6
    buttons = [SESSION, user("anger"), user(), user(), user("anger")]
    assert hold(buttons, Rule("a", once, "action", cooldown=2)) == ["a", None, None, "a"]


def test_once_is_once_a_session() -> None:
    rule = Rule("a", Condition(states=("anger",)), "action", cooldown=0, once=True)
    session = [SESSION, user("anger"), user("anger")]
    assert hold([*session, *session], rule) == ["a", None, "a", None]
    assert hold([*session, {"event": "restart"}, user("anger")], rule) == ["a", None, "a"]


def test_the_highest_priority_fires_then_the_first() -> None:
    angry = Condition(states=("anger",))
    first, second = Rule("first", angry, "a", cooldown=1), Rule("second", angry, "b", cooldown=1)
    third = Rule("third", angry, "c", cooldown=1, priority=1)
    turns = [SESSION, *[user("anger")] * 3]
    assert hold(turns, first, second) == ["first", "second", "first"]
    assert hold(turns, first, second, third) == ["third", "first", "third"]


def test_what_was_done_on_a_message_that_is_taken_back_was_done() -> None:
    rule = Rule("a", Condition(states=("anger",)), "action", once=True)
    past: list[dict[str, Any]] = [SESSION, user("anger")]
    decision = ask(past, rule)
    assert decision is not None
    past += [{"event": "action", "name": "action", "metadata": decision.to_metadata()}, LISTEN]
    back = [{"event": "user", "text": "/back"}, {"event": "rewind"}, {"event": "rewind"}]
    assert Conversation(past, {}).history.decisions == ((1, decision),)
    assert Conversation([*past, *back], {}).history.decisions == ((1, decision),)
    assert ask([*past, user("anger")], rule) is None
    assert ask([*past, *back, user("anger")], rule) is None


def test_an_action_that_is_undone_takes_its_decision_with_it() -> None:
    rule = Rule("a", Condition(states=("anger",)), "action", once=True)
    past: list[dict[str, Any]] = [SESSION, user("anger")]
    decision = ask(past, rule)
    assert decision is not None
    done = [*past, {"event": "action", "name": "action", "metadata": decision.to_metadata()}]
    history = Conversation([*done, {"event": "undo"}], {}).history
    assert (history.decisions, history.acted) == ((), False)
    assert Conversation(done, {}).history.acted


def test_an_action_that_refused_is_not_asked_again_in_this_turn() -> None:
    angry = Condition(states=("anger",))
    first, second = Rule("first", angry, "a"), Rule("second", angry, "b")
    refused = [SESSION, user("anger"), {"event": "action_execution_rejected", "name": "a"}]
    decision = ask(refused, first, second)
    assert decision is not None
    assert decision.rule == "second"
    later = ask([*refused, LISTEN, user("anger")], first, second)
    assert later is not None
    assert later.rule == "first"


def test_turns_before_consent_was_withdrawn_do_not_count_and_the_session_goes_on() -> None:
    withdrawn = [
        {"event": "slot", "name": "emotion_consent", "value": False},
        {"event": "slot", "name": "emotion_consent", "value": True},
    ]
    assert ask([SESSION, user("anger"), *withdrawn, user("anger")], TWICE) is None
    decision = ask([SESSION, user("anger"), *withdrawn, user("anger"), user("anger")], TWICE)
    assert decision is not None
    assert list(decision.readings) == [2, 3]
