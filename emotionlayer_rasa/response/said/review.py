"""What of a reply looks like a fact, and is said by no slot and not by the caller."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date
from functools import cache
from itertools import chain
from typing import Any, Iterable, Iterator, Mapping, NamedTuple
from typing import Sequence as SequenceOf

from emotionlayer_rasa.language import fold
from emotionlayer_rasa.response.said.codes import beginnings, spell
from emotionlayer_rasa.response.said.derived import count_forms, derived_forms
from emotionlayer_rasa.response.said.lexicon import Reading, Value, lexicon
from emotionlayer_rasa.response.said.numerals import spelt
from emotionlayer_rasa.response.said.spoken import (
    ANY,
    GAP,
    GAP_WORDS,
    glue,
    joints,
    links,
    money,
    said,
    short_names,
    spoken,
)
from emotionlayer_rasa.response.said.values import (
    as_text,
    codes,
    text_forms,
    unit_after,
)
from emotionlayer_rasa.response.said.words import STOP, Sequence, Word, read_words, sequence

_CONTACT = re.compile(
    r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}|(?:https?://|www\.)\S*\w"
    r"|\b[a-z\d-]{1,63}(?:\.[a-z\d-]{1,63}){0,4}\.(?:com|org|net|info|[a-z]{2})\b(?!\.\w)",
    re.IGNORECASE,
)
_EMERGENCY = frozenset({"112", "113", "115", "118", "911", "988", "999"})
"""Numbers that everybody knows; in digits they may always be said."""
_WITHIN = re.compile(r"[.,:/'-]|\s?h\s?")
"""What may stand between the digits of one figure."""
_BEGINS = re.compile(r"(?:^|[.!?…:;\n])[\s\"'“”‘’«»„(¿¡–—-]*$|[\"“„«‹¿¡]\s*$")
"""What stands before the first word of a sentence, or of a quotation."""
_SYMBOL = re.compile(r"\s?[€$£]")
_BARE_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_LONGEST_UNIT = 24
_LONGEST_VALUE = 60
"""Characters of a slot that is a value, and no text of ours such as a draft."""
_ONE, _TODAY = Value("number", 1), Value("relative", 0)


class Unbacked(NamedTuple):
    """A piece of a reply that states a fact nobody gave.

    Attributes:
        text: as the reply has it.
        kind: ``number``, ``amount`` (of money), ``date``, ``time``, ``duration``, ``code``, ``name``,
            ``contact`` (an e-mail or web address), or ``side`` (another one than a slot says).
    """

    text: str
    kind: str


class Review(NamedTuple):
    """What became of a reply's facts.

    Attributes:
        unbacked: the facts that nobody gave, in the reply's order; none for a reply that may be said.
        as_given: the reply with the facts that a slot backs written as the slot has them ("at quarter past six" as
            "at 18:15"), for a reader that knows no other way of saying them.
    """

    unbacked: tuple[Unbacked, ...]
    as_given: str


def warm_up(language: str) -> None:
    """Read a language's phrases, which takes some tenths of a second; without it the first reply waits for them.

    Raises:
        ConfigurationError: as :func:`unbacked`.
    """
    lexicon(language)


class _Backing(NamedTuple):
    """What one text may be said as: forms and codes by their first words, and plain words."""

    forms: Mapping[str, list[Sequence]]
    codes: Mapping[str, list[str]]
    words: frozenset[str]


def unbacked(
    reply: str, slots: Mapping[str, Any], caller: str, language: str, today: date | None = None
) -> tuple[Unbacked, ...]:
    """What :func:`review` finds that nobody gave; its arguments and errors."""
    return review(reply, slots, caller, language, today).unbacked


def review(reply: str, slots: Mapping[str, Any], caller: str, language: str, today: date | None = None) -> Review:
    """The facts of a reply that neither a slot nor the caller's words give, in whatever way they are said.

    A fact is a number, a date, a time, an amount, a code or an address, in digits or in words, and a name: a word
    that is written large inside a sentence (in German only behind a title, or wholly in capitals). "One" and
    "today" are none, nor is an example in a lesson. A fact in other words ("with parking" where there is none) is
    not seen.

    Args:
        reply: what is to be said.
        slots: what is known, by name.
        caller: the caller's words, of as many turns as may be said again.
        language: a code that :func:`spoken_languages` names.
        today: from which "tomorrow" counts; without it, such a word is backed where a slot or the caller has it.

    Raises:
        ConfigurationError: the package has no ``spoken.yml`` for the language.
    """
    texts = _texts(slots, caller)
    of_texts = {text: _backing(text, language, today) for text in texts if text}
    known = frozenset(word for one in of_texts.values() for word in one.words)
    words = read_words(reply, joints(language), links(language))
    stretches = {text: list(_occurrences(words, [one], language)) for text, one in of_texts.items()}
    derived = _occurrences(words, [_derived(texts, len(slots), language, today)], language)
    covered = [*chain.from_iterable(stretches.values()), *derived]
    reckoned = _is_sum(texts, len(slots), language)
    facts = _facts(reply, words, language)
    found = [
        (words[fact.start].start, words[fact.end - 1].end, kind)
        for fact in facts
        if not (_covers(covered, fact, words, language) or _is_known_unit(fact, words, known, language))
        for kind in (_kind(reply, words, fact, language),)
        if not (reckoned and kind == "number" and not unit_after(reply[words[fact.end - 1].end :], language))
    ]
    found += [(word.start, word.end, "name") for word in _names(reply, language) if not _known(word.text, known)]
    if _is_lesson(reply, texts, len(slots), language):
        found = [one for one in found if one[2] == "amount"]
    examples = _spelt_letters(reply, language)
    found = [one for one in found if not any(start <= one[0] < end for start, end in examples)]
    found += [(*place, "side") for place in _other_sides(reply, texts, len(slots), language)]
    contacts = [match.span() for match in _CONTACT.finditer(reply)]
    known_contacts = " ".join(texts).lower()
    given = [(as_text(value), stretches[text]) for value, text in zip(slots.values(), texts, strict=False) if text]
    found = [one for one in found if not any(start <= one[0] < end for start, end in contacts)]
    found += [(start, end, "contact") for start, end in contacts if reply[start:end].lower() not in known_contacts]
    return Review(
        tuple(Unbacked(reply[start:end], kind) for start, end, kind in sorted(found)),
        _as_given(reply, words, facts, given),
    )


def _as_given(
    reply: str,
    words: SequenceOf[Word],
    facts: Iterable[Reading],
    given: Iterable[tuple[str, list[tuple[int, int]]]],
) -> str:
    """The reply with the longest stretches of words that say a slot's fact written as the slot has it."""
    spans = {(fact.start, fact.end) for fact in facts}
    stretches = [
        (end - start, start, end, text)
        for text, said_at in given
        if len(text) <= _LONGEST_VALUE
        for start, end in said_at
        if any(start <= first and last <= end for first, last in spans)
    ]
    taken: set[int] = set()
    chosen = []
    for _, start, end, text in sorted(stretches, reverse=True):
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            chosen.append((words[start].start, words[end - 1].end, text))
    for begin, finish, text in sorted(chosen, reverse=True):
        reply = reply[:begin] + text + reply[finish:]
    return reply


