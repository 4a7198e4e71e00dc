"""Words that Whisper makes up where nobody speaks its language: other languages, babble, backward speech, music.

The limits were chosen on recordings of some speakers and languages, and measured on others:
``benchmarks/invented_words.py``. There 2.7 % of what was said and heard right is lost, and 10.5 % of other sounds
come out with words, two in five of them bursts such as "mm-hmm"; without the limits 67.5 %.
"""

from __future__ import annotations

import math
import re
from itertools import groupby
from typing import Any, Iterable, Sequence

_WINDOW_S = 30.0
"""Of speech that Whisper decodes at once."""
_WORDS_A_SECOND = 6.5
"""Of speech: the fastest speakers reach six."""
_COMPRESSION = 3.0
"""Bytes of the text over those of it compressed: a sentence said five times stays below, a loop does not."""
_LOG_PROBABILITY = (-0.75, -0.4)
"""Of a token, on average, at the least: of a long text, and what a text of one word may have less; two words may
have a quarter of that less, three a ninth. The first word is the hardest to guess."""
_WORD_LOG_PROBABILITY = (-0.85, -1.2)
"""The same, of a word. A "no" by itself may be one word in eight to Whisper, and is an answer all the same."""
_SURELY_NO_SPEECH = 0.8
"""Whisper's own probability that there is none."""


def without_invented_words(segments: Iterable[Any], speech_s: float) -> list[Any]:
    """Leave out the windows of a decoding whose words nobody can have said, or that Whisper hardly believes.

    Args:
        segments: faster-whisper's, with word probabilities or without.
        speech_s: speech that was decoded, seconds.
    """
    windows = [list(group) for _, group in groupby(segments, key=lambda segment: segment.seek)]
    everything = sum(map(_words, windows))
    kept: list[Any] = []
    for window in windows:
        # A place in the speech is counted in hundredths of a second.
        if _was_said(window, min(_WINDOW_S, speech_s - window[0].seek / 100), everything):
            kept += window
    return kept


def _was_said(window: Sequence[Any], speech_s: float, everything: int) -> bool:
    """Whether the words of a window were; ``everything`` counts those of all: a tail is no short answer."""
    count = _words(window)
    first = window[0]  # the measures of a decoding are those of each segment in it
    if not count or count > 1 + _WORDS_A_SECOND * speech_s or first.compression_ratio > _COMPRESSION:
        return False
    if first.no_speech_prob > _SURELY_NO_SPEECH or not _likely(first.avg_logprob, _LOG_PROBABILITY, everything):
        return False
    words = [math.log(word.probability + 1e-3) for segment in window for word in segment.words or ()]
    return not words or _likely(sum(words) / len(words), _WORD_LOG_PROBABILITY, everything)


def _words(window: Sequence[Any]) -> int:
    return len(re.findall(r"[\w']+", " ".join(segment.text for segment in window)))


def _likely(log_probability: float, limits: tuple[float, float], count: int) -> bool:
    return log_probability >= limits[0] + limits[1] / count**2
