"""How well the trained components read the corpora's held-out sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS
from emotionlayer_rasa.training.words.corpora import LabelledTexts, Split, emo_bank, go_emotions
from emotionlayer_rasa.words.component import TextEmotion


def measure(component: TextEmotion, data: Path, split: Split) -> dict[str, Any]:
    """Figures of one language's trained model; word lists and cues play no part in them.

    Returns:
        ``vad_r``: Pearson's r of valence, arousal and dominance with the ratings. English also ``f1`` and
        ``macro_f1``: F1 of each of the seven labels, present where its logit reaches its threshold (tuned on the
        development set), and their plain mean, as in the paper of GoEmotions.
    """
    language = component.language
    rated = emo_bank(data, split, language)
    outputs = all_outputs(component, rated)[:, len(EMOTIONS) :]
    correlations = [float(np.corrcoef(outputs[:, axis], rated.targets[:, axis])[0, 1]) for axis in range(3)]
    figures: dict[str, Any] = {"vad_r": dict(zip(DIMENSIONS, np.round(correlations, 3).tolist(), strict=True))}
    if language == "en":
        comments = go_emotions(data, split)
        logits = all_outputs(component, comments)[:, : len(EMOTIONS)]
        scores = f1(comments.targets, logits >= np.asarray(component.description["thresholds"]))
        figures["f1"] = dict(zip(EMOTIONS, np.round(scores, 3).tolist(), strict=True))
        figures["macro_f1"] = round(float(scores.mean()), 3)
    return figures


def all_outputs(component: TextEmotion, texts: LabelledTexts) -> np.ndarray:
    """The trained model's numbers of each text; shape (n, 10)."""
    return np.stack([component.outputs(text) for text in texts.texts])


def f1(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """F1 of each label; both arguments (n, labels) of zeros and ones or booleans."""
    truth, found = truth.astype(bool), found.astype(bool)
    hits = (truth & found).sum(axis=0)
    return np.asarray(2 * hits / np.maximum(1, truth.sum(axis=0) + found.sum(axis=0)))
