"""A reply as the check reads it: sentences of plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emotionlayer_rasa.language import fold, sentences
from emotionlayer_rasa.words.stop_words import stop_words

_WORD = re.compile(r"\w+")
_STEM = 5
"""Letters by which two words count as the same: enough for inflection."""


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        text: as it was written.
        words: in lower case, one blank apart, without accents and punctuation.
        question: it ends with a question mark.
    """

    text: str
    words: str
    question: bool


def split_sentences(text: str) -> tuple[Sentence, ...]:
    """The sentences of a text; those without any word are left out."""
    pieces = (piece.strip() for piece in sentences(" ".join(text.split()), small_letters=True))
    found = (Sentence(piece, plain(piece), "?" in piece[-3:]) for piece in pieces)
    return tuple(sentence for sentence in found if sentence.words)


def plain(text: str) -> str:
    """Words in lower case, one blank apart, without accents and punctuation.

    Example:
        >>> plain("Perché? L’ordine è qui…")
        'perche l ordine e qui'
    """
    return " ".join(_WORD.findall(fold(text)))


def words_of_meaning(text: str, language: str) -> set[str]:
    """The stems of the words that carry meaning."""
    return {word[:_STEM] for word in plain(text).split() if word not in stop_words(language)}


def says_the_same(text: str, meant: str, language: str) -> bool:
    """Whether two texts share at least half of the words of meaning of either."""
    one, other = words_of_meaning(text, language), words_of_meaning(meant, language)
    if not one or not other:
        return plain(text) == plain(meant)
    return 2 * len(one & other) >= max(len(one), len(other))
