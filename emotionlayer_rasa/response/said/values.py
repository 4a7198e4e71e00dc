"""The ways in which a value may be said: of a text, every date, time, number and word in it."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Mapping

from dateutil.easter import easter

from emotionlayer_rasa.response.said.clock import duration_forms, time_forms
from emotionlayer_rasa.response.said.codes import codes_in, spellings
from emotionlayer_rasa.response.said.dates import (
    LEAP_YEAR,
    date_forms,
    day_forms,
    feast_forms,
    month_end_forms,
    relative_forms,
)
from emotionlayer_rasa.response.said.lexicon import Reading, Value, lexicon
from emotionlayer_rasa.response.said.numerals import LARGEST, decimal_forms, year
from emotionlayer_rasa.response.said.spoken import joints, links, months, said, spoken, weekdays
from emotionlayer_rasa.response.said.words import Sequence, Word, read_words, sequence

DATE = re.compile(r"(?<!\d)(?P<y>\d{4})-(?P<m>0\d|1[0-2])(?:-(?P<d>\d\d))?(?![\d-])T?")
OTHER_DATE = re.compile(r"(?<![\d.])(?P<d>\d{1,2})([./-])(?P<m>\d{1,2})\2(?P<y>\d{4}|\d{2})(?!\d)")
_SHORT_DATE = re.compile(
    r"(?<![\d.,/-])(?P<d>0?[1-9]|[12]\d|3[01])(?:\.(?P<m>0?[1-9]|1[0-2])\.|/(?P<mm>0?[1-9]|1[0-2]))(?![\d/])"
)
TIME = re.compile(
    r"(?<![\d.,:])(?P<h>[01]?\d|2[0-4])"
    r"(?:(?::|(?P<length> ?h ?))(?P<m>[0-5]\d)(?::[0-5]\d)?(?!\w|:\d)|(?P<hours> ?h)(?!\w)"
    r"|(?:[.:](?P<mm>[0-5]\d))? ?(?P<part>[ap])\.?m\b\.?| ?Uhr\b)",
    re.IGNORECASE,
)
_HOURS = re.compile(
    r"(?<![\w/-])(?<!\d[.,:])([01]?\d|2[0-4])(?: ?[-–] ?| (?:to|till|until|bis|a|al|alle|a las|à|às|as) )"
    r"([01]?\d|2[0-4])(?: ?(?:h|Uhr)\b)?(?![\w/-]|[.,:]\d|\. ?[A-Z])",
    re.IGNORECASE,
)
_LISTED = re.compile(r"(?<=:\d\d),(?=\d)")
"""A comma between two times with no blank behind it."""
NUMBER = re.compile(r"\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?")
_DECIMAL = re.compile(r"(?<![\w.,])\d+[.,]\d{1,2}(?![\d.,])")
_GROUPS = re.compile(r"[.,' \u00a0\u202f](?=\d{3}(?!\d))")
_CODE = re.compile(r"(?<!\w)(?:[A-Z]{1,4}[ -]?)?\d+[A-Z]{0,4}(?:[ /-]?[A-Z]{0,4}\d[\dA-Z]*)*(?![^\W_])")
PERCENT = re.compile(r"\s?%")
_NAMED = frozenset({"day", "feast"})
"""Kinds of phrases whose words may be said alone: who says "on Christmas night" has said "Christmas"."""
_YEARS = range(1900, 2200)
"""Of days: others stand for "never", and there may be none before or after them."""
_MANY = 40
"""Numbers and codes that are read of one text: more are no talk, and take their time."""
_PAST = timedelta(days=180)
"""How long ago a day may be that is said without its year."""


def forms(value: Any, language: str, today: date | None = None) -> frozenset[Sequence]:
    """The ways in which a value may be said.

    Args:
        value: what a slot holds: a text such as ``2026-05-31 14:45``, ``41.20 EUR``, ``50 %``, ``90 min``,
            ``TK-777`` or ``Dr Ansel``, a number, or a date. None and booleans say no fact.
        language: a code that :func:`spoken_languages` names.
        today: from which "tomorrow" counts; without it, such words are said only where the value has them itself.

    Returns:
        Sequences of words: in lower case, without accents, digits apart from letters, and without the language's
        glue (articles, "and", currencies); a ``…`` among them is any words or none. A code has too many to list,
        but for one of up to four letters and digits.

    Raises:
        ConfigurationError: the package has no ``spoken.yml`` for the language.
    """
    text = as_text(value)
    short = (code for code in codes(text) if len(code) <= 4)
    return text_forms(text, language, today) | {form for code in short for form in spellings(code, language)}


def as_text(value: Any) -> str:
    """A slot's value as text; nothing for None and booleans."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, (date, datetime)):
        return value.isoformat().replace("T", " ")
    if isinstance(value, Mapping):
        return ", ".join(as_text(one) for one in value.values())
    if isinstance(value, (list, tuple, set)):
        return ", ".join(as_text(one) for one in value)
    return str(value)


