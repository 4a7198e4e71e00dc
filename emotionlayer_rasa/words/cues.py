"""What words tell besides emotion: urgency, danger, sarcasm, doubt and the other cues, from lists of patterns.

``languages/<language>/cues.yml`` holds the patterns, data only:

``apostrophe``
    What stands for an apostrophe: a blank (``l'ordine`` is two words) or nothing (``don't`` is ``dont``).
``sets``
    Named pieces of patterns: ``<num>`` in a pattern stands for the set ``num``.
``cues``
    A cue's patterns by strength: ``strong``, ``medium``, ``weak``.
``emotions``
    The same for words of the six emotions that are not neutral; only where no data with those labels exist.
``negations``, ``fillers``
    A negation in front of a match undoes it, fillers may stand between the two ("not really that urgent").
``hyperbole``, ``resolved``
    Praise that is ironic beside a complaint, and signs that the trouble is over and the praise is meant.

Patterns (:mod:`emotionlayer_rasa.language`) are read over the words of the text as
:func:`~emotionlayer_rasa.language.normalise` gives it, so neither case nor accents nor apostrophes matter. A blank
also matches a comma, full stop, question or exclamation mark between two words.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Mapping, Sequence

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import compile_patterns, expand_pattern, normalise, place, read_file
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.utterance import CUES

STRENGTHS: Mapping[str, float] = {"strong": 0.8, "medium": 0.5, "weak": 0.2}
"""What one match is worth, 0..1; matches of one cue are combined by noisy-or."""

_GAP = r"(?: (?:[,?!] )?)"
_IRONY = 0.85  # hyperbole beside a complaint of strength 1
_DOUBLED = 0.85  # how much of the praise a full sarcasm takes away

Patterns = Sequence[tuple[float, "re.Pattern[str]"]]


class CueLists(Settings):
    """What a ``cues.yml`` holds; see the top of this module."""

    apostrophe: str
    sets: Mapping[str, str] = {}
    cues: Mapping[str, Mapping[str, tuple[str, ...]]]
    emotions: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    negations: tuple[str, ...]
    fillers: tuple[str, ...]
    hyperbole: tuple[str, ...]
    resolved: tuple[str, ...]


class CueReader:
    """Finds the cues of one language.

    Args:
        lists: what the language's ``cues.yml`` holds.
        where: the file, for error messages.

    Raises:
        ConfigurationError: a cue, an emotion or a set is unknown, or a pattern is no regular expression.
    """

    def __init__(self, lists: CueLists, where: str = "cues.yml") -> None:
        self._apostrophe = lists.apostrophe
        self._sets = lists.sets
        self._where = where
        self._cues = self._compile_groups("cues", lists.cues, CUES)
        self._emotions = self._compile_groups("emotions", lists.emotions, EMOTIONS)
        self._hyperbole = self._compile("hyperbole", lists.hyperbole)
        self._resolved = self._compile("resolved", lists.resolved)
        negations, fillers = (
            "|".join(self._expand(key, pattern) for pattern in patterns)
            for key, patterns in (("negations", lists.negations), ("fillers", lists.fillers))
        )
        self._negated = re.compile(rf"(?:^| )(?:{negations})(?: (?:{fillers}))* $")
        self._negation = re.compile(rf"(?:{negations})(?: |$)")

    def cues(self, text: str) -> dict[str, float]:
        """Strength of each of :data:`~emotionlayer_rasa.utterance.CUES`, 0..1."""
        words = normalise(text, self._apostrophe)
        found = {cue: self._strength(patterns, words) for cue, patterns in self._cues.items()}
        if found["complaint"] and not self._resolved.search(words) and self._stands(self._hyperbole, words):
            found["sarcasm"] = _either(found["sarcasm"], _IRONY * found["complaint"])
        # Praise that is mocked is none, and a question inside a complaint or an alarm does not ask for a fact.
        found["praise"] *= 1 - _DOUBLED * found["sarcasm"]
        heated = max(found[cue] for cue in ("complaint", "danger", "hostility", "sarcasm"))
        found["question"] *= 1 - 0.6 * heated
        return found

    def emotions(self, text: str) -> dict[str, float]:
        """How strongly words of each emotion speak for it, 0..1; 0 where the language lists none."""
        words = normalise(text, self._apostrophe)
        return {emotion: self._strength(patterns, words) for emotion, patterns in self._emotions.items()}

    def _strength(self, patterns: Patterns, words: str) -> float:
        """Noisy-or over the matches; a weaker match inside or across a stronger one does not count again."""
        spans: list[tuple[int, int]] = []
        strength = 0.0
        for weight, pattern in patterns:
            for match in pattern.finditer(words):
                start, end = match.span()
                if any(start < taken_end and taken_start < end for taken_start, taken_end in spans):
                    continue
                if not self._is_negated(words, start):
                    spans.append((start, end))
                    strength = _either(strength, weight)
        return strength

    def _stands(self, pattern: re.Pattern[str], words: str) -> bool:
        return any(not self._is_negated(words, match.start()) for match in pattern.finditer(words))

    def _is_negated(self, words: str, start: int) -> bool:
        return not self._negation.match(words, start) and self._negated.search(words[:start]) is not None

    def _compile_groups(
        self, key: str, groups: Mapping[str, Mapping[str, Sequence[str]]], names: Sequence[str]
    ) -> dict[str, Patterns]:
        if unknown := sorted(set(groups) - set(names)):
            raise ConfigurationError(f"{self._where}, {key}: {', '.join(unknown)} is none of {', '.join(names)}.")
        return {
            name: [
                (weight, self._compile(f"{key}.{name}.{strength}", groups[name][strength]))
                for strength, weight in STRENGTHS.items()
                if groups.get(name, {}).get(strength)
            ]
            for name in names
        }

    def _compile(self, key: str, patterns: Sequence[str]) -> re.Pattern[str]:
        return compile_patterns(
            patterns, self._sets, f"{self._where}, {key}", blank=_GAP, apostrophe=self._apostrophe
        )

    def _expand(self, key: str, pattern: str) -> str:
        return expand_pattern(
            pattern, self._sets, f"{self._where}, {key}", blank=_GAP, apostrophe=self._apostrophe
        )


@lru_cache(maxsize=8)
def load_cue_reader(language: str) -> CueReader:
    """The cues of a language; loaded once."""
    return CueReader(read_file(CueLists, language, "cues.yml"), place(language, "cues.yml"))


def _either(first: float, second: float) -> float:
    return 1 - (1 - first) * (1 - second)
