"""Any Hugging Face audio-classification checkpoint as a recognizer (extra ``train``)."""

from __future__ import annotations

import logging
import math
from typing import Any, Callable, TypeVar

import numpy as np

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform
from emotionlayer_rasa.emotion.adaptation import CallerVoice
from emotionlayer_rasa.emotion.base import EmotionRecognizer, Heard
from emotionlayer_rasa.emotion.pad import emotions_near, expected_pad
from emotionlayer_rasa.emotion.prosody import measure_prosody
from emotionlayer_rasa.errors import ConfigurationError, MissingExtraError, ModelError
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN, canonical_dimension, canonical_emotion
from emotionlayer_rasa.utterance import EmotionReading, Prosody

logger = logging.getLogger(__name__)

MIN_SECONDS = 0.3
"""Shorter utterances are ``unknown``."""

WINDOW_S = 10.0
"""Longer utterances are cut into equal pieces of at most this, in seconds."""

_TWO_LAYERS = {r"^classifier\.dense\.": "projector.", r"^classifier\.(?:out_proj|output)\.": "classifier."}
"""Weights of the two-layer head, and where transformers' own head has a layer for them.

That head is a dense layer with tanh behind it and an output layer, on the mean of all frames. Ours takes the mean
between the two layers, which is the same: a dense layer is linear."""

_HEAD = ("classifier.", "projector.")
_HEADS = (
    "Heads that can be used are its own and the one of classifier.dense and classifier.out_proj: "
    "choose a checkpoint with either."
)

_USED_IN_TRAINING_ONLY = "masked_spec_embed"
_BEYOND_THE_SCALE = 0.5
"""How far a dimension may lie outside of 0..1: a regression overshoots, another scale lies elsewhere."""

T = TypeVar("T")


class TransformersRecognizer(EmotionRecognizer):
    """Runs a checkpoint of ``transformers.AutoModelForAudioClassification``.

    Beside the heads of transformers' own classes it runs the two-layer head of many public checkpoints
    (``classifier.dense`` and ``classifier.out_proj`` or ``classifier.output``, mean pooling).

    A checkpoint's labels are emotions or dimensions, in any order. Emotions are mapped by
    :func:`emotionlayer_rasa.taxonomy.canonical_emotion`; probabilities of labels that mean the same emotion are
    added, those of labels outside the seven count as doubt: they lower the confidence. Valence, arousal and
    dominance are then the means of :data:`EMOTION_PAD` under the emotion probabilities.

    Dimensions (:func:`emotionlayer_rasa.taxonomy.canonical_dimension`) are taken as they are, on a scale of 0..1;
    the emotions are then those that lie near (:func:`emotionlayer_rasa.emotion.pad.emotions_near`).

    Args:
        checkpoint: a folder, or a hub id.
        threshold: confidence below which the label is ``unknown``.
        threads: processor threads; torch has one such number for the whole process.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: the checkpoint cannot be loaded, or not all of it.
        ConfigurationError: a label of the checkpoint is neither a known emotion nor a dimension, or no emotion is
            one of the seven.
    """

    def __init__(self, checkpoint: str, threshold: float = 0.0, threads: int = 1) -> None:
        try:
            import torch
            from transformers import AutoFeatureExtractor
        except ImportError as error:
            raise MissingExtraError("torch" if error.name == "torch" else "transformers", "train") from None
        self.model = f"transformers/{checkpoint}"
        self._threshold = threshold
        self._torch = torch
        self._extractor = _loaded(AutoFeatureExtractor.from_pretrained, checkpoint)
        self._network = _network(checkpoint)
        labels = [label for _, label in sorted(self._network.config.id2label.items())]
        self._axes = _dimensions(labels)
        self._columns = [] if self._axes else _emotion_columns(labels, checkpoint)
        torch.set_num_threads(threads)

    def hear(self, waveform: Waveform, prosody: Prosody | None = None, caller: CallerVoice | None = None) -> Heard:
        """Read the emotion in a voice; see :meth:`EmotionRecognizer.hear`. It does not adapt to the caller."""
        nothing = Heard(EmotionReading(source="voice", model=self.model))
        prosody = measure_prosody(waveform) if prosody is None else prosody
        if waveform.duration_s < MIN_SECONDS or prosody.energy_db is None:
            return nothing
        pieces = np.array_split(waveform.samples, math.ceil(waveform.duration_s / WINDOW_S))
        weights = np.array([np.std(piece) for piece in pieces]) + 1e-9
        output = (weights / weights.sum()) @ np.stack([self._output(piece) for piece in pieces])
        if not np.isfinite(output).all():
            logger.error("emotion.not_finite model=%s: its weights are damaged or overflow", self.model)
            return nothing
        if self._axes:
            if output.min() < -_BEYOND_THE_SCALE or output.max() > 1 + _BEYOND_THE_SCALE:
                logger.error(
                    "emotion.scale model=%s: its dimensions are not on a scale of 0..1; rescale its last layer",
                    self.model,
                )
                return nothing
            measured = dict(zip(self._axes, np.clip(output, 0.0, 1.0).tolist(), strict=True))
            scores = emotions_near(measured)
            best = max(scores, key=lambda label: scores[label])
            confidence = scores[best]
        else:
            measured = {}
            emotions = np.zeros(len(EMOTIONS))
            for place, column in enumerate(self._columns):
                if column is not None:
                    emotions[column] += output[place]
            best, confidence = EMOTIONS[int(np.argmax(emotions))], float(emotions.max())
            scores = dict(zip(EMOTIONS, (emotions / max(emotions.sum(), 1e-9)).tolist(), strict=True))
        return Heard(
            EmotionReading(
                label=best if confidence >= self._threshold else UNKNOWN,
                confidence=confidence,
                scores=scores,
                **{**dict(zip(DIMENSIONS, expected_pad(scores), strict=True)), **measured},
                source="voice",
                model=self.model,
            )
        )

    def _output(self, samples: np.ndarray) -> np.ndarray:
        """Probability, or else value, of each of the checkpoint's own labels for samples (n,)."""
        features: Any = self._extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with self._torch.inference_mode():
            logits = self._network(**features).logits[0].float()
        return (logits if self._axes else self._torch.softmax(logits, dim=-1)).numpy()


