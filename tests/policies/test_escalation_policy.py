"""The policy beside Rasa's own, in a trained bot; what a wrong rule says."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import for_each
from command_line import separate_runner
from conversations import spoken
from rasa.core.brokers.file import FileEventBroker
from rasa.core.policies.ensemble import DefaultPolicyPredictionEnsemble
from rasa.core.policies.policy import PolicyPrediction
from rasa.core.tracker_store import SQLTrackerStore
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ConversationPaused,
    SessionStarted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from small_bot import CONFIG, DATA, DOMAIN, Bot, Talk, write_bot

import emotionlayer_rasa
from emotionlayer_rasa.affect.escalation_rules import Condition, Rule
from emotionlayer_rasa.cli import main
from emotionlayer_rasa.policies import EscalationPolicy
from emotionlayer_rasa.utterance import METADATA_KEY

ANGRY = spoken("anger")
DANGER = spoken("urgency", danger=0.9)
LISTEN = "action_listen"


def test_it_fires_on_the_second_angry_turn_then_the_caller_speaks_then_it_cools_down(talk: Talk) -> None:
    """RulePolicy has a rule for each of these turns."""
    assert talk.say("/complaint", ANGRY) == ["utter_ok", LISTEN]
    assert talk.say("/complaint", ANGRY) == ["utter_offer", LISTEN]
    assert talk.say("/complaint", ANGRY) == ["utter_ok", LISTEN]
    assert talk.say("/complaint", ANGRY) == ["utter_ok", LISTEN]
    assert talk.say("/complaint", ANGRY) == ["utter_offer", LISTEN]
    first, second = talk.decisions()
    assert (first["rule"], first["action"], first["turn"], second["turn"]) == ("angry", "utter_offer", 2, 5)
    assert [reading["turn"] for reading in first["readings"]] == [1, 2]
    assert [reading["state"] for reading in first["readings"]] == ["anger", "anger"]
    (event, _) = [event for event in talk.events() if event.get("name") == "utter_offer"]
    assert event["policy"] == "EscalationPolicy"
    assert event["confidence"] == 1.0
    json.dumps(event)


def test_calm_unknown_or_unsure_turns_change_nothing(talk: Talk) -> None:
    for metadata in (spoken("neutral"), None, ANGRY, spoken("anger", 0.5), spoken("neutral"), None):
        assert talk.say("/complaint", metadata) == ["utter_ok", LISTEN]
    assert talk.decisions() == []


def test_typed_words_count_as_well(talk: Talk) -> None:
    """Nothing but the words: the component reads them."""
    assert talk.say("help my charger is on fire and there is smoke") == ["utter_person", "utter_hours", LISTEN]
    (decision,) = talk.decisions()
    assert decision["readings"][0]["cues"]["danger"] > 0.5
    assert "smoke" not in json.dumps(decision)


def test_a_rule_says_how_the_action_goes_on(talk: Talk) -> None:
    assert talk.say("/complaint", DANGER) == ["utter_person", "utter_hours", LISTEN]


def test_without_consent_or_after_a_handover_it_predicts_nothing(talk: Talk) -> None:
    talk.say("/greet")
    talk.add(SlotSet("emotion_consent", False))
    assert talk.say("/complaint", DANGER) == ["utter_ok", LISTEN]
    talk.add(SlotSet("emotion_consent", True), SlotSet("escalated", True))
    assert talk.say("/complaint", DANGER) == ["utter_ok", LISTEN]
    talk.add(SlotSet("escalated", False))
    assert talk.say("/complaint", DANGER)[0] == "utter_person"


def test_a_paused_conversation_stays_paused(talk: Talk) -> None:
    talk.say("/greet")
    talk.add(ConversationPaused())
    assert talk.say("/complaint", DANGER) == []


def test_what_the_caller_wants_of_the_analysis_goes_first(talk: Talk) -> None:
    assert talk.say("/stop_emotion_analysis", DANGER) == ["utter_stopped", LISTEN]


def test_a_yes_or_no_is_left_alone_unless_it_is_urgent(talk: Talk) -> None:
    talk.say("/complaint", ANGRY)
    assert talk.say("/deny", ANGRY) == ["utter_ok", LISTEN]
    assert talk.say("/deny", DANGER)[0] == "utter_person"


def test_a_form_goes_on_asking(talk: Talk) -> None:
    talk.say("/complaint", ANGRY)
    assert talk.say("/order", spoken("neutral")) == ["order_form", LISTEN]
    assert talk.tracker().active_loop_name == "order_form"
    assert talk.say("1042", ANGRY) == ["order_form", "utter_found", LISTEN]
    assert talk.say("/complaint", ANGRY) == ["utter_offer", LISTEN]
    assert talk.tracker().get_slot("order_number") == "1042"


def test_an_urgent_rule_ends_the_form(talk: Talk) -> None:
    talk.say("/order")
    assert talk.say("smoke", DANGER) == ["utter_person", "utter_hours", LISTEN]
    tracker = talk.tracker()
    assert (tracker.active_loop_name, tracker.get_slot("requested_slot")) == (None, None)
    assert talk.say("/affirm") == ["utter_ok", LISTEN], "the yes is no order number"


def test_a_rule_may_start_a_form(talk: Talk) -> None:
    assert talk.say("/complaint", spoken("insecurity")) == ["order_form", LISTEN]
    assert talk.tracker().active_loop_name == "order_form"
    assert talk.say("1042") == ["order_form", "utter_found", LISTEN]


def test_intents_and_slots_are_asked_for_and_once_is_once(talk: Talk) -> None:
    assert talk.say("/complaint", spoken("sarcasm")) == ["utter_ok", LISTEN]
    talk.add(SlotSet("vip", True))
    assert talk.say("/greet", spoken("sarcasm")) == ["utter_hello", LISTEN]
    assert talk.say("/complaint", spoken("sarcasm")) == ["utter_hours", LISTEN]
    for _ in range(5):
        assert talk.say("/complaint", spoken("sarcasm")) == ["utter_ok", LISTEN]
    talk.say("/session_start")
    assert talk.say("/complaint", spoken("sarcasm")) == ["utter_hours", LISTEN], "a new session"


def test_back_takes_back_neither_anger_nor_what_was_done_about_it(talk: Talk) -> None:
    talk.say("/complaint", ANGRY)
    talk.say("/back")
    assert talk.say("/complaint", ANGRY) == ["utter_offer", LISTEN]
    talk.say("/back")
    assert talk.say("/complaint", ANGRY) == ["utter_ok", LISTEN], "it cools down"


def test_a_restart_begins_anew(talk: Talk) -> None:
    talk.say("/complaint", ANGRY)
    talk.say("/restart", ANGRY)
    assert talk.say("/complaint", ANGRY) == ["utter_ok", LISTEN]
    assert talk.say("/complaint", ANGRY) == ["utter_offer", LISTEN]


def test_policies_that_learn_from_stories_do_not_see_a_turn_that_is_in_none(talk: Talk) -> None:
    """MemoizationPolicy knows thanks after hello, with nothing between."""
    assert talk.say("/greet") == ["utter_hello", LISTEN]
    assert talk.say("/greet", DANGER) == ["utter_person", "utter_hours", LISTEN]
    assert talk.say("/thanks") == ["utter_welcome", LISTEN]


@pytest.mark.train
def test_decision_and_priority_are_in_the_messages_of_the_event_broker_and_in_the_tracker_store(
    bot: Bot, actions: str, loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    broker = FileEventBroker(str(tmp_path / "events.jsonl"))
    store = SQLTrackerStore(bot.domain, dialect="sqlite", db=str(tmp_path / "rasa.db"), event_broker=broker)
    talk = Talk(bot.agent(store, actions), "broker", loop)
    talk.say("/complaint", ANGRY)
    talk.say("/complaint", ANGRY)
    published = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert {event["sender_id"] for event in published} == {"broker"}
    priorities = [event["value"] for event in published if event.get("name") == "emotion_priority"]
    assert priorities == [50.0, 55.0]
    (offer,) = [event for event in published if event.get("name") == "utter_offer"]
    record = offer["metadata"][METADATA_KEY]["escalation"]
    assert (record["rule"], record["priority"]) == ("angry", 55)

    endpoints = tmp_path / "endpoints.yml"
    section = {"type": "SQL", "dialect": "sqlite", "db": str(tmp_path / "rasa.db")}
    endpoints.write_text(yaml.safe_dump({"tracker_store": section}))
    listed = separate_runner().invoke(main, ["decisions", "--endpoints", str(endpoints), "--format", "jsonl"])
    assert listed.exit_code == 0, listed.stderr
    row = json.loads(listed.stdout)
    assert (row.pop("conversation"), bool(row.pop("time")), row) == ("broker", True, record)


def policy(tmp_path: Path, *rules: dict[str, Any], **keys: Any) -> EscalationPolicy:
    """The policy, created as Rasa does."""
    config = {**EscalationPolicy.get_default_config(), "rules": list(rules), **keys}
    return EscalationPolicy.create(
        config, LocalModelStorage(tmp_path), Resource("policy"), ExecutionContext(GraphSchema({}))
    )


def domain() -> Domain:
    return Domain.from_yaml(DOMAIN)


def angry_tracker(action: str | None = None) -> DialogueStateTracker:
    events = [SessionStarted(), ActionExecuted(LISTEN), UserUttered("x", {"name": "complaint"}, metadata=ANGRY)]
    tracker = DialogueStateTracker.from_events("x", events, slots=domain().slots)
    if action:
        tracker.update(ActionExecuted(action))
    return tracker


ONCE_ANGRY = {"name": "angry", "when": {"states": ["anger"]}, "action": "utter_offer"}


def test_it_wins_over_any_policy_and_its_listening_over_a_guess_only(tmp_path: Path) -> None:
    ours = policy(tmp_path, ONCE_ANGRY)
    tracker, end = angry_tracker(), domain().index_for_action("utter_end")
    fired = ours.predict_action_probabilities(tracker, domain())

    def pick(prediction: PolicyPrediction, **other: Any) -> str:
        """The action that Rasa's ensemble chooses beside another policy that is sure of ``utter_end``."""
        probabilities = [0.0] * domain().num_actions
        probabilities[end] = other.pop("confidence", 1.0)
        rival = PolicyPrediction(probabilities, "Rival", **other)
        for pair in ([prediction, rival], [rival, prediction]):
            best = DefaultPolicyPredictionEnsemble._pick_best_policy(copy.deepcopy(pair))
            names = [domain().action_names_or_texts[best.max_confidence_index]]
        return names[0]

    assert pick(fired, policy_priority=4) == "utter_offer"
    assert pick(fired, policy_priority=4, is_end_to_end_prediction=True) == "utter_offer"
    assert pick(fired, policy_priority=4, is_no_user_prediction=True) == "utter_offer"
    nothing = ours.predict_action_probabilities(angry_tracker("utter_ok"), domain())
    assert pick(nothing, policy_priority=1, confidence=0.1) == "utter_end"

    tracker.update(ActionExecuted("utter_offer", metadata=fired.action_metadata))
    tracker.update(ActionExecuted("utter_hours"))  # a follow-up of that action, which Rasa runs unasked
    listens = ours.predict_action_probabilities(tracker, domain())
    assert pick(listens, policy_priority=1) == LISTEN
    assert pick(listens, policy_priority=4, confidence=0.3) == LISTEN
    assert pick(listens, policy_priority=4) == "utter_end"


