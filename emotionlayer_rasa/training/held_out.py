"""What heads say of speakers, and of corpora, that they never heard, knowing nothing or something of the voice."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np
from rich.progress import track

from emotionlayer_rasa.emotion.onnx_recognizer import reading, softmax
from emotionlayer_rasa.evaluation.voice import (
    DEGRADATIONS,
    Clip,
    Outcome,
    check_disjoint,
    measure,
    split_by_speaker,
)
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.training.activations import Activations, ActivationStore, degraded
from emotionlayer_rasa.training.head import CLASSES, OUTPUTS, SHARPNESS, Head, apply_head
from emotionlayer_rasa.training.material import Material

KNOWN = (0, 1, 4, 16)
"""After how many other utterances of the speaker a clip is judged."""

DEGRADED_EVERY = 3
"""Of so many clips one is also heard over a telephone and in noise."""

IN_A_ROW = 8
"""Angry utterances, or neutral ones, before an angry one: a caller of one mood, and one whose mood turns."""


@dataclass(frozen=True)
class Judged:
    """What heads say of recordings that they did not learn from.

    Attributes:
        clips: n recordings.
        logits: float64 (n, 8), log-probabilities.
        vad: float64 (n, 3).
    """

    clips: Sequence[Clip]
    logits: np.ndarray
    vad: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Index of the right emotion, int (n,)."""
        return np.array([EMOTIONS.index(clip.emotion) for clip in self.clips])

    def figures(self, model: str, temperature: float, threshold: float, degradation: str | None) -> dict[str, Any]:
        """What :func:`measure` says; labels that a corpus lacks are masked."""
        readings = [
            reading(row, values, threshold, model)
            for row, values in zip(softmax(self.logits, temperature), self.vad, strict=True)
        ]
        outcomes = [Outcome(clip, answer) for clip, answer in zip(self.clips, readings, strict=True)]
        return measure(outcomes, model, degradation)


@dataclass(frozen=True)
class Tested:
    """Recordings that heads are tested on: which of the clips, int (n,), and their activations."""

    places: np.ndarray
    recordings: Activations

    def of(self, group: np.ndarray, name: str) -> Tested:
        """Those whose clip is in this group; ``group`` is given for all clips."""
        chosen = group[self.places] == name
        return Tested(self.places[chosen], self.recordings[chosen])


def tested_recordings(store: ActivationStore, material: Material) -> dict[str, Tested]:
    """What heads are tested on, by condition: ``clean``, and some clips as ``telephone`` and ``snr10``."""
    everything = np.arange(len(material.clips))
    tested = {"clean": Tested(everything, material.views[0][everything])}
    for name in ("telephone", "snr10"):
        places = everything[::DEGRADED_EVERY]
        paths = [material.clips[place].path for place in places]
        recordings = store.compute(degraded(paths, DEGRADATIONS[name]), len(paths), name, [*map(str, paths)])
        tested[name] = Tested(places, recordings)
    return tested


