"""What a reply must not say: facts and claims that nothing backs, and what is forbidden by pattern."""

from __future__ import annotations

import re
from typing import Sequence

from emotionlayer_rasa.response.backing import Backing
from emotionlayer_rasa.response.facts import (
    spelled_codes,
    spelled_numbers,
    spoken_together,
    stated_facts,
    without_times,
)
from emotionlayer_rasa.response.rules import ReplyRules
from emotionlayer_rasa.response.sentences import Sentence

_VOUCHED = ("promise", "unbacked_fact", "dismissal")
"""Reasons that a slot whose value the reply names excuses."""
_DENIABLE = ("blame", "dismissal", "abuse", "perspective")
"""Reasons that a negation right before the match excuses."""


def states_unbacked(sentence: Sentence, rules: ReplyRules, backing: Backing) -> bool:
    """Whether a sentence states a number or a date that stands in no slot."""
    words = rules.rules.fact_words
    certain = rules.disclaimers.sub(" ", sentence.words)
    asks = sentence.question and bool(rules.question_openers.match(sentence.words))
    commits = not asks and bool(rules.commitments.search(rules.own_actions.sub(" ", certain)))
    # A question, or a thing to try, may hold a time or an amount as long as it commits to nothing.
    looks_back = bool(rules.past.search(sentence.words))
    open_ended = not commits and (sentence.question or bool(rules.suggestions.search(sentence.words)))
    text = without_times(sentence.text, backing.forms, words)
    plain_words = rules.plain(text)
    joined = bool(spoken_together(text, words) & backing.forms)
    codes = backing.codes_in(sentence)
    if not all(backing.spells(code) for code in spelled_codes(text, words)):
        return True
    if any(
        spelled not in backing.forms | backing.caller_forms and not any(spelled in code for code in codes)
        for spelled in spelled_numbers(text, words)
    ):
        return True
    for fact in stated_facts(text, words):
        if fact.forms & backing.forms or (joined and fact.kind in ("number", "word")):
            continue
        if any(form in code for code in codes for form in fact.forms):
            continue
        if fact.forms & backing.caller_forms and (fact.kind in ("number", "code") or not commits or looks_back):
            continue
        if not (open_ended and fact.kind in ("amount", "word", "date")):
            return True
    for kind, pattern in rules.dates.items():
        for match in pattern.finditer(plain_words):
            if backing.says(match.group()) or (
                backing.caller_says(match.group()) and (not commits or backing.names_moment(sentence))
            ):
                continue
            if commits or not (kind == "soft" or open_ended):
                return True
    return False


def claims_unbacked(sentence: Sentence, rules: ReplyRules, backing: Backing) -> bool:
    """Whether a sentence says that something has happened or will, of which neither slots nor caller speak."""
    if sentence.question:
        return False
    for match in rules.claims.finditer(sentence.words):
        before = sentence.words[: match.start()].rstrip()
        if rules.negated.search(before) or rules.hedges.search(before) or rules.weak_hedges.search(before):
            continue
        backed = backing.speaks_of(match.group()) or backing.vouches(sentence.words, match)
        if not backed and not backing.names_moment(sentence):
            return True
    return False


def forbidden_reasons(sentences: Sequence[Sentence], rules: ReplyRules, backing: Backing) -> set[str]:
    """What of :data:`~emotionlayer_rasa.response.rules.REASONS` the forbidden patterns find."""
    return {
        reason
        for reason, pattern in rules.forbidden.items()
        for sentence in sentences
        for match in pattern.finditer(sentence.words)
        if not backing.says(match.group())
        and not (reason in _VOUCHED and backing.vouches(sentence.words, match))
        and not (reason in _DENIABLE and denied(sentence.words, match, rules))
        and not (reason in rules.rules.hedged and _excused(sentence, match, reason, rules, backing))
    }


def denied(words: str, match: re.Match[str], rules: ReplyRules) -> bool:
    """Whether a negation stands right before a match ("you are not overreacting")."""
    return rules.denials.search(words[: match.start()].rstrip()) is not None


def _excused(sentence: Sentence, match: re.Match[str], reason: str, rules: ReplyRules, backing: Backing) -> bool:
    """Whether a negation, a hedge, a question or a slot takes the claim out of a match."""
    before = sentence.words[: match.start()].rstrip()
    if rules.negated.search(before) or (reason != "advice" and rules.hedges.search(before)):
        return True
    if reason != "advice" and rules.weak_hedges.search(before):
        return True
    if sentence.question and rules.question_openers.match(sentence.words):
        return True
    words = match.group().split()
    if reason == "advice" and backing.caller_says(match.group()):  # the caller's illness may be named
        return True
    groups = [group for group in rules.synonyms if group.intersection(words)]
    if groups and all(group & backing.status for group in groups):
        return True
    if reason == "unbacked_fact" and (
        backing.caller_says(match.group())
        or backing.told_in(match.group())
        or (not groups and backing.names(sentence))
        or backing.names_moment(sentence)
    ):
        return True
    # What the caller reports may be taken up ("you told me that it was delivered").
    return (
        reason == "unbacked_fact"
        and bool(groups)
        and all(backing.caller_says(word) for word in words for group in groups if word in group)
    )
