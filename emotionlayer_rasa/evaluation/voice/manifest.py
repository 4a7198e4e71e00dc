"""The one list format for labelled recordings: a CSV file with one row a clip.

Columns that must be there: ``path, corpus, language, speaker, gender, emotion``. Columns that may be there:
``original_label, intensity, duration_s, text``, ratings ``valence, arousal, dominance`` (0..1, .5 is neutral) and
``votes_<emotion>``, the share of raters who heard that emotion, or all of them in one column, ``votes``, as how
many heard anger/disgust/fear/joy/neutral/sadness. Other columns are ignored.
"""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Mapping, Sequence

import numpy as np

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN, canonical_emotion

REQUIRED_COLUMNS = ("path", "corpus", "language", "speaker", "gender", "emotion")
OPTIONAL_COLUMNS = ("original_label", "intensity", "duration_s", "text", *DIMENSIONS)
VOTES = "votes_"
"""Prefix of the vote columns."""

_VOTED = ("anger", "disgust", "fear", "joy", "neutral", "sadness")
"""Emotions that the column ``votes`` counts, in its order."""

_NEVER_EMPTY = ("path", "corpus", "speaker", "emotion")
_SHUFFLES = 200
"""Speaker assignments that :func:`split_by_speaker` draws and compares."""


@dataclass(frozen=True)
class Clip:
    """One labelled recording.

    Attributes:
        path: the sound file, absolute or relative to the manifest's root folder.
        corpus: short name of the collection, such as ``ravdess``.
        language: code such as ``en``; may be empty.
        speaker: who speaks; unique within the corpus.
        gender: ``female``, ``male`` or empty.
        emotion: one of the seven emotions, or ``unknown`` for a label outside them.
        original_label: the corpus's own label.
        intensity: the corpus's own word for how strong the emotion is.
        duration_s: length in seconds, where known.
        text: what is said, where known.
        valence, arousal, dominance: human ratings, 0..1, where known.
        votes: share of raters by emotion (and ``unknown``), summing to 1; empty where nobody voted.
    """

    path: Path
    corpus: str
    language: str
    speaker: str
    gender: str
    emotion: str
    original_label: str = ""
    intensity: str = ""
    duration_s: float | None = None
    text: str = ""
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    votes: Mapping[str, float] = field(default_factory=dict)

    @property
    def speaker_key(self) -> tuple[str, str]:
        """Corpus and speaker: the person, across corpora."""
        return self.corpus, self.speaker

    def target(self) -> np.ndarray:
        """What a model should answer: float32 of shape (7,), in the order of ``EMOTIONS``, summing to 1.

        The votes for the seven emotions where there are any, else 1 for the label. All zeros for a clip that has
        neither: its label is ``unknown``.
        """
        shares = np.array([self.votes.get(name, 0.0) for name in EMOTIONS], dtype=np.float32)
        if shares.sum() > 0:
            return shares / shares.sum()
        return np.array([name == self.emotion for name in EMOTIONS], dtype=np.float32)


