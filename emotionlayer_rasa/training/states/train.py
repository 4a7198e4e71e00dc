"""The weights of evidence: multinomial logistic regression over scenes."""

from __future__ import annotations

import csv
import json
import logging
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Callable, Iterable, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from emotionlayer_rasa.affect.evidence import NAMES, evidence
from emotionlayer_rasa.affect.fusion import TABLE
from emotionlayer_rasa.evaluation.scenarios import read_scenarios
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS
from emotionlayer_rasa.training.states import DATA
from emotionlayer_rasa.training.words.corpora import hand_lines
from emotionlayer_rasa.utterance import EmotionReading, TextReading

logger = logging.getLogger(__name__)

STRENGTH = 0.3
"""Inverse of the L2 penalty (C): chosen on the scenes of the hand left out."""

HEARD_OTHERWISE = 3
"""Copies of each scene with a voice heard less clearly: a recogniser errs, and the scenes' voices do not."""

LEAST = 15
"""Scenes that an answer must have to be learnt."""


@dataclass(frozen=True)
class Scene:
    """What one caller said, and what a listener makes of it.

    Attributes:
        text: the words.
        voice: what a recogniser hears; None for a typed message.
        state, strategy: as the hand that wrote the scene, or read the message, gave them.
    """

    text: str
    voice: EmotionReading | None
    state: str
    strategy: str


def spoken_scenes() -> dict[str, list[Scene]]:
    """Scenes of calls, by the file of the hand that wrote them."""
    return {
        path.stem: [Scene(found.text, found.voice, found.state, found.strategy) for found in read_scenarios(path)]
        for path in sorted(DATA.glob("*.json"))
    }


def typed_scenes() -> list[Scene]:
    """Lines of the callers' corpus as messages without a voice."""
    with (DATA / "typed.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    lines = {hand: hand_lines(hand) for hand in {int(row["hand"]) for row in rows}}
    return [
        Scene(lines[int(row["hand"])][int(row["line"])].text, None, row["state"], row["strategy"]) for row in rows
    ]


def train_states(read: Callable[[str], TextReading], out: Path = TABLE, seed: int = 7) -> None:
    """Fit the table on all scenes and write it, with its figures on each hand when it is fitted on the others.

    Args:
        read: reads words.
        out: the JSON file written.
        seed: of how the voices are heard otherwise.
    """
    hands = spoken_scenes()
    typed = typed_scenes()
    spoken = [*chain.from_iterable(hands.values())]
    readings = {scene.text: read(scene.text) for scene in [*typed, *spoken]}
    figures = {}
    for name, scenes in hands.items():
        others = [scene for other, listed in hands.items() if other != name for scene in listed]
        model = _fit([*others, *typed], readings, seed)
        figures[name] = [round(share, 3) for share in _right(model, scenes, readings)]
        logger.info("states.left_out hand=%s state=%.3f strategy=%.3f", name, *figures[name])
    model = _fit([*spoken, *typed], readings, seed)
    table = {
        "answers": [answer.split("/") for answer in model.classes_],
        "figures": {"left_out": figures},
        "bias": np.round(model.intercept_, 3).tolist(),
        "weights": {name: np.round(row, 3).tolist() for name, row in zip(NAMES, model.coef_.T, strict=True)},
    }
    text = json.dumps(table, indent=1)
    out.write_text(text + "\n", encoding="utf-8")


def _fit(scenes: Sequence[Scene], readings: dict[str, TextReading], seed: int) -> LogisticRegression:
    rng = np.random.default_rng(seed)
    heard = [scene for scene in scenes if scene.voice is not None]
    heard = [_heard_otherwise(scene, rng) for _ in range(HEARD_OTHERWISE) for scene in heard]
    answers = Counter(_answer(scene) for scene in scenes)
    used = [scene for scene in [*scenes, *heard] if answers[_answer(scene)] >= LEAST]
    model = LogisticRegression(C=STRENGTH, max_iter=1000)
    model.fit(_matrix(used, readings), [_answer(scene) for scene in used])
    return model


def _right(
    model: LogisticRegression, scenes: Sequence[Scene], readings: dict[str, TextReading]
) -> tuple[float, float]:
    """Shares of scenes whose state and whose strategy is found."""
    probabilities = model.predict_proba(_matrix(scenes, readings))
    answers = [answer.split("/") for answer in model.classes_]
    hits = np.zeros((len(scenes), 2))
    for row, scene in enumerate(scenes):
        states: Counter[str] = Counter()
        for (state, _), share in zip(answers, probabilities[row], strict=True):
            states[state] += share
        best = states.most_common(1)[0][0]
        places = [place for place, (state, _) in enumerate(answers) if state == best]
        strategy = answers[max(places, key=lambda place: probabilities[row, place])][1]
        hits[row] = best == scene.state, strategy == scene.strategy
    state, strategy = hits.mean(axis=0)
    return float(state), float(strategy)


def _matrix(scenes: Iterable[Scene], readings: dict[str, TextReading]) -> np.ndarray:
    found = [evidence(scene.voice, readings[scene.text], None) for scene in scenes]
    return np.asarray([[values.get(name, 0.0) for name in NAMES] for values in found])


def _heard_otherwise(scene: Scene, rng: np.random.Generator) -> Scene:
    """The same scene with flatter scores and other ratings of the voice."""
    assert scene.voice is not None
    scores = np.asarray([scene.voice.scores[emotion] for emotion in EMOTIONS]) ** rng.uniform(0.4, 1.1)
    scores = 0.85 * scores / scores.sum() + 0.15 * rng.dirichlet(np.full(len(EMOTIONS), 0.7))
    ratings = np.asarray([getattr(scene.voice, axis) for axis in DIMENSIONS])
    valence, arousal, dominance = map(float, np.clip(ratings + rng.normal(0, 0.08, len(DIMENSIONS)), 0, 1))
    voice = EmotionReading(
        EMOTIONS[int(scores.argmax())],
        float(scores.max()),
        dict(zip(EMOTIONS, map(float, scores), strict=True)),
        valence=valence,
        arousal=arousal,
        dominance=dominance,
        source="voice",
    )
    return replace(scene, voice=voice)


def _answer(scene: Scene) -> str:
    return f"{scene.state}/{scene.strategy}"
