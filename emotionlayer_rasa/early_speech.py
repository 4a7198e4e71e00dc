"""The address at which a live call takes the first sentence of a reply while a language model writes the rest.

The voice channel puts it into the metadata of a caller's turn, the actions find it there::

    {"early_speech": {"url": "http://localhost:5005/webhooks/voice/calls/<turn>/say", "signature": "..."}}

``POST {"text", "custom"}`` to it speaks the text in the manner of the custom payload. The answer is 200 when it is
spoken, 409 while the caller speaks or when they have interrupted the reply, 404 when the turn or the call is over.
``<turn>`` cannot be guessed and is good for one turn, so it is all that a request needs.

Other channels let their clients write metadata. So that nobody but the voice channel sends the action server to an
address, the address is signed (HMAC-SHA-256, in hex) with a secret that both servers have:
:data:`SECRET_VARIABLE`, or, where that is not set, one that the first of them makes for the user's account on this
machine. A server with another secret, or with none, finds no address, and the reply is spoken when all of it is
known.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Mapping

import platformdirs

from emotionlayer_rasa.logs import describe

logger = logging.getLogger(__name__)

EARLY_SPEECH_KEY = "early_speech"
"""Key of a message's metadata."""

SECRET_VARIABLE = "EMOTIONLAYER_EARLY_SPEECH_SECRET"
"""Environment variable with the secret, where the servers run on several machines or as several users."""


def early_speech_metadata(server: str, turn: str) -> dict[str, Any]:
    """What the channel writes; nothing where there is no secret to sign with.

    Args:
        server: address at which the action server reaches the Rasa server, with its path prefix where it has one.
        turn: the unguessable name of the turn.
    """
    url = f"{server}/webhooks/voice/calls/{turn}/say"
    signature = _signature(url)
    return {EARLY_SPEECH_KEY: {"url": url, "signature": signature}} if signature else {}


def early_speech_url(metadata: Any) -> str | None:
    """The address in the metadata of a turn; None where there is none, or one that the channel did not sign."""
    entry = metadata.get(EARLY_SPEECH_KEY) if isinstance(metadata, Mapping) else None
    if not isinstance(entry, Mapping):
        return None
    url, given = entry.get("url"), entry.get("signature")
    expected = _signature(url) if isinstance(url, str) and isinstance(given, str) else None
    if expected is None or not hmac.compare_digest(_bytes(str(given)), expected.encode()):
        logger.warning(
            "early_speech.not_signed: a turn names an address that our secret did not sign, and it is not used. "
            "Where Rasa server and action server run on two machines, or as two users, set %s to the same value "
            "for both.",
            SECRET_VARIABLE,
        )
        return None
    return str(url)


def _signature(url: str) -> str | None:
    try:
        secret = os.environ.get(SECRET_VARIABLE, "").encode() or _secret_of_this_account()
    except OSError as error:
        logger.warning("early_speech.no_secret %s: set %s.", describe(error), SECRET_VARIABLE)
        return None
    return hmac.new(secret, _bytes(url), hashlib.sha256).hexdigest()


def _secret_of_this_account() -> bytes:
    """Read each time: the file is small, and another server may make it, or an operator remove it, meanwhile."""
    path = Path(platformdirs.user_data_dir("emotionlayer")) / "early_speech_secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)  # readable by its owner only
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
            with suppress(FileExistsError):  # of two servers that start at once the first one wins
                os.link(draft, path)
        finally:
            os.unlink(draft)
    return path.read_bytes()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
