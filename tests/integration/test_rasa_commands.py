"""Rasa's own commands go on working with the component in the pipeline."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import yaml
from rasa.core.channels import console
from rasa.core.training.interactive import _write_nlu_to_file, _write_stories_to_file
from rasa.shared.core.domain import Domain
from rasa.shared.importers.importer import TrainingDataImporter

import emotionlayer_rasa
from emotionlayer_rasa.utterance import METADATA_KEY

if TYPE_CHECKING:
    from conftest import Assistant

Rasa = Callable[..., "subprocess.CompletedProcess[str]"]


def test_rasa_test_nlu(rasa: Rasa, model: Path, root: Path, tmp_path: Path) -> None:
    """On wordings that are not in the training data; no report and no error list knows the emotion."""
    held_out = root / "tests" / "integration" / "held_out_nlu.yml"
    done = rasa("test", "nlu", "--nlu", str(held_out), "--model", str(model), "--out", str(tmp_path), "--no-plot")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "intent_report.json").read_text())
    assert report["accuracy"] >= 0.9
    numbers = json.loads((tmp_path / "RegexEntityExtractor_report.json").read_text())
    assert numbers["order_number"]["recall"] == 1.0
    assert not any("emotion" in path.name.lower() for path in tmp_path.iterdir())


def test_rasa_test_core(rasa: Rasa, model: Path, root: Path, tmp_path: Path) -> None:
    """Test stories are written as if the component were not there."""
    stories = root / "tests" / "test_stories.yml"
    done = rasa(
        *("test", "core", "--stories", str(stories), "--model", str(model), "--out", str(tmp_path), "--no-plot"),
        "--fail-on-prediction-errors",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "story_report.json").read_text())
    told = len(yaml.safe_load(stories.read_text(encoding="utf-8"))["stories"])
    assert report["conversation_accuracy"] == {"accuracy": 1.0, "correct": told, "with_warnings": 0, "total": told}


def test_rasa_train_names_a_wrong_key(rasa: Rasa, root: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((root / "config.yml").read_text(encoding="utf-8"))
    config["pipeline"] = [
        {"name": "WhitespaceTokenizer"},
        {"name": "emotionlayer_rasa.EmotionExtractor", "typo": 1},
    ]
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    done = rasa("train", "nlu", "--config", str(tmp_path / "config.yml"), "--out", str(tmp_path))
    assert done.returncode != 0
    said = "'typo' is no known key (known here: min_confidence, text, min_text_confidence, language)"
    assert said in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.tar.gz"))


def test_rasa_shell(assistant: Assistant) -> None:
    """What `rasa shell` does with a typed line, by its own client."""

    async def typed(text: str) -> list[dict[str, Any]]:
        answers = console._send_message_receive_stream(str(assistant.http.base_url), "", "shell", text)
        return [answer async for answer in answers]

    answers = asyncio.run(typed("where is my order"))
    assert any("order number" in answer.get("text", "") for answer in answers), answers
    (turn,) = assistant.turns("shell")
    (emotion,) = turn["parse_data"]["entities"]
    assert (emotion["source"], emotion["value"] in ("neutral", "unknown")) == ("text", True)


def test_what_rasa_interactive_exports_holds_no_emotion(
    assistant: Assistant, data: Path, root: Path, tmp_path: Path
) -> None:
    """`rasa interactive` holds the model, and with it the component, in its own process."""
    assert emotionlayer_rasa.EmotionExtractor
    assistant.rest("my order number is 2290", "interactive")
    assistant.hear(data / "en_order.flac", "interactive")
    events: list[dict[str, Any]] = assistant.tracker("interactive")["events"]
    assert any(METADATA_KEY in (event.get("metadata") or {}) for event in events)
    domain = Domain.load(str(root / "domain.yml"))
    nlu, stories = tmp_path / "nlu.yml", tmp_path / "stories.yml"
    _write_nlu_to_file(str(nlu), events)
    _write_stories_to_file(str(stories), events, domain)
    written = nlu.read_text()
    assert "[2290](order_number)" in written
    assert "emotion" not in written
    assert METADATA_KEY not in stories.read_text()
    importer = TrainingDataImporter.load_core_importer_from_config(
        str(root / "config.yml"), str(root / "domain.yml"), [str(stories)]
    )
    (story,) = importer.get_stories().story_steps
    assert any(getattr(event, "action_name", "") == "action_look_up_order" for event in story.events)
