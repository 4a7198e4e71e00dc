"""Callers whom the bot does not understand: Rasa takes their turns back, the memory and the policy count them."""

from __future__ import annotations

import asyncio
import sys
from typing import Iterator

import pytest
from conversations import spoken
from rasa.core.agent import Agent
from rasa.core.tracker_store import InMemoryTrackerStore
from small_bot import Bot, Talk, train_bot, write_bot

from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.conversation import Conversation

pytestmark = [pytest.mark.server, pytest.mark.train]

ANGRY = spoken("anger", 0.5)
LISTEN = "action_listen"
CONFIG = """
recipe: default.v1
assistant_id: fallback-bot
language: en
pipeline:
- name: WhitespaceTokenizer
- name: RegexEntityExtractor
- name: KeywordIntentClassifier
- name: FallbackClassifier
  threshold: 0.5
- name: emotionlayer_rasa.EmotionExtractor
policies:
- name: RulePolicy
- name: emotionlayer_rasa.EscalationPolicy
  rules:
  - name: angry
    when: {{states: [anger, frustration], confidence: 0.4, turns: {turns}, window: 4}}
    action: utter_offer
"""
DOMAIN = """
version: "3.1"
intents: [complaint, order, dress, deny, out_of_scope, nlu_fallback]
entities:
- size
- emotion: {influence_conversation: false}
slots:
  emotion:
    type: text
    influence_conversation: false
    mappings: [{type: from_entity, entity: emotion}]
  affective_state: {type: text, influence_conversation: false, mappings: [{type: custom}]}
  negative_streak: {type: float, influence_conversation: false, mappings: [{type: custom}]}
  order_number:
    type: text
    influence_conversation: false
    mappings: [{type: from_text, conditions: [{active_loop: order_form, requested_slot: order_number}]}]
  size:
    type: text
    influence_conversation: false
    mappings: [{type: from_entity, entity: size}]
forms:
  order_form: {required_slots: [order_number]}
  size_form: {required_slots: [size]}
actions: [action_validate_slot_mappings, validate_order_form]
responses:
  utter_default: [{text: "Hm."}]
  utter_ok: [{text: "I see."}]
  utter_offer: [{text: "Shall I get you a person?"}]
  utter_ask_rephrase: [{text: "Pardon?"}]
  utter_ask_order_number: [{text: "Which order?"}]
  utter_ask_size: [{text: "Which size?"}]
"""
DATA = """
version: "3.1"
nlu:
- {{intent: complaint, examples: "- broken"}}
- {{intent: order, examples: "- order"}}
- {{intent: dress, examples: "- dress\\n- dress [large](size)"}}
- {{lookup: size, examples: "- large"}}
rules:
- rule: Complaint
  steps: [{{intent: complaint}}, {{action: utter_ok}}]
- rule: Order
  steps: [{{intent: order}}, {{action: order_form}}, {{active_loop: order_form}}]
- rule: Order found
  condition: [{{active_loop: order_form}}]
  steps: [{{action: order_form}}, {{active_loop: null}}, {{action: utter_ok}}]
- rule: Dress found
  condition: [{{active_loop: size_form}}]
  steps: [{{action: size_form}}, {{active_loop: null}}, {{action: utter_ok}}]
- rule: Dress
  steps: [{{intent: dress}}, {{action: size_form}}, {{active_loop: size_form}}]
{fallback}
"""
FALLBACKS = {
    "core": "",  # RulePolicy's own, where no policy is sure
    "rule": "- {rule: Pardon, steps: [{intent: nlu_fallback}, {action: action_default_fallback}]}",
    "two_stage": (
        "- {rule: Pardon, steps: [{intent: nlu_fallback}, {action: action_two_stage_fallback}, "
        "{active_loop: action_two_stage_fallback}]}"
    ),
}
ACTIONS = """
from rasa_sdk import FormValidationAction

from emotionlayer_rasa.actions import ValidateEmotionSlots  # noqa: F401


class ValidateOrderForm(FormValidationAction):
    def name(self):
        return "validate_order_form"

    def validate_order_number(self, value, dispatcher, tracker, domain):
        return {"order_number": value if value.isdigit() else None}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an action server with our slots and a form's validation."""
    folder, port = tmp_path_factory.mktemp("fallback-actions"), free_port()
    (folder / "endpoints.yml").write_text("llm:\n")
    (folder / "form_actions.py").write_text(ACTIONS)
    environment = {"EMOTIONLAYER_ENDPOINTS": str(folder / "endpoints.yml"), "PYTHONPATH": str(folder)}
    with Servers(folder / "logs", environment) as servers:
        servers.start(
            "actions", [sys.executable, "-m", "rasa_sdk", "--actions", "form_actions", "--port", str(port)]
        )
        servers.wait("actions", f"http://127.0.0.1:{port}/health", lambda answer: answer.is_success)
        yield f"http://127.0.0.1:{port}/webhook"


@pytest.fixture(scope="module")
def bots() -> dict[str, Bot]:
    """A bot for each kind of fallback, trained when a test asks for it."""
    return {}


