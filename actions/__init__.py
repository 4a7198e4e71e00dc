"""The actions of the demo shop: those of emotionlayer_rasa, and looking up an order."""

from actions.orders import ActionLookUpOrder
from emotionlayer_rasa.actions import (
    ActionEmpatheticReply,
    ActionEndCall,
    ActionEscalateToHuman,
    ActionSessionStart,
    ActionSetEmotionConsent,
    ActionSetEmotionMemory,
    ValidateEmotionSlots,
)

__all__ = [
    "ActionEmpatheticReply",
    "ActionEndCall",
    "ActionEscalateToHuman",
    "ActionLookUpOrder",
    "ActionSessionStart",
    "ActionSetEmotionConsent",
    "ActionSetEmotionMemory",
    "ValidateEmotionSlots",
]
