"""Wires: one file a protocol over which calls come in. A new one is such a file, a key and a route here."""

from __future__ import annotations

from typing import Mapping

from emotionlayer_rasa.channels.wires.base import CallRoute, Wire
from emotionlayer_rasa.channels.wires.stream import StreamRoute
from emotionlayer_rasa.channels.wires.twilio import TwilioRoute, TwilioSettings
from emotionlayer_rasa.settings import Settings

_ROUTES: Mapping[str, type[TwilioRoute]] = {"twilio": TwilioRoute}
"""By the key that switches them on."""


class WireSettings(Settings):
    """Keys of ``emotionlayer_rasa.VoiceInput`` that switch wires on.

    Attributes:
        twilio: telephone calls over Twilio; None for none.
    """

    twilio: TwilioSettings | None = None


def create_routes(settings: WireSettings) -> list[CallRoute]:
    """The routes that are switched on.

    Raises:
        ConfigurationError: something that a wire needs is not set.
    """
    return [route(getattr(settings, key)) for key, route in _ROUTES.items() if getattr(settings, key)]


__all__ = ["CallRoute", "StreamRoute", "TwilioSettings", "Wire", "WireSettings", "create_routes"]
