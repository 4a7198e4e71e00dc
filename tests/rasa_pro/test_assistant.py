"""Training, loading and a conversation in rasa-pro, as far as it asks for no licence; policies next to flows."""

from __future__ import annotations

import asyncio
import json
import sys
import tarfile
from pathlib import Path
from typing import Iterator

import pytest
from conversations import spoken
from rasa.dialogue_understanding.stack.dialogue_stack import DialogueStack
from rasa.dialogue_understanding.stack.frames import UserFlowStackFrame
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.data import TrainingType
from rasa.utils.endpoints import EndpointConfig
from small_bot import DATA, DOMAIN, Bot, Talk, train_bot, write_bot

from emotionlayer_rasa.cli.conversations import read_store
from emotionlayer_rasa.cli.decisions import _rows
from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.nlg import ResponseGenerator
from emotionlayer_rasa.policies import EscalationPolicy
from emotionlayer_rasa.rasa_versions import entities_filling, tracker_stores

ANGRY = spoken("anger")
LISTEN = "action_listen"


@pytest.fixture
def talk(bot: Bot, loop: asyncio.AbstractEventLoop, request: pytest.FixtureRequest) -> Talk:
    """A new conversation, without an action server."""
    agent = bot.agent(tracker_stores().InMemoryTrackerStore(bot.domain))
    return Talk(agent, request.node.name, loop)


def test_the_component_is_given_domain_and_stories() -> None:
    config = {
        "recipe": "default.v1",
        "language": "en",
        "pipeline": [{"name": "KeywordIntentClassifier"}, {"name": "emotionlayer_rasa.EmotionExtractor"}],
        "policies": [{"name": "RulePolicy"}, {"name": "emotionlayer_rasa.EscalationPolicy"}],
    }
    graph = DefaultV1Recipe().graph_config_for_recipe(config, {})
    train = graph.train_schema.nodes["train_emotionlayer_rasa.EmotionExtractor1"].needs
    assert train["training_trackers"] == "training_tracker_provider"
    assert train["domain"] == "domain_for_core_training_provider"
    run = graph.predict_schema.nodes["run_emotionlayer_rasa.EmotionExtractor1"].needs
    assert run["domain"] == "domain_provider"
    alone = DefaultV1Recipe().graph_config_for_recipe(config, {}, TrainingType.NLU)
    assert "training_trackers" not in alone.train_schema.nodes["train_emotionlayer_rasa.EmotionExtractor1"].needs


def test_the_policy_fires_in_a_trained_bot(talk: Talk) -> None:
    assert talk.say("/complaint", ANGRY) == ["utter_ok", LISTEN]
    assert talk.say("/complaint", ANGRY) == ["utter_offer", LISTEN]
    (decision,) = _rows("a", talk.events())
    assert (decision["rule"], decision["turn"]) == ("angry", 2)


def test_typed_words_are_read(talk: Talk) -> None:
    talk.say("thank you so much, it works perfectly!")
    assert talk.tracker().get_slot("emotion") == "joy"


