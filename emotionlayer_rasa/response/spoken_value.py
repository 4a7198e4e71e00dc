"""A slot's value as a language writes it: dates, times and amounts by Babel, everything else as it is."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from babel.dates import format_skeleton, format_time
from babel.numbers import format_currency, is_currency

from emotionlayer_rasa.response.said.spoken import spoken

_MOMENT = re.compile(
    r"(?<![\w-])(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?(?![\w-])"
)
_NUMBER = r"\d+(?:[.,]\d\d?)?"
_AMOUNT = re.compile(rf"(?<![\w.,])({_NUMBER}) ?([A-Z]{{3}})(?!\w)|(?<!\w)([A-Z]{{3}}) ?({_NUMBER})(?![\w.,]\d)")


def spoken_value(value: str, language: str, today: date | None = None) -> str:
    """A value as it is said.

    Args:
        value: such as ``2026-05-31 14:45`` or ``41.20 EUR``; anything else in it is left alone.
        language: a code.
        today: a date in its year is said without the year; None takes the day of the call.

    Example:
        >>> spoken_value("2026-05-31, 41.20 EUR", "de", date(2026, 5, 1))
        '31. Mai, 41,20 €'
    """
    locale = spoken(language).locale
    year = (today or date.today()).year

    def moment(match: re.Match[str]) -> str:
        try:
            day = date.fromisoformat(match[1])
            clock = datetime.strptime(match[2], "%H:%M").time() if match[2] else None
        except ValueError:  # there is no such day: a number
            return match.group()
        said = format_skeleton("MMMMd" if day.year == year else "yMMMMd", day, locale=locale)
        return f"{said}, {format_time(clock, 'short', locale=locale)}" if clock else said

    def amount(match: re.Match[str]) -> str:
        number, currency = match[1] or match[4], match[2] or match[3]
        if not is_currency(currency):
            return match.group()
        return format_currency(Decimal(number.replace(",", ".")), currency, locale=locale)

    return " ".join(_AMOUNT.sub(amount, _MOMENT.sub(moment, value)).split())
