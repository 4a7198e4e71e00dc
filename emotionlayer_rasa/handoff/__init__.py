"""Handing a conversation over to a person: what they get to know, and that it reaches them."""

from emotionlayer_rasa.handoff.delivery import Handoff, HandoffSettings
from emotionlayer_rasa.handoff.summary import summarise

__all__ = ["Handoff", "HandoffSettings", "summarise"]
