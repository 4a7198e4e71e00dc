"""Has the caller finished? What a voice tells of that when it falls silent.

Smart Turn 3 (BSD-2-Clause; https://github.com/pipecat-ai/smart-turn, 23 languages) hears the melody and the pace
of the last eight seconds. Its ONNX file comes with the package pipecat-ai, of which nothing else is needed, nor
imported: ``pip install --no-deps pipecat-ai``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from emotionlayer_rasa.audio.waveform import SAMPLE_RATE
from emotionlayer_rasa.errors import ModelError

_SECONDS = 8
_WINDOW, _HOP, _BANDS = 400, 160, 80
"""Of Whisper's log-mel spectrogram, which the network was trained with."""


class TurnDetector(ABC):
    """Tells whether a turn is complete. Thread safe."""

    @abstractmethod
    def probability(self, samples: np.ndarray) -> float:
        """How likely the speaker has finished, 0..1.

        Args:
            samples: float32 of shape (n,) at 16 kHz: the utterance, or the last seconds of it, and the silence
                behind its last word.
        """


class SmartTurnDetector(TurnDetector):
    """Smart Turn 3.

    Args:
        file: the ONNX file with input ``input_features`` (1, 80, 800) and a probability as its output.

    Raises:
        ModelError: the file is no such network.
    """

    def __init__(self, file: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            self.probability(np.zeros(SAMPLE_RATE, np.float32))
        except Exception as error:
            raise ModelError(
                f"{file} is not the network of Smart Turn 3 ({type(error).__name__}). "
                "Name its ONNX file under 'turns', or install pipecat-ai."
            ) from None

    def probability(self, samples: np.ndarray) -> float:
        """See :meth:`TurnDetector.probability`; the last eight seconds count."""
        (found,) = self._session.run(None, {"input_features": log_mel(samples)[None]})
        return float(np.ravel(found)[0])


def smart_turn_file() -> Path | None:
    """Where the installed package pipecat-ai keeps the network; it is not imported (it needs much besides)."""
    spec = find_spec("pipecat")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob("audio/turn/smart_turn/data/smart-turn-v3*.onnx"), reverse=True):
            return file
    return None


@lru_cache(maxsize=2)
def smart_turn(file: Path) -> SmartTurnDetector:
    """The network, loaded once per process."""
    return SmartTurnDetector(file)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Whisper's log-mel spectrogram of the last eight seconds, silence before them where there are fewer.

    Args:
        samples: float32 of shape (n,) at 16 kHz.

    Returns:
        float32 of shape (80, 800), a column every 10 ms.
    """
    count = _SECONDS * SAMPLE_RATE
    heard = samples[-count:].astype(np.float32)
    sound = np.zeros(count, np.float32)
    if len(heard):
        sound[-len(heard) :] = heard
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    padded = np.pad(sound, _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[:-1:_HOP]
    window, filters = _basis()
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    level = np.log10(np.maximum(power @ filters, 1e-10)).T
    return ((np.maximum(level, level.max() - 8.0) + 4.0) / 4.0).astype(np.float32)


@lru_cache(maxsize=1)
def _basis() -> tuple[Any, Any]:
    """The Hann window, and Slaney's mel filters of equal area as (201, 80)."""
    window = np.hanning(_WINDOW + 1)[:-1]
    edges = _hertz(np.linspace(0.0, _mel(SAMPLE_RATE / 2), _BANDS + 2))
    bins = np.linspace(0.0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    return window, np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))


_LINEAR_MEL = 15.0
"""Up to here, 1000 Hz, the scale is linear (200 / 3 Hz a mel); above, a mel is a factor of 6.4 ** (1 / 27)."""


def _mel(hertz: float) -> float:
    return _LINEAR_MEL + 27.0 * float(np.log(hertz / 1000.0) / np.log(6.4))


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < _LINEAR_MEL, mel * 200.0 / 3.0, 1000.0 * 6.4 ** ((mel - _LINEAR_MEL) / 27.0))
