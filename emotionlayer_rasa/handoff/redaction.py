"""Masking personal data in what was said, before it leaves this machine.

What is found: e-mail addresses and links, IBANs (by their checksum), Italian tax codes, card numbers (by Luhn's
checksum), other runs of six or more digits (telephone numbers; dates and short numbers stay), shorter ones behind
words such as "PIN" or "born", and names that are announced ("my name is", "mi chiamo", "Mrs"). Numbers and
addresses are found in figures and as a transcript has them ("four one one one", "chiocciola"). The words of
``languages/<language>/redaction.yml`` are used together for all languages.

It is a net, not a guarantee: a name or a street that nothing announces passes.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Collection, Iterable, Mapping

from emotionlayer_rasa.language import languages, read_file
from emotionlayer_rasa.settings import Settings, pydantic

LONG_NUMBER = 6
"""Digits from which a number is masked: a telephone number may be as short as that."""

_LONGEST_TEXT = 2000
_CLOSE = 30  # characters within which a word such as "PIN" counts for the number behind it
_CARD_LENGTHS = range(13, 20)  # ISO/IEC 7812
_IBAN_LENGTHS = range(15, 35)  # ISO 13616

_EMAIL = re.compile(r"(?<![\w.+%'-])[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+")
_LINK = re.compile(r"\b(?:https?://|www\.)\S+|(?<![\w.-])[\w-]+(?:\.[\w-]+)+/\S*", re.IGNORECASE)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}\b", re.IGNORECASE)
_TAX_CODE = re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b", re.IGNORECASE)
_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"
_DATE = rf"\b(?:{_DAY}(?P<mark>[./-]){_MONTH}(?P=mark){_YEAR}|{_YEAR}-{_MONTH}-{_DAY})\b"
_CAPITALISED = r"[A-ZÀ-ÖØ-Þ][\w'’-]*[a-zà-öø-ÿ][\w'’-]*"  # but not SHOUTED


def redact(text: str, keep: Collection[str] = ()) -> str:
    """Mask personal data, such as ``[email]``, ``[card number]``, ``[number]`` or ``[name]``.

    Args:
        text: what was said; what is longer than 2000 characters is cut.
        keep: values that the bot needs, such as an order number: they stay, unless they are card numbers.
    """
    text = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    text = text[:_LONGEST_TEXT]
    patterns = _patterns()
    text = _LINK.sub("[link]", _EMAIL.sub("[email]", text))
    text = patterns.spoken_email.sub("[email]", text)
    text = _TAX_CODE.sub("[tax code]", _IBAN.sub(_masked_iban, text))
    text = _mask_numbers(text, keep)
    for announced in (patterns.introduced, patterns.announced, patterns.titled):
        text = announced.sub(lambda match: match["cue"] + "[name]", text)
    return text


def _masked_iban(match: re.Match[str]) -> str:
    """Mask the longest beginning that is an IBAN: words may follow without a mark between them."""
    found = match.group()
    for end in range(len(found), 0, -1):
        if not found[end - 1].isalnum() or found[end : end + 1].isalnum():
            continue
        code = re.sub(r"[ -]", "", found[:end]).upper()
        if (
            len(code) in _IBAN_LENGTHS
            and int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1
        ):
            return "[IBAN]" + found[end:]
    return found


def _mask_numbers(text: str, keep: Collection[str]) -> str:
    patterns, values = _patterns(), _digit_values()
    kept = [str(value) for value in keep if value]
    spans = [match.span() for value in kept for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text)]

    def masked(match: re.Match[str]) -> str:
        units = [unit.lower() for unit in patterns.unit.findall(match.group())]
        digits = "".join(str(values.get(unit, unit)) for unit in units)
        if digits.isdecimal() and len(digits) in _CARD_LENGTHS and _luhn(digits):
            return "[card number]"
        start, end = match.span()
        if digits in kept or any(first <= start and end <= last for first, last in spans):
            return match.group()
        sensitive = patterns.sensitive.search(text[max(0, start - _CLOSE) : start])
        if not sensitive and (match["date"] or len(units) < LONG_NUMBER):
            return match.group()
        return "[date]" if match["date"] else "[number]"

    return patterns.number.sub(masked, text)


def _luhn(digits: str) -> bool:
    """Luhn's checksum, ISO/IEC 7812-1 annex B."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


