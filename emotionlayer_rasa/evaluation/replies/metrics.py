"""EmotionLayer's evaluation of replies: six metrics of one scenario, weighted to a total of 0 to 100.

=================  ======  ====================================================================
metric             weight  how it is scored, 0..1
=================  ======  ====================================================================
emotion            .20     exact: 1 where the affective state is the scenario's, else 0
strategy           .20     exact: 1 where the response strategy is the scenario's, else 0
relevance          .15     judged, else a proxy: :func:`relevance_proxy`
tts_alignment      .10     exact: share of speed, tone and pitch that are the strategy's
voice_suitability  .10     judged, else a proxy: :func:`voice_proxy`
empathy            .25     judged, else a proxy: :func:`empathy_proxy`
=================  ======  ====================================================================

Metrics and weights are those of EmotionLayer (A. Bernardini, University of Milan). A judge is a language model
that reads a rubric and gives 0 to 10. A proxy measures something that goes along with the metric; it is no
judgement, and every output names it a proxy. A scenario that lacks a metric, because the judge's answer could not
be read or a proxy not be measured, is counted and left out of all figures.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean, median
from types import MappingProxyType
from typing import Any, Mapping, Sequence
from xml.etree import ElementTree

from emotionlayer_rasa.affect import speech_settings
from emotionlayer_rasa.language import normalise, sentences
from emotionlayer_rasa.words.stop_words import stop_words

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "emotion": 0.20,
        "strategy": 0.20,
        "relevance": 0.15,
        "tts_alignment": 0.10,
        "voice_suitability": 0.10,
        "empathy": 0.25,
    }
)
"""Metric to its share of the total."""

JUDGED = ("relevance", "voice_suitability", "empathy")
"""What a judge grades; without one, proxies stand in."""

EMPATHY_AIMS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "direct_efficiency": (0.42, 0.49),
        "active_deescalation": (0.26, 0.53),
        "empathic_validation": (0.35, 0.55),
        "positive_mirroring": (0.84, 0.68),
        "assertive_neutrality": (0.35, 0.54),
        "rapid_resolution": (0.43, 0.52),
    }
)
"""Strategy to valence and arousal (0..1) of good replies: what our text reader gives on average for those in
``tests/data/replies_good.jsonl``, English and Italian."""

_NEAR, _FAR = 0.15, 0.5
"""Distances of tone from which it loses, and at which it has lost, everything."""

_SENTENCES, _WORDS, _WORDS_A_SENTENCE = 3, 45, 20
"""What a listener follows with ease."""

_UNSPEAKABLE = re.compile(r"[*_#`|<>{}\[\]\\=~^@\n\u2022\u2190-\u2bff\U0001f000-\U0001faff]|https?:|www\.")
_VOICE_FAULTS = frozenset({"empty", "too_long", "markup", "repetition"})
_TONE_FAULTS = frozenset({"tone", "blame"})

_STEM_LETTERS = 5


@dataclass(frozen=True)
class ScenarioReply:
    """What a model made the assistant say in one scenario.

    Attributes:
        model: its name in the evaluation.
        scenario: the scenario's id.
        language: code of the caller's language.
        caller: the caller's words.
        expected_state, expected_strategy: the scenario's labels.
        state, strategy: what voice and words were fused to.
        facts: slots that back the reply.
        draft: the template of the situation.
        text: what is said.
        source: ``template``, or where else the text is from (``llm``, …).
        rejections: why wordings of the language model were not said.
        faults: what the reply check finds in ``text``.
        speech: ``speed``, ``tone``, ``pitch`` and ``ssml`` of the reply.
        valence, arousal: of ``text`` as our text reader reads it, 0..1; None where it cannot.
        ms: milliseconds the reply took.
        judged: the judge's marks of :data:`JUDGED`, 0..1; None where there is no judge, or no readable answer.
        judge_error: why the judge's answer is missing; empty where it is not.
        profile: the application profile of the assistant.
    """

    model: str
    scenario: str
    language: str
    caller: str
    expected_state: str
    expected_strategy: str
    state: str
    strategy: str
    facts: Mapping[str, Any]
    draft: str
    text: str
    source: str
    rejections: Sequence[str]
    faults: Sequence[str]
    speech: Mapping[str, Any]
    valence: float | None
    arousal: float | None
    ms: float
    judged: Mapping[str, float] | None = None
    judge_error: str = ""
    profile: str = "customer_support"


@dataclass(frozen=True)
class ModelScore:
    """The figures of one model.

    Attributes:
        name: of the model.
        answers: how many scenarios it answered.
        complete: how many of them have all six metrics; the figures are means over these.
        total: 0..100; None where no reply is complete.
        metrics: metric to its mean, 0..1.
        own_words: share of the replies that the language model worded, 0..1.
        judge_failures: answers of the judge that are missing or could not be read, by error.
        rejections: wordings of the model that were not said, by reason.
        faults: what the reply check found in what was said, by reason.
        ms: median milliseconds a reply.
    """

    name: str
    answers: int
    complete: int
    total: float | None
    metrics: Mapping[str, float]
    own_words: float
    ms: float
    judge_failures: Mapping[str, int] = field(default_factory=dict)
    rejections: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)


def scores(reply: ScenarioReply, judged: bool) -> dict[str, float | None]:
    """The six metrics of a reply, each 0..1; None for one that could not be had.

    Args:
        reply: what was said.
        judged: whether :data:`JUDGED` are the judge's marks; else they are proxies.
    """
    marks: Mapping[str, float | None]
    if judged:
        marks = {name: (reply.judged or {}).get(name) for name in JUDGED}
    else:
        marks = {
            "relevance": relevance_proxy(reply),
            "voice_suitability": voice_proxy(reply),
            "empathy": empathy_proxy(reply),
        }
    exact = {
        "emotion": float(reply.state == reply.expected_state),
        "strategy": float(reply.strategy == reply.expected_strategy),
        "tts_alignment": tts_alignment(reply),
    }
    return {name: exact[name] if name in exact else marks[name] for name in WEIGHTS}


def total(metrics: Mapping[str, float | None]) -> float | None:
    """100 times the weighted sum of the six metrics; None where one of them is missing."""
    weighted = [(weight, metrics.get(name)) for name, weight in WEIGHTS.items()]
    values = [weight * value for weight, value in weighted if value is not None]
    return 100 * math.fsum(values) if len(values) == len(WEIGHTS) else None


def summarise(replies: Sequence[ScenarioReply], judged: bool) -> list[ModelScore]:
    """The figures of each model, best total first; models without a complete reply last.

    Args:
        replies: of all models.
        judged: whether :data:`JUDGED` are the judge's marks; else they are proxies.
    """
    by_model: dict[str, list[ScenarioReply]] = {}
    for reply in replies:
        by_model.setdefault(reply.model, []).append(reply)
    figures = [_figures(name, own, judged) for name, own in by_model.items()]
    return sorted(figures, key=lambda model: -1.0 if model.total is None else model.total, reverse=True)


def _figures(name: str, replies: Sequence[ScenarioReply], judged: bool) -> ModelScore:
    measured = [scores(reply, judged) for reply in replies]
    complete = [metrics for metrics in measured if total(metrics) is not None]
    means = {
        metric: fmean(float(metrics[metric] or 0.0) for metrics in complete) for metric in WEIGHTS if complete
    }
    return ModelScore(
        name=name,
        answers=len(replies),
        complete=len(complete),
        total=total(means) if complete else None,
        metrics=means,
        own_words=fmean(reply.source != "template" for reply in replies),
        ms=median(reply.ms for reply in replies),
        judge_failures=Counter(reply.judge_error for reply in replies if reply.judge_error),
        rejections=Counter(reason for reply in replies for reason in reply.rejections),
        faults=Counter(fault for reply in replies for fault in reply.faults),
    )


def tts_alignment(reply: ScenarioReply) -> float:
    """Share of speed, tone and pitch that are those of EmotionLayer's table for the reply's strategy, 0..1."""
    wanted = speech_settings(reply.strategy)
    speech = reply.speech
    return (
        math.isclose(float(speech.get("speed", 0.0)), wanted.speed, abs_tol=0.005)
        + (speech.get("tone") == wanted.tone)
        + (speech.get("pitch") == wanted.pitch)
    ) / 3


def relevance_proxy(reply: ScenarioReply) -> float | None:
    """Whether the reply speaks of what the draft and the caller speak of, 0..1.

    The mean of two overlaps of content words (no stop words; compared by their first five letters):

    - recall of the draft: |reply and draft| / |draft|;
    - uptake of the caller's words: |reply and caller| / min(2, |caller|), at most 1.

    An overlap with a text that has no content word is left out; None where both are. 0 where the check finds a
    fault of content. It favours wordings near the template and does not see paraphrases.
    """
    if set(reply.faults) - _VOICE_FAULTS - _TONE_FAULTS:
        return 0.0
    said, draft, caller = (_content(text, reply.language) for text in (reply.text, reply.draft, reply.caller))
    parts = [len(said & draft) / len(draft)] if draft else []
    if caller:
        parts.append(min(1.0, len(said & caller) / min(2, len(caller))))
    return sum(parts) / len(parts) if parts else None


def voice_proxy(reply: ScenarioReply) -> float:
    """Whether the reply can be spoken and followed by ear, 0..1.

    The mean of six: at most 3 sentences (else 3 / n), at most 45 words (else 45 / n), at most 20 words a sentence
    (else 20 / n), an end like that of a sentence, no character or link that cannot be spoken, and SSML that is
    well-formed and holds the text to the letter. 0 where the check finds a fault of form.
    """
    if _VOICE_FAULTS & set(reply.faults) or not reply.text.strip():
        return 0.0
    count = len(sentences(reply.text.strip()))
    words = len(reply.text.split())
    parts = (
        min(1.0, _SENTENCES / count),
        min(1.0, _WORDS / words),
        min(1.0, _WORDS_A_SENTENCE * count / words),
        float(reply.text.rstrip()[-1] in ".!?…"),
        float(not _UNSPEAKABLE.search(reply.text)),
        float(_ssml_says(str(reply.speech.get("ssml", "")), reply.text)),
    )
    return sum(parts) / len(parts)


def empathy_proxy(reply: ScenarioReply) -> float | None:
    """How near the reply's tone is to that of good replies of the expected strategy, 0..1.

    With d the Euclidean distance of the reply's valence and arousal, as our text reader reads them, from
    :data:`EMPATHY_AIMS`: 1 for d up to .15, 0 from .5 on, linear between. 0 where the check finds a fault of tone.
    None where the reply's tone cannot be read. It sees the tone, not whether the caller was understood.
    """
    if _TONE_FAULTS & set(reply.faults):
        return 0.0
    if reply.valence is None or reply.arousal is None:
        return None
    distance = math.dist((reply.valence, reply.arousal), EMPATHY_AIMS[reply.expected_strategy])
    return min(1.0, max(0.0, (_FAR - distance) / (_FAR - _NEAR)))


def _ssml_says(ssml: str, text: str) -> bool:
    try:
        root = ElementTree.fromstring(ssml)
    except ElementTree.ParseError:
        return False
    return root.tag.endswith("speak") and "".join(root.itertext()).split() == text.split()


def _content(text: str, language: str) -> frozenset[str]:
    words = normalise(text).split()
    return frozenset(
        word[:_STEM_LETTERS] for word in words if re.match(r"\w", word) and word not in stop_words(language)
    )
