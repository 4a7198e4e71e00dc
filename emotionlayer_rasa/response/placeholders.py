"""Facts out of a language model's hands: it gets and writes placeholders, and never sees or says a value.

The model sees a draft "Order 1042 is expected tomorrow." as "Order {order_number} is expected {order_eta}." What
it writes must hold the same placeholders, whole, in the same order, and nothing else that looks like a fact;
then the values are filled in, as the language says them. (In the literature: delexicalisation.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import AbstractSet, Iterable, Iterator, Mapping

from emotionlayer_rasa.language import fold, sentences
from emotionlayer_rasa.response.loose_facts import loose_facts, negations, values_in
from emotionlayer_rasa.response.said import unbacked
from emotionlayer_rasa.response.spoken_value import spoken_value
from emotionlayer_rasa.response.templates import Draft

_PLACEHOLDER = re.compile(r"\{([a-z]+(?:_[a-z]+)*)\}")
_CUT_OFF = re.compile(r"\s*\S*\{[^{}]*$|(?<!\S)\S*$")
"""The end of a text that is still being written: a placeholder that is not closed, or a word."""
_BEFORE = re.compile(r"(?:^|[\s\"'’‘“«„‹(¿¡])$")
_BEHIND = re.compile(r"^(?:['’]s)?[.,;:!?…\"'’”“»›)]*(?:\s|$)")
"""What a placeholder may touch: anything else would make another value of it ("1{order_number}")."""
_GLUED = "\"'’‘“”«»„‹›()¿¡.,;:!?…"
_WORD = re.compile(r"[^\W\d_]+")
_BEGINS = re.compile(r"(?:^|[.!?…]\s+)[\"“«„¿¡]*$")
_FILLER = "u"
"""Stands where a value was: a letter that says nothing in any language."""
_VAGUE = ("code", "unit", "number")
"""Kinds of facts that give way to a better name."""


@dataclass(frozen=True)
class Placeholders:
    """A draft with placeholders in place of its facts.

    Attributes:
        text: the draft with placeholders.
        surfaces: what stands in the draft for each; for one that the draft does not have, its slot's value.
        language: of the draft.
    """

    text: str
    surfaces: Mapping[str, str]
    language: str

    @classmethod
    def of(cls, draft: str, facts: Mapping[str, str], language: str) -> Placeholders:
        """Take the facts out of a draft: the slots' values, by the slots' names, and what else looks like a fact.

        Args:
            draft: the template's reply.
            facts: slots that may be named; one whose value the draft does not have is offered beside it.
            language: a code.
        """
        names = _Names()
        text, end = "", 0
        for start, stop, name in _facts(draft, facts, language):
            text += f"{draft[end:start]}{{{names.of(name, draft[start:stop])}}}"
            end = stop
        text += draft[end:]
        for name, value in facts.items():
            if value and not names.has(name):
                names.of(name, value)
        return cls(text, names.surfaces, language)

    @classmethod
    def in_text(cls, text: str, language: str) -> Placeholders:
        """Those that a text itself has, without a draft and without values: to judge what stands beside them."""
        return cls("", dict.fromkeys(_PLACEHOLDER.findall(text), ""), language)

    @cached_property
    def values(self) -> Mapping[str, str]:
        """What is said for each placeholder."""
        return {name: spoken_value(surface, self.language) for name, surface in self.surfaces.items()}

    def spoken(self, draft: Draft) -> Draft:
        """The draft that this was made of, its values said as the language says them."""
        facts = {name: spoken_value(value, self.language) for name, value in draft.facts.items()}
        return Draft(self.fill(self.text), facts, draft.verbatim)

    def mask(self, text: str) -> str:
        """Another text with these placeholders in place of the draft's facts, such as a good answer to it."""
        for name, surface in sorted(self.surfaces.items(), key=lambda item: -len(item[1])):
            text = re.sub(rf"(?<![\w{{]){re.escape(surface)}(?![\w}}])", f"{{{name}}}", text)
        return text

    def fill(self, text: str) -> str:
        """A text with values in place of placeholders; what looks like one within a value stays as it is."""

        def value(match: re.Match[str]) -> str:
            said = self.values.get(match[1], match.group())
            begins = said.replace(" ", "").isalpha() and _BEGINS.search(text[: match.start()])
            return said[:1].upper() + said[1:] if begins else said

        return _PLACEHOLDER.sub(value, text)

    def fill_beginning(self, text: str, caller: str = "") -> str:
        """A text that is still being written, filled up to its last whole word; empty where that may not be."""
        text = _CUT_OFF.sub("", text)
        return "" if self.faults(text, caller, whole=False) else self.fill(text).rstrip()

    def faults(self, wording: str, caller: str = "", whole: bool = True) -> tuple[str, ...]:
        """Why what a model wrote may not be filled in.

        Args:
            wording: with placeholders.
            caller: the caller's words; names in them may be said again, numbers and dates not.
            whole: False for the beginning of a reply, which need not have all placeholders yet.

        Returns:
            ``placeholder``: one is unknown, malformed, missing, doubled, out of order or part of a longer word.
            ``unbacked_fact``: something outside of them looks like a fact, or a sentence with one in it is negated
            where the draft's is not, or the other way round.
        """
        found = []
        if not self._keeps(wording, whole):
            found.append("placeholder")
        if loose_facts(_outside(wording), self.language, self._given(caller)) or self._turned(wording):
            found.append("unbacked_fact")
        return tuple(found)

    def _keeps(self, wording: str, whole: bool) -> bool:
        matches = list(_PLACEHOLDER.finditer(wording))
        names = [match[1] for match in matches]
        if re.search(r"[{}]", _PLACEHOLDER.sub("", wording)) or not set(names) <= set(self.surfaces):
            return False
        around = ((wording[: match.start()], wording[match.end() :]) for match in matches)
        if not all(_BEFORE.search(before) and _BEHIND.search(behind) for before, behind in around):
            return False
        drafted = _PLACEHOLDER.findall(self.text)
        kept = [name for name in names if name in drafted]
        offered = [name for name in names if name not in drafted]
        in_order = kept == drafted if whole else kept == drafted[: len(kept)]
        return in_order and len(offered) == len(set(offered))

    def _given(self, caller: str) -> AbstractSet[str]:
        """Words outside the draft's placeholders, and of the caller's those that say no value."""
        words = frozenset(map(fold, _WORD.findall(_PLACEHOLDER.sub(" ", self.text))))
        if not caller:
            return words
        of_values = [caller[fact.start : fact.end] for fact in values_in(caller, self.language)]
        said = frozenset(map(fold, _WORD.findall(caller)))
        return words | (said - frozenset(map(fold, _WORD.findall(" ".join(of_values)))))

    def _turned(self, wording: str) -> bool:
        """Whether a placeholder stands in a sentence with more or less negation than in the draft."""
        drafted = self._negations(self.text)
        return any(count != drafted.get(name, 0) for name, count in self._negations(wording).items())

    def _negations(self, text: str) -> Mapping[str, int]:
        return {
            name: negations(_outside(sentence), self.language)
            for sentence in sentences(text, small_letters=True)
            for name in _PLACEHOLDER.findall(sentence)
        }


