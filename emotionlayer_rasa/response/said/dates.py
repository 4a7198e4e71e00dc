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
    years = year(day.year, language)
    alone = ordinal(day.day, language) if spoken(language).ordinal_days else _numbers(day.day, language)
    found = plain | years | {said_day + said_year for said_day in plain for said_year in years}
    found |= alone | months(language)[day.month - 1] | weekdays(language)[day.weekday()]
    found |= _figures(day) | feast_forms(day, language)
    if _is_month_end(day):
        found |= month_end_forms(language)
    if today is None:
        return found
    if day.isocalendar()[:2] == (today + timedelta(7)).isocalendar()[:2]:
        found |= said(language, spoken(language).next_week)
    return found | relative_forms((day - today).days, language)


@lru_cache(maxsize=1024)
def day_forms(month: int, day: int, language: str) -> frozenset[Sequence]:
    """A day of a month with the month, or as a feast or its eve; the last day also as the month's end."""
    words, names = spoken(language), months(language)[month - 1]
    found = fill(language, words.date, d=_numbers(day, language), month=names)
    if day >= calendar.monthrange(LEAP_YEAR, month)[1] - (month == 2):
        found |= fill(language, words.month_end, month=names)
    for days, phrases in words.eve.items():
        feast = date(LEAP_YEAR, month, day) + timedelta(days)
        found |= fill(language, phrases, f=_feast(feast.month, feast.day, language))
    return frozenset(found | _feast(month, day, language))


@lru_cache(maxsize=1024)
def feast_forms(day: date, language: str) -> frozenset[Sequence]:
    """A date as a feast that is counted from Easter, or as a day shortly before or after any feast."""
    words = spoken(language)
    before = _feast_on(day - timedelta(1), language) | _feast_on(day - timedelta(2), language)
    found = fill(language, words.after, f=before) | _feast_on(day, language)
    for days, phrases in words.eve.items():
        found |= fill(language, phrases, f=_feast_on(day + timedelta(days), language))
    return frozenset(found)


@cache
def month_end_forms(language: str) -> frozenset[Sequence]:
    """The last day of a month that is not named."""
    phrases = fill(language, spoken(language).month_end, month=frozenset({()}))
    return frozenset(phrase for phrase in phrases if len(phrase) > 1)


@cache
def relative_forms(days: int, language: str) -> frozenset[Sequence]:
    """Words for a day so many days from today; none for a day that has no word."""
    return frozenset(said(language, spoken(language).relative.get(days, ())))


@cache
def _moveable_feasts(year: int, language: str) -> dict[date, tuple[str, ...]]:
    found = {}
    for key, names in spoken(language).feasts.items():
        if key.startswith("easter"):
            found[easter(year) + timedelta(int(key.removeprefix("easter") or 0))] = names
    return found


def _feast(month: int, day: int, language: str) -> set[Sequence]:
    return said(language, spoken(language).feasts.get(f"{month:02}-{day:02}", ()))


def _feast_on(day: date, language: str) -> set[Sequence]:
    moveable = _moveable_feasts(day.year, language).get(day, ())
    return _feast(day.month, day.day, language) | said(language, moveable)


def _is_month_end(day: date) -> bool:
    return (day + timedelta(1)).day == 1


def _numbers(day: int, language: str) -> frozenset[Sequence]:
    return cardinal(day, language) | ordinal(day, language)


def _figures(day: date) -> set[Sequence]:
    orders = ("%d %m", "%d %m %Y", "%d %m %y", "%Y %m %d")
    written = {tuple(f"{day:{order}}".split()) for order in orders}
    return written | {tuple(part.lstrip("0") for part in figures) for figures in written}
