"""From an utterance to a reply that fits the caller: a language model where it does well, else a template."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, Mapping, Sequence

from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.errors import ConfigurationError, LLMError
from emotionlayer_rasa.response.answer import answer_schema, read_answer
from emotionlayer_rasa.response.check import check_reply, check_rules
from emotionlayer_rasa.response.language_data import languages
from emotionlayer_rasa.response.llm import LLMClient
from emotionlayer_rasa.response.prompt import (
    CRISIS,
    check_prompts,
    compose_messages,
    crisis_lines,
    instructions,
    rephrase_messages,
)
from emotionlayer_rasa.response.speech import speech_payload
from emotionlayer_rasa.response.templates import DEFAULT_PROFILE, Draft, draft_reply, replies
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.utterance import Utterance

logger = logging.getLogger(__name__)

CRISIS_PROFILES = ("wellbeing", "tutoring")
"""Profiles in which a caller in danger is told the crisis lines.

In customer support the danger is mostly to money or goods; rules and policies answer it."""

DANGER = 0.5
"""Strength of the cue ``danger`` of the caller's words from which a caller is in danger."""

_CALM = "empathic_validation"
_STEM = 5
"""Letters by which two words count as the same."""

_CORRECTABLE = ("llm.truncated", "llm.empty", "llm.schema", "llm.strategy")
"""Faults beside those of the check that a model may avoid when it is told of them."""


class ReplySettings(Settings):
    """The section ``replies:`` of ``endpoints.yml``.

    Attributes:
        profile: what the assistant is for. ``wellbeing`` and ``tutoring`` have wordings and a safety text of their
            own, and name crisis lines to a caller in danger. ``tutoring`` is for adults who learn on their own:
            emotions may not be inferred at schools, universities and work (EU AI Act, art. 5(1)(f)).
    """

    profile: Literal["customer_support", "wellbeing", "tutoring"] = "customer_support"


