"""Is somebody speaking? Two engines behind one interface, a frame at a time.

``silero`` is the network Silero VAD 6 (MIT; https://github.com/snakers4/silero-vad), whose ONNX file comes with
the package faster-whisper. ``webrtc`` is the Gaussian mixture detector of WebRTC (package webrtcvad-wheels), which
is lighter and takes more noise for speech; ``benchmarks/voice_activity.py`` measures both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from emotionlayer_rasa.audio.waveform import SAMPLE_RATE
from emotionlayer_rasa.errors import MissingExtraError

DetectorName = Literal["auto", "silero", "webrtc"]
"""``auto`` is ``silero`` where its file is found, else ``webrtc``."""


class VoiceActivityDetector(ABC):
    """Listens to one stream; not thread safe.

    Attributes:
        frame: samples of one frame, at 16 kHz.
    """

    frame: int

    @abstractmethod
    def probability(self, frame: np.ndarray) -> float:
        """How likely the next frame holds speech, 0..1.

        Args:
            frame: float32 of shape (:attr:`frame`,), the one that follows the last one given.
        """

    @abstractmethod
    def reset(self) -> None:
        """Forget what was heard: another stream begins."""


class SileroDetector(VoiceActivityDetector):
    """Silero VAD 6: frames of 32 ms, seen with the 4 ms before them and a recurrent memory.

    Args:
        file: the ONNX file with inputs ``input`` (1, 576), ``h`` and ``c`` (1, 1, 128).
    """

    frame = 512
    _CONTEXT = 64

    def __init__(self, file: Path) -> None:
        self._session = _session(file)
        self._h, self._c = np.zeros((2, 1, 1, 128), np.float32)
        self._context = np.zeros(self._CONTEXT, np.float32)

    def probability(self, frame: np.ndarray) -> float:
        """See :meth:`VoiceActivityDetector.probability`."""
        seen = np.concatenate([self._context, frame])
        probability, self._h, self._c = self._session.run(
            ["speech_probs", "hn", "cn"], {"input": seen[None], "h": self._h, "c": self._c}
        )
        self._context = frame[-self._CONTEXT :].copy()
        return float(probability[0])

    def reset(self) -> None:
        """See :meth:`VoiceActivityDetector.reset`."""
        self._h, self._c = np.zeros((2, 1, 1, 128), np.float32)
        self._context = np.zeros(self._CONTEXT, np.float32)


class WebRtcDetector(VoiceActivityDetector):
    """WebRTC's detector: frames of 30 ms, a decision (0 or 1) instead of a probability.

    Args:
        aggressiveness: 0..3; the higher, the less noise passes, and the less quiet speech.
    """

    frame = 480

    def __init__(self, aggressiveness: int = 2) -> None:
        self._aggressiveness = aggressiveness
        self.reset()

    def probability(self, frame: np.ndarray) -> float:
        """See :meth:`VoiceActivityDetector.probability`."""
        pcm = (np.clip(frame, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        return float(self._vad.is_speech(pcm, SAMPLE_RATE))

    def reset(self) -> None:
        """See :meth:`VoiceActivityDetector.reset`."""
        import webrtcvad

        self._vad = webrtcvad.Vad(self._aggressiveness)


def create_detector(name: DetectorName = "auto") -> VoiceActivityDetector:
    """A detector for one stream; the network behind it is loaded once per process.

    Raises:
        MissingExtraError: ``silero`` is wanted and its package is not installed.
    """
    file = None if name == "webrtc" else silero_file()
    if file is None and name == "silero":
        raise MissingExtraError("faster-whisper", "whisper")
    return WebRtcDetector() if file is None else SileroDetector(file)


def silero_file() -> Path | None:
    """Where the installed package faster-whisper keeps the network; it is not imported (it loads PyAV)."""
    spec = find_spec("faster_whisper")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob("assets/silero_vad_v6*.onnx")):
            return file
    return None


@lru_cache(maxsize=2)
def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
