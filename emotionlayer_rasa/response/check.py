"""Is a reply fit to be said? What fails here gives way to a template.

The rules of a language are data, ``languages/<language>/check.yml``; which tone is unfit for which strategy stands
in :mod:`emotionlayer_rasa.response.tone`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Any, Mapping, Sequence

from emotionlayer_rasa.language import languages
from emotionlayer_rasa.response.backing import Backing
from emotionlayer_rasa.response.claims import claims_unbacked, denied, forbidden_reasons, states_unbacked
from emotionlayer_rasa.response.facts import number_word
from emotionlayer_rasa.response.rules import REASONS, RULES_FILE, ReplyRules, check_rules
from emotionlayer_rasa.response.sentences import Sentence
from emotionlayer_rasa.response.tone import UNFIT_TONES, reading_fits

__all__ = ["REASONS", "check_reply", "check_rules"]

_MAX_SENTENCES = 3
_MAX_WORDS = 60
_MAX_SENTENCE_WORDS = 40
_MAX_CHARACTERS = 1_000
"""A longer reply is not read: what it says is of no matter any more."""
_STEM = 4
"""Letters by which two words count as the same: enough for inflection in English and Italian."""
_CUT_OFF_WORDS = 6
"""A sentence of so many words ends with a punctuation mark, unless it was cut off."""
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
    | \([^)]*\)                              # "(sighs)", "(note: the tone is calm)"
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
_CITED = re.compile(r"\"[^\"]{1,40}\"|“[^”]{1,40}”|«[^»]{1,40}»|(?<!\w)['‘][^'’]{1,40}['’](?!\w)")
"""A short quotation: a word to learn, a title, a button."""
_ADDRESS = re.compile(r"\S+@\S+\w")
_SHOUTING = re.compile(r"\b[A-ZÀ-Ý]{4,}\b(?:\W+\b[A-ZÀ-Ý]{2,}\b)+|[!?]{2,}|!\?")
_FOREIGN_LETTERS = re.compile("[ñ¿¡ßüöäçêãõâîûåøœ]", re.IGNORECASE)
_CLAUSE = re.compile("[,;:]")
_LETTER = re.compile(r"(?<=\w )[A-HJ-Z]\b(?!['’])")
"""A letter that is no word ("an A in maths")."""
_REPEATED_WORD = re.compile(
    r"(?<!\S)(\w+)(?: \1){2,}(?!\S)|(?<!\S)(the|a|to|of|is|your|and|il|la|di|per|un|del) \2(?!\S)"
)


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
        language: code of the language to answer in; one of ``languages(RULES_FILE)``.
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
    said_itself = rules.sentences(_CITED.sub(" ", reply))
    if not set(words.split()) - set(rules.rules.fillers):
        return ("empty",)
    backing = Backing(rules, facts or {}, draft or "", caller, reply)
    # An address is of no language.
    own_words = rules.sentences(_CITED.sub(" ", _ADDRESS.sub(" ", reply)))
    found = {
        *_form_faults(reply, sentences, rules, backing),
        *_repetitions(said_itself or sentences, rules, backing, said),
        *(["wrong_language"] if not _in_language(reply, own_words or sentences, language) else []),
        *(["tone"] if not _tone_fits(reply, sentences, strategy, rules, language, backing) else []),
        *(["unbacked_fact"] if _unbacked(said_itself, rules, backing) else []),
        *forbidden_reasons(said_itself, rules, backing),
        *_echoes(sentences, rules, backing),
        *(["prompt_leak"] if _leaks(reply, words, rules, backing, instructions) else []),
    }
    if draft is not None:
        found.update(_departures(reply, draft, facts or {}, rules))
    return tuple(reason for reason in REASONS if reason in found)


def _unbacked(sentences: Sequence[Sentence], rules: ReplyRules, backing: Backing) -> bool:
    return any(
        states_unbacked(sentence, rules, backing) or claims_unbacked(sentence, rules, backing)
        for sentence in sentences
    )


def _form_faults(reply: str, sentences: Sequence[Sentence], rules: ReplyRules, backing: Backing) -> set[str]:
    faults = set()
    lengths = [len(sentence.words.split()) for sentence in sentences]
    if len(sentences) > _MAX_SENTENCES or sum(lengths) > _MAX_WORDS or max(lengths) > _MAX_SENTENCE_WORDS:
        faults.add("too_long")
    written = backing.without_values(reply)
    if _MARKUP.search(written) or any(
        unicodedata.category(char) in ("So", "Sm", "Cs", "Co", "Cn") for char in written
    ):
        faults.add("markup")
    cut_off = reply.strip()[-1].isalnum() and (
        lengths[-1] >= _CUT_OFF_WORDS or rules.open_ends.search(sentences[-1].words)
    )
    quoted = _CITED.search(reply)  # words that are spoken about may stand in any order
    if cut_off or any(
        not quoted and (_disordered(sentence, rules) or _stutters(sentence.words, rules)) for sentence in sentences
    ):
        faults.add("garbled")
    return faults


def _disordered(sentence: Sentence, rules: ReplyRules) -> bool:
    """Whether words of one clause stand in no order; a comma may part any two words."""
    return rules.impossible.search(sentence.words) is not None and any(
        rules.impossible.search(rules.plain(_LETTER.sub("x", clause))) for clause in _CLAUSE.split(sentence.text)
    )


def _stutters(words: str, rules: ReplyRules) -> bool:
    """Whether a word comes again and again; digits of a number may."""
    return any(
        number_word(match.group().split()[0], rules.rules.fact_words.numbers) is None
        and not match.group()[0].isdigit()
        for match in _REPEATED_WORD.finditer(words)
    )


def _repetitions(
    sentences: Sequence[Sentence], rules: ReplyRules, backing: Backing, said: Sequence[str]
) -> set[str]:
    def looped(words: str, length: int) -> bool:
        runs = [run for run in _runs(words, length) if not backing.says(run) and says_something(run)]
        return len(runs) > len(set(runs))

    def says_something(run: str) -> bool:  # "i am not … i am not" goes in no circle
        idle = rules.grammar_words | rules.rules.fact_words.numbers.keys()
        return any(len(word) >= _STEM and word not in idle for word in run.split())

    bags = [{word[:_STEM] for word in sentence.words.split()} for sentence in sentences]
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


def _circles(words: str, rules: ReplyRules, backing: Backing, *, pairs: bool) -> bool:
    """Whether words of content come so often that nothing is said with them."""
    stems = Counter(
        word[:_STEM]
        for word in words.split()
        if len(word) >= _STEM
        and word not in rules.grammar_words
        and not any(map(str.isdigit, word))
        and word not in rules.rules.fact_words.numbers
        and word not in rules.rules.fact_words.clock_words.words
        and not backing.says(word)
    )
    often = [count for count in stems.values() if count > 1]
    # Steps of an instruction may share words ("take the mean of the squares, subtract the square of the mean").
    pairs = pairs and not rules.suggestions.search(words)
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
    others = [check_rules(code).function_words for code in languages(RULES_FILE) if code != language]
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
    reply: str, sentences: Sequence[Sentence], strategy: str, rules: ReplyRules, language: str, backing: Backing
) -> bool:
    whole = " ".join(sentence.words for sentence in sentences)
    for group in UNFIT_TONES.get(strategy, ()):
        for words in [whole] if group == "brush_off" else [sentence.words for sentence in sentences]:
            for match in rules.tone[group].finditer(words):
                if not backing.says(match.group()) and not denied(words, match, rules):
                    return False
    calls = reply.count("!")
    allowed = 0 if strategy in _CALM_STRATEGIES else len(sentences) if strategy == "positive_mirroring" else 1
    if calls > allowed or (_SHOUTING.search(reply) and not backing.says(rules.plain(reply))):
        return False
    if (
        strategy == "empathic_validation"
        and rules.sorrow.search(backing.caller)
        and not rules.comfort.search(whole)
    ):
        return False
    return reading_fits(reply, strategy, language)


def _echoes(sentences: Sequence[Sentence], rules: ReplyRules, backing: Backing) -> set[str]:
    words = " ".join(sentence.words for sentence in sentences)
    found = set()
    stems = {
        match.group()[:5]
        for match in rules.echoed.finditer(backing.caller)
        if not rules.self_reproach.search(backing.caller[: match.start()].rstrip())
    }
    said = (match for match in rules.echoed.finditer(words) if not denied(words, match, rules))
    if any(match.group()[:5] in stems for match in said):
        found.add("abuse")
    command = rules.injections.search(backing.caller)
    if command:
        told = set(_runs(backing.caller[command.start() :], _ECHOED_WORDS))
        dictated = set(backing.caller[command.end() :].split())
        if told.intersection(_runs(words, _ECHOED_WORDS)) or any(
            dictated.issuperset(sentence.words.split()) for sentence in sentences
        ):
            found.add("echo")
    return found


def _leaks(reply: str, words: str, rules: ReplyRules, backing: Backing, instructions: str) -> bool:
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
