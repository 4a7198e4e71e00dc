"""What looks like a fact in a text that may state none: the rule for what stands outside placeholders.

One rule for every language, and stricter than :mod:`emotionlayer_rasa.response.said`, which knows values that may
be said: here none may. It would rather refuse a harmless word than let a fact pass.
"""

from __future__ import annotations

import re
from functools import cache
from typing import AbstractSet, Iterator, NamedTuple

from emotionlayer_rasa.language import fold, read_file
from emotionlayer_rasa.response.said.lexicon import Reading, Value, lexicon
from emotionlayer_rasa.response.said.spoken import joints, links, spoken
from emotionlayer_rasa.response.said.words import Sequence, Word, read_words, sequence
from emotionlayer_rasa.settings import Settings

FILE = "loose_facts.yml"

_STRANGE = re.compile(
    r"[^A-Za-zÀ-ÖØ-öø-ÿŒœŸẞß\s.,;:!?…'’‘\"“”„«»‹›()¿¡–-]|[\x0b-\x1f\x85\u2028-\u202e\u2060-\u206f]"
)
"""Any other character: digits, symbols, other scripts (which hold letters that look like ours), invisible ones."""
_WORD = re.compile(r"[^\W\d_]+")
_APOSTROPHE = "'’‘"
_BEGINS = re.compile(r"(?:^|[.!?…:;\n])[\s\"'“”‘’«»„(¿¡–-]*$|[\"“„«‹¿¡]\s*$")
"""What stands before the first word of a sentence, or of a quotation."""
_JOINT = re.compile(r"(?<=[^\W\d_])[-'’‘.]+(?=[^\W\d_])")
"""Marks that may stand within a word ("se-ven")."""
_ROMAN = re.compile(r"(?=[ivxlcdm]{2})m{0,3}(?:c[md]|d?c{0,3})(?:x[cl]|l?x{0,3})(?:i[xv]|v?i{0,3})")
_NO_VOWEL = re.compile(r"[bcdfghjklmnpqrstvwxz]{2,}")
_SHORTEST_NUMERAL = 3
_ONE = Value("number", 1)


class LooseFacts(Settings):
    """What ``loose_facts.yml`` of a language holds.

    Attributes:
        common: words that may say a value ("may", the month) and mostly say none.
        numbers: words for numbers, units and times beside those of ``spoken.yml``.
        letters: words of one letter.
        negations: words that turn round what a sentence says.
        plain: words, one blank apart, that may stand at the beginning of a sentence: they name nobody.
        nouns: the same inside a sentence, where the language writes nouns large.
    """

    common: tuple[str, ...]
    numbers: tuple[str, ...]
    letters: tuple[str, ...]
    negations: tuple[str, ...]
    plain: str
    nouns: str = ""


class LooseFact(NamedTuple):
    """A piece of a text that looks like a fact, ``text[start:end]``.

    Attributes:
        start, end: where the text has it.
        kind: ``character``, ``number``, ``date``, ``time``, ``duration``, ``unit``, ``code`` or ``name``.
    """

    start: int
    end: int
    kind: str


def loose_facts(text: str, language: str, given: AbstractSet[str] = frozenset()) -> tuple[LooseFact, ...]:
    """What looks like a fact: digits, number words, dates, times, amounts, units, codes and names.

    A name is known by its capital letter, or by being no plain word where every word has one; in small letters it
    is not seen. "One" is no number: in most languages it is an article.

    Args:
        text: any text.
        language: a code that has a ``loose_facts.yml``.
        given: words, as :func:`emotionlayer_rasa.language.fold` gives them, that may be said: those of a draft.

    Raises:
        ConfigurationError: the package has no such file for the language, or a key in it is wrong.
    """
    found = [LooseFact(*match.span(), "character") for match in _STRANGE.finditer(text)]
    found += _values(text, language, given)
    found += _words(text, language, given)
    return tuple(sorted(set(found)))


def values_in(text: str, language: str) -> tuple[LooseFact, ...]:
    """The values that a text of ours says in words, its units, and its tokens of strange characters; no names."""
    tokens = re.finditer(r"[^\s.,;:!?…'’‘\"“”„«»‹›()¿¡](?:\S*[^\s.,;:!?…'’‘\"“”„«»‹›()¿¡])?", text)
    strange = [LooseFact(*token.span(), "code") for token in tokens if _STRANGE.search(token.group())]
    units = [
        LooseFact(*word.span(), "unit")
        for word in _WORD.finditer(text)
        if fold(word.group()) in _known(language).units
    ]
    return tuple(sorted({*strange, *units, *_values(text, language, frozenset())}))


def negations(sentence: str, language: str) -> int:
    """How many words a sentence has that turn it round."""
    words, plain = sequence(sentence), _known(language).negations
    return sum(words[start : start + len(one)] == one for one in plain for start in range(len(words)))