def read_manifest(path: str | Path) -> list[Clip]:
    """Read a manifest; labels go through :func:`~emotionlayer_rasa.taxonomy.canonical_emotion`.

    Raises:
        ConfigurationError: the file cannot be read, holds no clip, lacks a column, or a value is wrong; names the
            line and the column.
    """
    path = Path(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in REQUIRED_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigurationError(
                    f"{path}: line 1: no column {', '.join(map(repr, missing))}. "
                    f"A manifest has the columns {', '.join(REQUIRED_COLUMNS)}."
                )
            clips = [_clip(row, f"{path}: line {reader.line_num}") for row in reader]
    except OSError as error:
        raise ConfigurationError(f"{path}: the manifest cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise ConfigurationError(f"{path}: this is not a CSV file in UTF-8.") from None
    if not clips:
        raise ConfigurationError(f"{path}: the manifest lists no clip.")
    return clips


def write_manifest(clips: Iterable[Clip], path: str | Path) -> None:
    """Write a manifest that :func:`read_manifest` reads back; vote columns only where somebody voted."""
    clips = list(clips)
    voted = [name for name in (*EMOTIONS, UNKNOWN) if any(name in clip.votes for clip in clips)]
    with open(path, "w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow([*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS, *(VOTES + name for name in voted)])
        for clip in clips:
            values = [getattr(clip, name) for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)]
            writer.writerow([*values, *(clip.votes.get(name, "") for name in voted)])


def split_by_speaker(clips: Sequence[Clip], shares: Mapping[str, float], seed: int = 0) -> dict[str, list[Clip]]:
    """Divide clips so that nobody speaks in two parts.

    Every corpus is divided by itself, whatever other corpora are there. Of many random assignments of its speakers
    the one is taken whose parts come closest to the wanted share of every emotion, since in some corpora no
    speaker has all of them. A corpus with at least as many speakers as parts has somebody in every part.

    Args:
        clips: the clips of any number of corpora.
        shares: name of each part and its share of the clips, such as ``{"train": .7, "dev": .15, "test": .15}``.
        seed: same clips and seed, same parts.

    Returns:
        The clips of each part, in the order in which they came.

    Raises:
        ConfigurationError: a share is not positive, or they do not sum to 1.
    """
    if not shares or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ConfigurationError(f"The shares of a split must be positive and sum to 1, not {dict(shares)}.")
    part_of: dict[tuple[str, str], str] = {}
    for corpus in sorted({clip.corpus for clip in clips}):
        rng = np.random.default_rng([seed, zlib.crc32(corpus.encode())])
        part_of |= _assign_speakers([clip for clip in clips if clip.corpus == corpus], shares, rng)
    return {name: [clip for clip in clips if part_of[clip.speaker_key] == name] for name in shares}


def check_disjoint(parts: Mapping[str, Iterable[Clip]]) -> None:
    """Make sure that nobody speaks in two parts.

    Raises:
        ConfigurationError: somebody does; names the speakers and the parts.
    """
    seen: dict[tuple[str, str], str] = {}
    leaks: set[str] = set()
    for name, clips in parts.items():
        for key in {clip.speaker_key for clip in clips}:
            if seen.setdefault(key, name) != name:
                leaks.add(f"{'/'.join(key)} ({seen[key]} and {name})")
    if leaks:
        raise ConfigurationError(
            f"The split leaks: {len(leaks)} speakers are in two parts: {', '.join(sorted(leaks)[:10])}. "
            "Divide by speaker, for example with split_by_speaker."
        )


def _assign_speakers(
    clips: Sequence[Clip], shares: Mapping[str, float], rng: np.random.Generator
) -> dict[tuple[str, str], str]:
    speakers = sorted({clip.speaker_key for clip in clips})
    counts = np.zeros((len(speakers), len(EMOTIONS) + 1))
    labels = {name: place for place, name in enumerate((*EMOTIONS, UNKNOWN))}
    places = {speaker: place for place, speaker in enumerate(speakers)}
    for clip in clips:
        counts[places[clip.speaker_key], labels[clip.emotion]] += 1
    totals = np.maximum(counts.sum(axis=0), 1)

    names = list(shares)
    sizes = _part_sizes(len(speakers), np.array([shares[name] for name in names]))
    parts = np.repeat(np.arange(len(names)), sizes)
    wanted = np.array([shares[name] for name in names])[:, None]
    best, best_error = parts, np.inf
    for _ in range(_SHUFFLES):
        drawn = rng.permutation(parts)
        got = np.stack([counts[drawn == part].sum(axis=0) for part in range(len(names))]) / totals
        error = float(np.abs(got - wanted)[:, counts.any(axis=0)].sum())
        if error < best_error:
            best, best_error = drawn, error
    return {speaker: names[part] for speaker, part in zip(speakers, best, strict=True)}


def _part_sizes(count: int, shares: np.ndarray) -> np.ndarray:
    """Speakers in each part by largest remainder, at least one in each where there are enough."""
    sizes = np.floor(count * shares + 1e-9).astype(int)
    for place in np.argsort(sizes - count * shares, kind="stable")[: count - sizes.sum()]:
        sizes[place] += 1
    while count >= len(shares) and sizes.min() == 0:
        sizes[np.argmin(sizes)] += 1
        sizes[np.argmax(sizes)] -= 1
    return sizes


def _clip(row: Mapping[str, str | None], where: str) -> Clip:
    values = {name: (row.get(name) or "").strip() for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)}
    for name in _NEVER_EMPTY:
        if not values[name]:
            raise ConfigurationError(f"{where}: column '{name}' is empty.")
    votes = _counted(row.get("votes"), f"{where}: column 'votes'")
    for column in row:
        if column and column.startswith(VOTES):
            share = _number(row[column], 0.0, 1.0, f"{where}: column '{column}'")
            if share is not None:
                label = _emotion(column.removeprefix(VOTES), f"{where}: column '{column}'")
                votes[label] = votes.get(label, 0.0) + share
    if votes and abs(sum(votes.values()) - 1) > 0.01:
        raise ConfigurationError(
            f"{where}: the columns '{VOTES}...' sum to {sum(votes.values()):.3f}; the shares of the raters sum "
            f"to 1 (a column '{VOTES}{UNKNOWN}' takes those who heard something else)."
        )
    return Clip(
        path=Path(values["path"]),
        corpus=values["corpus"],
        language=values["language"],
        speaker=values["speaker"],
        gender=values["gender"],
        emotion=_emotion(values["emotion"], f"{where}: column 'emotion'"),
        original_label=values["original_label"] or values["emotion"],
        intensity=values["intensity"],
        duration_s=_number(values["duration_s"], 0.0, float("inf"), f"{where}: column 'duration_s'"),
        text=values["text"],
        valence=_number(values["valence"], 0.0, 1.0, f"{where}: column 'valence'"),
        arousal=_number(values["arousal"], 0.0, 1.0, f"{where}: column 'arousal'"),
        dominance=_number(values["dominance"], 0.0, 1.0, f"{where}: column 'dominance'"),
        votes=votes,
    )


def _counted(text: str | None, where: str) -> dict[str, float]:
    """Shares of the votes that a cell such as ``6/2/0/0/1/0`` counts; empty for an empty cell, or no vote."""
    if not text or not text.strip():
        return {}
    counts = text.split("/")
    if len(counts) != len(_VOTED) or not all(count.strip().isdecimal() for count in counts):
        raise ConfigurationError(f"{where}: '{text}' does not count {'/'.join(_VOTED)}.")
    total = sum(map(int, counts))
    return {name: int(count) / total for name, count in zip(_VOTED, counts, strict=True)} if total else {}


def _emotion(label: str, where: str) -> str:
    try:
        return canonical_emotion(label)
    except KeyError:
        raise ConfigurationError(
            f"{where}: '{label}' is no known emotion. Write one of {', '.join(EMOTIONS)}, or '{UNKNOWN}'."
        ) from None


def _number(text: str | None, low: float, high: float, where: str) -> float | None:
    if not text or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high or np.isinf(value):
        limits = f"{low:g}..{high:g}" if np.isfinite(high) else f"{low:g} or more"
        raise ConfigurationError(f"{where}: '{text}' is no number within {limits}.")
    return value
