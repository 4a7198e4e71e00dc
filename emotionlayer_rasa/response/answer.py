"""What a model answers, read even where it wrote carelessly: a draft in other words, or a JSON object."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Mapping

from emotionlayer_rasa.affect import speech_settings
from emotionlayer_rasa.errors import LLMError
from emotionlayer_rasa.response.llm.text import json_objects

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

_INTRODUCTION = re.compile(r"[^:]{1,200}:[*_]*(?:\s*\n\s*|\s+(?=[\"'“„«‘`*]))(?=\S)")
"""Up to a colon before a new line or a quotation: "Sure! Here is another version:"."""
_LABEL = re.compile(r"([^:\n.!?]{1,80}):[*_]*\s+(?=[^\W\d_])")
"""Up to a colon before a sentence: "Reworded message: "."""
_MARKS = {
    **{mark: mark for mark in ("```", "**", "*", "`", '"', "'")},
    **{"“": "”", "„": "“", "«": "»", "‘": "’"},
}
"""What models put around a text."""
_LONG_WORD = 5
"""Letters from which a word is held to carry meaning."""


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

    def follows(self, strategy: str) -> bool:
        """Whether it names a strategy, in whatever spelling, or none."""
        return _letters(self.strategy) in ("", _letters(strategy))


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
        LLMError: of the kind ``schema``, when no ``reply`` of text can be found.
    """
    found = next((record for record in json_objects(text) if isinstance(record.get("reply"), str)), None)
    if found is None:
        found = {key: _field(text, key) for key in _KEYS}
    strings = {key: " ".join(value.split()) for key in _KEYS if isinstance(value := found.get(key), str)}
    if not strings.get("reply"):
        raise LLMError(
            "The language model's answer has no reply. Set llm.mode to rephrase for a weak model.", "schema"
        )
    return Answer(**strings)


def read_wording(text: str, draft: str, whole: bool = True) -> str:
    """A draft in a model's words, without the introduction and the quotation marks that models put around it.

    Args:
        text: what the model wrote.
        draft: what it was to reword. Nothing is taken for an introduction where the draft has a colon itself, nor
            is a label that has a word of the draft.
        whole: whether the model has written it all; else the closing mark may be missing.

    Example:
        >>> read_wording('Sure! Here it is:\\n"You are most welcome."', "You are welcome.")
        'You are most welcome.'
    """
    text = text.strip()
    if not re.search(r":(?!\d)", draft):  # a time of day is no colon
        if introduction := _INTRODUCTION.match(text):
            text = text[introduction.end() :]
        elif (
            (label := _LABEL.match(text))
            and text[label.end()].isupper()
            and not _long_words(label[1]) & _long_words(draft)
        ):
            text = text[label.end() :]
    for opening, closing in _MARKS.items():
        if text.startswith(opening):
            return _within(text, opening, closing, whole)
    return text


def _within(text: str, opening: str, closing: str, whole: bool) -> str:
    """What stands between two marks, if nothing but a new line follows on them; an apostrophe is none."""
    inside = text[len(opening) :]
    end = re.search(rf"(?<!\w){re.escape(closing)}|{re.escape(closing)}(?!\w)", inside)
    if end is None:
        return text if whole else inside.lstrip()
    after = inside[end.end() :].lstrip(" ")
    return text if after and not after.startswith("\n") else inside[: end.start()].strip()


def _long_words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) >= _LONG_WORD}


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


def _letters(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())


def _unescaped(inside: str) -> str:
    try:
        return " ".join(str(json.loads(f'"{inside}"', strict=False)).split())
    except ValueError:  # an escape that JSON does not know
        return ""


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