def _texts(slots: Mapping[str, Any], caller: str) -> tuple[str, ...]:
    """What slots and caller say; a bare number takes the unit that its slot's name ends with (``delay_min``)."""
    found = []
    for name, value in slots.items():
        text = as_text(value)
        found.append(f"{text} {name.rpartition('_')[2]}" if _BARE_NUMBER.fullmatch(text) else text)
    names = ", ".join(name.replace("_", " ") for name in slots)
    return (*found, names, caller)


def _backing(text: str, language: str, today: date | None) -> _Backing:
    by_first: dict[str, list[str]] = defaultdict(list)
    for code in codes(text):
        for first in beginnings(code, language):
            by_first[first].append(code)
    words = frozenset(word.text for word in read_words(text))
    return _Backing(_by_first(text_forms(text, language, today)), by_first, words)


def _derived(texts: tuple[str, ...], of_slots: int, language: str, today: date | None) -> _Backing:
    counts = {form for text in texts[:of_slots] for form in count_forms(text, language)}
    return _Backing(_by_first(derived_forms(texts, language, today) | counts), {}, frozenset())


def _by_first(forms: Iterable[Sequence]) -> dict[str, list[Sequence]]:
    found: dict[str, list[Sequence]] = defaultdict(list)
    for form in forms:
        found[form[0]].append(form)
    return found


def _occurrences(words: SequenceOf[Word], backing: Iterable[_Backing], language: str) -> Iterator[tuple[int, int]]:
    """Where the words say a form or a code, as positions in them."""
    of_money = money(language)
    places = [at for at, word in enumerate(words) if word.text not in of_money]
    plain = [words[at].text for at in places]
    for one in backing:
        for start, word in enumerate(plain):
            ends = {end for form in one.forms.get(word, ()) for end in _ends(plain, start, form)}
            ends.update(end for code in one.codes.get(word, ()) for end in spell(code, plain, start, language))
            for end in ends:
                yield places[start], places[end - 1] + 1


