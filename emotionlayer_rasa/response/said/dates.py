"""Dates as a language says them: day and month, weekday, the end of a month, feast days, and days from today."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from functools import cache, lru_cache

from dateutil.easter import easter

from emotionlayer_rasa.response.said.numerals import cardinal, ordinal, year
from emotionlayer_rasa.response.said.spoken import fill, months, said, spoken, weekdays
from emotionlayer_rasa.response.said.words import Sequence

LEAP_YEAR = 2024
"""A year that has every day of a year."""


@lru_cache(maxsize=1024)
def date_forms(day: date, language: str, today: date | None) -> frozenset[Sequence]:
    """Every way in which a date may be said.

    Args:
        day: the date.
        language: a code.
        today: from which relative words count; None leaves them out.
    """
    plain = day_forms(day.month, day.day, language)
    found = plain | {said_day + said_year for said_day in plain for said_year in year(day.year, language)}
    found |= weekdays(language)[day.weekday()] | _numbers(day.day, language) | months(language)[day.month - 1]
    found |= year(day.year, language)
    if day + timedelta(1) == _next_month(day):
        found |= month_end_forms(language)
    found |= set(_figures(day.month, day.day))
    found |= _feast_on(day, language) | _beside_feasts(day, language)
    if today:
        found |= relative_forms((day - today).days, language)
    return frozenset(found - {()})


@lru_cache(maxsize=1024)
def day_forms(month: int, day: int, language: str) -> frozenset[Sequence]:
    """A day of a month with the month, or as a feast; the last day also as the month's end."""
    words, names = spoken(language), months(language)[month - 1]
    found = fill(language, words.date, d=_numbers(day, language), month=names)
    if day >= calendar.monthrange(LEAP_YEAR, month)[1] - (month == 2):
        found |= fill(language, words.month_end, month=names)
    return frozenset(found | _feast(month, day, language))


def _feast(month: int, day: int, language: str) -> set[Sequence]:
    return said(language, spoken(language).feasts.get(f"{month:02}-{day:02}", ()))


def _feast_on(day: date, language: str) -> set[Sequence]:
    moveable = moveable_feasts(day.year, language).get(day, ())
    return _feast(day.month, day.day, language) | said(language, moveable)


def _beside_feasts(day: date, language: str) -> set[Sequence]:
    words = spoken(language)
    before = _feast_on(day - timedelta(1), language) | _feast_on(day - timedelta(2), language)
    return fill(language, words.eve, f=_feast_on(day + timedelta(1), language)) | fill(language, words.after, f=before)


@cache
def month_end_forms(language: str) -> frozenset[Sequence]:
    """The last day of a month that is not named."""
    phrases = fill(language, spoken(language).month_end, month=frozenset({()}))
    return frozenset(phrase for phrase in phrases if len(phrase) > 1)


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(4)).replace(day=1)


def _numbers(day: int, language: str) -> frozenset[Sequence]:
    return cardinal(day, language) | ordinal(day, language)


def _figures(month: int, day: int) -> set[Sequence]:
    days, all_months = {str(day), f"{day:02}"}, {str(month), f"{month:02}"}
    return {(one, other) for one in days for other in all_months}


@cache
def moveable_feasts(year: int, language: str) -> dict[date, tuple[str, ...]]:
    """Feasts that are counted from Easter, in one year."""
    found = {}
    for key, names in spoken(language).feasts.items():
        if key.startswith("easter"):
            found[easter(year) + timedelta(int(key.removeprefix("easter") or 0))] = names
    return found


@cache
def relative_forms(days: int, language: str) -> frozenset[Sequence]:
    """Words for a day so many days from today; none for a day that has no word."""
    return frozenset(said(language, spoken(language).relative.get(days, ())))
