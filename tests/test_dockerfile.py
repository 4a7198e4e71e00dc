"""The images, as far as that can be told without building them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


def stages() -> dict[str, tuple[str, list[str]]]:
    """What each stage starts from, and its instructions."""
    found: dict[str, tuple[str, list[str]]] = {}
    for line in LINES:
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            found[match[2]] = (match[1], [])
        elif line and not line.startswith("#"):
            found[list(found)[-1]][1].append(line)
    return found


def test_the_linter_has_nothing_to_say() -> None:
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program, "hadolint comes with the extra `dev`"
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("target", ["rasa", "actions"])
def test_an_image_is_slim_and_runs_as_nobody_in_particular(target: str) -> None:
    start, instructions = stages()[target]
    users = [line.split()[1] for line in instructions if line.startswith("USER ")]
    assert users == ["1001"]  # a number, so that Kubernetes can see that it is not root
    assert instructions[-2].startswith("ENTRYPOINT") or instructions[-1].startswith("ENTRYPOINT")
    while start in stages():
        start, _ = stages()[start]
    assert re.fullmatch(r"python:3\.10-slim-\w+", start)


def test_what_the_wheel_is_built_of_reaches_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    there = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in there)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(
        r'"([^"]+)"', "".join(re.findall(r"^(?:license-files|readme) = (.*)$", project, re.MULTILINE))
    )
    assert named
    assert {name.split("/")[0] for name in named} <= there
    assert {"constraints.txt", "emotionlayer_rasa", "pyproject.toml"} <= there
