import json

import pytest
from command_line import separate_runner

from emotionlayer_rasa.cli import main
from emotionlayer_rasa.taxonomy import EMOTIONS

ROWS = {"en_order": "neutral", "en_complaint": "anger", "en_thanks": "joy", "en_person": "neutral"}


@pytest.fixture
def manifest(tmp_path):
    rows = [f"{name}.flac,synthetic,en,espeak,male,{emotion}" for name, emotion in ROWS.items()]
    path = tmp_path / "m.csv"
    path.write_text("\n".join(["path,corpus,language,speaker,gender,emotion", *rows]) + "\n")
    return path


def run(*arguments):
    return separate_runner().invoke(main, [str(argument) for argument in arguments])


def test_the_shipped_model_on_a_manifest(manifest, data, tmp_path):
    out = tmp_path / "out"
    done = run("evaluate", "--manifest", manifest, "--root", data, "--out", out)
    assert done.exit_code == 0, done.stderr
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["model"].startswith("onnx/")
    assert (metrics["clips"], metrics["scored"], metrics["failures"]) == (4, 4, 0)
    assert metrics["confusion"]["labels"] == list(EMOTIONS)
    assert metrics["by_corpus"]["synthetic"]["uar"] == metrics["uar"]
    assert metrics["masked_labels"] == {"synthetic": ["disgust", "fear", "sadness", "surprise"]}
    assert {path.name for path in out.iterdir()} == {"metrics.json", "report.md", "confusion.png"}
    assert "synthetic" in done.stdout
    assert f"{metrics['uar']:.3f}" in done.stdout


def test_degraded_recordings_give_other_scores(manifest, data, tmp_path):
    results = []
    for place, degrade in enumerate([(), ("--degrade", "snr0"), ("--degrade", "snr0")]):
        out = tmp_path / str(place)
        done = run("evaluate", "--manifest", manifest, "--root", data, "--out", out, *degrade)
        assert done.exit_code == 0, done.stderr
        results.append(json.loads((out / "metrics.json").read_text()))
    clean, noisy, again = results
    assert (clean["degrade"], noisy["degrade"]) == (None, "snr0")
    assert clean["ece"] != noisy["ece"]
    assert noisy == again


def test_a_bad_recording_is_one_line_and_exit_code_1(manifest, data, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    manifest.write_text(manifest.read_text() + f"{bad},synthetic,en,nobody,male,anger\n")
    done = run("evaluate", "--manifest", manifest, "--root", data, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert [line for line in done.stderr.splitlines() if "bad.wav" in line and "audio.unsupported" in line]
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["failures"] == 1


def test_wrong_manifests_and_degradations_stop_it(manifest, tmp_path):
    manifest.write_text("path,emotion\na.wav,joy\n")
    done = run("evaluate", "--manifest", manifest, "--out", tmp_path)
    assert done.exit_code == 1
    assert "line 1: no column" in done.stderr
    assert run("evaluate", "--manifest", manifest, "--out", tmp_path, "--degrade", "rain").exit_code == 2


def test_the_curve_over_what_is_known_of_the_speakers(manifest, data, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    manifest.write_text(manifest.read_text() + f"{bad},synthetic,en,espeak,male,anger\n")
    done = run("evaluate", "--manifest", manifest, "--root", data, "--out", tmp_path / "out", "--adapt", "3")
    assert done.exit_code == 1
    assert len([line for line in done.stderr.splitlines() if "bad.wav" in line]) == 1
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert list(metrics["adapted"]) == ["1", "3"]
    for row in metrics["adapted"].values():
        assert set(row) == {"uar", "accuracy", "ece", "coverage", "by_corpus"}
        assert row["by_corpus"] == {"synthetic": row["uar"]}
        assert row["ece"] != metrics["ece"]
    curve = done.stdout[done.stdout.index("UAR by other utterances of the speaker") :]
    counts = [line.split("│")[1].strip() for line in curve.splitlines() if line.startswith("│")]
    assert counts == ["0", "1", "3"]
    assert f"{metrics['adapted']['3']['ece']:.3f}" in curve
    plain = run("evaluate", "--manifest", manifest, "--root", data, "--out", tmp_path / "plain")
    assert "other utterances" not in plain.stdout
    assert "adapted" not in json.loads((tmp_path / "plain" / "metrics.json").read_text())