def codes(text: str) -> frozenset[str]:
    """What of a text may be said character by character; dates, times and amounts may not."""
    for pattern in (DATE, OTHER_DATE, TIME, _DECIMAL):
        text = pattern.sub(" , ", text)
    return frozenset(code for found in islice(_CODE.finditer(text), _MANY) for code in codes_in(found.group()))


def text_forms(text: str, language: str, today: date | None) -> frozenset[Sequence]:
    """As :func:`forms`, of a text, without its codes."""
    found: set[Sequence] = set()
    text = _LISTED.sub(", ", text)
    for pattern, read in ((DATE, _date), (OTHER_DATE, _date), (_HOURS, _hours), (TIME, _time)):
        rest = text
        for match in pattern.finditer(text):
            read_forms = read(match, language, today)
            if read_forms:
                found |= read_forms
                rest = rest[: match.start()] + "," * len(match.group()) + rest[match.end() :]
        text = rest
    for match in islice(_SHORT_DATE.finditer(text), _MANY):
        found |= _day(int(match["m"] or match["mm"]), int(match["d"]), language, today)
    for match in islice(NUMBER.finditer(text), _MANY):
        found |= _number(match, language)
    if sequence(text) in {sequence(phrase) for phrase in spoken(language).none}:
        found |= decimal_forms(Decimal(0), language)
    return frozenset(found | _words(text, language, today))


def _date(match: re.Match[str], language: str, today: date | None) -> frozenset[Sequence]:
    day = read_date(match)
    if day:
        return date_forms(day, language, today)
    if not match["d"]:
        names = months(language)[int(match["m"]) - 1]
        years = year(int(match["y"]), language)
        return names | years | {name + said_year for name in names for said_year in years}
    return frozenset()  # there is no such day: it is a number


def read_date(match: re.Match[str]) -> date | None:
    """The day that a match of ``DATE`` or ``OTHER_DATE`` writes; None where there is no such day near our time."""
    of_year, month, day = (int(match[part] or 0) for part in "ymd")
    try:
        found = date(of_year + (2000 if of_year < 100 else 0), month, day)
    except ValueError:
        return None
    return found if found.year in _YEARS else None


def _time(match: re.Match[str], language: str, today: date | None) -> frozenset[Sequence]:
    hour, minute = int(match["h"]), int(match["m"] or match["mm"] or 0)
    if match["part"]:
        hour = hour % 12 + (12 if match["part"].lower() == "p" else 0)
    found = time_forms(hour, minute, language)
    if match["length"] or match["hours"]:
        found |= duration_forms(Decimal(hour * 60 + minute), "minute", language)
    return found


def _hours(match: re.Match[str], language: str, today: date | None) -> frozenset[Sequence]:
    after = match.string[match.end() :]
    if unit_after(after, language) or sequence(after, joints(language))[:1] in _months(language):
        return frozenset()  # "3 to 5 weeks", "3 to 5 June"
    return time_forms(int(match[1]), 0, language) | time_forms(int(match[2]), 0, language)


def _number(match: re.Match[str], language: str) -> frozenset[Sequence]:
    digits, text = match.group(), match.string
    plain = frozenset({(digits,), tuple(re.findall(r"\d+", digits))})
    number = read_number(digits)
    if number >= LARGEST:
        return plain
    found = plain | decimal_forms(number, language) | _length(number, text[match.end() :], language)
    if PERCENT.match(text, match.end()):
        found |= said(language, spoken(language).fractions.get(int(number), ()))
    before = sequence(text[: match.start()])
    if 12 < number < 24 and before and before[-1] in joints(language):  # "dopo le 19"
        found |= time_forms(int(number), 0, language)
    return found


def read_number(digits: str) -> Decimal:
    """The number that digits write, with a point or a comma, in groups or not."""
    return Decimal(_GROUPS.sub("", digits).replace(",", ".")).normalize()


def _length(number: Decimal, after: str, language: str) -> frozenset[Sequence]:
    unit = unit_after(after, language)
    return duration_forms(number, unit, language) if unit else frozenset()


