"""`make demo`, as it runs: every server a real one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from emotionlayer_rasa.cli.demo import _authorisation
from emotionlayer_rasa.cli.translation import train

COMMAND = [sys.executable, "-m", "emotionlayer_rasa.cli", "demo"]


def left_running(out: Path) -> list[str]:
    """Processes that were started with the demo's settings and still run."""
    marker = f"EMOTIONLAYER_ENDPOINTS={out}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue  # ended meanwhile, or not ours
    return found


def run_demo(root: Path, *arguments: str) -> str:
    """What the demonstration shows."""
    demo = subprocess.run(
        [*COMMAND, *arguments],
        cwd=root,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    return demo.stdout


def test_a_call_is_shown_turn_by_turn(model: Path, root: Path, data: Path, tmp_path: Path) -> None:
    clips = [str(data / "en_order.flac"), str(data / "en_complaint.flac")]
    shown = run_demo(root, "--model", str(model), "--out", str(tmp_path), "--audio", *clips)
    opening, order, complaint = shown.split(".flac")
    assert "your files" in opening
    assert "tone of voice" in opening
    assert "order number" in order.lower()
    assert "action_look_up_order" in order
    for turn in (order, complaint):
        for part in (
            "heard",
            "voice",
            "words",
            "confidence",
            "state",
            "slots",
            "emotion=",
            "actions",
            "reply",
            "transcription",
            "ms",
        ):
            assert part in turn, f"no {part} in: {turn}"
    assert (tmp_path / "call-1.png").read_bytes().startswith(b"\x89PNG")
    assert left_running(tmp_path) == []


def test_a_customer_types_in_german(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    german = tmp_path / "assistant-de.tar.gz"
    train("de", german)
    shown = run_demo(root, "--language", "de", "--model", str(german), "--out", str(tmp_path))
    for said in (
        "Klang Ihrer Stimme",
        "Bestellnummer",
        "order_status=verspätet",
        "am nächsten Montag",
        "dem Team",
    ):
        assert said in shown
    assert "action_escalate_to_human" in shown
    assert "error" not in shown
    assert left_running(tmp_path) == []


def test_the_servers_stay_up_for_a_browser(model: Path, root: Path, data: Path, tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [
            *(*COMMAND, "--model", str(model), "--out", str(tmp_path)),
            *("--audio", str(data / "en_thanks.flac"), "--keep"),
        ],
        cwd=root,
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert demo.stdout is not None
    shown = []
    for line in demo.stdout:
        shown.append(line)
        if line.startswith("Talk to the assistant: "):
            break
    try:
        address = shown[-1].split()[4]
        page = httpx.get(address, headers={"Accept": "text/html"}, trust_env=False)
        assert page.headers["content-type"].startswith("text/html"), "".join(shown)
    finally:
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=60)
    assert "every server is down" in output
    assert demo.returncode == 0
    assert left_running(tmp_path) == []


def test_a_token_in_the_credentials_is_sent(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "credentials.yml").write_text("rest:\nemotionlayer_rasa.VoiceInput:\n  token: ${DEMO_TOKEN}\n")
    monkeypatch.setenv("DEMO_TOKEN", "a-secret")
    assert _authorisation() == {"Authorization": "Bearer a-secret"}
    (tmp_path / "credentials.yml").write_text("emotionlayer_rasa.VoiceInput:\n")
    assert _authorisation() == {}


def test_ctrl_c_stops_every_server(model: Path, root: Path, data: Path, tmp_path: Path) -> None:
    clip = str(data / "en_order.flac")
    demo = subprocess.Popen(
        [*COMMAND, "--model", str(model), "--out", str(tmp_path), "--audio", clip],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = tmp_path / "logs" / "rasa.log"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (log.exists() and left_running(tmp_path)):
        time.sleep(0.2)
    assert left_running(tmp_path)
    demo.send_signal(signal.SIGINT)
    time.sleep(0.5)
    demo.send_signal(signal.SIGINT)  # impatience leaves nothing behind either
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, output
    assert "every server is down" in output
    assert left_running(tmp_path) == []
