"""The wrapper around an STT, in livekit-agents' own classes; the words come from a stand-in for a service."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit import rtc
from livekit.agents.stt import STT, RecognizeStream, SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

from emotionlayer_rasa.hearing import Listener
from emotionlayer_rasa.integrations.livekit import EmotionSTT
from emotionlayer_rasa.utterance import METADATA_KEY, Utterance

COMPLAINT = "this is the third time that the parcel is broken"
ORDER = [
    SpeechEventType.START_OF_SPEECH,
    SpeechEventType.INTERIM_TRANSCRIPT,
    SpeechEventType.FINAL_TRANSCRIPT,
    SpeechEventType.END_OF_SPEECH,
]


def _said(kind: SpeechEventType, text: str = "") -> SpeechEvent:
    return SpeechEvent(kind, alternatives=[SpeechData("en", text, metadata={"own": 1})] if text else [])


class _Service(STT[Any]):
    """Hears the same words whenever it is flushed."""

    def __init__(self) -> None:
        super().__init__(capabilities=STTCapabilities(streaming=True, interim_results=True))
        self.heard_s = 0.0

    async def _recognize_impl(self, buffer: Any, *, language: Any, conn_options: Any) -> SpeechEvent:
        return _said(SpeechEventType.FINAL_TRANSCRIPT, COMPLAINT)

    def stream(self, *, language: Any = None, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> RecognizeStream:
        return _ServiceStream(stt=self, conn_options=conn_options)


class _ServiceStream(RecognizeStream):
    async def _run(self) -> None:
        frames = 0
        async for sound in self._input_ch:
            if isinstance(sound, self._FlushSentinel) and frames:
                for kind in ORDER:
                    text = COMPLAINT if "transcript" in kind.value else ""
                    self._event_ch.send_nowait(_said(kind, text))
                frames = 0
            elif not isinstance(sound, self._FlushSentinel):
                frames += 1
                self._stt.heard_s += sound.duration


def frames(sound: bytes, size: int = 640) -> list[rtc.AudioFrame]:
    parts = [sound[start : start + size] for start in range(0, len(sound), size)]
    return [rtc.AudioFrame(part, 16_000, 1, len(part) // 2) for part in parts]


async def hear(stt: EmotionSTT, *sounds: bytes) -> list[SpeechEvent]:
    """What a stream tells of a call, each sound flushed when it has been told of the one before."""
    events: list[SpeechEvent] = []
    async with stt.stream() as stream:
        for sound in sounds:
            for frame in frames(sound):
                stream.push_frame(frame)
            stream.flush()
            async for event in stream:
                events.append(event)
                if event.type == SpeechEventType.END_OF_SPEECH:
                    break
        stream.end_input()
        events += [event async for event in stream]
    return events


def finals(events: list[SpeechEvent]) -> list[SpeechData]:
    return [event.alternatives[0] for event in events if event.type == SpeechEventType.FINAL_TRANSCRIPT]


@pytest.mark.parametrize("consent", [True, False])
def test_final_transcripts_carry_the_emotion(listener: Listener, speech: dict[str, bytes], consent: bool) -> None:
    async def call() -> tuple[list[SpeechEvent], list[Utterance], float]:
        service = _Service()
        stt = EmotionSTT(service, listener, consent)
        told: list[Utterance] = []
        stt.on("utterance", told.append)
        events = await hear(stt, speech["anger"], speech["sadness"])
        await stt.aclose()
        return events, told, service.heard_s

    events, told, heard_s = asyncio.run(call())
    assert [event.type for event in events] == ORDER * 2, "nothing is lost, added or moved"
    assert heard_s == pytest.approx(sum(map(len, speech.values())) / 32_000)
    first, second = finals(events)
    assert first.text == COMPLAINT
    assert first.metadata is not None
    assert first.metadata["own"] == 1
    if not consent:
        assert METADATA_KEY not in first.metadata
        assert told == []
        return
    read = [Utterance.from_metadata(data.text, data.metadata) for data in (first, second)]
    assert [utterance.emotion.source for utterance in read] == ["voice", "voice"]
    assert read[0].words is not None
    assert [utterance.duration_s for utterance in read] == pytest.approx(
        [len(speech[emotion]) / 32_000 for emotion in ("anger", "sadness")], abs=1e-3
    )
    assert read[1].emotion.adapted_from == 1, "one stream is one caller"
    assert [utterance.to_metadata() for utterance in told] == [
        data.metadata[METADATA_KEY] for data in (first, second) if data.metadata
    ]
    interim = next(event for event in events if event.type == SpeechEventType.INTERIM_TRANSCRIPT)
    assert METADATA_KEY not in (interim.alternatives[0].metadata or {})


def test_a_recording_is_recognised_with_its_emotion(listener: Listener, speech: dict[str, bytes]) -> None:
    async def recognise() -> SpeechEvent:
        return await EmotionSTT(_Service(), listener).recognize(frames(speech["anger"]))

    (data,) = asyncio.run(recognise()).alternatives
    assert Utterance.from_metadata(data.text, data.metadata).emotion.source == "voice"
