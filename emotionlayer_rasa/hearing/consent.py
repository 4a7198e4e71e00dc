"""Whether a caller's emotion may be analysed."""

from __future__ import annotations

import inspect
import logging
from typing import Awaitable, Callable

from emotionlayer_rasa.logs import describe

logger = logging.getLogger(__name__)

Consent = bool | Callable[[], bool | Awaitable[bool]]
"""Whether emotion may be analysed: for all utterances, or asked (and awaited) for each."""


async def may_analyse(consent: Consent) -> bool:
    """Ask; who cannot be asked (it raises) has not agreed."""
    try:
        answer = consent() if callable(consent) else consent
        return bool(await answer if inspect.isawaitable(answer) else answer)
    except Exception as error:
        logger.error("live.consent.failed %s", describe(error))
        return False
