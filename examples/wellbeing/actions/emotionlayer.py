"""Actions of emotionlayer_rasa, which `rasa run actions` finds here."""

from emotionlayer_rasa.actions import ActionSessionStart as _SessionStart
from emotionlayer_rasa.actions import ActionEmpatheticReply  # noqa: F401
from emotionlayer_rasa.actions import ValidateEmotionSlots  # noqa: F401
from emotionlayer_rasa.actions import ActionSetEmotionConsent  # noqa: F401
from emotionlayer_rasa.actions import ActionEscalateToHuman  # noqa: F401


class ActionSessionStart(_SessionStart):
    """Tells of the analysis when a session begins; the bot greets by itself."""

    opening = ("disclosure",)
