"""A slot that influences the conversation changes the dialogues that name an emotion, and no other.

Each turn of each dialogue is spoken in every emotion, to a bot of stories, and to each kind of Rasa's policies.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml
from cases import for_each
from conversations import voiced
from rasa.core.agent import Agent
from rasa.core.tracker_store import InMemoryTrackerStore
from rasa.shared.core.domain import Domain
from small_bot import Talk, train_bot, write_bot

from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN

pytestmark = pytest.mark.train

LABELS = (*EMOTIONS, UNKNOWN)

MEMORY = """
- {name: MemoizationPolicy, max_history: 5}
- {name: RulePolicy, core_fallback_threshold: 0.3, core_fallback_action_name: utter_default}
"""
SIZES = """
  transformer_size: {text: 16, dialogue: 16}
  number_of_transformer_layers: {text: 1, label: 1, action_text: 1, label_action_text: 1, dialogue: 1}
  constrain_similarities: true
  max_history: 5
  random_seed: 1
  learning_rate: 0.02
"""
NETWORKS = f"""
- name: TEDPolicy
  epochs: 60{SIZES}
- name: UnexpecTEDIntentPolicy
  epochs: 60{SIZES}
- {{name: RulePolicy, enable_fallback_prediction: false}}
"""

CONFIG = """
recipe: default.v1
assistant_id: stories-bot
language: en
pipeline:
- name: WhitespaceTokenizer
- name: KeywordIntentClassifier
- name: emotionlayer_rasa.EmotionExtractor
policies:
"""

DOMAIN = """
version: "3.1"
intents: [greet, thanks, complaint, order, affirm, deny, hours]
entities:
- emotion: {influence_conversation: false}
slots:
  emotion:
    type: categorical
    values: [anger, disgust, fear, joy, neutral, sadness, surprise, unknown]
    mappings: [{type: from_entity, entity: emotion}]
responses:
  utter_default: [{text: "I did not get that."}]
  utter_hello: [{text: "Hello."}]
  utter_welcome: [{text: "You are welcome."}]
  utter_sorry: [{text: "Sorry."}]
  utter_offer: [{text: "Shall I get you a person?"}]
  utter_person: [{text: "I get you a person."}]
  utter_ask: [{text: "The blue one?"}]
  utter_found: [{text: "Found."}]
  utter_ok: [{text: "I see."}]
  utter_hours: [{text: "From nine to five."}]
  utter_calm: [{text: "Do not worry, we are here from nine to five."}]
"""

DATA = """
version: "3.1"
nlu:
- {intent: greet, examples: "- hello"}
- {intent: thanks, examples: "- thank you"}
- {intent: complaint, examples: "- broken"}
- {intent: order, examples: "- order"}
- {intent: affirm, examples: "- yes"}
- {intent: deny, examples: "- nope"}
- {intent: hours, examples: "- open"}
rules:
- rule: Opening hours
  steps: [{intent: hours}, {action: utter_hours}]
stories:
- story: Thanks after hello
  steps: [{intent: greet}, {action: utter_hello}, {intent: thanks}, {action: utter_welcome}]
- story: A complaint after hello
  steps: [{intent: greet}, {action: utter_hello}, {intent: complaint}, {action: utter_sorry}]
- story: A complaint
  steps: [{intent: complaint}, {action: utter_sorry}]
- story: An order, the blue one
  steps: [{intent: order}, {action: utter_ask}, {intent: affirm}, {action: utter_found}]
- story: An order, another one
  steps: [{intent: order}, {action: utter_ask}, {intent: deny}, {action: utter_ok}]
"""

NAMED_IN_STORIES = """
- story: An angry complaint, a person is wanted
  steps:
  - intent: complaint
  - slot_was_set: [{emotion: anger}]
  - action: utter_offer
  - intent: affirm
  - action: utter_person
- story: An angry complaint, no person is wanted
  steps:
  - intent: complaint
  - slot_was_set: [{emotion: anger}]
  - action: utter_offer
  - intent: deny
  - action: utter_ok
"""

NAMED_IN_RULES = """
- rule: Opening hours, asked for in fear
  condition: [{slot_was_set: [{emotion: fear}]}]
  steps: [{intent: hours}, {action: utter_calm}]
