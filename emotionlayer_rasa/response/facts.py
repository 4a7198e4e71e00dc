"""Numbers, amounts, codes and dates that a reply states, and those that slots hold, in whatever form.

``49.90`` backs ``49,90 €``, ``2026-05-12`` backs ``Tuesday, 12 May``, ``3`` backs ``three days``, ``14:30`` backs
``half past two``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Iterable, Iterator, Mapping, Sequence

from pydantic import PrivateAttr

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import fold
from emotionlayer_rasa.response.clock import ClockWords, SpokenTime, times_in_digits
from emotionlayer_rasa.settings import Settings

_TOKEN = re.compile(r"\d+[a-z]{0,2}(?![\w])(?:[.,:/-]\d+)*|[a-z]*\d[\w]*(?:[.,:/-]\w+)*|[^\W\d_]+|[€$£¥%]")
_HARMLESS = re.compile(r"\b24 ?/ ?7\b|\b(?:112|113|115|118|911|999|988)\b(?!\W\d)")
"""Round the clock, and emergency numbers."""
_AM_PM = re.compile(r"\b(\d{1,2})(?:[:.](\d\d))? ?([ap])\.?m\b\.?")
_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_OTHER_DATE = re.compile(r"(?<!\d)(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th|am|pm)")
_DIGIT_GROUPS = re.compile(r"\d[\d ./-]*\d")
_COMMA = re.compile(r",(?!\d)")
_CURRENCY = "€$£¥%"
_MAX_LENGTH = 50
"""Letters of the longest number word, and digits of the longest number; what is longer is no number."""
_SPELLED, _SPELLED_DIGITS = 3, 4
"""Numbers in a row, and digits in all, from which somebody spells a number."""
_COUNT = r"(?P<n>\d+(?:\.\d+)?)"
_DURATION = 6
"""Words that a length of time takes at most."""
_COUNTED = 2
"""Words of a number, or an article, and its unit; a length of time in more words holds no number to be checked."""
_HOURS = re.compile(r"(?<![\d.,/-])([01]?\d|2[0-4])\s?[-–]\s?([01]?\d|2[0-4])(?![\d.,/-])")
_ABBREVIATED = 3
"""Letters of a weekday's shortest abbreviation."""
_REACH = 2
"""Words between a number and what it counts ("three to five working days")."""


class FactWords(Settings):
    """The words of a language for numbers and dates.

    Attributes:
        numbers: word to value, such as ``twenty: 20``; ordinals too. Composed ones are put together from these.
        months, weekdays: from January and from Monday.
        ambiguous: months that are common words as well, and count only beside a number or a preposition; number
            words that are, and count only where a unit or a label says so.
        definite: words after which a number up to twelve counts what is known already ("the three of them").
        month_prepositions: those.
        units: what a counted thing must be for a number word to be a fact.
        harmless_units: what may be counted in digits without a slot.
        occasions: units of what the caller has been through ("four calls"), which may always be said again.
        labels: words in front of a number word that make it a fact, such as ``platform``.
        joints: words that may stand between a number and its unit, or between the parts of a number.
        code_joints: words that may stand within a code that is spelled ("slash").
        clock: how a time is said, to the minutes that it adds to the hour: a number, ``+`` for those named, or
            ``-`` for those named to be taken off. ``<h>`` and ``<m>`` stand for hour and minutes in digits.
        clock_openers: words after which an hour alone, or two numbers, are a time ("at nine thirty").
        clock_names: words that are a time ("noon"), to that time.
        again: words by which a caller says that something happened twice.
        clock_ranges: words between the two ends of a stretch of time ("nine to six").
        day_parts: words after a time, to ``am``, ``pm`` or ``any``.
        durations: how a length of time is said, to its minutes ("half an hour"); with ``<n>`` for a number, to the
            minutes of one.
    """

    numbers: Mapping[str, int]
    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    ambiguous: tuple[str, ...] = ()
    month_prepositions: tuple[str, ...] = ()
    definite: tuple[str, ...] = ()
    units: tuple[str, ...]
    harmless_units: tuple[str, ...]
    occasions: tuple[str, ...]
    labels: tuple[str, ...]
    joints: tuple[str, ...]
    code_joints: tuple[str, ...] = ()
    clock: Mapping[str, str]
    clock_openers: tuple[str, ...]
    clock_names: Mapping[str, str]
    again: tuple[str, ...] = ()
    clock_ranges: tuple[str, ...] = ()
    day_parts: Mapping[str, str]
    durations: Mapping[str, int] = {}
    _clock_words: ClockWords = PrivateAttr()
    _durations: list[tuple[re.Pattern[str], int]] = PrivateAttr()

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._clock_words = ClockWords(
            self.clock, self.clock_openers, self.clock_names, self.day_parts, self.clock_ranges
        )
        try:
            self._durations = [
                (re.compile(rf"(?:{said.replace('<n>', _COUNT)})(?!\S)"), minutes)
                for said, minutes in self.durations.items()
            ]
        except re.error as error:
            raise ConfigurationError(f"fact_words.durations is no regular expression: {error}.") from None

    @property
    def lengths(self) -> list[tuple[re.Pattern[str], int]]:
        """``durations``, compiled."""
        return self._durations

    @property
    def clock_words(self) -> ClockWords:
        """``clock`` and what belongs to it, compiled."""
        return self._clock_words


