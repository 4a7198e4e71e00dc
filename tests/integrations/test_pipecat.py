"""The processor in a real pipeline of Pipecat's; the transcripts are as an STT would push them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pipecat.frames.frames import Frame, InputAudioRawFrame, InterruptionFrame, TranscriptionFrame
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.transcriptions.language import Language

from emotionlayer_rasa.hearing import Listener
from emotionlayer_rasa.integrations.pipecat import EmotionFrame, EmotionProcessor
from emotionlayer_rasa.utterance import METADATA_KEY

COMPLAINT = "this is the third time that the parcel is broken"


def sound(data: bytes, size: int = 640) -> list[Frame]:
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return [InputAudioRawFrame(part, sample_rate=16_000, num_channels=1) for part in parts]


def transcript(language: Language | None = Language.EN_GB) -> TranscriptionFrame:
    return TranscriptionFrame(COMPLAINT, user_id="caller", timestamp="", language=language)


def run(processor: EmotionProcessor, *frames: Frame, **options: Any) -> list[Frame]:
    down, _ = asyncio.run(run_test(processor, frames_to_send=frames, start_timeout=60, **options))
    return [frame for frame in down if not isinstance(frame, InputAudioRawFrame)]


def test_the_emotion_comes_before_the_transcript(listener: Listener, speech: dict[str, bytes]) -> None:
    heard = sound(speech["anger"])
    emotion, said = run(EmotionProcessor(listener), *heard, SleepFrame(), transcript())
    assert isinstance(emotion, EmotionFrame)
    assert isinstance(said, TranscriptionFrame)
    assert emotion.utterance.emotion.source == "voice"
    assert emotion.utterance.words is not None
    assert emotion.utterance.duration_s == pytest.approx(len(speech["anger"]) / 32_000)
    assert said.metadata[METADATA_KEY] == emotion.utterance.to_metadata()
    assert said.interruptible


@pytest.mark.parametrize("consent", [False, lambda: False])
def test_without_consent_only_the_transcript_comes(
    listener: Listener, speech: dict[str, bytes], consent: Any
) -> None:
    frames = [*sound(speech["anger"]), SleepFrame(), transcript(None)]
    (said,) = run(EmotionProcessor(listener, consent), *frames)
    assert isinstance(said, TranscriptionFrame)
    assert said.metadata == {}


def test_an_interruption_does_not_lose_what_was_said(listener: Listener, speech: dict[str, bytes]) -> None:
    async def slow_consent() -> bool:
        await asyncio.sleep(1)
        return True

    frames = [
        *sound(speech["anger"]),
        SleepFrame(),
        transcript(),
        SleepFrame(),
        InterruptionFrame(),
        SleepFrame(2),
    ]
    passed = run(EmotionProcessor(listener, slow_consent), *frames)
    assert [type(frame) for frame in passed] == [InterruptionFrame, EmotionFrame, TranscriptionFrame]
