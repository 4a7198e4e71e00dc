"""The configuration of a training: ``open.yml`` and files like it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

import yaml

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.settings import Settings, pydantic, read_settings
from emotionlayer_rasa.training.head import HeadSettings
from emotionlayer_rasa.training.speech_encoder import EncoderSettings

CONFIGS = {name: Path(__file__).with_name(f"{name}.yml") for name in ("open", "research")}
"""The configurations of this project's models, by their names; ``open`` is the shipped one."""


class TrainingSettings(Settings):
    """Everything a training depends on; see ``open.yml``."""

    name: str
    version: str
    seed: int = 0
    manifests: List[Path] = pydantic.Field(min_items=1)
    leave_out: List[str] = pydantic.Field(default=[])
    wordless: List[str] = pydantic.Field(default=[])
    no_speech_labels: List[str] = pydantic.Field(default=[])
    votes: float = pydantic.Field(1.0, ge=0.0, le=1.0)
    cache: Path = Path(".cache/training")
    affect_features: Path | None = None
    encoders: List[EncoderSettings] = pydantic.Field(min_items=1)
    window_s: pydantic.PositiveFloat = 10.0
    views: pydantic.PositiveInt = 8
    no_speech: pydantic.PositiveInt = 210
    folds: int = pydantic.Field(5, ge=2)
    target_accuracy: float = pydantic.Field(0.8, gt=0.0, lt=1.0)
    workers: pydantic.PositiveInt = 2
    head: HeadSettings = HeadSettings()


def read_config(path: Path) -> TrainingSettings:
    """Read a training configuration; ``${EMOTIONLAYER_SHARED}`` becomes that variable, or ``../shared``.

    Raises:
        ConfigurationError: the file cannot be read, or a key or value is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        shared = os.environ.get("EMOTIONLAYER_SHARED", "../shared")
        values = yaml.safe_load(text.replace("${EMOTIONLAYER_SHARED}", shared))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: the training configuration cannot be read: {error}") from None
    return read_settings(TrainingSettings, values, str(path))
