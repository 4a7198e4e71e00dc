"""Is a reply fit to be said? What fails here gives way to a template.

The rules of a language are data, ``languages/<language>/check.yml``; which tone is unfit for which strategy stands
in :mod:`emotionlayer_rasa.response.tone`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from typing import Any, Iterable, Mapping, Sequence

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response.facts import FactWords, backing_forms, spoken_together, stated_facts
from emotionlayer_rasa.response.language_data import language_data, languages
from emotionlayer_rasa.response.sentences import Sentence, compile_patterns, plain, split_sentences
from emotionlayer_rasa.response.tone import UNFIT_TONES, WORD_GROUPS, load_tone_reader, reading_fits
from emotionlayer_rasa.settings import Settings, read_settings

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

_MAX_SENTENCES = 3
_MAX_WORDS = 60
_MAX_SENTENCE_WORDS = 40
_MAX_CHARACTERS = 1_000
"""A longer reply is not read: what it says is of no matter any more."""
_STEM = 4
"""Letters by which two words count as the same: enough for inflection in English and Italian."""
_LEAKED_WORDS = 8
_ECHOED_WORDS = 4
_LOOPED_WORDS = 6
_LOOPED_CLAUSE = 3
"""Words that may not come twice in one statement; a question may set alternatives side by side."""
_CIRCLING_WORD = 3
"""Times a word of content comes in a sentence that goes in circles ("value the value of valued customers")."""
_CIRCLING_PAIR = 2
"""Words of content that come twice in such a sentence ("the solution to the problem solves the problem")."""
_SAME_SENTENCE = 0.8
"""Share of common words from which two sentences say the same."""
_SHORTEST_TWIN = 3
"""Different words a sentence must have for all but the same words in a longer one to make it a repetition."""

_DENIABLE = ("blame", "dismissal", "abuse", "perspective")
"""Reasons that a negation right before the match excuses."""

_CALM_STRATEGIES = ("active_deescalation", "assertive_neutrality")
"""Strategies whose replies hold no exclamation; the others may hold one, cheerful ones as many as sentences."""

_MARKUP = re.compile(
    r"""
    [*_#`<>{}\[\]|\\~^=@→•—] | \n            # symbols of markup, lines
    | https?: | www\. | \b\w+\.(?:com|org|net|it|co\.uk)\b
    | ^\s*(?:[-–]|\(?\w[.)])\s                # "- item", "a) item", "1. item"
    | (?:^|\s)\(?\w\)                         # "b) item" within a line
    | \w/[a-z]                                # "and/or"
    | [:;]-?[)(DPp](?!\w)                     # ":-)"
    | \((?:\w+\s?){1,2}\)                     # "(sighs)"
    """,
    re.MULTILINE | re.VERBOSE,
)
_SPEAKERS = (
    "assistant|user|caller|system|bot|agent|ai|human|customer|client|support|service|helpdesk|desk|representative|rep|"
    "adviser|advisor|consultant|operator|clerk|staff|tutor|teacher|coach|counsell?or|therapist|chatbot|assistente|"
    "utente|clienti?|sistema|operatore|operatrice|chiamante|agente|supporto|assistenza|servizio|consulente|addett[oa]|"
    "impiegat[oa]|centralino|centralinista|insegnante|docente|professore|professoressa|terapeuta|psicolog[oa]"
)
_TEXTS = (
    "reply|response|answer|draft|note|output|strategy|tone|emotion|text|message|version|result|risposta|bozza|nota|"
    "strategia|tono|messaggio|testo|versione|risultato"
)
_LINKS = "the|your|our|my|of|for|help|care|final|new|virtual|automated|il|la|lo|i|del|della|di|al|mio|tua|sua"
_ROLE = re.compile(
    rf"""
    ^\W* (?:(?:{_LINKS}|{_SPEAKERS}|{_TEXTS})[ _-]+)* (?:{_SPEAKERS}|{_TEXTS})  # "Customer service agent"
    (?:[ _]?\d+)? \s* (?:\([^)]*\)\s*)? (?:[:>]|[-–—](?!\w))                     # "2 (calm):"
    | ^\W* (?:\w+[ _-]+)? (?:{_SPEAKERS}) (?:\ (?:in|on|at|di)\ \w+)? \s* [:>]   # "Live agent on duty:"
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_SHOUTING = re.compile(r"\b[A-ZÀ-Ý]{4,}\b(?:\W+\b[A-ZÀ-Ý]{2,}\b)+|[!?]{2,}|!\?")
_FOREIGN_LETTERS = re.compile("[ñ¿¡ßüöäçêãõâîûåøœ]", re.IGNORECASE)
_REPEATED_WORD = re.compile(
    r"(?<!\S)(\w+)(?: \1){2,}(?!\S)|(?<!\S)(the|a|to|of|is|your|and|il|la|di|per|un|del) \2(?!\S)"
)


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
        own_actions: what the assistant may say it will do.
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
    own_actions: tuple[str, ...]
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
            return compile_patterns(patterns, rules.sets, f"{where}, {key}")

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
        self.commitments = compiled("commitments", rules.commitments)
        self.own_actions = compiled("own_actions", rules.own_actions)
        self.suggestions = compiled("suggestions", rules.suggestions)
        self.echoed = compiled("echoed", rules.echoed)
        self.injections = compiled("injections", rules.injections)
        self.impossible = compiled("impossible", rules.impossible)
        self.open_ends = compiled("open_ends", [f"(?:{end})$" for end in rules.open_ends])
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
        ConfigurationError: the file has an unknown or a wrong key.
    """
    where = f"languages/{language}/check.yml"
    rules = ReplyRules(read_settings(CheckRules, language_data(language, "check.yml"), where), where)
    load_tone_reader(language)
    return rules


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
) -> tuple[str, ...]:
    """Check a reply before it is said.

    Args:
        reply: what the language model wrote.
        strategy: the response strategy whose tone the reply should have.
        language: code of the language to answer in.
        facts: slots that may be named.
        draft: the template that was to be reworded; None skips the comparison with it.
        caller: the caller's words. A number in them may be repeated; a date or an amount too, as long as the reply
            commits to nothing. Abuse in them must not come back.
        said: the assistant's messages so far, oldest first.
        instructions: the prompt; a run of eight words of it, outside the draft, is a leak.

    Returns:
        Keys of :data:`REASONS`, in their order; empty when the reply may be said.
    """
    rules = check_rules(language)
    if len(reply.strip()) > _MAX_CHARACTERS:
        return ("too_long",)
    sentences = rules.sentences(reply)
    words = " ".join(sentence.words for sentence in sentences)
    if not set(words.split()) - set(rules.rules.fillers):
        return ("empty",)
    backing = _Backing(rules, facts or {}, draft or "", caller)
    found = {
        *_form_faults(reply, sentences, rules),
        *_repetitions(sentences, rules, backing, said),
        *(["wrong_language"] if not _in_language(reply, sentences, language) else []),
        *(["tone"] if not _tone_fits(reply, sentences, strategy, rules, language, backing) else []),
        *(["unbacked_fact"] if any(_states_unbacked(sentence, rules, backing) for sentence in sentences) else []),
        *_forbidden(sentences, rules, backing),
        *_echoes(words, rules, backing),
        *(["prompt_leak"] if _leaks(reply, words, rules, backing, instructions) else []),
    }
    if draft is not None:
        found.update(_departures(reply, draft, facts or {}, rules))
    return tuple(reason for reason in REASONS if reason in found)


class _Backing:
    """What may be said: slots and draft, and to some degree the caller's own words."""

    def __init__(self, rules: ReplyRules, facts: Mapping[str, Any], draft: str, caller: str) -> None:
        values = {name: str(value) for name, value in facts.items() if value not in (None, "", [], {})}
        texts = [draft, *values.values()]
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

    def says(self, words: str) -> bool:
        return f" {words} " in self.words

    def names(self, sentence: Sentence) -> bool:
        """Whether a sentence names a number, code or date that stands in a slot."""
        facts = stated_facts(sentence.text, self._fact_words)
        return any(fact.forms & self.forms for fact in facts) or bool(self.codes_in(sentence))

    def codes_in(self, sentence: Sentence) -> set[str]:
        """Codes of the slots that a sentence spells, in whatever groups: ``RX 7731 IT`` is ``RX7731IT``."""
        spelled = "".join(sentence.words.split())
        codes = (form.removeprefix("code ") for form in self.forms if form.startswith("code "))
        return {code for code in codes if len(code) > 3 and any(map(str.isdigit, code)) and code in spelled}

    def caller_says(self, words: str) -> bool:
        return f" {words} " in self.caller


