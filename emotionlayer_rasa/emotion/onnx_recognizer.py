"""The shipped recognizer: one ONNX file from raw samples to emotions, beside a JSON file that describes it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import numpy as np
import onnxruntime

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform
from emotionlayer_rasa.emotion.adaptation import Adaptation, CallerVoice, read_site
from emotionlayer_rasa.emotion.base import EmotionRecognizer, Heard
from emotionlayer_rasa.emotion.prosody import measure_prosody, prosody_vector
from emotionlayer_rasa.emotion.silence import without_silence
from emotionlayer_rasa.errors import ModelError, ModelUnavailableError
from emotionlayer_rasa.settings import Settings, pydantic, read_settings
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import EmotionReading, Prosody

WEIGHTS_DIR = Path(__file__).parent / "weights"
"""Each model's ``.onnx`` and ``.json``, and its card as ``.md``."""

NAMED_MODELS = {name: WEIGHTS_DIR / f"emotionlayer-{name}.onnx" for name in ("open", "research")}
"""The models of this project by the name that settings know them by."""

SHIPPED_MODEL = NAMED_MODELS["open"]
"""The model that comes with the package."""

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
        adaptation: how the model adapts to a caller; None is not at all.
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
    adaptation: Adaptation | None = None
    temperature: float
    threshold: float
    training: Mapping[str, Any] = pydantic.Field(default_factory=dict)
    figures: Mapping[str, Any] = pydantic.Field(default_factory=dict)


class OnnxRecognizer(EmotionRecognizer):
    """Runs a model that ``emotionlayer train`` wrote.

    The graph takes ``waveform`` (1, n) float32 at 16 kHz and ``prosody`` (1, k) with NaN where nothing could be
    measured, and gives ``logits`` (1, 8), for the seven emotions and for "no speech", and ``vad`` (1, 3), 0..1.
    One that adapts also takes ``shift`` and gives ``offset``, both (1, size).

    Args:
        path: the ``.onnx`` file; the description lies beside it as ``.json``.
        threshold: confidence below which the label is ``unknown``; None takes the model's own.
        threads: processor threads of one recognition.
        site: what ``emotionlayer adapt`` wrote; None knows nothing of the site.

    Raises:
        ModelUnavailableError: one of the two files is missing.
        ModelError: one of them cannot be read.
        ConfigurationError: the site's file cannot be read, or is for another model.
    """

    def __init__(
        self,
        path: Path = SHIPPED_MODEL,
        threshold: float | None = None,
        threads: int = 1,
        site: Path | None = None,
    ) -> None:
        self.description = read_description(path)
        self.model = f"onnx/{self.description.name}-{self.description.version}"
        self._threshold = self.description.threshold if threshold is None else threshold
        self._adaptation = self.description.adaptation
        if site is not None:
            self._site = read_site(site, self.model, self._adaptation)
        elif self._adaptation:
            self._site = np.zeros(self._adaptation.size, dtype=np.float32)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no public base class
            raise ModelError(
                f"onnxruntime cannot load the emotion model {path}: {error}. Train or download it again."
            ) from error

    def hear(self, waveform: Waveform, prosody: Prosody | None = None, caller: CallerVoice | None = None) -> Heard:
        """Read the emotion in a voice; see :meth:`EmotionRecognizer.hear`.

        Utterances longer than the model's window are cut into equal pieces, whose probabilities are averaged with
        their level as weight.
        """
        prosody = measure_prosody(waveform) if prosody is None else prosody
        if waveform.duration_s < MIN_SECONDS or prosody.energy_db is None:
            return Heard(EmotionReading(source="voice", model=self.model))
        samples = without_silence(waveform.samples) if self.description.without_silence else waveform.samples
        inputs = {"prosody": prosody_vector(prosody, self.description.prosody)[None]}
        outputs = ["logits", "vad"]
        if self._adaptation:
            known = self._site if caller is None else caller.shift(self._site, self._adaptation.prior)
            inputs["shift"] = known[None]
            outputs.append("offset")
        count = math.ceil(len(samples) / (self.description.window_s * SAMPLE_RATE))
        pieces = np.array_split(np.ascontiguousarray(samples, dtype=np.float32), count)
        found = [self._session.run(outputs, {"waveform": piece[None], **inputs}) for piece in pieces]
        weights = np.array([np.std(piece) for piece in pieces]) + 1e-9
        weights /= weights.sum()
        raw, vad, *offset = (weights @ np.concatenate(values) for values in _by_output(found))
        probabilities = softmax(np.log(raw + 1e-9)[None], self.description.temperature)[0]
        answer = reading(probabilities, vad, self._threshold, self.model)
        if not offset:
            return Heard(answer)
        answer = replace(answer, adapted_from=caller.heard if caller else 0)
        return Heard(answer, offset[0] if answer.scores else None, float(1 - raw[-1]))


def _by_output(found: Sequence[Sequence[np.ndarray]]) -> Iterator[list[np.ndarray]]:
    """Outputs of pieces, each (1, ...), as the pieces of each output; logits become probabilities."""
    logits, *others = zip(*found, strict=True)
    yield [softmax(piece, 1.0) for piece in logits]
    yield from map(list, others)


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
        An empty reading when "no speech" is as probable as all emotions together; else the confidence is the
        probability of the best emotion, which doubt about there being speech lowers.
    """
    emotions, no_speech = probabilities[:-1], probabilities[-1]
    best = int(np.argmax(emotions))
    confidence = float(emotions[best])
    if no_speech >= 0.5:
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
