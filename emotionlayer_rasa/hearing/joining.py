"""What was understood apart becomes one: voice and words of an utterance, the pieces of a monologue."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from typing import Mapping, Sequence

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import EmotionReading, Prosody, TextReading, Transcript, Utterance


def join(
    said: Transcript,
    voice: EmotionReading,
    words: TextReading | None,
    prosody: Prosody | None,
    duration_s: float,
    timings_ms: Mapping[str, float],
    began: float,
) -> Utterance:
    """One record of what was understood: rate of words, and what voice and words mean together.

    Args:
        said, voice, words, prosody: what was understood.
        duration_s: length of the sound, seconds.
        timings_ms: milliseconds by stage so far; ``fusion`` and ``hearing`` are added.
        began: ``time.perf_counter()`` when the hearing began.
    """
    if prosody and said.words and duration_s:
        prosody = replace(prosody, word_rate=len(said.words) / duration_s)
    understood = time.perf_counter()
    affect = fuse(voice, words, prosody)
    ended = time.perf_counter()
    timings = {**timings_ms, "fusion": 1000 * (ended - understood), "hearing": 1000 * (ended - began)}
    return Utterance(said, voice, words, prosody, affect, duration_s, timings)


def pool(readings: Sequence[tuple[float, EmotionReading]], threshold: float) -> EmotionReading:
    """The emotion of a monologue from those of its pieces, as the shipped recogniser pools its windows.

    Args:
        readings: of each piece its weight (level times length) and its reading; at least one with scores.
        threshold: confidence below which the label is ``unknown``.

    Returns:
        The weighted mean of the probabilities and of valence, arousal and dominance. Pieces in which no voice was
        heard lower the confidence only.
    """
    heard = [(weight, reading) for weight, reading in readings if reading.scores]
    everything = sum(weight for weight, _ in readings) or 1.0
    voiced = sum(weight for weight, _ in heard) or 1.0
    probabilities: dict[str, float] = defaultdict(float)
    for weight, reading in heard:
        # The scores sum to one; the confidence is what doubt about there being speech leaves of the best.
        certainty = reading.confidence / max(reading.scores.values())
        for name, score in reading.scores.items():
            probabilities[name] += weight / everything * certainty * score
    best = max(probabilities, key=lambda name: probabilities[name])
    confidence = probabilities[best]
    total = sum(probabilities.values())

    def mean(axis: str) -> float | None:
        values = [getattr(reading, axis) for _, reading in heard]
        if None in values:
            return None
        return float(sum(weight * value for (weight, _), value in zip(heard, values, strict=True)) / voiced)

    return EmotionReading(
        label=best if confidence >= threshold else UNKNOWN,
        confidence=confidence,
        scores={name: value / total for name, value in probabilities.items()},
        valence=mean("valence"),
        arousal=mean("arousal"),
        dominance=mean("dominance"),
        source=heard[-1][1].source,
        model=heard[-1][1].model,
        adapted_from=heard[-1][1].adapted_from,
    )
