import http.server
import threading
from functools import partial
from pathlib import Path

import pytest

from emotionlayer_rasa.cli.recordings import CREMA_D_CLIPS, DEMO_EMOTIONS, find_calls
from emotionlayer_rasa.errors import ConfigurationError

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def no_corpora(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOTIONLAYER_SHARED", str(tmp_path / "absent"))


def test_the_users_files_are_the_only_call(tmp_path):
    file = tmp_path / "mine.wav"
    file.write_bytes(b"RIFF")
    (call,) = find_calls((file,), tmp_path)
    assert [recording.path for recording in call.recordings] == [file]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no such file: .*gone\.wav"):
        find_calls((tmp_path / "gone.wav",), tmp_path)


def test_the_corpora_come_first(monkeypatch, tmp_path):
    clip = tmp_path / "shared/speech/ravdess/17/angry.flac"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"fLaC")
    (tmp_path / "shared/speech/manifest.csv").write_text(
        "path,corpus,speaker,emotion,original_label,intensity\n"
        "ravdess/17/angry.flac,ravdess,ravdess-17,anger,angry,strong\n"
    )
    monkeypatch.setenv("EMOTIONLAYER_SHARED", str(tmp_path / "shared"))
    call = find_calls((), tmp_path, NOWHERE)[0]
    assert "RAVDESS" in call.source
    assert {recording.path for recording in call.recordings} == {clip}


@pytest.mark.usefixtures("no_corpora")
def test_crema_d_is_fetched_once_with_its_licence_named(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for name in CREMA_D_CLIPS.values():
        (site / name).write_bytes(b"RIFF" + name.encode())
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        call = find_calls((), tmp_path / "kept", f"http://127.0.0.1:{server.server_port}")[0]
    finally:
        server.shutdown()
        server.server_close()
    assert "Open Database License" in call.source
    assert len(call.recordings) == len(DEMO_EMOTIONS)
    assert call.recordings[0].path.read_bytes() == b"RIFF" + CREMA_D_CLIPS["neutral"].encode()
    assert find_calls((), tmp_path / "kept", NOWHERE)[0] == call


@pytest.mark.usefixtures("no_corpora")
def test_without_any_recordings_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="--audio FILES"):
        find_calls((), tmp_path, NOWHERE)


@pytest.mark.usefixtures("no_corpora")
def test_espeak_speaks_when_nothing_else_can_be_had(monkeypatch, tmp_path):
    tool = tmp_path / "bin/espeak-ng"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\nwhile [ "$1" != -w ]; do shift; done\nprintf RIFF > "$2"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    call = find_calls((), tmp_path / "kept", NOWHERE)[0]
    assert "only imitated" in call.source
    assert all(Path(recording.path).read_bytes() == b"RIFF" for recording in call.recordings)
