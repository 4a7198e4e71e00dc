"""The address at which a live call takes the first sentence of a reply while a language model writes the rest.

The voice channel puts it into the metadata of a caller's turn, the actions find it there::

    {"early_speech": {"url": "http://localhost:5005/webhooks/voice/calls/<turn>/say"}}

``POST {"text", "custom"}`` to it speaks the text in the manner of the custom payload. The answer is 200 when it is
spoken, 409 while the caller speaks or when they have interrupted the reply, 404 when the turn or the call is over.
``<turn>`` cannot be guessed and is good for one turn, so it is all that a request needs.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

EARLY_SPEECH_KEY = "early_speech"
"""Key of a message's metadata."""

_URL = re.compile(r"https?://[\w.:\[\]-]+/webhooks/voice/calls/[\w-]{32,64}/say", re.ASCII)


def early_speech_metadata(server: str, turn: str) -> dict[str, Any]:
    """What the channel writes.

    Args:
        server: address at which the action server reaches the Rasa server, without a path.
        turn: the unguessable name of the turn.
    """
    return {EARLY_SPEECH_KEY: {"url": f"{server}/webhooks/voice/calls/{turn}/say"}}


def early_speech_url(metadata: Any) -> str | None:
    """The address in the metadata of a turn; None where there is none, or one that no channel of ours writes."""
    entry = metadata.get(EARLY_SPEECH_KEY) if isinstance(metadata, Mapping) else None
    url = entry.get("url") if isinstance(entry, Mapping) else None
    return url if isinstance(url, str) and _URL.fullmatch(url) else None
