"""Where running text is cut for speaking: after sentences, and at commas where a sentence is long."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 120
"""Characters spoken at a time, about eight seconds: a longer sentence is cut so that its start is soon heard."""

_CLOSERS = "\"'”’»)\\]」』）"
_SENTENCE_END = re.compile(
    rf"[.!?…؟।۔]+[{_CLOSERS}]*(?=\s+(\S))|[。！？｡]+[{_CLOSERS}]*(?=[^。！？｡{_CLOSERS}])|\n"
)
_PAUSE = re.compile(rf"[,;:][{_CLOSERS}]*(?=\s)|[–—](?=\s)|[、，；：]")

_LAST_WORD = re.compile(r"(?:^|(?<=[\s(\"'“‘«]))(\d+|[^\W\d_]+(?:\.[^\W\d_]+)*)\.$")
_BEFORE_A_NAME = re.compile(
    r"[^\W\d_]|mrs?|ms|dr|prof|st|vs|approx|e\.g|i\.e"
    r"|sigg?|dott|avv|ing|geom|p\.es|hr|fr|bzw|z\.b|d\.h|sra?|mme"
)
"""Words whose full stop ends no sentence, in languages the project ships or meets; and initials."""
_BEFORE_A_NUMBER = re.compile(r"no|nr|n|art|tel|ext|pag")


class SentenceCutter:
    """Cuts text that grows, such as a language model's, into what is spoken at a time.

    Whether a full stop ends a sentence shows in what follows, so a sentence comes out with the first letter of the
    next one. A wrong guess costs a short pause, no words: the pieces joined are the text, spaces aside.
    """

    def __init__(self) -> None:
        self._text = ""

    def feed(self, piece: str) -> list[str]:
        """Take the next piece of text; return the sentences that it completes, in order."""
        self._text += piece
        sentences = []
        while cut := self._next_cut():
            sentences.append(self._text[:cut])
            self._text = self._text[cut:]
        return _speakable(sentences)

    def finish(self) -> list[str]:
        """End the text; return what is left of it."""
        rest, self._text = self._text, ""
        return _speakable([rest])

    def _next_cut(self) -> int | None:
        self._text = self._text.lstrip()
        for end in _SENTENCE_END.finditer(self._text, 0, LONGEST + 1):
            if self._ends_sentence(end):
                return end.end()
        if len(self._text) <= LONGEST:
            return None
        pauses = [pause.end() for pause in _PAUSE.finditer(self._text, 0, LONGEST)]
        if pauses:
            return pauses[-1]
        space = max(self._text.rfind(" ", 0, LONGEST), self._text.rfind("\t", 0, LONGEST))
        return space if space > 0 else LONGEST

    def _ends_sentence(self, end: re.Match[str]) -> bool:
        following = end.group(1)
        if following is None or not end.group().startswith((".", "…")):
            return True
        if following.islower():
            return False
        last = _LAST_WORD.search(self._text, 0, end.start() + 1)
        if last is None or end.group() != ".":
            return True
        word = last.group(1).lower()
        if word.isdigit():
            return last.start(1) > 0  # the number of a list's item stays with it
        if _BEFORE_A_NUMBER.fullmatch(word) and following.isdigit():
            return False
        return not _BEFORE_A_NAME.fullmatch(word)


def plain(text: str) -> str:
    """Text as the speech programs may have it: one line, without anything that they take for a command.

    eSpeak reads ``[[…]]`` as phonemes and control characters as commands; piper speaks line by line. Joiners
    (U+200C, U+200D), which some scripts need, stay.
    """
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Zl", "Zp"):
            kept.append(" ")
        elif category[0] != "C" or character in "\u200c\u200d":
            kept.append(character)
    return " ".join(re.sub(r"\[+", "[", re.sub(r"\]+", "]", "".join(kept))).split())


def _speakable(pieces: list[str]) -> list[str]:
    """The pieces that hold more than punctuation, made plain."""
    plains = (plain(piece) for piece in pieces)
    return [text for text in plains if any(unicodedata.category(character)[0] in "LNS" for character in text)]