def _ends(words: SequenceOf[str], start: int, form: Sequence) -> Iterator[int]:
    """Where a form ends that begins at ``start``."""
    if GAP not in form:
        here = words[start : start + len(form)]
        if len(here) == len(form) and all(one in (ANY, word) for one, word in zip(form, here, strict=True)):
            yield start + len(form)
        return
    before, after = form[: form.index(GAP)], form[form.index(GAP) + 1 :]
    gap = start + len(before)
    if tuple(words[start:gap]) == before:
        for begin in range(gap, gap + GAP_WORDS + 1):
            if tuple(words[begin : begin + len(after)]) == after and STOP not in words[gap:begin]:
                yield begin + len(after)


def _facts(reply: str, words: list[Word], language: str) -> list[Reading]:
    """Phrases that say a value, figures, and letters that stand alone."""
    readings = lexicon(language).read(words)
    taken = {position for one in readings for position in range(one.start, one.end)}
    idioms = _places(reply, _phrases(spoken(language).idioms))
    letters = [
        Reading(at, at + 1, (Value("code", 0),))
        for at, word in enumerate(words)
        if at not in taken and _is_letter(reply, word, language)
    ]
    return [
        *(one for one in readings if not _says_little(reply, words, one, idioms, language)),
        *_figures(reply, words, taken),
        *_single_units(reply, words, taken, language),
        *letters,
    ]


def _covers(covered: Iterable[tuple[int, int]], fact: Reading, words: SequenceOf[Word], language: str) -> bool:
    """Whether what is backed reaches over a fact; an article behind a number is none of it."""
    ends = {fact.end}
    if fact.values[0].kind == "number" and fact.end > fact.start + 1:
        ends.add(fact.end - (words[fact.end - 1].text in _ones(language)))
    return any(start <= fact.start and last <= end for start, end in covered for last in ends)


def _is_known_unit(fact: Reading, words: SequenceOf[Word], known: frozenset[str], language: str) -> bool:
    """Whether a fact is one unit of time ("one week") that somebody has spoken of ("all week")."""
    return (
        words[fact.start].text in _ones(language)
        and words[fact.end - 1].text in known
        and fact.end > fact.start + 1
    )


@cache
def _ones(language: str) -> frozenset[str]:
    return frozenset(form[0] for form in spelt(1, language) if len(form) == 1)


def _is_lesson(reply: str, texts: tuple[str, ...], of_slots: int, language: str) -> bool:
    """Whether somebody learns, and no slot has a number that could be said wrongly: what is said is an example."""
    return not _has_digits(texts[:of_slots]) and any(
        _says(text, spoken(language).lessons) for text in (*texts, reply)
    )


def _has_digits(texts: Iterable[str]) -> bool:
    return any(char.isdigit() for text in texts for char in text)


def _spelt_letters(reply: str, language: str) -> list[tuple[int, int]]:
    """Words that make the letter before them plain, as they begin with it ("C as in Charlie")."""
    return [
        match.span("word")
        for match in _letter_as(language).finditer(reply)
        if fold(match["word"])[0] == fold(match["letter"])
    ]


@cache
def _letter_as(language: str) -> re.Pattern[str]:
    phrases = "|".join(map(re.escape, spoken(language).letter_as))
    return re.compile(rf"(?<!\w)(?P<letter>[^\W\d_a-z]),?\s(?:{phrases})\s[\"'“„«]?(?P<word>[^\W\d_]+)")


def _other_sides(reply: str, texts: tuple[str, ...], of_slots: int, language: str) -> Iterator[tuple[int, int]]:
    """Where a reply says a side ("left") that nobody else says, and a slot another one that the reply does not."""
    for sides in spoken(language).opposites:
        here = [side for side in sides if _says(reply, side)]
        for side in here:
            if not any(_says(text, side) for text in texts):
                others = [other for other in sides if other not in here]
                if any(_says(text, other) for text in texts[:of_slots] for other in others):
                    yield from _places(reply, _phrases(side))


def _is_sum(texts: tuple[str, ...], of_slots: int, language: str) -> bool:
    """Whether somebody wants to reckon, and no slot has a number that could be said wrongly."""
    return not _has_digits(texts[:of_slots]) and any(_says(text, spoken(language).sums) for text in texts)


def _says(text: str, phrases: tuple[str, ...]) -> bool:
    """Whether a text has one of some phrases."""
    return _pattern(phrases).search(fold(text.casefold())) is not None


