"""Voice and words to one affective state: an explainable log-linear score, no language model.

A state's score is the sum of what speaks for it (``evidence.WEIGHTS``), less the distance of the voice's valence,
arousal and dominance from the state's profile. The softmax of the scores is the confidence, and the largest terms
are the reasons.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import Mapping

from emotionlayer_rasa.affect.evidence import BIAS, PAD_PROFILES, PAD_WEIGHT, WEIGHTS
from emotionlayer_rasa.affect.strategies import strategy
from emotionlayer_rasa.taxonomy import STATES, UNKNOWN
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, Prosody, TextReading

_TEXT_SHARE: Mapping[str, float] = {"valence": 0.6, "arousal": 0.2, "dominance": 0.2}
"""What the words decide of each fused dimension: valence is in the words, arousal and dominance in the voice
(Wagner et al., arXiv 2203.07378)."""

_CLEAR_CUE = 0.3
"""A cue at least this strong decides without a voice, even where the words have no clear emotion."""

_MAX_REASONS = 5
_WORTH_TELLING = 0.25
"""Logits by which a reason must favour the state over the average state."""


def fuse(
    acoustic: EmotionReading | None, text: TextReading | None, prosody: Prosody | None = None
) -> AffectiveState:
    """The affective state of one utterance and the strategy that answers it.

    Either side may be None or unknown: the other then decides alone; words of no clear emotion still count beside
    a voice. Sarcasm takes words, so the voice alone never gives it.

    Args:
        acoustic: how it was said: seven probabilities, valence, arousal and dominance 0..1.
        text: what the words say: the same, and cues 0..1.
        prosody: measurements of the voice; a slow voice full of pauses supports doubt and resignation.

    Returns:
        State, strategy, confidence (softmax probability, 0..1), fused valence, arousal and dominance (0..1),
        incongruence (0..1) and reasons such as ``voice:anger=.71``, ``words:complaint=.80``,
        ``rule:tired_complaint=.62`` or ``pad:anger=.93``, the strongest first; ``unknown`` with confidence 0 where
        both sides are.
    """
    voice = acoustic if acoustic is not None and acoustic.label != UNKNOWN else None
    words = text if text is not None and (text.emotion.scores or any(text.cues.values())) else None
    if voice is None and (words is None or not _is_clear(words)):
        return AffectiveState()

    evidence = _evidence(voice, words, prosody)
    gains = {
        name: {state: value * weight for state, weight in WEIGHTS[name].items()}
        for name, value in evidence.items()
    }
    fits = _pad_fits(voice)
    candidates = STATES if words is not None else tuple(state for state in STATES if state != "sarcasm")
    scores = {
        state: BIAS.get(state, 0.0)
        + PAD_WEIGHT * fits.get(state, 0.0)
        + sum(gain.get(state, 0.0) for gain in gains.values())
        for state in candidates
    }
    best = max(scores, key=lambda state: scores[state])
    confidence = 1 / sum(math.exp(score - scores[best]) for score in scores.values())

    leads = {f"{name}={_figure(evidence[name])}": _lead(gain, best) for name, gain in gains.items()}
    if fits:
        leads[f"pad:{best}={_figure(fits[best])}"] = PAD_WEIGHT * _lead(fits, best)
    reasons = [name for name, lead in sorted(leads.items(), key=lambda item: -item[1]) if lead > _WORTH_TELLING]

    fused = AffectiveState(
        state=best,
        confidence=confidence,
        valence=_fused("valence", voice, words),
        arousal=_fused("arousal", voice, words),
        dominance=_fused("dominance", voice, words),
        incongruence=_incongruence(voice, words),
        reasons=tuple(reasons[:_MAX_REASONS]),
    )
    return replace(fused, strategy=strategy(fused, voice, words))


def _is_clear(text: TextReading) -> bool:
    return text.emotion.label != UNKNOWN or max(text.cues.values(), default=0.0) >= _CLEAR_CUE


def _evidence(
    voice: EmotionReading | None, words: TextReading | None, prosody: Prosody | None
) -> dict[str, float]:
    """Every piece of evidence that is there, 0..1, by its name in ``WEIGHTS``."""
    found: dict[str, float] = {}
    if voice is not None:
        found |= {f"voice:{emotion}": share for emotion, share in voice.scores.items()}
    if words is not None:
        found |= {f"words:{emotion}": share for emotion, share in words.emotion.scores.items()}
        found |= {f"words:{cue}": strength for cue, strength in words.cues.items()}
        found |= {f"rule:{rule}": strength for rule, strength in _rules(voice, words, prosody).items()}
    return {name: value for name, value in found.items() if value > 0}


def _rules(voice: EmotionReading | None, words: TextReading, prosody: Prosody | None) -> dict[str, float]:
    """Meanings that neither side has alone; each is as strong as its weakest part."""
    cues = defaultdict(float, words.cues)
    grievance = max(cues["complaint"], cues["resignation"], cues["hostility"])
    alarm = max(_ramp(cues["urgency"], 0.2, 0.6), _ramp(cues["danger"], 0.4, 0.7))  # fear alone hints at danger
    alarm = min(alarm, 1 - cues["sarcasm"])
    rules = {"plain_words": 1 - max(strength for cue, strength in cues.items() if cue != "question")}
    if voice is None:
        return rules
    heard = defaultdict(float, voice.scores)
    glad = heard["joy"] + heard["surprise"]
    praise = max(cues["praise"], words.emotion.scores.get("joy", 0.0))
    doubt = min(cues["doubt"], 1 - cues["resignation"])  # "I do not know any more" is no doubt
    arousal, dominance = _or_middle(voice.arousal), _or_middle(voice.dominance)
    quiet = max(_ramp(arousal, 0.5, 0.3), _slowness(prosody))
    timid = _ramp(dominance, 0.35, 0.25)
    controlled = min(_ramp(arousal, 0.8, 0.6), _ramp(dominance, 0.45, 0.6))
    rules |= {
        "bitter_praise": min(praise, _ramp(heard["anger"] + heard["disgust"], 0.15, 0.45)),
        "cheerful_complaint": min(grievance, heard["joy"], _ramp(arousal, 0.9, 0.7)),
        "cold_complaint": min(grievance, heard["disgust"], controlled),
        "timid_complaint": min(grievance, max(_ramp(heard["fear"], 0.2, 0.5), min(doubt, timid))),
        "tired_complaint": min(grievance, quiet, 1 - alarm),
        "heated_complaint": min(grievance, _ramp(arousal, 0.6, 0.85), _ramp(dominance, 0.5, 0.75)),
        "alarm": alarm,
        "quiet_alarm": min(alarm, _ramp(arousal, 0.8, 0.4)),
        "self_doubt": min(doubt, max(quiet, heard["fear"]), timid, 1 - alarm),
        "open_doubt": min(doubt, _ramp(arousal, 0.35, 0.5), 1 - timid),
        "lively_news": min(glad, _ramp(arousal, 0.5, 0.8), 1 - cues["praise"], 1 - grievance),
        "eager_praise": min(praise, max(cues["question"], _ramp(cues["urgency"], 0.0, 0.4)), glad),
        "exuberance": min(glad, _ramp(arousal, 0.78, 0.88)),
    }
    return rules


def _pad_fits(voice: EmotionReading | None) -> dict[str, float]:
    """How near the voice's PAD is to each state's profile: 1 is on it; empty where there is none."""
    if voice is None or voice.valence is None:
        return {}
    fits = {}
    for state, profile in PAD_PROFILES.items():
        pairs = [(getattr(voice, axis), getattr(profile, axis)) for axis in _TEXT_SHARE]
        gaps = [abs(value - target) for value, target in pairs if value is not None and target is not None]
        fits[state] = 1 - sum(gaps) / len(gaps)
    return fits


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


def _slowness(prosody: Prosody | None) -> float:
    """0..1: few syllables a second and long pauses."""
    if prosody is None or prosody.syllable_rate is None or prosody.pause_ratio is None:
        return 0.0
    return min(_ramp(prosody.syllable_rate, 3.0, 1.5), _ramp(prosody.pause_ratio, 0.2, 0.5))


def _ramp(value: float, zero: float, one: float) -> float:
    """0 at ``zero``, 1 at ``one``, straight between, flat beyond."""
    return max(0.0, min(1.0, (value - zero) / (one - zero)))


def _or_middle(value: float | None) -> float:
    return 0.5 if value is None else value


def _lead(gain: Mapping[str, float], state: str) -> float:
    """By how much evidence favours one state over the average state."""
    return gain.get(state, 0.0) - sum(gain.values()) / len(STATES)


def _figure(value: float) -> str:
    return f"{value:.2f}".lstrip("0") if value < 0.995 else "1.0"
