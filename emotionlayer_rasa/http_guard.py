"""Who may ask our HTTP servers, how much they may send, and how an error is answered: the same for all of them.

An error is answered with ``{"error": {"code", "message"}}``. It knows no web framework: headers and query are
mappings, a body is chunks of bytes.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, AsyncIterable, Mapping
from urllib.parse import urlsplit

from emotionlayer_rasa import errors

STATUS: dict[type[errors.EmotionLayerError], int] = {
    errors.UnauthorizedError: 401,
    errors.UnknownCallError: 404,
    errors.CallerSpeaksError: 409,
    errors.RequestTooLargeError: 413,
    errors.RequestError: 400,
    errors.AudioTooLargeError: 413,
    errors.AudioTooLongError: 413,
    errors.UnsupportedAudioError: 415,
    errors.AudioError: 422,
    errors.BusyError: 503,
    errors.ModelError: 503,
    errors.MissingExtraError: 503,
    errors.AssistantNotReadyError: 503,
    errors.AssistantTimeoutError: 504,
    errors.EmotionLayerError: 500,
}
"""HTTP status by error; the nearest class counts."""

_HEADERS: dict[type[errors.EmotionLayerError], dict[str, str]] = {
    errors.UnauthorizedError: {"WWW-Authenticate": "Bearer"},
    errors.BusyError: {"Retry-After": "1"},
}


@dataclass(frozen=True)
class ErrorAnswer:
    """How an error is answered: HTTP status, JSON body and headers."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def error_body(code: str, message: str) -> dict[str, Any]:
    """An error as JSON, over HTTP and in a live call."""
    return {"error": {"code": code, "message": message}}


def error_answer(error: Exception) -> ErrorAnswer:
    """How an error is answered. What is none of ours is told by no more than that: its text may hold anything."""
    if not isinstance(error, errors.EmotionLayerError):
        return ErrorAnswer(500, error_body("internal", "The server failed. Its log names the error."))
    return ErrorAnswer(
        _nearest(STATUS, error), error_body(error.code, str(error)), _nearest(_HEADERS, error) or {}
    )


@dataclass(frozen=True)
class Guard:
    """Lets in who has the token.

    Attributes:
        token: what every request must carry, as ``Authorization: Bearer``, ``X-Token`` or ``?token=``; None lets
            everyone in but, where origins are checked, the pages of other servers.
        setting: where the token is set, for the errors.
    """

    token: str | None
    setting: str

    def check_token(self, headers: Mapping[str, str], query: Mapping[str, Any]) -> None:
        """Let a request in.

        Args:
            headers: of the request, whatever the case of their names.
            query: its parameters.

        Raises:
            UnauthorizedError: it has no token, or a wrong one.
        """
        if self.token is None:
            return
        scheme, _, credentials = headers.get("Authorization", "").partition(" ")
        given = (credentials if scheme.lower() == "bearer" else "") or headers.get("X-Token")
        given = given or str(query.get("token") or "")
        if not given and scheme.lower() == "basic":  # last, since a proxy may ask for credentials of its own
            given = _password(credentials)
        if not hmac.compare_digest(_bytes(given.strip()), self.token.encode()):
            raise errors.UnauthorizedError(
                "The token is missing or wrong. Send 'Authorization: Bearer <token>', 'X-Token: <token>', "
                f"'?token=<token>', or the token as password of any user, as set under {self.setting}."
            )

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Without a token, no page from elsewhere may talk to us through the browser of somebody who can reach us.

        A browser names the page's origin with all that changes something. A name in it that is not ours may still
        lead to us (DNS rebinding), so that the address must be an IP address or ``localhost``.

        Raises:
            UnauthorizedError: the page of another server asks.
        """
        origin = headers.get("Origin")
        if self.token is None and origin is not None and not _is_own(origin, headers.get("Host")):
            raise errors.UnauthorizedError(
                f"A page of another server asks. Set 'token' under {self.setting}, and send it with the request."
            )


async def receive_body(chunks: AsyncIterable[bytes], limit: int) -> tuple[bytes, int]:
    """Receive a body.

    What is over the limit is received and dropped, so that the client gets to read the answer.

    Args:
        chunks: of the body, as they come in.
        limit: bytes that are kept.

    Returns:
        The body, cut off somewhere where it is over the limit, and how many bytes it has.
    """
    body = bytearray()
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size <= limit:
            body += chunk
    return bytes(body), size


async def receive_small_body(chunks: AsyncIterable[bytes], limit: int, advice: str) -> bytes:
    """Receive a body that has no more than ``limit`` bytes.

    Raises:
        RequestTooLargeError: it has more; the message ends with ``advice``.
    """
    body, size = await receive_body(chunks, limit)
    if size > limit:
        raise errors.RequestTooLargeError(f"The request has {size} bytes; the limit is {limit}. {advice}")
    return body


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _is_own(origin: str, host: str | None) -> bool:
    try:
        address = urlsplit(origin)
        no_name = address.hostname == "localhost" or bool(ip_address(address.hostname or ""))
    except ValueError:
        return False
    return no_name and address.netloc == host


def _nearest(table: Mapping[type[errors.EmotionLayerError], Any], error: errors.EmotionLayerError) -> Any:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
