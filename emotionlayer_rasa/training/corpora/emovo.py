"""EMOVO: G. Costantini et al. (2014), LREC. Italian, six actors, 14 sentences, seven emotions.

Layout: ``f1/dis-f1-b1.wav`` (emotion, actor, sentence).
"""

from __future__ import annotations

import re
from pathlib import Path

from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.training.corpora.layout import gender_of, named_sounds

_NAME = re.compile(r"(dis|gio|neu|pau|rab|sor|tri)-([fm]\d)-([a-z]\d)")
_EMOTIONS = {
    "dis": "disgust",
    "gio": "joy",
    "neu": "neutral",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}


def load_emovo(folder: Path) -> list[Clip]:
    """List the clips."""
    return [
        Clip(
            path=path,
            corpus="emovo",
            language="it",
            speaker=f"emovo-{name[2]}",
            gender=gender_of(name[2]),
            emotion=_EMOTIONS[name[1]],
            original_label=_EMOTIONS[name[1]],
        )
        for path, name in named_sounds("emovo", folder, _NAME, "f1/dis-f1-b1.wav and its like")
    ]
