"""Replies from templates: good enough to stand alone, and the draft that a language model rewords."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Mapping, Pattern, Sequence

import jinja2

from emotionlayer_rasa.language import languages, read_file, read_own_file
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.taxonomy import STRATEGIES

FALLBACK_SITUATION = "out_of_scope"
"""Answers an intent that no file knows, or none of whose cases fits; the package's needs no slots."""

DEFAULT_PROFILE = "customer_support"
PROFILES = (DEFAULT_PROFILE, "wellbeing", "tutoring")
"""The application profile that ``replies.yml`` is written for; others have a file in ``profiles/``."""

_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
_MAX_FACT_LENGTH = 80


class StrategyWording(Settings):
    """How a strategy sounds.

    Attributes:
        guidance: one sentence for a language model.
        openers: sentences before a reply.
        unless: regular expressions, in lower case, of what makes an opener superfluous.
    """

    guidance: str
    openers: tuple[str, ...] = ()
    unless: tuple[Pattern, ...] = ()


class Case(Settings):
    """Wordings that may be said once every slot in ``needs`` is filled; ``spoken``: shorter ones, for a call."""

    needs: tuple[str, ...] = ()
    say: tuple[str, ...]
    spoken: tuple[str, ...] = ()
    by_strategy: Mapping[str, tuple[str, ...]] = {}


class Situation(Settings):
    """An intent, or something that happened; the first case whose needs are met speaks."""

    cases: tuple[Case, ...]
    opener: bool = False
    verbatim: bool = False


class Replies(Settings):
    """What a ``replies.yml`` holds; the bot's own may hold any part of it.

    Attributes:
        no_opener_before: regular expressions, in lower case, of how a text begins that no opener fits before.
        strategies: by name, how each one sounds.
        situations: by intent, or by what happened, what is said.
    """

    no_opener_before: tuple[Pattern, ...] = ()
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
def replies(language: str, profile: str = DEFAULT_PROFILE) -> Replies:
    """The wordings of a language.

    Read in this order, where a later file wins: ``replies.yml`` and ``profiles/<profile>.yml`` of the package's
    ``languages/<language>/``, then the same two of the bot's own.

    Args:
        language: one of :func:`emotionlayer_rasa.response.languages`.
        profile: the application profile; one without a file has the wordings of ``replies.yml``.

    Raises:
        ConfigurationError: a file has an unknown or a wrong key.
    """
    files = ("replies.yml", f"profiles/{profile}.yml")
    parts = [read_file(Replies, language, file) for file in files if language in languages(file)]
    parts += [part for file in files if (part := read_own_file(Replies, language, file)) is not None]
    return Replies(
        no_opener_before=tuple(pattern for part in parts for pattern in part.no_opener_before),
        strategies={name: wording for part in parts for name, wording in part.strategies.items()},
        situations={name: situation for part in parts for name, situation in part.situations.items()},
    )


def guidance(strategy: str, language: str, profile: str = DEFAULT_PROFILE) -> str:
    """One sentence that tells a language model how the strategy sounds."""
    return replies(language, profile).strategies[_known(strategy)].guidance


def draft_reply(
    situation: str,
    strategy: str,
    slots: Mapping[str, Any],
    language: str = "en",
    said: Sequence[str] = (),
    profile: str = DEFAULT_PROFILE,
    *,
    spoken: bool = False,
) -> Draft:
    """Word a reply from the templates.

    The wording depends on how much has been said, so that a conversation reads the same each time it is replayed,
    and among the wordings it takes the one that was not said yet, or the longest ago; among equals, the one whose
    opener and whose rest were said the longest ago.

    Args:
        situation: an intent, or another key of ``situations`` in the language's ``replies.yml``.
        strategy: one of the six; any other counts as ``direct_efficiency``.
        slots: facts; those that are None or empty count as unknown.
        language: one of :func:`emotionlayer_rasa.response.languages`.
        said: the assistant's messages so far, oldest first.
        profile: the application profile.
        spoken: take the wordings for a call, where there are any.
    """
    wordings = replies(language, profile)
    chosen = wordings.situations.get(situation, wordings.situations[FALLBACK_SITUATION])
    facts = {name: fact for name, value in slots.items() if (fact := _fact(value))}
    cases = (*chosen.cases, *wordings.situations[FALLBACK_SITUATION].cases)
    case = next(case for case in cases if all(name in facts for name in case.needs))
    facts = {name: facts[name] for name in case.needs}

    strategy = _known(strategy)
    wording = (case.spoken if spoken else ()) or case.by_strategy.get(strategy, ())
    openers = wordings.strategies[strategy].openers if chosen.opener and not wording else ()
    bodies = [_template(text).render(facts) for text in wording or case.say]
    options: list[tuple[str, ...]] = [*product(openers, bodies)] if openers else [(body,) for body in bodies]
    turn = len(said) % len(options)

    def freshness(parts: tuple[str, ...]) -> tuple[int, int]:
        return _last_said(" ".join(parts), said), max(_last_said(part, said) for part in parts)

    freshest = min(options[turn:] + options[:turn], key=freshness)
    text = " ".join(freshest)
    return Draft(text, {name: fact for name, fact in facts.items() if fact in text}, chosen.verbatim)


def with_opener(
    text: str,
    strategy: str,
    language: str = "en",
    said: Sequence[str] = (),
    recent: Sequence[str] = (),
    profile: str = DEFAULT_PROFILE,
) -> str:
    """Put one of the strategy's openers before a text that comes from elsewhere, unless none fits.

    None fits before a text that begins with a greeting and the like (``no_opener_before``), nor where the text or
    a recent message has said as much (``unless``), or a recent message has an opener already.

    Args:
        text: what is said in any case, to the letter.
        strategy: one of the six; any other counts as ``direct_efficiency``, which has no openers.
        language: one of :func:`emotionlayer_rasa.response.languages`.
        said: the assistant's messages so far, oldest first.
        recent: those of them that the caller still has in mind.
        profile: the application profile.
    """
    wordings = replies(language, profile)
    wording = wordings.strategies[_known(strategy)]
    if not wording.openers or any(opener in message for opener in wording.openers for message in recent):
        return text
    if any(pattern.match(text.lower()) for pattern in wordings.no_opener_before):
        return text
    if any(pattern.search(message.lower()) for pattern in wording.unless for message in (text, *recent)):
        return text
    return f"{min(wording.openers, key=lambda opener: _last_said(opener, said))} {text}"


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
