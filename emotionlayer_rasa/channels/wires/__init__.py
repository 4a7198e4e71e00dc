"""Wires: the protocols over which live calls come in, one file each.

A wire makes commands (:mod:`emotionlayer_rasa.channels.commands`) of the messages that come in, and messages of
events (:mod:`emotionlayer_rasa.channels.events`); a route says where they come in, and who may. A new one is a
file with both (see :mod:`emotionlayer_rasa.channels.wires.base`), and its key and route here.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Mapping

from emotionlayer_rasa.channels.wires.asterisk import AsteriskRoute
from emotionlayer_rasa.channels.wires.audio_fork import AudioForkRoute
from emotionlayer_rasa.channels.wires.audio_stream import AudioStreamRoute
from emotionlayer_rasa.channels.wires.audiosocket import AudioSocketRoute, AudioSocketSettings
from emotionlayer_rasa.channels.wires.base import CallRoute, ListenerRoute, Webhook, Wire
from emotionlayer_rasa.channels.wires.jambonz import JambonzRoute, JambonzSettings
from emotionlayer_rasa.channels.wires.media_streams import (
    SIGNALWIRE,
    TELNYX,
    TWILIO,
    MediaStreamsRoute,
    MediaStreamsSettings,
)
from emotionlayer_rasa.channels.wires.stream import StreamRoute, StreamSettings
from emotionlayer_rasa.channels.wires.telephone import TelephoneSettings
from emotionlayer_rasa.channels.wires.vonage import VonageRoute, VonageSettings
from emotionlayer_rasa.settings import Settings

Route = CallRoute | ListenerRoute

_ROUTES: Mapping[str, Callable[[Any], Route]] = {
    "asterisk": AsteriskRoute,
    "audiosocket": AudioSocketRoute,
    "audio_fork": AudioForkRoute,
    "audio_stream": AudioStreamRoute,
    "jambonz": JambonzRoute,
    "twilio": partial(MediaStreamsRoute, dialect=TWILIO),
    "signalwire": partial(MediaStreamsRoute, dialect=SIGNALWIRE),
    "telnyx": partial(MediaStreamsRoute, dialect=TELNYX),
    "vonage": VonageRoute,
}
"""By the key that switches them on; ``/stream`` is always there."""


class WireSettings(Settings):
    """Keys of ``emotionlayer_rasa.VoiceInput`` about wires.

    Attributes:
        stream: what clients of the websocket get who do not say otherwise.
        asterisk, audiosocket, audio_fork, audio_stream, jambonz, twilio, signalwire, telnyx, vonage: telephone
            calls over these; None for none, ``{}`` for all defaults.
    """

    stream: StreamSettings = StreamSettings()
    asterisk: TelephoneSettings | None = None
    audiosocket: AudioSocketSettings | None = None
    audio_fork: TelephoneSettings | None = None
    audio_stream: TelephoneSettings | None = None
    jambonz: JambonzSettings | None = None
    twilio: MediaStreamsSettings | None = None
    signalwire: MediaStreamsSettings | None = None
    telnyx: MediaStreamsSettings | None = None
    vonage: VonageSettings | None = None


def create_routes(settings: WireSettings) -> list[Route]:
    """The routes that are switched on.

    Raises:
        ConfigurationError: something that a wire needs is not set.
    """
    given = {key: getattr(settings, key) for key in _ROUTES}
    return [route(given[key]) for key, route in _ROUTES.items() if given[key] is not None]


__all__ = [
    "CallRoute",
    "ListenerRoute",
    "Route",
    "StreamRoute",
    "StreamSettings",
    "Webhook",
    "Wire",
    "WireSettings",
    "create_routes",
]
