"""Is a reply fit to be said? What fails here gives way to a template.

Three parts look at a reply, the same in every language: its form by rules
(:mod:`~emotionlayer_rasa.response.form`), its facts by the ways in which slots may be said
(:mod:`~emotionlayer_rasa.response.said`), and its meaning by what was learnt from labelled replies
(:mod:`~emotionlayer_rasa.response.reply_reader`).
"""

from __future__ import annotations

from datetime import date
from typing import Any, Mapping, Sequence

from emotionlayer_rasa.response.form import MAX_CHARACTERS, form_faults, shared_run
from emotionlayer_rasa.response.reply_reader import load_reply_reader
from emotionlayer_rasa.response.said import review
from emotionlayer_rasa.response.sentences import split_sentences, words_of_meaning

REASONS: Mapping[str, str] = {
    "empty": "there is nothing to say",
    "too_long": "more than five sentences, or more words than a listener keeps in mind",
    "markup": "markup, lists, links or symbols that cannot be spoken",
    "garbled": "no sentence: cut off, or a word again and again",
    "repetition": "a sentence or clause comes twice or was said just before, or talk in circles",
    "wrong_language": "not the caller's language",
    "tone": "the tone contradicts the strategy, such as laughing at an angry caller",
    "placeholder": "a placeholder for a fact is missing, unknown, doubled, or part of something else",
    "unbacked_fact": "a number, date, name, status or other detail that no slot backs",
    "promise": "promises money, goods, a date or a result that no slot backs",
    "claim": "says that something was done or checked, which no slot backs",
    "blame": "blames or lectures the caller",
    "dismissal": "brushes the caller off, or plays the trouble down",
    "abuse": "insults, vulgar, hateful or sexual words, also those that the caller used",
    "advice": "medical, legal or financial advice",
    "prompt_leak": "speaks about its prompt, or of being a language model",
    "echo": "repeats what the caller told it to say",
    "lost_fact": "a fact of the draft is missing",
    "lost_question": "the draft's question is missing",
    "off_draft": "says other things than the draft",
}
"""Machine-readable reasons for a rejection, and what they mean."""

_OF_FACTS = ("unbacked_fact", "promise", "claim")
_OWN_TEXTS = ("draft", "crisis")
"""Facts that are replies of ours."""

_ALL_BUT_FIT = 0.05
"""Probability of being unfit below which a fact without a source is taken for one that is said otherwise."""
_SURE = ("time", "side")
"""Kinds of facts that are never said otherwise: a time of the clock, and a side."""


def check_reply(
    reply: str,
    strategy: str,
    language: str = "en",
    *,
    facts: Mapping[str, Any] | None = None,
    draft: str | None = None,
    caller: str = "",
    said: Sequence[str] = (),
    instructions: str = "",
    today: date | None = None,
    whole: bool = True,
) -> tuple[str, ...]:
    """Check a reply before it is said.

    Args:
        reply: what the language model wrote.
        strategy: the response strategy whose tone the reply should have.
        language: code of the language to answer in; one of :func:`emotionlayer_rasa.language.languages`.
        facts: slots that may be named.
        draft: the template that was to be reworded; None skips the comparison with it.
        caller: the caller's words. A fact in them may be repeated; abuse in them must not come back.
        said: the assistant's messages so far, oldest first.
        instructions: the prompt; a run of eight words of it, outside the draft, is a leak.
        today: the day from which "tomorrow" counts.
        whole: False for the beginning of a reply, whose meaning shows in the whole: only form and facts count.

    Returns:
        Keys of :data:`REASONS`, in their order; empty when the reply may be said.
    """
    if len(reply.strip()) > MAX_CHARACTERS:
        return ("too_long",)
    sentences = split_sentences(reply)
    if not any(character.isalpha() for sentence in sentences for character in sentence.words):
        return ("empty",)
    known = {name: value for name, value in (facts or {}).items() if value is not None}
    backing = {**known, "draft": draft} if draft else known
    found = form_faults(reply, sentences, strategy, language, map(str, backing.values()), said)
    if reply != draft:
        found.update(_meaning(reply, strategy, language, backing, caller, today, whole))
    if shared_run(reply, instructions, " ".join(map(str, backing.values()))):
        found.add("prompt_leak")
    if draft is not None:
        found.update(_departures(reply, draft, known, language))
    return tuple(reason for reason in REASONS if reason in found)


def _meaning(
    reply: str,
    strategy: str,
    language: str,
    backing: Mapping[str, Any],
    caller: str,
    today: date | None,
    whole: bool,
) -> set[str]:
    """Facts that nothing backs, and faults of meaning.

    A reply that says much of its draft looks fit to the reader whatever else is in it. So beside a draft it can
    neither vouch for a fact nor for the manner: that is read without the draft. It reads facts as the slots have
    them: of how else they may be said it knows less than the room of facts.
    """
    reader = load_reply_reader()
    slots = {name: value for name, value in backing.items() if name not in _OWN_TEXTS}
    drafted = len(slots) < len(backing)
    stated, as_given = review(reply, backing, caller, language, today)
    reading = reader.read(as_given, strategy, caller, backing)
    found = set()
    if stated and (drafted or reading["unfit"] >= _ALL_BUT_FIT or any(one.kind in _SURE for one in stated)):
        found.add("unbacked_fact")
    if whole:
        manner = reader.read(as_given, strategy, caller, slots) if drafted else reading
        found.update(fault for fault in reader.faults(reading, strategy) if fault in _OF_FACTS)
        found.update(fault for fault in reader.faults(manner, strategy) if fault not in _OF_FACTS)
    return found


def _departures(reply: str, draft: str, facts: Mapping[str, Any], language: str) -> set[str]:
    found = set()
    values = [str(value).lower() for value in facts.values()]
    if any(value in draft.lower() and value not in reply.lower() for value in values):
        found.add("lost_fact")
    if "?" in draft and "?" not in reply:
        found.add("lost_question")
    if "?" in reply and "?" not in draft:
        found.add("off_draft")
    said, meant = words_of_meaning(reply, language), words_of_meaning(draft, language)
    if said and meant and min(len(said & meant) / len(said), len(said & meant) / len(meant)) < 0.5:
        found.add("off_draft")
    return found
