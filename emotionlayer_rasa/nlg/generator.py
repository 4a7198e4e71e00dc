"""A response of ``domain.yml`` as Rasa itself would give it, then said in the tone that fits the caller."""

from __future__ import annotations

import logging
import re
import time
from typing import Any, Mapping

from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator

from emotionlayer_rasa.actions.base import PAYLOAD_CHANNELS
from emotionlayer_rasa.conversation import Conversation
from emotionlayer_rasa.errors import LLMError
from emotionlayer_rasa.language import languages
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.rasa_versions import fill_response
from emotionlayer_rasa.response import check_reply, rephrase_messages, speech_payload, with_opener
from emotionlayer_rasa.response.answer import read_wording
from emotionlayer_rasa.response.llm import LLMClient
from emotionlayer_rasa.response.prompt import instructions, repeats_guidance

logger = logging.getLogger(__name__)

NEUTRAL = "direct_efficiency"
"""The strategy that says the original text, and in which nothing is known."""

_WITH_DIGIT = re.compile(r"\S*\d(?:\S*\w)?")


class ResponseGenerator:
    """Answers the requests that Rasa sends to the server named under ``nlg:`` in ``endpoints.yml``.

    Which variation of a response is said, its conditions, channels and slots are Rasa's own affair. Buttons,
    quick replies, images, attachments and elements pass untouched; so does the text, but for an opener before it.
    Only a language model may reword it, and what that says is checked as every reply is: a fact or a question that
    is lost, or an invented one, brings the original back. Text in a language that is
    none of ours is left alone, as an opener needs one too. A response with ``metadata: {verbatim: true}`` in
    ``domain.yml`` is said to the letter.

    Args:
        responses: ``Domain.responses``: the variations of each response, by name.
        llm: rewords the text; None puts an opener before it.
        profile: the application profile.
    """

    def __init__(
        self,
        responses: Mapping[str, list[dict[str, Any]]],
        llm: LLMClient | None = None,
        profile: str = "customer_support",
    ) -> None:
        self._rasa = TemplatedNaturalLanguageGenerator(dict(responses))
        self._llm = llm
        self._profile = profile

    async def generate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request of Rasa.

        Args:
            request: ``response`` (its name), ``arguments``, ``tracker`` (with all events) and ``channel``.

        Returns:
            The message as Rasa's own generator gives it, in tone, and where the channel carries a payload with the
            speech settings beneath what the bot itself has under ``custom``. Where anything of ours fails, the
            message as it is; empty for a response that the domain does not have, or none of whose variations fits:
            Rasa then says nothing.
        """
        started = time.perf_counter()
        name = str(request.get("response") or "")
        tracker = _mapping(request.get("tracker"))
        channel = str(_mapping(request.get("channel")).get("name") or "")
        arguments = {key: value for key, value in _mapping(request.get("arguments")).items() if key not in _TAKEN}
        slots = dict(_mapping(tracker.get("slots")))
        message = fill_response(self._rasa, name, slots, channel, **arguments)
        if message is None:
            logger.error(
                "nlg.no_response response=%.80r channel=%.40r: the domain of this server has no such response, or "
                "no variation of it that fits. Start the server with the assistant's domain.",
                *(name, channel),
            )
            return {}
        if arguments.get("text"):  # a custom action's own text, which Rasa puts in place of this one
            return message
        try:
            said, strategy, source = await self._in_tone(message, tracker, channel)
        except Exception as error:
            logger.error("nlg.failed response=%s %s", name, describe(error))
            return message
        ms = (time.perf_counter() - started) * 1000
        logger.info("nlg.said response=%s strategy=%s source=%s ms=%.0f", name, strategy, source, ms)
        return said

    async def _in_tone(
        self, message: dict[str, Any], tracker: Mapping[str, Any], channel: str
    ) -> tuple[dict[str, Any], str, str]:
        """The message, its strategy, and where its text is from: ``original``, ``opener`` or ``llm``."""
        text = message.get("text")
        if not isinstance(text, str) or not text.strip():
            return message, NEUTRAL, "original"
        events = tracker.get("events")
        conversation = Conversation(events if isinstance(events, list) else (), _mapping(tracker.get("slots")))
        strategy = conversation.memory.current.strategy if conversation.may_analyse else NEUTRAL
        source = "original"
        if strategy != NEUTRAL and not _mapping(message.get("metadata")).get("verbatim"):
            text, source = await self._reworded(text, strategy, conversation)
        custom = message.get("custom") or {}
        if channel in PAYLOAD_CHANNELS and isinstance(custom, dict):
            message = {**message, "custom": {**speech_payload(text, strategy, conversation.language), **custom}}
        return {**message, "text": text}, strategy, source

    async def _reworded(self, text: str, strategy: str, conversation: Conversation) -> tuple[str, str]:
        """The text in the tone of the strategy, and where it is from."""
        language = conversation.language
        if language not in languages():
            return text, "original"
        faults = set(check_reply(text, strategy, language, draft=text))
        if "wrong_language" in faults:  # none of ours: neither an opener nor the prompt would fit
            return text, "original"
        draft = with_opener(text, strategy, language, conversation.said, _recent(conversation), self._profile)
        if set(check_reply(draft, strategy, language, draft=draft)) - faults:
            draft = text
        if self._llm is not None:
            asked = rephrase_messages(
                *(conversation.utterance, draft, strategy, language, conversation.memory), profile=self._profile
            )
            try:
                wording = read_wording(await self._llm.complete(asked), draft)
                reasons = check_reply(
                    wording,
                    strategy,
                    language,
                    facts=_facts(text, conversation.slots),
                    draft=draft,
                    caller=conversation.utterance.transcript.text,
                    said=conversation.said,
                    instructions=instructions(asked),
                )
                if "prompt_leak" not in reasons and repeats_guidance(wording, asked, draft):
                    reasons += ("prompt_leak",)
            except LLMError as error:
                reasons = (error.code,)
            if not reasons:
                return wording, "llm"
            logger.info("nlg.rejected reasons=%s", ",".join(reasons))
        return draft, "original" if draft == text else "opener"


_TAKEN = frozenset({"utter_action", "filled_slots", "output_channel"})
"""Arguments of Rasa's generator that a custom action's message cannot have as well."""


def _facts(text: str, slots: Mapping[str, Any]) -> dict[str, str]:
    """What must stay to the letter: the slots' values in the text, and whatever holds a digit."""
    values = {name: str(value) for name, value in slots.items() if isinstance(value, (str, int, float))}
    said = {name: value for name, value in values.items() if value.strip() and value in text}
    return {**said, **{f"digits {place}": found for place, found in enumerate(_WITH_DIGIT.findall(text))}}


def _recent(conversation: Conversation) -> list[str]:
    """What the assistant said in this turn and in the one before."""
    said: list[str] = []
    turns = 0
    for event in reversed(conversation.events):
        turns += event.get("event") == "user"
        if turns == 2:
            break
        if event.get("event") == "bot" and event.get("text"):
            said.append(str(event["text"]))
    return said


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
