"""A reply as the check reads it: sentences of plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping

from emotionlayer_rasa.language import fold, sentences

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        text: as it was written.
        words: in lower case, one blank apart, without accents and punctuation, contractions written out.
        question: it ends with a question mark.
    """

    text: str
    words: str
    question: bool


def split_sentences(text: str, contractions: Mapping[str, str]) -> tuple[Sentence, ...]:
    """The sentences of a text; those without any word are left out."""
    pieces = (piece.strip() for piece in sentences(" ".join(text.split()), small_letters=True))
    found = (Sentence(piece, plain(piece, contractions), "?" in piece[-3:]) for piece in pieces)
    return tuple(sentence for sentence in found if sentence.words)


def plain(text: str, contractions: Mapping[str, str]) -> str:
    """Words in lower case, one blank apart, without accents and punctuation.

    Args:
        text: any text.
        contractions: regular expressions and what they are written out as, in order.

    Example:
        >>> plain("You'll see: it’s fine…", {"'ll": " will", "it's": "it is"})
        'you will see it is fine'
    """
    text = fold(text).replace("`", "'")
    for short, long in contractions.items():
        text = re.sub(short, long, text)
    return " ".join(_WORD.findall(text))
