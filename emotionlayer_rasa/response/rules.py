"""The rules of the reply check: ``languages/<language>/check.yml``, read and compiled."""

from __future__ import annotations

import re
from functools import cache
from typing import Iterable, Mapping, Sequence

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import compile_patterns, place, read_file
from emotionlayer_rasa.response.facts import FactWords
from emotionlayer_rasa.response.sentences import Sentence, plain, split_sentences
from emotionlayer_rasa.response.tone import WORD_GROUPS, load_tone_reader
from emotionlayer_rasa.settings import Settings

RULES_FILE = "check.yml"
"""The rules of a language. Without them nothing that a language model says can be checked, and none may speak."""

REASONS: Mapping[str, str] = {
    "empty": "there is nothing to say",
    "too_long": "more than three sentences, or more words than a listener keeps in mind",
    "markup": "markup, lists, links or symbols that cannot be spoken",
    "garbled": "no sentence: words in no order, or cut off",
    "repetition": "a sentence or clause comes twice or was said just before, talk in circles, or two apologies",
    "wrong_language": "not the caller's language",
    "tone": "the tone contradicts the strategy, such as laughing at an angry caller",
    "unbacked_fact": "a number, amount, date or status that no slot backs",
    "promise": "promises money, goods or a result, or claims to have done something",
    "blame": "blames or lectures the caller",
    "dismissal": "brushes the caller off, or plays the trouble down",
    "abuse": "insults, vulgar, hateful or sexual words, also those that the caller used",
    "advice": "medical or legal claims",
    "prompt_leak": "speaks about its prompt, or of being a language model",
    "echo": "repeats what the caller told it to say",
    "perspective": "speaks as if it were the caller",
    "lost_fact": "a fact of the draft is missing",
    "lost_question": "the draft's question is missing",
    "off_draft": "says other things than the draft",
}
"""Machine-readable reasons for a rejection, and what they mean."""


class Family(Settings):
    """What slots of a kind vouch for, such as an appointment for "is booked".

    Attributes:
        slots: patterns of the slots' names, words apart.
        says: patterns of what a reply that names the value of such a slot may say.
    """

    slots: tuple[str, ...]
    says: tuple[str, ...]


class CheckRules(Settings):
    """What ``languages/<language>/check.yml`` holds; lists are of patterns unless it says words.

    Attributes:
        contractions: see :func:`emotionlayer_rasa.response.sentences.plain`.
        function_words: common words, by which the language is recognised.
        grammar_words: words of four letters and more that may come often: pronouns, auxiliaries, prepositions.
        foreign_words: common words of languages that have no rules, and are none of this one.
        fact_words: see :class:`emotionlayer_rasa.response.facts.FactWords`.
        dates: ``hard`` ones are facts wherever they stand, ``soft`` ones only where the sentence commits to them.
        commitments: what makes a sentence commit to the date or number in it.
        claims: what says that something has happened or will happen, up to the word that says what; a slot, or the
            caller, must speak of that.
        own_actions: what the assistant may say it will do.
        disclaimers: what says that something is uncertain ("I can not promise that"), to the end of the clause; no
            commitment in it counts.
        past: a sentence with one may repeat a date or an amount of the caller's, even where it commits.
        suggestions: a sentence with one may hold times and amounts ("try it for five minutes").
        sets: named pieces of patterns.
        forbidden: reason to what must not be said, unless the draft says the same.
        hedged: reasons that a negation or a hedge before the match, or a question, excuses.
        hedges, weak_hedges, negations, question_openers: what excuses; a weak hedge ("might") leaves advice
            what it is.
        denials: a negation that, right before a match, excuses blame, abuse and tone.
        tone: group to patterns; :data:`emotionlayer_rasa.response.tone.UNFIT_TONES` says where a group is unfit.
        echoed: abuse that counts only where the caller used it first.
        synonyms: words of a status by line; a slot that says one backs the others of its line.
        families: what slots of a kind vouch for, once the reply names their value.
        self_reproach: what stands before abuse that callers say of themselves ("I feel so useless").
        sorrow: callers' words of loss, tears or fear, which a validating reply must meet with one of ``comfort``.
        comfort: words of empathy.
        pending: slot values that back nothing.
        injections: words by which a caller tells the assistant what to say.
        fillers: words that alone are no reply.
        open_ends: words that no sentence ends with.
        impossible: runs of words that no sentence holds.
    """

    contractions: Mapping[str, str]
    function_words: tuple[str, ...]
    grammar_words: tuple[str, ...]
    foreign_words: tuple[str, ...]
    fact_words: FactWords
    dates: Mapping[str, tuple[str, ...]]
    commitments: tuple[str, ...]
    claims: tuple[str, ...]
    disclaimers: tuple[str, ...]
    own_actions: tuple[str, ...]
    past: tuple[str, ...]
    suggestions: tuple[str, ...]
    sets: Mapping[str, str]
    forbidden: Mapping[str, tuple[str, ...]]
    hedged: tuple[str, ...]
    hedges: tuple[str, ...]
    weak_hedges: tuple[str, ...]
    negations: tuple[str, ...]
    denials: tuple[str, ...]
    question_openers: tuple[str, ...]
    tone: Mapping[str, tuple[str, ...]]
    echoed: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...]
    families: tuple[Family, ...]
    self_reproach: tuple[str, ...]
    sorrow: tuple[str, ...]
    comfort: tuple[str, ...]
    pending: tuple[str, ...]
    injections: tuple[str, ...]
    fillers: tuple[str, ...]
    open_ends: tuple[str, ...]
    impossible: tuple[str, ...]


