"""A text as words that can be compared: lower case, no accents, digits apart from letters, no marks."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import AbstractSet, NamedTuple

from emotionlayer_rasa.language import fold

Sequence = tuple[str, ...]
"""Normalised words, in order."""

_TOKEN = re.compile(
    r"(?P<part>(?<![^\W\d_])[ap]\.?\s?m\b\.?(?=\W|$))"  # p.m.: says no more than the hour it stands beside
    r"|(?P<digits>\d+)(?:(?:st|nd|rd|th|ers?|[eè](?:re|me)?|[ºª°])(?!\w)|\.(?=\s+\w))?"
    r"|(?P<letters>[^\W\d_]+)"
    r"|(?P<stop>[.!?…]+(?=[\s\"'»”)]|$))"
)
_COMMA = re.compile(r"[,;:](?!\d)|[,;:](?<=\D.)")
STOP = "."
"""Stands for the end of a sentence: nothing that is said crosses it."""


class Word(NamedTuple):
    """A normalised word.

    Attributes:
        text: the word.
        start, end: where the text has it.
        apart: a word was left out before it that does not stand within a number.
        comma: a comma, a semicolon or a colon stands before it.
    """

    text: str
    start: int
    end: int
    apart: bool
    comma: bool


def read_words(
    text: str, glue: AbstractSet[str] = frozenset(), links: AbstractSet[str] = frozenset()
) -> list[Word]:
    """The words of a text; the end of a sentence is a word of its own, a full stop.

    Args:
        text: any text.
        glue: words that are left out.
        links: those of them that may stand within a number, such as "and".
    """
    found = []
    apart = False
    end = 0
    for token in _TOKEN.finditer(text):
        if token["part"]:
            continue
        word = STOP if token["stop"] else token["digits"] or _fold(token["letters"])
        if word in glue:
            apart = apart or word not in links
        else:
            comma = bool(_COMMA.search(text, end, token.start()))
            found.append(Word(word, token.start(), token.end(), apart, comma))
            apart, end = False, token.end()
    return found


def sequence(text: str, glue: AbstractSet[str] = frozenset()) -> Sequence:
    """The words of a text, its ends of sentences left out."""
    return tuple(word.text for word in read_words(text, glue) if word.text != STOP)


@lru_cache(maxsize=8192)
def _fold(word: str) -> str:
    return fold(word.casefold())
