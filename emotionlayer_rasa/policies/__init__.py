"""Rasa policies."""

from emotionlayer_rasa.policies.escalation import EscalationPolicy, EscalationSettings

__all__ = ["EscalationPolicy", "EscalationSettings"]
