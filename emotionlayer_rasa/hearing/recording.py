"""Hearing a recording: words and emotion side by side."""

from __future__ import annotations

import asyncio
import time

from emotionlayer_rasa.audio import AudioLimits, RawEncoding, Waveform, decode_audio, decode_raw
from emotionlayer_rasa.emotion import CallerVoice
from emotionlayer_rasa.hearing.engines import Engines
from emotionlayer_rasa.hearing.joining import join
from emotionlayer_rasa.hearing.workers import Workers
from emotionlayer_rasa.utterance import TextReading, Transcript, Utterance


async def hear_recording(
    data: bytes,
    engines: Engines,
    workers: Workers,
    limits: AudioLimits,
    encoding: RawEncoding | None,
    sample_rate: int,
    transcript: bool | Transcript,
    emotion: bool,
    caller: CallerVoice | None,
) -> Utterance:
    """Decode, transcribe and read the emotion of voice and words; see :meth:`Listener.hear`."""
    with workers.admit() as jobs:
        began = time.perf_counter()
        waveform, decode_ms = await jobs.run(_decode, data, encoding, sample_rate, limits)
        (said, transcription_ms, words, text_ms), (heard, prosody, emotion_ms) = await asyncio.gather(
            jobs.run(_understand, engines, waveform, transcript, emotion),
            jobs.run(engines.read_voice, waveform, emotion, caller),
        )
        if caller is not None:
            heard.teach(caller)
    timings = {
        "decode": decode_ms,
        "transcription": transcription_ms,
        "text": text_ms,
        "emotion": emotion_ms,
    }
    return join(said, heard.reading, words, prosody, waveform.duration_s, timings, began)


def _decode(
    data: bytes, encoding: RawEncoding | None, sample_rate: int, limits: AudioLimits
) -> tuple[Waveform, float]:
    began = time.perf_counter()
    if encoding is None:
        waveform = decode_audio(data, limits)
    else:
        waveform = decode_raw(data, encoding, sample_rate, limits=limits)
    return waveform, 1000 * (time.perf_counter() - began)


def _understand(
    engines: Engines, waveform: Waveform, transcript: bool | Transcript, emotion: bool
) -> tuple[Transcript, float, TextReading | None, float]:
    said, transcription_ms = _transcribe(engines, waveform, transcript)
    words, text_ms = engines.read_words(said, emotion)
    return said, transcription_ms, words, text_ms


def _transcribe(engines: Engines, waveform: Waveform, wanted: bool | Transcript) -> tuple[Transcript, float]:
    if isinstance(wanted, Transcript):
        return wanted, 0.0
    if not wanted:
        return Transcript(""), 0.0
    transcriber = engines.transcriber
    began = time.perf_counter()
    return transcriber.transcribe(waveform), 1000 * (time.perf_counter() - began)
