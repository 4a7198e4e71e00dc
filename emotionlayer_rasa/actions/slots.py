"""What the emotion slots are set to: by the memory of a conversation, never by anything older."""

from __future__ import annotations

from typing import Any, Mapping

from rasa_sdk.events import EventType, SlotSet

from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.affect.memory import AffectiveMemory, update_profile
from emotionlayer_rasa.affect.priority import priority
from emotionlayer_rasa.conversation import MEMORY_CONSENT, PROFILE
from emotionlayer_rasa.taxonomy import DIMENSIONS


def emotion_slots(memory: AffectiveMemory, slots: Mapping[str, Any]) -> list[EventType]:
    """Set those of the nine emotion slots that the bot's domain has.

    Where nothing is known of the last turn, ``emotion`` and ``affective_state`` are ``unknown``,
    ``response_strategy`` is ``direct_efficiency``, and ``valence``, ``arousal`` and ``dominance`` (0..1) are None;
    ``emotion_priority`` (0..100) stays that of the last turn of which something is known. The three axes are those
    of the last turn, not smoothed.
    """
    current = memory.current
    axes = {axis: getattr(current, axis) for axis in DIMENSIONS}
    values: dict[str, Any] = {
        "emotion": memory.emotion,
        "affective_state": current.state,
        "response_strategy": current.strategy,
        "emotion_trend": memory.trend,
        "negative_streak": float(memory.negative_streak),
        "emotion_priority": float(priority(memory)),
        **{axis: None if value is None else round(value, 4) for axis, value in axes.items()},
    }
    return [SlotSet(name, value) for name, value in values.items() if name in slots]


def profile_slots(conversation: ActionConversation) -> list[EventType]:
    """Set the slot of the emotional profile to what is known now; the caller has agreed to it."""
    profile = update_profile(conversation.turns, conversation.profile)
    if profile is None or PROFILE not in conversation.slots:
        return []
    return [SlotSet(PROFILE, profile.to_dict())]


def forgotten_slots(slots: Mapping[str, Any]) -> list[EventType]:
    """Withdraw the consent to the profile and erase it."""
    erased = {MEMORY_CONSENT: False, PROFILE: None}
    return [SlotSet(name, value) for name, value in erased.items() if name in slots]
