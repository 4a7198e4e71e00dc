"""Reading what the reader of words learns from: the project's own corpus, GoEmotions, EmoBank and EmoITA."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Sequence

import numpy as np
import yaml

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS
from emotionlayer_rasa.utterance import CUES
from emotionlayer_rasa.words.encoder import OUTPUTS

Split = Literal["train", "dev", "test"]

CALLERS = Path(__file__).parent / "data"
"""The project's own corpus of what callers say; its README tells how it was made."""

HANDS: dict[Split, tuple[int, ...]] = {
    "train": (*range(1, 9), *range(11, 27), *range(28, 32), *range(33, 42)),
    "dev": (9, 10, 27, 32),
    "test": (42, 43),
}
"""Who wrote which part: nobody wrote for two."""

_FIRST = 0.75  # share of the stronger of two emotions


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with one row of numbers each.

    Attributes:
        texts: as they are written.
        targets: float32 (n, 22), in the order of :data:`~emotionlayer_rasa.words.encoder.OUTPUTS`; NaN where a
            corpus does not tell. Emotions are shares that sum to 1 and ratings are standardised within the corpus;
            the rest is 0 or 1.
    """

    texts: list[str]
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, chosen: Sequence[int] | np.ndarray) -> LabelledTexts:
        """Some of the texts, by their places."""
        return LabelledTexts([self.texts[index] for index in chosen], self.targets[chosen])


def joined(corpora: Sequence[LabelledTexts]) -> LabelledTexts:
    """All texts of several corpora, in their order."""
    texts = [text for corpus in corpora for text in corpus.texts]
    return LabelledTexts(texts, np.concatenate([corpus.targets for corpus in corpora]))


@dataclass(frozen=True)
class Line:
    """One line of the callers' corpus; the columns are explained in its README."""

    hand: int
    language: str
    pair: str
    domain: str
    emotion: str
    vad: str
    cues: str
    holder: str
    time: str
    kind: str
    text: str

    @property
    def emotions(self) -> list[str]:
        """One emotion, or two, the stronger first."""
        return self.emotion.split("+")

    @property
    def ratings(self) -> list[float]:
        """Valence, arousal, dominance, 0..1."""
        return [(int(digit) - 1) / 4 for digit in self.vad]

    @property
    def own(self) -> bool | None:
        """Whether the feeling is the speaker's and of now; None where the line speaks of none."""
        now = self.time == "now"
        return None if self.holder == "none" and now else self.holder == "own" and now

    def has(self, cue: str) -> bool:
        """Whether the speaker is labelled with a cue."""
        return cue in self.cues.split(",")


@dataclass(frozen=True)
class ForeignLine:
    """A text that is not to be read (``kind`` foreign or noise), or one that is, to compare (own)."""

    kind: str
    language: str
    text: str


