"""``emotionlayer nlg`` as a process, and a Rasa server that words its responses there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import httpx
import pytest
import yaml
from click.testing import CliRunner

from emotionlayer_rasa.cli import main
from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.nlg.server import MAX_BODY_BYTES
from emotionlayer_rasa.utterance import METADATA_KEY, AffectiveState, EmotionReading, Transcript, Utterance

pytestmark = pytest.mark.server

SECRET = "Zerbino-4711"
TOKEN = "a & long=secret"
BUTTONS = [{"title": "Yes, please", "payload": "/affirm"}, {"title": "No, thanks", "payload": "/deny"}]
DOMAIN: dict[str, Any] = {
    "version": "3.1",
    "intents": ["ask_hours", "ask_person", "ask_card", "ask_account"],
    "slots": {"account": {"type": "text", "mappings": [{"type": "custom"}]}},
    "responses": {
        "utter_hours": [{"text": "The branch opens at 9 and closes at 17:30."}],
        "utter_person": [{"text": "Shall I connect you with a person?", "buttons": BUTTONS}],
        "utter_card": [{"text": "Here is the card.", "custom": {"card": 7, "speed": 2.0}}],
        "utter_account": [{"text": "That is {account}, and {nobody} knows {account}."}],
    },
}
CONFIG = {
    "recipe": "default.v1",
    "language": "en",
    "assistant_id": "nlg-test",
    "pipeline": [{"name": "KeywordIntentClassifier"}],
    "policies": [{"name": "RulePolicy"}],
}
DATA = {
    "version": "3.1",
    "nlu": [
        {"intent": f"ask_{name}", "examples": f"- {name}\n"} for name in ("hours", "person", "card", "account")
    ],
    "rules": [
        {"rule": name, "steps": [{"intent": f"ask_{name}"}, {"action": f"utter_{name}"}]}
        for name in ("hours", "person", "card", "account")
    ],
}


def feeling(state: str, strategy: str) -> dict[str, Any]:
    reading = EmotionReading("anger", 0.9, {"anger": 0.9}, 0.15, 0.9, 0.85, "voice", "test")
    affect = AffectiveState(state, strategy, 0.8, 0.15, 0.9, 0.85)
    return {METADATA_KEY: Utterance(Transcript(""), reading, affect=affect).to_metadata()}


ANGRY = feeling("anger", "active_deescalation")
CALM = feeling("neutral", "direct_efficiency")


@dataclass
class Bot:
    """A Rasa server and its NLG server, which a test may stop and start."""

    http: httpx.Client
    folder: Path
    nlg_port: int
    nlg: Servers

    def start_nlg(self) -> None:
        command = [sys.executable, "-m", "emotionlayer_rasa.cli", "nlg", "--no-llm", "--token-env", "NLG_TOKEN"]
        command += ["--domain", str(self.folder / "domain.yml"), "--port", str(self.nlg_port)]
        self.nlg.start("nlg", command)
        self.nlg.wait(
            "nlg", f"http://127.0.0.1:{self.nlg_port}/", lambda answer: answer.json() == {"status": "ok"}
        )

    def say(self, text: str, sender: str, metadata: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        message = {"sender": sender, "message": text, "metadata": metadata or {}}
        return self.http.post("/webhooks/rest/webhook", json=message).raise_for_status().json()

    def log(self) -> str:
        return (self.nlg.logs / "nlg.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A small bot of its own, trained, served, with its responses worded by ``emotionlayer nlg``."""
    folder = tmp_path_factory.mktemp("bot")
    nlg_port, rasa_port = free_port(), free_port()
    files = {
        "domain.yml": DOMAIN,
        "config.yml": CONFIG,
        "data.yml": DATA,
        "endpoints.yml": {"nlg": {"url": f"http://127.0.0.1:{nlg_port}/nlg", "token": TOKEN}},
        "credentials.yml": {"rest": None},
    }
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    environment = {
        "RASA_TELEMETRY_ENABLED": "false",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
        "OMP_NUM_THREADS": "1",
        "NLG_TOKEN": TOKEN,
    }
    rasa = [sys.executable, "-m", "rasa"]
    train = [*rasa, "train", "--fixed-model-name", "bot", "--out", str(folder), "--quiet"]
    for option, file in (("--domain", "domain.yml"), ("--config", "config.yml"), ("--data", "data.yml")):
        train += [option, str(folder / file)]
    trained = subprocess.run(train, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    assert (folder / "bot.tar.gz").is_file(), trained.stdout + trained.stderr
    with Servers(folder / "logs", environment) as servers, Servers(folder / "logs", environment) as nlg:
        run = [*rasa, "run", "--interface", "127.0.0.1", "--port", str(rasa_port), "--enable-api"]
        run += ["--model", str(folder / "bot.tar.gz"), "--endpoints", str(folder / "endpoints.yml")]
        servers.start("rasa", [*run, "--credentials", str(folder / "credentials.yml")])
        with httpx.Client(base_url=f"http://127.0.0.1:{rasa_port}", timeout=120, trust_env=False) as http:
            bot = Bot(http, folder, nlg_port, nlg)
            bot.start_nlg()
            servers.wait("rasa", f"{http.base_url}/status", lambda answer: bool(answer.json().get("model_file")))
            yield bot


def test_an_angry_caller_hears_the_opener_and_gets_speech_settings(bot: Bot) -> None:
    text, custom = bot.say("hours", "angry", ANGRY)
    assert text["text"] == "I am sorry about this. The branch opens at 9 and closes at 17:30."
    assert set(custom["custom"]) == {"strategy", "speed", "tone", "pitch", "ssml"}
    assert (custom["custom"]["strategy"], custom["custom"]["speed"]) == ("active_deescalation", 0.8)


@pytest.mark.parametrize("metadata", [CALM, None])
def test_a_calm_caller_and_one_not_heard_hear_the_original(bot: Bot, metadata: dict[str, Any] | None) -> None:
    text, custom = bot.say("hours", f"calm-{bool(metadata)}", metadata)
    assert text["text"] == DOMAIN["responses"]["utter_hours"][0]["text"]
    assert (custom["custom"]["strategy"], custom["custom"]["speed"]) == ("direct_efficiency", 1.0)


def test_buttons_and_own_payloads_arrive_to_the_letter(bot: Bot) -> None:
    text, _ = bot.say("person", "buttons", ANGRY)
    assert text["text"].endswith("Shall I connect you with a person?")
    assert text["buttons"] == BUTTONS
    _, custom = bot.say("card", "card", ANGRY)
    assert (custom["custom"]["card"], custom["custom"]["speed"]) == (7, 2.0)
    assert custom["custom"]["strategy"] == "active_deescalation"


def test_the_opener_is_not_repeated_in_the_next_turn(bot: Bot) -> None:
    """In the one after, the memory has given up a strategy that did not help twice."""
    heard = [bot.say("hours", "three turns", ANGRY)[0]["text"] for _ in range(3)]
    assert [text.split(".")[0] for text in heard] == [
        "I am sorry about this",
        "The branch opens at 9 and closes at 17:30",
        "Let us be quick",
    ]


def test_the_log_holds_neither_slots_nor_words_nor_the_token(bot: Bot) -> None:
    """Rasa's own generator logs a traceback with all slots where one is missing."""
    slot = [{"event": "slot", "name": "account", "value": SECRET}]
    bot.http.post("/conversations/private/tracker/events", json=slot).raise_for_status()
    text, *_ = bot.say(f"account {SECRET}", "private", ANGRY)
    assert text["text"].endswith("That is {account}, and {nobody} knows {account}.")
    assert "placeholder_key='nobody'" in bot.log()
    assert "response=utter_account strategy=active_deescalation" in bot.log()
    assert SECRET not in bot.log()
    assert TOKEN not in bot.log()
    assert "token" not in bot.log()


def test_while_the_server_is_down_rasa_says_nothing_and_goes_on_afterwards(bot: Bot) -> None:
    """What the README says: Rasa has no fallback of its own for an NLG server."""
    bot.nlg.stop()
    assert bot.say("hours", "down", ANGRY) == []
    tracker = bot.http.get("/conversations/down/tracker").json()
    assert [event["event"] for event in tracker["events"]].count("bot") == 0
    bot.start_nlg()
    assert bot.say("hours", "down", ANGRY)[0]["text"].endswith("closes at 17:30.")


# The protocol


def post(bot: Bot, **options: Any) -> httpx.Response:
    url = f"http://127.0.0.1:{bot.nlg_port}/nlg"
    return httpx.post(url, **{"params": {"token": TOKEN}, "timeout": 60, "trust_env": False, **options})


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 200),
        ({"params": {}, "headers": {"X-Token": TOKEN}}, 200),
        ({"params": {}, "headers": {"Authorization": f"Bearer {TOKEN}"}}, 200),
        ({"params": {}}, 401),
        ({"params": {"token": "wörng"}}, 401),
        ({"params": {}, "headers": {"Authorization": TOKEN}}, 401),
    ],
)
def test_the_token(bot: Bot, options: dict[str, Any], status: int) -> None:
    answer = post(bot, json={"response": "utter_hours"}, **options)
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["text"] == DOMAIN["responses"]["utter_hours"][0]["text"]
    else:
        assert answer.json()["error"]["code"] == "request.unauthorized"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"response": 7}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_request_of_rasa_is_refused(bot: Bot, body: bytes) -> None:
    answer = post(bot, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request")


def test_a_body_is_bounded(bot: Bot) -> None:
    answer = post(bot, content=b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request.too_large")


def test_an_unknown_response_is_empty(bot: Bot) -> None:
    answer = post(bot, json={"response": "utter_nothing", "tracker": {}, "channel": {"name": "rest"}})
    assert (answer.status_code, answer.json()) == (200, {})
    assert "nlg.no_response response='utter_nothing'" in bot.log()


# The command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--domain", "nowhere.yml"], "There is no domain at nowhere.yml"),
        (["--domain", "wrong.yml"], "wrong.yml is no valid domain"),
        (["--token-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE"),
        (["--endpoints", "nowhere.yml"], "There is no file nowhere.yml"),
    ],
)
def test_a_wrong_setting_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yml").write_text("responses: {utter_x: [{speech: Hello}]}", encoding="utf-8")
    (tmp_path / "domain.yml").write_text(yaml.safe_dump(DOMAIN), encoding="utf-8")
    result = CliRunner().invoke(main, ["nlg", *arguments])
    assert result.exit_code == 1
    assert said in result.output


def test_a_port_that_is_taken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "domain.yml").write_text(yaml.safe_dump(DOMAIN), encoding="utf-8")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(main, ["nlg", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 1
    assert "Nothing can be served on 127.0.0.1" in result.output
