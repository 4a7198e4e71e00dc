"""Any Hugging Face audio-classification checkpoint as a recognizer (extra ``train``)."""

from __future__ import annotations

import math
from typing import Any, Mapping

import numpy as np

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform
from emotionlayer_rasa.emotion.base import EmotionRecognizer
from emotionlayer_rasa.emotion.pad import DIMENSIONS, expected_pad
from emotionlayer_rasa.emotion.prosody import measure_prosody
from emotionlayer_rasa.errors import ConfigurationError, MissingExtraError, ModelError
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN, canonical_emotion
from emotionlayer_rasa.utterance import EmotionReading, Prosody

MIN_SECONDS = 0.3
"""Shorter utterances are ``unknown``."""

WINDOW_S = 10.0
"""Longer utterances are cut into equal pieces of at most this, in seconds."""


class TransformersRecognizer(EmotionRecognizer):
    """Runs a checkpoint of ``transformers.AutoModelForAudioClassification``.

    Its labels are mapped by :func:`emotionlayer_rasa.taxonomy.canonical_emotion`; probabilities of labels that
    mean the same emotion are added, those of labels outside the seven count as doubt: they lower the confidence.
    Valence, arousal and dominance are the means of :data:`EMOTION_PAD` under the emotion probabilities.

    Args:
        checkpoint: a folder, or a hub id.
        threshold: confidence below which the label is ``unknown``.
        threads: processor threads; torch has one such number for the whole process.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: the checkpoint cannot be loaded.
        ConfigurationError: a label of the checkpoint is no known emotion, or none is one of the seven.
    """

    def __init__(self, checkpoint: str, threshold: float = 0.0, threads: int = 1) -> None:
        try:
            import torch
            from transformers import AutoFeatureExtractor, AutoModelForAudioClassification
        except ImportError as error:
            raise MissingExtraError("torch" if error.name == "torch" else "transformers", "train") from None
        self.model = f"transformers/{checkpoint}"
        self._threshold = threshold
        self._torch = torch
        try:
            self._extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
            self._network = AutoModelForAudioClassification.from_pretrained(checkpoint).eval()
        except (OSError, ValueError) as error:
            raise ModelError(
                f"The checkpoint '{checkpoint}' cannot be loaded for audio classification: {error}"
            ) from error
        self._columns = _label_columns(self._network.config.id2label, checkpoint)
        torch.set_num_threads(threads)

    def recognize(
        self, waveform: Waveform, prosody: Prosody | None = None, *, interim: bool = False
    ) -> EmotionReading:
        """Read the emotion in a voice; see :meth:`EmotionRecognizer.recognize`."""
        prosody = measure_prosody(waveform) if prosody is None else prosody
        if waveform.duration_s < MIN_SECONDS or prosody.energy_db is None:
            return EmotionReading(source="voice", model=self.model)
        pieces = np.array_split(waveform.samples, math.ceil(waveform.duration_s / WINDOW_S))
        weights = np.array([np.std(piece) for piece in pieces]) + 1e-9
        probabilities = (weights / weights.sum()) @ np.stack([self._probabilities(piece) for piece in pieces])
        emotions = np.zeros(len(EMOTIONS))
        for place, column in enumerate(self._columns):
            if column is not None:
                emotions[column] += probabilities[place]
        best = int(np.argmax(emotions))
        confidence = float(emotions[best])
        scores = dict(zip(EMOTIONS, (emotions / max(emotions.sum(), 1e-9)).tolist(), strict=True))
        return EmotionReading(
            label=EMOTIONS[best] if confidence >= self._threshold else UNKNOWN,
            confidence=confidence,
            scores=scores,
            **dict(zip(DIMENSIONS, expected_pad(scores), strict=True)),
            source="voice",
            model=self.model,
        )

    def _probabilities(self, samples: np.ndarray) -> np.ndarray:
        """Probability of each of the checkpoint's own labels for samples (n,)."""
        features: Any = self._extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with self._torch.inference_mode():
            logits = self._network(**features).logits[0]
        return self._torch.softmax(logits.float(), dim=-1).numpy()


def _label_columns(id2label: Mapping[int, str], checkpoint: str) -> list[int | None]:
    """Place in ``EMOTIONS`` of each of the checkpoint's labels, None for those outside the seven."""
    labels = [id2label[place] for place in sorted(id2label)]
    columns: list[int | None] = []
    strange = []
    for label in labels:
        try:
            emotion = canonical_emotion(label)
        except KeyError:
            strange.append(label)
            continue
        columns.append(None if emotion == UNKNOWN else EMOTIONS.index(emotion))
    if strange:
        raise ConfigurationError(
            f"The checkpoint '{checkpoint}' has labels that are no known emotions: {', '.join(strange)}. "
            "Rename them in 'id2label' of its config.json to aliases that emotionlayer_rasa.taxonomy lists."
        )
    if all(column is None for column in columns):
        raise ConfigurationError(
            f"No label of the checkpoint '{checkpoint}' is one of the seven emotions "
            f"({', '.join(EMOTIONS)}); it has: {', '.join(labels)}."
        )
    return columns