@pytest.fixture
def agent(
    bots: dict[str, Bot],
    server: str,
    loop: asyncio.AbstractEventLoop,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Agent:
    """The agent of the bot whose fallback, and angry turns of the rule, the test names."""
    fallback, turns = request.param
    name = f"{fallback}-{turns}"
    if name not in bots:
        data = DATA.format(fallback=FALLBACKS[fallback])
        folder = write_bot(tmp_path_factory.mktemp(name), CONFIG.format(turns=turns), DOMAIN, data)
        bots[name] = Bot(train_bot(folder), folder, loop)
    bot = bots[name]
    return bot.agent(InMemoryTrackerStore(bot.domain), server)


@pytest.fixture
def talk(agent: Agent, loop: asyncio.AbstractEventLoop) -> Talk:
    """A new conversation."""
    return Talk(agent, "caller", loop)


def streak(talk: Talk) -> int:
    return Conversation.from_rasa(talk.tracker()).memory.negative_streak


@pytest.mark.parametrize("agent", [(fallback, 4) for fallback in FALLBACKS], indirect=True)
def test_four_angry_turns_that_are_not_understood_are_escalated(talk: Talk) -> None:
    for count in range(1, 4):
        assert talk.say("mumble", ANGRY)[0] != "utter_offer"
        assert streak(talk) == count
    assert talk.say("mumble", ANGRY) == ["utter_offer", LISTEN]
    (decision,) = talk.decisions()
    assert (decision["turn"], [reading["turn"] for reading in decision["readings"]]) == (4, [1, 2, 3, 4])
    assert talk.tracker().get_slot("negative_streak") == 4
    assert talk.tracker().active_loop_name is None


@pytest.mark.parametrize("agent", [(fallback, 2) for fallback in FALLBACKS], indirect=True)
def test_a_turn_that_is_not_understood_after_a_rule_has_fired_is_answered_once(talk: Talk) -> None:
    talk.say("mumble", ANGRY)
    assert talk.say("mumble", ANGRY) == ["utter_offer", LISTEN]
    answer, *then = talk.say("mumble", spoken("neutral"))
    assert answer in ("action_default_fallback", "action_two_stage_fallback")
    assert then == [LISTEN]
    actions = [getattr(event, "action_name", None) for event in talk.tracker().applied_events()]
    assert actions.count("utter_offer") == 1, "the turn of the rule is not taken back with the one that follows"


@pytest.mark.parametrize("agent", [("two_stage", 2)], indirect=True)
def test_the_two_stage_fallback_holds_no_rule_back_and_its_put_back_message_is_one_turn(talk: Talk) -> None:
    assert talk.say("mumble", ANGRY) == ["action_two_stage_fallback", LISTEN]
    assert talk.say("it is broken", spoken("neutral")) == ["utter_ok", LISTEN], "made clear"
    assert [event["event"] for event in talk.events()].count("user") == 3
    assert len(Conversation.from_rasa(talk.tracker()).turns) == 2
    assert talk.say("mumble", spoken("neutral")) == ["action_two_stage_fallback", LISTEN]
    assert talk.say("mumble", ANGRY) == ["utter_offer", LISTEN]
    assert talk.tracker().active_loop_name is None


@pytest.mark.parametrize("agent", [("core", 2), ("rule", 2)], indirect=True)
def test_the_slots_of_a_turn_that_was_taken_back_are_put_back(talk: Talk) -> None:
    talk.say("broken", spoken("neutral"))
    talk.say("mumble", ANGRY)
    tracker = talk.tracker()
    assert tracker.latest_message.intent["name"] == "complaint", "Rasa took the turn back"
    assert (tracker.get_slot("affective_state"), tracker.get_slot("negative_streak")) == ("anger", 1)
    talk.say("broken", spoken("neutral"))
    assert talk.tracker().get_slot("negative_streak") == 0


@pytest.mark.parametrize("agent", [("rule", 2)], indirect=True)
@pytest.mark.parametrize("order", ["dress", "order"])
def test_a_form_that_gets_no_answer_is_left(talk: Talk, order: str) -> None:
    """One whose slot is not found in the turn (Rasa rejects the form), one that refuses what is said."""
    assert talk.say(order, spoken("neutral"))[1:] == [LISTEN]
    assert talk.say("mumble", ANGRY)[-1] == LISTEN
    assert talk.tracker().active_loop_name is not None
    assert "utter_offer" in talk.say("mumble", ANGRY)
    assert talk.tracker().active_loop_name is None


@pytest.mark.parametrize("agent", [("rule", 2)], indirect=True)
@pytest.mark.parametrize(("order", "answers"), [("dress", "large"), ("order", "1042")])
def test_an_angry_answer_is_taken_for_one(talk: Talk, order: str, answers: str) -> None:
    talk.say(order, ANGRY)
    assert "utter_offer" not in talk.say(answers, ANGRY)
    assert answers in talk.tracker().current_slot_values().values()
