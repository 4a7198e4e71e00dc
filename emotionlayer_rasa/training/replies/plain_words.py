"""The words that name nobody, for ``loose_facts.yml``.

``python -m emotionlayer_rasa.training.replies.plain_words de`` prints them. A word that two hands write small
inside a sentence is no name, and may begin a sentence as it does somewhere; so may one that many write so. Where
nouns are written large, a noun is a word that two hands write so, but not one that other languages write large
too, or that stands behind a title.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from itertools import pairwise
from typing import Iterator

from emotionlayer_rasa.language import languages
from emotionlayer_rasa.response.said.spoken import spoken
from emotionlayer_rasa.training.replies import DATA
from emotionlayer_rasa.training.replies.corpora import HANDS, read_replies

_CALLERS = DATA.parents[1] / "words" / "data"
_WORD = re.compile(r"[^\W\d_]+")
_BEGINS = re.compile(r"(?:^|[.!?…:;\n])[\s\"'“”‘’«»„(¿¡–-]*$|[\"“„«‹¿¡]\s*$")
_HANDS, _MANY_HANDS = 2, 6
"""Who must write a word small that begins a sentence somewhere, and one that does not."""


def plain_words(language: str) -> tuple[list[str], list[str]]:
    """Words that may begin a sentence, in small letters, and nouns that may be written large; sorted.

    Args:
        language: one of :func:`emotionlayer_rasa.language.languages`.
    """
    small: dict[str, set[str]] = defaultdict(set)
    large: dict[str, set[str]] = defaultdict(set)
    begun: set[str] = set()
    named: set[str] = set()
    for other, hand, text in _texts():
        for match in _WORD.finditer(text):
            word, begins = match.group(), _BEGINS.search(text[: match.start()]) is not None
            if other != language:
                named.update(() if begins or word.islower() else (word,))
            elif word.islower():
                small[word].add(hand)
            elif begins:
                begun.add(word.lower())
            elif len(word) > 1 and word[1:].islower():
                large[word].add(hand)
        named.update(_behind_titles(text, language) if other == language else ())
    words = sorted(
        word for word, hands in small.items() if len(hands) >= (_HANDS if word in begun else _MANY_HANDS)
    )
    nouns = sorted(word for word, hands in large.items() if len(hands) >= _HANDS and word not in named)
    return words, nouns if spoken(language).nouns_large else []


def _texts() -> Iterator[tuple[str, str, str]]:
    """Language, hand and text of replies for training, of what their callers said, and of callers' utterances."""
    for hand in HANDS["train"]:
        for reply in read_replies(DATA / f"hand{hand:02}.jsonl"):
            yield from ((reply.language, f"reply{hand}", text) for text in (reply.reply, reply.caller))
    for path in sorted(_CALLERS.glob("hand*.tsv")):
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                yield row["language"], path.stem, row["text"]


def _behind_titles(text: str, language: str) -> Iterator[str]:
    words, titles = _WORD.findall(text), {*spoken(language).titles, *spoken(language).capitals}
    yield from (word for title, word in pairwise(words) if title in titles)


if __name__ == "__main__":
    for code in sys.argv[1:] or languages():
        for name, found in zip(("plain", "nouns"), plain_words(code), strict=True):
            print(f"{code} {name}:", *found)
