"""The one interface behind which emotion recognisers live."""

from __future__ import annotations

from abc import ABC, abstractmethod

from emotionlayer_rasa.audio import Waveform
from emotionlayer_rasa.utterance import EmotionReading, Prosody


class EmotionRecognizer(ABC):
    """A loaded model. Thread safe: many calls may run at once.

    Attributes:
        model: engine and model id, such as ``onnx/emotionlayer-base-1``.
    """

    model: str

    @abstractmethod
    def recognize(
        self, waveform: Waveform, prosody: Prosody | None = None, *, interim: bool = False
    ) -> EmotionReading:
        """Read the emotion in a voice.

        Args:
            waveform: the utterance.
            prosody: what :func:`emotionlayer_rasa.emotion.measure_prosody` gave for the same waveform, when the
                caller has it already; measured here otherwise.
            interim: whether a better reading of more of the utterance follows: what takes more time is left out.

        Returns:
            ``unknown`` when the waveform is too short or the confidence is below the threshold; never raises for
            sound that was decoded.
        """
