"""Delivery of summaries to a real HTTP server: now, later, after a restart, and never twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from webhook import SECRET, Webhook, wait_until

from emotionlayer_rasa.cli.servers import free_port
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.handoff import delivery as module
from emotionlayer_rasa.handoff.delivery import Handoff, HandoffSettings, signature
from emotionlayer_rasa.handoff.outbox import REMEMBERED_S, Entry, Outbox

SUMMARY = {"id": "first", "turns": [{"role": "caller", "text": "my cat is called Zerbino, perché no"}]}

Start = Callable[..., Handoff]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts deliveries with short pauses from one outbox; ends them after the test."""
    monkeypatch.setenv("EMOTIONLAYER_HANDOFF_SECRET", SECRET)
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.02)
    with contextlib.ExitStack() as stack:

        def start(url: str, **settings: Any) -> Handoff:
            handoff = Handoff(HandoffSettings(url=url, outbox=str(tmp_path / "outbox"), **settings))
            stack.callback(handoff.close)
            return handoff

        yield start


def submit(handoff: Handoff, summary: dict[str, Any] = SUMMARY) -> str:
    return asyncio.run(handoff.submit(summary))


def files(handoff: Handoff) -> list[str]:
    return sorted(path.name for path in handoff.outbox.folder.iterdir() if path.is_file())


def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}/handoff"


def test_a_summary_is_delivered_signed_and_leaves_nothing_behind(start: Start) -> None:
    with Webhook() as webhook:
        handoff = start(webhook.url)
        assert submit(handoff) == "delivered"
    assert webhook.got == [("first", SUMMARY)]
    assert files(handoff) == []


def test_the_same_summary_is_not_posted_twice(start: Start) -> None:
    with Webhook() as webhook:
        handoff = start(webhook.url)
        assert [submit(handoff), submit(handoff)] == ["delivered", "delivered"]
        handoff.close()
        assert submit(start(webhook.url)) == "delivered"
        assert submit(handoff, {"id": "second"}) == "delivered"
    assert webhook.ids == ["first", "second"]


def test_the_signature_is_hmac_sha256_of_time_and_body() -> None:
    """The digest is of `printf '1700000000.{}' | openssl dgst -sha256 -hmac key`."""
    expected = "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert signature(b"{}", "key", 1_700_000_000) == expected


def test_down_then_up_is_delivered_once_by_the_retry(start: Start) -> None:
    port = free_port()
    handoff = start(f"http://127.0.0.1:{port}/handoff")
    assert submit(handoff) == "queued"
    (kept,) = [path for path in handoff.outbox.folder.glob("*.json")]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(handoff.outbox.folder.stat().st_mode) == 0o700
    assert json.loads(kept.read_text(encoding="utf-8"))["summary"] == SUMMARY
    with Webhook(port=port) as webhook:
        wait_until(lambda: not files(handoff))
        time.sleep(0.15)
    assert webhook.got == [("first", SUMMARY)]


def test_errors_of_the_server_are_retried_until_it_accepts(start: Start) -> None:
    with Webhook(500, 503, 429, 408, 202) as webhook:
        handoff = start(webhook.url)
        assert submit(handoff) == "queued"
        wait_until(lambda: not files(handoff))
        assert submit(handoff) == "delivered"
    assert webhook.ids == ["first"] * 5


@pytest.mark.parametrize("wish", ["seconds", "date"])
def test_a_wish_for_a_pause_is_followed(start: Start, wish: str) -> None:
    header = "1000" if wish == "seconds" else formatdate(time.time() + 1000, usegmt=True)
    with Webhook(503, 200, headers=[("Retry-After", header)]) as webhook:
        handoff = start(webhook.url)
        assert submit(handoff) == "queued"
        entry = handoff.outbox.read("first")
        assert entry
        assert 900 < entry.due - time.time() <= 1000
        time.sleep(0.15)
        assert webhook.ids == ["first"]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301, 307])
