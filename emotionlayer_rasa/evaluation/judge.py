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
from functools import cache
from statistics import fmean, median
from types import MappingProxyType
from typing import Any, Mapping, Sequence
from xml.etree import ElementTree

import jinja2

from emotionlayer_rasa.affect import speech_settings
from emotionlayer_rasa.language import find_text, normalise, sentences
from emotionlayer_rasa.llm.text import json_objects

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

MARKS_SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "properties": {name: {"type": "integer", "minimum": 0, "maximum": 10} for name in JUDGED},
        "required": list(JUDGED),
        "additionalProperties": False,
    }
)
"""JSON schema of a judge's answer, for endpoints that can keep to one."""

EMPATHY_AIMS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "direct_efficiency": (0.48, 0.47),
        "active_deescalation": (0.36, 0.53),
        "empathic_validation": (0.45, 0.50),
        "positive_mirroring": (0.75, 0.64),
        "assertive_neutrality": (0.42, 0.50),
        "rapid_resolution": (0.48, 0.53),
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
_TONE_FAULTS = frozenset({"tone", "blame", "perspective"})

_STEM_LETTERS = 5


@dataclass(frozen=True)
class Answer:
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
        total: 0..100; None where no answer is complete.
        metrics: metric to its mean, 0..1.
        own_words: share of the answers that the language model worded, 0..1.
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


def scores(answer: Answer, judged: bool) -> dict[str, float | None]:
    """The six metrics of an answer, each 0..1; None for one that could not be had.

    Args:
        answer: what was said.
        judged: whether :data:`JUDGED` are the judge's marks; else they are proxies.
    """
    marks: Mapping[str, float | None]
    if judged:
        marks = {name: (answer.judged or {}).get(name) for name in JUDGED}
    else:
        marks = {
            "relevance": relevance_proxy(answer),
            "voice_suitability": voice_proxy(answer),
            "empathy": empathy_proxy(answer),
        }
    exact = {
        "emotion": float(answer.state == answer.expected_state),
        "strategy": float(answer.strategy == answer.expected_strategy),
        "tts_alignment": tts_alignment(answer),
    }
    return {name: exact[name] if name in exact else marks[name] for name in WEIGHTS}


def total(metrics: Mapping[str, float | None]) -> float | None:
    """100 times the weighted sum of the six metrics; None where one of them is missing."""
    weighted = [(weight, metrics.get(name)) for name, weight in WEIGHTS.items()]
    values = [weight * value for weight, value in weighted if value is not None]
    return 100 * math.fsum(values) if len(values) == len(WEIGHTS) else None


def summarise(answers: Sequence[Answer], judged: bool) -> list[ModelScore]:
    """The figures of each model, best total first; models without a complete answer last.

    Args:
        answers: of all models.
        judged: whether :data:`JUDGED` are the judge's marks; else they are proxies.
    """
    by_model: dict[str, list[Answer]] = {}
    for answer in answers:
        by_model.setdefault(answer.model, []).append(answer)
    figures = [_figures(name, own, judged) for name, own in by_model.items()]
    return sorted(figures, key=lambda model: -1.0 if model.total is None else model.total, reverse=True)


def _figures(name: str, answers: Sequence[Answer], judged: bool) -> ModelScore:
    measured = [scores(answer, judged) for answer in answers]
    complete = [metrics for metrics in measured if total(metrics) is not None]
    means = {
        metric: fmean(float(metrics[metric] or 0.0) for metrics in complete) for metric in WEIGHTS if complete
    }
    return ModelScore(
        name=name,
        answers=len(answers),
        complete=len(complete),
        total=total(means) if complete else None,
        metrics=means,
        own_words=fmean(answer.source != "template" for answer in answers),
        ms=median(answer.ms for answer in answers),
        judge_failures=Counter(answer.judge_error for answer in answers if answer.judge_error),
        rejections=Counter(reason for answer in answers for reason in answer.rejections),
        faults=Counter(fault for answer in answers for fault in answer.faults),
    )


def tts_alignment(answer: Answer) -> float:
    """Share of speed, tone and pitch that are those of EmotionLayer's table for the answer's strategy, 0..1."""
    wanted = speech_settings(answer.strategy)
    speech = answer.speech
    return (
        math.isclose(float(speech.get("speed", 0.0)), wanted.speed, abs_tol=0.005)
        + (speech.get("tone") == wanted.tone)
        + (speech.get("pitch") == wanted.pitch)
    ) / 3


def relevance_proxy(answer: Answer) -> float | None:
    """Whether the reply speaks of what the draft and the caller speak of, 0..1.

    The mean of two overlaps of content words (no stop words; compared by their first five letters):

    - recall of the draft: |reply and draft| / |draft|;
    - uptake of the caller's words: |reply and caller| / min(2, |caller|), at most 1.

    An overlap with a text that has no content word is left out; None where both are. 0 where the check finds a
    fault of content. It favours wordings near the template and does not see paraphrases.
    """
    if set(answer.faults) - _VOICE_FAULTS - _TONE_FAULTS:
        return 0.0
    reply, draft, caller = (_content(text, answer.language) for text in (answer.text, answer.draft, answer.caller))
    parts = [len(reply & draft) / len(draft)] if draft else []
    if caller:
        parts.append(min(1.0, len(reply & caller) / min(2, len(caller))))
    return sum(parts) / len(parts) if parts else None