def judge_left_out(
    tested: Mapping[str, Tested], material: Material, group: np.ndarray, what: str
) -> dict[tuple[str, str | int], Judged]:
    """Judge each recording by a head that never heard its group.

    Args:
        tested: recordings by condition.
        material: of the training.
        group: of each clip, (n,): its fold, or its corpus; clips of the group ``""`` are not judged.
        what: for the progress bar.

    Returns:
        By condition and how many others of the speaker were heard before (:data:`KNOWN`); for ``clean`` also
        ``angry`` and ``neutral``: clips of anger after :data:`IN_A_ROW` others of anger, or of no emotion.
    """
    clips, settings = material.clips, material.settings
    sounds = np.full(material.sounds, "", dtype=object)
    of_material = np.concatenate([group.astype(object), sounds])
    found: dict[tuple[str, str | int], list[tuple[np.ndarray, np.ndarray]]] = {}
    for name in track(sorted(set(group.tolist()) - {""}), description=what):
        head = material.head(of_material != name)
        for condition, recordings in tested.items():
            own = recordings.of(group, name)
            asked = own.places
            voices = _Voices(head, own.recordings, [clips[place] for place in asked], settings.head.prior)
            moods: tuple[str | int, ...] = ("angry", "neutral") if condition == "clean" else ()
            for known in (*KNOWN, *moods):
                found.setdefault((condition, known), []).append((asked, voices.judge(known)))
    judged = {}
    for key, parts in found.items():
        outputs = np.concatenate([values for _, values in parts])
        places = np.concatenate([asked for asked, _ in parts])
        wanted = places if not isinstance(key[1], str) else places[_angry(clips, places)]
        rows = outputs[np.isin(places, wanted)]
        judged[key] = Judged(
            [clips[place] for place in wanted],
            np.log(softmax(rows[:, :CLASSES], 1.0) + 1e-9),
            1 / (1 + np.exp(-rows[:, CLASSES:])),
        )
    return judged


def _angry(clips: Sequence[Clip], places: np.ndarray) -> np.ndarray:
    return np.array([clips[place].emotion == "anger" for place in places], dtype=bool)


class _Voices:
    """Recordings of some speakers, as a head hears them in calls."""

    def __init__(self, head: Head, recordings: Activations, clips: Sequence[Clip], prior: float) -> None:
        self._outputs = raw_outputs(head, recordings)
        self._bias = head.layer.bias.detach().numpy()
        self._emotion_offsets = head.emotion_offsets.numpy()
        self._clips, self._prior = clips, prior
        speakers = [clip.speaker_key for clip in clips]
        self._own = {name: [place for place, key in enumerate(speakers) if key == name] for name in set(speakers)}

    def judge(self, known: str | int) -> np.ndarray:
        """Outputs (n, 11) after some others of the speaker, each heard with what the former ones taught."""
        histories = [self._history(place, known) for place in range(len(self._clips))]
        shift = np.zeros((len(histories), OUTPUTS))
        total = np.zeros_like(shift)
        for step in range(max(map(len, histories), default=0)):
            going = np.array([place for place, history in enumerate(histories) if len(history) > step])
            heard = self._outputs[[histories[place][step] for place in going]]
            felt = softmax(SHARPNESS * (heard - shift[going])[:, : len(EMOTIONS)], 1.0)
            total[going] += heard - self._bias - felt @ self._emotion_offsets
            shift[going] = total[going] / (step + 1 + self._prior)
        return np.asarray(self._outputs - shift)

    def _history(self, place: int, known: str | int) -> list[int]:
        clip = self._clips[place]
        others = [other for other in self._own[clip.speaker_key] if other != place]
        count = IN_A_ROW if isinstance(known, str) else known
        if isinstance(known, str):
            mood = {"angry": "anger", "neutral": "neutral"}[known]
            others = [other for other in others if self._clips[other].emotion == mood]
        rng = np.random.default_rng(zlib.crc32(f"{clip.path.name} {known}".encode()))
        return list(rng.permutation(others)[:count]) if others else []


def raw_outputs(head: Head, recordings: Activations) -> np.ndarray:
    """Outputs (n, 11) of the head's layer, nothing known of the speakers: float64."""
    logits, vad, _ = apply_head(head, recordings)
    return np.concatenate([logits, np.log(vad / (1 - vad))], axis=1).astype(np.float64)


def speaker_folds(clips: Sequence[Clip], count: int, seed: int) -> np.ndarray:
    """The fold of each clip, 0..count-1, shape (n,); nobody speaks in two."""
    names = [f"fold{place}" for place in range(count)]
    parts = split_by_speaker(clips, {name: 1 / count for name in names}, seed)
    check_disjoint(parts)
    place_of = {clip.speaker_key: place for place, name in enumerate(names) for clip in parts[name]}
    return np.array([place_of[clip.speaker_key] for clip in clips])