def _form_faults(reply: str, sentences: Sequence[Sentence], rules: ReplyRules) -> set[str]:
    faults = set()
    lengths = [len(sentence.words.split()) for sentence in sentences]
    if len(sentences) > _MAX_SENTENCES or sum(lengths) > _MAX_WORDS or max(lengths) > _MAX_SENTENCE_WORDS:
        faults.add("too_long")
    if _MARKUP.search(reply.strip()) or any(
        unicodedata.category(char) in ("So", "Sm", "Cs", "Co", "Cn") for char in reply
    ):
        faults.add("markup")
    cut_off = reply.strip()[-1].isalpha() and rules.open_ends.search(sentences[-1].words)
    if cut_off or any(
        rules.impossible.search(sentence.words) or _REPEATED_WORD.search(sentence.words) for sentence in sentences
    ):
        faults.add("garbled")
    return faults


def _repetitions(
    sentences: Sequence[Sentence], rules: ReplyRules, backing: _Backing, said: Sequence[str]
) -> set[str]:
    def looped(words: str, length: int) -> bool:
        runs = [run for run in _runs(words, length) if not backing.says(run)]
        return len(runs) > len(set(runs))

    bags = [set(sentence.words.split()) for sentence in sentences]
    twice = any(
        first == second
        or len(first & second) >= _SAME_SENTENCE * max(_SHORTEST_TWIN, min(len(first), len(second)))
        for number, first in enumerate(bags)
        for second in bags[:number]
    )
    words = " ".join(sentence.words for sentence in sentences)
    statements = [sentence.words for sentence in sentences if not sentence.question]
    # A reply that asks nothing may circle over several sentences.
    circling = any(_circles(statement, rules, backing, pairs=True) for statement in statements) or (
        len(statements) == len(sentences) and _circles(words, rules, backing, pairs=False)
    )
    found = (
        twice
        or circling
        or looped(words, _LOOPED_WORDS)
        or any(looped(statement, _LOOPED_CLAUSE) for statement in statements)
        or _apologies(sentences, rules) > 1
        or (bool(said) and rules.plain(said[-1]) == words)
    )
    return {"repetition"} if found else set()