@dataclass(frozen=True)
class Reply:
    """What to say and how.

    Attributes:
        text: one to three sentences.
        source: ``llm``, ``retry`` (the language model's second answer, after its first one was refused) or
            ``template``.
        strategy: one of the six response strategies.
        speech: see :func:`emotionlayer_rasa.response.speech_payload`.
        reasons: why answers of the language model were refused; empty when its first one is said, or when none was
            asked.
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


@dataclass(frozen=True)
class _Turn:
    """What a reply is made of."""

    utterance: Utterance
    draft: Draft
    strategy: str
    said: Sequence[str]
    language: str
    memory: AffectiveMemory | None


class ReplyComposer:
    """Words replies; always has one, at the latest when the language model's ``timeout_s`` is over.

    What a language model says is checked. When it is refused, the model is told why and asked once more, if
    there is time for it; then a template speaks.

    Args:
        llm: the language model; None for templates alone.
        profile: what the assistant is for; see :class:`ReplySettings`.

    Attributes:
        rejections: how often an answer of the language model was refused or missing, by reason, since the start.

    Raises:
        ConfigurationError: a language's file has an unknown or a wrong key, or a prompt cannot be rendered.
    """

    def __init__(self, llm: LLMClient | None = None, profile: str = DEFAULT_PROFILE) -> None:
        self._llm = llm
        self._profile = profile
        self.rejections: Counter[str] = Counter()
        # Now, so that a wrong file stops the start and no caller waits for the reading.
        for language in languages():
            replies(language, profile)
            check_rules(language)
            check_prompts(language, profile)

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
        if self._profile in CRISIS_PROFILES and in_danger(utterance):
            situation, strategy = CRISIS, _CALM
        draft = draft_reply(situation, strategy, slots, language, said, self._profile)
        timings = {"template": _ms_since(started)}

        text, source = draft.text, "template"
        reasons: tuple[str, ...] = ()
        if self._llm is not None and not draft.verbatim:
            turn = _Turn(utterance, draft, strategy, said, language, memory)
            text, source, reasons = await self._worded(self._llm, turn, timings)

        timings["total"] = _ms_since(started)
        logger.info(
            "reply.composed source=%s strategy=%s reasons=%s rejections=%s ms=%.0f",
            *(source, strategy, ",".join(reasons), dict(self.rejections), timings["total"]),
        )
        return Reply(text, source, strategy, speech_payload(text, strategy, language), reasons, timings)

    async def _worded(
        self, llm: LLMClient, turn: _Turn, timings: dict[str, float]
    ) -> tuple[str, str, tuple[str, ...]]:
        """Text, source and the reasons for which answers were refused."""
        deadline = time.monotonic() + llm.settings.timeout_s
        refused: dict[str, None] = {}
        for source in ("llm", "retry"):
            began = time.monotonic()
            wording, faults = await self._attempt(llm, turn, tuple(refused), deadline - began, timings)
            if not faults:
                return wording, source, tuple(refused)
            self.rejections.update(faults)
            refused |= dict.fromkeys(faults)
            correctable = all(not fault.startswith("llm.") or fault in _CORRECTABLE for fault in faults)
            now = time.monotonic()
            if not correctable or now - began > deadline - now:  # a second answer takes as long as the first
                break
        return turn.draft.text, "template", tuple(refused)

    async def _attempt(
        self, llm: LLMClient, turn: _Turn, faults: tuple[str, ...], timeout_s: float, timings: dict[str, float]
    ) -> tuple[str, tuple[str, ...]]:
        """One answer of the model, and why it cannot be said; ``faults`` are those of the answer before."""
        started = time.perf_counter()
        composing = llm.settings.mode == "compose"
        about = (turn.strategy, turn.language, turn.memory)
        try:
            if composing:
                messages = compose_messages(turn.utterance, turn.draft, *about, self._profile, faults)
                schema = answer_schema(turn.strategy)
                answer = read_answer(await llm.complete(messages, schema=schema, timeout_s=timeout_s))
                if _letters(answer.strategy) not in ("", _letters(turn.strategy)):
                    return "", ("llm.strategy",)
                wording = answer.reply
            else:
                messages = rephrase_messages(turn.utterance, turn.draft.text, *about, faults)
                wording = await llm.complete(messages, timeout_s=timeout_s)
        except (LLMError, ConfigurationError) as error:
            if isinstance(error, ConfigurationError):
                logger.error("reply.prompt_unusable %s", error)
            return "", (error.code,)
        finally:
            timings["llm"] = round(timings.get("llm", 0.0) + _ms_since(started), 1)
        started = time.perf_counter()
        caller = turn.utterance.transcript.text
        reasons = check_reply(
            wording,
            turn.strategy,
            turn.language,
            facts=self._backing(turn) if composing else turn.draft.facts,
            draft=None if composing else turn.draft.text,
            caller=caller,
            said=turn.said,
            # A caller may dictate a reply: their words must not come back at length any more than the prompt.
            instructions=f"{instructions(messages)}\n{caller}",
        )
        if composing:
            reasons += _beside_the_point(wording, turn.draft.text, turn.language)
        timings["check"] = round(timings.get("check", 0.0) + _ms_since(started), 1)
        return wording, reasons

    def _backing(self, turn: _Turn) -> dict[str, str]:
        """What a freely composed reply may state: the slots, what the draft says, and the crisis lines."""
        backing = {**turn.draft.facts, "draft": turn.draft.text}
        if self._profile in CRISIS_PROFILES:
            backing[CRISIS] = crisis_lines(turn.language, self._profile)
        return backing


def _beside_the_point(reply: str, draft: str, language: str) -> tuple[str, ...]:
    """Faults of a reply in other words than the draft's: it shares no word of meaning with it, or does not ask."""
    rules = check_rules(language)
    said, meant = (
        {word[:_STEM] for word in rules.plain(text).split() if word not in rules.function_words}
        for text in (reply, draft)
    )
    lost_question = ("lost_question",) if "?" in draft and "?" not in reply else ()
    return lost_question + (("off_draft",) if meant and not said & meant else ())


def in_danger(utterance: Utterance) -> bool:
    """Whether the caller's words speak of danger; False where the words were not read."""
    return utterance.words is not None and utterance.words.cues.get("danger", 0.0) >= DANGER


def _letters(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
