"""What heads say of speakers, and of corpora, that they never heard."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Callable, Mapping, Sequence

import numpy as np
from rich.progress import track

from emotionlayer_rasa.emotion.onnx_recognizer import reading, softmax
from emotionlayer_rasa.emotion.second_hearing import SecondHearing
from emotionlayer_rasa.evaluation.voice import (
    DEGRADATIONS,
    Clip,
    Outcome,
    check_disjoint,
    measure,
    split_by_speaker,
)
from emotionlayer_rasa.training.activations import Activations, ActivationStore, degraded, read_samples
from emotionlayer_rasa.training.head import NO_SPEECH, Head, apply_head
from emotionlayer_rasa.training.material import Material, no_voice
from emotionlayer_rasa.training.no_speech import KINDS


@dataclass(frozen=True)
class Tested:
    """Recordings that heads are tested on, as the recognizer will hear them.

    Attributes:
        first: activations at the first hearing.
        again: at each speed of the second one, if there is one.
        second_hearing: which of them are heard again.
    """

    first: Activations
    again: Sequence[Activations]
    second_hearing: SecondHearing | None

    def answers(self, head: Head, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Logits (n, 8), VAD (n, 3), which were heard again (n,), of the recordings ``asked``, indices (n,)."""
        logits, vad = apply_head(head, self.first[asked])
        if self.second_hearing is None:
            return logits, vad, np.zeros(len(logits), dtype=bool)
        probabilities = softmax(logits, 1.0)
        doubtful = self.second_hearing.is_doubtful(probabilities)
        others = [softmax(apply_head(head, version[asked])[0], 1.0) for version in self.again]
        probabilities[doubtful] = np.mean([probabilities, *others], axis=0)[doubtful]
        return np.log(probabilities + 1e-9), vad, doubtful


def tested_recordings(store: ActivationStore, material: Material) -> dict[str, Tested]:
    """What heads are tested on, by condition.

    Conditions are ``clean``, which is followed by the sounds without speech, ``telephone`` and ``snr10``.
    """
    clips, settings, hearing = material.clips, material.settings, material.settings.second_hearing
    paths = [settings.root / clip.path for clip in clips]

    def recorded(place: int) -> np.ndarray:
        return read_samples(paths[place]) if place < len(clips) else no_voice(settings, 0, place - len(clips))

    def again(load: Callable[[int], np.ndarray], count: int, name: str) -> list[Activations]:
        if hearing is None:
            return []
        key = [*map(str, paths), str(settings.seed), str(count), str(hearing.max_seconds)]
        return [
            store.compute(load, count, f"{name}-speed{speed:g}", key, partial(hearing.version, speed=speed))
            for speed in hearing.speeds
        ]

    first = material.views[0]
    tested = {"clean": Tested(first, again(recorded, len(first.pooled), "clean"), hearing)}
    for name in ("telephone", "snr10"):
        load = degraded(paths, DEGRADATIONS[name])
        first = store.compute(load, len(clips), name, [str(clip.path) for clip in clips])
        tested[name] = Tested(first, again(load, len(clips), name), hearing)
    return tested


def cross_validate(
    tested: Mapping[str, Tested], material: Material, fold: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Logits (n, 8), VAD (n, 3), and which were heard again (n,), by condition.

    Every recording is judged by a head that never heard its speaker.
    """
    settings = material.settings
    fold = np.concatenate([fold, np.arange(settings.no_speech) // len(KINDS) % settings.folds])
    results = {}
    for name, known in tested.items():
        count = len(known.first.pooled)
        results[name] = np.zeros((count, NO_SPEECH + 1)), np.zeros((count, 3)), np.zeros(count, dtype=bool)
    for held in track(range(settings.folds), description="held-out speakers"):
        head = material.head(fold != held)
        for name, known in tested.items():
            asked = np.flatnonzero(fold[: len(known.first.pooled)] == held)
            for column, answers in zip(results[name], known.answers(head, asked), strict=True):
                column[asked] = answers
    return results


def cross_corpus(tested: Tested, material: Material, model: str) -> dict[str, float]:
    """UAR on each corpus of a head that heard the other corpora only; labels that the corpus lacks are masked."""
    clips = material.clips
    corpus = np.array([clip.corpus for clip in clips] + [""] * material.settings.no_speech)
    figures = {}
    for name in track(sorted({clip.corpus for clip in clips}), description="held-out corpora"):
        asked = np.flatnonzero(corpus == name)
        logits, vad, _ = tested.answers(material.head(corpus != name), asked)
        readings = [
            reading(row, values, 0.0, model) for row, values in zip(softmax(logits, 1.0), vad, strict=True)
        ]
        outcomes = [Outcome(clips[place], answer) for place, answer in zip(asked, readings, strict=True)]
        figures[name] = round(measure(outcomes, model, None)["uar"], 4)
    return figures


def speaker_folds(clips: Sequence[Clip], count: int, seed: int) -> np.ndarray:
    """The fold of each clip, 0..count-1, shape (n,); nobody speaks in two."""
    names = [f"fold{place}" for place in range(count)]
    parts = split_by_speaker(clips, {name: 1 / count for name in names}, seed)
    check_disjoint(parts)
    place_of = {clip.speaker_key: place for place, name in enumerate(names) for clip in parts[name]}
    return np.array([place_of[clip.speaker_key] for clip in clips])
