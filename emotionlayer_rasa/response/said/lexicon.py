"""What a language's phrases say: the forms of every small number, day, time and share, turned round."""

from __future__ import annotations

import calendar
from functools import cache
from typing import Iterable, Iterator, NamedTuple

from emotionlayer_rasa.response.said.clock import phrases
from emotionlayer_rasa.response.said.dates import LEAP_YEAR, day_forms, month_end_forms
from emotionlayer_rasa.response.said.numerals import number_words, ordinal, spelt
from emotionlayer_rasa.response.said.spoken import fill, months, said, spoken, weekdays
from emotionlayer_rasa.response.said.words import Sequence, Word

_THOUSAND = 1000
_ORDINALS = 100
_OFTEN = 13
_CLOCK_STEP = 5
_COMPOSED = ("time", "day")
_HOUR, _DAY, _WEEK = 60, 24 * 60, 7 * 24 * 60
_LENGTHS = (
    ("hour", True, "duration", _HOUR),
    ("week", True, "duration", _WEEK),
    ("month", True, "months", 1),
    ("year", True, "months", 12),
    ("day", False, "duration", _DAY // 2),
    ("week", False, "duration", _WEEK // 2),
    ("year", False, "months", 6),
)
"""Units of time, whether a whole or a half one is a fact, and how many minutes or months; "one day" is none."""


class Value(NamedTuple):
    """A value that a phrase says.

    Attributes:
        kind: ``number`` (itself), ``time`` (minutes of the day), ``duration`` (minutes), ``months``
            (how many), ``day`` (its month times 100, and the day), ``feast`` (days from Easter), ``month``
            (from 1), ``month_end`` (0: of none named), ``weekday`` (from 0, Monday), ``relative`` (days from
            today), ``week`` (1: the next) or ``share`` (percent).
        amount: its size.
    """

    kind: str
    amount: int


class Reading(NamedTuple):
    """A phrase among words, ``words[start:end]``, and the values that it may say."""

    start: int
    end: int
    values: tuple[Value, ...]


class Lexicon:
    """The phrases of one language that say a value.

    Args:
        language: a code.
    """

    def __init__(self, language: str) -> None:
        self._numbers = {form: number for number in range(_THOUSAND) for form in spelt(number, language)}
        self._numerals = number_words(language)
        places = {
            word for number in range(1, _ORDINALS + 1) for form in ordinal(number, language) for word in form
        }
        collected: dict[Sequence, list[Value]] = {}
        for forms, value in _universe(language):
            for form in forms:
                # Two numbers may be a time, a date, or just two numbers; "dez" is ten, and short for December.
                if value.kind not in _COMPOSED or not (self._counts(form) or self._numerals | places >= set(form)):
                    collected.setdefault(form, []).append(value)
        self._phrases = {form: tuple(values) for form, values in collected.items()}
        self._thousands = _thousands(language)
        self._longest = max(map(len, self._phrases))
        self._first = {form[0] for form in self._phrases}

    def read(self, words: list[Word]) -> list[Reading]:
        """The longest phrases among words, from left to right; none reaches over a comma.

        Args:
            words: without glue.
        """
        found = []
        position = 0
        while position < len(words):
            reading = self._thousand(words, position) or self._phrase(words, position)
            if reading:
                found.append(reading)
            position = reading.end if reading else position + 1
        return found

    def _phrase(self, words: list[Word], start: int) -> Reading | None:
        if words[start].text in self._first:
            for end in range(self._reach(words, start), start, -1):
                phrase = _phrase(words, start, end)
                values = self._phrases.get(phrase)
                if values is not None and not (self._counts(phrase) and _parted(words, start, end)):
                    return Reading(start, end, values)
        return None

    def _reach(self, words: list[Word], start: int) -> int:
        """Where a phrase must have ended."""
        last = min(len(words), start + self._longest)
        return next((at for at in range(start + 1, last) if words[at].comma), last)

    def _counts(self, phrase: Sequence) -> bool:
        return all(word in self._numerals or word.isdigit() for word in phrase)

    def _thousand(self, words: list[Word], start: int) -> Reading | None:
        """A number from 1,000 to 999,999: thousands and the rest, as words or in one."""
        number = self._one_word(words[start].text)
        if number:
            return Reading(start, start + 1, (Value("number", number),))
        thousands, at = self._number(words, start)
        if at < len(words) and words[at].text in self._thousands and not (words[at].apart or words[at].comma):
            rest, end = self._number(words, at + 1)
            return Reading(start, end, (Value("number", (thousands or 1) * _THOUSAND + rest),))
        return None

    def _one_word(self, word: str) -> int:
        """The thousands that a single word says, as in German; 0 where it does not."""
        for thousand in self._thousands:
            before, found, after = word.partition(thousand)
            if found and before + after and all((part,) in self._numbers for part in (before, after) if part):
                return self._numbers.get((before,), 1) * _THOUSAND + self._numbers.get((after,), 0)
        return 0

    def _number(self, words: list[Word], start: int) -> tuple[int, int]:
        """The number below 1,000 that begins there, and where it ends; 0 where none does."""
        for end in range(self._reach(words, start), start, -1):
            number = self._numbers.get(_phrase(words, start, end))
            if number is not None and not _parted(words, start, end):
                return number, end
        return 0, start


def _phrase(words: list[Word], start: int, end: int) -> Sequence:
    return tuple(word.text for word in words[start:end])


def _parted(words: list[Word], start: int, end: int) -> bool:
    return any(word.apart for word in words[start + 1 : end])


@cache
def lexicon(language: str) -> Lexicon:
    """The phrases of a language; the first call takes some tenths of a second.

    Raises:
        ConfigurationError: as :func:`emotionlayer_rasa.response.said.spoken.spoken`.
    """
    return Lexicon(language)


def _universe(language: str) -> Iterator[tuple[Iterable[Sequence], Value]]:
    words = spoken(language)
    for number in range(_THOUSAND):
        yield spelt(number, language), Value("number", number)
    for number in range(1, _ORDINALS + 1):
        yield ordinal(number, language), Value("number", number)
    for number in range(2, _OFTEN):
        yield fill(language, words.times, n=spelt(number, language)), Value("number", number)
    for number, texts in (*words.counts.items(), *words.queue.items(), (0, words.free), (0, words.zero)):
        yield said(language, texts), Value("number", number)
    for share, texts in words.fractions.items():
        yield said(language, texts), Value("share", share)
    for minutes, texts in words.durations.items():
        yield said(language, texts), Value("duration", minutes)
    for hour in range(13):
        for minute in range(0, 60, _CLOCK_STEP):
            for half_of_day in (0, 12):
                yield phrases(hour, minute, language), Value("time", (hour + half_of_day) % 24 * 60 + minute)
    # After the times: "meio-dia" is noon rather than half a day.
    for unit, is_whole, kind, length in _LENGTHS:
        counted = spelt(1, language) if is_whole else said(language, words.half)
        yield fill(language, ("{n} {u}",), n=counted, u=said(language, words.units[unit])), Value(kind, length)
    for day, names in enumerate(weekdays(language)):
        yield names, Value("weekday", day)
    for month, names in enumerate(months(language), start=1):
        yield names, Value("month", month)
        for day in range(1, calendar.monthrange(LEAP_YEAR, month)[1] + 1):
            yield day_forms(month, day, language), Value("day", month * 100 + day)
    yield month_end_forms(language), Value("month_end", 0)
    for key, texts in words.feasts.items():
        if key.startswith("easter"):
            yield said(language, texts), Value("feast", int(key.removeprefix("easter") or 0))
    yield said(language, words.next_week), Value("week", 1)
    for days, texts in words.relative.items():
        yield said(language, texts), Value("relative", days)


def _thousands(language: str) -> frozenset[str]:
    """The words that make thousands of a number; in some languages parts of words."""
    twos = {form[-1] for form in spelt(2, language)}
    words = {form[-1] for number in (_THOUSAND, 2 * _THOUSAND) for form in spelt(number, language)}
    parts = ({word.removeprefix(two) for two in twos if word.startswith(two)} or {word} for word in words)
    return frozenset(part for of_word in parts for part in of_word if part.isalpha())
