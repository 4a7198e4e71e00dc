"""``WS /webhooks/voice/audio-stream``: calls of FreeSWITCH with ``mod_audio_stream``, which connects to us.

(https://github.com/amigniter/mod_audio_stream)

Set up: ``audio_stream: {}`` under ``emotionlayer_rasa.VoiceInput`` in ``credentials.yml``, and in FreeSWITCH the
files in ``examples/telephony/freeswitch``. The module sends the channel's token in a header (the channel variable
``STREAM_EXTRA_HEADERS``), and is refused without it before there is a websocket.

It is the protocol of :mod:`emotionlayer_rasa.channels.wires.audio_fork` but for the replies: ``streamAudio`` has
the module write a file, and its event ``mod_audio_stream::play`` has the script of the example play it. All other
messages of ours reach the script as ``mod_audio_stream::json``. What was heard is counted, as nothing tells.
"""

from __future__ import annotations

import base64

from sanic.request import Request

from emotionlayer_rasa.channels.events import SpeechPiece
from emotionlayer_rasa.channels.wires.audio_fork import AudioForkRoute, AudioForkWire, read_address, told
from emotionlayer_rasa.channels.wires.base import Message, Wire


class AudioStreamRoute(AudioForkRoute):
    """The calls of FreeSWITCH servers."""

    path = "/audio-stream"
    subprotocols = ()

    def open(self, request: Request) -> Wire:
        """The wire of a websocket."""
        return AudioStreamWire(self._settings, read_address(request).copy(update={"speech": "file"}))


class AudioStreamWire(AudioForkWire):
    """One stream's websocket."""

    def write_file(self, piece: SpeechPiece) -> Message:
        """A message that plays a piece as a file."""
        audio = base64.b64encode(piece.audio).decode()
        return told("streamAudio", {"audioDataType": "raw", "sampleRate": piece.sample_rate, "audioData": audio})
