"""What a live call and the action server tell each other beside texts.

The voice channel says in the metadata of a caller's turns what kind of call it is::

    {"emotionlayer_call": {"transfer": true}}        # replies are spoken; the call can be passed on to a person

and the slot ``session_started_metadata`` holds that when a session begins. An action says in the custom payload of
a message what becomes of the call, once the message was heard::

    {"call": "hang_up"}                              # or "transfer"
    {"spoken": "..."}                                # said in place of the message's text
"""

from __future__ import annotations

from typing import Any, Mapping

CALL_KEY = "emotionlayer_call"
"""Key of a message's metadata. Other channels let their clients write it, who gain nothing by that."""

NEXT_KEY = "call"
SPOKEN_KEY = "spoken"
"""Keys of a message's custom payload."""

HANG_UP = "hang_up"
TRANSFER = "transfer"


def call_metadata(transfer: bool) -> dict[str, Any]:
    """What the channel writes; ``transfer``: the call can be passed on."""
    return {CALL_KEY: {TRANSFER: transfer}}


def is_call(metadata: Any) -> bool:
    """Whether a turn, or the beginning of a session, is of a call in which replies are spoken."""
    return isinstance(metadata, Mapping) and isinstance(metadata.get(CALL_KEY), Mapping)


def can_transfer(metadata: Any) -> bool:
    """Whether a turn is of a call that can be passed on to a person."""
    return is_call(metadata) and metadata[CALL_KEY].get(TRANSFER) is True
