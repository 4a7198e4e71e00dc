"""How a language says values: its words in ``languages/<code>/spoken.yml``, those of calendars from Babel."""

from __future__ import annotations

import re
from functools import cache
from typing import AbstractSet, Iterable, Mapping, NamedTuple

from babel import Locale
from babel.numbers import get_currency_name

from emotionlayer_rasa.language import languages, read_file
from emotionlayer_rasa.response.said.words import Sequence, sequence
from emotionlayer_rasa.settings import Settings

FILE = "spoken.yml"
_CURRENCIES = ("EUR", "GBP", "USD", "CHF", "BRL")
GAP = "…"
"""Stands in a form for words that may be anything."""
GAP_WORDS = 5
ANY = "·"
"""Stands in a form for one word that may be anything, such as a unit ("seven gigabytes and a half")."""
_PIECE = re.compile(r"\{(?P<hole>\w+)\}|[^{]+")


class Spoken(Settings):
    """What a language says for values. Phrases have holes (``quarter past {h}``); glue in them counts for nothing.

    Attributes:
        locale: of Babel, for names of months, weekdays and currencies.
        numerals: of CLDR's spelled numbers (``unicode_rbnf``); more than one where countries differ.
        ordinal_days: a day of a month without the month is said as an ordinal only.
        links: words that may stand within a number ("and"); they are glue too.
        glue: words that are passed over wherever a value is said, such as articles.
        money: words of currencies beside those of Babel; they are glue too.
        leading_one: what may be left out before a hundred or a thousand ("[one] hundred").
        hundreds: how numbers from 1,100 to 9,999 are said in hundreds: ``{h}`` of them, ``{r}`` the rest.
        zero: words for the digit 0, beside its name.
        article: words for one thing that are glue ("a month").
        half: words for a half, after a number or before a unit ("three and a half", "half a year").
        counts: further words for whole numbers ("dozen").
        times: how often, as made of a number ("{n} times").
        repeats: how a digit or letter that comes twice or three times is said; ``{x}`` stands for it.
        between: words that may stand between the parts of a code, such as its symbols.
        letter_as: words between a letter and one that begins with it ("as in").
        over, under, about: around a number that is less, more, or either.
        percent: a number of hundredths; fractions: words for some of them.
        free: words for an amount of 0; none: what a value says that is nothing.
        queue: words for a place in a queue; ahead: how many (``{n}``) are before the caller; ``{gap}`` is any
            words or none.
        clock: phrases for minutes, by minute or range of minutes: ``{h}`` the hour, ``{n}`` the next one, ``{m}``
            the minutes, ``{l}`` those left of the hour, ``{a}`` those between it and the half.
        noon, midnight: words for them, also as ``{h}`` and ``{n}``.
        units: words for ``minute``, ``hour``, ``day``, ``week``, ``month`` and ``year``, short ones too.
        durations: phrases for lengths of time, by minutes.
        hour_and_half: a number of hours (``{n}``) and a half.
        date: day (``{d}``) and month; month_end: its last day.
        weekday: what is made of a weekday (``{w}``); weekdays: names beside those of Babel, by day (Monday is 0).
        eve: so many days before a feast (``{f}``); after: the first two days after one.
        feasts: by ``month-day`` or by ``easter`` with a number of days.
        relative: words for days from the day before yesterday (-2) to the day after tomorrow (2); those of today
            are never a fact by themselves.
        next_week: words for it.
        idioms: phrases with number words that say no number.
        sums: words of somebody who wants to reckon; then a number that nothing is counted with states nothing.
        lessons: words of a lesson; then what is said is an example.
        opposites: words for sides, each list against the others of its group.
        ambiguous: words that alone say no fact, but in a longer phrase or before a unit ("may").
        capitals: words that are written large inside a sentence and name nobody.
        nouns_large: the language writes every noun large, so a capital tells nothing.
        titles: words before a name, where capitals tell nothing; they name nobody themselves.
    """

    locale: str
    numerals: tuple[str, ...]
    ordinal_days: bool = False
    links: tuple[str, ...]
    glue: tuple[str, ...]
    money: tuple[str, ...]
    leading_one: str = ""
    hundreds: str = ""
    zero: tuple[str, ...]
    article: tuple[str, ...] = ()
    half: tuple[str, ...]
    counts: Mapping[int, tuple[str, ...]] = {}
    times: tuple[str, ...] = ()
    repeats: Mapping[int, tuple[str, ...]]
    between: tuple[str, ...]
    letter_as: tuple[str, ...]
    over: tuple[str, ...]
    under: tuple[str, ...]
    about: tuple[str, ...]
    percent: tuple[str, ...]
    fractions: Mapping[int, tuple[str, ...]]
    free: tuple[str, ...]
    none: tuple[str, ...]
    queue: Mapping[int, tuple[str, ...]]
    ahead: tuple[str, ...]
    clock: Mapping[str, tuple[str, ...]]
    noon: tuple[str, ...]
    midnight: tuple[str, ...]
    units: Mapping[str, tuple[str, ...]]
    durations: Mapping[int, tuple[str, ...]]
    hour_and_half: tuple[str, ...]
    date: tuple[str, ...]
    month_end: tuple[str, ...]
    weekday: tuple[str, ...] = ("{w}",)
    weekdays: Mapping[int, tuple[str, ...]] = {}
    feasts: Mapping[str, tuple[str, ...]]
    eve: Mapping[int, tuple[str, ...]]
    after: tuple[str, ...]
    relative: Mapping[int, tuple[str, ...]]
    next_week: tuple[str, ...]
    idioms: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    lessons: tuple[str, ...] = ()
    opposites: tuple[tuple[tuple[str, ...], ...], ...] = ()
    ambiguous: tuple[str, ...] = ()
    capitals: tuple[str, ...] = ()
    nouns_large: bool = False
    titles: tuple[str, ...] = ()


