"""What no reply may look like, whatever it says: markup, length, repetition, another language, the prompt's words.

One set of rules for every language; its stop words are spaCy's.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Iterable, Sequence

from emotionlayer_rasa.language import languages
from emotionlayer_rasa.response.said import number_words
from emotionlayer_rasa.response.sentences import Sentence, plain
from emotionlayer_rasa.words.stop_words import stop_words

MAX_CHARACTERS = 1_000
"""A longer reply is not read: what it says is of no matter any more."""

_MAX_SENTENCES = 5
"""A listener counts words rather than sentences: four or five may be as short as two."""
_MAX_WORDS = 60
_MAX_SENTENCE_WORDS = 40
_CUT_OFF_WORDS = 6
"""A sentence of so many words ends with a punctuation mark, unless it was cut off."""
_LEAKED_WORDS = 8
_LOOPED_WORDS = 6
_CIRCLING_WORD = 3
"""Times a word of content comes in a sentence that goes in circles ("value the value of valued customers")."""
_CONTENT = 4
"""Letters of the shortest word of content, and those by which two count as the same."""
_SAME_SENTENCE = 0.8
"""Share of common words from which two sentences say the same."""
_SHORTEST_TWIN = 3
"""Different words a sentence must have for all but the same words in a longer one to make it a repetition."""
_COMMON = 0.15
"""Share of a language's common words in a sentence, beyond five words that may hold none."""

_CALM_STRATEGIES = ("active_deescalation", "assertive_neutrality")
"""Strategies whose replies hold no exclamation; the others may hold one, cheerful ones as many as sentences."""

_MARKUP = re.compile(
    r"""
    [*_#`<>{}\[\]|\\~^=@→•—] | \n            # symbols of markup, lines
    | https?: | www\. | \b\w+\.(?:com|org|net|eu|it|de|es|fr|pt|co\.uk)\b
    | ^\s*(?:[-–]|\(?\w[.)])\s                # "- item", "a) item", "1. item"
    | (?:^|\s)\(?\w\)                         # "b) item" within a line
    | \w/[a-z]                                # "and/or"
    | [:;]-?[)(DPp](?!\w)                     # ":-)"
    | \([^)]*\)                              # "(sighs)", "(note: the tone is calm)"
    """,
    re.MULTILINE | re.VERBOSE,
)
_SPEAKERS = (
    r"assistant\w*|assistent\w*|asistent\w*|user|caller|system\w*|sistema|bot\w*|chatbot|agente?|ai|human|customer|"
    r"client\w*|support|service|kunde|kundin|operator\w*|utente|usuari\w*|utilisateur|benutzer|chiamante|atendente|"
    r"reply|response|answer|draft|risposta|bozza|antwort|entwurf|respuesta|borrador|réponse|resposta|rascunho"
)
_LABEL = re.compile(
    rf"^\W*(?:[\w-]+\s+){{0,3}}?(?:{_SPEAKERS})(?:[ _]?\d+)?(?:\s+\w+){{0,2}}\s*(?:\([^)]*\)\s*)?[:>](?!\d)",
    re.IGNORECASE,
)
"""Who speaks, or what this is, before the reply itself."""
_SHOUTING = re.compile(r"\b[A-ZÀ-Ý]{4,}\b(?:\W+\b[A-ZÀ-Ý]{2,}\b)+|[!?]{2,}|!\?")
_CITED = re.compile(r"\"[^\"]{1,40}\"|“[^”]{1,40}”|«[^»]{1,40}»|(?<!\w)['‘][^'’]{1,40}['’](?!\w)")
"""A short quotation: a word to learn, a title, a button."""
_ADDRESS = re.compile(r"\S+@\S+\w")
_REPEATED_WORD = re.compile(r"(?<!\S)([^\W\d]+)(?: \1){2,}(?!\S)")


