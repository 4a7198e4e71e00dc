"""A recognizer over a list of clips."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, Iterator, Sequence

import numpy as np

from emotionlayer_rasa.audio import AudioLimits, Waveform, load_audio
from emotionlayer_rasa.emotion import CallerVoice, EmotionRecognizer, Heard
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

    for clip, heard in _hear_all(recognizer, clips, root, degradation, workers, lambda clip: None):
        yield _outcome(clip, heard)


def recognize_adapted(
    recognizer: EmotionRecognizer,
    clips: Sequence[Clip],
    root: Path,
    known: Sequence[int],
    degradation: Callable[[Waveform, int], Waveform] | None = None,
    workers: int = 2,
) -> Iterator[tuple[int, list[Outcome]]]:
    """Read the emotion of every clip after so many other utterances of its speaker, chosen by the clip's path.

    What an utterance teaches is what a first hearing of it does, nothing known of the speaker.

    Args:
        recognizer, clips, root, degradation, workers: see :func:`recognize_clips`.
        known: how many others, each 0 or more; a speaker who has fewer is known by all of them.

    Yields:
        Each number and the outcomes of all clips.
    """
    first = list(_hear_all(recognizer, clips, root, degradation, workers, lambda clip: None))
    of_speaker: dict[tuple[str, str], list[tuple[Clip, Heard]]] = {}
    for clip, heard in first:
        if isinstance(heard, Heard):
            of_speaker.setdefault(clip.speaker_key, []).append((clip, heard))

    def caller(count: int, clip: Clip) -> CallerVoice:
        voice = CallerVoice()
        others = [heard for other, heard in of_speaker.get(clip.speaker_key, []) if other is not clip]
        order = np.random.default_rng(zlib.crc32(clip.path.as_posix().encode())).permutation(len(others))
        for place in order[:count]:
            others[place].teach(voice)
        return voice

    for count in known:
        again = _hear_all(recognizer, clips, root, degradation, workers, partial(caller, count))
        yield count, [_outcome(clip, heard) for clip, heard in again]


def _outcome(clip: Clip, heard: Heard | Outcome) -> Outcome:
    return heard if isinstance(heard, Outcome) else Outcome(clip, heard.reading)


def _hear_all(
    recognizer: EmotionRecognizer,
    clips: Sequence[Clip],
    root: Path,
    degradation: Callable[[Waveform, int], Waveform] | None,
    workers: int,
    caller: Callable[[Clip], CallerVoice | None],
) -> Iterator[tuple[Clip, Heard | Outcome]]:
    def hear(clip: Clip) -> Heard | Outcome:
        try:
            waveform = load_audio(root / clip.path, LIMITS)
            if degradation is not None:
                waveform = degradation(waveform, zlib.crc32(clip.path.as_posix().encode()))
            return recognizer.hear(waveform, caller=caller(clip))
        except EmotionLayerError as error:
            return Outcome(clip, None, f"{error.code}: {error}")
        except OSError as error:
            return Outcome(clip, None, f"file: {error.strerror}")

    with ThreadPoolExecutor(workers, thread_name_prefix="evaluate") as pool:
        yield from zip(clips, pool.map(hear, clips), strict=True)
