"""Numbers as a language says them: counted, ordered, grouped, rounded, with a half, as an amount or a share."""

from __future__ import annotations

from decimal import Decimal
from functools import cache, lru_cache

from unicode_rbnf import FormatPurpose, RbnfEngine

from emotionlayer_rasa.response.said.spoken import ANY, fill, glue, said, spoken
from emotionlayer_rasa.response.said.words import Sequence, sequence

LARGEST = 10**9
"""From here on a number is a code, and said by its digits."""
_LARGEST_ORDINAL = 100
_YEARS = range(1950, 2060)
"""Numbers that may be a year, and be said by its last two digits."""
_SPELT_DIGITS = 4
"""A number with more digits is not said digit by digit, but for a code."""
_ROUND = (1, 5, 10, 50, 100, 500, 1000, 5000, 10_000)
_NEAR = Decimal("0.1")
"""How far a rounded number may be from the number, as a share of it."""


@cache
def engines(language: str) -> tuple[RbnfEngine, ...]:
    """CLDR's speller for each of the language's countries."""
    return tuple(RbnfEngine.for_language(name) for name in spoken(language).numerals)


@lru_cache(maxsize=8192)
def cardinal(number: int, language: str) -> frozenset[Sequence]:
    """A whole number from 0 to LARGEST in words, of any gender, and in digits."""
    return spelt(number, language) | _in_digits(number)


@lru_cache(maxsize=8192)
def spelt(number: int, language: str) -> frozenset[Sequence]:
    """A whole number from 0 to LARGEST in words, of any gender."""
    words = spoken(language)
    found = _spelt(number, language, FormatPurpose.CARDINAL)
    if words.hundreds and 1100 <= number < 10_000 and number // 100 % 10:
        rest = _spelt(number % 100, language, FormatPurpose.CARDINAL) if number % 100 else set()
        phrase = words.hundreds if rest else words.hundreds.removesuffix("{r}")
        found |= fill(language, [phrase], h=_spelt(number // 100, language, FormatPurpose.CARDINAL), r=rest)
    if words.leading_one and (100 <= number < 200 or 1000 <= number < 2000):
        found |= {_without(words.leading_one, said_number) for said_number in found}
    return frozenset(found)


@cache
def number_words(language: str) -> frozenset[str]:
    """The words that whole numbers below 1,000 are made of, without accents."""
    return frozenset(word for number in range(1000) for form in spelt(number, language) for word in form)


@lru_cache(maxsize=1024)
def ordinal(number: int, language: str) -> frozenset[Sequence]:
    """The place of a whole number from 1 to 100 in words ("third"), of any gender, number and case."""
    return frozenset(_spelt(number, language, FormatPurpose.ORDINAL))


@lru_cache(maxsize=64)
def year(number: int, language: str) -> frozenset[Sequence]:
    """A year in words and digits."""
    return frozenset(_spelt(number, language, FormatPurpose.YEAR)) | cardinal(number, language)


def _spelt(number: int, language: str, purpose: FormatPurpose) -> set[Sequence]:
    texts = (
        text
        for engine in engines(language)
        for text in engine.format_number(number, purpose).text_by_ruleset.values()
    )
    return {sequence(text, glue(language)) for text in texts} - {()}


def _without(one: str, number: Sequence) -> Sequence:
    first = number[0].removeprefix(one)
    return (first, *number[1:]) if first else number[1:]


def _in_digits(number: int) -> frozenset[Sequence]:
    plain, grouped = (str(number),), sequence(f"{number:,}")
    return frozenset({plain, grouped, (*plain, "00"), (*grouped, "00")})


@lru_cache(maxsize=4096)
def whole_forms(number: int, language: str) -> frozenset[Sequence]:
    """Every way in which a whole number from 0 to LARGEST may be said, also as a place or a place in a queue."""
    words = spoken(language)
    counted = cardinal(number, language)
    found = set(counted) | said(language, words.counts.get(number, ()))
    found |= fill(language, words.times, n=counted) | fill(language, words.percent, n=counted)
    if number == 0:
        found |= said(language, words.free) | said(language, words.zero)
    if 0 < number <= _LARGEST_ORDINAL:
        found |= ordinal(number, language) | said(language, words.queue.get(number, ()))
        ahead = cardinal(number - 1, language) if number > 1 else frozenset()
        found |= fill(language, words.ahead, n=ahead)
    if number in _YEARS:
        found |= year(number, language) | cardinal(number % 100, language)
    return frozenset(found | rounded(Decimal(number), language))


@lru_cache(maxsize=4096)
def decimal_forms(number: Decimal, language: str) -> frozenset[Sequence]:
    """Every way in which a number may be said that is not negative, such as 41.2, also as an amount of money."""
    whole = int(number)
    if number == whole:
        return whole_forms(whole, language)
    words = spoken(language)
    digits = f"{number:f}".rstrip("0").split(".")[1]
    wholes, ends = cardinal(whole, language) | _singly(str(whole), language), _fractions(digits, language)
    halves = said(language, words.half) if digits == "5" else set()
    found = {before + unit + end for before in wholes for unit in ((), (ANY,)) for end in ends | halves}
    if whole == 1:
        found |= {(ANY, *end) for end in ends}  # "a metre eighty", "one pound fifty"
    if not whole:
        found |= ends | halves | {one + half for one in cardinal(1, language) for half in halves}
    found |= fill(language, words.percent, n=found)
    return frozenset(found | rounded(number, language))


def _fractions(digits: str, language: str) -> set[Sequence]:
    """What is behind the point: as cents, or digit by digit."""
    found = _singly(digits, language) | {(digits,)}
    if len(digits) > 2:
        return found
    cents = digits.ljust(2, "0")
    found |= _singly(cents, language) | {(cents,)} | spelt(int(cents), language)
    return found


def _singly(digits: str, language: str) -> set[Sequence]:
    """Digits one by one."""
    found: set[Sequence] = {()}
    for digit in digits[:_SPELT_DIGITS]:
        names = cardinal(int(digit), language) | (said(language, spoken(language).zero) if digit == "0" else set())
        found = {before + name for before in found for name in names}
    return found if len(digits) <= _SPELT_DIGITS else set()


@lru_cache(maxsize=4096)
def rounded(number: Decimal, language: str) -> frozenset[Sequence]:
    """A number said as near another one: "a bit over forty", "almost fifty", "about forty" for 41.2."""
    words = spoken(language)
    less: set[int] = set()
    more: set[int] = set()
    for step in _ROUND:
        low = int(number) // step * step
        if low and low != number and number - low <= number * _NEAR:
            less.add(low)
        if low != number and low + step - number <= number * _NEAR:
            more.add(low + step)
    lower = frozenset(said_number for low in less for said_number in cardinal(low, language))
    higher = frozenset(said_number for high in more for said_number in cardinal(high, language))
    return frozenset(
        fill(language, words.over, n=lower)
        | fill(language, words.under, n=higher)
        | fill(language, words.about, n=lower | higher)
    )
