"""``emotionlayer init`` on bots of several layouts: they validate and train, and every dialogue goes as before."""

from __future__ import annotations

import asyncio
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import httpx
import pytest
import rasa.cli
import rasa.model_training
import yaml
from bots import Bot, Dialogues
from command_line import separate_runner
from conversations import spoken
from rasa.cli.utils import validate_files
from rasa.core.agent import Agent
from rasa.core.test import test as evaluate
from rasa.core.tracker_store import InMemoryTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.importers.importer import TrainingDataImporter
from rasa.utils.endpoints import EndpointConfig

from emotionlayer_rasa.cli import main
from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.taxonomy import UNKNOWN

pytestmark = pytest.mark.train

ROOT = Path(__file__).parents[2]
PROJECTS = ROOT / "tests" / "data" / "projects"
ENVIRONMENT = {"RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "3", "EMOTIONLAYER_HANDOFF_SECRET": "s"}


@dataclass(frozen=True)
class Layout:
    """A project, and how it is talked to.

    Attributes:
        source: its folder.
        dialogues: what callers say.
        actions: folder whose package or module ``actions`` is served.
        options: of ``emotionlayer init``.
        domain: file or folder.
        understood: what the bot must do at the end of a dialogue, so that they say something.
    """

    source: Path
    dialogues: Mapping[str, Sequence[str]]
    understood: Mapping[str, str]
    actions: Path | None = None
    options: Sequence[str] = ()
    domain: str = "domain.yml"
    labels: Sequence[str] = field(default=(UNKNOWN, "anger"))


LAYOUTS = {
    "moods": Layout(
        Path(rasa.cli.__file__).parent / "initial_project",
        {
            "happy": ["hello", "I am feeling very good"],
            "sad, helped": ["hey there", "my day was horrible", "yes"],
            "sad, not helped": ["good morning", "I don't feel very well", "not really"],
            "a rule between": ["hello", "are you a bot?", "I am great", "bye"],
            "buttons": ["/greet", "/mood_unhappy", "/deny"],
        },
        {"happy": "utter_happy", "sad, not helped": "utter_goodbye", "a rule between": "utter_goodbye"},
        options=("--escalation", "--transfer", "http://127.0.0.1:1/handoff"),
        labels=(UNKNOWN, "joy"),
    ),
    "forms": Layout(
        PROJECTS / "forms",
        {
            "a table": ["hello", "a table please", "for 4 people", "yes", "thanks"],
            "too many": ["i want to book a table", "we are 12", "3", "no"],
            "something else first": ["a table please", "how is the weather", "3", "yes"],
            "not understood": ["xyzzy plugh qwertz"],
        },
        {"a table": "utter_noworries", "too many": "utter_submit", "something else first": "utter_submit"},
    ),
    "folders": Layout(
        PROJECTS / "folders",
        {
            "balance": ["hello there", "what is my balance", "yes"],
            "no balance": ["account balance please", "/deny"],
            "a button": ["what is my balance", "/affirm"],
            "branch": ["hey", "where is your branch"],
        },
        {"balance": "action_balance", "no balance": "utter_ok", "branch": "utter_branch"},
        domain="domain",
    ),
    "docker": Layout(
        PROJECTS / "docker",
        {"incident": ["hello", "my laptop is broken"], "again": ["hi", "/nlu_fallback", "i cannot log in"]},
        {"incident": "action_open_incident", "again": "action_open_incident"},
        actions=PROJECTS / "docker-actions",
    ),
    "stories": Layout(
        PROJECTS / "stories",
        {
            "concerts": ["hello", "show me concerts", "compare the reviews", "thank you"],
            "venues": ["hi", "search venues", "thanks"],
            "only thanks": ["thank you"],
        },
        {"concerts": "utter_youarewelcome", "venues": "utter_youarewelcome", "only thanks": "utter_youarewelcome"},
    ),
}


STRANGE = ("I am so happy, this is wonderful", "xyzzy plugh", "my cat is called Zerbino", "what")
"""What is none of any bot's business."""


@dataclass(frozen=True)
class Pair:
    """A bot before and after ``emotionlayer init``.

    Attributes:
        layout: whose.
        folder: of the project afterwards.
        before: what it did in its dialogues.
        guesses: the intents that it took :data:`STRANGE` for, and how certainly.
        bot: the bot afterwards, with its action server.
    """

    layout: Layout
    folder: Path
    before: Dialogues
    guesses: Sequence[Mapping[str, Any]]
    bot: Bot


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module", params=LAYOUTS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, loop: asyncio.AbstractEventLoop
) -> Iterator[Pair]:
    layout, folder = LAYOUTS[request.param], tmp_path_factory.mktemp(request.param) / "bot"
    shutil.copytree(layout.source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    train(layout, folder)
    with serving(layout, folder) as actions:
        bot = load(layout, folder, actions, loop)
        before, guesses = bot.dialogues(layout.dialogues, UNKNOWN), [parsed(bot, text) for text in STRANGE]
    shutil.rmtree(folder / "models")
    done = separate_runner().invoke(main, ["init", str(folder), "--yes", *layout.options])
    assert done.exit_code == 0, done.stderr
    train(layout, folder)
    with serving(layout, folder) as actions:
        yield Pair(layout, folder, before, guesses, load(layout, folder, actions, loop))


def train(layout: Layout, folder: Path) -> None:
    """``rasa train`` in this process."""
    result = rasa.model_training.train(
        str(folder / layout.domain), str(folder / "config.yml"), [str(folder / "data")], str(folder / "models")
    )
    assert result.code == 0


@contextmanager
def serving(layout: Layout, folder: Path) -> Iterator[str]:
    """The address of ``rasa run actions``."""
    port, where = free_port(), layout.actions or folder
    with Servers(folder / "logs", ENVIRONMENT) as servers:
        command = [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "--port", str(port)]
        servers.start("actions", ["sh", "-c", 'cd "$0" && exec "$@"', str(where), *command])
        servers.wait("actions", f"http://127.0.0.1:{port}/health", lambda answer: answer.is_success)
        yield f"http://127.0.0.1:{port}/webhook"


def parsed(bot: Bot, text: str) -> Mapping[str, Any]:
    """The intent that a bot takes a text for."""
    understood = bot.loop.run_until_complete(bot.agent.parse_message(text))
    return dict(understood["intent"])


def load(layout: Layout, folder: Path, actions: str, loop: asyncio.AbstractEventLoop) -> Bot:
    """The trained bot."""
    store = InMemoryTrackerStore(Domain.load(str(folder / layout.domain)))
    agent = Agent.load(str(folder / "models"), tracker_store=store, action_endpoint=EndpointConfig(actions))
    return Bot(agent, loop)


def test_it_validates(pair: Pair) -> None:
    """``rasa data validate --fail-on-warnings``."""
    files = (str(pair.folder / name) for name in ("config.yml", pair.layout.domain))
    importer = TrainingDataImporter.load_from_config(*files, [str(pair.folder / "data")])
    validate_files(fail_on_warnings=True, max_history=None, importer=importer)  # exits where something is wrong


def test_every_dialogue_goes_as_before(pair: Pair) -> None:
    for name, action in pair.layout.understood.items():
        assert action in pair.before[name][-1], "it understands its own dialogues"
    for label in pair.layout.labels:
        assert pair.bot.dialogues(pair.layout.dialogues, label) == pair.before
        name = next(iter(pair.layout.dialogues))
        assert pair.bot.tracker(f"{name}-{label}").get_slot("emotion") == label


def test_the_caller_is_told_and_can_switch_it_off(pair: Pair) -> None:
    remote, own = "docker" in str(pair.layout.source), pair.layout.domain == "domain"
    bot, action = pair.bot, "action_set_emotion_consent"
    bot.say("consent", "/greet")
    told = [str(event["text"]) for event in bot.events("consent") if event["event"] == "bot"]
    assert any("tone of voice" in text for text in told) is not (remote or own)
    for text, expected in (("stop analysing my voice", False), ("start analysing my voice", True)):
        done = bot.say("consent", text)
        assert done[0] == (f"utter_emotion_analysis_{'on' if expected else 'off'}" if remote else action)
        assert "analys" in done[1]
        assert bot.tracker("consent").get_slot("emotion_consent") is expected


def test_what_is_said_is_understood_as_before(pair: Pair) -> None:
    """What is none of the bot's business is none of ours either."""
    guesses = [parsed(pair.bot, text) for text in STRANGE]
    assert not any("emotion_analysis" in guess["name"] for guess in guesses)
    if pair.layout.source.name != "initial_project":  # DIETClassifier learns another way each time
        assert guesses == pair.guesses


def test_words_are_read_until_that_is_switched_off(pair: Pair) -> None:
    bot = pair.bot
    bot.say("words", "hello, I am so happy, this is wonderful")
    assert bot.tracker("words").get_slot("emotion") == "joy"
    bot.say("words", "stop analysing my voice")
    bot.say("words", "hello, I am so happy, this is wonderful")
    assert bot.tracker("words").get_slot("emotion") == UNKNOWN


def test_who_stays_angry_is_handed_over_where_that_was_wanted(pair: Pair) -> None:
    done = [pair.bot.say("angry", "/greet", spoken("anger")) for _ in range(2)]
    assert ("action_escalate_to_human" in done[1]) is ("--escalation" in pair.layout.options)


@pytest.mark.parametrize("pair", ["moods"], indirect=True)  # the one that has test stories
def test_rasas_own_test_stories_still_pass(pair: Pair, tmp_path: Path) -> None:
    stories = pair.folder / "tests" / "test_stories.yml"
    evaluation = evaluate(str(stories), pair.bot.agent, out_directory=str(tmp_path), e2e=True)
    pair.bot.loop.run_until_complete(evaluation)
    assert "predicted:" not in (tmp_path / "failed_test_stories.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("pair", ["moods"], indirect=True)
def test_a_call_is_heard(pair: Pair) -> None:
    """``rasa run`` with the files as they are, and a recording over the channel, with its token."""
    ports = {"actions": free_port(), "rasa": free_port()}
    endpoints = yaml.safe_load((pair.folder / "endpoints.yml").read_text(encoding="utf-8"))
    endpoints["action_endpoint"]["url"] = f"http://127.0.0.1:{ports['actions']}/webhook"
    (pair.folder / "endpoints.yml").write_text(yaml.safe_dump(endpoints), encoding="utf-8")
    channel = yaml.safe_load((pair.folder / "credentials.yml").read_text())["emotionlayer_rasa.VoiceInput"]
    address, token = f"http://127.0.0.1:{ports['rasa']}", {"Authorization": f"Bearer {channel['token']}"}
    with Servers(pair.folder / "logs", ENVIRONMENT) as servers:
        for name, arguments in (("actions", ("actions",)), ("rasa", ("--enable-api", "--interface", "127.0.0.1"))):
            command = [sys.executable, "-m", "rasa", "run", *arguments, "--port", str(ports[name])]
            servers.start(name, ["sh", "-c", 'cd "$0" && exec "$@"', str(pair.folder), *command])
        servers.wait("actions", f"http://127.0.0.1:{ports['actions']}/health", lambda answer: answer.is_success)
        servers.wait("rasa", f"{address}/webhooks/voice/", lambda answer: answer.is_success, headers=token)
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as http:
            recording = (ROOT / "tests" / "data" / "en_thanks.flac").read_bytes()
            turn = {"data": {"sender": "me"}, "files": {"audio": ("audio", recording)}}
            assert http.post("/webhooks/voice/webhook", **turn).status_code == 401
            heard = http.post("/webhooks/voice/webhook", headers=token, **turn)
            assert heard.status_code == 200, heard.text
            assert "thank" in heard.json()["transcript"]["text"].lower()
            texts = [message.get("text", "") for message in heard.json()["messages"]]
            assert "tone of voice" in texts[0]
            assert "What can I do" not in texts[0], "the bot greets by itself"
            tracker = http.get("/conversations/me/tracker").json()
    assert tracker["slots"]["affective_state"]
    assert tracker["slots"]["emotion"] == (heard.json()["emotion"] or {}).get("label", UNKNOWN)