def _circles(words: str, rules: ReplyRules, backing: _Backing, *, pairs: bool) -> bool:
    """Whether words of content come so often that nothing is said with them."""
    stems = Counter(
        word[:_STEM]
        for word in words.split()
        if len(word) >= _STEM
        and word not in rules.grammar_words
        and not any(map(str.isdigit, word))
        and not backing.says(word)
    )
    often = [count for count in stems.values() if count > 1]
    return max(often, default=0) >= _CIRCLING_WORD or (pairs and len(often) >= _CIRCLING_PAIR)


def _apologies(sentences: Sequence[Sentence], rules: ReplyRules) -> int:
    return sum(len(rules.tone["apologetic"].findall(sentence.words)) for sentence in sentences)


def _in_language(reply: str, sentences: Sequence[Sentence], language: str) -> bool:
    letters = [char for char in reply if char.isalpha()]
    if sum("LATIN" in unicodedata.name(char, "") for char in letters) < 0.9 * len(letters):
        return False
    if _FOREIGN_LETTERS.search(reply):
        return False
    own = check_rules(language).function_words
    others = [check_rules(code).function_words for code in languages() if code != language]
    others.append(check_rules(language).foreign_words)
    foreign_words: set[str] = set()
    for sentence in sentences:
        words = sentence.words.split()
        hits = sum(word in own for word in words)
        foreign = [word for word in words if word not in own and any(word in other for other in others)]
        foreign_words.update(word for word in foreign if len(word) > 1)
        # A long sentence of the language always holds some of its common words; a short one may hold none.
        if len(foreign) > hits or hits < 0.15 * (len(words) - 5):
            return False
    return len(foreign_words) < 2


def _tone_fits(
    reply: str, sentences: Sequence[Sentence], strategy: str, rules: ReplyRules, language: str, backing: _Backing
) -> bool:
    whole = " ".join(sentence.words for sentence in sentences)
    for group in UNFIT_TONES.get(strategy, ()):
        for words in [whole] if group == "brush_off" else [sentence.words for sentence in sentences]:
            for match in rules.tone[group].finditer(words):
                if not backing.says(match.group()) and not _denied(words, match, rules):
                    return False
    calls = reply.count("!")
    allowed = 0 if strategy in _CALM_STRATEGIES else len(sentences) if strategy == "positive_mirroring" else 1
    if calls > allowed or (_SHOUTING.search(reply) and not backing.says(rules.plain(reply))):
        return False
    return reading_fits(reply, strategy, language)


