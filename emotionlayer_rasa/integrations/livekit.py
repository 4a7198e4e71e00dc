"""Any STT of livekit-agents, with the emotion beside its transcripts.

::

    listener = Listener()
    stt = EmotionSTT(deepgram.STT(), listener)
    stt.on("utterance", lambda utterance: print(utterance.affect.state, utterance.affect.strategy))
    session = AgentSession(stt=stt, ...)

An STT that does not stream is wrapped in livekit's ``StreamAdapter`` first. A final transcript waits for its
reading, some tens of milliseconds.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from livekit import rtc
from livekit.agents import utils
from livekit.agents.stt import STT, RecognizeStream, SpeechEvent, SpeechEventType
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions, NotGivenOr

from emotionlayer_rasa.hearing import Consent, Listener
from emotionlayer_rasa.integrations.caller import Caller
from emotionlayer_rasa.utterance import METADATA_KEY, Utterance

_NO_RETRY = APIConnectOptions(max_retry=0)
"""The wrapped STT tries again by itself."""


class EmotionSTT(STT[Literal["utterance"]]):
    """Puts the emotion of voice and words beside the final transcripts of another STT.

    ``metadata["emotionlayer"]`` of the first alternative is :meth:`Utterance.to_metadata`;
    ``Utterance.from_metadata(data.text, data.metadata)`` reads it. The event ``utterance`` comes with the record
    itself. Each stream is one caller.

    Args:
        stt: hears the words.
        listener: reads voice and words.
        consent: whether emotion may be analysed; a function is asked before each reading.
    """

    def __init__(self, stt: STT, listener: Listener, consent: Consent = True) -> None:
        super().__init__(capabilities=stt.capabilities)
        self.wrapped_stt = stt
        self._listener = listener
        self._consent = consent
        self._recognize_metrics_needed = False  # the wrapped STT gives them
        stt.on("metrics_collected", self._pass_metrics)
        stt.on("error", self._pass_error)

    @property
    def model(self) -> str:
        """Of the wrapped STT."""
        return self.wrapped_stt.model

    @property
    def provider(self) -> str:
        """Of the wrapped STT."""
        return self.wrapped_stt.provider

    def prewarm(self) -> None:
        """Let the wrapped STT connect; :meth:`Listener.warm_up` loads what reads the emotion."""
        self.wrapped_stt.prewarm()

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> RecognizeStream:
        """Hear one caller."""
        stream = self.wrapped_stt.stream(language=language, conn_options=conn_options)
        return _EmotionStream(self, stream, self._caller())

    async def aclose(self) -> None:
        """Close the wrapped STT; the listener stays open."""
        self.wrapped_stt.off("metrics_collected", self._pass_metrics)
        self.wrapped_stt.off("error", self._pass_error)
        await self.wrapped_stt.aclose()

    async def annotate(self, event: SpeechEvent, caller: Caller) -> SpeechEvent:
        """The event of a final transcript, with what the caller's sound and the words tell."""
        if event.alternatives and event.alternatives[0].text:
            data = event.alternatives[0]
            utterance = await caller.read(data.text, str(data.language))
            if utterance is not None:
                data.metadata = {**(data.metadata or {}), METADATA_KEY: utterance.to_metadata()}
                self._tell(utterance)
        return event

    async def _recognize_impl(
        self, buffer: utils.AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        event = await self.wrapped_stt.recognize(buffer, language=language, conn_options=conn_options)
        caller = self._caller()
        frame = rtc.combine_audio_frames(buffer)
        caller.feed(bytes(frame.data), frame.sample_rate, frame.num_channels)
        return await self.annotate(event, caller)

    def _caller(self) -> Caller:
        return Caller(self._listener, self._consent)

    def _tell(self, utterance: Utterance) -> None:
        self.emit("utterance", utterance)

    def _pass_metrics(self, metrics: Any) -> None:
        self.emit("metrics_collected", metrics)

    def _pass_error(self, error: Any) -> None:
        self.emit("error", error)


class _EmotionStream(RecognizeStream):
    """The wrapped STT's stream; the caller's sound goes two ways."""

    def __init__(self, stt: EmotionSTT, wrapped: RecognizeStream, caller: Caller) -> None:
        super().__init__(stt=stt, conn_options=_NO_RETRY)
        self._emotion_stt = stt
        self._wrapped = wrapped
        self._caller = caller

    async def _metrics_monitor_task(self, event_aiter: Any) -> None:
        async for _ in event_aiter:  # the wrapped stream gives the metrics
            pass

    async def _run(self) -> None:
        feeding = asyncio.create_task(self._feed())
        try:
            async for event in self._wrapped:
                if event.type == SpeechEventType.FINAL_TRANSCRIPT:
                    event = await self._emotion_stt.annotate(event, self._caller)
                self._event_ch.send_nowait(event)
        finally:
            await utils.aio.cancel_and_wait(feeding)
            await self._wrapped.aclose()

    async def _feed(self) -> None:
        async for sound in self._input_ch:
            if isinstance(sound, self._FlushSentinel):
                self._wrapped.flush()
            else:
                self._caller.feed(bytes(sound.data), sound.sample_rate, sound.num_channels)
                self._wrapped.push_frame(sound)
        self._wrapped.end_input()
