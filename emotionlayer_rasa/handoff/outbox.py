"""A folder of summaries that wait for delivery: it survives a crash, and several processes may share it.

``<id>.json`` waits, ``<id>.failed`` waits for somebody to mend the cause, ``<id>.lock`` is held while a process
works on it, and the empty file ``delivered/<id>`` says for a month that it was delivered. Only the owner of the
files may read them.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Literal, Mapping

from filelock import FileLock, Timeout

State = Literal["delivered", "queued", "failed"]

REMEMBERED_S = 30 * 86_400
"""Seconds that a delivery is remembered, so that the same summary is not posted again."""

_WRITTEN_S = 60.0  # by then a file is written, or its writer dead


@dataclass(frozen=True)
class Entry:
    """A summary that waits.

    Attributes:
        summary: what is to be delivered.
        due: POSIX time of the next attempt, in seconds.
        attempts: how often it was tried.
    """

    summary: Mapping[str, Any]
    due: float = 0.0
    attempts: int = 0


class Outbox:
    """Keeps summaries in ``folder``, which it creates.

    Each change of an entry belongs into :meth:`claim`.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._delivered = folder / "delivered"
        self._delivered.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)

    def state(self, id: str) -> State | None:
        """What has become of a summary; None when it is not known."""
        # Delivery makes its mark before the entry goes: in this order both are never missed.
        waits, failed = self._path(id, "json").is_file(), self._path(id, "failed").is_file()
        if (self._delivered / id).is_file():
            return "delivered"
        return "queued" if waits else "failed" if failed else None

    @contextlib.contextmanager
    def claim(self, id: str) -> Iterator[bool]:
        """Work on one entry; gives False, at once, where somebody else does so now."""
        path = self._path(id, "lock")
        lock = FileLock(path, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            if self.state(id) != "queued":
                # Somebody who has opened the old file finds no entry to work on.
                with contextlib.suppress(OSError):
                    path.unlink()
            lock.release()

    def put(self, id: str, entry: Entry) -> None:
        """Write an entry, new or changed: whole or not at all.

        Raises:
            OSError: the disk is full, or the folder is no longer writable.
        """
        path, draft = self._path(id, "json"), self._path(id, "draft")
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(entry), file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def read(self, id: str) -> Entry | None:
        """The entry; None where it does not wait (any more).

        Raises:
            ValueError: the file is no entry.
        """
        try:
            return Entry(**json.loads(self._path(id, "json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except TypeError as error:
            raise ValueError(str(error)) from None

    def waiting(self) -> list[str]:
        """Ids of the entries that wait, oldest first."""
        found = []
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                if self.state(path.stem) == "queued":
                    found.append((path.stat().st_mtime, path.stem))
        return [id for _, id in sorted(found)]

    def postpone(self, id: str, entry: Entry, due: float) -> None:
        """Note a fruitless attempt."""
        self.put(id, replace(entry, due=due, attempts=entry.attempts + 1))

    def fail(self, id: str) -> None:
        """Keep the entry, without further attempts until :meth:`retry_failed`."""
        self._path(id, "json").replace(self._path(id, "failed"))

    def deliver(self, id: str) -> None:
        """Remember the delivery and remove the entry."""
        with contextlib.suppress(OSError):  # on a full disk the entry must go all the same
            (self._delivered / id).touch(mode=0o600)
        self._path(id, "json").unlink(missing_ok=True)

    def retry_failed(self) -> None:
        """Let the failed entries wait again, as new ones."""
        for path in self.folder.glob("*.failed"):
            with self.claim(path.stem) as mine, contextlib.suppress(FileNotFoundError, ValueError):
                if mine:
                    path.replace(self._path(path.stem, "json"))
                    entry = self.read(path.stem)
                    if entry is not None:
                        self.put(path.stem, Entry(entry.summary))

    def forget(self, conversation: str) -> int:
        """Remove what waits or has failed of a conversation, undelivered.

        Args:
            conversation: Rasa's id of it.

        Returns:
            How many summaries there were.
        """
        gone = 0
        for kind in ("json", "failed"):
            for path in self.folder.glob(f"*.{kind}"):
                with self.claim(path.stem) as mine, contextlib.suppress(FileNotFoundError, ValueError, KeyError):
                    if (
                        mine
                        and json.loads(path.read_text(encoding="utf-8"))["summary"]["conversation"] == conversation
                    ):
                        path.unlink()
                        gone += 1
        return gone

    def tidy(self) -> None:
        """Remove what a crash has left, and the marks of deliveries that are older than :data:`REMEMBERED_S`."""
        for path in self.folder.glob("*.json"):
            if self.state(path.stem) == "delivered":
                path.unlink(missing_ok=True)
        for path, age in [
            *((path, _WRITTEN_S) for path in self.folder.glob("*.draft")),
            *((path, REMEMBERED_S) for path in self._delivered.iterdir()),
        ]:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - age:
                    path.unlink()

    def _path(self, id: str, kind: str) -> Path:
        return self.folder / f"{id}.{kind}"
