"""The rules of this repository's ``config.yml``, in the assistant as it runs: every server a real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from command_line import separate_runner
from conversations import spoken

from emotionlayer_rasa.cli import main
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import METADATA_KEY

if TYPE_CHECKING:
    from conftest import Assistant

ANGRY = spoken("anger")
DANGER = "there is smoke coming out of the charger and it is burning"


def decision(assistant: Assistant, sender: str) -> dict[str, Any]:
    """The record of the only decision of a conversation, and the action it led to."""
    found = [
        event
        for event in assistant.tracker(sender)["events"]
        if event["event"] == "action" and "escalation" in (event.get("metadata") or {}).get(METADATA_KEY, {})
    ]
    (event,) = found
    assert event["policy"] == "EscalationPolicy"
    record: dict[str, Any] = event["metadata"][METADATA_KEY]["escalation"]
    assert record["action"] == event["name"]
    return record


def test_danger_is_handed_over_at_once(assistant: Assistant) -> None:
    answer = assistant.say(DANGER, "danger")
    assert answer["messages"][-1]["text"]
    assert assistant.actions("danger") == ["action_escalate_to_human"]
    slots = assistant.slots("danger")
    assert slots["escalated"] is True
    assert slots["emotion_priority"] > 75
    record = decision(assistant, "danger")
    assert (record["rule"], record["turn"], record["priority"]) == ("danger", 1, slots["emotion_priority"])
    (reading,) = record["readings"]
    assert reading["state"] == "urgency"
    assert reading["cues"]["danger"] >= 0.5
    assert "smoke" not in json.dumps(record)

    assistant.say(DANGER, "danger")
    assert assistant.actions("danger") != ["action_escalate_to_human"], "a person has taken over"
    after = assistant.slots("danger")
    assert (after["affective_state"], after["emotion_priority"]) == (UNKNOWN, slots["emotion_priority"])


def test_danger_ends_the_question_for_the_order_number(assistant: Assistant) -> None:
    assistant.say("where is my order", "danger-asked")
    assert assistant.actions("danger-asked") == ["utter_ask_order_number"]
    assistant.say(DANGER, "danger-asked")
    assert assistant.actions("danger-asked") == ["action_escalate_to_human"]


def test_anger_that_stays_is_handed_over(assistant: Assistant) -> None:
    assistant.rest("where is my order", "stays", metadata=ANGRY)
    assert assistant.actions("stays") == ["utter_ask_order_number"], "once is a bad moment"
    assistant.rest("hello", "stays", metadata=spoken("neutral"))
    assert assistant.actions("stays") == ["action_empathetic_reply"]
    assistant.rest("where is my order", "stays", metadata=ANGRY)
    assert assistant.actions("stays") == ["action_escalate_to_human"]
    record = decision(assistant, "stays")
    assert record["rule"] == "anger that stays"
    assert [reading["turn"] for reading in record["readings"]] == [1, 3]


def test_typed_anger_is_handed_over_too_and_complaints_in_plain_words_are_not(assistant: Assistant) -> None:
    for text in ("you are all idiots", "i am so angry with you people"):
        assistant.rest(text, "typed-stays")
    assert assistant.actions("typed-stays") == ["action_escalate_to_human"]
    for text in ("i want to complain", "i want my money back", "i want to complain"):
        assistant.rest(text, "plain")
        assert assistant.actions("plain") == ["action_empathetic_reply"]


def test_a_no_to_the_offer_is_taken_for_one(assistant: Assistant) -> None:
    assistant.rest("i want to complain", "says-no", metadata=ANGRY)
    assert assistant.actions("says-no") == ["utter_offer_human"]
    assistant.rest("no", "says-no", metadata=ANGRY)
    assert assistant.actions("says-no") == ["action_empathetic_reply"]
    assert assistant.slots("says-no")["escalated"] is False


def test_when_nothing_helps_a_person_is_offered(assistant: Assistant) -> None:
    worse = {"satisfaction": 0.8, "neutral": 0.8, "insecurity": 0.5, "urgency": 0.7, "anger": 0.95}
    for state, confidence in worse.items():
        assistant.rest("hello", "worse", metadata=spoken(state, confidence))
    assert assistant.actions("worse") == ["utter_offer_human"]
    record = decision(assistant, "worse")
    assert (record["rule"], record["trend"], len(record["failed_strategies"])) == ("nothing helps", "falling", 2)


def test_without_consent_nothing_fires(assistant: Assistant) -> None:
    assistant.say("stop analysing my voice", "refuses")
    assistant.say(DANGER, "refuses")
    assert "action_escalate_to_human" not in assistant.actions("refuses")
    assert assistant.slots("refuses")["emotion_priority"] == 0.0


def test_a_restart_takes_no_withdrawn_consent_back(assistant: Assistant) -> None:
    line = "i hate you all, this is terrible"
    for said in ("/stop_emotion_analysis", line, "/restart", line, line):
        answered = assistant.rest(said, "restarts")
        assert bool(answered) == (said != "/restart")
    assert assistant.slots("restarts")["emotion_consent"] is False
    assert [turn["parse_data"]["entities"][-1]["state"] for turn in assistant.turns("restarts")] == [UNKNOWN] * 2
    for said in ("/start_emotion_analysis", line):
        assistant.rest(said, "restarts")
    assert assistant.turns("restarts")[-1]["parse_data"]["entities"][-1]["state"] == "anger"


def test_decisions_of_a_running_server(assistant: Assistant) -> None:
    assistant.say(DANGER, "audit")
    url = str(assistant.http.base_url)
    command = ["decisions", "--url", url, "--sender", "audit", "--sender", "nobody"]
    result = separate_runner().invoke(main, [*command, "--format", "jsonl"])
    assert result.exit_code == 0, result.stderr
    (row,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (row["conversation"], row["rule"]) == ("audit", "danger")
    assert {key: row[key] for key in decision(assistant, "audit")} == decision(assistant, "audit")
    table = separate_runner().invoke(main, command, env={"COLUMNS": "200"})
    assert "turn 1: urgency" in table.stdout
    assert "smoke" not in result.stdout + table.stdout