@cache
def spoken(language: str) -> Spoken:
    """What a language's file says.

    Raises:
        ConfigurationError: the package has no such file for the language, or a key in it is wrong.
    """
    return read_file(Spoken, language, FILE)


@cache
def glue(language: str) -> frozenset[str]:
    """Words that are passed over, those of currencies among them."""
    return money(language) | joints(language)


@cache
def joints(language: str) -> frozenset[str]:
    """Words that are passed over wherever a value is said: articles, "and"."""
    return links(language) | {word for text in spoken(language).glue for word in sequence(text)}


@cache
def links(language: str) -> frozenset[str]:
    """Words that may stand within a number: "and"."""
    return frozenset(word for text in spoken(language).links for word in sequence(text))


@cache
def money(language: str) -> frozenset[str]:
    """Words of currencies."""
    words = spoken(language)
    named = [get_currency_name(code, count=count, locale=words.locale) for code in _CURRENCIES for count in (1, 2)]
    return frozenset(word for text in (*words.money, *named) for word in sequence(text))


@cache
def months(language: str) -> tuple[frozenset[Sequence], ...]:
    """Names of each month, January first; short ones too."""
    names = Locale.parse(spoken(language).locale).months
    kinds = [names["format"]["wide"], names["stand-alone"]["wide"], names["format"]["abbreviated"]]
    return tuple(frozenset(said(language, [kind[month] for kind in kinds])) for month in range(1, 13))


@cache
def short_names(language: str) -> frozenset[Sequence]:
    """Abbreviations of months and weekdays that are none of their names; most of them are common words too."""
    of_locale = Locale.parse(spoken(language).locale)
    names = [
        (kind["format"]["wide"], kind["format"]["abbreviated"]) for kind in (of_locale.months, of_locale.days)
    ]
    wide = said(language, [name for whole, _ in names for name in whole.values()])
    return frozenset(said(language, [name for _, short in names for name in short.values()]) - wide)


@cache
def weekdays(language: str) -> tuple[frozenset[Sequence], ...]:
    """Names of each weekday, Monday first; short ones and what is made of them too."""
    words = spoken(language)
    names = Locale.parse(words.locale).days
    found = []
    for day in range(7):
        plain = said(language, [names["format"]["wide"][day], *words.weekdays.get(day, ())])
        short = said(language, [names["format"]["abbreviated"][day]])
        found.append(frozenset(plain | short | fill(language, words.weekday, w=plain)))
    return tuple(found)


def said(language: str, phrases: Iterable[str]) -> set[Sequence]:
    """Phrases without holes as sequences of words."""
    return {sequence(phrase, glue(language)) for phrase in phrases} - {()}


def fill(language: str, phrases: Iterable[str], **holes: AbstractSet[Sequence]) -> set[Sequence]:
    """Phrases with each of what their holes may hold.

    Args:
        language: of the phrases.
        phrases: such as ``quarter past {h}``; what stands beside a hole without a blank is one word with what it
            holds (``{n}mal``). ``{gap}`` stands for up to GAP_WORDS words.
        **holes: the sequences that each hole may hold.
    """
    holes["gap"] = {(GAP,)}
    found: set[Sequence] = set()
    for phrase in phrases:
        made: set[Sequence] = {()}
        parts = _parts(phrase, language)
        for part, following in zip(parts, (*parts[1:], None), strict=True):
            choices = holes[part.hole] if part.hole else {part.words}
            if part.joined or (following and following.joined):
                choices = choices - {()}
            made = {_append(before, choice, part.joined) for before in made for choice in choices}
        found |= made
    return found - {()}


class _Part(NamedTuple):
    """A piece of a phrase: words, or the name of a hole; ``joined`` to what stands before it."""

    words: Sequence
    hole: str
    joined: bool


@cache
def _parts(phrase: str, language: str) -> tuple[_Part, ...]:
    found = []
    for piece in _PIECE.finditer(phrase):
        start = piece.start()
        joined = (
            start > 0 and not phrase[start].isspace() and (phrase[start - 1].isalpha() or phrase[start - 1] == "}")
        )
        found.append(
            _Part(() if piece["hole"] else sequence(piece.group(), glue(language)), piece["hole"] or "", joined)
        )
    return tuple(part for part in found if part.hole or part.words)


def _append(before: Sequence, words: Sequence, joined: bool) -> Sequence:
    return (*before[:-1], before[-1] + words[0], *words[1:]) if joined and before else before + words


def spoken_languages() -> tuple[str, ...]:
    """Codes of the languages whose values can be said."""
    return languages(FILE)
