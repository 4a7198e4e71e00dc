"""Is a language model's reply fit to be said? What fails here gives way to a template."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any, Mapping

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response.language_data import language_data, languages
from emotionlayer_rasa.settings import Settings, read_settings

REASONS: Mapping[str, str] = {
    "empty": "there is nothing to say",
    "too_long": "more than three sentences, or more words than a listener keeps in mind",
    "markup": "markup, lists, links or symbols that cannot be spoken",
    "repetition": "a sentence comes twice, or more than one apology",
    "wrong_language": "not the caller's language",
    "tone": "the tone contradicts the strategy, such as laughing at an angry caller",
    "unbacked_fact": "a number, amount or date that no slot backs",
    "promise": "promises money, goods or a result, or claims to have done something",
    "blame": "blames or insults the caller",
    "advice": "medical or legal claims",
    "prompt_leak": "speaks about its prompt, or of being a language model",
    "perspective": "speaks as if it were the caller",
    "lost_fact": "a fact of the draft is missing",
    "lost_question": "the draft's question is missing",
    "off_draft": "says other things than the draft",
}
"""Machine-readable reasons for a rejection, and what they mean."""

NEGATIVE_STRATEGIES = ("active_deescalation", "empathic_validation", "assertive_neutrality", "rapid_resolution")
"""Strategies that answer a caller who is not in the mood for cheerfulness."""

_MAX_SENTENCES = 3
_MAX_WORDS = 55
_STEM = 4
"""Letters by which two words count as the same: enough for inflection in English and Italian."""

_MARKUP = re.compile(r"[*_#`<>{}\[\]|\\~^=]|https?:|www\.|^\s*(?:[-•–]|\d+[.)])\s|\n", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")


class CheckRules(Settings):
    """What ``languages/<language>/check.yml`` holds.

    Attributes:
        function_words: words by which the language is recognised.
        number_words, date_words: words that state a fact, so they must stand in the draft or in a slot.
        cheerful: patterns of a tone that hurts a caller who is angry, sad or in a hurry.
        regretful: patterns of an apology.
        forbidden: reason to patterns that must not be said, unless the draft says the same.
    """

    function_words: tuple[str, ...]
    number_words: tuple[str, ...]
    date_words: tuple[str, ...]
    cheerful: tuple[str, ...]
    regretful: tuple[str, ...]
    forbidden: Mapping[str, tuple[str, ...]]


def check_reply(
    reply: str,
    strategy: str,
    language: str = "en",
    *,
    facts: Mapping[str, Any] | None = None,
    draft: str | None = None,
) -> tuple[str, ...]:
    """Check a reply before it is said.

    Args:
        reply: what the language model wrote.
        strategy: the response strategy whose tone the reply should have.
        language: code of the language to answer in.
        facts: slots that may be named.
        draft: the template that was to be reworded; None skips the comparison with it.

    Returns:
        Keys of :data:`REASONS`, in their order; empty when the reply may be said.
    """
    if not reply.strip():
        return ("empty",)
    rules = check_rules(language)
    backed = " ".join([draft or "", *(str(value) for value in (facts or {}).values() if value is not None)])
    found = {
        *_form_faults(reply, rules),
        *(["wrong_language"] if not _in_language(reply, language) else []),
        *(["tone"] if not _tone_fits(reply, strategy, rules, draft) else []),
        *(["unbacked_fact"] if _facts(reply, rules) - _facts(backed, rules) else []),
        *_forbidden(reply, rules, backed),
    }
    if draft is not None:
        found.update(_departures(reply, draft, facts or {}, rules))
    return tuple(reason for reason in REASONS if reason in found)


@cache
def check_rules(language: str) -> CheckRules:
    """The rules of a language.

    Raises:
        ConfigurationError: the file has an unknown or a wrong key.
    """
    where = f"languages/{language}/check.yml"
    rules = read_settings(CheckRules, language_data(language, "check.yml"), where)
    unknown = sorted(set(rules.forbidden) - set(REASONS))
    if unknown:
        raise ConfigurationError(
            f"{where}: 'forbidden' knows no {', '.join(unknown)} (known: {', '.join(REASONS)})"
        )
    return rules


def _form_faults(reply: str, rules: CheckRules) -> set[str]:
    faults = set()
    sentences = _SENTENCE_END.split(reply.strip())
    if len(sentences) > _MAX_SENTENCES or len(reply.split()) > _MAX_WORDS:
        faults.add("too_long")
    if _MARKUP.search(reply.strip()) or any(
        unicodedata.category(char) in ("So", "Cs", "Co", "Cn") for char in reply
    ):
        faults.add("markup")
    bare = [" ".join(_words(sentence)) for sentence in sentences]
    if len(set(bare)) < len(bare) or _count(rules.regretful, reply) > 1:
        faults.add("repetition")
    return faults


def _in_language(reply: str, language: str) -> bool:
    letters = [char for char in reply if char.isalpha()]
    if sum("LATIN" in unicodedata.name(char, "") for char in letters) < 0.9 * len(letters):
        return False
    words = _words(reply)
    hits = {code: sum(word in check_rules(code).function_words for word in words) for code in languages()}
    # Three words may hold no function word; a longer sentence of the language always does.
    return hits[language] == max(hits.values()) and (hits[language] > 0 or len(words) <= 3)


def _tone_fits(reply: str, strategy: str, rules: CheckRules, draft: str | None) -> bool:
    if strategy in NEGATIVE_STRATEGIES:
        return not _count(rules.cheerful, reply) and reply.count("!") <= (draft or "").count("!")
    if strategy == "positive_mirroring":
        return bool(_count(rules.regretful, draft or "")) or not _count(rules.regretful, reply)
    return True


def _facts(text: str, rules: CheckRules) -> set[str]:
    stated = set(rules.number_words) | set(rules.date_words)
    currency = {char for char in text if unicodedata.category(char) == "Sc" or char == "%"}
    return set(_NUMBER.findall(text)) | {word for word in _words(text) if word in stated} | currency


def _forbidden(reply: str, rules: CheckRules, backed: str) -> set[str]:
    return {
        reason
        for reason, patterns in rules.forbidden.items()
        if any(match.group().lower() not in backed.lower() for match in _matches(patterns, reply))
    }


def _departures(reply: str, draft: str, facts: Mapping[str, Any], rules: CheckRules) -> set[str]:
    found = set()
    values = [str(value).lower() for value in facts.values() if value is not None]
    if any(value in draft.lower() and value not in reply.lower() for value in values):
        found.add("lost_fact")
    if "?" in draft and "?" not in reply:
        found.add("lost_question")
    if "?" in reply and "?" not in draft:
        found.add("off_draft")
    said, meant = _content(reply, rules), _content(draft, rules)
    if said and meant and min(len(said & meant) / len(said), len(said & meant) / len(meant)) < 0.5:
        found.add("off_draft")
    return found


def _content(text: str, rules: CheckRules) -> set[str]:
    return {word[:_STEM] for word in _words(text) if len(word) >= _STEM and word not in rules.function_words}


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def _matches(patterns: tuple[str, ...], text: str) -> list[re.Match[str]]:
    plain = text.replace("’", "'")
    return [match for pattern in patterns for match in re.finditer(rf"\b(?:{pattern})", plain, re.IGNORECASE)]


def _count(patterns: tuple[str, ...], text: str) -> int:
    return len(_matches(patterns, text))
