"""Wires: the protocols over which live calls come in, one file each.

A wire makes commands (:mod:`emotionlayer_rasa.channels.commands`) of the messages that come in, and messages of
events (:mod:`emotionlayer_rasa.channels.events`); a route says where its websockets come in, and who may. A new
one is a file with both (see :mod:`emotionlayer_rasa.channels.wires.base`), and its key and route here.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping

from emotionlayer_rasa.channels.wires.base import CallRoute, Wire
from emotionlayer_rasa.channels.wires.stream import StreamRoute, StreamSettings
from emotionlayer_rasa.channels.wires.twilio import TwilioRoute, TwilioSettings
from emotionlayer_rasa.settings import Settings

_ROUTES: Mapping[str, Callable[[Any], CallRoute]] = {"twilio": TwilioRoute}
"""By the key that switches them on; ``/stream`` is always there."""


class WireSettings(Settings):
    """Keys of ``emotionlayer_rasa.VoiceInput`` about wires.

    Attributes:
        stream: what clients of the websocket get who do not say otherwise.
        twilio: telephone calls over Twilio; None for none.
    """

    stream: StreamSettings = StreamSettings()
    twilio: TwilioSettings | None = None


def create_routes(settings: WireSettings) -> list[CallRoute]:
    """The routes that are switched on.

    Raises:
        ConfigurationError: something that a wire needs is not set.
    """
    return [route(getattr(settings, key)) for key, route in _ROUTES.items() if getattr(settings, key)]


__all__ = ["CallRoute", "StreamRoute", "StreamSettings", "TwilioSettings", "Wire", "WireSettings", "create_routes"]