def voice_proxy(answer: Answer) -> float:
    """Whether the reply can be spoken and followed by ear, 0..1.

    The mean of six: at most 3 sentences (else 3 / n), at most 45 words (else 45 / n), at most 20 words a sentence
    (else 20 / n), an end like that of a sentence, no character or link that cannot be spoken, and SSML that is
    well-formed and holds the text to the letter. 0 where the check finds a fault of form.
    """
    if _VOICE_FAULTS & set(answer.faults) or not answer.text.strip():
        return 0.0
    count = len(sentences(answer.text.strip()))
    words = len(answer.text.split())
    parts = (
        min(1.0, _SENTENCES / count),
        min(1.0, _WORDS / words),
        min(1.0, _WORDS_A_SENTENCE * count / words),
        float(answer.text.rstrip()[-1] in ".!?…"),
        float(not _UNSPEAKABLE.search(answer.text)),
        float(_ssml_says(str(answer.speech.get("ssml", "")), answer.text)),
    )
    return sum(parts) / len(parts)


def empathy_proxy(answer: Answer) -> float | None:
    """How near the reply's tone is to that of good replies of the expected strategy, 0..1.

    With d the Euclidean distance of the reply's valence and arousal, as our text reader reads them, from
    :data:`EMPATHY_AIMS`: 1 for d up to .15, 0 from .5 on, linear between. 0 where the check finds a fault of tone.
    None where the reply's tone cannot be read. It sees the tone, not whether the caller was understood.
    """
    if _TONE_FAULTS & set(answer.faults):
        return 0.0
    if answer.valence is None or answer.arousal is None:
        return None
    distance = math.dist((answer.valence, answer.arousal), EMPATHY_AIMS[answer.expected_strategy])
    return min(1.0, max(0.0, (_FAR - distance) / (_FAR - _NEAR)))


def _ssml_says(ssml: str, text: str) -> bool:
    try:
        root = ElementTree.fromstring(ssml)
    except ElementTree.ParseError:
        return False
    return root.tag.endswith("speak") and "".join(root.itertext()).split() == text.split()


def _content(text: str, language: str) -> frozenset[str]:
    words = normalise(text, " ").split()
    return frozenset(
        word[:_STEM_LETTERS] for word in words if re.match(r"\w", word) and word not in _stop_words(language)
    )


@cache
def _stop_words(language: str) -> frozenset[str]:
    from spacy.util import get_lang_class  # after our reader, which keeps TensorFlow out of it

    stop_words = get_lang_class(language).Defaults.stop_words
    return frozenset(part for word in stop_words for part in normalise(word, " ").split())


def judge_messages(answer: Answer) -> list[dict[str, str]]:
    """The chat that asks a judge for marks of :data:`JUDGED`; words of caller and reply are escaped JSON."""
    data = {
        "caller": answer.caller,
        "state": answer.expected_state,
        "strategy": answer.expected_strategy,
        "facts": dict(answer.facts),
        "reply": answer.text,
    }
    return [
        {"role": "system", "content": _prompt("judge_system.j2").render(profile=answer.profile)},
        {"role": "user", "content": _prompt("judge_user.j2").render(data)},
    ]


@cache
def _prompt(name: str) -> jinja2.Template:
    def load(name: str) -> tuple[str, str, None] | None:
        found = find_text("en", f"prompts/{name}", own=False)
        return (*found, None) if found else None

    environment = jinja2.Environment(loader=jinja2.FunctionLoader(load), undefined=jinja2.StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment.get_template(name)


def read_marks(answer: str) -> dict[str, float] | None:
    """The marks in a judge's answer, each 0..1; None where one is missing, ambiguous or not from 0 to 10.

    Text around the JSON, code fences, marks such as ``"8"``, ``8/10`` or ``{"score": 8}``, and JSON with single
    quotes, trailing commas or a missing brace are read; of several objects the last complete one counts.
    """
    marks = None
    for record in json_objects(answer):
        found = {re.sub("[ -]", "_", str(key).strip().lower()): value for key, value in record.items()}
        if set(JUDGED) <= set(found):
            marks = {name: _mark(found[name]) for name in JUDGED}
    if marks is None:
        marks = {name: _loose_mark(name, answer) for name in JUDGED}
    complete = {name: mark for name, mark in marks.items() if mark is not None}
    return complete if len(complete) == len(JUDGED) else None


def _mark(value: Any) -> float | None:
    if isinstance(value, Mapping):
        value = value.get("score")
    if isinstance(value, str):
        matched = re.fullmatch(r"(\d+(?:\.\d+)?)(?:\s*/\s*10)?", value.strip())
        value = float(matched.group(1)) if matched else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value / 10 if 0 <= value <= 10 else None


def _loose_mark(name: str, text: str) -> float | None:
    pattern = name.replace("_", "[_ -]") + r"[\"'*]*\s*[:=]\s*[\"'*]*(\d+(?:\.\d+)?)(?!\.?\d|\s*[-–]|\.\.)"
    marks = {_mark(value) for value in re.findall(pattern, text, re.IGNORECASE)}
    return marks.pop() if len(marks) == 1 else None
