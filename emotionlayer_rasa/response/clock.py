"""Times of day as they are said: ``half past two in the afternoon`` and ``alle due e mezza`` are 14:30."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping, Sequence

from emotionlayer_rasa.errors import ConfigurationError

_DIGITS = re.compile(r"(?<!\d)(\d{1,2})[:.](\d{2})(?::\d{2})?(?!\d)")
_HOUR, _MINUTES = r"(?P<h>[01]?\d|2[0-4])", r"(?P<m>[0-5]?\d)"
_STRETCH = 12
"""Words that a time with its part of the day takes at most."""


@dataclass(frozen=True)
class SpokenTime:
    """A time that a text names.

    Attributes:
        start, end: the words it takes, as positions in the list of words.
        times: what it may mean, ``hour:minutes`` with hours 0..23: half past two is 2:30 and 14:30.
        certain: it can be nothing but a time ("half past two", unlike "ten to twelve").
    """

    start: int
    end: int
    times: frozenset[str]
    certain: bool


class ClockWords:
    """How a language says the time; see :class:`emotionlayer_rasa.response.facts.FactWords`.

    Raises:
        ConfigurationError: an entry of ``clock`` is no regular expression, or one of ``day_parts`` is none of am,
            pm and any.
    """

    def __init__(
        self,
        clock: Mapping[str, str],
        openers: Sequence[str],
        names: Mapping[str, str],
        day_parts: Mapping[str, str],
        ranges: Sequence[str] = (),
    ) -> None:
        if unknown := sorted(set(day_parts.values()) - {"am", "pm", "any"}):
            raise ConfigurationError(f"fact_words.day_parts knows no {', '.join(unknown)} (known: am, pm, any)")
        part = rf"(?: (?P<part>{'|'.join(day_parts)}))"
        self._openers = frozenset(openers)
        self.words = frozenset(re.findall(r"[a-z]+", " ".join(clock)))
        """Words that stand in ``clock`` as they are, though they may be numbers elsewhere ("un quarto")."""
        self._day_parts = [(re.compile(words), meaning) for words, meaning in day_parts.items()]
        shapes = [
            *((rf"{_named(said)}{part}?", minutes) for said, minutes in clock.items()),
            (rf"(?P<clock>\d{{1,2}}:\d\d){part}?", ""),
            *((rf"(?P<name>{name})", time) for name, time in names.items()),
            (rf"{_HOUR} {_MINUTES}{part}", "+"),
            (rf"{_HOUR}{part}", "0"),
        ]
        opened = [(rf"{_HOUR} {_MINUTES}", "+"), (rf"{_HOUR}(?! \d)", "0")]
        end = rf"{_HOUR}(?:[: ]{_MINUTES})?{part}?"
        first, last = (re.sub("P<([a-z]+)>", rf"P<\g<1>{number}>", end) for number in (1, 2))
        try:
            self._range = re.compile(rf"(?:{first} (?:{'|'.join(ranges)}) {last})(?!\S)") if ranges else None
            self._shapes = [(re.compile(rf"(?:{shape})(?!\S)"), minutes) for shape, minutes in shapes]
            self._opened = [(re.compile(rf"(?:{shape})(?!\S)"), minutes) for shape, minutes in opened]
        except re.error as error:
            raise ConfigurationError(f"fact_words.clock is no regular expression: {error}.") from None

    def times(self, words: Sequence[str]) -> list[SpokenTime]:
        """The times among words whose numbers are written in digits, from left to right."""
        found: list[SpokenTime] = []
        position = 0
        while position < len(words):
            time = self._time_at(words, position)
            if time is not None:
                found.append(time)
                position = time.end
            else:
                position += 1
        return found

    def ranges(self, words: Sequence[str]) -> list[tuple[SpokenTime, SpokenTime]]:
        """The stretches of time among words whose numbers are in digits ("1 to 5 in the afternoon"): both ends.

        Both ends have the positions of the whole stretch; a part of the day that only the last one names leaves
        the first one open.
        """
        found: list[tuple[SpokenTime, SpokenTime]] = []
        position = 0
        while self._range is not None and position < len(words):
            match = self._range.match(" ".join(words[position : position + _STRETCH]))
            ends = [self._end(match, number) for number in (1, 2)] if match else []
            length = len(match.group().split()) if match and all(ends) else 0
            if length:
                first, last = (SpokenTime(position, position + length, times, False) for times in ends)
                found.append((first, last))
            position += length or 1
        return found

    def _end(self, match: re.Match[str], number: int) -> frozenset[str]:
        hour, minute = int(match[f"h{number}"]), int(match[f"m{number}"] or 0)
        return (
            frozenset(_times(hour, minute, self._day_part(match[f"part{number}"] or "")))
            if hour <= 24
            else frozenset()
        )

    def _day_part(self, said: str) -> str:
        return next((meaning for words, meaning in self._day_parts if words.fullmatch(said)), "any")

    def _time_at(self, words: Sequence[str], position: int) -> SpokenTime | None:
        ahead = " ".join(words[position : position + _STRETCH])
        opened = position > 0 and words[position - 1] in self._openers
        for shape, minutes in [*self._shapes, *(self._opened if opened else [])]:
            if (match := shape.match(ahead)) and (times := self._meaning(match, minutes)):
                groups = match.groupdict()
                fixed = (shape, minutes) in self._shapes and minutes not in ("+", "-")
                certain = fixed or groups.get("part") is not None
                return SpokenTime(position, position + len(match.group().split()), times, certain)
        return None

    def _meaning(self, match: re.Match[str], minutes: str) -> frozenset[str]:
        groups = match.groupdict()
        if groups.get("name"):
            return frozenset([minutes])
        if groups.get("clock"):
            hour, minute = map(int, groups["clock"].split(":"))
        else:
            named = int(groups.get("m") or 0)
            hour = int(groups.get("h") or 12)  # "<m> past noon" names no hour
            minute = {"+": named, "-": -named}[minutes] if minutes in "+-" else int(minutes)
        if hour > 24 or minute > 59:
            return frozenset()
        return frozenset(_times(hour, minute, self._day_part(groups.get("part") or "")))


def times_in_digits(text: str) -> set[str]:
    """The times that a text holds as ``14:30`` or ``9.15``; hours up to twelve mean both halves of the day."""
    found: set[str] = set()
    for match in _DIGITS.finditer(text):
        hour, minute = int(match[1]), int(match[2])
        if hour <= 24 and minute < 60:
            found |= _times(hour, minute, "any")
    return found


def _named(said: str) -> str:
    return said.replace("<h>", _HOUR).replace("<m>", _MINUTES)


def _times(hour: int, minute: int, part: str) -> set[str]:
    """Both halves of the day unless the hour or the part of the day decides."""
    hours = {hour % 24}
    if 1 <= hour <= 12:
        hours = {"am": {hour % 12}, "pm": {hour % 12 + 12}}.get(part, {hour % 12, hour % 12 + 12})
        if part == "pm" and hour == 12:  # "twelve at night" is midnight
            hours = {0, 12}
    return {f"{(60 * one + minute) // 60 % 24}:{minute % 60:02}" for one in hours}
