"""TEDPolicy sees the emotion slots: trained by Rasa on stories that differ in nothing else, it chooses by them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from conversations import spoken
from rasa.core.agent import Agent
from rasa.core.tracker_store import InMemoryTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import SlotSet
from small_bot import Talk, train_bot, write_bot

pytestmark = pytest.mark.train

CONFIG = """
recipe: default.v1
assistant_id: ted-bot
language: en
pipeline:
- name: WhitespaceTokenizer
- name: KeywordIntentClassifier
- name: emotionlayer_rasa.EmotionExtractor
policies:
- name: TEDPolicy
  max_history: 2
  epochs: 40
  transformer_size: {text: 16, dialogue: 16}
  number_of_transformer_layers: {text: 1, action_text: 1, label_action_text: 1, dialogue: 1}
  learning_rate: 0.02
  constrain_similarities: true
  random_seed: 1
"""

DOMAIN = """
version: "3.1"
intents: [complaint, order]
entities:
- emotion: {influence_conversation: false}
slots:
  emotion:
    type: categorical
    initial_value: unknown
    values: [anger, disgust, fear, joy, neutral, sadness, surprise, unknown]
    influence_conversation: true
    mappings: [{type: from_entity, entity: emotion}]
  affective_state:
    type: categorical
    initial_value: unknown
    values: [neutral, uncertainty, anger, frustration, urgency, insecurity, unknown]
    influence_conversation: true
    mappings: [{type: custom}]
responses:
  utter_ok: [{text: "I see."}]
  utter_offer: [{text: "Shall I get you a person?"}]
  utter_order: [{text: "It is on its way."}]
  utter_quickly: [{text: "Tomorrow."}]
"""

DATA = """
version: "3.1"
nlu:
- {intent: complaint, examples: "- broken"}
- {intent: order, examples: "- order"}
stories:
- story: An angry complaint
  steps: [{intent: complaint}, {slot_was_set: [{emotion: anger}]}, {action: utter_offer}]
- story: A calm complaint
  steps: [{intent: complaint}, {slot_was_set: [{emotion: neutral}]}, {action: utter_ok}]
- story: An order in a hurry
  steps: [{intent: order}, {slot_was_set: [{affective_state: urgency}]}, {action: utter_quickly}]
- story: An order
  steps: [{intent: order}, {slot_was_set: [{affective_state: neutral}]}, {action: utter_order}]
"""


@pytest.fixture(scope="module")
def ted(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """A bot with TEDPolicy alone, trained."""
    folder: Path = write_bot(tmp_path_factory.mktemp("ted"), CONFIG, DOMAIN, DATA)
    store = InMemoryTrackerStore(Domain.load(str(folder / "domain.yml")))
    return Agent.load(train_bot(folder), tracker_store=store)


@pytest.mark.parametrize(("emotion", "action"), [("anger", "utter_offer"), ("neutral", "utter_ok")])
def test_the_slot_emotion(ted: Agent, loop: asyncio.AbstractEventLoop, emotion: str, action: str) -> None:
    talk = Talk(ted, f"emotion-{emotion}", loop)
    assert talk.say("it came broken", spoken(emotion))[0] == action
    assert talk.tracker().get_slot("emotion") == emotion
    assert chosen_by(talk, action) == "TEDPolicy"


@pytest.mark.parametrize(("state", "action"), [("urgency", "utter_quickly"), ("neutral", "utter_order")])
def test_the_slot_affective_state(ted: Agent, loop: asyncio.AbstractEventLoop, state: str, action: str) -> None:
    """In a bot, ``action_validate_slot_mappings`` sets this slot; here the tracker gets its event."""
    talk = Talk(ted, f"state-{state}", loop)
    talk.add(SlotSet("affective_state", state))
    assert talk.say("my order", None)[0] == action
    assert chosen_by(talk, action) == "TEDPolicy"


def chosen_by(talk: Talk, action: str) -> str:
    return str(next(event["policy"] for event in talk.events() if event.get("name") == action))
