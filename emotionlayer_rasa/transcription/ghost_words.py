"""Words that recognisers hear in noise and silence, listed in ``languages/<language>/ghost_words.yml``."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Sequence

from emotionlayer_rasa.language import language_code, languages, read_file
from emotionlayer_rasa.utterance import Transcript, Word

_FILE = "ghost_words.yml"
_COVERED = 0.5
"""A ghost word of which less than this share is speech is dropped."""
_HARDLY_ANY_SPEECH_S = 0.4
"""Ghost words alone are dropped where there is less speech than this under all of them."""


def without_ghost_words(transcript: Transcript, speech: Sequence[tuple[float, float]]) -> Transcript:
    """Leave out the listed words that have no, or hardly any, speech under them.

    Args:
        transcript: with word times.
        speech: stretches of speech as pairs of start and end, seconds, counted as the word times are.
    """
    ghosts = ghost_words(transcript.language)
    words = [
        word
        for word in transcript.words
        if _plain(word) not in ghosts or _covered_s(word, speech) >= _COVERED * (word.end - word.start)
    ]
    spoken_s = sum(_covered_s(word, speech) for word in words)
    if spoken_s < _HARDLY_ANY_SPEECH_S and all(_plain(word) in ghosts for word in words):
        words = []
    if len(words) == len(transcript.words):
        return transcript
    return replace(transcript, text=" ".join(word.text for word in words), words=tuple(words))


@cache
def ghost_words(language: str) -> frozenset[str]:
    """The listed words of a language, in lower case; none where there is no list (``en-in`` counts as ``en``)."""
    code = language_code(language)
    return frozenset(read_file(tuple[str, ...], code, _FILE)) if code in languages(_FILE) else frozenset()


def _plain(word: Word) -> str:
    return word.text.lower().strip(" .,!?…-\"'")


def _covered_s(word: Word, speech: Sequence[tuple[float, float]]) -> float:
    return sum(max(0.0, min(word.end, end) - max(word.start, start)) for start, end in speech)
