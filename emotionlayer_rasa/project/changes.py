"""Changes of a project's files: their diff, how they are written, and how they are taken back.

Before a file is written, what it held and what it will hold is kept in ``.emotionlayer/`` in the project's
folder, a numbered folder for each time. Names there end in neither ``.yml`` nor ``.py``, so that neither Rasa nor
the action server reads them; only the owner may, for credentials are among them.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from emotionlayer_rasa.errors import ProjectError

FOLDER = ".emotionlayer"

_RECORD = "record.json"


@dataclass(frozen=True)
class Change:
    """What becomes of a file.

    Attributes:
        path: the file.
        before: its text now; None where there is none.
        after: its text afterwards; None where there is none then.
    """

    path: Path
    before: str | None
    after: str | None


def diff(change: Change, folder: Path) -> Iterator[str]:
    """The lines of a unified diff, without line ends; paths are those within ``folder``."""
    name = os.path.relpath(change.path, folder)
    lines = difflib.unified_diff(
        (change.before or "").splitlines(),
        (change.after or "").splitlines(),
        name if change.before is not None else "/dev/null",
        name if change.after is not None else "/dev/null",
        lineterm="",
    )
    yield from lines


def write(changes: Sequence[Change], folder: Path) -> None:
    """Write files, after what they were has been kept for :func:`taken_back`.

    Args:
        changes: those of one time; they are taken back together.
        folder: the project's.

    Raises:
        ProjectError: a file cannot be written.
    """
    with _writing():
        record = _new_record(folder)
        entries = []
        for number, change in enumerate(changes):
            for kind, text in (("before", change.before), ("after", change.after)):
                if text is not None:
                    (record / f"{number}.{kind}").write_bytes(text.encode("utf-8"))
            entries.append({"path": os.path.relpath(change.path, folder), "new": change.before is None})
        (record / _RECORD).write_text(json.dumps(entries, indent=2), encoding="utf-8")
        _apply(changes)


def taken_back(folder: Path) -> list[Change]:
    """What takes the last :func:`write` back: what has been written into the files since stays.

    Raises:
        ProjectError: nothing is there to be taken back, or lines that were added have been changed since.
    """
    record = _last_record(folder)
    changes, changed = [], []
    for number, entry in enumerate(json.loads((record / _RECORD).read_text(encoding="utf-8"))):
        path = folder / entry["path"]
        before = None if entry["new"] else _kept(record / f"{number}.before")
        after, now = _kept(record / f"{number}.after"), _kept(path) if path.is_file() else None
        if now is None and before is None:
            continue
        untouched = now in (before, after)  # before: writing was cut short
        restored = before if untouched else None if now is None else _without(before, after, now)
        if restored is None and not untouched:
            changed.append(entry["path"])
        changes.append(Change(path, now, restored))
    if changed:
        raise ProjectError(
            f"Changed since they were written: {', '.join(changed)}. Nothing is taken back. What these files were "
            f"is in {record}: {_RECORD} numbers them."
        )
    return changes


def take_back(changes: Sequence[Change], folder: Path) -> None:
    """Apply what :func:`taken_back` gave, and forget the time that it takes back.

    Raises:
        ProjectError: a file cannot be written.
    """
    with _writing():
        _apply(changes)
        for change in changes:
            if change.after is None and change.path.parent != folder:
                with contextlib.suppress(OSError):  # others' files are in it
                    change.path.parent.rmdir()
        shutil.rmtree(_last_record(folder))
        if not any(path.is_dir() for path in (folder / FOLDER).iterdir()):
            shutil.rmtree(folder / FOLDER)


def _apply(changes: Sequence[Change]) -> None:
    for change in changes:
        if change.after is None:
            change.path.unlink(missing_ok=True)
        else:
            change.path.parent.mkdir(parents=True, exist_ok=True)
            change.path.write_bytes(change.after.encode("utf-8"))


def _without(before: str | None, after: str, now: str) -> str | None:
    """``now`` with those lines as they were ``before`` that ``after`` changed; None where they are not there."""
    if before is None:
        return None
    were, added, present = (text.splitlines(keepends=True) for text in (before, after, now))
    still = difflib.SequenceMatcher(None, added, present, autojunk=False).get_matching_blocks()
    hunks = difflib.SequenceMatcher(None, were, added, autojunk=False).get_opcodes()
    for kind, start, end, added_start, added_end in reversed(hunks):
        if kind == "equal":
            continue
        block = next((b for b in still if b.a <= added_start and added_end <= b.a + b.size), None)
        if block is None:
            return None
        offset = block.b - block.a
        present[added_start + offset : added_end + offset] = were[start:end]
    return "".join(present)


def _new_record(folder: Path) -> Path:
    kept = folder / FOLDER
    kept.mkdir(mode=0o700, exist_ok=True)
    (kept / ".gitignore").write_text("*\n", encoding="utf-8")
    number = max((int(path.name) for path in _records(folder)), default=0) + 1
    record = kept / f"{number:04d}"
    record.mkdir(mode=0o700)
    return record


def _records(folder: Path) -> list[Path]:
    kept = folder / FOLDER
    return sorted(path for path in kept.iterdir() if path.name.isdigit()) if kept.is_dir() else []


def _last_record(folder: Path) -> Path:
    records = [path for path in _records(folder) if (path / _RECORD).is_file()]
    if not records:
        raise ProjectError(f"Nothing to take back: {folder / FOLDER} keeps no files.")
    return records[-1]


def _kept(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProjectError(
            f"{error.filename or 'A file'} cannot be written ({error.strerror}). What was written already can be "
            "taken back: emotionlayer init --undo"
        ) from None
