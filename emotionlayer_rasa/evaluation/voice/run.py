"""A recognizer over a list of clips."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Sequence

from emotionlayer_rasa.audio import AudioLimits, Waveform, load_audio
from emotionlayer_rasa.emotion.base import EmotionRecognizer
from emotionlayer_rasa.errors import EmotionLayerError
from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.utterance import EmotionReading

LIMITS = AudioLimits(max_bytes=100 * 1024 * 1024, max_seconds=600)
"""Larger than a caller's: some corpora have long turns, at high rates."""


@dataclass(frozen=True)
class Outcome:
    """What became of one clip: a reading, or (``reading`` is None) the error that kept it from one."""

    clip: Clip
    reading: EmotionReading | None
    error: str = ""


def recognize_clips(
    recognizer: EmotionRecognizer,
    clips: Sequence[Clip],
    root: Path,
    degradation: Callable[[Waveform, int], Waveform] | None = None,
    workers: int = 2,
) -> Iterator[Outcome]:
    """Read the emotion of every clip, in order; a bad clip is an outcome with an error, and the rest go on.

    Args:
        recognizer: any engine.
        clips: what to listen to.
        root: folder that relative paths are relative to.
        degradation: one of ``DEGRADATIONS``; seeded by the clip's path, so it is the same in every run.
        workers: threads; the engines release Python's lock while they compute.
    """

    def hear(clip: Clip) -> Outcome:
        try:
            waveform = load_audio(root / clip.path, LIMITS)
            if degradation is not None:
                waveform = degradation(waveform, zlib.crc32(clip.path.as_posix().encode()))
            return Outcome(clip, recognizer.recognize(waveform))
        except EmotionLayerError as error:
            return Outcome(clip, None, f"{error.code}: {error}")
        except OSError as error:
            return Outcome(clip, None, f"file: {error.strerror}")

    with ThreadPoolExecutor(workers, thread_name_prefix="evaluate") as pool:
        yield from pool.map(hear, clips)
