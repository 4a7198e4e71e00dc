"""What backs a reply: slots, draft and the caller's words."""

from __future__ import annotations

import re
from typing import Any, Mapping

from emotionlayer_rasa.response.facts import (
    backing_forms,
    numbers_in,
    spelled_codes,
    spoken_together,
    stated_facts,
    stated_lengths,
    stated_times,
)
from emotionlayer_rasa.response.rules import ReplyRules
from emotionlayer_rasa.response.sentences import Sentence

_CLAIM_STEM = 5
"""Letters by which two words of a claim count as the same."""
_SHORT_WORD = 2
"""Letters of a word that tells nothing, such as an article."""
_ARTICLE = 3
"""Letters of the longest article or preposition within a date ("la fine del mese")."""
_WORDS = re.compile(r"[a-z]+(?: [a-z]+)+")


class Backing:
    """What may be said: slots and draft, and to some degree the caller's own words.

    Args:
        rules: of the language.
        facts: slots that may be named.
        draft: the template that was to be reworded, or nothing.
        caller: the caller's words.
        reply: what is to be said; a slot whose value it names vouches for what such a slot is about.

    Attributes:
        forms: normal forms of the numbers, dates and times of slots and draft.
        caller_forms: those of the caller's words.
        words, caller: the plain words of slots and draft, and of the caller, between blanks.
        status: the single words of the draft and of the slots that tell something, with the slots' names.
    """

    def __init__(
        self, rules: ReplyRules, facts: Mapping[str, Any], draft: str, caller: str, reply: str = ""
    ) -> None:
        values = {name: str(value) for name, value in facts.items() if value not in (None, "", [], {})}
        texts = [draft, *values.values()]
        self._values = sorted(values.values(), key=len, reverse=True)
        self._fact_words = rules.rules.fact_words
        self.forms = backing_forms(texts, self._fact_words)
        self.words = f" {rules.plain(' . '.join(texts))} "
        told = [
            f"{name.replace('_', ' ')} {value}"
            for name, value in values.items()
            if rules.plain(value) not in rules.rules.pending
        ]
        self.status = set(rules.plain(" ".join([draft, *told])).split())
        self.caller_forms = backing_forms([caller], self._fact_words)
        self.caller = f" {rules.plain(caller)} "
        if set(self._fact_words.again).intersection(self.caller.split()):
            self.caller_forms.add("2")
        self._synonyms = rules.synonyms
        heard = [*texts, caller]
        self._codes = {re.sub(r"[\W_]", "", text.lower()) for text in heard}
        self._codes.update(*(spelled_codes(text, self._fact_words) for text in heard))
        plain_values = [rules.plain(value) for value in values.values()]
        self._told = [value for value in plain_values if _WORDS.fullmatch(value)]
        pending = set(rules.rules.pending)
        # "requested" backs that it was requested; "not shipped" does not back that it was shipped.
        told_words = [draft, *(name.replace("_", " ") for name in values)]
        told_words += [
            value for value in plain_values if value in pending or not pending.intersection(value.split())
        ]
        self._stems = {word[:_CLAIM_STEM] for word in rules.plain(" ".join(told_words)).split()}
        self._vouched = [
            says
            for slots, says in rules.families
            if any(
                slots.search(name.replace("_", " ").lower()) and self._named(value, reply, rules)
                for name, value in values.items()
            )
        ]
        self._reported = {word[:-1] for word in self.caller.split()}

    def says(self, words: str) -> bool:
        """Whether slots or draft hold these words."""
        return f" {words} " in self.words

    def _named(self, value: str, reply: str, rules: ReplyRules) -> bool:
        """Whether a reply names a slot's value, in whatever form."""
        words = self._fact_words
        if f" {rules.plain(value)} " in f" {rules.plain(reply)} ":
            return True
        forms = backing_forms([value], words)
        stated = {form for fact in stated_facts(reply, words) for form in fact.forms}
        stated |= stated_times(reply, words) | stated_lengths(reply, words) | spoken_together(reply, words)
        spelled = "".join(rules.plain(reply).split())
        codes = (form.removeprefix("code ") for form in forms if form.startswith("code "))
        return bool(stated & forms) or any(any(map(str.isdigit, code)) and code in spelled for code in codes)

    def without_values(self, reply: str) -> str:
        """A reply without the slots' values as they are written, which may hold an address or a slash."""
        for value in self._values:
            if len(value) > _SHORT_WORD:
                reply = reply.replace(value, " ")
        return reply.strip()

    def vouches(self, words: str, match: re.Match[str]) -> bool:
        """Whether a slot that the reply names is about what a match within words says."""
        return any(
            said.start() < match.end() and match.start() < said.end()
            for says in self._vouched
            for said in says.finditer(words)
        )

    def names(self, sentence: Sentence) -> bool:
        """Whether a sentence names a number, code or date that stands in a slot."""
        facts = stated_facts(sentence.text, self._fact_words)
        return (
            any(fact.forms & self.forms for fact in facts)
            or bool(self.codes_in(sentence))
            or self.names_moment(sentence)
        )

    def names_moment(self, sentence: Sentence) -> bool:
        """Whether a sentence names a date or a time that stands in a slot."""
        if stated_times(sentence.text, self._fact_words) & self.forms:
            return True
        facts = stated_facts(sentence.text, self._fact_words)
        return any(fact.kind == "date" and fact.forms & self.forms for fact in facts)

    def codes_in(self, sentence: Sentence) -> set[str]:
        """Codes of the slots that a sentence spells, in whatever groups: ``RX 7731 IT`` is ``RX7731IT``."""
        spelled = "".join(sentence.words.split())
        codes = (form.removeprefix("code ") for form in self.forms if form.startswith("code "))
        return {code for code in codes if len(code) > 3 and any(map(str.isdigit, code)) and code in spelled}

    def speaks_of(self, words: str) -> bool:
        """Whether slots, draft or caller hold the last word of content, or a synonym of it, in whatever form."""
        said = words.split()
        last = next((word for word in reversed(said) if len(word) > _SHORT_WORD), said[-1])
        group = next((group for group in self._synonyms if last in group), frozenset([last]))
        # A caller who asks for something ("stop it") does not report it ("it stopped").
        return any(word[:_CLAIM_STEM] in self._stems for word in group) or last[:-1] in self._reported

    def spells(self, code: str) -> bool:
        """Whether slots, draft or caller hold a code, written or spelled."""
        return any(code in held for held in self._codes)

    def told_in(self, words: str) -> bool:
        """Whether words hold a slot's value in words ("at the depot"), or only numbers that slots hold."""
        if any(f" {value} " in f" {words} " for value in self._told):
            return True
        numbers = {f"{value:g}" for _, _, value in numbers_in(words, self._fact_words)}
        return bool(numbers) and numbers <= self.forms

    def caller_says(self, words: str) -> bool:
        """Whether the caller said these words, or all of them that are no short ones ("end of the month")."""
        content = [word for word in words.split() if len(word) > _ARTICLE]
        said = self.caller.split()
        return f" {words} " in self.caller or (len(content) > 1 and all(word in said for word in content))
