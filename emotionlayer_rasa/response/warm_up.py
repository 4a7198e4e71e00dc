"""Letting a language model's server read the prompts before the first caller needs them."""

from __future__ import annotations

import logging
import time

import httpx

from emotionlayer_rasa.endpoints import read_section
from emotionlayer_rasa.errors import EmotionLayerError
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.response.composer import ReplySettings
from emotionlayer_rasa.response.llm import read_llm_settings
from emotionlayer_rasa.response.placeholders import Placeholders
from emotionlayer_rasa.response.prompt import compose_messages, rephrase_messages
from emotionlayer_rasa.response.templates import Draft
from emotionlayer_rasa.utterance import Transcript, Utterance

logger = logging.getLogger(__name__)

_TIMEOUT_S = 120.0
_ANY = "direct_efficiency"


def warm_up(base_url: str, language: str) -> bool:
    """Let a server read what every prompt of a language begins with, before the first caller needs it.

    The server keeps what it has read, and reads a prompt from where it differs from one before. Mode and profile
    are those of ``endpoints.yml``, as for the action server; without one, ``rephrase`` and ``customer_support``.

    Args:
        base_url: of the server, such as ``http://127.0.0.1:8090/v1``.
        language: one of :func:`emotionlayer_rasa.response.languages`.

    Returns:
        Whether it was read. Where not, the log says why; the first reply is slower then, and nothing else is lost.
    """
    began = time.perf_counter()
    try:
        settings, replies = read_llm_settings(), read_section(ReplySettings, "replies") or ReplySettings()
        nobody = Utterance(Transcript(""))
        masked = settings is not None and settings.placeholders
        placeholders = Placeholders.of("", {}, language) if masked else None
        if settings is not None and settings.mode == "compose":
            messages = compose_messages(
                nobody, Draft("", {}), _ANY, language, profile=replies.profile, placeholders=placeholders
            )
        else:
            messages = rephrase_messages(
                nobody, "", _ANY, language, profile=replies.profile, placeholders=placeholders
            )
        question = {"model": "warm-up", "messages": messages, "max_tokens": 1}
        httpx.post(
            f"{base_url}/chat/completions", json=question, timeout=_TIMEOUT_S, trust_env=False
        ).raise_for_status()
    except (EmotionLayerError, httpx.HTTPError) as error:
        reason = error if isinstance(error, EmotionLayerError) else describe(error)
        logger.warning("llm.warm_up.failed language=%s %s", language, reason)
        return False
    logger.info("llm.warm_up.done language=%s ms=%.0f", language, (time.perf_counter() - began) * 1000)
    return True
