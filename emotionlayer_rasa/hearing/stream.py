"""The part of a live session that runs in threads: sound in, events of the call out.

Plain code, one call at a time: it knows neither the event loop nor consent. What no model has to read is told at
once as the call will hear of it (:mod:`emotionlayer_rasa.hearing.events`); for the rest, the sound to be read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np

from emotionlayer_rasa.audio import (
    SAMPLE_RATE,
    Endpointer,
    Patience,
    StreamDecoder,
    Waveform,
    create_turn_detector,
)
from emotionlayer_rasa.audio.endpointing import Boundary, Ended, EndReason, Resumed, Started
from emotionlayer_rasa.hearing.events import Discarded, DiscardReason, Partial, SpeechStarted
from emotionlayer_rasa.hearing.settings import LiveSettings
from emotionlayer_rasa.transcription import Transcriber, TranscriptionStream, without_ghost_words
from emotionlayer_rasa.utterance import Transcript

_TRANSCRIBED_AT_ONCE = SAMPLE_RATE // 5
"""Samples: a decoder asked more often for its partial text spends its time on that."""


@dataclass(frozen=True)
class InterimWindow:
    """To be read as :class:`Interim`: the last seconds of an utterance that is going on.

    Attributes:
        waveform: at most ``interim_window_s`` of it.
        at_s: where the waveform ends, seconds from the start of the stream.
    """

    waveform: Waveform
    at_s: float


@dataclass(frozen=True)
class SpeechPaused:
    """To be read early: the whole utterance, unless a :class:`Resumed` follows."""

    waveform: Waveform


@dataclass(frozen=True)
class UtteranceEnded:
    """To be read as :class:`Final`: an utterance that is over.

    Attributes:
        waveform: all of it.
        transcript: what was said.
        start_s, end_s: where it lies in the stream, seconds.
        speech_s: how much of it is speech, seconds.
        reason: why it ended.
        decode_ms: decoding and endpointing since the utterance before, milliseconds.
        transcription_ms: transcribing it, milliseconds.
        known: ``time.perf_counter()`` when it was clear that it is over.
    """

    waveform: Waveform
    transcript: Transcript
    start_s: float
    end_s: float
    speech_s: float
    reason: EndReason
    decode_ms: float
    transcription_ms: float
    known: float


StreamEvent = SpeechStarted | Partial | InterimWindow | SpeechPaused | Resumed | UtteranceEnded | Discarded
"""What happens in a stream, in this order; an utterance ends with one of the last two."""


class StreamTranscriber:
    """What a session does in threads, one call at a time: decode, find utterances, transcribe.

    Args:
        transcriber: gives the transcriber; called in the thread, since it may load a model.
        settings: when utterances begin and end, and how often there is an :class:`InterimWindow` of one.
        decoder: of the stream's raw samples.
        grammar: phrases to listen for, where the engine can; None hears everything.
    """

    def __init__(
        self,
        transcriber: Callable[[], Transcriber],
        settings: LiveSettings,
        decoder: StreamDecoder,
        grammar: Sequence[str] | None,
    ) -> None:
        self.decoder = decoder
        self._grammar = grammar
        self._transcriber = transcriber
        self._settings = settings
        self._sound = _Sound()
        self._endpointer: Endpointer | None = None
        self._stream: TranscriptionStream | None = None
        self._start = self._transcribed = self._next_interim = 0
        self._holding = False
        """The caller is silent: what comes is transcribed only if the utterance goes on."""
        self._text = ""
        self._decode_ms = self._transcription_ms = 0.0

    def feed(self, data: bytes, last: bool, cut: bool = False) -> list[StreamEvent]:
        """Take in the next sound.

        Args:
            data: raw samples in the decoder's encoding, any number of bytes.
            last: nothing follows; an utterance that is going on ends.
            cut: an utterance that is going on ends behind this sound.

        Raises:
            ModelError, MissingExtraError: a model cannot be had.
        """
        if self._endpointer is None:  # here, since it may load a model
            endpointing, turns = self._settings.endpointing, self._settings.turns
            patience = Patience(
                turns, endpointing.trailing_silence_ms, create_turn_detector(turns), self._sound.between
            )
            self._endpointer = Endpointer(endpointing, patience=patience)
        began = time.perf_counter()
        samples = self.decoder.feed(data)
        if last:
            samples = np.concatenate([samples, self.decoder.finish()])
        self._sound.append(samples)
        boundaries = self._endpointer.feed(samples)
        if last:
            boundaries += self._endpointer.finish()
        elif cut:
            boundaries += self._endpointer.cut()
        self._decode_ms += 1000 * (time.perf_counter() - began)
        events: list[StreamEvent] = []
        for boundary in boundaries:
            events += self._pass(boundary)
        if not self._holding:
            events += self._transcribe(self._endpointer.heard, _TRANSCRIBED_AT_ONCE)
        self._sound.forget_before(self._endpointer.needed_from)
        return events

    def close(self) -> None:
        """Give the recogniser's memory back."""
        if self._stream:
            self._stream.close()
            self._stream = None

    def _pass(self, boundary: Boundary) -> list[StreamEvent]:
        if isinstance(boundary, Started):
            self._stream = self._transcriber().stream(self._grammar)
            self._start = self._transcribed = boundary.sample
            self._next_interim = self._start + int(self._settings.interim_every_s * SAMPLE_RATE)
            self._holding, self._text, self._transcription_ms = False, "", 0.0
            return [SpeechStarted(boundary.onset / SAMPLE_RATE, boundary.continues)]
        if isinstance(boundary, Resumed):
            self._holding = False
            return [boundary]
        events = self._transcribe(boundary.sample)
        waveform = Waveform(self._sound.between(self._start, boundary.sample))
        if isinstance(boundary, Ended):
            return [*events, self._end(boundary, waveform)]
        assert self._stream is not None
        began = time.perf_counter()
        self._holding = True
        self._stream.settle()
        self._transcription_ms += 1000 * (time.perf_counter() - began)
        return [*events, SpeechPaused(waveform)]

    def _end(self, boundary: Ended, waveform: Waveform) -> UtteranceEnded | Discarded:
        assert self._stream is not None
        began = time.perf_counter()
        transcript = self._stream.finish()
        self._stream = None
        decode_ms, self._decode_ms = self._decode_ms, 0.0
        transcription_ms = self._transcription_ms + 1000 * (time.perf_counter() - began)
        start_s, end_s = self._start / SAMPLE_RATE, boundary.sample / SAMPLE_RATE
        speech = [(a / SAMPLE_RATE - start_s, b / SAMPLE_RATE - start_s) for a, b in boundary.speech]
        speech_s = sum(b - a for a, b in speech)
        if 1000 * speech_s < self._settings.endpointing.min_speech_ms:
            return self._discarded("too_short", boundary.sample)
        said = without_ghost_words(transcript, speech)
        if transcript.words and not said.words:
            return self._discarded("ghost_words", boundary.sample)
        return UtteranceEnded(
            waveform, said, start_s, end_s, speech_s, boundary.reason, decode_ms, transcription_ms, began
        )

    def _discarded(self, reason: DiscardReason, end: int) -> Discarded:
        return Discarded(reason, self._start / SAMPLE_RATE, end / SAMPLE_RATE)

    def _transcribe(self, until: int, at_least: int = 1) -> list[StreamEvent]:
        if self._stream is None or until - self._transcribed < at_least:
            return []
        began = time.perf_counter()
        text = self._stream.accept(self._sound.between(self._transcribed, until))
        self._transcribed = until
        self._transcription_ms += 1000 * (time.perf_counter() - began)
        events: list[StreamEvent] = []
        if text and text != self._text:
            self._text = text
            events.append(Partial(text))
        if self._settings.interim_every_s and until >= self._next_interim:
            self._next_interim = until + int(self._settings.interim_every_s * SAMPLE_RATE)
            window = int(self._settings.interim_window_s * SAMPLE_RATE)
            heard = Waveform(self._sound.between(max(self._start, until - window), until))
            events.append(InterimWindow(heard, until / SAMPLE_RATE))
        return events


class _Sound:
    """The sound that is still needed, by its place in the stream."""

    def __init__(self) -> None:
        self._samples = np.empty(4 * SAMPLE_RATE, np.float32)
        self._first = self._end = 0

    def append(self, samples: np.ndarray) -> None:
        count = self._end - self._first
        if count + len(samples) > len(self._samples):
            larger = np.empty(2 * (count + len(samples)), np.float32)
            larger[:count] = self._samples[:count]
            self._samples = larger
        self._samples[count : count + len(samples)] = samples
        self._end += len(samples)

    def between(self, start: int, end: int) -> np.ndarray:
        """A copy of the samples from ``start`` to ``end``."""
        return self._samples[start - self._first : end - self._first].copy()

    def forget_before(self, start: int) -> None:
        """Sound before ``start`` is not needed any more."""
        unneeded = start - self._first
        if unneeded > len(self._samples) // 2:  # moving sound costs: not for every frame
            kept = self._samples[unneeded : self._end - self._first].copy()
            self._samples = np.empty(max(4 * SAMPLE_RATE, 2 * len(kept)), np.float32)
            self._samples[: len(kept)] = kept
            self._first = start
