"""The additions of docs/add-to-a-bot.md in a bot that was there before, ``rasa init``'s, with the page's YAML.

Every dialogue of the bot's stories and rules goes on as it did, whatever the emotion and however many of the
additions are made.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any, Iterator, Mapping

import pytest
import rasa.model_training
import yaml
from bots import Bot, Dialogues
from conversations import voiced
from rasa.cli.scaffold import create_initial_project
from rasa.core.agent import Agent
from rasa.core.test import test as evaluate
from rasa.core.tracker_store import InMemoryTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import UserUttered
from rasa.shared.core.training_data.story_reader.yaml_story_reader import YAMLStoryReader
from rasa.shared.core.training_data.story_writer.yaml_story_writer import YAMLStoryWriter
from rasa.shared.exceptions import InvalidConfigException
from rasa.utils.endpoints import EndpointConfig

from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN

pytestmark = pytest.mark.train

LABELS = (*EMOTIONS, UNKNOWN)

# Rasa's default pipeline and policies without what takes long to train; tests/policies has the others.
CONFIG: dict[str, Any] = {
    "recipe": "default.v1",
    "assistant_id": "moods",
    "language": "en",
    "pipeline": [
        {"name": "WhitespaceTokenizer"},
        {"name": "RegexFeaturizer"},
        {"name": "CountVectorsFeaturizer"},
        {"name": "CountVectorsFeaturizer", "analyzer": "char_wb", "min_ngram": 1, "max_ngram": 4},
        {"name": "LogisticRegressionClassifier", "random_state": 1},
        {"name": "RegexEntityExtractor"},
        {"name": "EntitySynonymMapper"},
        {"name": "FallbackClassifier", "threshold": 0.1, "ambiguity_threshold": 0.0},
    ],
    "policies": [
        {"name": "MemoizationPolicy"},
        {"name": "RulePolicy"},
    ],
}

# What the bot of this test has besides: an entity of its own, and a complaint for the page's rule.
MORE = """
version: "3.1"
intents: [complaint, order]
entities: [number]
responses:
  utter_offer_human: [{text: "Shall I connect you with a person?"}]
  utter_table: [{text: "Your table is booked."}]
nlu:
- intent: complaint
  examples: |
    - I want to complain
    - this is a complaint
- intent: order
  examples: |
    - book table [4](number)
    - book the table [12](number) please
- {regex: number, examples: '- \\d+'}
stories:
- story: a complaint
  steps: [{intent: complaint}, {action: utter_cheer_up}]
- story: a table
  steps: [{intent: order, entities: [number]}, {action: utter_table}]
"""

DIALOGUES = {
    "happy": ["hello", "I am feeling very good"],
    "sad, helped": ["hey there", "my day was horrible", "yes"],
    "sad, not helped": ["good morning", "I don't feel very well", "not really"],
    "a rule between": ["hello", "are you a bot?", "I am great", "bye"],
    "buttons": ["/greet", "/mood_unhappy", "/deny"],
    "a complaint": ["I want to complain"],
    "a table": ["book table 4"],
}
ANGRY_COMPLAINT = ["utter_offer_human", "Shall I connect you with a person?"]


def guide_steps(root: Path) -> dict[int, dict[str, Any]]:
    """The fenced blocks of the page: step to language to content; the rule is step 0."""
    text = (root / "docs" / "add-to-a-bot.md").read_text(encoding="utf-8")
    steps: dict[int, dict[str, Any]] = {}
    step = 0
    for line, language, block in re.findall(r"^(\*\*\d\.)|^```(yaml|python)\n(.*?)^```$", text, re.M | re.S):
        if line:
            step = int(line.strip("*."))
        elif language == "python":
            steps.setdefault(step, {})["python"] = block
        elif block.startswith("- rule"):
            steps[0] = {"yaml": yaml.safe_load(block)}
        else:
            steps.setdefault(step, {})["yaml"] = yaml.safe_load(block)
    return steps


def dialogues(bot: Bot, label: str) -> Dialogues:
    """What the bot does in each dialogue, spoken in an emotion."""
    return bot.dialogues(DIALOGUES, label)


def load(folder: Path, actions: str, loop: asyncio.AbstractEventLoop) -> Bot:
    """A trained bot whose action server is at an address."""
    store = InMemoryTrackerStore(Domain.load(str(folder / "domain.yml")))
    agent = Agent.load(str(folder / "models"), tracker_store=store, action_endpoint=EndpointConfig(actions))
    return Bot(agent, loop)


def train(folder: Path) -> None:
    """``rasa train`` in this process."""
    rasa.model_training.train(
        str(folder / "domain.yml"),
        str(folder / "config.yml"),
        [str(folder / "data")],
        str(folder / "models"),
        force_training=True,
        core_additional_arguments={"augmentation_factor": 0},
    )


def make_bot(folder: Path, steps: Mapping[int, Mapping[str, Any]], upto: int, rule: bool = False) -> Path:
    """The bot of ``rasa init`` with the page's first additions, and its rule where that is wanted."""
    create_initial_project(str(folder))
    more = yaml.safe_load(MORE)
    domain = yaml.safe_load((folder / "domain.yml").read_text(encoding="utf-8"))
    domain["intents"] += more.pop("intents")
    domain["responses"] |= more.pop("responses")
    domain["entities"] = more.pop("entities")
    config = {**CONFIG, "pipeline": list(CONFIG["pipeline"])}
    if upto >= 2:
        config["pipeline"] += steps[2]["yaml"]["pipeline"]
    if upto >= 3:
        domain["entities"] += steps[3]["yaml"]["entities"]
        domain["slots"] = steps[3]["yaml"]["slots"]
    if upto >= 4:
        domain["actions"] = steps[4]["yaml"]["actions"]
        (folder / "actions" / "actions.py").write_text(steps[4]["python"], encoding="utf-8")
    if rule:
        domain["slots"]["emotion"]["influence_conversation"] = True
        more["rules"] = steps[0]["yaml"]
    for name, content in (("domain", domain), ("config", config), ("data/more", more)):
        (folder / f"{name}.yml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    train(folder)
    return folder


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def steps(root: Path) -> dict[int, dict[str, Any]]:
    return guide_steps(root)


@pytest.fixture(scope="module")
def nowhere() -> str:
    """The address of an action server that does not run."""
    return f"http://127.0.0.1:{free_port()}/webhook"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, steps: Any, loop: Any, nowhere: str) -> Dialogues:
    """What the bot did before."""
    bot = load(make_bot(tmp_path_factory.mktemp("plain"), steps, 0), nowhere, loop)
    plain = dialogues(bot, UNKNOWN)
    assert plain["sad, helped"][1][0] == "utter_cheer_up", "it understands its own stories"
    assert [turn[0] for turn in plain["a rule between"]] == [
        "utter_greet",
        "utter_iamabot",
        "utter_happy",
        "utter_goodbye",
    ]
    return plain


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, steps: Any) -> Path:
    """The bot with all additions, and the page's rule."""
    return make_bot(tmp_path_factory.mktemp("whole"), steps, 5, rule=True)