@dataclass(frozen=True)
class Fact:
    """One number, code, month or weekday of a text.

    Attributes:
        kind: ``amount`` (of money, time or things), ``number`` in digits, ``word`` for a number in words,
            ``code`` or ``date``.
        forms: normal forms, any of which backs it.
    """

    kind: str
    forms: frozenset[str]


def stated_facts(text: str, words: FactWords) -> list[Fact]:
    """The facts that a sentence of a reply states; harmless numbers ("two options", "24/7") are left out."""
    tokens = _tokens(text)
    facts: list[Fact] = []
    for start, end, value in _numbers(tokens, words):
        if _is_fact(tokens, start, end, value, words):
            facts.append(Fact(_kind(tokens, start, end, words), _digit_forms(tokens[start]) or _forms(value)))
    for time in _times(tokens, words):
        if time.certain:
            facts.append(Fact("date", frozenset(_time_forms(time.times))))
    for start, end, form in _lengths(tokens, words):
        if end - start > _COUNTED:
            facts.append(Fact("amount", frozenset([form])))
    for position, token in enumerate(tokens):
        if (moment := _moment(token)) is not None:
            facts.append(Fact("date", moment))
        elif any(char.isdigit() for char in token) and _plain_number(token) is None:
            facts.append(Fact("code", frozenset([_code(token)])))
        elif token in words.weekdays:
            facts.append(Fact("date", frozenset([f"weekday {words.weekdays.index(token) % 7}"])))
        elif token in words.months and _is_month(tokens, position, words):
            facts.append(Fact("date", frozenset([f"month {words.months.index(token) % 12 + 1}"])))
        elif token in _CURRENCY and not _number_beside(tokens, position):
            facts.append(Fact("number", frozenset([token])))
    return facts


def without_times(text: str, backing: set[str], words: FactWords) -> str:
    """The text in plain lower case without the times and lengths of time that ``backing`` holds."""
    kept = _lowered(text)
    spans = list(_TOKEN.finditer(kept))
    tokens = [span.group() for span in spans]
    held = [
        (first.start, first.end)
        for first, last in _ranges(tokens, words)
        if _time_forms(first.times) & backing and _time_forms(last.times) & backing
    ]
    held += [(time.start, time.end) for time in _times(tokens, words) if _time_forms(time.times) & backing]
    held += [(start, end) for start, end, form in _lengths(tokens, words) if form in backing]
    for start, end in held:
        first, last = spans[start].start(), spans[end - 1].end()
        kept = kept[:first] + " " * (last - first) + kept[last:]
    return kept


def stated_times(text: str, words: FactWords) -> set[str]:
    """The times of day that a text says or writes, as normal forms."""
    return {form for time in _times(_tokens(text), words) for form in _time_forms(time.times)}


def stated_lengths(text: str, words: FactWords) -> set[str]:
    """The lengths of time that a text says, as normal forms."""
    return {form for _, _, form in _lengths(_tokens(text), words)}


def spoken_together(text: str, words: FactWords) -> set[str]:
    """Numbers said digit by digit or in groups, joined: ``ten forty two`` and ``1 0 4 2`` give ``1042``."""
    return {"".join(run) for run in _number_runs(text, words)}


def spelled_numbers(text: str, words: FactWords) -> set[str]:
    """Numbers of four digits and more that are said digit by digit, such as telephone numbers."""
    spelled = ("".join(run) for run in _number_runs(text, words) if len(run) >= _SPELLED)
    return {number for number in spelled if len(number) >= _SPELLED_DIGITS}


