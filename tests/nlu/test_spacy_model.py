"""The example's words for SpacyNLP are found by the package's name, from any folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rasa.nlu.utils.spacy_utils import SpacyNLP

import emotionlayer_rasa

PACKAGE = Path(emotionlayer_rasa.__file__).parent


def configured(root: Path) -> str:
    pipeline = yaml.safe_load((root / "config.yml").read_text(encoding="utf-8"))["pipeline"]
    (model,) = (component["model"] for component in pipeline if component["name"] == "SpacyNLP")
    return model


def test_the_example_names_a_model_that_is_found_from_any_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = SpacyNLP.load_model(configured(root)).model
    SpacyNLP.ensure_proper_language_model(model)
    assert [token.lemma_ for token in model("where are my orders")] == ["where", "be", "my", "order"]


def test_what_spacy_reads_of_the_package_is_what_the_model_says_of_itself() -> None:
    assert (PACKAGE / "meta.json").read_bytes() == (PACKAGE / "languages/en/spacy/meta.json").read_bytes()


@pytest.mark.train
def test_a_copy_of_the_example_is_trained_in_another_folder(root: Path, tmp_path: Path) -> None:
    for name in ("config.yml", "domain.yml", "data"):
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "rasa", "train", "nlu", "--fixed-model-name", "copied", "--quiet"],
        cwd=tmp_path,
        env={**os.environ, "RASA_TELEMETRY_ENABLED": "false"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (tmp_path / "models" / "copied.tar.gz").is_file(), done.stdout + done.stderr
