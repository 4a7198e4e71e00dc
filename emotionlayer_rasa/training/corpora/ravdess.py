"""RAVDESS: S. Livingstone, F. Russo (2018), PLoS ONE 13(5). English, 24 actors, two sentences.

Layout: ``Actor_XX/03-01-EE-II-SS-RR-AA.wav`` (modality, channel, emotion, intensity, statement, repetition and
actor). Speech only (channel 01); song is left out.
"""

from __future__ import annotations

import re
from pathlib import Path

from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.taxonomy import canonical_emotion
from emotionlayer_rasa.training.corpora.layout import named_sounds

_NAME = re.compile(r"03-01-(0[1-8])-(0[12])-(0[12])-(\d\d)-(\d\d)")
_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_INTENSITIES = ("normal", "strong")
_STATEMENTS = ("Kids are talking by the door", "Dogs are sitting by the door")


def load_ravdess(folder: Path) -> list[Clip]:
    """List the speech clips; calm counts as neutral, odd actors are male."""
    clips = []
    for path, name in named_sounds("ravdess", folder, _NAME, "Actor_XX/03-01-EE-II-SS-RR-AA.wav"):
        emotion, intensity, statement, _, actor = (int(code) for code in name.groups())
        label = _EMOTIONS[emotion - 1]
        clips.append(
            Clip(
                path=path,
                corpus="ravdess",
                language="en",
                speaker=f"ravdess-{actor:02d}",
                gender="male" if actor % 2 else "female",
                emotion=canonical_emotion(label),
                original_label=label,
                intensity=_INTENSITIES[intensity - 1],
                text=_STATEMENTS[statement - 1],
            )
        )
    return clips
