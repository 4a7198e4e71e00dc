"""From an utterance to a reply that fits the caller: a language model where it does well, else a template."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.errors import LLMError
from emotionlayer_rasa.response.check import check_reply, check_rules
from emotionlayer_rasa.response.language_data import languages
from emotionlayer_rasa.response.llm import LLMClient
from emotionlayer_rasa.response.prompt import rephrase_messages
from emotionlayer_rasa.response.speech import speech_payload
from emotionlayer_rasa.response.templates import draft_reply, replies
from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.utterance import Utterance

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """What to say and how.

    Attributes:
        text: one to three sentences.
        source: ``llm`` or ``template``.
        strategy: one of the six response strategies.
        speech: see :func:`emotionlayer_rasa.response.speech_payload`.
        reasons: why the language model's reply was not used; empty when it was, or when none was asked.
        timings_ms: milliseconds by stage: ``template``, ``llm``, ``check``, ``total``.
    """

    text: str
    source: str
    strategy: str
    speech: Mapping[str, Any]
    reasons: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """The custom payload of the message: the speech settings and where the text is from."""
        return {**self.speech, "source": self.source}


class ReplyComposer:
    """Words replies; always has one, at the latest when the language model's ``timeout_s`` is over.

    Attributes:
        rejections: how often a reply of the language model was not used, by reason, since the start.

    Raises:
        ConfigurationError: a language's file has an unknown or a wrong key.
    """

    def __init__(self, llm: LLMClient | None = None) -> None:
        self._llm = llm
        self.rejections: Counter[str] = Counter()
        for (
            language
        ) in languages():  # now, so that a wrong file stops the start and no caller waits for the reading
            replies(language)
            check_rules(language)

    async def reply(
        self,
        utterance: Utterance,
        situation: str,
        slots: Mapping[str, Any],
        said: Sequence[str] = (),
        language: str = "en",
        memory: AffectiveMemory | None = None,
    ) -> Reply:
        """Answer one turn.

        Args:
            utterance: the caller's turn; the strategy of its ``affect`` sets the tone.
            situation: the intent, or another situation of the language's ``replies.yml``.
            slots: the only source of facts.
            said: the assistant's messages so far, oldest first.
            language: one of :func:`emotionlayer_rasa.response.languages`.
            memory: what the turns before tell about the caller.
        """
        started = time.perf_counter()
        strategy = utterance.affect.strategy if utterance.affect.strategy in STRATEGIES else "direct_efficiency"
        draft = draft_reply(situation, strategy, slots, language, said)
        timings = {"template": _ms_since(started)}
        text, source = draft.text, "template"
        reasons: tuple[str, ...] = ()

        if self._llm is not None and not draft.verbatim:
            asked = rephrase_messages(utterance, draft.text, strategy, language, memory)
            wording, reasons = await self._reword(asked, draft.text, strategy, draft.facts, language, timings)
            if not reasons:
                text, source = wording, "llm"
            self.rejections.update(reasons)

        timings["total"] = _ms_since(started)
        logger.info(
            "reply.composed source=%s strategy=%s reasons=%s rejections=%s ms=%.0f",
            *(source, strategy, ",".join(reasons), dict(self.rejections), timings["total"]),
        )
        return Reply(text, source, strategy, speech_payload(text, strategy, language), reasons, timings)

    async def _reword(
        self,
        asked: list[dict[str, str]],
        draft: str,
        strategy: str,
        facts: Mapping[str, str],
        language: str,
        timings: dict[str, float],
    ) -> tuple[str, tuple[str, ...]]:
        assert self._llm is not None
        started = time.perf_counter()
        try:
            wording = await self._llm.complete(asked)
        except LLMError as error:
            return "", (error.code,)
        finally:
            timings["llm"] = _ms_since(started)
        started = time.perf_counter()
        reasons = check_reply(wording, strategy, language, facts=facts, draft=draft)
        timings["check"] = _ms_since(started)
        return wording, reasons


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
