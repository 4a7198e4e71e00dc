"""The engines by name, and the settings that choose one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Callable, Literal

from emotionlayer_rasa.emotion.base import EmotionRecognizer
from emotionlayer_rasa.emotion.onnx_recognizer import NAMED_MODELS, OnnxRecognizer
from emotionlayer_rasa.emotion.transformers_recognizer import TransformersRecognizer
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.logs import log_place
from emotionlayer_rasa.settings import Settings, pydantic


class EmotionSettings(Settings):
    """Which model hears emotions, and how sure it must be.

    Attributes:
        engine: ``onnx`` runs the shipped model or one that ``emotionlayer train`` wrote; ``transformers`` any
            Hugging Face audio-classification checkpoint of emotions or of arousal, dominance and valence (extra
            ``train``).
        model: ``open``, the shipped model, which may be used commercially; ``research``, which may not; the path
            of an ``.onnx`` file; for ``transformers`` the path or hub id of a checkpoint.
        site: a file that ``emotionlayer adapt`` wrote, which tells what the callers of this site have in common.
        threshold: confidence, 0..1, below which the label is ``unknown``; None is the model's own
            (0 for ``transformers``).
        threads: processor threads of one recognition.
    """

    engine: Literal["onnx", "transformers"] = "onnx"
    model: str | None = None
    site: str | None = None
    threshold: float | None = pydantic.Field(default=None, ge=0.0, le=1.0)
    threads: pydantic.PositiveInt = 1


@lru_cache(maxsize=8)
def create_recognizer(settings: EmotionSettings = EmotionSettings()) -> EmotionRecognizer:
    """Load the recognizer that the settings ask for; the same settings give the same loaded model.

    Raises:
        ConfigurationError: the engine ``transformers`` without a ``model``, or with one whose labels are no
            emotions.
        ModelError: the model cannot be found or loaded.
        MissingExtraError: the engine's package is not installed.
    """
    return _ENGINES[settings.engine](settings)


def _onnx(settings: EmotionSettings) -> EmotionRecognizer:
    named = settings.model or "open"
    path = NAMED_MODELS.get(named, Path(named))
    log_place("emotion.model", path.absolute())
    site = Path(settings.site) if settings.site else None
    if site:
        log_place("emotion.site", site.absolute())
    return OnnxRecognizer(path, threshold=settings.threshold, threads=settings.threads, site=site)


def _transformers(settings: EmotionSettings) -> EmotionRecognizer:
    if settings.site is not None:
        raise ConfigurationError(
            "'site' goes with the emotion engine 'onnx': models of 'transformers' do not adapt."
        )
    if settings.model is None:
        raise ConfigurationError(
            "The emotion engine 'transformers' needs 'model': the path or hub id of an audio-classification "
            "checkpoint."
        )
    return TransformersRecognizer(settings.model, threshold=settings.threshold or 0.0, threads=settings.threads)


_ENGINES: dict[str, Callable[[EmotionSettings], EmotionRecognizer]] = {
    "onnx": _onnx,
    "transformers": _transformers,
}
