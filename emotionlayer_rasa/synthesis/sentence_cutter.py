"""Where running text is cut for speaking: after sentences, and at commas where a sentence is long."""

from __future__ import annotations

import re
import unicodedata

from emotionlayer_rasa.language import CLOSERS, sentence_end

LONGEST = 120
"""Characters spoken at a time, about eight seconds: a longer sentence is cut so that its start is soon heard."""

_PAUSE = re.compile(rf"[,;:][{CLOSERS}]*(?=\s)|[–—](?=\s)|[、，；：]")


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
        end = sentence_end(self._text[: LONGEST + 1])
        if end is not None:
            return end
        if len(self._text) <= LONGEST:
            return None
        pauses = [pause.end() for pause in _PAUSE.finditer(self._text, 0, LONGEST)]
        if pauses:
            return pauses[-1]
        space = max(self._text.rfind(" ", 0, LONGEST), self._text.rfind("\t", 0, LONGEST))
        return space if space > 0 else LONGEST


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