def test_a_refusal_is_kept_and_tried_again_by_a_new_start(
    start: Start, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Webhook(status, headers=[("Location", "/elsewhere")]) as webhook:
        handoff = start(webhook.url)
        assert [submit(handoff), submit(handoff)] == ["failed", "failed"]
        time.sleep(0.15)
        assert webhook.ids == ["first"]
        assert files(handoff) == ["first.failed"]
        handoff.close()
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"status_{status}" in error.getMessage()
    assert "restart the action server" in error.getMessage()
    with Webhook() as mended:
        again = start(mended.url)
        wait_until(lambda: not files(again))
    assert mended.got == [("first", SUMMARY)]


def test_after_the_last_retry_the_summary_is_kept(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    with Webhook(500) as webhook:
        handoff = start(webhook.url, retries=2)
        assert submit(handoff) == "queued"
        wait_until(lambda: files(handoff) == ["first.failed"])
    assert webhook.ids == ["first"] * 3
    assert "attempts=3" in caplog.text


def test_a_slow_webhook_does_not_keep_the_caller(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    gate = threading.Event()
    with Webhook(gate=gate) as webhook:
        handoff = start(webhook.url)
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(handoff.submit(SUMMARY)) == "queued"
        assert loop.run_until_complete(handoff.submit(SUMMARY)) == "queued", "still under way"
        gate.set()
        wait_until(lambda: not files(handoff))
        assert loop.run_until_complete(handoff.submit(SUMMARY)) == "delivered"
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    assert webhook.ids == ["first"]


def test_an_answer_that_never_comes_ends_the_attempt(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with Webhook(gate=threading.Event()) as webhook:
        handoff = start(webhook.url, timeout_s=0.2)
        assert submit(handoff) == "queued"
        wait_until(lambda: len(webhook.got) > 1)
    assert "reason=late" in caplog.text


def test_while_the_webhook_does_not_answer_only_a_few_try(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """And when it answers again, all that waits is posted."""
    ids = [f"summary-{number}" for number in range(20)]
    dead = start(nowhere())
    for id in ids:
        assert submit(dead, {"id": id}) == "queued"
    dead.close()
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 1000.0)
    gate = threading.Event()
    with Webhook(gate=gate) as webhook:
        handoff = start(webhook.url, timeout_s=0.2)
        wait_until(lambda: len(webhook.got) >= module.AT_ONCE)
        time.sleep(0.5)
        tried = list(webhook.ids)
        assert len(tried) == module.AT_ONCE
        gate.set()
        assert submit(handoff, {"id": "new"}) == "delivered"
        wait_until(lambda: len(list(handoff.outbox.folder.glob("*.json"))) == len(tried))
    assert sorted(webhook.ids) == sorted([*ids, "new"])


def test_one_that_waits_does_not_keep_another(start: Start) -> None:
    with Webhook(503, 200, headers=[("Retry-After", "1000")]) as webhook:
        handoff = start(webhook.url)
        assert submit(handoff) == "queued"
        assert submit(handoff, {"id": "second"}) == "delivered"
        assert files(handoff) == ["first.json", "first.lock"]


def test_a_damaged_file_is_put_aside_and_the_others_are_delivered(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path / "outbox")
    (outbox.folder / "torn.json").write_text('{"summary": {"id": "to', encoding="utf-8")
    (outbox.folder / "other.json").write_text('["no entry"]', encoding="utf-8")
    with Webhook() as webhook:
        handoff = start(webhook.url)
        assert submit(handoff) == "delivered"
        wait_until(lambda: files(handoff) == ["other.failed", "torn.failed"])
    assert webhook.ids == ["first"]
    assert "torn.failed is damaged" in caplog.text


def test_what_cannot_be_kept_is_tried_at_least_once(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Outbox, "put", full)
    assert submit(start(nowhere())) == "failed"
    assert "No space left" in caplog.text
    with Webhook() as webhook:
        assert submit(start(webhook.url)) == "delivered"
    assert webhook.got == [("first", SUMMARY)]


def test_what_a_crash_leaves_is_tidied_up_and_not_delivered_again(start: Start) -> None:
    """Between the mark of a delivery and the removal of the entry, or in the middle of writing."""
    with Webhook() as webhook:
        handoff = start(webhook.url)
        assert submit(handoff) == "delivered"
        handoff.close()
        handoff.outbox.put("first", Entry(SUMMARY))
        draft = handoff.outbox.folder / "other.draft"
        draft.write_text("{", encoding="utf-8")
        os.utime(draft, (1.0, 1.0))
        assert handoff.outbox.state("first") == "delivered"
        again = start(webhook.url)
        wait_until(lambda: not files(again))
    assert webhook.ids == ["first"]


def test_deliveries_are_forgotten_after_a_month(start: Start) -> None:
    with Webhook() as webhook:
        handoff = start(webhook.url)
        assert submit(handoff) == "delivered"
        (mark,) = (handoff.outbox.folder / "delivered").iterdir()
        assert mark.read_bytes() == b""
        handoff.close()
        past = time.time() - REMEMBERED_S - 60
        os.utime(mark, (past, past))
        start(webhook.url)
        wait_until(lambda: not mark.exists())


def test_no_log_holds_what_was_said(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Webhook(500, 400) as webhook:
        handoff = start(webhook.url + "?token=of-the-receiver")
        assert submit(handoff) == "queued"
        wait_until(lambda: files(handoff) == ["first.failed"])
    assert "handoff.failed" in caplog.text
    assert all(secret not in caplog.text for secret in ("Zerbino", SECRET, "of-the-receiver"))


# Other processes

SCRIPT = """
import asyncio, sys
from emotionlayer_rasa.handoff import delivery as handoff
handoff.FIRST_PAUSE_S = 0.02
url, outbox, *ids = sys.argv[1:]
delivery = handoff.Handoff(handoff.HandoffSettings(url=url, outbox=outbox))
async def main():
    for id in ids:
        print(await delivery.submit({"id": id}), flush=True)
asyncio.run(main())
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def process(url: str, outbox: Path, *ids: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, url, str(outbox), *ids]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()


def line(running: subprocess.Popen[str]) -> str:
    assert running.stdout
    return running.stdout.readline().strip()


def test_a_process_that_dies_in_the_middle_loses_nothing(start: Start, tmp_path: Path) -> None:
    with Webhook(gate=threading.Event()) as webhook, process(webhook.url, tmp_path / "outbox", "killed"):
        wait_until(lambda: webhook.ids == ["killed"], 60)
    with Webhook() as webhook:
        handoff = start(webhook.url)
        wait_until(lambda: not files(handoff))
    assert webhook.got == [("killed", {"id": "killed"})]


def test_processes_that_share_an_outbox_deliver_each_summary_once(tmp_path: Path, start: Start) -> None:
    outbox = tmp_path / "outbox"
    ids = [f"summary-{number}" for number in range(30)]
    dead = start(nowhere())
    for id in ids:
        assert submit(dead, {"id": id}) == "queued"
    dead.close()
    with Webhook() as webhook:
        with process(webhook.url, outbox, "of-one") as one, process(webhook.url, outbox, "of-two") as two:
            assert [line(one), line(two)] == ["delivered", "delivered"]
            wait_until(lambda: not list(outbox.glob("*.json")))
            assert [line(one), line(two)] == ["ready", "ready"]
        time.sleep(0.15)
    assert sorted(webhook.ids) == sorted([*ids, "of-one", "of-two"])


def test_a_forked_worker_delivers_too(start: Start) -> None:
    """`rasa run actions` forks its workers after the actions are made."""
    with Webhook() as webhook:
        handoff = start(webhook.url)

        def work() -> None:
            os._exit({"delivered": 7}.get(submit(handoff), 1))

        worker = multiprocessing.get_context("fork").Process(target=work)
        worker.start()
        worker.join(30)
        assert worker.exitcode == 7
    assert webhook.ids == ["first"]


# Settings


def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str) -> Handoff | None:
    endpoints = tmp_path / "endpoints.yml"
    endpoints.write_text(section, encoding="utf-8")
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(endpoints))
    return Handoff.from_endpoints()


def test_without_the_section_there_is_no_handoff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(tmp_path, monkeypatch, "action_endpoint: {url: 'http://localhost:5055/webhook'}") is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{url: 'http://127.0.0.1:9', uri: x}", "'uri' is no known key"),
        ("{url: 'ftp://host'}", "'url'"),
        ("{url: 'http://[::1'}", "handoff.url is no address"),
        ("{timeout_s: 2}", "'url': field required"),
        ("{url: 'http://127.0.0.1:9', transcripts: all}", "'transcripts'"),
        ("{url: 'http://127.0.0.1:9', retries: -1}", "'retries'"),
        ("{url: 'http://127.0.0.1:9', secret_env: NOT_SET_HERE}", "NOT_SET_HERE"),
        ("{url: 'http://127.0.0.1:9', outbox: endpoints.yml}", "handoff.outbox"),
        ("{url: 'http://${NO_SUCH_HOST}/'}", "NO_SUCH_HOST"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_names_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, message: str
) -> None:
    monkeypatch.setenv("EMOTIONLAYER_HANDOFF_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, monkeypatch, f"handoff: {section}")
    assert message in str(error.value)
