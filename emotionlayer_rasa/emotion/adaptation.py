"""What is known of a voice before it speaks: of the site that it calls, and of this caller in this call.

A speaker-adaptive model (:mod:`emotionlayer_rasa.training.head`) gives with every utterance an *offset*: how the
utterance lies off the population's, what its emotion does to a voice taken out. The mean of a caller's offsets is
the *shift* by which the next utterance is heard differently. There are three levels, each the prior of the next:
the population, in the model (shift 0); the site, learnt from many callers (:func:`learn_site`); the caller.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterable

import numpy as np

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.settings import Settings, pydantic, read_settings

MIN_CALLERS = 50
"""Fewer callers make no site: one person could be told from their mean."""

DECIMALS = 3
"""Of the shift in a site's file; offsets of one person differ from the mean by some tenths and more."""


class Adaptation(Settings):
    """How a model adapts, from its description.

    Attributes:
        size: length of offsets and shifts.
        prior: utterances' worth of trust in what was known before: a shift is the sum of the offsets, and of
            this many times the shift before, over the number of both.
    """

    size: pydantic.PositiveInt
    prior: pydantic.PositiveFloat


class Site(Settings):
    """What a site's file holds.

    Attributes:
        model: engine and id of the model whose shift it is.
        callers: how many it was learnt from.
        shift: of length ``size``.
    """

    model: str
    callers: int = pydantic.Field(ge=MIN_CALLERS)
    shift: list[float]


class CallerVoice:
    """What one caller's utterances in one call taught. Never stored, logged or sent; gone with the object.

    Not thread safe: a caller says one thing at a time.
    """

    def __init__(self) -> None:
        self.heard = 0
        """Utterances learnt from."""
        self._sum: np.ndarray | None = None
        self._weight = 0.0

    def learn(self, offset: np.ndarray, weight: float = 1.0) -> None:
        """Take in an utterance's offset (size,), weighted by how surely it is speech, 0..1."""
        self._sum = weight * offset + (0.0 if self._sum is None else self._sum)
        self._weight += weight
        self.heard += 1

    def shift(self, before: np.ndarray, prior: float) -> np.ndarray:
        """The shift (size,) of what comes next; ``before`` (size,) is what was known without this caller."""
        total, weight = self._sum, self._weight  # what a thread still hears may be forgotten meanwhile
        if total is None:
            return before
        return np.asarray((prior * before + total) / (prior + weight), dtype=np.float32)

    def forget(self) -> None:
        """As if nothing had been heard: the caller does not agree any more."""
        self.heard, self._sum, self._weight = 0, None, 0.0


def learn_site(callers: Iterable[CallerVoice], model: str, adaptation: Adaptation | None) -> Site:
    """What a site's callers have in common: line, microphones, rooms, accents.

    Args:
        callers: each with at least one utterance; others are left out.
        model: engine and id of the model that heard them.
        adaptation: of that model.

    Raises:
        ConfigurationError: fewer than :data:`MIN_CALLERS` callers, or the model does not adapt.
    """
    if adaptation is None:
        raise ConfigurationError(f"{model} does not adapt. Train it anew with emotionlayer train.")
    population = np.zeros(adaptation.size, dtype=np.float32)
    shifts = [caller.shift(population, adaptation.prior) for caller in callers if caller.heard]
    if len(shifts) < MIN_CALLERS:
        raise ConfigurationError(
            f"A site is learnt from at least {MIN_CALLERS} callers, so that nobody can be told from it; here a "
            f"voice was heard of {len(shifts)}. Give more recordings: a folder a caller, or a file a caller."
        )
    shift = np.round(np.mean(shifts, axis=0).astype(float), DECIMALS)
    return Site(model=model, callers=len(shifts), shift=shift.tolist())


def write_site(site: Site, path: Path) -> None:
    """Write the file that ``emotion: {site: ...}`` names."""
    path.write_text(site.json() + "\n", encoding="utf-8")


def read_site(path: Path, model: str, adaptation: Adaptation | None) -> np.ndarray:
    """The shift of a site, float32 (size,).

    Raises:
        ConfigurationError: the file cannot be read, or is for another model, or the model does not adapt.
    """
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: the site cannot be read: {error}. Make it with emotionlayer adapt."
        ) from None
    site = read_settings(Site, values, str(path))
    if adaptation is None or site.model != model or len(site.shift) != adaptation.size:
        raise ConfigurationError(
            f"{path} was learnt by the emotion model {site.model}, and {model} hears. "
            "Learn it anew with emotionlayer adapt."
        )
    return np.array(site.shift, dtype=np.float32)
