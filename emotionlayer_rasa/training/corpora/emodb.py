"""EmoDB, the Berlin database: F. Burkhardt et al. (2005), Interspeech. German, ten actors, ten sentences.

Layout: ``wav/03a01Fa.wav`` (speaker, sentence, emotion's letter in German, version).
"""

from __future__ import annotations

import re
from pathlib import Path

from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.taxonomy import canonical_emotion
from emotionlayer_rasa.training.corpora.layout import named_sounds

_NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-f])")
_EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
_MALE = ("03", "10", "11", "12", "15")


def load_emodb(folder: Path) -> list[Clip]:
    """List the clips; boredom is outside the seven emotions and becomes ``unknown``."""
    return [
        Clip(
            path=path,
            corpus="emodb",
            language="de",
            speaker=f"emodb-{name[1]}",
            gender="male" if name[1] in _MALE else "female",
            emotion=canonical_emotion(_EMOTIONS[name[3]]),
            original_label=_EMOTIONS[name[3]],
        )
        for path, name in named_sounds("emodb", folder, _NAME, "wav/03a01Fa.wav and its like")
    ]
