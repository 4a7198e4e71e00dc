"""Run where the other frameworks' packages are installed: ``scripts/test-integrations``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest

from emotionlayer_rasa.audio import load_audio
from emotionlayer_rasa.hearing import Listener

RECORDINGS = Path(__file__).parents[1] / "data" / "ravdess"
TESTED = {"test_livekit.py": "livekit-agents", "test_pipecat.py": "pipecat-ai"}


def _installed(package: str) -> bool:
    """In a release that we wrap: of an older Pipecat the other tests need a file alone."""
    try:
        return int(version(package).partition(".")[0]) >= 1
    except PackageNotFoundError:
        return False


collect_ignore = [file for file, package in TESTED.items() if not _installed(package)]


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    """The shipped models of voice and words; no transcriber is ever loaded."""
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(scope="session")
def speech() -> dict[str, bytes]:
    """By emotion an acted sentence at 16 kHz, 16-bit PCM."""
    names = {"sadness": "03-01-04-02-01-01-01.flac", "anger": "03-01-05-02-01-01-01.flac"}
    waveforms = {emotion: load_audio(RECORDINGS / name) for emotion, name in names.items()}
    return {
        emotion: (waveform.samples * 32767).astype(np.int16).tobytes() for emotion, waveform in waveforms.items()
    }
