"""Whether a caller's emotion may be inferred now: one answer for channel, NLU component and actions."""

from __future__ import annotations

from typing import Any, Mapping


def may_analyse(slots: Mapping[str, Any], paused: bool = False) -> bool:
    """Whether voice and words of the next turn may be read for emotion.

    Not when the slot ``emotion_consent`` is false, not when the slot ``escalated`` is true or the conversation is
    paused (a person has taken over). A new conversation has the initial values of ``domain.yml``: with
    ``initial_value: false`` for ``emotion_consent`` nothing is analysed until the caller agrees. An assistant
    without these slots analyses.
    """
    return not (slots.get("emotion_consent") is False or slots.get("escalated") is True or paused)
