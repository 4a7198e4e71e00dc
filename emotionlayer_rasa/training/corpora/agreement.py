"""What to do with clips whose raters disagree."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Sequence

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.voice.manifest import Clip


def filter_by_agreement(
    clips: Sequence[Clip], minimum: float, mode: Literal["drop", "soften"] = "drop"
) -> list[Clip]:
    """Drop or soften clips for which too few raters heard the clip's own emotion.

    The agreement is the share of all votes that is for the clip's label, so an acted clip that nobody recognises
    counts as ambiguous too. Clips without votes pass as they are.

    Args:
        clips: any clips.
        minimum: share of the votes from which a label counts as certain, 0..1.
        mode: ``drop`` leaves ambiguous clips out. ``soften`` keeps all: a certain clip trains its label alone (its
            votes are removed), an ambiguous one the raters' shares (see :meth:`Clip.target`).

    Raises:
        ConfigurationError: ``minimum`` or ``mode`` is none of these.
    """
    if not 0 <= minimum <= 1:
        raise ConfigurationError(f"The minimum agreement must be within 0..1, not {minimum}.")
    if mode not in ("drop", "soften"):
        raise ConfigurationError(f"The mode must be 'drop' or 'soften', not '{mode}'.")
    kept = []
    for clip in clips:
        certain = not clip.votes or clip.votes.get(clip.emotion, 0.0) >= minimum
        if mode == "soften":
            kept.append(replace(clip, votes={}) if certain else clip)
        elif certain:
            kept.append(clip)
    return kept
