"""Reading GoEmotions, EmoBank and EmoITA as their authors publish them."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.taxonomy import EMOTIONS

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with one row of numbers each.

    Attributes:
        texts: the sentences.
        targets: float32; GoEmotions (n, 7) zeros and ones in the order of ``EMOTIONS``; EmoBank and EmoITA (n, 3)
            valence, arousal and dominance as rated, 1..5.
    """

    texts: list[str]
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


def default_data() -> Path:
    """Where the corpora lie in this project: ``text`` under ``EMOTIONLAYER_SHARED``, else under ``../shared``."""
    return Path(os.environ.get("EMOTIONLAYER_SHARED", "../shared")) / "text"


def go_emotions(data: Path, split: Split) -> LabelledTexts:
    """English comments with one or more of Ekman's six emotions, or neutral (D. Demszky et al. 2020).

    Raises:
        ConfigurationError: the folder has no ``goemotions/ekman``.
    """
    folder = data / "goemotions" / "ekman"
    names = _lines(folder / "labels.txt")
    texts, rows = [], []
    for line in _lines(folder / f"{split}.tsv"):
        text, labels, _ = line.split("\t")
        texts.append(text)
        present = {names[int(label)] for label in labels.split(",")}
        rows.append([float(emotion in present) for emotion in EMOTIONS])
    return LabelledTexts(texts, np.asarray(rows, dtype=np.float32))


def emo_bank(data: Path, split: Split, language: str) -> LabelledTexts:
    """Sentences rated for valence, arousal and dominance, 1..5, in EmoBank's order; ``language`` is en or it.

    English is EmoBank (S. Buechel and U. Hahn 2017), Italian its translation EmoITA with ratings of its own; the
    split is EmoBank's.

    Raises:
        ConfigurationError: the folder lacks one of the corpora.
    """
    english = list(csv.DictReader(_lines(data / "emobank" / "emobank.csv")))
    chosen = [row for row in english if row["split"] == split]
    if language == "it":
        italian = {row["id"]: row for row in csv.DictReader(_lines(data / "emoita" / "EmoITA.csv"))}
        chosen = [italian[row["id"]] for row in chosen]
    ratings = np.asarray([[float(row[axis]) for axis in "VAD"] for row in chosen], dtype=np.float32)
    return LabelledTexts([row["text"] for row in chosen], ratings)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ConfigurationError(f"{path} is missing. Name the folder of the corpora with --data.")
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