def unit_after(text: str, language: str) -> str | None:
    """The unit of time that a text begins with."""
    return next((unit for unit, pattern in _units(language) if pattern.match(text)), None)


@cache
def _months(language: str) -> frozenset[Sequence]:
    return frozenset().union(*months(language))


@cache
def _units(language: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    names = spoken(language).units.items()
    return tuple(
        (unit, re.compile(rf"[\s-]?(?:{'|'.join(map(re.escape, texts))})\b", re.I)) for unit, texts in names
    )


def _words(text: str, language: str, today: date | None) -> set[Sequence]:
    """The forms of what words say, and the words themselves."""
    words = read_words(text, joints(language), links(language))
    plain = [word.text for word in words]
    found: set[Sequence] = {(word,) for word in plain if word.isalpha()}
    readings = lexicon(language).read(words)
    for reading in readings:
        if not _NAMED & {value.kind for value in reading.values}:
            found -= {(word,) for word in plain[reading.start : reading.end]}
    for reading in readings:
        found |= _days_before(words, reading, language, today)
        found.add(tuple(plain[reading.start : reading.end]))
        after = text[words[reading.end - 1].end :]
        for value in reading.values:
            found |= value_forms(value, language, today)
            if value.kind == "number":
                found |= _length(Decimal(value.amount), after, language)
                if 12 < value.amount < 24 and words[reading.start].apart:  # "for the twenty-one"
                    found |= time_forms(value.amount, 0, language)
    return found


def _days_before(words: list[Word], reading: Reading, language: str, today: date | None) -> frozenset[Sequence]:
    """Days that stand before a day, and share its month with it: "25 and 26 December"."""
    found: frozenset[Sequence] = frozenset()
    for kind, amount in reading.values:
        month, at = amount // 100, reading.start - 1
        while kind == "day" and at >= 0 and (day := words[at].text).isdigit() and _is_day(month, int(day)):
            found |= _day(month, int(day), language, today)
            at -= 1
    return found


def _is_day(month: int, day: int) -> bool:
    return 0 < day <= calendar.monthrange(LEAP_YEAR, month)[1]


@lru_cache(maxsize=2048)
def value_forms(value: Value, language: str, today: date | None) -> frozenset[Sequence]:
    """The ways in which the value of a phrase may be said."""
    kind, amount = value
    if kind == "number":
        return decimal_forms(Decimal(amount), language)
    if kind == "share":
        return decimal_forms(Decimal(amount), language) | said(language, spoken(language).fractions[amount])
    if kind == "time":
        return time_forms(*divmod(amount, 60), language)
    if kind == "duration":
        return duration_forms(Decimal(amount), "minute", language)
    if kind == "months":
        return duration_forms(Decimal(amount), "month", language)
    if kind == "month":
        return months(language)[amount - 1]
    if kind == "month_end":
        return month_end_forms(language)
    if kind == "weekday":
        return weekdays(language)[amount]
    if kind == "week":
        return frozenset(said(language, spoken(language).next_week))
    if kind == "relative":
        near = date_forms(today + timedelta(amount), language, today) if today else frozenset()
        return relative_forms(amount, language) | near
    return _feast(amount, language, today) if kind == "feast" else _day(*divmod(amount, 100), language, today)


def _feast(days: int, language: str, today: date | None) -> frozenset[Sequence]:
    names = spoken(language).feasts
    key = "easter" if not days else f"easter{days:+}"
    found = frozenset(said(language, names[key]))
    if today is None:
        return found
    this = easter(today.year) + timedelta(days)
    next_one = this if this >= today - _PAST else easter(today.year + 1) + timedelta(days)
    return found | date_forms(next_one, language, today)


def _day(month: int, day: int, language: str, today: date | None) -> frozenset[Sequence]:
    """A day without its year: that of the next half year or the last."""
    found = day_forms(month, day, language) | months(language)[month - 1]
    if today is None:
        return found | feast_forms(date(LEAP_YEAR, month, day), language) | _end(month, day, language)
    past = today - _PAST
    of_year = past.year if (month, day) >= (past.month, past.day) else past.year + 1
    try:
        return found | date_forms(date(of_year, month, day), language, today)
    except ValueError:  # the 29th of February
        return found


def _end(month: int, day: int, language: str) -> frozenset[Sequence]:
    last = calendar.monthrange(LEAP_YEAR, month)[1]
    return month_end_forms(language) if day == last else frozenset()
