"""Having the first sentence of a reply spoken in a live call while the language model writes the rest."""

from __future__ import annotations

import logging
from functools import partial

import httpx

from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.early_speech import early_speech_url
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.response import Reply, SayEarly

logger = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""Seconds for each step of the request; the language model writes on meanwhile."""


def early_speech(conversation: ActionConversation) -> SayEarly | None:
    """How the first sentence of the reply to the last turn is said; None unless that is of a call that speaks.

    The address comes with the turn, signed by the voice channel. The action server must reach the Rasa server
    there (``own_url`` of the channel); where it does not, the caller hears the whole reply a little later.
    """
    turns = [event for event in conversation.events if event.get("event") == "user"]
    url = early_speech_url(turns[-1].get("metadata")) if turns else None
    return partial(_say, url) if url else None


async def _say(url: str, beginning: Reply) -> bool:
    message = {"text": beginning.text, "custom": beginning.payload()}
    # Neither over a proxy nor after a redirect: it goes where the channel said, or nowhere.
    secure = url.startswith("https:")
    try:
        async with (
            httpx.AsyncClient(timeout=PATIENCE_S, verify=secure, trust_env=False) as client,
            client.stream("POST", url, json=message) as answer,
        ):
            status = answer.status_code
    except (httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError):
        return True  # it may have been said: a reply that begins otherwise would be worse than a late one
    except (httpx.HTTPError, OSError) as error:
        logger.warning("reply.early_speech.failed %s", describe(error))
        return False
    if status not in (200, 409):  # 409: the caller speaks
        logger.warning("reply.early_speech.refused status=%d", status)
    return status == 200
