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

Patterns are regular expressions over whole words of the text as :func:`normalise` gives it, so neither case nor
accents nor apostrophes matter. A blank also matches a comma, full stop, question or exclamation mark between two
words; ``…`` stands for up to four words, ``~`` for any ending of a word.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any, Mapping, Sequence

import yaml

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.utterance import CUES

LANGUAGES_DIR = Path(__file__).parents[2] / "languages"
STRENGTHS: Mapping[str, float] = {"strong": 0.8, "medium": 0.5, "weak": 0.2}
"""What one match is worth, 0..1; matches of one cue are combined by noisy-or."""

_GAP = r"(?: (?:[,?!] )?)"
_WITHIN = 4
_IRONY = 0.85  # hyperbole beside a complaint of strength 1
_DOUBLED = 0.85  # how much of the praise a full sarcasm takes away

Patterns = Sequence[tuple[float, "re.Pattern[str]"]]


class CueReader:
    """Finds the cues of one language.

    Args:
        data: what the language's ``cues.yml`` holds.

    Raises:
        ConfigurationError: a cue, an emotion or a set is unknown, or a pattern is no regular expression.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._apostrophe: str = data["apostrophe"]
        self._sets: Mapping[str, str] = data.get("sets", {})
        self._cues = self._compile_groups(data["cues"], CUES)
        self._emotions = self._compile_groups(data.get("emotions", {}), EMOTIONS)
        self._hyperbole = self._compile(data["hyperbole"])
        self._resolved = self._compile(data["resolved"])
        negations, fillers = ("|".join(map(self._expand, data[key])) for key in ("negations", "fillers"))
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
        self, groups: Mapping[str, Mapping[str, Sequence[str]]], names: Sequence[str]
    ) -> dict[str, Patterns]:
        unknown = set(groups) - set(names)
        if unknown:
            raise ConfigurationError(f"cues.yml: {', '.join(sorted(unknown))} is none of {', '.join(names)}.")
        return {
            name: [
                (weight, self._compile(groups[name][strength]))
                for strength, weight in STRENGTHS.items()
                if groups.get(name, {}).get(strength)
            ]
            for name in names
        }

    def _compile(self, patterns: Sequence[str]) -> re.Pattern[str]:
        try:
            return re.compile(rf"(?<![^ ])(?:{'|'.join(map(self._expand, patterns))})(?![^ ])")
        except re.error:
            wrong = next((pattern for pattern in patterns if not self._is_pattern(pattern)), patterns)
            raise ConfigurationError(f"cues.yml: {wrong!r} is no regular expression.") from None

    def _is_pattern(self, pattern: str) -> bool:
        try:
            re.compile(self._expand(pattern))
        except re.error:
            return False
        return True

    def _expand(self, pattern: str) -> str:
        """A pattern of the file as a regular expression over normalised text."""
        for _ in range(3):  # a set may use sets
            pattern = re.sub(r"<(\w+)>", lambda found: f"({self._set(found[1])})", pattern)
        pattern = _plain(pattern)
        # "l'altro" is two words, and the apostrophe of "un'|" or "un' " ends one.
        pattern = re.sub(r"'(?=[ |)]|$)", "", pattern).replace("'", self._apostrophe)
        # Python's look-behind wants a fixed width: a blank inside one is a blank.
        pattern = re.sub(r"\(\?<[!=][^)]*\)", lambda behind: behind[0].replace(" ", "\0"), pattern)
        pattern = pattern.replace(" … ", rf"(?: [^ ]+){{0,{_WITHIN}}} ".replace(" ", "\0"))
        pattern = re.sub(r" …$", r"\0", pattern).replace(" ", _GAP).replace("\0", " ")
        return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern.replace("~", r"\w*"))

    def _set(self, name: str) -> str:
        if name not in self._sets:
            raise ConfigurationError(f"cues.yml: there is no set '{name}'. Sets: {', '.join(self._sets)}.")
        return self._sets[name]


@lru_cache(maxsize=8)
def load_cue_reader(language: str) -> CueReader:
    """The cues of a language; loaded once."""
    path = LANGUAGES_DIR / language / "cues.yml"
    return CueReader(yaml.safe_load(path.read_text(encoding="utf-8")))


def normalise(text: str, apostrophe: str) -> str:
    """Words in lower case, without accents, apart by one blank.

    Punctuation becomes a word of its own: ``?``, ``!``, or ``,`` for every other mark that parts clauses.

    Example:
        >>> normalise("È già la terza volta... c'è qualcuno?", " ")
        'e gia la terza volta , c e qualcuno ?'
    """
    text = _plain(text).replace("'", apostrophe)
    marks = re.sub(r"[.,;:!?…]+", lambda run: f" {_mark(run[0])} ", text)
    return " ".join(re.findall(r"\w+|[,?!]", marks))


def _mark(run: str) -> str:
    return "?" if "?" in run else "!" if "!" in run else ","


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("’", "'").replace("‘", "'").replace("…", "\1"))
    return "".join(mark for mark in decomposed if not unicodedata.combining(mark)).replace("\1", "…")


def _either(first: float, second: float) -> float:
    return 1 - (1 - first) * (1 - second)
