"""The examples are what they say: a bot validates, has nothing left to add, and has words for what it knows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from rasa.cli.utils import validate_files
from rasa.shared.importers.importer import TrainingDataImporter

from emotionlayer_rasa.channels.voice import VoiceSettings
from emotionlayer_rasa.cli import main
from emotionlayer_rasa.endpoints import expanded
from emotionlayer_rasa.language import read_file
from emotionlayer_rasa.response.llm import read_llm_settings
from emotionlayer_rasa.response.templates import Replies
from emotionlayer_rasa.settings import read_settings

EXAMPLES = Path(__file__).parents[1] / "examples"
BOTS = {"wellbeing": ("--escalation",), "tutor": (), "text-only": ("--text-only",), "nlg": ("--text-only",)}
"""Folder and options of ``emotionlayer init``; only ``nlg`` has not been through it."""
PROFILES = {"wellbeing": "wellbeing", "tutor": "tutoring"}
"""Bots whose intents our action answers."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMOTIONLAYER_TOKEN", "TWILIO_AUTH_TOKEN", "VLLM_API_KEY"):
        monkeypatch.setenv(name, "secret")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def validate(folder: Path) -> None:
    """``rasa data validate --fail-on-warnings``."""
    files = (str(folder / name) for name in ("config.yml", "domain.yml"))
    importer = TrainingDataImporter.load_from_config(*files, [str(folder / "data")])
    validate_files(fail_on_warnings=True, max_history=None, importer=importer)  # exits where something is wrong


def test_every_folder_is_tested_and_explained() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert {*BOTS, "twilio", "ollama", "vllm"} <= folders
    assert [name for name in folders if not (EXAMPLES / name / "README.md").is_file()] == []


@pytest.mark.parametrize("name", BOTS)
def test_a_bot_validates_before_and_after_init(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")))
    validate(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = CliRunner().invoke(main, ["init", str(folder), "--yes", *BOTS[name]])
    assert result.exit_code == 0, result.output
    after = {path: path.read_bytes() for path in before}
    assert (after == before) is (name != "nlg")
    validate(folder)


@pytest.mark.parametrize("name", PROFILES)
def test_there_are_words_for_every_intent(name: str) -> None:
    rules = read(EXAMPLES / name / "data/rules.yml")["rules"]
    answered = {
        rule["steps"][0]["intent"]
        for rule in rules
        if rule["steps"][1:] == [{"action": "action_empathetic_reply"}] and "intent" in rule["steps"][0]
    }
    own = set(read_settings(Replies, read(EXAMPLES / name / "languages/en/replies.yml"), name).situations)
    assert own <= answered, "nothing is worded that is never said"
    files = ("replies.yml", f"profiles/{PROFILES[name]}.yml")
    assert answered <= own.union(*(read_file(Replies, "en", file).situations for file in files))


@pytest.mark.parametrize("name", ["wellbeing", "tutor", "twilio"])
def test_the_channel_takes_its_credentials(name: str) -> None:
    section = read(EXAMPLES / name / "credentials.yml")["emotionlayer_rasa.VoiceInput"]
    read_settings(VoiceSettings, expanded(section, name), name)


@pytest.mark.parametrize("name", ["ollama", "vllm"])
def test_the_action_server_takes_its_endpoints(name: str) -> None:
    settings = read_llm_settings(EXAMPLES / name / "endpoints.yml")
    assert settings is not None
    assert settings.model in (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