def _values(text: str, language: str, given: AbstractSet[str]) -> Iterator[LooseFact]:
    """Phrases that say a value, also those that are written apart ("se-ven") or in one ("twentyfive")."""
    words = read_words(text, joints(language), links(language))
    for reading in lexicon(language).read(words):
        phrase = tuple(word.text for word in words[reading.start : reading.end])
        start, end = words[reading.start].start, words[reading.end - 1].end
        named = text[start].isupper() and not _begins(text, start)
        if not set(phrase) <= given and not _says_nothing(phrase, reading, named, language):
            yield LooseFact(start, end, _kind(reading))
    for phrase in () if not words else _known(language).numbers:
        for at in _places(words, phrase):
            if not set(phrase) <= given:
                yield LooseFact(words[at].start, words[at + len(phrase) - 1].end, "number")
    for match in re.finditer(r"[^\W\d_]+(?:[-'’‘.]+[^\W\d_]+)*", text):
        joined = fold(_JOINT.sub("", match.group()))
        if joined not in given and _is_hidden_number(joined, _JOINT.search(match.group()) is not None, language):
            yield LooseFact(*match.span(), "number")


def _says_nothing(phrase: Sequence, reading: Reading, named: bool, language: str) -> bool:
    """Whether a phrase is "one", or a common word that is not written as a name is ("may")."""
    if reading.values[0] == _ONE and len(phrase) == 1:
        return True
    return phrase in _known(language).common and not named


def _begins(text: str, start: int) -> bool:
    """Whether a sentence or a quotation begins there."""
    return _BEGINS.search(text[:start]) is not None


def _places(words: list[Word], phrase: Sequence) -> Iterator[int]:
    plain = [word.text for word in words]
    yield from (at for at in range(len(plain)) if tuple(plain[at : at + len(phrase)]) == phrase)


def _kind(reading: Reading) -> str:
    kind = reading.values[0].kind
    return {"number": "number", "share": "number", "time": "time", "duration": "duration"}.get(kind, "date")


def _is_hidden_number(word: str, parted: bool, language: str) -> bool:
    """Whether a word says a number when its marks are left out, or is made of two words for numbers."""
    if parted and _is_number(word, language):
        return True
    parts = range(_SHORTEST_NUMERAL, len(word) - _SHORTEST_NUMERAL + 1)
    return word not in _known(language).plain and any(
        _is_number(word[:end], language) and _is_number(word[end:], language) for end in parts
    )


@cache
def _is_number(word: str, language: str) -> bool:
    readings = lexicon(language).read(read_words(word))
    return any(value.kind == "number" and value != _ONE for one in readings for value in one.values)


def _words(text: str, language: str, given: AbstractSet[str]) -> Iterator[LooseFact]:
    """Words that are units, numbers of our own list, letters, codes or names."""
    known = _known(language)
    for match in _WORD.finditer(text):
        word = fold(match.group())
        if word in given:
            continue
        kind = "unit" if word in known.units else _kind_of_word(text, match, word, language)
        if kind:
            yield LooseFact(*match.span(), kind)


def _kind_of_word(text: str, match: re.Match[str], word: str, language: str) -> str:
    known, written = _known(language), match.group()
    start, end = match.span()
    begins = _begins(text, start)
    elided = any(mark and mark in _APOSTROPHE for mark in (text[end : end + 1], text[:start][-1:]))
    if len(written) == 1:
        plain = (word in known.letters or elided) and (begins or written.islower())
        return "" if plain or written in known.capitals else "code"
    if written in known.capitals:
        return ""
    if written.islower():
        coded = (_ROMAN.fullmatch(word) or _NO_VOWEL.fullmatch(word)) and not elided
        return "code" if coded and word not in known.plain else ""
    harmless = word in known.nouns or (begins and word in known.plain)
    return "" if harmless and written[1:].islower() else "name"


class _Known(NamedTuple):
    """A language's words, folded."""

    common: frozenset[Sequence]
    numbers: frozenset[Sequence]
    negations: frozenset[Sequence]
    units: frozenset[str]
    letters: frozenset[str]
    capitals: frozenset[str]
    plain: frozenset[str]
    nouns: frozenset[str]


@cache
def _known(language: str) -> _Known:
    data, words = read_file(LooseFacts, language, FILE), spoken(language)
    common = frozenset(map(sequence, data.common))
    numbers = frozenset(map(sequence, data.numbers))
    names = (*words.money, *words.half, *(name for of_unit in words.units.values() for name in of_unit))
    units = {sequence(name) for name in names} | {phrase for phrase in numbers if len(phrase) == 1}
    return _Known(
        common,
        frozenset(phrase for phrase in numbers if len(phrase) > 1),
        frozenset(map(sequence, data.negations)),
        frozenset(unit[0] for unit in units - common if len(unit) == 1 and len(unit[0]) > 1),
        frozenset(map(fold, data.letters)),
        frozenset({*words.capitals, *words.titles}),
        frozenset(map(fold, data.plain.split())),
        frozenset(map(fold, data.nouns.split())),
    )


def load_loose_facts(language: str) -> None:
    """Read a language's words, so that the first reply does not wait for them.

    Raises:
        ConfigurationError: as :func:`loose_facts`.
    """
    _known(language)
    lexicon(language)
