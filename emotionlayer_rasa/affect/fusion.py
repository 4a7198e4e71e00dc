"""Voice and words to one affective state and the strategy that answers it: an additive score, no language model.

An answer is a state and a strategy. Its score is the sum of what speaks for it: every piece of evidence
(:mod:`~emotionlayer_rasa.affect.evidence`) times its weight, in logits. The softmax of the scores gives
probabilities, and the largest terms are the reasons. The weights are learnt
(:mod:`emotionlayer_rasa.training.states`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Mapping

from emotionlayer_rasa.affect.evidence import evidence
from emotionlayer_rasa.affect.strategies import STATE_STRATEGY, asks_for_a_fact
from emotionlayer_rasa.taxonomy import DIMENSIONS, STATES, UNKNOWN
from emotionlayer_rasa.utterance import TOLD_CUE, AffectiveState, EmotionReading, Prosody, TextReading

TABLE = Path(__file__).parent / "weights.json"

_TEXT_SHARE: Mapping[str, float] = {"valence": 0.6, "arousal": 0.2, "dominance": 0.2}
"""What the words decide of each fused dimension: valence is in the words, arousal and dominance in the voice
(Wagner et al., arXiv 2203.07378)."""

_MAX_REASONS = 5
_WORTH_TELLING = 0.25
"""Logits by which a reason must favour the state over the average state."""


@dataclass(frozen=True)
class Weights:
    """The table of weights.

    Attributes:
        answers: pairs of a state and a strategy.
        bias: logits of each answer where nothing is known.
        weights: logits that one unit of a piece of evidence adds to each answer, by its name.
    """

    answers: tuple[tuple[str, str], ...]
    bias: tuple[float, ...]
    weights: Mapping[str, tuple[float, ...]]


@cache
def read_weights() -> Weights:
    """The table that comes with the package."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return Weights(
        tuple((state, strategy) for state, strategy in table["answers"]),
        tuple(table["bias"]),
        {name: tuple(row) for name, row in table["weights"].items()},
    )


def fuse(
    acoustic: EmotionReading | None, text: TextReading | None, prosody: Prosody | None = None
) -> AffectiveState:
    """The affective state of one utterance and the strategy that answers it.

    Either side may be None or unknown: the other then decides alone; words of no clear emotion still count beside
    a voice. Sarcasm takes words, so the voice alone never gives it; its strategy is that of EmotionLayer's table.

    Args:
        acoustic: how it was said: seven probabilities, valence, arousal and dominance 0..1.
        text: what the words say: the same, and cues 0..1.
        prosody: measurements of the voice; a slow voice full of pauses is a quiet one.

    Returns:
        State, strategy, confidence (softmax probability, 0..1), fused valence, arousal and dominance (0..1),
        incongruence (0..1) and reasons such as ``voice:anger=.71``, ``words:complaint=.80``,
        ``voice:joy+words:grievance=.62`` or ``pad:anger=.93``, the strongest first; ``unknown`` with confidence 0
        where both sides are.
    """
    voice = acoustic if acoustic is not None and acoustic.label != UNKNOWN else None
    words = text if text is not None and (text.emotion.scores or any(text.cues.values())) else None
    if voice is None and (words is None or not _is_clear(words)):
        return AffectiveState()

    table = read_weights()
    found = evidence(voice, words, prosody)
    terms = {
        name: [value * weight for weight in table.weights[name]]
        for name, value in found.items()
        if name in table.weights
    }
    scores = [bias + sum(term[place] for term in terms.values()) for place, bias in enumerate(table.bias)]
    likely = max(scores)
    shares = [math.exp(score - likely) for score in scores]
    states = dict.fromkeys(STATES, 0.0)
    for (state, _), share in zip(table.answers, shares, strict=True):
        if words is not None or state != "sarcasm":
            states[state] += share
    best = max(states, key=lambda state: states[state])
    places = [place for place, (state, _) in enumerate(table.answers) if state == best]
    chosen = max(places, key=lambda place: scores[place])

    leads = {
        f"{name}={_figure(found[name])}": term[chosen] - sum(term) / len(term) for name, term in terms.items()
    }
    reasons = [name for name, lead in sorted(leads.items(), key=lambda item: -item[1]) if lead > _WORTH_TELLING]
    return AffectiveState(
        state=best,
        strategy=_strategy(table.answers[chosen], voice, words),
        confidence=states[best] / sum(states.values()),
        **{axis: _fused(axis, voice, words) for axis in DIMENSIONS},
        incongruence=_incongruence(voice, words),
        reasons=tuple(reasons[:_MAX_REASONS]),
    )


def _strategy(answer: tuple[str, str], voice: EmotionReading | None, words: TextReading | None) -> str:
    state, learnt = answer
    if words is None:  # the scenes that were learnt from have words, all of them
        return STATE_STRATEGY[state]
    return "direct_efficiency" if asks_for_a_fact(state, voice, words) else learnt


def _is_clear(text: TextReading) -> bool:
    return text.emotion.label != UNKNOWN or max(text.cues.values(), default=0.0) >= TOLD_CUE


def _fused(axis: str, voice: EmotionReading | None, words: TextReading | None) -> float | None:
    heard = getattr(voice, axis) if voice is not None else None
    read = getattr(words.emotion, axis) if words is not None else None
    if heard is None or read is None:
        return read if heard is None else heard
    share = _TEXT_SHARE[axis]
    return float(share * read + (1 - share) * heard)


def _incongruence(voice: EmotionReading | None, words: TextReading | None) -> float:
    """Words against voice: the geometric mean of two opposite polarities; 0 where they agree or one is neutral."""
    if voice is None or words is None:
        return 0.0
    pleased = words.cues.get("praise", 0.0)
    displeased = max(words.cues.get(cue, 0.0) for cue in ("complaint", "resignation", "hostility", "danger"))
    said = max(-1.0, min(1.0, _polarity(words.emotion) + pleased - displeased))
    return math.sqrt(max(0.0, -said * _polarity(voice)))


def _polarity(reading: EmotionReading) -> float:
    """-1 (all unpleasant) .. 1 (all joy)."""
    unpleasant = sum(reading.scores.get(emotion, 0.0) for emotion in ("anger", "disgust", "fear", "sadness"))
    return reading.scores.get("joy", 0.0) - unpleasant


def _figure(value: float) -> str:
    return f"{value:.2f}".lstrip("0") if value < 0.995 else "1.0"
