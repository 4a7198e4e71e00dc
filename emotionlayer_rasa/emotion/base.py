"""The one interface behind which emotion recognisers live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from emotionlayer_rasa.audio import Waveform
from emotionlayer_rasa.emotion.adaptation import CallerVoice
from emotionlayer_rasa.utterance import EmotionReading, Prosody


@dataclass(frozen=True)
class Heard:
    """What a recognizer makes of one utterance.

    Attributes:
        reading: the emotion.
        offset: what the utterance teaches of the caller's voice, (size,), for :meth:`CallerVoice.learn`; None
            where there is nothing to learn, or the model does not adapt.
        speech: how surely it is speech, 0..1: the weight of the offset.
    """

    reading: EmotionReading
    offset: np.ndarray | None = None
    speech: float = 0.0

    def teach(self, caller: CallerVoice) -> None:
        """Let the caller's next utterance be heard with what this one taught."""
        if self.offset is not None:
            caller.learn(self.offset, self.speech)


class EmotionRecognizer(ABC):
    """A loaded model. Thread safe: many calls may run at once.

    Attributes:
        model: engine and model id, such as ``onnx/emotionlayer-open-1``.
    """

    model: str

    @abstractmethod
    def hear(self, waveform: Waveform, prosody: Prosody | None = None, caller: CallerVoice | None = None) -> Heard:
        """Read the emotion in a voice.

        Args:
            waveform: the utterance.
            prosody: what :func:`emotionlayer_rasa.emotion.measure_prosody` gave for the same waveform, when the
                caller has it already; measured here otherwise.
            caller: what is known of the speaker; it is not changed. None knows nothing.

        Returns:
            ``unknown`` when the waveform is too short or the confidence is below the threshold; never raises for
            sound that was decoded.
        """

    def recognize(self, waveform: Waveform, prosody: Prosody | None = None) -> EmotionReading:
        """The emotion in the voice of somebody of whom nothing is known; see :meth:`hear`."""
        return self.hear(waveform, prosody).reading
