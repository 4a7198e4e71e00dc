"""Actions for the action server: import them in a bot's ``actions`` package, and it finds them."""

from emotionlayer_rasa.actions.consent import ActionSetEmotionConsent, ActionSetEmotionMemory
from emotionlayer_rasa.actions.escalate_to_human import ActionEscalateToHuman
from emotionlayer_rasa.actions.reply import ActionEmpatheticReply
from emotionlayer_rasa.actions.session import ActionSessionStart
from emotionlayer_rasa.actions.slots import ValidateEmotionSlots

__all__ = [
    "ActionEmpatheticReply",
    "ActionEscalateToHuman",
    "ActionSessionStart",
    "ActionSetEmotionConsent",
    "ActionSetEmotionMemory",
    "ValidateEmotionSlots",
]
