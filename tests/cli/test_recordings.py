import socket
from pathlib import Path

import pytest

from emotionlayer_rasa.audio import load_audio
from emotionlayer_rasa.cli.recordings import ACTED, CLIPS, find_calls
from emotionlayer_rasa.errors import ConfigurationError


def test_the_users_files_are_the_only_call(tmp_path):
    file = tmp_path / "mine.wav"
    file.write_bytes(b"RIFF")
    (call,) = find_calls((file,))
    assert [recording.path for recording in call.turns] == [file]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no such file: .*gone\.wav"):
        find_calls((tmp_path / "gone.wav",))


def test_without_files_net_programs_or_corpora_there_are_clips_all_the_same(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("EMOTIONLAYER_SHARED", str(tmp_path))
    monkeypatch.setattr(socket, "socket", None)
    (call,) = find_calls(())
    assert "Open Database License" in call.source
    for recording in call.turns:
        assert load_audio(recording.path).duration_s > 1.0


def test_in_another_language_a_customer_types(root: Path, monkeypatch):
    monkeypatch.chdir(root)
    (call,) = find_calls((), "de")
    assert not call.spoken
    assert len(call.turns) == 5
    asked = call.turns[0].request("caller")
    assert asked == {"json": {"sender": "caller", "message": "Guten Tag, ich brauche Hilfe."}}
    (own,) = find_calls((CLIPS / "README.md",), "de")
    assert own.spoken


def test_a_language_without_lines_is_named():
    with pytest.raises(ConfigurationError, match=r"no languages/xx/demo\.yml.*--audio"):
        find_calls((), "xx")


def test_the_shop_call_is_added_in_a_checkout(root: Path, monkeypatch):
    monkeypatch.chdir(root)
    acted, shop = find_calls(())
    assert [recording.note for recording in acted.turns] == [f"acted: {emotion}" for _, emotion in ACTED]
    assert shop.turns[0].path.name == "en_order.flac"


def test_every_clip_stands_in_the_readme_that_names_its_licence():
    readme = (CLIPS / "README.md").read_text(encoding="utf-8")
    assert "Open Database License 1.0" in readme
    shipped = {path.name for path in CLIPS.iterdir()} - {"README.md"}
    assert shipped == {f"{clip}.ogg" for clip, _ in ACTED}
    assert all(f"| `{name}` |" in readme for name in shipped)
