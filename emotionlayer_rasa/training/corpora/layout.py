"""Reading folders and tables that others laid out."""

from __future__ import annotations

import csv
import logging
import re
from pathlib import Path
from typing import Iterable, Iterator, Mapping

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.taxonomy import canonical_emotion

logger = logging.getLogger(__name__)

SOUND = (".wav", ".flac")
"""Endings of sound files; several corpora are handed on as FLAC."""


def wrong_folder(corpus: str, folder: Path, looked_for: str) -> ConfigurationError:
    """The error for a folder that is not laid out as the corpus is."""
    return ConfigurationError(f"{corpus}: nothing found in {folder}. Looked for {looked_for}.")


def named_sounds(
    corpus: str, folder: Path, name: re.Pattern[str], looked_for: str
) -> Iterator[tuple[Path, re.Match[str]]]:
    """Sound files below a folder whose stem matches ``name`` as a whole, each stem once.

    Some archives hold every file twice, in two folders; the first in the order of the paths is taken.

    Raises:
        ConfigurationError: there is none.
    """
    seen: set[str] = set()
    for path in sounds(folder):
        match = name.fullmatch(path.stem)
        if match and path.stem not in seen:
            seen.add(path.stem)
            yield path, match
    if not seen:
        raise wrong_folder(corpus, folder, looked_for)


def sounds(folder: Path) -> list[Path]:
    """All sound files below a folder, sorted; not the hidden ones that macOS leaves (``._name.wav``)."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SOUND and not path.name.startswith(".")
    )


def find_table(corpus: str, folder: Path, name: str, looked_for: str) -> Path:
    """The table called ``name`` below a folder; the least deep one.

    Raises:
        ConfigurationError: there is none.
    """
    found = sorted(folder.rglob(name), key=lambda path: (len(path.parts), path))
    if not found:
        raise wrong_folder(corpus, folder, looked_for)
    return found[0]


def read_table(path: Path, *columns: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Rows of a CSV file, each with where it is (file and line, for error messages).

    Raises:
        ConfigurationError: a column is missing, or the file is no CSV file.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                there = ", ".join(reader.fieldnames or ())
                raise ConfigurationError(f"{path}: no column {', '.join(map(repr, missing))}; it has {there}.")
            for row in reader:
                yield f"{path}: line {reader.line_num}", {key: value or "" for key, value in row.items() if key}
    except (UnicodeDecodeError, csv.Error):
        raise ConfigurationError(f"{path}: this is not a CSV file in UTF-8.") from None


def present(corpus: str, folder: Path, clips: Iterable[Clip]) -> list[Clip]:
    """The clips whose sound file is there; how many are not is logged.

    Raises:
        ConfigurationError: none is there.
    """
    clips = list(clips)
    there = [clip for clip in clips if clip.path.is_file()]
    if not there:
        example = clips[0].path if clips else "any clip"
        raise ConfigurationError(
            f"{corpus}: the tables in {folder} list no sound file that is there, such as {example}."
        )
    if len(there) < len(clips):
        logger.warning("%s: %d of %d listed sound files are missing", corpus, len(clips) - len(there), len(clips))
    return there


def emotion_of(label: str, where: str) -> str:
    """Canonical emotion of a label.

    Raises:
        ConfigurationError: the label is no known alias; names where it stands.
    """
    try:
        return canonical_emotion(label)
    except KeyError:
        raise ConfigurationError(f"{where}: '{label}' is no known emotion.") from None


def gender_of(text: str) -> str:
    """``female``, ``male`` or empty."""
    return {"f": "female", "m": "male"}.get(text.strip().lower()[:1], "")


def rating(text: str, highest: float, where: str) -> float | None:
    """A rating from 1 to ``highest`` as 0..1; None for an empty cell.

    A few ratings of IEMOCAP lie half a step outside their scale; they are moved to its end.

    Raises:
        ConfigurationError: it is no number.
    """
    if not text.strip():
        return None
    try:
        return min(max((float(text) - 1) / (highest - 1), 0.0), 1.0)
    except ValueError:
        raise ConfigurationError(f"{where}: '{text}' is no rating from 1 to {highest:g}.") from None


def shares(counts: Mapping[str, float]) -> dict[str, float]:
    """Vote counts as shares that sum to 1; empty without votes."""
    total = sum(counts.values())
    return {name: count / total for name, count in sorted(counts.items())} if total else {}