def spelled_codes(text: str, words: FactWords) -> set[str]:
    """Codes said as letters and digits: ``K seven P two X`` gives ``k7p2x``."""
    tokens = _tokens(re.sub("['’]", "", text))  # an elided letter spells nothing
    numbers = {start: (end, f"{value:g}") for start, end, value in _numbers(tokens, words)}
    runs: list[list[str]] = [[]]
    position = 0
    while position < len(tokens):
        token = tokens[position]
        position, number = numbers.get(position, (position + 1, ""))
        if number or (len(token) == 1 and token.isalpha() and token not in words.joints):
            runs[-1].append(number or token)
        elif token not in words.code_joints:
            runs.append([])
    return {
        "".join(run)
        for run in runs
        if len(run) >= _SPELLED_DIGITS and any(map(str.isalpha, run)) and sum(map(str.isdigit, run)) > 1
    }


def numbers_in(text: str, words: FactWords) -> list[tuple[int, int, float]]:
    """Start, end (as positions of tokens) and value of each number of a text, in digits or words."""
    return list(_numbers(_tokens(text), words))


def _number_runs(text: str, words: FactWords) -> list[list[str]]:
    """Numbers that follow each other, each as its digits; a comma parts them ("eight hundred, five five five")."""
    runs: list[list[str]] = [[]]
    for piece in _COMMA.split(text):
        tokens = _tokens(piece)
        last = 0
        for start, end, value in _numbers(tokens, words):
            if start != last:
                runs.append([])
            runs[-1].append(f"{value:g}")
            last = end
        if last != len(tokens):
            runs.append([])
    return [run for run in runs if len(run) > 1]


def backing_forms(texts: Sequence[str], words: FactWords) -> set[str]:
    """Normal forms of all that the texts hold, each in every way it may be said."""
    forms: set[str] = set()
    for text in texts:
        tokens = _tokens(text)
        forms |= {re.sub(r"\D", "", found) for found in _DIGIT_GROUPS.findall(text)} | spoken_together(text, words)
        for start, _, value in _numbers(tokens, words):
            forms |= _digit_forms(tokens[start]) or _forms(value)
        for position, token in enumerate(tokens):
            forms.add(_code(token))
            if (moment := _moment(token)) is not None:
                forms |= moment
            if (weekday := _weekday(token, words)) is not None:
                forms.add(f"weekday {weekday}")
            if token in words.months:
                forms |= _month_forms(tokens, position, words)
        for found in _ISO_DATE.finditer(text):
            forms |= _date_forms(*map(int, found.groups()))
        for found in _OTHER_DATE.finditer(text):
            day, month, year = map(int, found.groups())
            forms |= _date_forms(year, month, day) | _date_forms(year, day, month)
        forms |= _time_forms(times_in_digits(text))
        for time in _times(tokens, words):
            forms |= _time_forms(time.times)
        for hours in (
            tokens,
            _tokens(_HOURS.sub(rf"\1 {words.clock_ranges[0]} \2", text)) if words.clock_ranges else [],
        ):
            for ends in _ranges(hours, words):
                forms.update(*(_time_forms(end.times) for end in ends))
        forms |= {form for _, _, form in _lengths(tokens, words)}
        for found in _NUMBER.finditer(text):
            *whole, cents = re.split("[.,]", found.group()[:_MAX_LENGTH])
            if whole and len(cents) <= 2:  # "49 euros and 90 cents", "one thousand two hundred and four euros ten"
                forms |= {str(int("".join(whole))), str(int(cents.ljust(2, "0")))}
            forms |= _digit_forms(found.group())
    return forms


def _lowered(text: str) -> str:
    """Lower case without accents; ``2.30pm`` and ``2 p.m.`` are ``2:30 pm`` and ``2 pm``."""
    text = _HARMLESS.sub(" ", fold(text))
    return _AM_PM.sub(lambda found: f"{found[1]}{':' + found[2] if found[2] else ''} {found[3]}m", text)


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(_lowered(text))


def _numbers(tokens: Sequence[str], words: FactWords) -> Iterator[tuple[int, int, float]]:
    """Start, end and value of each number, in digits or words; words that make up one number count as one."""
    position = 0
    while position < len(tokens):
        digits = _plain_number(tokens[position])
        if digits is not None:
            yield position, position + 1, digits
            position += 1
            continue
        value = number_word(tokens[position], words.numbers)
        if value is None:
            position += 1
            continue
        start, total, position = position, 0, position + 1
        while position < len(tokens):
            ahead = position + 1 if tokens[position] in words.joints and value >= 100 else position
            more = number_word(tokens[ahead], words.numbers) if ahead < len(tokens) else None
            if more is None:
                break
            if more in (100, 1000, 1_000_000) and value < more:
                value *= more
            elif value >= 1000 and more < 1000:
                total, value = total + value, more
            elif (value % 100 == 0 and value and more < 100) or (
                20 <= value % 100 < 100 > value % 10 == 0 < more < 10
            ):
                value += more
            else:
                break
            position = ahead + 1
        yield start, position, total + value


