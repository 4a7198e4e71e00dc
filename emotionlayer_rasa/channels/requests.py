"""What a request to the voice channel says, and where it says it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Mapping

import numpy as np
import sanic.exceptions
from sanic.headers import parse_content_header
from sanic.request import Request

from emotionlayer_rasa.audio import SAMPLE_RATE, RawEncoding
from emotionlayer_rasa.early_speech import EARLY_SPEECH_KEY
from emotionlayer_rasa.errors import (
    AudioTooLargeError,
    RequestError,
    RequestTooLargeError,
    TruncatedAudioError,
    UnsupportedAudioError,
)
from emotionlayer_rasa.utterance import METADATA_KEY

INTERRUPTED_KEY = "emotionlayer_interrupted"
"""Key of a message's metadata that tells how far the assistant got before the caller interrupted: ``said``, the
share of what it was saying, 0..1, and ``sentences``, those that were heard to their end."""

_MULTIPART = "multipart/form-data"
_JSON = "application/json"
_FORM_SLACK = 65_536
"""Bytes that a form may have beside the audio in it."""
_SENTENCE_BYTES = 16_384
"""Of a request to speak a sentence; a reply has no more than a thousand characters."""
_LONGEST_SENDER = 255
"""Characters; what Rasa's SQL tracker store can keep."""
_TELEPHONY = {"audio/basic": "mulaw", "audio/pcmu": "mulaw", "audio/pcma": "alaw"}
"""Content types of G.711 without a header; 8000 Hz unless they say otherwise (RFC 2046, RFC 3551)."""


@dataclass(frozen=True)
class TypedTurn:
    """A turn that was typed, or a button's payload."""

    sender: str
    message: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SpokenTurn:
    """A turn that was spoken: an audio file, or raw samples in ``encoding`` at ``sample_rate`` Hz."""

    sender: str
    audio: bytes
    encoding: RawEncoding | None = None
    sample_rate: int = SAMPLE_RATE
    metadata: dict[str, Any] = field(default_factory=dict)


async def read_body(request: Request, max_bytes: int) -> None:
    """Receive the body of a streamed request into ``request.body``.

    Raises:
        AudioTooLargeError: the body has more than ``max_bytes`` and what a form needs beside the audio.
    """
    size = await _receive(request, max_bytes + _FORM_SLACK)
    if size > max_bytes + _FORM_SLACK:
        raise AudioTooLargeError(
            f"The request has {size} bytes; the limit for audio is {max_bytes}. "
            "Send FLAC, Ogg or MP3, send shorter pieces, or raise 'max_bytes'."
        )


async def read_sentence(request: Request) -> tuple[str, dict[str, Any]]:
    """Receive and understand a streamed request to speak a sentence.

    Returns:
        The text and its custom payload.

    Raises:
        RequestTooLargeError: the body has more than 16 KiB.
        RequestError: it is no JSON object with a ``text``.
    """
    size = await _receive(request, _SENTENCE_BYTES)
    if size > _SENTENCE_BYTES:
        raise RequestTooLargeError(
            f"The request has {size} bytes; the limit is {_SENTENCE_BYTES}. Send a sentence."
        )
    body = _json_object(request, "'text' and 'custom'")
    text, style = body.get("text"), body.get("custom")
    if not isinstance(text, str) or not text.strip():
        raise RequestError("'text' must be a text that is not empty.")
    return text.strip(), style if isinstance(style, dict) else {}


async def _receive(request: Request, limit: int) -> int:
    """Receive a body into ``request.body``, and tell its size.

    What is over the limit is received and dropped, so that the client gets to read the answer.
    """
    body = bytearray()
    size = 0
    async for chunk in request.stream:  # type: ignore[union-attr]
        size += len(chunk)
        if size <= limit:
            body += chunk
    request.body = bytes(body)
    return size


def read_turn(request: Request) -> TypedTurn | SpokenTurn:
    """Understand a received request.

    Raises:
        RequestError: it is malformed; the message says what is missing.
        AudioError: a content type declares audio that is not supported.
    """
    content_type, parameters = parse_content_header(request.headers.get("content-type", ""))
    if content_type == _JSON:
        return _typed_turn(request)
    if content_type == _MULTIPART:
        return _form_turn(request)
    if content_type.startswith("audio/") or content_type == "application/octet-stream":
        return _spoken_turn(
            request.body,
            content_type,
            parameters,
            {key: request.args.get(key) for key in request.args},
            request.args.get("sender") or request.args.get("sender_id") or request.headers.get("x-sender-id"),
        )
    raise RequestError(
        f"Content type '{content_type}' is not understood. Send {_MULTIPART} with a file field 'audio', "
        f"an audio body (audio/wav, audio/flac, audio/basic, ...), or {_JSON} with 'sender' and 'message'."
    )


