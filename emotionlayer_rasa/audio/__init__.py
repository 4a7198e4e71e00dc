"""Bytes of recorded speech to the one form every other room takes: 16 kHz mono float32."""

from emotionlayer_rasa.audio.decoding import AudioLimits, RawEncoding, decode_audio, decode_raw, load_audio
from emotionlayer_rasa.audio.waveform import SAMPLE_RATE, Waveform

__all__ = [
    "SAMPLE_RATE",
    "AudioLimits",
    "RawEncoding",
    "Waveform",
    "decode_audio",
    "decode_raw",
    "load_audio",
]
