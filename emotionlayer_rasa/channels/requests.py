"""What a request to the voice channel says, and where it says it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, Mapping
from urllib.parse import parse_qs

import numpy as np
import sanic.exceptions
from sanic.headers import parse_content_header
from sanic.request import Request

from emotionlayer_rasa.audio import SAMPLE_RATE, RawEncoding
from emotionlayer_rasa.call_control import CALL_KEY
from emotionlayer_rasa.early_speech import EARLY_SPEECH_KEY
from emotionlayer_rasa.errors import (
    AudioTooLargeError,
    RequestError,
    RequestTooLargeError,
    TruncatedAudioError,
    UnsupportedAudioError,
)
from emotionlayer_rasa.http_guard import receive_body, receive_small_body
from emotionlayer_rasa.utterance import METADATA_KEY

INTERRUPTED_KEY = "emotionlayer_interrupted"
"""Key of a message's metadata that tells what the caller heard of a reply, where they made a sound in it: the
share of what was to be said, ``said``, 0..1; ``sentences``, those heard to their end; and ``resumed``, how many
times it went on after a false alarm."""

SILENCE_KEY = "emotionlayer_silence"
"""Key of a message's metadata that tells how many times the caller was asked before whether they were there."""

SERVER_ADDRESS = r"^https?://([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?(/[\w.~%-]+)*$"
"""Pattern of an address of this server, with the path prefix of a reverse proxy, where there is one."""

_MULTIPART = "multipart/form-data"
_JSON = "application/json"
_FORM_SLACK = 65_536
"""Bytes that a form may have beside the audio in it."""
_SENTENCE_BYTES = 16_384
"""Of a request to speak a sentence; a reply has no more than a thousand characters."""
_METADATA_BYTES = 65_536
"""Of metadata, which Rasa keeps with the turn and sends to the action server with every later one."""
_JSON_BYTES_A_CHARACTER = 12
"""At the most: two escapes of six bytes."""
_DEEPEST = 32
"""Objects and lists within one another in JSON that comes in; Rasa copies and stores it recursively."""
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
"""A string, or a bracket outside of one."""
_LONGEST_SENDER = 255
"""Characters; what Rasa's SQL tracker store can keep."""
_TELEPHONY = {"audio/basic": "mulaw", "audio/pcmu": "mulaw", "audio/pcma": "alaw"}
"""Content types of G.711 without a header; 8000 Hz unless they say otherwise (RFC 2046, RFC 3551)."""
_RECORDINGS = ("application/ogg", "application/mp4", "application/octet-stream")
"""Content types of files with sound, beside ``audio/*`` and ``video/*``."""


@dataclass(frozen=True)
class TypedMessage:
    """A turn that was typed, or a button's payload."""

    sender: str
    message: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SpokenMessage:
    """A turn that was spoken: an audio file, or raw samples in ``encoding`` at ``sample_rate`` Hz."""

    sender: str
    audio: bytes
    encoding: RawEncoding | None = None
    sample_rate: int = SAMPLE_RATE
    metadata: dict[str, Any] = field(default_factory=dict)


async def read_body(request: Request, max_bytes: int, max_characters: int) -> None:
    """Receive the body of a streamed request into ``request.body``.

    Args:
        request: a spoken or a typed turn.
        max_bytes: of audio.
        max_characters: of a typed message.

    Raises:
        AudioTooLargeError: the body has more than ``max_bytes`` and what a form needs beside the audio.
        RequestTooLargeError: it is JSON, and longer than message and metadata may be.
    """
    if parse_content_header(request.headers.get("content-type", ""))[0] == _JSON:
        limit = 2 * _METADATA_BYTES + _JSON_BYTES_A_CHARACTER * max_characters
        await _receive_small(request, limit, "Send a shorter message and less metadata.")
        return
    request.body, size = await receive_body(request.stream, max_bytes + _FORM_SLACK)  # type: ignore[arg-type]
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
    await _receive_small(request, _SENTENCE_BYTES, "Send a sentence.")
    body = _json_object(request, "'text' and 'custom'")
    text, style = body.get("text"), body.get("custom")
    if not isinstance(text, str) or not text.strip():
        raise RequestError("'text' must be a text that is not empty.")
    return text.strip(), style if isinstance(style, dict) else {}


async def read_form(request: Request) -> None:
    """Receive a form without files into ``request.body``.

    Raises:
        RequestTooLargeError: it has more than 64 KiB.
    """
    await _receive_small(request, _FORM_SLACK, "Send a call's parameters only.")


def form_field(request: Request, name: str) -> str:
    """A field of a received form; empty where it has none."""
    fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return fields.get(name, [""])[0]


async def _receive_small(request: Request, limit: int, advice: str) -> None:
    request.body = await receive_small_body(request.stream, limit, advice)  # type: ignore[arg-type]


