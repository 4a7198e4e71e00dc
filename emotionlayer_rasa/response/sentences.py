"""A reply as the check reads it: sentences of plain words, and patterns over them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Mapping, Sequence

from emotionlayer_rasa.errors import ConfigurationError

_END = re.compile(r"(?<=[.!?…])[\"'”»)]*\s+")
_ABBREVIATION = re.compile(r"\b(?:[a-z]|dr|mr|mrs|ms|no|vs|etc|approx|sig|dott|prof|ecc)\.$", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_GAP = r"(?: \S+){0,4} "


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        text: as it was written.
        words: in lower case, one blank apart, without accents and punctuation, contractions written out.
        question: it ends with a question mark.
    """

    text: str
    words: str
    question: bool


def split_sentences(text: str, contractions: Mapping[str, str]) -> tuple[Sentence, ...]:
    """The sentences of a text; those without any word are left out."""
    pieces: list[str] = []
    for piece in _END.split(text.strip()):
        if pieces and _ABBREVIATION.search(pieces[-1]):
            pieces[-1] += f" {piece}"
        else:
            pieces.append(piece)
    sentences = (Sentence(piece, plain(piece, contractions), "?" in piece[-3:]) for piece in pieces)
    return tuple(sentence for sentence in sentences if sentence.words)


def plain(text: str, contractions: Mapping[str, str]) -> str:
    """Words in lower case, one blank apart, without accents and punctuation.

    Args:
        text: any text.
        contractions: regular expressions and what they are written out as, in order.

    Example:
        >>> plain("You'll see: it’s fine…", {"'ll": " will", "it's": "it is"})
        'you will see it is fine'
    """
    text = re.sub("[’‘`´]", "'", without_accents(text))
    for short, long in contractions.items():
        text = re.sub(short, long, text)
    return " ".join(_WORD.findall(text))


def without_accents(text: str) -> str:
    """The text in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def compile_patterns(patterns: Sequence[str], sets: Mapping[str, str], where: str) -> re.Pattern[str]:
    """One regular expression that finds any of the patterns among a sentence's words.

    A pattern covers whole words; ``~`` stands for any ending of a word, ``…`` between words for up to four words,
    and ``<name>`` for a set.

    Args:
        patterns: regular expressions; none gives an expression that never matches.
        sets: named pieces of patterns.
        where: file and key, for the error message.

    Raises:
        ConfigurationError: a pattern is no regular expression, or names a set that does not exist.
    """
    expanded = [_expand(pattern, sets, where) for pattern in patterns]
    for pattern, expression in zip(patterns, expanded, strict=True):
        try:
            re.compile(expression)
        except re.error as error:
            raise ConfigurationError(f"{where}: {pattern!r} is no regular expression: {error}.") from None
    return re.compile(rf"(?<!\S)(?:{'|'.join(expanded)})(?:(?!\S)|(?<= ))" if expanded else r"(?!)")


def _expand(pattern: str, sets: Mapping[str, str], where: str) -> str:
    for _ in range(3):  # a set may use sets
        for name in re.findall(r"<(\w+)>", pattern):
            if name not in sets:
                raise ConfigurationError(f"{where}: there is no set '{name}'. Sets: {', '.join(sets)}.")
            pattern = pattern.replace(f"<{name}>", f"({sets[name]})")
    pattern = without_accents(pattern.replace(" … ", "\0")).replace("\0", _GAP).replace("~", r"\w*")
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)
