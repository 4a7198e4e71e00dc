"""Emozionalmente: F. Catania et al. (2023). Italian, 431 speakers, 18 sentences, seven emotions, crowd-rated.

Layout, as we know it: ``metadata/samples.csv`` (file_name, actor, emotion_expressed), ``metadata/users.csv``
(username, gender) and ``metadata/evaluations.csv`` (file_name, emotion_recognized), the last two where they are,
and ``audio/<file_name>``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.training.corpora.layout import (
    emotion_of,
    find_table,
    gender_of,
    present,
    read_table,
    shares,
    sounds,
)


def load_emozionalmente(folder: Path) -> list[Clip]:
    """List the clips under the emotion that the speaker meant, with the raters' votes."""
    table = find_table("emozionalmente", folder, "samples.csv", "metadata/samples.csv")
    files = {path.name: path for path in sounds(folder)}
    genders: dict[str, str] = {}
    if (users := table.with_name("users.csv")).is_file():
        genders = {row["username"]: gender_of(row["gender"]) for _, row in read_table(users, "username", "gender")}
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    if (evaluations := table.with_name("evaluations.csv")).is_file():
        for where, row in read_table(evaluations, "file_name", "emotion_recognized"):
            votes[row["file_name"]][emotion_of(row["emotion_recognized"], where)] += 1
    clips = [
        Clip(
            path=files.get(row["file_name"], folder / "audio" / row["file_name"]),
            corpus="emozionalmente",
            language="it",
            speaker=f"emozionalmente-{row['actor']}",
            gender=genders.get(row["actor"], ""),
            emotion=emotion_of(row["emotion_expressed"], where),
            original_label=row["emotion_expressed"],
            votes=shares(votes[row["file_name"]]),
        )
        for where, row in read_table(table, "file_name", "actor", "emotion_expressed")
    ]
    return present("emozionalmente", folder, clips)