def test_it_is_trained_kept_and_loaded(tmp_path: Path) -> None:
    ours = policy(tmp_path, ONCE_ANGRY)
    story = DialogueStateTracker.from_events("story", [ActionExecuted("utter_offer")])
    rule = DialogueStateTracker("rule", None, is_rule_tracker=True)
    rule.update(ActionExecuted("utter_ok"))
    resource = ours.train([story, rule], domain())
    storage, context = LocalModelStorage(tmp_path), ExecutionContext(GraphSchema({}))
    for action, hidden in (("utter_offer", False), ("utter_ok", True)):
        config = {**EscalationPolicy.get_default_config(), "rules": [{**ONCE_ANGRY, "action": action}]}
        loaded = EscalationPolicy.load(config, storage, resource, context)
        prediction = loaded.predict_action_probabilities(angry_tracker(), domain())
        assert prediction.hide_rule_turn is hidden
        assert prediction.max_confidence_index == domain().index_for_action(action)


def rule(**keys: Any) -> dict[str, Any]:
    return {**ONCE_ANGRY, **keys}


def when(**keys: Any) -> dict[str, Any]:
    return rule(when=keys)


@for_each(
    "wrong, said",
    [
        (
            rule(typo=1),
            "'typo' is no known key (known here: name, when, action, cooldown, priority, once, urgent)",
        ),
        (when(states=["angry"]), "'when.states.0': 'angry' is no state (known: neutral, enthusiasm,"),
        (when(emotions=["rage"]), "'when.emotions.0': 'rage' is no emotion (known: anger, disgust, fear,"),
        (when(cues={"risk": 0.5}), "'when.cues': 'risk' is no cue (known: urgency, danger,"),
        (when(cues={"danger": 2}), "'when.cues': the least strength of 'danger' is 2.0; it must lie above 0 and"),
        (when(trend="down"), "'when.trend': 'down' is no trend (known: rising, falling, steady)"),
        (when(state=["anger"]), "'when.state' is no known key (known here: states, emotions, cues, confidence,"),
        (when(states=["anger"], confidence=60), "'when.confidence': ensure this value is less than or equal to 1"),
        (when(cues={"danger": 1}, confidence=0.5), "'when.confidence': whose confidence? Name 'states' or"),
        (when(trend="falling", turns=2), "'when.turns': which turns? Name 'states', 'emotions' or 'cues'"),
        (when(states=["anger"], turns=0), "'when.turns': ensure this value is greater than or equal to 1"),
        (when(states=["anger"], turns=3, window=2), "'when.window': 3 turns do not fit into the last 2"),
        (when(intents=["complaint"]), "'when': name at least one of states, emotions, cues, trend,"),
        (when(), "'when': name at least one of states, emotions, cues, trend, failed_strategies"),
        (rule(when=None), "'when': none is not an allowed value"),
        (rule(cooldown=-1), "'cooldown': ensure this value is greater than or equal to 0"),
        (rule(action=""), "'action': ensure this value has at least 1 characters"),
        ({"name": "angry", "when": {"states": ["anger"]}}, "'action': field required"),
    ],
)
def test_a_wrong_rule_is_named_with_its_key(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfigException) as raised:
        policy(tmp_path, wrong)
    assert str(raised.value).startswith("config.yml, emotionlayer_rasa.EscalationPolicy, rule 'angry': ")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"rules": [ONCE_ANGRY, ONCE_ANGRY]}, "rule 'angry': 'name': another rule has it"),
        ({"rules": [{"when": {"states": ["anger"]}, "action": "x"}]}, "rule '1': 'name': field required"),
        ({"rules": ["angry"]}, "'rules.0': value is not a valid dict"),
        ({"rule": []}, "'rule' is no known key (known here: rules, answers, excluded_intents, priority)"),
    ],
)
def test_wrong_keys_of_the_policy(tmp_path: Path, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfigException) as raised:
        policy(tmp_path, **keys)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (rule(action="utter_ofer"), "rule 'angry': 'action': 'utter_ofer' is not in the domain"),
        (
            when(states=["anger"], intents=["refund"]),
            "rule 'angry': 'when.intents': 'refund' is not in the",
        ),
        (when(states=["anger"], slots={"gold": 1}), "rule 'angry': 'when.slots': 'gold' is not in the domain"),
    ],
)
def test_what_the_domain_does_not_know(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfigException) as raised:
        policy(tmp_path, wrong).train([], domain())
    assert said in str(raised.value)