class ReplyRules:
    """The rules of a language, compiled.

    Args:
        rules: what the language's file says.
        where: the file, for error messages.

    Raises:
        ConfigurationError: a reason, a tone or a set is unknown, or a pattern is no regular expression.
    """

    def __init__(self, rules: CheckRules, where: str) -> None:
        def known(key: str, names: Iterable[str], allowed: Iterable[str]) -> None:
            if unknown := sorted(set(names) - set(allowed)):
                raise ConfigurationError(
                    f"{where}: '{key}' knows no {', '.join(unknown)} (known: {', '.join(allowed)})"
                )

        def compiled(key: str, patterns: Sequence[str]) -> re.Pattern[str]:
            return compile_patterns(patterns, rules.sets, f"{where}, {key}", before_words=True)

        known("forbidden", rules.forbidden, REASONS)
        known("hedged", rules.hedged, REASONS)
        known("dates", rules.dates, ("hard", "soft"))
        known("tone", rules.tone, WORD_GROUPS)
        if missing := sorted(set(WORD_GROUPS) - set(rules.tone)):
            raise ConfigurationError(f"{where}: 'tone' lacks {', '.join(missing)}.")
        self.rules = rules
        counted = rules.fact_words
        self.function_words = frozenset(
            plain(
                " ".join([*rules.function_words, *counted.numbers, *counted.weekdays, *counted.months]), {}
            ).split()
        )
        self.grammar_words = frozenset(plain(" ".join(rules.grammar_words), {}).split())
        self.foreign_words = frozenset(rules.foreign_words)
        self.forbidden = {key: compiled(f"forbidden.{key}", found) for key, found in rules.forbidden.items()}
        self.tone = {key: compiled(f"tone.{key}", found) for key, found in rules.tone.items()}
        self.dates = {key: compiled(f"dates.{key}", found) for key, found in rules.dates.items()}
        self.negated = compiled("negations", [f"({pattern})$" for pattern in rules.negations])
        self.denials = compiled("denials", [f"({pattern})$" for pattern in rules.denials])
        self.hedges = compiled("hedges", rules.hedges)
        self.weak_hedges = compiled("weak_hedges", rules.weak_hedges)
        self.question_openers = compiled("question_openers", rules.question_openers)
        self.claims = compiled("claims", rules.claims)
        self.commitments = compiled("commitments", rules.commitments)
        self.disclaimers = compiled("disclaimers", rules.disclaimers)
        self.own_actions = compiled("own_actions", rules.own_actions)
        self.past = compiled("past", rules.past)
        self.suggestions = compiled("suggestions", rules.suggestions)
        self.echoed = compiled("echoed", rules.echoed)
        self.injections = compiled("injections", rules.injections)
        self.impossible = compiled("impossible", rules.impossible)
        self.open_ends = compiled("open_ends", [f"(?:{end})$" for end in rules.open_ends])
        self.self_reproach = compiled("self_reproach", [f"({pattern})$" for pattern in rules.self_reproach])
        self.sorrow = compiled("sorrow", rules.sorrow)
        self.comfort = compiled("comfort", rules.comfort)
        self.families = [
            (compiled("families.slots", family.slots), compiled("families.says", family.says))
            for family in rules.families
        ]
        self.synonyms = [frozenset(group) for group in rules.synonyms]

    def sentences(self, text: str) -> tuple[Sentence, ...]:
        """The sentences of a text in this language."""
        return split_sentences(text, self.rules.contractions)

    def plain(self, text: str) -> str:
        """The words of a text, as patterns see them."""
        return plain(text, self.rules.contractions)


@cache
def check_rules(language: str) -> ReplyRules:
    """The rules of a language, read once; also loads what reads the tone, so that no caller waits for it.

    Raises:
        ConfigurationError: there is no such file, or it has an unknown or a wrong key.
    """
    rules = ReplyRules(read_file(CheckRules, language, RULES_FILE), place(language, RULES_FILE))
    load_tone_reader(language)
    return rules
