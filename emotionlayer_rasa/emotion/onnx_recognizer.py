"""The shipped recognizer: one ONNX file from raw samples to emotions, beside a JSON file that describes it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Mapping

import numpy as np
import onnxruntime
import pydantic

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform
from emotionlayer_rasa.emotion.base import EmotionRecognizer
from emotionlayer_rasa.emotion.prosody import measure_prosody, prosody_vector
from emotionlayer_rasa.emotion.second_hearing import SecondHearing
from emotionlayer_rasa.emotion.silence import without_silence
from emotionlayer_rasa.errors import ModelError, ModelUnavailableError
from emotionlayer_rasa.settings import Settings, read_settings
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import EmotionReading, Prosody

SHIPPED_MODEL = Path(__file__).parent / "weights" / "emotionlayer-base.onnx"
"""The model that comes with the package; ``emotionlayer-base.json`` and ``MODEL_CARD.md`` lie beside it."""

MIN_SECONDS = 0.3
"""Shorter utterances are ``unknown``."""


class ModelDescription(Settings):
    """What the JSON file beside an ONNX model says.

    Attributes:
        name: the model's name, part of every reading.
        version: version of the weights.
        prosody: names of the prosody fields that the model takes, in order.
        window_s: longest piece the model takes at once, seconds.
        without_silence: whether the model is given the sound without the silence around the speech, see
            :func:`emotionlayer_rasa.emotion.silence.without_silence`; prosody is measured with it.
        second_hearing: when and how a doubtful utterance is heard again; None is never.
        temperature: the log-probabilities are divided by it, which makes the confidence mean what it says.
        threshold: confidence below which the label is ``unknown``.
        training: data, split and settings of the training, for the reader.
        figures: measured on held-out speakers, for the reader.
    """

    name: str
    version: str
    prosody: tuple[str, ...]
    window_s: float
    without_silence: bool = False
    second_hearing: SecondHearing | None = None
    temperature: float
    threshold: float
    training: Mapping[str, Any] = pydantic.Field(default_factory=dict)
    figures: Mapping[str, Any] = pydantic.Field(default_factory=dict)


class OnnxRecognizer(EmotionRecognizer):
    """Runs a model that ``emotionlayer train`` wrote.

    The graph takes ``waveform`` (1, n) float32 at 16 kHz and ``prosody`` (1, k) with NaN where nothing could be
    measured, and gives ``logits`` (1, 8), for the seven emotions and for "no speech", and ``vad`` (1, 3), 0..1.

    Args:
        path: the ``.onnx`` file; the description lies beside it as ``.json``.
        threshold: confidence below which the label is ``unknown``; None takes the model's own.
        threads: processor threads of one recognition.

    Raises:
        ModelUnavailableError: one of the two files is missing.
        ModelError: one of them cannot be read.
    """

    def __init__(self, path: Path = SHIPPED_MODEL, threshold: float | None = None, threads: int = 1) -> None:
        self.description = read_description(path)
        self.model = f"onnx/{self.description.name}-{self.description.version}"
        self._threshold = self.description.threshold if threshold is None else threshold
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no public base class
            raise ModelError(
                f"onnxruntime cannot load the emotion model {path}: {error}. Train or download it again."
            ) from error

    def recognize(
        self, waveform: Waveform, prosody: Prosody | None = None, *, interim: bool = False
    ) -> EmotionReading:
        """Read the emotion in a voice; see :meth:`EmotionRecognizer.recognize`.

        Utterances longer than the model's window are cut into equal pieces, whose probabilities are averaged with
        their level as weight. Doubtful ones are heard again at other speeds
        (:mod:`emotionlayer_rasa.emotion.second_hearing`), unless the reading is an interim one; valence, arousal
        and dominance come from the first hearing, since speed moves the pitch.
        """
        nothing = EmotionReading(source="voice", model=self.model)
        prosody = measure_prosody(waveform) if prosody is None else prosody
        if waveform.duration_s < MIN_SECONDS or prosody.energy_db is None:
            return nothing
        return reading(*self._analyse(waveform.samples, prosody, interim), self._threshold, self.model)

    def _analyse(self, samples: np.ndarray, prosody: Prosody, interim: bool) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (8,) and valence, arousal, dominance (3,) of samples (n,)."""
        if self.description.without_silence:
            samples = without_silence(samples)
        measured = prosody_vector(prosody, self.description.prosody)[None]
        probabilities, vad = self._hear(samples, measured)
        again = None if interim else self.description.second_hearing
        if again and again.is_doubtful(probabilities[None])[0]:
            others = [self._hear(again.version(samples, speed), measured)[0] for speed in again.speeds]
            probabilities = np.mean([probabilities, *others], axis=0)
        return softmax(np.log(probabilities + 1e-9)[None], self.description.temperature)[0], vad

    def _hear(self, samples: np.ndarray, prosody: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (8,), not yet calibrated, and valence, arousal, dominance (3,), of samples (n,)."""
        count = math.ceil(len(samples) / (self.description.window_s * SAMPLE_RATE))
        pieces = np.array_split(np.ascontiguousarray(samples, dtype=np.float32), count)
        outputs = [
            self._session.run(["logits", "vad"], {"waveform": piece[None], "prosody": prosody}) for piece in pieces
        ]
        weights = np.array([np.std(piece) for piece in pieces]) + 1e-9
        weights /= weights.sum()
        probabilities = softmax(np.stack([output[0][0] for output in outputs]), 1.0)
        return weights @ probabilities, weights @ np.stack([output[1][0] for output in outputs])


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Logits (n, classes), divided by the temperature, to probabilities (n, classes)."""
    exponent = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return exponent / exponent.sum(axis=1, keepdims=True)


def reading(probabilities: np.ndarray, vad: np.ndarray, threshold: float, model: str) -> EmotionReading:
    """What a model's output means.

    Args:
        probabilities: shape (8,), of the seven emotions and "no speech", summing to 1.
        vad: valence, arousal, dominance, shape (3,), 0..1.
        threshold: confidence below which the label is ``unknown``.
        model: engine and model id.

    Returns:
        An empty reading when "no speech" is the most probable; else the confidence is the probability of the best
        emotion, which doubt about there being speech lowers.
    """
    emotions, no_speech = probabilities[:-1], probabilities[-1]
    best = int(np.argmax(emotions))
    confidence = float(emotions[best])
    if no_speech > confidence:
        return EmotionReading(source="voice", model=model)
    return EmotionReading(
        label=EMOTIONS[best] if confidence >= threshold else UNKNOWN,
        confidence=confidence,
        scores=dict(zip(EMOTIONS, (emotions / emotions.sum()).tolist(), strict=True)),
        **dict(zip(DIMENSIONS, vad.tolist(), strict=True)),
        source="voice",
        model=model,
    )


def read_description(path: Path) -> ModelDescription:
    """Read the JSON file beside the ONNX file ``path``.

    Raises:
        ModelUnavailableError: the ONNX file or the JSON file is missing.
        ModelError: the JSON file is not one.
        ConfigurationError: a key is missing, unknown or wrong.
    """
    described = path.with_suffix(".json")
    for file in (path, described):
        if not file.is_file():
            raise ModelUnavailableError(
                f"There is no emotion model file {file}. An ONNX model is a pair of files, .onnx and .json; "
                "leave 'model' out to use the shipped one."
            )
    try:
        values = json.loads(described.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{described} is not JSON: {error}. Train or download the model again.") from error
    return read_settings(ModelDescription, values, str(described))