@pytest.fixture(scope="module")
def served(whole: Path, steps: Any, loop: Any) -> Iterator[Bot]:
    """That bot, with its action server."""
    port = free_port()
    endpoints = {**steps[5]["yaml"], "llm": None, "handoff": None}
    (whole / "endpoints.yml").write_text(yaml.safe_dump(endpoints), encoding="utf-8")
    with Servers(whole / "logs", {}) as servers:
        command = [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "--port", str(port)]
        servers.start("actions", ["sh", "-c", 'cd "$0" && exec "$@"', str(whole), *command])
        servers.wait("actions", f"http://127.0.0.1:{port}/health", lambda answer: answer.is_success)
        yield load(whole, f"http://127.0.0.1:{port}/webhook", loop)


@pytest.mark.parametrize("upto", [2, 3])
def test_a_step_works_without_those_below_it(
    upto: int, tmp_path: Path, steps: Any, plain: Dialogues, loop: Any, nowhere: str
) -> None:
    bot = load(make_bot(tmp_path, steps, upto), nowhere, loop)
    for label in (UNKNOWN, "anger"):
        assert dialogues(bot, label) == plain


@pytest.mark.parametrize("label", LABELS)
def test_all_steps_and_a_rule_change_no_other_dialogue(label: str, served: Bot, plain: Dialogues) -> None:
    assert dialogues(served, label) == ({**plain, "a complaint": [ANGRY_COMPLAINT]} if label == "anger" else plain)
    assert any("voice" in str(event.get("text")) for event in served.events(f"happy-{label}")), "the disclosure"


def test_the_first_turn_is_not_lost_while_the_action_server_is_down(
    whole: Path, plain: Dialogues, loop: Any, nowhere: str
) -> None:
    bot = load(whole, nowhere, loop)
    assert dialogues(bot, "anger") == {**plain, "a complaint": [ANGRY_COMPLAINT]}
    assert dialogues(bot, "joy") == plain
    assert [event["event"] for event in bot.events("happy-joy")].count("session_started") == 1


def test_rasa_train_refuses_a_pipeline_of_the_component_alone(tmp_path: Path, steps: Any) -> None:
    create_initial_project(str(tmp_path))
    config = {**CONFIG, "pipeline": steps[2]["yaml"]["pipeline"]}
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(InvalidConfigException, match=r"(?s)beside EmotionExtractor.*name: DIETClassifier"):
        train(tmp_path)


@pytest.mark.parametrize(
    ("said", "entities"),
    [
        (["book table 4", "I want to complain", "/bot_challenge"], [[("4", 11)], [], []]),
        (["12 tables, book the table 12 please", "bye"], [[("12", 0), ("12", 26)], []]),
    ],
)
def test_an_exported_story_is_read_back_as_it_was_said(
    said: list[str], entities: list[Any], served: Bot, whole: Path, loop: Any, tmp_path: Path
) -> None:
    """By Rasa's own writer and reader, and then told to Rasa's own evaluation."""
    for text in said:
        served.say(said[0], text, None if text.startswith("/") else voiced("anger"))
    tracker = served.tracker(said[0])
    turns = [event for event in tracker.events if isinstance(event, UserUttered)]
    assert all(any(entity["entity"] == "emotion" for entity in turn.entities) for turn in turns)

    exported = tracker.export_stories(YAMLStoryWriter(), e2e=True)
    (story,) = YAMLStoryReader(Domain.load(str(whole / "domain.yml"))).read_from_string(exported)
    read = [event for event in story.events if isinstance(event, UserUttered)]
    assert [event.text for event in read] == said
    assert [[(entity["value"], entity["start"]) for entity in event.entities] for event in read] == entities

    (tmp_path / "test_stories.yml").write_text(exported, encoding="utf-8")
    loop.run_until_complete(
        evaluate(str(tmp_path / "test_stories.yml"), served.agent, out_directory=str(tmp_path), e2e=True)
    )
    assert "predicted:" not in (tmp_path / "failed_test_stories.yml").read_text(encoding="utf-8")
