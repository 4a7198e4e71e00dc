"""Downloads come from a real HTTP server on this machine; the archive of the first tests is a real Vosk model."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Iterator

import pytest

from emotionlayer_rasa import model_store
from emotionlayer_rasa.audio import load_audio
from emotionlayer_rasa.errors import ChecksumError, DownloadError, ModelUnavailableError
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.transcription import TranscriptionSettings, VoskSettings, create_transcriber
from emotionlayer_rasa.transcription.vosk import find_model

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
KOREAN = "vosk-model-small-ko-0.22"


class Server:
    """Serves archives and counts the requests.

    ``files``: name to bytes or file. ``drops``: for each coming request, after how many bytes it breaks off.
    ``gate``: bodies stop half way until it is set. ``resumable``: whether Range is understood.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes | Path] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.drops: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.requested = threading.Event()
        self.resumable = True
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                server.requests.append((self.path, asked))
                content = server.files.get(self.path.lstrip("/"))
                if content is None:
                    self.send_error(404)
                    return
                body = content.read_bytes() if isinstance(content, Path) else content
                start, etag = 0, f'"{len(body)}"'
                if asked and server.resumable and self.headers.get("If-Range") == etag:
                    start = int(asked.removeprefix("bytes=").rstrip("-"))
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body) - start))
                if server.resumable:
                    self.send_header("ETag", etag)
                self.end_headers()
                end = start + server.drops.pop(0) if server.drops else len(body)
                half = (start + end) // 2
                self.wfile.write(body[start:half])
                server.requested.set()
                server.gate.wait(30)
                with contextlib.suppress(OSError):  # the client was killed
                    self.wfile.write(body[half:end])
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def _reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_store, "_unreachable", {})