@cache
def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Phrases as words of their own, whatever stands between two of them."""
    found = ("\\W+".join(sequence(phrase)) for phrase in phrases)
    return re.compile(rf"(?<!\w)(?:{'|'.join(found)})(?!\w)")


def _places(text: str, phrases: Mapping[str, list[Sequence]]) -> list[tuple[int, int]]:
    """Where a text has phrases, as positions in it."""
    words = read_words(text)
    plain = [word.text for word in words]
    return [
        (word.start, words[start + len(phrase) - 1].end)
        for start, word in enumerate(words)
        for phrase in phrases.get(word.text, ())
        if tuple(plain[start : start + len(phrase)]) == phrase
    ]


@cache
def _phrases(texts: tuple[str, ...]) -> Mapping[str, list[Sequence]]:
    """Phrases by their first words; glue counts."""
    return _by_first({sequence(text) for text in texts})


def _figures(reply: str, words: SequenceOf[Word], taken: set[int]) -> Iterator[Reading]:
    at = 0
    while at < len(words):
        end = at + 1
        if words[at].text.isdigit() and at not in taken:
            while end < len(words) and words[end].text.isdigit() and end not in taken:
                if not _WITHIN.fullmatch(reply[words[end - 1].end : words[end].start]):
                    break
                end += 1
            if end > at + 1 or words[at].text not in _EMERGENCY:
                yield Reading(at, end, (Value("figure", 0),))
        at = end


def _single_units(reply: str, words: SequenceOf[Word], taken: set[int], language: str) -> Iterator[Reading]:
    """Units of time behind an article that is glue ("a month"), but for a rate ("five pounds a month")."""
    if spoken(language).article:
        rated = {at + 1 for at, word in enumerate(words) if at in taken or word.text in money(language)}
        starts = {match.start("unit") for match in _article(language).finditer(reply)}
        for at, word in enumerate(words):
            if word.start in starts and at not in taken and at not in rated:
                yield Reading(at, at + 1, (Value("duration", 0),))


@cache
def _article(language: str) -> re.Pattern[str]:
    words = spoken(language)
    units = "|".join(name for unit in ("hour", "week", "month", "year") for name in words.units[unit])
    return re.compile(rf"\b(?:{'|'.join(words.article)})\s(?P<unit>{units})\b", re.IGNORECASE)


def _is_letter(reply: str, word: Word, language: str) -> bool:
    text = reply[word.start : word.end]
    large = len(text) == 1 and text.isupper() and text not in spoken(language).capitals
    return large and reply[word.end : word.end + 1] != "$" and not _BEGINS.search(reply[: word.start])


def _says_little(
    reply: str, words: SequenceOf[Word], reading: Reading, idioms: Iterable[tuple[int, int]], language: str
) -> bool:
    """Whether a phrase is said everywhere, stands in an idiom, or is a common word too and no unit follows."""
    phrase = tuple(word.text for word in words[reading.start : reading.end])
    start, end = words[reading.start].start, words[reading.end - 1].end
    if reading.values[0] == _TODAY or (reading.values[0] == _ONE and len(phrase) == 1):
        return True
    if any(first <= start and end <= last for first, last in idioms):
        return True
    measured = unit_after(reply[end:], language) or _money_after(reply[end:], language)
    named = {value.kind for value in reading.values} <= {"month", "weekday"}
    common = phrase in _ambiguous_words(language) or (named and phrase in short_names(language))
    return common and not measured


@cache
def _ambiguous_words(language: str) -> frozenset[Sequence]:
    return frozenset(said(language, spoken(language).ambiguous))


def _kind(reply: str, words: SequenceOf[Word], fact: Reading, language: str) -> str:
    kind = fact.values[0].kind
    text, after = reply[words[fact.start].start : words[fact.end - 1].end], reply[words[fact.end - 1].end :]
    if kind == "figure" and re.search(r"\d[:h]\d", text):
        return "time"
    if kind == "figure" and re.search(r"\d[./-]\d+[./-]", text):
        return "date"
    if kind in ("figure", "number", "share"):
        return "amount" if _money_after(after, language) else "number"
    if kind == "months":
        return "duration"
    return kind if kind in ("code", "time", "duration") else "date"


def _money_after(text: str, language: str) -> bool:
    following = read_words(text[:_LONGEST_UNIT])
    return bool(_SYMBOL.match(text)) or (bool(following) and following[0].text in money(language))


def _names(reply: str, language: str) -> Iterator[Word]:
    """Words that are written large though no sentence begins with them."""
    known = spoken(language)
    words = read_words(reply, glue(language), links(language))
    readings = lexicon(language).read(words)
    said_values = {at for one in readings for at in range(one.start, one.end)}
    previous = ""
    for at, word in enumerate(words):
        text = reply[word.start : word.end]
        if len(text) > 1 and text[0].isupper() and at not in said_values and text not in known.capitals:
            begins = not known.nouns_large and _BEGINS.search(reply[: word.start])
            named = text.isupper() or (previous in known.titles and text not in known.titles)
            if not begins and (named or not known.nouns_large):
                yield word
        previous = text


def _known(word: str, known: frozenset[str]) -> bool:
    return word in known or word.removesuffix("s") in known or word + "s" in known
