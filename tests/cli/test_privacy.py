"""``emotionlayer privacy`` against Rasa's stores: SQLite, PostgreSQL, Redis, and a double of MongoDB."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import mongomock
import pytest
import yaml
from click.testing import CliRunner, Result
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import SessionStarted, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from emotionlayer_rasa.cli import main
from emotionlayer_rasa.cli.conversations import read_store
from emotionlayer_rasa.cli.servers import free_port
from emotionlayer_rasa.handoff.outbox import Entry, Outbox

pytestmark = pytest.mark.server

DAY = 86_400.0
POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin"))


def until_open(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on {port}")


@pytest.fixture(scope="module")
def redis() -> Iterator[dict[str, Any]]:
    port = free_port()
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        until_open(port)
        yield {"type": "redis", "url": "127.0.0.1", "port": port, "key_prefix": "bot"}
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="module")
def postgres() -> Iterator[dict[str, Any]]:
    folder, port = Path(tempfile.mkdtemp(prefix="postgres")), free_port()
    as_postgres: list[str] = []
    if os.geteuid() == 0:  # which it refuses to run as
        shutil.chown(folder, "postgres")
        as_postgres = ["runuser", "-u", "postgres", "--"]
    made = [*as_postgres, POSTGRES / "initdb", "-D", folder / "data", "-A", "trust"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/")
    served = [*as_postgres, POSTGRES / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder]
    server = subprocess.Popen(served, stderr=subprocess.DEVNULL, cwd="/")
    try:
        until_open(port)
        yield {
            "type": "SQL",
            "dialect": "postgresql",
            "url": "127.0.0.1",
            "port": port,
            "db": "bot",
            "login_db": "postgres",
            "username": "postgres",
        }
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "redis", "postgres", "mongo"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], TrackerStore]:
    """Opens the store that ``endpoints.yml`` names."""
    if request.param == "mongo":  # no server of it can be had here: its protocol's in-process double
        client: mongomock.MongoClient = mongomock.MongoClient()
        monkeypatch.setattr("pymongo.MongoClient", lambda *arguments, **options: client)
        monkeypatch.setattr("pymongo.database.Database", lambda client, name: client[name])
        config: dict[str, Any] = {"type": "mongod", "db": "bot"}
    elif request.param == "sqlite":
        config = {"type": "SQL", "dialect": "sqlite", "db": str(tmp_path / "bot.db")}
    else:
        config = request.getfixturevalue(request.param)
    (tmp_path / "endpoints.yml").write_text(yaml.safe_dump({"tracker_store": config}))
    monkeypatch.chdir(tmp_path)
    return lambda: TrackerStore.create(EndpointConfig.from_dict(config), Domain.empty())


def fill(opened: TrackerStore, *conversations: tuple[str, float]) -> None:
    async def save() -> None:
        for sender, days in conversations:
            then = time.time() - days * DAY
            events = [SessionStarted(timestamp=then), UserUttered("my secret words", timestamp=then + 1)]
            await opened.save(DialogueStateTracker.from_events(sender, events))

    asyncio.run(save())


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["privacy", *arguments], input=answer)


def stored() -> dict[str, int]:
    return dict(read_store(Path("endpoints.yml"), (), lambda sender, events: (sender, len(events))))


def test_a_caller_gets_everything_and_is_then_forgotten(store: Callable[[], TrackerStore]) -> None:
    fill(store(), ("tracker:+44 1", 0), ("other", 0))
    assert stored() == {"other": 2, "tracker:+44 1": 2}
    done = run("export", "--sender", "tracker:+44 1", "--out", "caller.jsonl")
    assert done.exit_code == 0, done.output
    told = json.loads(Path("caller.jsonl").read_text(encoding="utf-8"))
    assert told["sender_id"] == "tracker:+44 1"
    assert [event.get("text") for event in told["events"]] == [None, "my secret words"]
    assert stat.S_IMODE(Path("caller.jsonl").stat().st_mode) == 0o600
    assert run("erase", "--sender", "tracker:+44 1", answer="n\n").exit_code == 1
    assert stored() == {"other": 2, "tracker:+44 1": 2}
    done = run("erase", "--sender", "tracker:+44 1", answer="y\n")
    assert done.output.endswith("Erased: 1 conversation(s), 2 events.\n")
    assert "secret" not in done.output
    assert stored() == {"other": 2}
    run("erase", "--sender", "other", "--yes")
    assert stored() == {}


def test_what_is_old_is_purged(store: Callable[[], TrackerStore]) -> None:
    fill(store(), ("old", 91), ("older", 400), ("young", 89))
    assert run("purge", "--older-than", "90", "--dry-run").output == "2 conversation(s) are older than 90 days.\n"
    assert set(stored()) == {"old", "older", "young"}
    assert run("purge", "--older-than", "90", "--yes").output == "Erased: 2 conversation(s), 4 events.\n"
    assert set(stored()) == {"young"}
    assert run("purge", "--older-than", "0", "--yes").exit_code == 0
    assert stored() == {}


def test_an_id_that_is_not_there_erases_nothing(store: Callable[[], TrackerStore]) -> None:
    fill(store(), ("there", 0))
    for command in ("export", "erase"):
        done = run(command, "--sender", "there", "--sender", "nobody")
        assert done.exit_code == 1
        assert "'nobody'" in done.output
    assert run("erase", "--sender", "there", "--yes").exit_code == 0


def test_a_handover_that_waits_is_erased_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = {"type": "SQL", "dialect": "sqlite", "db": str(tmp_path / "bot.db")}
    handoff = {"url": "https://desk.example/handover", "outbox": "waiting"}
    Path("endpoints.yml").write_text(yaml.safe_dump({"tracker_store": store, "handoff": handoff}))
    fill(TrackerStore.create(EndpointConfig.from_dict(store), Domain.empty()), ("caller", 0), ("other", 0))
    outbox = Outbox(tmp_path / "waiting")
    for number, sender in enumerate(("caller", "other", "caller")):
        outbox.put(f"id{number}", Entry({"conversation": sender}))
    outbox.fail("id2")
    done = run("erase", "--sender", "caller", "--yes")
    assert done.output == "Erased: 1 conversation(s), 2 events. 2 handover(s) will not be delivered.\n"
    assert [outbox.state(f"id{number}") for number in range(3)] == [None, "queued", None]


def test_a_server_that_keeps_conversations_in_its_memory_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "endpoints.yml").write_text("action_endpoint: {url: 'http://localhost:5055/webhook'}\n")
    done = run("erase", "--sender", "x", "--yes", "--endpoints", str(tmp_path / "endpoints.yml"))
    assert done.exit_code == 1
    assert "names no tracker store" in done.output