@dataclass(frozen=True)
class _Patterns:
    """``unit`` is a digit or a number word; ``number`` is a date, or some of those in a row. A ``cue`` stays."""

    unit: re.Pattern[str]
    number: re.Pattern[str]
    sensitive: re.Pattern[str]
    spoken_email: re.Pattern[str]
    introduced: re.Pattern[str]
    announced: re.Pattern[str]
    titled: re.Pattern[str]


class RedactionWords(Settings):
    """What a ``redaction.yml`` holds; English's explains each key."""

    names: tuple[str, ...]
    introductions: tuple[str, ...]
    closings: tuple[str, ...]
    titles: tuple[str, ...]
    no_names: tuple[str, ...]
    fillers: tuple[str, ...]
    digits: Mapping[str, int]
    numbers: tuple[str, ...]
    sensitive: tuple[str, ...]
    at: tuple[str, ...]
    dot: tuple[str, ...]
    joiners: tuple[str, ...]

    @pydantic.validator("no_names", "numbers", pre=True)
    def _apart(cls, words: str) -> list[str]:
        return words.split()


@cache
def _all_words() -> tuple[RedactionWords, ...]:
    """The words of each language."""
    file = "redaction.yml"
    return tuple(read_file(RedactionWords, language, file) for language in languages(file))


def _words(key: str) -> list[str]:
    """What all languages have under a key."""
    return [word for words in _all_words() for word in getattr(words, key)]


@cache
def _digit_values() -> Mapping[str, int]:
    return {word: value for words in _all_words() for word, value in words.digits.items()}


@cache
def _patterns() -> _Patterns:
    unit = rf"\d|\b(?:{_any((*_words('digits'), *_words('numbers')))})\b"
    at, dot, joiner = (_any(_words(key)) for key in ("at", "dot", "joiners"))
    name = rf"(?!(?:{_any(_words('no_names'))})(?![\w'’]))[^\W\d_][\w'’-]*"
    names = rf"{name}(?:(?: +|(?<=\b\w)\. *){name}){{0,3}}"
    fillers = rf"(?:(?:{_any(_words('fillers'))})\b[\s,]*)*"

    def compiled(pattern: str) -> re.Pattern[str]:
        return re.compile(pattern, re.IGNORECASE)

    return _Patterns(
        unit=compiled(unit),
        number=compiled(rf"(?P<date>{_DATE})|\+?\(?(?:{unit})(?:(?:[\s\-./()]|,\s){{0,3}}(?:{unit}))*"),
        sensitive=compiled(rf"\b(?:{_any(_words('sensitive'))})\b"),
        spoken_email=compiled(rf"\b[\w-]+(?: (?:{joiner}) [\w-]+)* (?:{at}) [\w-]+(?: (?:{dot}) [\w-]+)+"),
        announced=compiled(rf"(?P<cue>\b(?:{_any(_words('names'))})[\s:,]+{fillers}){names}"),
        titled=compiled(rf"(?P<cue>\b(?:{_any(_words('titles'))})\.?\s+){names}"),
        # Capitals tell "sono Mario Rossi" from "sono arrabbiato", so here case matters.
        introduced=re.compile(
            rf"(?P<cue>\b(?i:{_any(_words('introductions'))})[\s:,]+)"
            rf"(?:(?i:{names})(?=[\s,]+(?i:{_any(_words('closings'))})\b)|{_CAPITALISED}(?: {_CAPITALISED})+)"
        ),
    )


def _any(words: Iterable[str]) -> str:
    """A pattern for any of the words, the longest first."""
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(set(words), key=len, reverse=True))