def test_what_stories_name_is_learnt(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    shown = "mappings: [{type: from_entity"
    hidden = f"influence_conversation: false\n    {shown}"
    assert hidden in DOMAIN
    rule = """- rule: Angry order
  steps: [{intent: thanks}, {slot_was_set: [{emotion: anger}]}, {action: utter_offer}]
stories:"""
    folder = write_bot(tmp_path, domain=DOMAIN.replace(hidden, shown), data=DATA.replace("stories:", rule))
    with tarfile.open(train_bot(folder)) as archive:
        (name,) = (name for name in archive.getnames() if name.endswith("named_emotions.json"))
        file = archive.extractfile(name)
        assert file is not None
        learnt = json.load(file)
    assert [(turn["path"], turn["value"]) for turn in learnt["turns"] if turn["named"]] == [(["/thanks"], "anger")]


def test_entities_of_a_slot_are_known() -> None:
    slots = {slot.name: slot for slot in Domain.from_yaml(DOMAIN).slots}
    assert entities_filling(slots["emotion"]) == {"emotion"}
    assert entities_filling(slots["escalated"]) == set()


@pytest.fixture
def actions(tmp_path: Path) -> Iterator[str]:
    """The address of an action server of this rasa-sdk."""
    port = free_port()
    (tmp_path / "endpoints.yml").write_text("llm:\n")
    with Servers(tmp_path / "logs", {"EMOTIONLAYER_ENDPOINTS": str(tmp_path / "endpoints.yml")}) as servers:
        command = [sys.executable, "-m", "rasa_sdk", "--actions", "emotionlayer_rasa.actions", "--port", str(port)]
        servers.start("actions", command)
        servers.wait("actions", f"http://127.0.0.1:{port}/health", lambda answer: answer.is_success)
        yield f"http://127.0.0.1:{port}/webhook"


def test_the_action_server_fills_slots_and_asks_for_the_domain_once(
    bot: Bot, actions: str, loop: asyncio.AbstractEventLoop
) -> None:
    """rasa-pro sends a digest, and the domain itself only where the action server does not have it."""
    talk = Talk(bot.agent(tracker_stores().InMemoryTrackerStore(bot.domain), actions), "slots", loop)
    for _ in range(2):
        talk.say("/complaint", ANGRY)
    assert talk.tracker().get_slot("emotion_priority") > 50


def test_a_tracker_store_is_read(bot: Bot, tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    endpoints = tmp_path / "endpoints.yml"
    database = tmp_path / "rasa.db"
    endpoints.write_text(f"tracker_store:\n  type: SQL\n  dialect: sqlite\n  db: {database}\n")
    config = EndpointConfig(type="SQL", dialect="sqlite", db=str(database))
    store = tracker_stores().TrackerStore.create(config, bot.domain)
    Talk(bot.agent(store), "kept", loop).say("/complaint", ANGRY)
    (names,) = read_store(endpoints, [], lambda sender, events: [sender, *(event["event"] for event in events)])
    assert names[0] == "kept"
    assert "user" in names


def test_responses_are_filled(loop: asyncio.AbstractEventLoop) -> None:
    generator = ResponseGenerator({"utter_hello": [{"text": "Hello {name}."}]})
    request = {"response": "utter_hello", "tracker": {"slots": {"name": "Ada"}}, "channel": {"name": "x"}}
    assert loop.run_until_complete(generator.generate(request))["text"] == "Hello Ada."


@pytest.mark.parametrize("where", ["nowhere", "in a flow", "routed to flows"])
def test_next_to_flows(tmp_path: Path, where: str) -> None:
    """The rule would fire, so that silence is the flow's doing."""
    config = {"rules": [{"name": "angry", "when": {"states": ["anger"]}, "action": "utter_offer"}]}
    context = ExecutionContext(GraphSchema({}))
    policy = EscalationPolicy(config, LocalModelStorage(tmp_path), Resource("policy"), context)
    routed = "\n  route_session_to_calm: {type: bool, mappings: [{type: controlled}]}"
    domain = Domain.from_yaml(DOMAIN.replace("slots:", f"slots:{routed}", 1))
    tracker = DialogueStateTracker.from_dict("a", [], domain.slots)
    said = UserUttered("/complaint", {"name": "complaint", "confidence": 1.0}, metadata=ANGRY)
    tracker.update_with_events([ActionExecuted(LISTEN), said], domain)
    if where == "in a flow":
        frame = UserFlowStackFrame(flow_id="transfer", step_id="ask", frame_id="1")
        tracker.update_stack(DialogueStack([frame]))
    elif where == "routed to flows":
        tracker.update(SlotSet("route_session_to_calm", True), domain)
    prediction = policy.predict_action_probabilities(tracker, domain)
    assert (prediction.max_confidence > 0) == (where == "nowhere")
