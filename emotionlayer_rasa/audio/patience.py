"""How long a silence ends a turn: for everyone alike, for a caller who pauses long, or by what the voice tells."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, Callable, Literal

import numpy as np

from emotionlayer_rasa.audio.turn_detection import TurnDetector, smart_turn, smart_turn_file
from emotionlayer_rasa.audio.waveform import SAMPLE_RATE
from emotionlayer_rasa.settings import Settings, pydantic

_PAUSES = 10
_ROOM = 1.25
"""A caller's next pause may be longer than the longest of the last ten by a quarter."""
_HEARD = 8 * SAMPLE_RATE
"""Samples that a detector hears at most."""

Sound = Callable[[int, int], np.ndarray]
"""Gives the samples of a stream from one place to another, float32 at 16 kHz."""


class TurnSettings(Settings):
    """Keys of ``turns``: when a caller who has fallen silent has finished.

    Attributes:
        detector: ``none``, or ``smart_turn``: the network of the package pipecat-ai tells by the voice whether the
            turn is complete.
        model: the network's ONNX file; None takes the package's.
        threshold: probability, 0..1, from which a turn is complete.
        complete_ms: silence after which a turn has ended that is complete.
        longest_ms: silence after which a turn has ended that is not; a caller's pauses lead to no longer one.
        learn: whether a caller who pauses long within turns gets longer silences, from this call alone.
    """

    detector: Literal["none", "smart_turn"] = "none"
    model: str | None = None
    threshold: float = pydantic.Field(default=0.5, ge=0.0, le=1.0)
    complete_ms: int = pydantic.Field(default=400, ge=100, le=5000)
    longest_ms: int = pydantic.Field(default=2500, ge=100, le=5000)
    learn: bool = True

    @pydantic.root_validator(skip_on_failure=True)
    def _has_its_file(cls, values: dict[str, Any]) -> dict[str, Any]:
        model, wanted = values["model"], values["detector"] != "none"
        if wanted and not (Path(model).is_file() if model else smart_turn_file()):
            raise ValueError(
                f"there is no file {model}"
                if model
                else "the detector smart_turn needs a file of the package pipecat-ai: pip install --no-deps "
                "pipecat-ai, or name the file as 'model'"
            )
        return values


class Patience:
    """How long a silence ends a turn in one stream.

    Args:
        settings: what it goes by.
        usual_ms: the silence where nothing is known of the turn or the caller.
        detector: tells whether a turn is complete; None where nothing does.
        sound: gives the sound of the stream; a detector needs it.
    """

    def __init__(
        self,
        settings: TurnSettings,
        usual_ms: int,
        detector: TurnDetector | None = None,
        sound: Sound = lambda start, end: np.empty(0, np.float32),
    ) -> None:
        self._settings = settings
        self._usual = usual_ms * SAMPLE_RATE // 1000
        self._complete = settings.complete_ms * SAMPLE_RATE // 1000
        self._longest = max(self._usual, settings.longest_ms * SAMPLE_RATE // 1000)
        self._detector = detector
        self._sound = sound
        self._pauses: deque[int] = deque(maxlen=_PAUSES)

    @property
    def usual(self) -> int:
        """Samples of silence that end this caller's turns where nothing more is known."""
        return min(self._longest, max(self._usual, self._learnt()))

    def after(self, start: int, end: int) -> int:
        """Samples of silence that end a turn which began at one sample and, silence included, goes to another."""
        if self._detector is None:
            return self.usual
        sound = self._sound(max(start, end - _HEARD), end)
        if self._detector.probability(sound) < self._settings.threshold:
            return self._longest
        return min(self._longest, max(self._complete, self._learnt()))

    def learn(self, pause: int) -> None:
        """The caller went on to speak after so many samples of silence within a turn."""
        if self._settings.learn and pause <= self._longest:
            self._pauses.append(pause)

    def _learnt(self) -> int:
        return int(_ROOM * max(self._pauses, default=0))


def create_turn_detector(settings: TurnSettings) -> TurnDetector | None:
    """What tells whether a turn is complete, loaded once per process; None where nothing shall.

    Raises:
        ModelError: the network cannot be loaded.
    """
    file = Path(settings.model) if settings.model else smart_turn_file()
    return smart_turn(file) if file and settings.detector == "smart_turn" else None
