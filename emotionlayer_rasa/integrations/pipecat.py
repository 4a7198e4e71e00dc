"""A processor for Pipecat that puts the emotion beside transcripts; it stands right behind the STT.

::

    listener = Listener()
    pipeline = Pipeline([transport.input(), stt, EmotionProcessor(listener), aggregator.user(), llm, ...])

Any STT will do; it must pass the caller's sound on (``audio_passthrough``, as it does unless told otherwise). A
transcript waits for its reading, some tens of milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipecat.frames.frames import DataFrame, Frame, InputAudioRawFrame, TranscriptionFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from emotionlayer_rasa.hearing import Consent, Listener
from emotionlayer_rasa.integrations.caller import Caller
from emotionlayer_rasa.utterance import METADATA_KEY, Utterance


@dataclass
class EmotionFrame(DataFrame):
    """What voice and words of an utterance tell; it comes right before the transcript.

    Attributes:
        utterance: the record.
    """

    utterance: Utterance


class EmotionProcessor(FrameProcessor):
    """Reads the voice of one caller and the words of each transcript.

    Passes every frame on. Before a :class:`TranscriptionFrame` comes an :class:`EmotionFrame`, and the
    transcript's ``metadata["emotionlayer"]`` is :meth:`Utterance.to_metadata`, which
    ``Utterance.from_metadata(frame.text, frame.metadata)`` reads.

    Args:
        listener: reads voice and words.
        consent: whether emotion may be analysed; a function is asked before each reading.
        **options: of :class:`FrameProcessor`.
    """

    def __init__(self, listener: Listener, consent: Consent = True, **options: Any) -> None:
        super().__init__(**options)
        self._caller = Caller(listener, consent)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Keep sound, read transcripts, pass on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._caller.feed(frame.audio, frame.sample_rate, frame.num_channels)
        elif isinstance(frame, TranscriptionFrame):
            await self._read(frame, direction)
        await self.push_frame(frame, direction)

    async def _read(self, frame: TranscriptionFrame, direction: FrameDirection) -> None:
        # A caller who interrupts the assistant just now must not lose the words that are read.
        interruptible, frame.interruptible = frame.interruptible, False
        utterance = await self._caller.read(frame.text, str(frame.language.value if frame.language else ""))
        if utterance is not None:
            frame.metadata[METADATA_KEY] = utterance.to_metadata()
            await self.push_frame(EmotionFrame(utterance), direction)
        frame.interruptible = interruptible