def _loaded(load: Callable[..., T], checkpoint: str, **options: Any) -> T:
    from safetensors import SafetensorError  # type: ignore[attr-defined]

    try:
        return load(checkpoint, **options)
    # RuntimeError: weights of another size; SafetensorError: a cut file, or the pointer that git LFS leaves
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"The checkpoint '{checkpoint}' cannot be loaded for audio classification: {error}"
        ) from error


def _network(checkpoint: str) -> Any:
    """The checkpoint's network with all of its weights, whichever of the two heads it has.

    Raises:
        ModelError: it cannot be loaded, some of its weights are missing, which transformers makes up at random, or
            its head has more of them than are run.
    """
    import torch
    from transformers import AutoConfig, AutoModelForAudioClassification
    from transformers.utils import logging as transformers_logging

    def load(**options: Any) -> tuple[Any, list[str], list[str]]:
        network, info = _loaded(
            AutoModelForAudioClassification.from_pretrained, checkpoint, output_loading_info=True, **options
        )
        missing = [key for key in info["missing_keys"] if not key.endswith(_USED_IN_TRAINING_ONLY)]
        return network.eval(), sorted(missing), sorted(info["unexpected_keys"])

    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # it would advise to train what is missing
    try:
        network, missing, others = load()
        if "classifier.dense.weight" in others and hasattr(network, "projector"):
            config = _loaded(AutoConfig.from_pretrained, checkpoint)
            pooling = getattr(config, "pooling_mode", "mean")
            if pooling != "mean":
                raise ModelError(
                    f"The head of the checkpoint '{checkpoint}' takes the {pooling} of all frames (pooling_mode); "
                    "only those that take their mean can be used. Choose another checkpoint."
                )
            config.classifier_proj_size = config.hidden_size
            network, missing, others = load(config=config, key_mapping=_TWO_LAYERS)
            network.classifier = torch.nn.Sequential(torch.nn.Tanh(), network.classifier)
    finally:
        transformers_logging.set_verbosity(verbosity)
    if missing:
        raise ModelError(
            f"The checkpoint '{checkpoint}' would answer at random: {type(network).__name__} needs "
            f"{_some(missing)}, and of other weights it has {_some(others) or 'none'}. {_HEADS}"
        )
    if further := [key for key in others if key.startswith(_HEAD)]:
        raise ModelError(
            f"The checkpoint '{checkpoint}' would answer wrongly: its head has {_some(further)}, for which "
            f"{type(network).__name__} has no layer. {_HEADS}"
        )
    return network


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")


def _dimensions(labels: list[str]) -> tuple[str, ...]:
    """The dimension that each label names; empty where they are no dimensions."""
    try:
        axes = tuple(canonical_dimension(label) for label in labels)
    except KeyError:
        return ()
    return axes if len(set(axes)) == len(axes) else ()


def _emotion_columns(labels: list[str], checkpoint: str) -> list[int | None]:
    """Place in ``EMOTIONS`` of each of the checkpoint's labels, None for those outside the seven."""
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
