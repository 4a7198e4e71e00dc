"""What works without Rasa. Where Rasa is installed, the processes of these tests cannot import it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from cases import for_each

import emotionlayer_rasa

PACKAGE = Path(emotionlayer_rasa.__file__).parent
HIDE = "import sys; sys.modules.update(dict.fromkeys(('rasa', 'rasa_sdk', 'sanic'))); "
COMMAND = HIDE + "from emotionlayer_rasa.cli import main; main(prog_name='emotionlayer')"
ADAPTERS = {"channels", "nlu", "policies", "actions", "nlg"}
WITH_TORCH = {"training"}
BESIDE = {"integrations"}
"""What stands on packages of its own: tests/integrations."""

Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Runs Python code in an empty folder."""

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def test_every_module_of_the_core_is_imported(python: Python) -> None:
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in ADAPTERS | WITH_TORCH | BESIDE and path.name != "__main__.py"
    ]
    assert len(modules) > 100
    done = python(HIDE + f"from importlib import import_module\nfor name in {modules!r}: import_module(name)")
    assert done.returncode == 0, done.stderr


def test_recordings_are_analysed(python: Python) -> None:
    clip = next((PACKAGE / "cli" / "clips").glob("*.ogg"))
    done = python(COMMAND, "analyze", str(clip), "--no-transcript", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert sum(row["scores"].values()) == pytest.approx(1.0, abs=0.01)
    assert row["prosody"]["pitch_hz"] > 65


def test_the_doctor_says_what_is_missing_and_goes_on(python: Python, root: Path) -> None:
    done = python(COMMAND, "doctor", str(root), "--json")
    found = {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert found["domain"]["level"] == "ok", done.stdout
    assert found["credentials.yml"]["level"] == "error"
    assert "[rasa]'" in found["credentials.yml"]["message"]


@for_each(
    "arguments",
    {
        "nlg": ["nlg"],
        "demo": ["demo"],
        "a tracker store": ["decisions", "--endpoints", "endpoints.yml"],
    },
)
def test_what_needs_rasa_says_how_to_get_it(python: Python, arguments: list[str]) -> None:
    done = python(COMMAND, *arguments)
    assert done.returncode == 1
    assert "pip install" in done.stderr
    assert "[rasa]'" in done.stderr
    assert "Traceback" not in done.stderr