def foreign_lines(split: Split) -> list[ForeignLine]:
    """Texts in other languages, and noise; the test part has texts of the six languages beside them."""
    rows = csv.DictReader(_lines(CALLERS / f"foreign_{split}.tsv"), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [ForeignLine(**row) for row in rows]


def foreign(split: Split) -> LabelledTexts:
    """The same as texts of which nothing is asked but to be known as foreign."""
    lines = foreign_lines(split)
    targets = _unknown(len(lines))
    targets[:, OUTPUTS.index("foreign")] = [line.kind != "own" for line in lines]
    return LabelledTexts([line.text for line in lines], targets)


def default_data() -> Path:
    """Where the corpora lie in this project: ``text`` under ``EMOTIONLAYER_SHARED``, else under ``../shared``."""
    return Path(os.environ.get("EMOTIONLAYER_SHARED", "../shared")) / "text"


def hand_lines(hand: int) -> list[Line]:
    """What one hand wrote, in six languages."""
    rows = csv.DictReader(_lines(CALLERS / f"hand{hand:02}.tsv"), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [Line(hand, **row) for row in rows]


def caller_lines(split: Split) -> list[Line]:
    """What callers say, in six languages."""
    return [line for hand in HANDS[split] for line in hand_lines(hand)]


def callers(split: Split) -> LabelledTexts:
    """The same with targets; the ratings are standardised by :func:`caller_ratings`."""
    lines = caller_lines(split)
    targets = _unknown(len(lines))
    mean, deviation = caller_ratings()
    for row, line in zip(targets, lines, strict=True):
        shares = dict(zip(line.emotions, (_FIRST, 1 - _FIRST) if len(line.emotions) > 1 else (1.0,), strict=True))
        row[: len(EMOTIONS)] = [shares.get(emotion, 0.0) for emotion in EMOTIONS]
        row[_at(DIMENSIONS)] = (np.asarray(line.ratings) - mean) / deviation
        row[_at(CUES)] = [line.has(cue) for cue in CUES]
        if line.own is not None:
            row[OUTPUTS.index("own")] = line.own
        row[OUTPUTS.index("foreign")] = 0.0
    return LabelledTexts([line.text for line in lines], targets)


def cue_sentences() -> LabelledTexts:
    """Plain English and Italian sentences of which one or more cues are known, and nothing else."""
    parts = yaml.safe_load((CALLERS / "cue_sentences.yml").read_text(encoding="utf-8"))
    labelled = [pair for halves in parts.values() for half in halves.values() for pair in half.items()]
    targets = _unknown(len(labelled))
    for row, (_, cues) in zip(targets, labelled, strict=True):
        row[[OUTPUTS.index(cue) for cue in cues.split()]] = 1.0
    return LabelledTexts([text for text, _ in labelled], targets)


def caller_ratings() -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation, 0..1, of valence, arousal and dominance in the callers' training part; (3,) each."""
    ratings = np.asarray([line.ratings for line in caller_lines("train")])
    return ratings.mean(axis=0), ratings.std(axis=0)


def go_emotions(data: Path, split: Split) -> LabelledTexts:
    """English comments with one or more of Ekman's six emotions, or neutral (D. Demszky et al. 2020).

    Those that are neutral and nothing else are taken to hold no cue but a question: what somebody merely states is
    no danger and no complaint.

    Raises:
        ConfigurationError: the folder has no ``goemotions/ekman``.
    """
    folder = data / "goemotions" / "ekman"
    names = _lines(folder / "labels.txt")
    rows = [line.split("\t") for line in _lines(folder / f"{split}.tsv")]
    targets = _unknown(len(rows))
    for row, (_, labels, _) in zip(targets, rows, strict=True):
        present = {names[int(label)] for label in labels.split(",")}
        row[: len(EMOTIONS)] = [(emotion in present) / len(present) for emotion in EMOTIONS]
        if present == {"neutral"}:
            row[[OUTPUTS.index(cue) for cue in CUES if cue != "question"]] = 0.0
        row[OUTPUTS.index("foreign")] = 0.0
    return LabelledTexts([text for text, *_ in rows], targets)


def emo_bank(data: Path, split: Split, language: str) -> LabelledTexts:
    """Sentences rated for valence, arousal and dominance, in EmoBank's order; ``language`` is en or it.

    English is EmoBank (S. Buechel and U. Hahn 2017), Italian its translation EmoITA with ratings of its own; the
    split is EmoBank's. Sentences that are neither unpleasant nor stirring are taken to hold no danger, urgency,
    hostility or self-doubt.

    Raises:
        ConfigurationError: the folder lacks one of the corpora.
    """
    english = list(csv.DictReader(_lines(data / "emobank" / "emobank.csv")))
    chosen = [row for row in english if row["split"] == split]
    if language == "it":
        italian = {row["id"]: row for row in csv.DictReader(_lines(data / "emoita" / "EmoITA.csv"))}
        chosen = [italian[row["id"]] for row in chosen]
    ratings = np.asarray([[float(row[axis]) for axis in "VAD"] for row in chosen])
    targets = _unknown(len(chosen))
    targets[:, _at(DIMENSIONS)] = rated = (ratings - ratings.mean(axis=0)) / ratings.std(axis=0)
    quiet = (rated[:, 0] > -0.5) & (rated[:, 1] < 0.7)
    for cue in ("danger", "urgency", "hostility", "self_doubt"):
        targets[quiet, OUTPUTS.index(cue)] = 0.0
    targets[:, OUTPUTS.index("foreign")] = 0.0
    return LabelledTexts([row["text"] for row in chosen], targets)


def _at(names: Sequence[str]) -> slice:
    return slice(OUTPUTS.index(names[0]), OUTPUTS.index(names[-1]) + 1)


def _unknown(count: int) -> np.ndarray:
    return np.full((count, len(OUTPUTS)), np.nan, dtype=np.float32)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ConfigurationError(f"{path} is missing. Name the folder of the corpora with --data.")
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
