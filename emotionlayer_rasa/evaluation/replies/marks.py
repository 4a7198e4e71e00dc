"""Marks of a language model as the judge of replies: what it is asked, and what it answers."""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType
from typing import Any, Mapping

import jinja2

from emotionlayer_rasa.evaluation.replies.metrics import JUDGED, ScenarioReply
from emotionlayer_rasa.language import find_text
from emotionlayer_rasa.response.llm.text import json_objects

MARKS_SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "properties": {name: {"type": "integer", "minimum": 0, "maximum": 10} for name in JUDGED},
        "required": list(JUDGED),
        "additionalProperties": False,
    }
)
"""JSON schema of a judge's answer, for endpoints that can keep to one."""


def judge_messages(reply: ScenarioReply) -> list[dict[str, str]]:
    """The chat that asks a judge for marks of :data:`JUDGED`; words of caller and reply are escaped JSON."""
    data = {
        "caller": reply.caller,
        "state": reply.expected_state,
        "strategy": reply.expected_strategy,
        "facts": dict(reply.facts),
        "reply": reply.text,
    }
    return [
        {"role": "system", "content": _prompt("judge_system.j2").render(profile=reply.profile)},
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
