"""Times of day and lengths of time as a language says them."""

from __future__ import annotations

from decimal import Decimal
from functools import cache, lru_cache
from typing import Iterator

from emotionlayer_rasa.response.said.numerals import cardinal, decimal_forms
from emotionlayer_rasa.response.said.spoken import ANY, fill, said, spoken
from emotionlayer_rasa.response.said.words import Sequence

_LADDERS = ((("minute", 60), ("hour", 24), ("day", 7), ("week", 0)), (("month", 12), ("year", 0)))
"""Units of time, and how many make one of the next."""
_MINUTES = {"minute": 1, "hour": 60, "day": 24 * 60, "week": 7 * 24 * 60}
_MONTH = 30
"""Days that are called a month."""
_PARTS_OF_A_YEAR = (1, 2, 3, 4, 6)
"""Months after which something comes several times a year."""
_LONGEST = 10_000
_ALMOST, _JUST_PAST = 45, 15
"""Minutes from which a time is almost the next hour, and up to which it is just past the hour."""


@lru_cache(maxsize=2048)
def time_forms(hour: int, minute: int, language: str) -> frozenset[Sequence]:
    """Every way in which a time of day may be said, by 12 hours and by 24.

    Args:
        hour: 0 to 24.
        minute: 0 to 59.
        language: a code.
    """
    found = set(phrases(hour, minute, language))
    if minute:
        hours = _hours(hour, language)
        found |= {
            before + unit + after
            for before in hours
            for unit in ((), (ANY,))  # "six minutes ten": a time that is a length
            for after in _minutes(minute, language)
        }
        found |= _near(hour, minute, language)
    else:
        found |= _hours(hour, language) | {(f"{hour:02}", "00"), (str(hour), "00")}
    return frozenset(found)


def _near(hour: int, minute: int, language: str) -> set[Sequence]:
    """A time said by the full hour that is near ("shortly before three")."""
    words = spoken(language)
    if minute >= _ALMOST:
        return fill(language, (*words.under, *words.about), n=_hours(hour + 1, language))
    if minute <= _JUST_PAST:
        return fill(language, (*words.over, *words.about), n=_hours(hour, language))
    return set()


@lru_cache(maxsize=2048)
def phrases(hour: int, minute: int, language: str) -> frozenset[Sequence]:
    """The ways of saying a time that have words of the clock in them ("quarter to three", "noon")."""
    found = said(language, _names(hour, language)) if not minute else set()
    for (first, last), said_so in _clock(language):
        if first <= minute <= last:
            found |= fill(
                language,
                said_so,
                h=_hours(hour, language),
                n=_hours(hour + 1, language),
                m=cardinal(minute, language),
                l=cardinal(60 - minute, language),
                a=cardinal(abs(30 - minute), language),
            )
    return frozenset(found)


@cache
def _clock(language: str) -> tuple[tuple[tuple[int, int], tuple[str, ...]], ...]:
    """Ranges of minutes, and how times in them are said."""
    return tuple(
        ((int(minutes.split("-")[0]), int(minutes.split("-")[-1])), said_so)
        for minutes, said_so in spoken(language).clock.items()
    )


def _names(hour: int, language: str) -> tuple[str, ...]:
    words = spoken(language)
    return words.noon if hour == 12 else words.midnight if hour in (0, 24) else ()


@lru_cache(maxsize=256)
def _hours(hour: int, language: str) -> frozenset[Sequence]:
    counted = {hour % 24, hour % 12, hour % 12 + 12} if hour % 12 else {hour, 12, hour % 24}
    numbers = frozenset(
        said_so for one in counted if one == hour or one <= 12 for said_so in cardinal(one, language)
    )
    return numbers | {(f"{hour:02}",)} | said(language, _names(hour, language))


@lru_cache(maxsize=256)
def _minutes(minute: int, language: str) -> frozenset[Sequence]:
    found = set(cardinal(minute, language)) | {(f"{minute:02}",)}
    if minute < 10:
        found |= {
            zero + one for zero in said(language, spoken(language).zero) | cardinal(0, language) for one in found
        }
    return frozenset(found)


@lru_cache(maxsize=1024)
def duration_forms(number: Decimal, unit: str, language: str) -> frozenset[Sequence]:
    """Every way in which a length of time may be said, in its unit, the next larger and the next smaller one.

    Args:
        number: how many, not negative.
        unit: a key of ``units``.
        language: a code.
    """
    found = set(decimal_forms(number, language))
    for count, said_in in _conversions(number, unit):
        names = said(language, spoken(language).units[said_in])
        counted = decimal_forms(count, language)
        if count == 1 and spoken(language).article:
            counted |= {()}
        found |= fill(language, ("{n} {u}",), n=counted, u=names)
    if unit == "month" and number in _PARTS_OF_A_YEAR:
        often = 12 // int(number)
        found |= fill(language, spoken(language).times, n=cardinal(often, language))
        found |= said(language, spoken(language).counts.get(often, ()))
    if unit in _MINUTES and (minutes := number * _MINUTES[unit]) == int(minutes):
        found |= minutes_forms(int(minutes), language)
    return frozenset(found)


def _conversions(number: Decimal, unit: str) -> Iterator[tuple[Decimal, str]]:
    """The length in its own unit, in larger ones that it is whole or half ones of, and in the next smaller."""
    yield number, unit
    if unit == "day" and not number % _MONTH:
        yield number / _MONTH, "month"
    for ladder in _LADDERS:
        names = [name for name, _ in ladder]
        if unit in names:
            at = names.index(unit)
            larger = number
            for (_, next_one), name in zip(ladder[at:-1], names[at + 1 :], strict=True):
                larger /= next_one
                if larger * 2 == int(larger * 2):
                    yield larger, name
            if at and number * ladder[at - 1][1] < _LONGEST:
                yield number * ladder[at - 1][1], names[at - 1]


@lru_cache(maxsize=1024)
def minutes_forms(minutes: int, language: str) -> frozenset[Sequence]:
    """A length of time as hours and minutes, or by a name of its own ("half an hour")."""
    words = spoken(language)
    found = said(language, words.durations.get(minutes, ()))
    hours, rest = divmod(minutes, 60)
    if not 0 < hours < 100:
        return frozenset(found)
    names = said(language, words.units["hour"]) | {()}
    counted = cardinal(hours, language) | ({()} if hours == 1 else frozenset())
    if rest:
        ends = fill(
            language, ("{m} {u}",), m=cardinal(rest, language), u=said(language, words.units["minute"]) | {()}
        )
        found |= fill(language, ("{n} {u}",), n=counted, u={name + end for name in names for end in ends})
    if rest == 30:
        found |= fill(language, words.hour_and_half, n=counted)
    if rest in (15, 45):
        shares = said(language, words.fractions[25 if rest == 15 else 75])
        found |= fill(language, ("{n} {u}",), n=counted, u={name + share for name in names for share in shares})
    return frozenset(found)
