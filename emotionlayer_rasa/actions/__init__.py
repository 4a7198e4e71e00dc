"""Actions for the action server: import them in a bot's ``actions`` package, and it finds them.

It finds every action whose module was imported, so a class is loaded when it is named, and only then: beside a
bot's own ``action_session_start``, for instance, there must be no other of that name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotionlayer_rasa.actions.consent import ActionSetEmotionConsent, ActionSetEmotionMemory
    from emotionlayer_rasa.actions.end_call import ActionEndCall
    from emotionlayer_rasa.actions.escalate_to_human import ActionEscalateToHuman
    from emotionlayer_rasa.actions.reply import ActionEmpatheticReply
    from emotionlayer_rasa.actions.session import ActionSessionStart
    from emotionlayer_rasa.actions.validation import ValidateEmotionSlots

_MODULES = {
    "ActionEmpatheticReply": "reply",
    "ActionEndCall": "end_call",
    "ActionEscalateToHuman": "escalate_to_human",
    "ActionSessionStart": "session",
    "ActionSetEmotionConsent": "consent",
    "ActionSetEmotionMemory": "consent",
    "ValidateEmotionSlots": "validation",
}

__all__ = [
    "ActionEmpatheticReply",
    "ActionEndCall",
    "ActionEscalateToHuman",
    "ActionSessionStart",
    "ActionSetEmotionConsent",
    "ActionSetEmotionMemory",
    "ValidateEmotionSlots",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