def test_intents_of_the_policy_that_the_domain_does_not_know(tmp_path: Path) -> None:
    policy(tmp_path, excluded_intents=["order", "ask_human"]).train([], domain())
    with pytest.raises(InvalidConfigException, match="'answers': the intent 'affrim' is not in the domain"):
        policy(tmp_path, answers=["affrim"]).train([], domain())


@pytest.mark.train
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("when", {"states": ["angry"]}, "rule 'danger': 'when.states.0': 'angry' is no state"),
        ("action", "action_call_police", "rule 'danger': 'action': 'action_call_police' is not in the domain"),
    ],
)
def test_rasa_train_stops(tmp_path: Path, key: str, value: Any, said: str) -> None:
    config = yaml.safe_load(CONFIG)
    config["policies"][-1]["rules"][0][key] = value
    write_bot(tmp_path, yaml.safe_dump(config), DOMAIN, DATA)
    done = subprocess.run(
        [*(sys.executable, "-m", "rasa", "train", "core"), "--stories", "data.yml", "--out", "models"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert not list(tmp_path.glob("models/*.tar.gz"))


def test_the_policy_is_a_name_of_the_package(tmp_path: Path) -> None:
    assert emotionlayer_rasa.EscalationPolicy is EscalationPolicy
    ours = policy(tmp_path, when(states=["anger"], turns=2))
    assert ours._rules == [Rule("angry", Condition(states=("anger",), turns=2, window=2), "utter_offer")]
