"""What callers are told to say of the analysis, understood in so many words.

A bot's own NLU need not learn it: each intent more takes some of what belongs to none, in a small bot much of it.
A wish is known by the lines of ``languages/*/intents.yml``, in all languages. An intent that the NLU does learn is
its own matter.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Dict, Iterable, Mapping

from rasa.shared.nlu.constants import INTENT, INTENT_NAME_KEY, INTENT_RANKING_KEY, PREDICTED_CONFIDENCE_KEY
from rasa.shared.nlu.training_data.message import Message

from emotionlayer_rasa.language import languages, normalise, read_file

STOP = "stop_emotion_analysis"
"""The one wish that is heard within other words too: to stop needlessly is a small harm, to go on a large one."""

_LONG_ENOUGH = 3
"""Words of a line that may stand within others; ``no analysis`` may mean anything."""


def wish_of(text: str) -> str | None:
    """The intent of what a caller wishes in so many words; None where it is no wish about the analysis.

    Args:
        text: typed, or a transcript; case, accents and punctuation do not count.
    """
    words = _words(text)
    wishes = _wishes()
    if words in wishes:
        return wishes[words]
    within = any(
        intent == STOP and line.count(" ") + 1 >= _LONG_ENOUGH and f" {line} " in f" {words} "
        for line, intent in wishes.items()
    )
    return STOP if within else None


def set_wish(message: Message, intent: str) -> None:
    """Make it the message's intent; what the NLU made of it stays in the ranking."""
    understood: Dict[str, Any] = {INTENT_NAME_KEY: intent, PREDICTED_CONFIDENCE_KEY: 1.0}
    ranking = [other for other in message.get(INTENT_RANKING_KEY) or [] if other.get(INTENT_NAME_KEY) != intent]
    message.set(INTENT, understood, add_to_output=True)
    message.set(INTENT_RANKING_KEY, [understood, *ranking], add_to_output=True)


def untaught(taught: Iterable[str]) -> frozenset[str]:
    """The intents of wishes that are not among those with training data."""
    return frozenset(_wishes().values()) - frozenset(taught)


@cache
def _wishes() -> Mapping[str, str]:
    file = "intents.yml"
    read = [read_file(dict[str, tuple[str, ...]], code, file) for code in languages(file)]
    return {_words(line): intent for lines in read for intent, said in lines.items() for line in said}


def _words(text: str) -> str:
    return " ".join(word for word in normalise(text).split() if word not in ",?!")
