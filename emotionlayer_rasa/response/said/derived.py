"""What follows from the values of several texts: what is left, n times a price, how long until, days between."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations, pairwise
from typing import Iterator, NamedTuple

from emotionlayer_rasa.response.said.clock import duration_forms, time_forms
from emotionlayer_rasa.response.said.dates import date_forms
from emotionlayer_rasa.response.said.lexicon import Reading, lexicon
from emotionlayer_rasa.response.said.numerals import LARGEST, cardinal, decimal_forms, ordinal
from emotionlayer_rasa.response.said.spoken import fill, joints, links, said, spoken, weekdays
from emotionlayer_rasa.response.said.values import (
    DATE,
    NUMBER,
    OTHER_DATE,
    PERCENT,
    TIME,
    read_date,
    read_number,
    unit_after,
)
from emotionlayer_rasa.response.said.words import Sequence, read_words

_LIST = re.compile(r"[,;]\s|\s(?:and|e|ed|und|y|et)\s")
_RANGE = re.compile(r"\s*(?:[-–—]|to|till|until|bis|a|al|à|au|ao)\s*")
_FRACTION = re.compile(r"(?<![\d/.,])([1-9])/([2-9]|10)(?![\d/.,])")
_GROUPS = re.compile(r"(?<!\d)(?!\d{1,3}(?: \d{3})+(?!\d))\d+(?:[ -]\d+)+")
"""Digits of a code, or of a telephone number."""
_CENT = Decimal("0.01")
_FEW = 8
"""Of more values of a kind than these nothing is reckoned: no caller follows it, and it takes its time."""
_FEW_TIMES = range(1, 10)
"""What comes after so many has its place said: behind three others somebody is the fourth."""
_HALF_SHARE = 50
_DAY = 24 * 60
_LONGEST = 366 * _DAY
"""A longer time is counted in years, and to no day."""
_MINUTES = {"minute": 1, "hour": 60, "day": _DAY, "week": 7 * _DAY}


class _Values(NamedTuple):
    """The values of texts: shares are percents, times minutes of the day, lengths minutes, weekdays from 0."""

    numbers: set[Decimal]
    shares: set[Decimal]
    times: set[int]
    lengths: set[int]
    weekdays: set[int]
    dates: set[date]


def derived_forms(texts: tuple[str, ...], language: str, today: date | None) -> frozenset[Sequence]:
    """What follows from the values of several texts in one step.

    Args:
        texts: of slots, and of the caller.
        language: a code.
        today: from which days are counted; None counts only those between dates.

    Returns:
        Sequences of words, as :func:`emotionlayer_rasa.response.said.forms` gives them: 12 of 18 leaves 6, 8 of 40
        EUR are 320 EUR, 25 % off 8 is 6, from 14:10 to 14:45 it takes 35 minutes, and 24 hours before Monday is
        Sunday.
    """
    known = _Values(set(), set(), set(), set(), set(), set())
    found: set[Sequence] = set()
    for text in texts:
        found |= _between_weekdays(text, language)
        _read(text, known, language)
    for values in known:
        if len(values) > _FEW:
            values.clear()
    for number in known.numbers:
        if number in _FEW_TIMES:
            found |= ordinal(int(number) + 1, language)
    for number in _numbers(known):
        if number < LARGEST:
            found |= decimal_forms(number, language)
    found |= _shares(known, language)
    return frozenset(found | _times(known, language) | _days(known, language, today))


def count_forms(text: str, language: str) -> frozenset[Sequence]:
    """How many things a list has."""
    items = _LIST.split(text)
    counted = cardinal(len(items), language) if len(items) > 1 else frozenset()
    return counted | fill(language, spoken(language).times, n=counted)


def _read(text: str, into: _Values, language: str) -> None:
    """Put a text's values where they belong."""
    for pattern in (DATE, OTHER_DATE):
        for match in pattern.finditer(text):
            if day := read_date(match):
                into.dates.add(day)
        text = pattern.sub(",", text)
    for match in TIME.finditer(text):
        if match["m"] and not match["length"]:
            into.times.add(int(match["h"]) * 60 + int(match["m"]))
    text = TIME.sub(",", text)
    text = _GROUPS.sub(",", text)
    into.shares.update(Decimal(100) * int(match[1]) / int(match[2]) for match in _FRACTION.finditer(text))
    for match in NUMBER.finditer(_FRACTION.sub(",", text)):
        number = read_number(match.group())
        before = match.string[max(0, match.start() - 1) : match.start()]
        if number < LARGEST and not before.isalpha():  # a code's digits follow letters
            percent = PERCENT.match(match.string, match.end())
            (into.shares if percent else into.numbers).add(number)
            _add_length(number, match.string[match.end() :], into, language)
    words = read_words(text, joints(language), links(language))
    for reading in lexicon(language).read(words):
        _add(reading, text[words[reading.end - 1].end :], into, language)


