import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from command_line import separate_runner

from emotionlayer_rasa.cli import main
from emotionlayer_rasa.taxonomy import EMOTIONS, STATES, UNKNOWN

KEYS = ["path", "transcript", "emotion", "confidence", "adapted_from", "scores", "valence", "arousal", "dominance"]
KEYS += ["words", "affect", "prosody", "model", "timings_ms"]


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """Two recordings, one below the other, between two that cannot be used."""
    recordings = tmp_path / "recordings"
    (recordings / "deep").mkdir(parents=True)
    (recordings / "a_text.wav").write_bytes(b"not a recording")
    (recordings / "b_person.flac").write_bytes((data / "en_person.flac").read_bytes())
    soundfile.write(recordings / "c_silence.wav", np.zeros(16_000), 16_000)
    (recordings / "deep" / "d_order.flac").write_bytes((data / "en_order.flac").read_bytes())
    (recordings / "notes.txt").write_text("no audio by its name")
    return recordings


@pytest.mark.whisper
def test_one_object_a_file_and_one_line_a_bad_file(folder: Path) -> None:
    result = separate_runner().invoke(
        main, ["analyze", str(folder), "--format", "jsonl", "--transcriber", "whisper"]
    )
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(row["path"]).name for row in rows] == ["b_person.flac", "d_order.flac"]
    for row in rows:
        assert list(row) == KEYS
        assert row["emotion"] in (*EMOTIONS, UNKNOWN)
        assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-3)
        assert all(0 <= row[axis] <= 1 for axis in ("valence", "arousal", "dominance", "confidence"))
        assert row["words"]["emotion"]["source"] == "text"
        assert row["affect"]["state"] in (*STATES, UNKNOWN)
        assert row["prosody"]["pitch_hz"] > 50
        assert row["prosody"]["word_rate"] > 0
        assert row["model"]["transcription"] == "whisper/tiny.en"
    assert "real person" in rows[0]["transcript"].lower()
    errors = result.stderr.splitlines()
    assert len(errors) == 2
    assert "a_text.wav: audio.unsupported: " in errors[0]
    assert "c_silence.wav: audio.silent: " in errors[1]


def test_utterances_of_a_caller_are_heard_with_what_the_former_ones_taught(data: Path, tmp_path: Path) -> None:
    for name in ("anna", "bert"):
        (tmp_path / name).mkdir()
        for place, recording in ((1, "en_order"), (3, "en_person"), (4, "en_thanks")):
            (tmp_path / name / f"{place}.flac").write_bytes((data / f"{recording}.flac").read_bytes())
    (tmp_path / "anna" / "2.wav").write_bytes(b"not a recording")
    folders = [str(tmp_path / name) for name in ("anna", "bert")]

    def analyze(*options: str) -> list[dict[str, Any]]:
        result = separate_runner().invoke(
            main, ["analyze", *folders, "--format", "jsonl", "--no-transcript", *options]
        )
        assert result.exit_code == 1
        (error,) = result.stderr.splitlines()
        assert "2.wav: audio.unsupported: " in error
        return [json.loads(line) for line in result.stdout.splitlines()]

    alone, known = analyze(), analyze("--caller")
    assert [row["adapted_from"] for row in alone] == [0] * 6
    assert [row["adapted_from"] for row in known] == [0, 1, 2] * 2
    assert [row["path"] for row in known] == [row["path"] for row in alone]
    anna, bert = known[:3], known[3:]
    assert [row["scores"] for row in anna] == [row["scores"] for row in bert]
    assert anna[0]["scores"] == alone[0]["scores"]
    assert anna[2]["scores"] != alone[2]["scores"]


def test_recordings_of_phones_are_found_in_a_folder(data: Path, tmp_path: Path) -> None:
    for name, options in (("memo.m4a", []), ("call.3gp", ["-c:a", "aac"]), ("page.WEBM", ["-f", "webm"])):
        command = ["ffmpeg", "-v", "error", "-nostdin", "-i", data / "en_thanks.flac", *options, tmp_path / name]
        subprocess.run(command, check=True)
    result = separate_runner().invoke(main, ["analyze", str(tmp_path), "--format", "jsonl", "--no-transcript"])
    assert result.exit_code == 0, result.stderr
    names = [Path(json.loads(line)["path"]).name for line in result.stdout.splitlines()]
    assert names == ["call.3gp", "memo.m4a", "page.WEBM"]


def test_emotion_alone_as_a_table(data: Path) -> None:
    result = separate_runner().invoke(main, ["analyze", str(data / "en_thanks.flac"), "--no-transcript"])
    assert result.exit_code == 0, result.output
    assert "emotion" in result.stdout
    assert "words" not in result.stdout


def test_a_folder_without_audio_is_an_error_line(tmp_path: Path) -> None:
    result = separate_runner().invoke(main, ["analyze", str(tmp_path), "--no-transcript"])
    assert result.exit_code == 1
    assert "No audio file in this folder" in result.stderr


def test_a_missing_file_is_an_error_line(tmp_path: Path) -> None:
    result = separate_runner().invoke(main, ["analyze", str(tmp_path / "gone.wav"), "--no-transcript"])
    assert result.exit_code == 1
    assert "gone.wav: file: No such file or directory" in result.stderr


def test_a_model_that_is_not_there_stops_the_command(data: Path, tmp_path: Path) -> None:
    options = ["--no-transcript", "--emotion-model", str(tmp_path / "gone.onnx")]
    result = separate_runner().invoke(main, ["analyze", str(data / "en_thanks.flac"), *options])
    assert result.exit_code == 1
    assert "gone.onnx" in result.stderr
