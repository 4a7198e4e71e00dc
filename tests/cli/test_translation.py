"""The shop in another language: what is derived of its files, and when it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from emotionlayer_rasa.cli import translation
from emotionlayer_rasa.cli.translation import train, translated_config, translated_credentials
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.words import LANGUAGES

EXTRACTOR = "emotionlayer_rasa.EmotionExtractor"


@pytest.fixture(autouse=True)
def _in_the_shop(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


@pytest.mark.parametrize("language", ["de", "it", "xx"])
def test_the_config_is_that_of_the_folder_but_for_what_knows_the_language(root: Path, language: str) -> None:
    ours = yaml.safe_load((root / "config.yml").read_text(encoding="utf-8"))
    config = translated_config(ours, language)
    assert config == {**ours, "language": language, "pipeline": config["pipeline"]}
    tokenizer, *others, extractor = config["pipeline"]
    assert tokenizer == {"name": "WhitespaceTokenizer"}
    assert others == ours["pipeline"][2:-1]
    read = language in LANGUAGES
    assert extractor == {**ours["pipeline"][-1], "name": EXTRACTOR, "language": language, "text": read}


def test_words_that_are_not_to_be_read_stay_unread() -> None:
    config = translated_config({"pipeline": [{"name": EXTRACTOR, "text": False}]}, "it")
    assert config["pipeline"][0]["text"] is False


def test_the_channel_hears_the_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = {"token": "${TOKEN}", "transcription": {"language": "en", "fallback": None}}
    monkeypatch.chdir(tmp_path)
    Path("credentials.yml").write_text(yaml.safe_dump({"rest": None, "emotionlayer_rasa.VoiceInput": channel}))
    derived = yaml.safe_load(translated_credentials("de", tmp_path / "out").read_text())
    channel["transcription"] = {"language": "de", "fallback": None}
    assert derived == {"rest": None, "emotionlayer_rasa.VoiceInput": channel}
    Path("credentials.yml").write_text("emotionlayer_rasa.VoiceInput:\n")
    derived = yaml.safe_load(translated_credentials("de", tmp_path / "out").read_text())
    assert derived == {"emotionlayer_rasa.VoiceInput": {"transcription": {"language": "de"}}}


class Trained(Exception):
    """Rasa was started."""


def test_it_is_trained_once_and_again_when_something_of_it_has_changed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> NoReturn:
        commands.append(command)
        raise Trained

    monkeypatch.setattr(translation.subprocess, "run", run)
    model = tmp_path / "assistant-de.tar.gz"
    with pytest.raises(Trained):
        train("de", model)
    data = commands[0][commands[0].index("--data") + 1 :]
    assert data == ["data/rules.yml", "data/stories.yml", "languages/de/nlu.yml"]
    domain = yaml.safe_load((tmp_path / "assistant-de" / "domain.yml").read_text(encoding="utf-8"))
    ours = yaml.safe_load((root / "domain.yml").read_text(encoding="utf-8"))
    assert {**domain, "responses": None} == {**ours, "responses": None}
    assert "Bestellnummer" in domain["responses"]["utter_ask_order_number"][0]["text"]
    model.touch()
    train("de", model)
    train("de", model)
    (tmp_path / "assistant-de" / "config.yml").write_text("language: of yesterday")
    with pytest.raises(Trained):
        train("de", model)
    assert len(commands) == 2


def test_a_language_without_examples_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no languages/xx/nlu\.yml"):
        train("xx", tmp_path / "assistant-xx.tar.gz")


def test_where_rasa_cannot_train_its_log_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation.sys, "executable", "/bin/false")
    with pytest.raises(ConfigurationError, match=r"could not train .* language de; see .*train\.log"):
        train("de", tmp_path / "assistant-de.tar.gz")