def _add(reading: Reading, after: str, into: _Values, language: str) -> None:
    for at, (kind, amount) in enumerate(reading.values):
        if kind == "number" and amount > 1 and not at:  # "one" is an article more often
            into.numbers.add(Decimal(amount))
            _add_length(Decimal(amount), after, into, language)
        elif kind == "share" and not at:
            into.shares.add(Decimal(amount))
        elif kind == "time":
            into.times.add(amount)
        elif kind == "duration":
            into.lengths.add(amount)
        elif kind == "weekday":
            into.weekdays.add(amount)


def _add_length(number: Decimal, after: str, into: _Values, language: str) -> None:
    minutes = _MINUTES.get(unit_after(after, language) or "", 0)
    if minutes and number * minutes <= _LONGEST:
        into.lengths.add(int(number * minutes))


def _numbers(known: _Values) -> Iterator[Decimal]:
    """Differences, products and quotients of two numbers, and parts of one.

    Sums are none: a price said wrong ("forty-five") would follow from a room and a price (40 and 5) too often.
    """
    for less, more in combinations(sorted(known.numbers), 2):
        yield more - less
        if less > 1:
            yield (less * more).quantize(_CENT).normalize()
            if not more % less:
                yield more / less
    for number in known.numbers:
        for share in known.shares:
            yield (number * share / 100).quantize(_CENT).normalize()
            yield (number * (100 - share) / 100).quantize(_CENT).normalize()


def _shares(known: _Values, language: str) -> set[Sequence]:
    """What one number is of another, what is left of a share, and on which side of the half it is."""
    words = spoken(language)
    shares = known.shares | {100 - share for share in known.shares}
    shares |= {less * 100 / more for less, more in combinations(sorted(known.numbers), 2) if more}
    half = said(language, words.fractions[_HALF_SHARE])
    found: set[Sequence] = set()
    for share in shares:
        found |= said(language, words.fractions.get(int(share), ()))
        if share != _HALF_SHARE:
            found |= fill(language, words.over if share > _HALF_SHARE else words.under, n=half)
    return found


def _times(known: _Values, language: str) -> set[Sequence]:
    """How long from one time to another, lengths together, and times so much later or earlier."""
    found: set[Sequence] = set()
    for first, last in combinations(sorted(known.times), 2):
        found |= duration_forms(Decimal(last - first), "minute", language)
    for less, more in combinations(sorted(known.lengths), 2):
        found |= duration_forms(Decimal(less + more), "minute", language)
        found |= duration_forms(Decimal(more - less), "minute", language)
    for time in known.times:
        for length in known.lengths:
            if length < _DAY:
                for other in (time + length, time - length):
                    found |= time_forms(*divmod(other % _DAY, 60), language)
    return found


def _days(known: _Values, language: str, today: date | None) -> set[Sequence]:
    """Days so much earlier or later than a day, and how many there are from one to another."""
    found: set[Sequence] = set()
    days = {length // _DAY for length in known.lengths if not length % _DAY}
    for shift in days | {-day for day in days}:
        for weekday in known.weekdays:
            found |= weekdays(language)[(weekday + shift) % 7]
        for day in known.dates:
            found |= date_forms(day + timedelta(shift), language, today)
    for first, last in combinations(sorted(known.dates | ({today} if today else set())), 2):
        found |= duration_forms(Decimal((last - first).days), "day", language)
    return found


def _between_weekdays(text: str, language: str) -> set[Sequence]:
    """The weekdays within a range ("Monday to Friday")."""
    words = read_words(text)
    at = [(one, one.values[0].amount) for one in lexicon(language).read(words) if one.values[0].kind == "weekday"]
    found: set[Sequence] = set()
    for (first, start), (last, end) in pairwise(at):
        if _RANGE.fullmatch(text[words[first.end - 1].end : words[last.start].start].lower()):
            for day in range(start, start + (end - start) % 7 + 1):
                found |= weekdays(language)[day % 7]
    return found