def form_faults(
    reply: str,
    sentences: Sequence[Sentence],
    strategy: str,
    language: str,
    given: Iterable[str],
    said: Sequence[str],
) -> set[str]:
    """What is wrong with the form of a reply.

    Args:
        reply: what was written.
        sentences: its sentences, at least one.
        strategy: the response strategy.
        language: code of the language to answer in.
        given: values of slots and the draft, which are said as they are.
        said: the assistant's messages so far, oldest first.

    Returns:
        Some of ``too_long``, ``markup``, ``garbled``, ``repetition``, ``wrong_language``, ``tone`` (shouts),
        ``prompt_leak`` (a label such as "Assistant:").
    """
    written = reply
    for value in sorted(given, key=len, reverse=True):
        written = written.replace(value, " ") if value else written
    lengths = [len(sentence.words.split()) for sentence in sentences]
    quoted = _CITED.search(reply) is not None
    calls = reply.count("!")
    allowed = 0 if strategy in _CALM_STRATEGIES else len(sentences) if strategy == "positive_mirroring" else 1
    found = {
        "too_long": len(sentences) > _MAX_SENTENCES
        or sum(lengths) > _MAX_WORDS
        or max(lengths) > _MAX_SENTENCE_WORDS,
        "markup": _MARKUP.search(written) is not None or any(map(_is_symbol, written)),
        "garbled": (reply.strip()[-1].isalnum() and lengths[-1] >= _CUT_OFF_WORDS)
        or (not quoted and any(_stutters(sentence.words, language) for sentence in sentences)),
        "repetition": _repeats(sentences, language, quoted) or (bool(said) and _same(reply, said[-1])),
        "wrong_language": not _in_language(reply, language),
        "tone": calls > allowed or _SHOUTING.search(written) is not None,
        "prompt_leak": _LABEL.match(written.strip()) is not None,
    }
    return {fault for fault, there in found.items() if there}


def shared_run(text: str, other: str, but: str, length: int = _LEAKED_WORDS) -> bool:
    """Whether two texts have a run of words in common that a third has not.

    Args:
        text: any text.
        other: another one.
        but: what stands in it may stand in both.
        length: words of the run.
    """
    return bool(_runs(plain(text), length) & _runs(plain(other), length) - _runs(plain(but), length))


def _runs(words: str, length: int) -> set[tuple[str, ...]]:
    return set(_run_list(words.split(), length))


def _run_list(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + length]) for start in range(len(words) - length + 1)]


def _is_symbol(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sm", "Cs", "Co", "Cn")


def _same(reply: str, before: str) -> bool:
    return plain(reply) == plain(before)


def _stutters(words: str, language: str) -> bool:
    """Whether a word comes three times on end; a number that is said digit by digit may have such words."""
    return any(match[1] not in number_words(language) for match in _REPEATED_WORD.finditer(words))


def _repeats(sentences: Sequence[Sentence], language: str, quoted: bool) -> bool:
    bags = [{word[:_CONTENT] for word in sentence.words.split()} for sentence in sentences]
    twice = any(
        first == second
        or len(first & second) >= _SAME_SENTENCE * max(_SHORTEST_TWIN, min(len(first), len(second)))
        for number, first in enumerate(bags)
        for second in bags[:number]
    )
    runs = _run_list(" ".join(sentence.words for sentence in sentences).split(), _LOOPED_WORDS)
    runs = [run for run in runs if 2 * len(number_words(language).intersection(run)) < len(set(run))]
    circles = not quoted and any(_circles(sentence.words, language) for sentence in sentences)
    return twice or len(runs) > len(set(runs)) or circles


def _circles(words: str, language: str) -> bool:
    """Whether a word of content comes so often that nothing is said with it; digits of a number may."""
    content = (word for word in words.split() if len(word) >= _CONTENT and word.isalpha())
    empty, numbers = stop_words(language), number_words(language)
    stems = Counter(word[:_CONTENT] for word in content if word not in empty and word not in numbers)
    return max(stems.values(), default=0) >= _CIRCLING_WORD


def _in_language(reply: str, language: str) -> bool:
    letters = [char for char in reply if char.isalpha()]
    if sum("LATIN" in unicodedata.name(char, "") for char in letters) < 0.9 * len(letters):
        return False
    words = plain(_CITED.sub(" ", _ADDRESS.sub(" ", reply))).split()  # a quotation may be of any language
    said = [word for word in words if word not in number_words(language)]  # "zero" is one of many
    hits = {code: sum(word in stop_words(code) for word in said) for code in languages()}
    return hits[language] + 1 >= max(hits.values()) and hits[language] >= _COMMON * (len(said) - 5)
