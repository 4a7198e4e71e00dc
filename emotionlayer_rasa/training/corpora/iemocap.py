"""IEMOCAP: C. Busso et al. (2008), Language Resources and Evaluation 42(4). English, ten actors, five sessions.

Layout: ``SessionN/dialog/EmoEvaluation/Ses01F_impro01.txt`` with a block a turn,

::

    [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
    C-E2:	Neutral;	()

(seconds, turn, majority label, valence, activation and dominance from 1 to 5; then the raters, of whom ``C-E`` are
the outside ones), and ``SessionN/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Iterator, Mapping

from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.training.corpora.layout import (
    SOUND,
    emotion_of,
    gender_of,
    present,
    rating,
    shares,
    wrong_folder,
)

_TURN = re.compile(r"\[([\d.]+) - ([\d.]+)\]\t(\w+)\t(\w+)\t\[([\d.]+), ([\d.]+), ([\d.]+)\]")
_RATER = re.compile(r"C-E\d+:\t([^(\t]*)")


def load_iemocap(folder: Path) -> list[Clip]:
    """List the turns; excitement counts as joy, frustration and turns without a majority as ``unknown``.

    A rater who gave several labels has one vote, divided among them.
    """
    tables = sorted(folder.glob("Session[1-5]/dialog/EmoEvaluation/Ses*.txt"))
    if not tables:
        raise wrong_folder("iemocap", folder, "SessionN/dialog/EmoEvaluation/Ses*.txt")
    return present("iemocap", folder, (clip for table in tables for clip in _turns(table)))


def _turns(table: Path) -> Iterator[Clip]:
    sentences = table.parents[2] / "sentences" / "wav" / table.stem
    turn: re.Match[str] | None = None
    votes: defaultdict[str, float] = defaultdict(float)
    where = str(table)
    with open(table, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if started := _TURN.match(line):
                if turn:
                    yield _clip(sentences, turn, votes, where)
                turn, votes, where = started, defaultdict(float), f"{table}: line {number}"
            elif turn and (rater := _RATER.match(line)):
                labels = [label.strip().lower().removesuffix(" state") for label in rater[1].split(";")]
                labels = [label for label in labels if label]
                for label in labels:
                    votes[emotion_of(label, f"{table}: line {number}")] += 1 / len(labels)
    if turn:
        yield _clip(sentences, turn, votes, where)


def _clip(sentences: Path, turn: re.Match[str], votes: Mapping[str, float], where: str) -> Clip:
    start, end, name, label, valence, arousal, dominance = turn.groups()
    files = [sentences / (name + suffix) for suffix in SOUND]
    speaker = name.rsplit("_", 1)[1][0]
    return Clip(
        path=next((file for file in files if file.is_file()), files[0]),
        corpus="iemocap",
        language="en",
        speaker=f"iemocap-{name[:5]}{speaker}",
        gender=gender_of(speaker),
        emotion=emotion_of(label, where),
        original_label=label,
        duration_s=round(float(end) - float(start), 3),
        valence=rating(valence, 5, where),
        arousal=rating(arousal, 5, where),
        dominance=rating(dominance, 5, where),
        votes=shares(votes),
    )
