"""A small bot with every kind of dialogue policy, and Rasa's agent to talk to it: no language is understood."""

from __future__ import annotations

import asyncio
import inspect
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rasa.model_training
from rasa.core.agent import Agent
from rasa.core.channels import UserMessage
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import Event
from rasa.utils.endpoints import EndpointConfig

from emotionlayer_rasa.utterance import METADATA_KEY

CONFIG = """
recipe: default.v1
assistant_id: small-bot
language: en
pipeline:
- name: WhitespaceTokenizer
- name: KeywordIntentClassifier
- name: emotionlayer_rasa.EmotionExtractor
policies:
- name: MemoizationPolicy
  max_history: 6
- name: RulePolicy
  core_fallback_threshold: 0.3
  core_fallback_action_name: utter_default
- name: emotionlayer_rasa.EscalationPolicy
  rules:
  - name: danger
    when: {states: [urgency], cues: {danger: 0.5}}
    action: utter_person
    priority: 10
    cooldown: 0
    urgent: true
  - name: angry
    when: {states: [anger, frustration], confidence: 0.6, turns: 2, window: 3}
    action: utter_offer
    cooldown: 2
  - name: a number, please
    when: {states: [insecurity]}
    action: order_form
  - name: sarcasm
    when: {states: [sarcasm], intents: [complaint], slots: {vip: true}}
    action: utter_hours
    once: true
"""

DOMAIN = """
version: "3.1"
intents: [complaint, order, greet, thanks, affirm, deny, stop_emotion_analysis, e2e]
entities:
- emotion: {influence_conversation: false}
slots:
  emotion:
    type: categorical
    initial_value: unknown
    values: [anger, disgust, fear, joy, neutral, sadness, surprise, unknown]
    influence_conversation: false
    mappings: [{type: from_entity, entity: emotion}]
  emotion_priority: {type: float, influence_conversation: false, mappings: [{type: custom}]}
  emotion_consent: {type: bool, initial_value: true, influence_conversation: false, mappings: [{type: custom}]}
  escalated: {type: bool, initial_value: false, influence_conversation: false, mappings: [{type: custom}]}
  vip: {type: bool, initial_value: false, influence_conversation: false, mappings: [{type: custom}]}
  order_number:
    type: text
    influence_conversation: false
    mappings: [{type: from_text, conditions: [{active_loop: order_form, requested_slot: order_number}]}]
forms:
  order_form: {required_slots: [order_number]}
actions: [action_validate_slot_mappings]
responses:
  utter_default: [{text: "Hm."}]
  utter_ok: [{text: "I see."}]
  utter_hello: [{text: "Hello."}]
  utter_welcome: [{text: "You are welcome."}]
  utter_offer: [{text: "Shall I get you a person?"}]
  utter_person: [{text: "I get you a person."}]
  utter_hours: [{text: "We are here from nine to five."}]
  utter_stopped: [{text: "I have stopped."}]
  utter_end: [{text: "Text."}]
  utter_ask_order_number: [{text: "Which order?"}]
  utter_found: [{text: "Found."}]
session_config: {session_expiration_time: 60, carry_over_slots_to_new_session: true}
"""

DATA = """
version: "3.1"
nlu:
- {intent: complaint, examples: "- broken"}
- {intent: order, examples: "- order"}
rules:
- rule: Complaint
  steps: [{intent: complaint}, {action: utter_ok}]
- rule: Yes
  steps: [{intent: affirm}, {action: utter_ok}]
- rule: No
  steps: [{intent: deny}, {action: utter_ok}]
- rule: Stop
  steps: [{intent: stop_emotion_analysis}, {action: utter_stopped}]
- rule: Order
  steps: [{intent: order}, {action: order_form}, {active_loop: order_form}]
- rule: Order found
  condition: [{active_loop: order_form}]
  steps: [{action: order_form}, {active_loop: null}, {action: utter_found}]
- rule: A person comes within the hours
  steps: [{action: utter_person}, {action: utter_hours}]
stories:
- story: Thanks after hello
  steps: [{intent: greet}, {action: utter_hello}, {intent: thanks}, {action: utter_welcome}]
"""


@dataclass
class Talk:
    """One conversation with the bot, in this process."""

    agent: Agent
    sender: str
    loop: asyncio.AbstractEventLoop = field(repr=False)

    def say(self, text: str, metadata: dict[str, Any] | None = None) -> list[str]:
        """Say something; gives the actions that follow, with ``action_listen`` where the bot listens again."""
        message = UserMessage(text, sender_id=self.sender, input_channel="test", metadata=metadata)
        self.loop.run_until_complete(self.agent.handle_message(message))
        names: list[str] = []
        for event in self.events():
            if event["event"] == "user":
                names = []
            elif event["event"] == "action":
                names.append(event["name"])
        return names

    def events(self) -> list[dict[str, Any]]:
        """The tracker's events as JSON."""
        return [event.as_dict() for event in self.tracker().events]

    def tracker(self) -> Any:
        """The tracker."""
        return self.loop.run_until_complete(self.agent.tracker_store.get_or_create_tracker(self.sender))

    def add(self, *events: Event) -> None:
        """Put events into the tracker."""
        tracker = self.tracker()
        tracker.update_with_events(list(events), self.agent.domain)
        self.loop.run_until_complete(self.agent.tracker_store.save(tracker))

    def decisions(self) -> list[dict[str, Any]]:
        """The records of the rules that have fired."""
        found = ((event.get("metadata") or {}).get(METADATA_KEY, {}) for event in self.events())
        return [record["escalation"] for record in found if "escalation" in record]


@dataclass
class Bot:
    """The trained small bot."""

    model: Path
    folder: Path
    loop: asyncio.AbstractEventLoop

    def agent(self, store: Any = None, actions: str | None = None) -> Agent:
        """Rasa's agent with the bot's model."""
        endpoint = EndpointConfig(actions) if actions else None
        return Agent.load(self.model, tracker_store=store, action_endpoint=endpoint)

    @property
    def domain(self) -> Domain:
        """The bot's domain."""
        return Domain.load(str(self.folder / "domain.yml"))


def write_bot(folder: Path, config: str = CONFIG, domain: str = DOMAIN, data: str = DATA) -> Path:
    """Write a bot's files."""
    for name, text in (("config.yml", config), ("domain.yml", domain), ("data.yml", data)):
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def train_bot(folder: Path) -> Path:
    """Train a bot in this process."""
    files = {name: str(folder / f"{name}.yml") for name in ("domain", "config", "data")}
    result = rasa.model_training.train(
        files["domain"],
        files["config"],
        [files["data"]],
        str(folder / "models"),
        force_training=True,
        core_additional_arguments={"augmentation_factor": 0},  # the stories as they are, for speed
    )
    if inspect.isawaitable(result):  # in rasa-pro
        result = asyncio.run(result)
    assert result.model
    return Path(result.model)