@pytest.fixture(scope="module")
def big_folder() -> Iterator[Path]:
    """Removed at once, unlike pytest's own temporary folders: the model has a quarter of a gigabyte."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def korean_archive(korean_model: Path, big_folder: Path) -> Path:
    archive = big_folder / f"{KOREAN}.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for file in korean_model.rglob("*"):
            bundle.write(file, Path(KOREAN) / file.relative_to(korean_model))
    return archive


def small_archive(text: str = "one", folder: str = "toy/") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr(f"{folder}am/final.mdl", text)
        bundle.writestr(f"{folder}noise", os.urandom(400_000))
    return buffer.getvalue()


def leftovers(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.name.startswith(".") and not path.name.endswith(".lock")]


def test_a_real_model_is_downloaded_unpacked_and_heard_with(
    server: Server, korean_archive: Path, big_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelStore, "find_in_package", lambda *_: None)  # as if the package were not installed
    size = korean_archive.stat().st_size
    server.files[korean_archive.name] = korean_archive
    server.drops = [size // 2]
    seen: list[tuple[int, int | None]] = []
    cache = big_folder / "cache"
    # Packed here, so that it has not the sum of Vosk's own archive.
    vosk = VoskSettings(base_url=server.url, sha256=hashlib.sha256(korean_archive.read_bytes()).hexdigest())
    settings = TranscriptionSettings(language="ko", fallback=None, vosk=vosk)
    transcriber = create_transcriber(settings, ModelStore(cache, lambda *state: seen.append(state)))
    assert transcriber.model == f"vosk/{KOREAN}"
    assert transcriber.transcribe(load_audio(DATA / "ko_music_where.flac")).text == "음악 어디에"
    # The connection broke half way and the second request went on from there.
    assert [asked for _, asked in server.requests] == [None, f"bytes={size // 2}-"]
    done = [state[0] for state in seen]
    assert done == sorted(done)
    assert (done[0], seen[-1]) == (0, (size, size))
    assert len(done) > 100
    assert {total for _, total in seen} == {size}
    assert leftovers(cache) == []


def test_an_archive_with_another_sum_than_the_catalogue_s_is_refused(server: Server, tmp_path: Path) -> None:
    row = find_model("de")
    server.files[f"{row.name}.zip"] = small_archive(folder=f"{row.name}/")
    settings = TranscriptionSettings(language="de", fallback=None, vosk=VoskSettings(base_url=server.url))
    with pytest.raises(ChecksumError, match=f"{row.sha256} is required; nothing was installed"):
        create_transcriber(settings, ModelStore(tmp_path))
    assert leftovers(tmp_path) == []
    assert not (tmp_path / row.name).exists()


def test_a_cached_model_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    server.files["toy.zip"] = small_archive()
    for _ in range(2):
        folder = ModelStore(tmp_path).fetch("toy", f"{server.url}/toy.zip")
        assert (folder / "am" / "final.mdl").read_text() == "one"
    assert len(server.requests) == 1


def test_an_archive_without_a_top_folder(server: Server, tmp_path: Path) -> None:
    server.files["toy.zip"] = small_archive(folder="")
    assert (ModelStore(tmp_path).fetch("toy", f"{server.url}/toy.zip") / "am" / "final.mdl").is_file()


def test_progress_is_drawn_on_stderr(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.files["toy.zip"] = small_archive()
    ModelStore(tmp_path).fetch("toy", f"{server.url}/toy.zip")
    shown = capsys.readouterr()
    assert "Downloading toy" in shown.err
    assert shown.out == ""


def test_a_wrong_checksum_installs_nothing(server: Server, tmp_path: Path) -> None:
    body = small_archive()
    server.files["toy.zip"] = body
    store, url = ModelStore(tmp_path), f"{server.url}/toy.zip"
    right = hashlib.sha256(body).hexdigest()
    with pytest.raises(ChecksumError, match=right):
        store.fetch("toy", url, "0" * 64)
    assert not (tmp_path / "toy").exists()
    assert leftovers(tmp_path) == []
    assert store.fetch("toy", url, right.upper()).is_dir()
    with pytest.raises(ChecksumError, match=f"{right}.*Delete that folder"):
        store.fetch("toy", url, "0" * 64)  # a pin holds for what is in the cache, too


def test_the_first_download_is_trusted_and_later_ones_must_match(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first, second = small_archive("one"), small_archive("two")
    store, url = ModelStore(tmp_path), f"{server.url}/toy.zip"
    server.files["toy.zip"] = first
    folder = store.fetch("toy", url)
    assert f"sha256: {hashlib.sha256(first).hexdigest()}" in caplog.text
    folder.rename(tmp_path / "gone")
    server.files["toy.zip"] = second
    with pytest.raises(ChecksumError, match=r"first download.*toy\.sha256"):
        store.fetch("toy", url)
    assert not folder.exists()
    store.fetch("toy", url, hashlib.sha256(second).hexdigest())
    assert (folder / "am" / "final.mdl").read_text() == "two"


@pytest.mark.parametrize("resumable", [True, False])
def test_dropped_connections_are_retried(server: Server, tmp_path: Path, resumable: bool) -> None:
    server.files["toy.zip"] = small_archive()
    server.drops = [100_000, 200_000]
    server.resumable = resumable
    folder = ModelStore(tmp_path).fetch("toy", f"{server.url}/toy.zip")
    assert (folder / "am" / "final.mdl").read_text() == "one"
    expected = [None, "bytes=100000-", "bytes=300000-"] if resumable else [None] * 3
    assert [asked for _, asked in server.requests] == expected


def test_a_connection_that_keeps_dropping_leaves_nothing_and_a_later_call_succeeds(
    server: Server, tmp_path: Path
) -> None:
    server.files["toy.zip"] = small_archive()
    server.drops = [1000, 1000, 1000]
    store, url = ModelStore(tmp_path), f"{server.url}/toy.zip"
    with pytest.raises(DownloadError, match=r"broke 3 times.*models download toy --from FILE"):
        store.fetch("toy", url)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
    assert store.fetch("toy", url).is_dir()


def test_a_file_replaced_between_two_tries_is_fetched_whole(server: Server, tmp_path: Path) -> None:
    old, new = small_archive("old"), small_archive("new!")
    assert len(old) != len(new)
    server.files["toy.zip"] = old
    server.drops = [100_000]

    def replace(done: int, _: int | None) -> None:
        if done >= 100_000:
            server.files["toy.zip"] = new

    folder = ModelStore(tmp_path, replace).fetch("toy", f"{server.url}/toy.zip")
    assert (folder / "am" / "final.mdl").read_text() == "new!"


FETCH = (
    "import logging, sys\n"
    "from emotionlayer_rasa.model_store import ModelStore\n"
    "logging.basicConfig(level=logging.INFO, stream=sys.stdout, format='%(message)s')\n"
    "print(ModelStore(sys.argv[1], lambda *_: None).fetch('toy', sys.argv[2]), flush=True)\n"
)


def fetch_in_a_process(cache: Path, server: Server) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-c", FETCH, str(cache), f"{server.url}/toy.zip"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_a_second_process_waits_and_shares_the_one_download(server: Server, tmp_path: Path) -> None:
    server.files["toy.zip"] = small_archive()
    server.gate.clear()
    first = fetch_in_a_process(tmp_path, server)
    assert server.requested.wait(30)
    second = fetch_in_a_process(tmp_path, server)
    assert second.stdout
    assert "another process" in next(line for line in second.stdout if "model_store" in line)
    server.gate.set()
    outputs = [first.communicate(timeout=30)[0], second.communicate(timeout=30)[0]]
    assert [output.strip().splitlines()[-1] for output in outputs] == [str(tmp_path / "toy")] * 2
    assert len(server.requests) == 1


def test_a_killed_process_leaves_no_half_written_model(server: Server, tmp_path: Path) -> None:
    server.files["toy.zip"] = small_archive()
    server.gate.clear()
    process = fetch_in_a_process(tmp_path, server)
    assert server.requested.wait(30)
    process.kill()
    process.communicate()
    server.gate.set()
    assert not (tmp_path / "toy").exists()
    assert (ModelStore(tmp_path).fetch("toy", f"{server.url}/toy.zip") / "am" / "final.mdl").is_file()
    assert leftovers(tmp_path) == []


def _with_a_flipped_bit(body: bytes) -> bytes:
    return body[:200_000] + bytes([body[200_000] ^ 1]) + body[200_001:]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Please log in to the hotel's network</html>",
        small_archive()[:-1000],
        _with_a_flipped_bit(small_archive()),
        b"PK\x05\x06" + bytes(18),
    ],
    ids=["html", "cut", "bit", "nothing inside"],
)
def test_a_damaged_archive_installs_nothing(server: Server, tmp_path: Path, body: bytes) -> None:
    server.files["toy.zip"] = body
    store, url = ModelStore(tmp_path), f"{server.url}/toy.zip"
    with pytest.raises(DownloadError, match="no usable archive"):
        store.fetch("toy", url)
    server.files["toy.zip"] = small_archive()
    assert store.fetch("toy", url).is_dir()  # and its sum was not recorded


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "toy/../../evil", "..\\evil"])
def test_an_archive_cannot_write_outside_its_folder(server: Server, tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("toy/fine", "fine")
        bundle.writestr(name, "evil")
    server.files["toy.zip"] = buffer.getvalue()
    with pytest.raises(DownloadError, match="leads out"):
        ModelStore(tmp_path / "cache").fetch("toy", f"{server.url}/toy.zip")
    assert not list(tmp_path.rglob("*evil"))


def test_what_is_not_there_says_so(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"/toy\.zip: the server answered 404.*set 'model'"):
        ModelStore(tmp_path).fetch("toy", f"{server.url}/toy.zip")


def test_a_dead_host_is_asked_once(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9 cannot be reached"):
        store.fetch("toy", "http://127.0.0.1:9/toy.zip")
    with pytest.raises(DownloadError, match="a moment ago"):
        store.fetch("other", "http://127.0.0.1:9/other.zip")


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailableError, match="EMOTIONLAYER_CACHE"):
        ModelStore(tmp_path / "file" / "cache").fetch("toy", "http://127.0.0.1:9/toy.zip")


def test_an_archive_that_was_brought_by_hand_takes_the_place_of_what_is_there(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "cache")
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    first.write_bytes(small_archive("one"))
    second.write_bytes(small_archive("two"))
    assert store.find("toy") is None
    folder = store.install("toy", first)
    assert store.find("toy") == folder
    assert (folder / "am" / "final.mdl").read_text() == "one"
    with pytest.raises(ChecksumError, match=f"{second} has SHA-256 .*nothing was installed"):
        store.install("toy", second)
    assert (folder / "am" / "final.mdl").read_text() == "one"
    (folder / "stray").write_text("of the first one")
    assert store.install("toy", second, hashlib.sha256(second.read_bytes()).hexdigest()) == folder
    assert sorted(path.name for path in folder.iterdir()) == ["am", "noise"]
    assert (folder / "am" / "final.mdl").read_text() == "two"
    assert leftovers(tmp_path / "cache") == []
    with pytest.raises(DownloadError, match=r"no file .*third\.zip"):
        store.install("toy", tmp_path / "third.zip")


def test_the_sums_of_a_models_files_are_recorded_as_sha256sum_reads_them(server: Server, tmp_path: Path) -> None:
    server.files["toy.zip"] = small_archive()
    store = ModelStore(tmp_path)
    folder = store.fetch("toy", f"{server.url}/toy.zip")
    recorded = store.recorded_files("toy")
    assert recorded == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("am/final.mdl", "noise")
    }
    check = ["sha256sum", "--check", "--quiet", str(tmp_path / "toy.files.sha256")]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    (folder / "noise").write_text("changed")
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 1
    assert store.recorded_files("other") == {}


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EMOTIONLAYER_CACHE", str(tmp_path / "chosen"))
    assert ModelStore().cache_dir == tmp_path / "chosen"
    assert ModelStore(tmp_path).cache_dir == tmp_path
    monkeypatch.delenv("EMOTIONLAYER_CACHE")
    assert ModelStore().cache_dir.name == "emotionlayer"


def test_packages_are_searched_without_importing_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "weights_of_a_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "b.gguf").write_text("")
    (package / "a.gguf").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    store = ModelStore(tmp_path)
    assert store.find_in_package("weights_of_a_model", "*.gguf") == package / "a.gguf"
    assert store.find_in_package("weights_of_a_model", "*.onnx") is None
    assert store.find_in_package("no_such_package", "*") is None
