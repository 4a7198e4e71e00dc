"""How well the reader of words reads what it has not learnt from."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN
from emotionlayer_rasa.training.words.corpora import (
    LabelledTexts,
    Line,
    Split,
    caller_lines,
    emo_bank,
    foreign_lines,
    go_emotions,
)
from emotionlayer_rasa.utterance import CUES, TextReading
from emotionlayer_rasa.words.reader import TextReader

TRAPS = ("keyword", "negation", "attribution", "past", "hypothetical")
"""Kinds of lines in which a word does not mean what it mostly means."""

PRESENT = 0.5
"""Probability from which a cue counts as found."""

Read = Callable[[str], TextReading]


def caller_figures(read: Read, split: Split) -> dict[str, Any]:
    """Figures on what callers say.

    Returns:
        ``emotion``: share of lines whose most likely emotion is one of the labelled ones, and ``by_language``;
        ``cues``: F1 of each cue; ``cue_f1``: their mean; ``own``: share right where it is labelled; ``ratings``:
        Pearson's r, 0 where nothing is read; ``pairs``: share of the lines of minimal pairs that are right in
        everything in which the lines of the pair differ (main emotion, cues), and ``by_kind``; ``traps``: the same
        of those of :data:`TRAPS`.
    """
    lines = caller_lines(split)
    readings = [read(line.text) for line in lines]
    right = np.asarray([_emotion(reading) in line.emotions for line, reading in zip(lines, readings, strict=True)])
    found = np.asarray([[reading.cues[cue] >= PRESENT for cue in CUES] for reading in readings])
    truth = np.asarray([[line.has(cue) for cue in CUES] for line in lines])
    cues = dict(zip(CUES, map(float, f1(truth, found)), strict=True))
    pairs = _pairs(lines, right, found == truth)
    return {
        "emotion": float(right.mean()),
        "by_language": _means(zip((line.language for line in lines), right, strict=True)),
        "cue_f1": float(np.mean(list(cues.values()))),
        "cues": cues,
        "own": _own(lines, readings),
        "ratings": _ratings(lines, readings),
        "pairs": float(np.mean(list(pairs.values()))),
        "traps": float(np.mean([hit for place, hit in pairs.items() if lines[place].kind in TRAPS])),
        "by_kind": _means((lines[place].kind, hit) for place, hit in pairs.items()),
    }


def corpus_figures(reader: TextReader, data: Path, split: Split) -> dict[str, Any]:
    """Figures on the corpora of others, of the encoder's own numbers.

    Returns:
        ``macro_f1`` and ``f1`` of GoEmotions' seven labels, present where their probability reaches a threshold
        chosen on its development set, as in the paper; ``emo_bank`` and ``emo_ita``: Pearson's r of valence,
        arousal and dominance with the ratings.
    """
    thresholds = best_thresholds(_shares(reader, held := go_emotions(data, "dev")), _labels(held))
    comments = go_emotions(data, split)
    scores = f1(_labels(comments), _shares(reader, comments) >= thresholds)
    figures: dict[str, Any] = {
        "macro_f1": float(scores.mean()),
        "f1": dict(zip(EMOTIONS, map(float, scores), strict=True)),
    }
    for name, language in (("emo_bank", "en"), ("emo_ita", "it")):
        rated = emo_bank(data, split, language)
        outputs = all_outputs(reader, rated)
        places = range(len(EMOTIONS), len(EMOTIONS) + len(DIMENSIONS))
        figures[name] = dict(
            zip(DIMENSIONS, (_r(outputs[:, place], rated.targets[:, place]) for place in places), strict=True)
        )
    return figures


def foreign_figures(read: Read, split: Split) -> dict[str, float]:
    """Share of texts of each kind (``foreign``, ``noise``, ``own``) that are called unknown."""
    return _means((line.kind, not read(line.text).emotion.scores) for line in foreign_lines(split))


def all_outputs(reader: TextReader, texts: LabelledTexts) -> np.ndarray:
    """The encoder's numbers of each text; shape (n, 22)."""
    return np.stack([reader.encoder(text) for text in texts.texts])


def best_thresholds(shares: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The share of each label from which it counts as present with the best F1; shape (labels,)."""
    steps = np.geomspace(0.01, 0.95, 80)
    scores = np.stack([f1(truth, shares >= step) for step in steps])
    return np.asarray(steps[scores.argmax(axis=0)])


def f1(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """F1 of each label; both arguments (n, labels) of zeros and ones or booleans."""
    truth, found = truth.astype(bool), found.astype(bool)
    hits = (truth & found).sum(axis=0)
    return np.asarray(2 * hits / np.maximum(1, truth.sum(axis=0) + found.sum(axis=0)))


def _shares(reader: TextReader, texts: LabelledTexts) -> np.ndarray:
    logits = all_outputs(reader, texts)[:, : len(EMOTIONS)]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _labels(texts: LabelledTexts) -> np.ndarray:
    return texts.targets[:, : len(EMOTIONS)] > 0


def _emotion(reading: TextReading) -> str:
    scores = reading.emotion.scores
    return max(scores, key=lambda emotion: scores[emotion]) if scores else UNKNOWN


def _pairs(lines: Sequence[Line], emotion: np.ndarray, cues: np.ndarray) -> dict[int, bool]:
    """Of each line that has a counterpart, by its place, whether all is right in which the two differ."""
    groups: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for place, line in enumerate(lines):
        if line.pair != "-":
            groups[line.hand, line.language, line.pair].append(place)
    right = {}
    for places in groups.values():
        members = [lines[place] for place in places]
        differing = [at for at, cue in enumerate(CUES) if len({line.has(cue) for line in members}) > 1]
        feelings = len({line.emotions[0] for line in members}) > 1
        if differing or feelings:
            for place in places:
                right[place] = bool(cues[place, differing].all() and (emotion[place] or not feelings))
    return right


def _own(lines: Sequence[Line], readings: Sequence[TextReading]) -> float:
    hits = [
        ((reading.own or 0.0) >= PRESENT) == line.own
        for line, reading in zip(lines, readings, strict=True)
        if line.own is not None
    ]
    return float(np.mean(hits))


def _ratings(lines: Sequence[Line], readings: Sequence[TextReading]) -> dict[str, float]:
    read = [
        (line.ratings, [getattr(reading.emotion, axis) for axis in DIMENSIONS])
        for line, reading in zip(lines, readings, strict=True)
        if reading.emotion.scores
    ]
    if not read:
        return dict.fromkeys(DIMENSIONS, 0.0)
    truth, found = (np.asarray(side) for side in zip(*read, strict=True))
    return {axis: _r(truth[:, place], found[:, place]) for place, axis in enumerate(DIMENSIONS)}


def _means(values: Any) -> dict[str, float]:
    groups: Mapping[str, list[bool]] = defaultdict(list)
    for name, value in values:
        groups[name].append(bool(value))
    return {name: float(np.mean(hits)) for name, hits in sorted(groups.items())}


def _r(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])