class _Names:
    """Names of placeholders: letters and ``_`` only; the same words of a draft have the same one."""

    def __init__(self) -> None:
        self.surfaces: dict[str, str] = {}
        self._given: dict[tuple[str, str], str] = {}

    def has(self, slot: str) -> bool:
        return any(name == slot for name, _ in self._given)

    def of(self, slot: str, surface: str) -> str:
        """The placeholder of a piece of the draft."""
        key = (slot, surface)
        if key not in self._given:
            plain = "_".join(re.findall("[a-z]+", fold(slot))) or "fact"
            names = chain([plain], (f"{plain}_{letters}" for letters in _letters()))
            self._given[key] = next(name for name in names if name not in self.surfaces)
            self.surfaces[self._given[key]] = surface
        return self._given[key]


def _letters() -> Iterator[str]:
    """b, c, …, z, bb, cc, …"""
    length = 1
    while True:
        yield from (letter * length for letter in "bcdefghijklmnopqrstuvwxyz")
        length += 1


def _facts(draft: str, facts: Mapping[str, str], language: str) -> Iterator[tuple[int, int, str]]:
    """Where a draft has facts, in order, and their slots' names or what kind of fact they are."""
    spans: list[tuple[int, int, str]] = []
    rest = draft
    for name, value in sorted(facts.items(), key=lambda item: -len(item[1])):
        for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", rest) if value.strip() else ():
            spans.append((*match.span(), name))
        for start, end, _ in spans:
            rest = rest[:start] + _FILLER * (end - start) + rest[end:]
    at = 0
    for fact in unbacked(rest, {}, "", language):
        at = rest.find(fact.text, at)
        if at >= 0:
            spans.append((at, at + len(fact.text), fact.kind))
    units: list[tuple[int, int, str]] = []
    for loose in values_in(rest, language):
        (units if loose.kind == "unit" else spans).append((loose.start, loose.end, loose.kind))
    yield from _touching(draft, sorted(spans), units)


def _touching(
    draft: str, spans: Iterable[tuple[int, int, str]], units: Iterable[tuple[int, int, str]]
) -> list[tuple[int, int, str]]:
    """Spans, each with what is written together with it and with its unit; those that meet are one."""
    found: list[tuple[int, int, str]] = []
    after = {start: end for start, end, _ in units}
    for start, end, name in spans:
        while start > 0 and not draft[start - 1].isspace() and draft[start - 1] not in _GLUED:
            start -= 1
        while end < len(draft) and not _BEHIND.match(draft[end:]):
            end += 1
        following = len(draft) - len(draft[end:].lstrip())
        end = after.get(following, end) if following > end else end
        if found and start < found[-1][1]:
            first, last, before = found.pop()
            start, end, name = first, max(end, last), name if before in _VAGUE else before
        found.append((start, end, name))
    return found


def _outside(text: str) -> str:
    """A text with a word that says nothing in place of each placeholder."""
    return _PLACEHOLDER.sub(_FILLER * 3, text)