"""

DIALOGUES: dict[str, list[tuple[str, str]]] = {
    "thanks": [("hello", "utter_hello"), ("thank you", "utter_welcome")],
    "complaint after hello": [("hello", "utter_hello"), ("it is broken", "utter_sorry")],
    "the blue one": [("my order", "utter_ask"), ("yes", "utter_found")],
    "another one": [("my order", "utter_ask"), ("nope", "utter_ok")],
    "by buttons": [("/order", "utter_ask"), ("/affirm", "utter_found")],
    "hours between": [("hello", "utter_hello"), ("are you open", "utter_hours"), ("thank you", "utter_welcome")],
}


def bot(folder: Path, policies: str, *, initial: str | None, stories: str = "", rules: str = "") -> Agent:
    """Train a bot whose slot has an initial value or none."""
    domain = yaml.safe_load(DOMAIN)
    if initial is not None:
        domain["slots"]["emotion"]["initial_value"] = initial
    data = DATA.replace("stories:\n", f"{rules.lstrip()}stories:\n{stories.lstrip()}")
    write_bot(folder, CONFIG + policies.lstrip(), yaml.safe_dump(domain), data)
    store = InMemoryTrackerStore(Domain.load(str(folder / "domain.yml")))
    return Agent.load(train_bot(folder), tracker_store=store)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((MEMORY, None, True), id="memory"),
        pytest.param((MEMORY, UNKNOWN, True), id="memory, initial value"),
        pytest.param((MEMORY, None, False), id="memory, named in rules"),
        pytest.param((MEMORY, UNKNOWN, False), id="memory, named in rules, initial value"),
        pytest.param((NETWORKS, UNKNOWN, True), id="networks, initial value"),
    ],
)
def named(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Agent, bool]:
    """A bot that names emotions in rules and, where the second value is true, in stories."""
    policies, initial, in_stories = request.param
    stories = NAMED_IN_STORIES if in_stories else ""
    folder = tmp_path_factory.mktemp("named")
    return bot(folder, policies, initial=initial, stories=stories, rules=NAMED_IN_RULES), in_stories


@for_each("label", LABELS)
def test_no_emotion_changes_a_dialogue_that_does_not_mention_it(
    named: tuple[Agent, bool], loop: asyncio.AbstractEventLoop, label: str
) -> None:
    for name, dialogue in DIALOGUES.items():
        talk = Talk(named[0], f"{name}-{label}", loop)
        for text, action in dialogue:
            expected = "utter_calm" if (action, label) == ("utter_hours", "fear") else action
            assert talk.say(text, voiced(label)) == [expected, "action_listen"], (name, text)


@for_each("label", LABELS)
def test_a_story_that_names_an_emotion_is_taken_with_it_alone(
    named: tuple[Agent, bool], loop: asyncio.AbstractEventLoop, label: str
) -> None:
    agent, in_stories = named
    talk = Talk(agent, f"complaint-{label}", loop)
    offered = in_stories and label == "anger"
    assert talk.say("it is broken", voiced(label))[0] == ("utter_offer" if offered else "utter_sorry")


@for_each("label", LABELS)
@for_each("answer, action", [("yes", "utter_person"), ("nope", "utter_ok"), ("/affirm", "utter_person")])
def test_a_story_that_names_an_emotion_goes_on_in_any(
    named: tuple[Agent, bool], loop: asyncio.AbstractEventLoop, label: str, answer: str, action: str
) -> None:
    agent, in_stories = named
    if in_stories:
        talk = Talk(agent, f"offer-{label}-{answer}", loop)
        assert talk.say("it is broken", voiced("anger"))[0] == "utter_offer"
        assert talk.say(answer, None if answer.startswith("/") else voiced(label))[0] == action


@pytest.mark.parametrize("text", ["hello", "/greet"])
def test_a_rule_that_names_an_emotion_leaves_nothing_of_it(
    named: tuple[Agent, bool], loop: asyncio.AbstractEventLoop, text: str
) -> None:
    talk = Talk(named[0], f"hours-{text}", loop)
    assert talk.say("are you open", voiced("fear"))[0] == "utter_calm"
    assert talk.say(text)[0] == "utter_hello"
    assert talk.say("thank you", voiced("joy"))[0] == "utter_welcome"