def _json_object(request: Request, keys: str) -> dict[str, Any]:
    try:
        body = request.json
    except sanic.exceptions.SanicException:
        raise RequestError("The body is no valid JSON.") from None
    if not isinstance(body, dict):
        raise RequestError(f"The JSON must be an object with {keys}.")
    return body


def _typed_turn(request: Request) -> TypedTurn:
    body = _json_object(request, "'sender' and 'message'")
    message = body.get("message")
    if not isinstance(message, str) or not message.strip():
        raise RequestError("'message' must be a text that is not empty.")
    return TypedTurn(
        read_sender(body.get("sender", body.get("sender_id"))), message, read_metadata(body.get("metadata"))
    )


def _form_turn(request: Request) -> SpokenTurn:
    try:
        files, form = request.files, request.form
    except (ValueError, IndexError, LookupError, sanic.exceptions.SanicException):
        raise RequestError("The multipart form cannot be read. Check its boundary and headers.") from None
    file = files.get("audio") if files else None
    if file is None:
        raise RequestError("The form has no file field 'audio'. With curl: -F audio=@recording.wav")
    metadata = form.get("metadata")
    if metadata is not None:
        try:
            metadata = json.loads(metadata)
        except json.JSONDecodeError:
            raise RequestError("'metadata' is no valid JSON.") from None
    content_type, parameters = parse_content_header(file.type or "")
    fields = {key: form.get(key) for key in form}
    return _spoken_turn(
        file.body, content_type, parameters, fields, form.get("sender") or form.get("sender_id"), metadata
    )


def _spoken_turn(
    audio: bytes,
    content_type: str,
    parameters: Mapping[str, Any],
    fields: Mapping[str, Any],
    sender: Any,
    metadata: Any = None,
) -> SpokenTurn:
    """The fields ``encoding`` and ``sample_rate`` win over what the content type says."""
    encoding = fields.get("encoding")
    sample_rate = fields.get("sample_rate") or parameters.get("rate")
    if encoding is None and content_type in _TELEPHONY:
        encoding, sample_rate = _TELEPHONY[content_type], sample_rate or 8000
    elif encoding is None and content_type == "audio/l16":
        # RFC 2586: network byte order. The decoder reads little endian.
        if len(audio) % 2:
            raise TruncatedAudioError("audio/L16 has two bytes a sample; an odd number came in. Send it again.")
        encoding, audio = "pcm16", np.frombuffer(audio, "<i2").byteswap().tobytes()
    if parameters.get("channels", "1") != "1":
        raise UnsupportedAudioError("Raw audio must have one channel. Mix it down, or send a WAV file.")
    if encoding is None:
        return SpokenTurn(read_sender(sender), audio, metadata=read_metadata(metadata))
    if not str(sample_rate or "").isdecimal():
        raise RequestError(f"Raw audio ('{encoding}') needs 'sample_rate', a whole number of samples a second.")
    return SpokenTurn(read_sender(sender), audio, encoding, int(sample_rate), read_metadata(metadata))  # type: ignore[arg-type]


def read_sender(value: Any) -> str:
    """The id of a conversation.

    Raises:
        RequestError: it is none.
    """
    sender = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not 0 < len(sender) <= _LONGEST_SENDER:
        raise RequestError(
            f"The request names no 'sender' (1 to {_LONGEST_SENDER} characters), the id of the conversation. "
            "Send it as form field or JSON key, for an audio body as '?sender=' or header 'X-Sender-Id'."
        )
    return sender


def read_metadata(value: Any) -> dict[str, Any]:
    """The caller's own metadata; the keys of our records are ours to write.

    Raises:
        RequestError: it is no JSON object.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError("'metadata' must be a JSON object.")
    ours = (METADATA_KEY, INTERRUPTED_KEY, EARLY_SPEECH_KEY)
    return {key: item for key, item in value.items() if key not in ours}
