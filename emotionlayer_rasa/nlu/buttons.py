"""Payloads of buttons, ``/intent@confidence{"entity": "value"}``, as Rasa's ``RegexMessageHandler`` reads them."""

from __future__ import annotations

import json
from typing import Any

from rasa.shared.constants import INTENT_MESSAGE_PREFIX


def is_button(text: str) -> bool:
    """Whether a message is a payload and no words."""
    return text.lstrip().startswith(INTENT_MESSAGE_PREFIX)


def intent_of(payload: str) -> str:
    """The intent of a payload."""
    return payload.strip()[len(INTENT_MESSAGE_PREFIX) :].partition("{")[0].partition("@")[0].strip()


def with_entity(payload: str, entity: str, value: Any) -> str:
    """The payload with one entity more; one that names it already, or that cannot be read, stays as it is."""
    head, brace, rest = payload.strip().partition("{")
    try:
        return head + json.dumps({entity: value, **json.loads((brace + rest) or "{}")})
    except ValueError:
        return payload
