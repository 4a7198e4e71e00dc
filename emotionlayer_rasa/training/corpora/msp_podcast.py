"""MSP-Podcast: R. Lotfian, C. Busso (2019), IEEE Transactions on Affective Computing 10(4). English podcasts.

Layout: ``Labels/labels_consensus.csv`` (FileName, EmoClass as a letter, EmoVal, EmoAct and EmoDom from 1 to 7,
SpkrID, Gender), ``Labels/labels_detailed.csv`` (one row a rater: FileName, EmoClass_Major) where it is, and
``Audios/MSP-PODCAST_0001_0008.wav``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.taxonomy import EMOTION_ALIASES, UNKNOWN
from emotionlayer_rasa.training.corpora.layout import (
    find_table,
    gender_of,
    present,
    rating,
    read_table,
    shares,
    sounds,
)

_CLASSES = {
    "A": "anger",
    "S": "sadness",
    "H": "joy",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": UNKNOWN,  # contempt
    "N": "neutral",
    "O": UNKNOWN,  # other
    "X": UNKNOWN,  # no agreement
}


def load_msp_podcast(folder: Path) -> list[Clip]:
    """List the turns.

    Turns of speakers whom nobody identified share one pseudo-speaker, so that no split divides them.
    """
    table = find_table("msp-podcast", folder, "labels_consensus.csv", "Labels/labels_consensus.csv")
    files = {path.stem: path for path in sounds(folder)}
    votes = _votes(table.with_name("labels_detailed.csv"))
    columns = ("FileName", "EmoClass", "EmoVal", "EmoAct", "EmoDom", "SpkrID", "Gender")
    clips = []
    for where, row in read_table(table, *columns):
        stem = Path(row["FileName"]).stem
        clips.append(
            Clip(
                path=files.get(stem, folder / "Audios" / row["FileName"]),
                corpus="msp-podcast",
                language="en",
                speaker=f"msp-podcast-{row['SpkrID'].strip().lower() or 'unknown'}",
                gender=gender_of(row["Gender"]),
                emotion=_CLASSES.get(row["EmoClass"].strip().upper(), UNKNOWN),
                original_label=row["EmoClass"],
                valence=rating(row["EmoVal"], 7, where),
                arousal=rating(row["EmoAct"], 7, where),
                dominance=rating(row["EmoDom"], 7, where),
                votes=shares(votes[stem]),
            )
        )
    return present("msp-podcast", folder, clips)


def _votes(table: Path) -> defaultdict[str, Counter[str]]:
    """Votes by file; a rater's own words (``Other-bothered``) count as ``unknown``."""
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    if table.is_file():
        for _, row in read_table(table, "FileName", "EmoClass_Major"):
            label = EMOTION_ALIASES.get(row["EmoClass_Major"].strip().lower(), UNKNOWN)
            votes[Path(row["FileName"]).stem][label] += 1
    return votes
