"""How a reply is spoken: the payload that travels beside its text."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Mapping
from xml.sax.saxutils import escape, quoteattr

from emotionlayer_rasa.affect import speech_settings
from emotionlayer_rasa.language import sentences

SSML_PITCH = {"low": "low", "high": "high", "balanced": "medium", "default": "default"}
"""Our pitch labels to the values of SSML 1.1's ``prosody`` element."""

PAUSE_MS: Mapping[str, int] = MappingProxyType({"active_deescalation": 300, "empathic_validation": 300})
"""Strategy to the pause between two sentences, in milliseconds; the others leave it to the voice."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def speech_payload(text: str, strategy: str, language: str = "en") -> dict[str, Any]:
    """The custom payload of a reply.

    Returns:
        ``strategy``, ``speed`` (.80 .. 1.25 of the normal rate), ``tone``, ``pitch`` and ``ssml``.
    """
    settings = speech_settings(strategy)
    return {
        "strategy": strategy,
        "speed": settings.speed,
        "tone": settings.tone,
        "pitch": settings.pitch,
        "ssml": ssml(text, settings.speed, settings.pitch, language, PAUSE_MS.get(strategy, 0)),
    }


def ssml(text: str, speed: float, pitch: str, language: str = "en", pause_ms: int = 0) -> str:
    """A document of SSML 1.1 (https://www.w3.org/TR/speech-synthesis11/) that says ``text``.

    Args:
        text: plain text. What looks like markup or an entity in it is escaped, that is, read out and not obeyed;
            characters that XML forbids are dropped.
        speed: 1.0 is the voice's normal rate.
        pitch: a key of :data:`SSML_PITCH`.
        language: code of the text's language.
        pause_ms: pause between two sentences; above 0, each sentence is an ``s`` element.
    """
    text = _NOT_XML.sub("", text)
    return (
        f'<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang={quoteattr(language)}>'
        f'<prosody rate="{speed:.0%}" pitch="{SSML_PITCH[pitch]}">'
        f"{_sentences(text, pause_ms) if pause_ms else escape(text)}</prosody></speak>"
    )


def _sentences(text: str, pause_ms: int) -> str:
    parts = []
    for piece in sentences(text):
        sentence = piece.lstrip()
        parts.append(f"{piece[: len(piece) - len(sentence)]}<s>{escape(sentence)}</s>")
    return f'<break time="{pause_ms}ms"/>'.join(parts)
