"""Bytes of recorded speech to the one form every other room takes: 16 kHz mono float32."""

from emotionlayer_rasa.audio.decoding import (
    AudioLimits,
    RawEncoding,
    StreamDecoder,
    decode_audio,
    decode_raw,
    load_audio,
)
from emotionlayer_rasa.audio.endpointing import Endpointer, EndpointSettings
from emotionlayer_rasa.audio.patience import Patience, TurnSettings, create_turn_detector
from emotionlayer_rasa.audio.turn_detection import TurnDetector
from emotionlayer_rasa.audio.voice_activity import VoiceActivityDetector, create_detector
from emotionlayer_rasa.audio.waveform import SAMPLE_RATE, Waveform

__all__ = [
    "SAMPLE_RATE",
    "AudioLimits",
    "EndpointSettings",
    "Endpointer",
    "Patience",
    "RawEncoding",
    "StreamDecoder",
    "TurnDetector",
    "TurnSettings",
    "VoiceActivityDetector",
    "Waveform",
    "create_detector",
    "create_turn_detector",
    "decode_audio",
    "decode_raw",
    "load_audio",
]
