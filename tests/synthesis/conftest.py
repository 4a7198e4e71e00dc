"""Stand-ins for speech programs, and the processes that a test leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

PIPER = """\
import argparse, array, json, math, sys

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--output-raw", "--output_raw", action="store_true", required=True)
parser.add_argument("--length-scale", "--length_scale", type=float, default=1.0)
parser.add_argument("--sentence-silence", "--sentence_silence", type=float, default=0.2)
options = parser.parse_args()
rate = json.load(open(options.model + ".json"))["audio"]["sample_rate"]
period = rate / 150
for line in sys.stdin.buffer.read().decode("utf-8").splitlines():
    seconds = 0.05 * len(line.strip()) * options.length_scale
    pulses = (math.exp(-12 * (n % period) / period) for n in range(int(seconds * rate)))
    array.array("h", (int(24000 * pulse) for pulse in pulses)).tofile(sys.stdout.buffer)
    sys.stdout.buffer.write(bytes(2 * int(options.sentence_silence * rate)))
"""
"""Piper's command line with a voice that hums at 150 Hz, 50 ms a character."""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, first on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def hanging_espeak(programs: Path) -> Path:
    """``espeak-ng`` that never finishes a sentence, but for the first ones: the file ``spoken`` says how many.

    Returns a log with a line a sentence.
    """
    log = programs / "runs"
    log.touch()
    (programs / "spoken").write_text("0")
    real = shutil.which("espeak-ng")
    # A shell that waits for a child: both must be gone afterwards.
    script = f"""#!/bin/sh
if [ "$1" = --voices ]; then exec {real} "$@"; fi
echo $$ >> {log}
if [ $(wc -l < {log}) -le $(cat {programs}/spoken) ]; then exec {real} "$@"; fi
sleep 60
echo no
"""
    _write(programs / "espeak-ng", script)
    return log


@pytest.fixture
def piper_voice(programs: Path, tmp_path: Path) -> Path:
    """An English voice of 16 kHz, and ``piper`` to speak it."""
    _write(programs / "piper", f"#!{sys.executable} -IS\n{PIPER}")
    voice = tmp_path / "en_US-hum-low.onnx"
    voice.write_bytes(b"weights")
    settings = {"audio": {"sample_rate": 16_000}, "espeak": {"voice": "en-us"}, "language": {"family": "en"}}
    Path(f"{voice}.json").write_text(json.dumps(settings))
    return voice


def running(mark: str) -> set[int]:
    """Processes below this one, zombies too, and orphans that carry the mark in their environment."""
    parents, marked = {}, set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if mark.encode() in (folder / "environ").read_bytes():
                marked.add(int(folder.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    below, found = {os.getpid()}, marked
    while below:
        below = {child for child, parent in parents.items() if parent in below}
        found |= below
    return found


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Counts the processes that the test has started and that are still there; none may be left at its end."""
    mark = f"EMOTIONLAYER_TEST_MARK={uuid.uuid4()}"
    monkeypatch.setenv(*mark.split("="))
    before = running(mark)

    def count() -> int:
        return len(running(mark) - before)

    yield count
    deadline = time.monotonic() + 5
    while count() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert count() == 0
