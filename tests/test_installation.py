"""The command that hints name, by where the package came from."""

from __future__ import annotations

import json
import shlex
from importlib import metadata
from pathlib import Path
from typing import Iterator

import pytest

from emotionlayer_rasa import installation
from emotionlayer_rasa.errors import MissingExtraError
from emotionlayer_rasa.installation import install_command


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    installation._origin.cache_clear()
    yield
    installation._origin.cache_clear()


@pytest.mark.parametrize(
    ("record", "command"),
    [
        (None, ["pip", "install", "emotionlayer-rasa[whisper]"]),
        (
            {"url": "file:///a%20folder/e-0.1.0-py3-none-any.whl", "archive_info": {}},
            ["pip", "install", "/a folder/e-0.1.0-py3-none-any.whl[whisper]"],
        ),
        ({"url": "file:///checkout", "dir_info": {}}, ["pip", "install", "/checkout[whisper]"]),
        (
            {"url": "file:///checkout", "dir_info": {"editable": True}},
            ["pip", "install", "--editable", "/checkout[whisper]"],
        ),
        (
            {"url": "https://host.example/x.git", "vcs_info": {"vcs": "git", "commit_id": "1a2b"}},
            ["pip", "install", "emotionlayer-rasa[whisper] @ git+https://host.example/x.git@1a2b"],
        ),
        (
            {"url": "https://host.example/e-0.1.0-py3-none-any.whl", "archive_info": {}},
            ["pip", "install", "emotionlayer-rasa[whisper] @ https://host.example/e-0.1.0-py3-none-any.whl"],
        ),
    ],
)
def test_it_installs_from_where_the_package_came_from(
    record: object, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "METADATA").write_text("Metadata-Version: 2.1\nName: emotionlayer-rasa\nVersion: 0\n")
    if record:
        (tmp_path / "direct_url.json").write_text(json.dumps(record))
    monkeypatch.setattr(metadata, "distributions", lambda name: [metadata.PathDistribution(tmp_path)])
    assert shlex.split(install_command("whisper")) == command
    assert install_command("whisper") in str(MissingExtraError("faster-whisper", "whisper"))


def test_options_come_before_the_package() -> None:
    assert shlex.split(install_command(options=["--no-deps"]))[:3] == ["pip", "install", "--no-deps"]
