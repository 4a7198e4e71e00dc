from pathlib import Path

from click.testing import CliRunner
from command_line import separate_runner

from emotionlayer_rasa.cli import main


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    options = ["--data", str(tmp_path), "--encoder", str(tmp_path / "none.bin"), "--out", str(tmp_path / "out")]
    done = separate_runner().invoke(main, ["train-text", *options])
    assert done.exit_code == 1
    assert "labels.txt" in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_it_is_listed_and_explains_itself() -> None:
    assert "train-text" in CliRunner().invoke(main, ["--help"]).stdout
    explained = CliRunner().invoke(main, ["train-text", "--help"]).stdout
    assert all(option in explained for option in ("--data", "--encoder", "--out"))