def number_word(word: str, numbers: Mapping[str, int]) -> int | None:
    """The value of a number word, also of one that is put together ("venticinque", "duecento"); else None."""
    if word in numbers or len(word) > _MAX_LENGTH:
        return numbers.get(word)
    for tens, value in numbers.items():
        if 20 <= value < 100 and value % 10 == 0:
            for stem in (tens, tens[:-1]):
                unit = numbers.get(word[len(stem) :], 0) if word.startswith(stem) and len(word) > len(stem) else 0
                if 0 < unit < 10:
                    return value + unit
    for name, value in numbers.items():
        if value in (100, 1000) and name in word:
            left, _, right = word.partition(name)
            many = numbers.get(left) if left else 1
            rest = number_word(right, numbers) if right else 0
            if many and rest is not None and many < value:
                return many * value + rest
    return None


def _plain_number(token: str) -> float | None:
    """The value of digits that are neither a date, a time nor a code; thousands in groups are one number."""
    if found := _ORDINAL.fullmatch(token[:_MAX_LENGTH]):
        return float(found[1])
    if not _NUMBER.fullmatch(token) or _OTHER_DATE.fullmatch(token):
        return None
    forms = _digit_forms(token)
    return max(map(float, forms)) if forms else None


def _digit_forms(token: str) -> frozenset[str]:
    """``1.250,40`` is 1250.4; ``1.250`` may be 1250 or 1.25."""
    if found := _ORDINAL.fullmatch(token[:_MAX_LENGTH]):
        return _forms(int(found[1]))
    if not _NUMBER.fullmatch(token) or len(token) > _MAX_LENGTH:
        return frozenset()
    groups = re.split("[.,]", token)
    whole = all(len(group) == 3 for group in groups[1:])
    forms = _forms(int("".join(groups))) if whole else frozenset()
    if len(groups) == 2 or not whole:
        forms |= _forms(float(f"{''.join(groups[:-1])}.{groups[-1]}"))
    return forms


def _forms(value: float) -> frozenset[str]:
    return frozenset([str(int(value)) if value == int(value) else f"{value:.10g}"])


def _moment(token: str) -> frozenset[str] | None:
    """Normal forms of a date or a time in digits."""
    if found := _ISO_DATE.fullmatch(token):
        return frozenset(["{}-{}-{}".format(*map(int, found.groups()))])
    if found := _OTHER_DATE.fullmatch(token):
        day, month, year = map(int, found.groups())
        year += 2000 if year < 100 else 0
        return frozenset([f"{year}-{month}-{day}", f"{year}-{day}-{month}"])
    if ":" in token and (times := times_in_digits(token)):
        return frozenset(_time_forms(times))
    return None


def _date_forms(year: int, month: int, day: int) -> set[str]:
    year += 2000 if year < 100 else 0
    try:
        weekday = date(year, month, day).weekday()
    except ValueError:
        return set()
    return {f"{year}-{month}-{day}", f"weekday {weekday}", f"month {month}", str(day), str(month), str(year)}


def _time_forms(times: Iterable[str]) -> set[str]:
    return {f"time {time}" for time in times}


def _in_digits(tokens: Sequence[str], words: FactWords) -> tuple[list[str], list[int], list[int]]:
    """The tokens with their numbers in digits, and where each begins and ends among the tokens."""
    clock = words.clock_words
    written: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for start, end, value in [*_numbers(tokens, words), (len(tokens), len(tokens), 0.0)]:
        for at in range(position, start):
            written.append(tokens[at])
            starts.append(at)
            ends.append(at + 1)
        if end > start:
            literal = end == start + 1 and tokens[start] in clock.words
            written.append(tokens[start] if literal else f"{value:g}")
            starts.append(start)
            ends.append(end)
        position = end
    return written, starts, ends


def _times(tokens: Sequence[str], words: FactWords) -> list[SpokenTime]:
    """The times among tokens, as positions of tokens."""
    written, starts, ends = _in_digits(tokens, words)
    return [
        SpokenTime(starts[time.start], ends[time.end - 1], time.times, time.certain)
        for time in words.clock_words.times(written)
    ]


