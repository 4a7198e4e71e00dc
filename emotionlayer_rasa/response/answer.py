"""The answer of a model that composes freely: a JSON object, read even where the model wrote it carelessly."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Mapping

from emotionlayer_rasa.affect import speech_settings
from emotionlayer_rasa.errors import LLMError

_KEYS = ("strategy", "tone", "reply")
_BEGUN = r"""
    "{key}"\s*:\s*
    "((?: [^"\\]
       | \\[^u]
       | \\u(?!d[89ab])[0-9a-f]{{4}}
       | \\ud[89ab][0-9a-f]{{2}}\\ud[c-f][0-9a-f]{{2}}  # a character beyond U+FFFF is written as two
    )*)("?)
"""
"""A string that may not be at its end yet, up to its last whole character; and its quotation mark."""


@dataclass(frozen=True)
class Answer:
    """What a model answered.

    Attributes:
        reply: what to say.
        strategy: the response strategy it followed; empty where it names none.
        tone: the tone it chose; empty where it names none.
    """

    reply: str
    strategy: str = ""
    tone: str = ""


@cache
def answer_schema(strategy: str) -> Mapping[str, Any]:
    """The JSON schema of an answer in a strategy, strict as OpenAI's ``json_schema`` wants it.

    Strategy and tone are constants before the reply: a model that has just written them keeps to them better.
    """
    return {
        "type": "object",
        "properties": {
            "strategy": {"type": "string", "enum": [strategy]},
            "tone": {"type": "string", "enum": [speech_settings(strategy).tone]},
            "reply": {"type": "string"},
        },
        "required": list(_KEYS),
        "additionalProperties": False,
    }


def read_answer(text: str) -> Answer:
    """Find the answer in what a model wrote.

    Code fences, words around it, single quotes, bare keys, trailing commas, line breaks within a string and a
    missing last brace are forgiven; a reply whose own quotation mark is missing was cut off and is not.

    Raises:
        LLMError: with the code ``llm.schema`` when no ``reply`` of text can be found.
    """
    found = _strict(text)
    if "reply" not in found:
        found = {key: value for key in _KEYS if (value := _field(text, key)) is not None}
    if not found.get("reply", "").split():
        error = LLMError("The language model's answer has no reply. Set llm.mode to rephrase for a weak model.")
        error.code = f"{LLMError.code}.schema"
        raise error
    return Answer(**{key: " ".join(value.split()) for key, value in found.items()})


def read_beginning(text: str) -> Answer:
    """What stands in an answer that a model is still writing.

    Returns:
        ``reply`` as far as it is written, be it in the middle of a word; empty before it begins, and where the
        JSON is not strict. ``strategy`` and ``tone`` once they are complete.
    """
    found = {}
    for key in _KEYS:
        string = re.search(_BEGUN.format(key=key), text, re.VERBOSE | re.IGNORECASE)
        if string and (key == "reply" or string[2]):
            found[key] = _unescaped(string[1])
    return Answer(**{"reply": "", **found})


def _unescaped(inside: str) -> str:
    try:
        return " ".join(str(json.loads(f'"{inside}"', strict=False)).split())
    except ValueError:  # an escape that JSON does not know
        return ""


def _strict(text: str) -> dict[str, str]:
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(text, text.find("{"))
    except ValueError:
        return {}
    return {key: found[key] for key in _KEYS if isinstance(found.get(key), str)}


def _field(text: str, key: str) -> str | None:
    """The string after a key; it ends where its quotation mark is followed by the next key, or by the end."""
    string = r"""(["'])(.*?)(?<!\\)\1"""
    end = r"""(?=,\s*["']?\w+["']?\s*:|,?\s*\}|,?\s*(?:```)?\s*$)"""
    match = re.search(rf"""["']?\b{key}["']?\s*:\s*{string}\s*{end}""", text, re.DOTALL)
    if match is None:
        return None
    quote, inside = match.groups()
    if quote == '"':
        try:
            return str(json.loads(f'"{inside}"', strict=False))
        except ValueError:
            pass
    return re.sub(r"\\([\"'\\])", r"\1", inside)
