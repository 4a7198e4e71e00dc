"""Replies from templates: good enough to stand alone, and the draft that a language model rewords."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Mapping, Sequence

import jinja2

from emotionlayer_rasa.response.language_data import language_data, own_language_data
from emotionlayer_rasa.settings import Settings, read_settings
from emotionlayer_rasa.taxonomy import STRATEGIES

FALLBACK_SITUATION = "out_of_scope"
"""Answers an intent that no file knows, or none of whose cases fits; the package's needs no slots."""

_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
_MAX_FACT_LENGTH = 80


class StrategyWording(Settings):
    """How a strategy sounds: sentences before a reply, and one sentence that guides a language model."""

    guidance: str
    openers: tuple[str, ...] = ()


class Case(Settings):
    """Wordings that may be said once every slot in ``needs`` is filled."""

    needs: tuple[str, ...] = ()
    say: tuple[str, ...]
    by_strategy: Mapping[str, tuple[str, ...]] = {}


class Situation(Settings):
    """An intent, or something that happened; the first case whose needs are met speaks."""

    cases: tuple[Case, ...]
    opener: bool = False
    verbatim: bool = False


class Replies(Settings):
    """What a ``replies.yml`` holds; the bot's own may hold either part, or both."""

    strategies: Mapping[str, StrategyWording] = {}
    situations: Mapping[str, Situation] = {}


@dataclass(frozen=True)
class Draft:
    """A reply from a template.

    Attributes:
        text: what to say.
        facts: the slot values in it, by slot.
        verbatim: the text must not be reworded (consent, handoff).
    """

    text: str
    facts: Mapping[str, str]
    verbatim: bool = False


@cache
def replies(language: str) -> Replies:
    """The wordings of a language: the package's, then those of the bot's ``languages/<language>/replies.yml``.

    Raises:
        ConfigurationError: a file has an unknown or a wrong key.
    """
    where = f"languages/{language}/replies.yml"
    shipped = read_settings(Replies, language_data(language, "replies.yml"), f"emotionlayer_rasa/{where}")
    own = read_settings(Replies, own_language_data(language, "replies.yml"), where)
    return Replies(
        strategies={**shipped.strategies, **own.strategies}, situations={**shipped.situations, **own.situations}
    )


def guidance(strategy: str, language: str) -> str:
    """One sentence that tells a language model how the strategy sounds."""
    return replies(language).strategies[_known(strategy)].guidance


def draft_reply(
    situation: str,
    strategy: str,
    slots: Mapping[str, Any],
    language: str = "en",
    said: Sequence[str] = (),
) -> Draft:
    """Word a reply from the templates.

    The wording depends on how much has been said, so that a conversation reads the same each time it is replayed,
    and among the wordings it takes the one that was not said yet, or the longest ago.

    Args:
        situation: an intent, or another key of ``situations`` in the language's ``replies.yml``.
        strategy: one of the six; any other counts as ``direct_efficiency``.
        slots: facts; those that are None or empty count as unknown.
        language: one of :func:`emotionlayer_rasa.response.languages`.
        said: the assistant's messages so far, oldest first.
    """
    wordings = replies(language)
    chosen = wordings.situations.get(situation, wordings.situations[FALLBACK_SITUATION])
    facts = {name: fact for name, value in slots.items() if (fact := _fact(value))}
    cases = (*chosen.cases, *wordings.situations[FALLBACK_SITUATION].cases)
    case = next(case for case in cases if all(name in facts for name in case.needs))
    facts = {name: facts[name] for name in case.needs}

    strategy = _known(strategy)
    texts: Sequence[str] = case.by_strategy.get(strategy, ())
    if not texts:
        openers = wordings.strategies[strategy].openers if chosen.opener else ()
        texts = _with_openers(openers, case.say)
    rendered = [_template(text).render(facts) for text in texts]
    turn = len(said) % len(rendered)
    rotation = rendered[turn:] + rendered[:turn]
    text = min(rotation, key=lambda text: _last_said(text, said))
    return Draft(text, {name: fact for name, fact in facts.items() if fact in text}, chosen.verbatim)


def _with_openers(openers: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Each opener with each text, ordered so that neighbours share neither."""
    if not openers:
        return list(texts)
    return [
        f"{openers[(turn + shift) % len(openers)]} {text}"
        for shift in range(len(openers))
        for turn, text in enumerate(texts)
    ]


def _last_said(text: str, said: Sequence[str]) -> int:
    """Position of the last message that holds ``text``; -1 when it has not been said yet."""
    return max((position for position, message in enumerate(said) if text in message), default=-1)


def _known(strategy: str) -> str:
    return strategy if strategy in STRATEGIES else "direct_efficiency"


def _fact(value: Any) -> str:
    """A slot value as it may be said: one short line; booleans and structures are no facts to read out."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return re.sub(r"\s+", " ", str(value)).strip()[:_MAX_FACT_LENGTH]


@cache
def _template(text: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(text)
