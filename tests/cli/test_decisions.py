"""``emotionlayer decisions``: from a tracker store, from a server, and what it says when there is none."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml
from click.testing import Result
from command_line import separate_runner
from rasa.core.tracker_store import SQLTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, Event, SessionStarted, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from emotionlayer_rasa.affect.escalation_rules import Decision
from emotionlayer_rasa.affect.memory import Reading
from emotionlayer_rasa.cli import main

ANGRY = Reading(10.0, "anger", 0.81, "anger", 0.9, {"complaint": 0.7})
ESCALATED = Decision(
    "angry", "action_escalate_to_human", 2, 75, "falling", ("active_deescalation",), {1: ANGRY, 2: ANGRY}
)
OFFERED = Decision("danger", "utter_offer_human", 1, 85, "steady", (), {1: Reading(20.0, "urgency", 0.7)})


def run(*arguments: str) -> Result:
    return separate_runner(env={"COLUMNS": "200"}).invoke(main, ["decisions", *arguments])


def taken(decision: Decision, time: float) -> list[Event]:
    """The events of a turn that a decision answered, after an earlier session."""
    return [
        SessionStarted(timestamp=time - 3),
        UserUttered("my secret words", {"name": "x"}, timestamp=time - 2),
        SlotSet("a_slot_of_the_bot", 1, timestamp=time - 1),
        ActionExecuted(decision.action, "EscalationPolicy", 1.0, time, decision.to_metadata()),
        SessionStarted(timestamp=time + 1),
    ]


@pytest.fixture
def endpoints(tmp_path: Path) -> Path:
    """``endpoints.yml`` with a tracker store that holds two conversations with decisions and one without."""
    store = SQLTrackerStore(Domain.empty(), dialect="sqlite", db=str(tmp_path / "rasa.db"))
    conversations = {
        "second": taken(OFFERED, 200.0),
        "first": taken(ESCALATED, 100.0),
        "quiet": [SessionStarted(), UserUttered("words")],
    }
    for sender, events in conversations.items():
        asyncio.run(store.save(DialogueStateTracker.from_events(sender, events)))
    path = tmp_path / "endpoints.yml"
    section = {"type": "SQL", "dialect": "sqlite", "db": str(tmp_path / "rasa.db")}
    path.write_text(yaml.safe_dump({"tracker_store": section}))
    return path


def test_every_conversation_of_a_tracker_store_oldest_first(endpoints: Path) -> None:
    result = run("--endpoints", str(endpoints), "--format", "jsonl")
    assert result.exit_code == 0, result.stderr
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first == {"time": "1970-01-01T00:01:40.000+00:00", "conversation": "first", **ESCALATED.to_dict()}
    assert second == {"time": "1970-01-01T00:03:20.000+00:00", "conversation": "second", **OFFERED.to_dict()}
    assert result.stderr == ""


def test_one_conversation_as_a_table(endpoints: Path) -> None:
    result = run("--endpoints", str(endpoints), "--sender", "first")
    assert result.exit_code == 0, result.stderr
    row = next(line for line in result.stdout.splitlines() if "first" in line)
    for cell in ("1970-01-01 00:01:40", "angry", "action_escalate_to_human", "75", "turn 1: anger 0.81"):
        assert cell in row
    assert "complaint 0.70" in result.stdout
    assert "trend falling; failed: active_deescalation" in " ".join(result.stdout.split())
    assert "second" not in result.stdout
    assert "secret" not in result.stdout


def test_no_decisions(endpoints: Path) -> None:
    result = run("--endpoints", str(endpoints), "--sender", "quiet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "No decisions in 1 conversation(s).\n"


def test_conversations_in_memory_are_asked_of_the_server(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.yml"
    missing = run("--endpoints", str(path))
    assert missing.exit_code == 1
    assert f"There is no file {path}" in missing.stderr
    path.write_text("tracker_store: {type: 'SQL\n")
    assert f"{path} cannot be read" in run("--endpoints", str(path)).stderr
    path.write_text("action_endpoint:\n  url: http://localhost:5055/webhook\n")
    result = run("--endpoints", str(path))
    assert result.exit_code == 1
    assert "names no tracker store" in result.stderr
    assert "--url http://localhost:5005 --sender ID" in result.stderr


def test_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.yml"
    section = {"type": "redis", "url": "127.0.0.1", "port": 1, "password": "hunter2"}
    path.write_text(yaml.safe_dump({"tracker_store": section}))
    result = run("--endpoints", str(path))
    assert result.exit_code == 1
    assert f"The tracker store of {path} cannot be read (ConnectionError)" in result.stderr
    assert "hunter2" not in result.stderr


class RasaServer(BaseHTTPRequestHandler):
    """Stands for a Rasa server with a token and, for one conversation, without an API."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        status = 404 if "no-api" in path else 200 if "token=right" in query else 401
        body: dict[str, Any] = {"events": []}
        if path == "/conversations/a%2Fb/tracker" and "include_events=ALL" in query:
            body["events"] = [event.as_dict() for event in taken(OFFERED, 200.0)]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), RasaServer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_with_a_token(server: str) -> None:
    result = run("--url", server, "--token", "right", "--sender", "a/b", "--format", "jsonl")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["rule"] == "danger"
    for sender, said in (("a/b", "Name the server's --auth-token with --token"), ("no-api", "--enable-api")):
        refused = run("--url", server, "--sender", sender)
        assert refused.exit_code == 1
        assert said in refused.stderr


def test_a_server_wants_a_sender_and_must_be_there(server: str) -> None:
    assert run("--url", server).exit_code == 2
    nobody = run("--url", "http://127.0.0.1:1", "--sender", "x")
    assert nobody.exit_code == 1
    assert "No Rasa server answers at http://127.0.0.1:1 (ConnectError)" in nobody.stderr