def _ranges(tokens: Sequence[str], words: FactWords) -> list[tuple[SpokenTime, SpokenTime]]:
    """Both ends of each stretch of time among tokens, as positions of tokens."""
    written, starts, ends = _in_digits(tokens, words)
    return [
        (
            SpokenTime(starts[first.start], ends[first.end - 1], first.times, False),
            SpokenTime(starts[last.start], ends[last.end - 1], last.times, False),
        )
        for first, last in words.clock_words.ranges(written)
    ]


def _lengths(tokens: Sequence[str], words: FactWords) -> list[tuple[int, int, str]]:
    """Start, end and normal form of each length of time: ``half an hour`` and ``30 minutes`` are the same."""
    written, starts, ends = _in_digits(tokens, words)
    found: list[tuple[int, int, str]] = []
    position = 0
    while position < len(written):
        ahead = " ".join(written[position : position + _DURATION])
        matches = [(match, minutes) for said, minutes in words.lengths if (match := said.match(ahead))]
        if not matches:
            position += 1
            continue
        match, minutes = max(matches, key=lambda found: len(found[0].group()))
        count = float(match.groupdict().get("n") or 1)
        end = position + len(match.group().split())
        found.append((starts[position], ends[end - 1], f"minutes {count * minutes:g}"))
        position = end
    return found


def _weekday(token: str, words: FactWords) -> int | None:
    """The weekday, 0..6, that a slot names in full, in the plural or abbreviated ("Tuesdays", "Thurs", "mar")."""
    name = token.removesuffix("s") if token not in words.weekdays else token
    names = [day for day in words.weekdays if len(name) >= _ABBREVIATED and day.startswith(name)]
    return words.weekdays.index(names[0]) if names else None


def _month_forms(tokens: Sequence[str], position: int, words: FactWords) -> set[str]:
    month = words.months.index(tokens[position]) % 12 + 1
    forms = {f"month {month}", str(month)}
    near = tokens[max(0, position - 3) : position + 3]
    numbers = [int(value) for _, _, value in _numbers(near, words)]
    for day in (number for number in numbers if 1 <= number <= 31):
        for year in (number for number in numbers if number > 1900):
            forms |= _date_forms(year, month, day)
    return forms


def _code(token: str) -> str:
    return "code " + re.sub(r"\W", "", token)


def _is_fact(tokens: Sequence[str], start: int, end: int, value: float, words: FactWords) -> bool:
    after = [token for token in tokens[end : end + _REACH + 2] if token not in words.joints][: _REACH + 1]
    before = tokens[max(0, start - _REACH - 1) : start]
    counted = any(token in words.units or token in _CURRENCY for token in after)
    dated = any(token in words.months or token in words.weekdays for token in (*after[:2], *before[-2:]))
    labelled = any(token in words.labels for token in before) or any(token in _CURRENCY for token in before[-1:])
    if value == 1 and not tokens[start][0].isdigit() and not (after and after[0] in words.months):
        return False  # "look at one question", "look at it first"
    if counted or dated or labelled:
        return value != 1 or tokens[start][0].isdigit() or dated or labelled
    if tokens[start][0].isdigit():
        return not (value <= 10 and any(token in words.harmless_units for token in after))
    if 2 < value <= 12:  # "the three of them", "chi sei", "four breaths"
        known = tokens[start] in words.ambiguous or any(token in words.definite for token in before[-1:])
        return not known and not any(token in words.harmless_units for token in after)
    return value > 12 and value not in (100, 1000, 1_000_000)


def _kind(tokens: Sequence[str], start: int, end: int, words: FactWords) -> str:
    if any(token in words.occasions for token in tokens[end : end + 1]):
        return "number"
    if any(
        token in words.units or token in _CURRENCY
        for token in (*tokens[end : end + _REACH], *tokens[start - 1 : start])
    ):
        return "amount"
    labelled = any(
        token in words.labels and token not in words.clock_openers
        for token in tokens[max(0, start - _REACH) : start]
    )
    return "number" if labelled or tokens[start][0].isdigit() else "word"


def _is_month(tokens: Sequence[str], position: int, words: FactWords) -> bool:
    if tokens[position] not in words.ambiguous:
        return True
    near = tokens[max(0, position - 2) : position + 2]
    return any(_plain_number(token) is not None or number_word(token, words.numbers) for token in near) or (
        position > 0 and tokens[position - 1] in words.month_prepositions
    )


def _number_beside(tokens: Sequence[str], position: int) -> bool:
    near = tokens[max(0, position - 1) : position + 2]
    return any(_plain_number(token) is not None for token in near)
