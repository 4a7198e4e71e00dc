"""AI4SER, Italian acted speech.

**The layout is an assumption**: we have not seen the corpus. We take a table ``metadata.csv`` with the columns
``file`` (relative to the table), ``speaker`` and ``emotion`` and, where known, ``gender``. Whoever has it in
another form writes that table, or a manifest of ours (corpus ``shared``).
"""

from __future__ import annotations

from pathlib import Path

from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.training.corpora.layout import emotion_of, find_table, gender_of, present, read_table


def load_ai4ser(folder: Path) -> list[Clip]:
    """List the clips."""
    looked_for = "metadata.csv with the columns file, speaker, emotion"
    table = find_table("ai4ser", folder, "metadata.csv", looked_for)
    clips = [
        Clip(
            path=table.parent / row["file"],
            corpus="ai4ser",
            language="it",
            speaker=f"ai4ser-{row['speaker']}",
            gender=gender_of(row.get("gender", "")),
            emotion=emotion_of(row["emotion"], where),
            original_label=row["emotion"],
        )
        for where, row in read_table(table, "file", "speaker", "emotion")
    ]
    return present("ai4ser", folder, clips)
