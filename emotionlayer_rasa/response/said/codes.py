"""Codes said aloud: letter by letter, digit by digit or in groups, what comes twice or three times by a word."""

from __future__ import annotations

from functools import lru_cache
from typing import Iterator
from typing import Sequence as SequenceOf

from emotionlayer_rasa.response.said.numerals import spelt
from emotionlayer_rasa.response.said.spoken import fill, said, spoken
from emotionlayer_rasa.response.said.words import Sequence, sequence

_LONGEST_GROUP = 4
_LONGEST_REPEATED = 6
_LONGEST = 40
"""Characters of a code; what is longer is no code that somebody says."""


def codes_in(value: str) -> set[str]:
    """The codes that a value may be: whole, its digits alone, and each of its parts; letters and digits only."""
    parts = sequence(value)[:_LONGEST]
    digits = "".join(part for part in parts if part.isdigit())
    return {code for code in ("".join(parts), digits, *parts) if 1 < len(code) <= _LONGEST and not code.isalpha()}


def spell(code: str, words: SequenceOf[str], start: int, language: str) -> set[int]:
    """Where words end that say the whole code from ``start`` on; every way of grouping its digits counts.

    Args:
        code: letters and digits, normalised.
        words: of a text, normalised, without glue.
        start: position in them.
        language: a code.
    """
    between = said(language, spoken(language).between)
    waiting, seen, ends = [(start, 0)], {(start, 0)}, set()
    while waiting:
        at, done = waiting.pop()
        if done == len(code):
            ends.add(at)
            continue
        steps = [(at + len(part), end) for end, part in _parts(code, done, language) if _says(words, at, part)]
        steps += [(at + len(part), done) for part in between if done and _says(words, at, part)]
        waiting += set(steps) - seen
        seen.update(steps)
    return ends


def beginnings(code: str, language: str) -> set[str]:
    """The words with which somebody may begin to say a code."""
    return {part[0] for _, part in _parts(code, 0, language)}


def spellings(code: str, language: str) -> set[Sequence]:
    """Every way of saying a short code, nothing between its parts."""
    found: dict[int, set[Sequence]] = {0: {()}}
    for start in range(len(code)):
        for end, part in _parts(code, start, language):
            found.setdefault(end, set()).update(before + part for before in found.get(start, set()))
    return found.get(len(code), set())


def _says(words: SequenceOf[str], start: int, part: Sequence) -> bool:
    return tuple(words[start : start + len(part)]) == part


def _parts(code: str, start: int, language: str) -> Iterator[tuple[int, Sequence]]:
    """Where a group of the code ends that begins at ``start``, and a way of saying it."""
    for end in range(start + 1, min(start + _LONGEST_REPEATED, len(code)) + 1):
        for part in _group(code[start:end], language):
            yield end, part
    for end in range(start + _LONGEST_GROUP + 1, len(code) + 1):
        yield end, (code[start:end],)


@lru_cache(maxsize=8192)
def _group(piece: str, language: str) -> frozenset[Sequence]:
    words = spoken(language)
    found: set[Sequence] = {(piece,)} if len(piece) <= _LONGEST_GROUP else set()
    if piece.isdigit() and len(piece) <= _LONGEST_GROUP and (piece == "0" or piece[0] != "0"):
        found |= spelt(int(piece), language) | (said(language, words.zero) if piece == "0" else set())
    for often, phrases in words.repeats.items():
        part = piece[: len(piece) // often]
        if part and part * often == piece:
            found |= fill(language, phrases, x=_group(part, language))
    return frozenset(found)
