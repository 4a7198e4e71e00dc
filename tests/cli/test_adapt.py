import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import Result
from command_line import separate_runner

from emotionlayer_rasa.audio import SAMPLE_RATE, load_audio
from emotionlayer_rasa.cli import main
from emotionlayer_rasa.emotion import EmotionSettings, create_recognizer


def run(*arguments: object) -> Result:
    return separate_runner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Recordings of 50 callers, 48 folders and two files; one has two, and a bad one. And what is no caller."""
    folder = tmp_path_factory.mktemp("site")
    speech = load_audio(sorted((data / "ravdess").glob("*.flac"))[0]).samples
    rng = np.random.default_rng(0)
    for place in range(50):
        level, start = rng.uniform(0.3, 1.0), rng.integers(SAMPLE_RATE // 4)
        path = folder / (f"caller{place:02}/deep/call.wav" if place < 48 else f"caller{place}.WAV")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, level * speech[start:], SAMPLE_RATE)
    soundfile.write(folder / "caller00" / "again.flac", speech, SAMPLE_RATE)
    (folder / "caller00" / "bad.wav").write_bytes(b"not a recording")
    (folder / "nobody").mkdir()
    (folder / "notes.txt").write_text("no recording by its name")
    return folder


def test_a_site_is_learnt_and_used(site: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "site.json"
    done = run("adapt", site, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert f"Written: {out} (50 callers)" in done.stdout
    assert f"emotion: {{site: {out}}}" in done.stdout
    assert [line for line in done.stderr.splitlines() if "bad.wav: audio.unsupported: " in line]
    written = json.loads(out.read_text())
    recognizer = create_recognizer(EmotionSettings())
    assert set(written) == {"model", "callers", "shift"}
    assert (written["model"], written["callers"]) == (recognizer.model, 50)
    assert any(written["shift"])

    def scores(*options: object) -> dict[str, float]:
        heard = run(
            "analyze", data / "en_order.flac", "--no-transcript", "--format", "jsonl", "--caller", *options
        )
        assert heard.exit_code == 0, heard.stderr
        return json.loads(heard.stdout)["scores"]

    assert scores("--site", out) != scores()


def test_too_few_callers_are_a_clear_error(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "site.json"
    done = run("adapt", site / "caller00", site / "caller01", "--out", out)
    assert done.exit_code == 1
    assert "A site is learnt from at least 50 callers" in done.stderr
    assert "a voice was heard of 3." in done.stderr  # two folders, and a file beside one of them
    assert not out.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("adapt", tmp_path / "gone")
    assert done.exit_code == 2
    assert "gone" in done.stderr


def test_a_site_that_cannot_be_used_stops_the_command(data: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.json"
    site.write_text(json.dumps({"model": "onnx/another-1", "callers": 60, "shift": [0.0] * 11}))
    for path, told in ((site, "learnt by the emotion model onnx/another-1"), (tmp_path / "no.json", "no.json")):
        done = run("analyze", data / "en_order.flac", "--no-transcript", "--site", path)
        assert done.exit_code == 1
        assert told in done.stderr
        assert "emotionlayer adapt" in done.stderr