def _states_unbacked(sentence: Sentence, rules: ReplyRules, backing: _Backing) -> bool:
    """Whether a sentence states a number or a date that stands in no slot."""
    words = rules.rules.fact_words
    commits = bool(rules.commitments.search(rules.own_actions.sub(" ", sentence.words)))
    # A question, or a thing to try, may hold a time or an amount as long as it commits to nothing.
    open_ended = not commits and (sentence.question or bool(rules.suggestions.search(sentence.words)))
    joined = bool(spoken_together(sentence.text, words) & backing.forms)
    codes = backing.codes_in(sentence)
    for fact in stated_facts(sentence.text, words):
        if fact.forms & backing.forms or (joined and fact.kind in ("number", "word")):
            continue
        if any(form in code for code in codes for form in fact.forms):
            continue
        if fact.forms & backing.caller_forms and (fact.kind in ("number", "code") or not commits):
            continue
        if not (open_ended and fact.kind in ("amount", "word", "date")):
            return True
    for kind, pattern in rules.dates.items():
        for match in pattern.finditer(sentence.words):
            if backing.says(match.group()) or (backing.caller_says(match.group()) and not commits):
                continue
            if commits or not (kind == "soft" or open_ended):
                return True
    return False


def _forbidden(sentences: Sequence[Sentence], rules: ReplyRules, backing: _Backing) -> set[str]:
    return {
        reason
        for reason, pattern in rules.forbidden.items()
        for sentence in sentences
        for match in pattern.finditer(sentence.words)
        if not backing.says(match.group())
        and not (reason in _DENIABLE and _denied(sentence.words, match, rules))
        and not (reason in rules.rules.hedged and _excused(sentence, match, reason, rules, backing))
    }


def _denied(words: str, match: re.Match[str], rules: ReplyRules) -> bool:
    """Whether a negation stands right before a match ("you are not overreacting")."""
    return rules.denials.search(words[: match.start()].rstrip()) is not None


def _excused(sentence: Sentence, match: re.Match[str], reason: str, rules: ReplyRules, backing: _Backing) -> bool:
    """Whether a negation, a hedge, a question or a slot takes the claim out of a match."""
    before = sentence.words[: match.start()].rstrip()
    if rules.negated.search(before) or rules.hedges.search(before):
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
        backing.caller_says(match.group()) or (not groups and backing.names(sentence))
    ):
        return True
    # What the caller reports may be taken up ("you told me that it was delivered").
    return (
        reason == "unbacked_fact"
        and bool(groups)
        and all(backing.caller_says(word) for word in words for group in groups if word in group)
    )


def _echoes(words: str, rules: ReplyRules, backing: _Backing) -> set[str]:
    found = set()
    stems = {match.group()[:5] for match in rules.echoed.finditer(backing.caller)}
    if any(match.group()[:5] in stems for match in rules.echoed.finditer(words)):
        found.add("abuse")
    command = rules.injections.search(backing.caller)
    if command:
        told = set(_runs(backing.caller[command.start() :], _ECHOED_WORDS))
        if told.intersection(_runs(words, _ECHOED_WORDS)):
            found.add("echo")
    return found


def _leaks(reply: str, words: str, rules: ReplyRules, backing: _Backing, instructions: str) -> bool:
    if _ROLE.search(reply.strip()):
        return True
    prompt = set(_runs(rules.plain(instructions), _LEAKED_WORDS))
    return any(run in prompt and not backing.says(run) for run in _runs(words, _LEAKED_WORDS))


def _departures(reply: str, draft: str, facts: Mapping[str, Any], rules: ReplyRules) -> set[str]:
    found = set()
    values = [str(value).lower() for value in facts.values() if value is not None]
    if any(value in draft.lower() and value not in reply.lower() for value in values):
        found.add("lost_fact")
    if "?" in draft and "?" not in reply:
        found.add("lost_question")
    if "?" in reply and "?" not in draft:
        found.add("off_draft")
    if _apologies(rules.sentences(reply), rules) and not _apologies(rules.sentences(draft), rules):
        found.add("off_draft")
    said, meant = _content(reply, rules), _content(draft, rules)
    if said and meant and min(len(said & meant) / len(said), len(said & meant) / len(meant)) < 0.5:
        found.add("off_draft")
    return found


def _content(text: str, rules: ReplyRules) -> set[str]:
    words = rules.plain(text).split()
    return {word[:_STEM] for word in words if len(word) >= _STEM and word not in rules.function_words}


def _runs(words: str, length: int) -> list[str]:
    listed = words.split()
    return [" ".join(listed[start : start + length]) for start in range(len(listed) - length + 1)]