def read_turn(request: Request, max_characters: int) -> TypedMessage | SpokenMessage:
    """Understand a received request.

    Args:
        request: with its body.
        max_characters: of a typed message.

    Raises:
        RequestError: it is malformed; the message says what is missing.
        RequestTooLargeError: a typed message, or metadata, is too long.
        AudioError: a content type declares audio that is not supported.
    """
    content_type, parameters = parse_content_header(request.headers.get("content-type", ""))
    if content_type == _JSON:
        return _typed_turn(request, max_characters)
    if content_type == _MULTIPART:
        return _form_turn(request)
    # Browsers and phones call a recording without a picture video too.
    if content_type.startswith(("audio/", "video/")) or content_type in _RECORDINGS:
        return _spoken_turn(
            request.body,
            content_type,
            parameters,
            {key: request.args.get(key) for key in request.args},
            request.args.get("sender") or request.args.get("sender_id") or request.headers.get("x-sender-id"),
        )
    raise RequestError(
        f"Content type '{content_type}' is not understood. Send {_MULTIPART} with a file field 'audio', "
        f"an audio body (audio/wav, audio/webm, audio/basic, ...), or {_JSON} with 'sender' and 'message'."
    )


def read_json(data: str | bytes, name: str) -> Any:
    """Read JSON that a client sends.

    Args:
        data: text, or UTF-8.
        name: what it is, for the error.

    Raises:
        RequestError: it is no valid JSON (NaN and infinity are none), is nested too deep, or holds half a
            character (a surrogate without its other half), which can be neither sent on nor stored.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        _check_depth(text, name)
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        raise RequestError(f"{name} is no valid JSON.") from None
    return value


def read_json_object(data: str | bytes, name: str) -> dict[str, Any]:
    """Read a JSON object that a client sends: see :func:`read_json`.

    Raises:
        RequestError: it is no valid JSON, or no object.
    """
    value = read_json(data, name)
    if not isinstance(value, dict):
        raise RequestError(f"{name} must be one JSON object.")
    return value


def _check_depth(text: str, name: str) -> None:
    depth = 0
    for match in _BRACKETS.finditer(text):
        depth += (match[0] in "[{") - (match[0] in "]}")
        if depth > _DEEPEST:
            raise RequestError(
                f"{name} has more than {_DEEPEST} objects and lists within one another. Send flatter JSON."
            )


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError
    return number


def _json_object(request: Request, keys: str) -> dict[str, Any]:
    body = read_json(request.body, "The body")
    if not isinstance(body, dict):
        raise RequestError(f"The JSON must be an object with {keys}.")
    return body


def _typed_turn(request: Request, max_characters: int) -> TypedMessage:
    body = _json_object(request, "'sender' and 'message'")
    message = read_message(body.get("message"), max_characters)
    return TypedMessage(
        read_sender(body.get("sender", body.get("sender_id"))), message, read_metadata(body.get("metadata"))
    )


def _form_turn(request: Request) -> SpokenMessage:
    try:
        files, form = request.files, request.form
    except (ValueError, IndexError, LookupError, sanic.exceptions.SanicException):
        raise RequestError("The multipart form cannot be read. Check its boundary and headers.") from None
    file = files.get("audio") if files else None
    if file is None:
        raise RequestError("The form has no file field 'audio'. With curl: -F audio=@recording.wav")
    metadata = form.get("metadata")
    if metadata is not None:
        _check_metadata_size(len(metadata))
        metadata = read_json(metadata, "'metadata'")
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
) -> SpokenMessage:
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
    if encoding is not None and parameters.get("channels", "1") != "1":
        raise UnsupportedAudioError("Raw audio must have one channel. Mix it down, or send a WAV file.")
    if encoding is None:
        return SpokenMessage(read_sender(sender), audio, metadata=read_metadata(metadata))
    if not re.fullmatch(r"\d{1,9}", str(sample_rate or "")):
        raise RequestError(f"Raw audio ('{encoding}') needs 'sample_rate', a whole number of samples a second.")
    return SpokenMessage(read_sender(sender), audio, encoding, int(sample_rate), read_metadata(metadata))  # type: ignore[arg-type]


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


def read_message(value: Any, max_characters: int) -> str:
    """A typed message, or a button's payload.

    Raises:
        RequestError: it is no text, an empty one, or a payload whose values are nested too deep for Rasa.
        RequestTooLargeError: it has more than ``max_characters``.
    """
    if not isinstance(value, str) or not value.strip():
        raise RequestError("'message' must be a text that is not empty.")
    if len(value) > max_characters:
        raise RequestTooLargeError(
            f"'message' has {len(value)} characters; the limit is {max_characters}. Send a shorter text, or raise "
            "'max_characters' under 'limits'."
        )
    if value.lstrip().startswith("/"):
        _check_depth(value, "The payload in 'message'")
    return value


def read_metadata(value: Any) -> dict[str, Any]:
    """The caller's own metadata; the keys of our records are ours to write.

    Raises:
        RequestError: it is no JSON object.
        RequestTooLargeError: it has more than 64 KiB.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError("'metadata' must be a JSON object.")
    _check_metadata_size(len(json.dumps(value)))
    ours = (METADATA_KEY, INTERRUPTED_KEY, SILENCE_KEY, EARLY_SPEECH_KEY, CALL_KEY)
    return {key: item for key, item in value.items() if key not in ours}


def _check_metadata_size(size: int) -> None:
    if size > _METADATA_BYTES:
        raise RequestTooLargeError(f"'metadata' has {size} bytes; the limit is {_METADATA_BYTES}. Send less.")
