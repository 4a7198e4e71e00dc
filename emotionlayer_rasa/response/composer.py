"""From an utterance to a reply that fits the caller: a language model where it does well, else a template."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Awaitable, Callable, Literal, Mapping, Sequence

from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.errors import ConfigurationError, LLMError
from emotionlayer_rasa.language import languages, normalise, read_file
from emotionlayer_rasa.response.answer import answer_schema, read_answer, read_wording
from emotionlayer_rasa.response.early import EarlySentence
from emotionlayer_rasa.response.llm import LLMClient
from emotionlayer_rasa.response.loose_facts import load_loose_facts
from emotionlayer_rasa.response.placeholders import Placeholders
from emotionlayer_rasa.response.prompt import CRISIS, CRISIS_PROFILES, check_prompts
from emotionlayer_rasa.response.reply_reader import load_reply_reader
from emotionlayer_rasa.response.said import warm_up
from emotionlayer_rasa.response.speech import speech_payload
from emotionlayer_rasa.response.templates import DEFAULT_PROFILE, draft_reply, replies
from emotionlayer_rasa.response.wording import WordingTask
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.utterance import Utterance
from emotionlayer_rasa.words.stop_words import stop_words

logger = logging.getLogger(__name__)

DANGER = 0.5
"""Strength of the cue ``danger`` of the caller's words from which a caller is in danger."""

_CALM = "empathic_validation"
_CORRECTABLE = ("truncated", "empty", "schema")
"""Kinds of errors that a model may avoid when it is told of them."""


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
        source: ``llm``, ``retry`` (the language model's second answer, after its first one was refused),
            ``template``, or ``both`` (the language model's first sentence, which was said before the rest was
            refused, and the template behind it).
        strategy: one of the six response strategies.
        speech: see :func:`emotionlayer_rasa.response.speech_payload`.
        reasons: why answers of the language model were refused; empty when its first one is said, or when none was
            asked.
        timings_ms: milliseconds by stage: ``template``, ``llm``, ``check``, ``total``.
        draft: the template's words, which a language model rewords.
        facts: what the text may state, as :func:`emotionlayer_rasa.response.check_reply` takes it; None for a text
            that is said to the letter, unchecked.
    """

    text: str
    source: str
    strategy: str
    speech: Mapping[str, Any]
    reasons: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    draft: str = ""
    facts: Mapping[str, str] | None = None

    def payload(self) -> dict[str, Any]:
        """The custom payload of the message: the speech settings and where the text is from."""
        return {**self.speech, "source": self.source}


SayEarly = Callable[[Reply], Awaitable[bool]]
"""Says the first sentence of a reply while the rest is still being written; false where it cannot be said now."""


class ReplyComposer:
    """Words replies; always has one, at the latest when the language model's ``timeout_s`` is over.

    With ``llm: {placeholders: true}`` facts are out of the model's hands: see
    :mod:`emotionlayer_rasa.response.placeholders`.

    What a language model says is checked. When it is refused, the model is told why and asked once more, if
    there is time for it; then a template speaks.

    In a live call the first sentence is said as soon as it is written, where it passes the check alone and a fit
    reply can be made of it whatever the model writes behind it: it answers by itself, or the template goes on from
    there. After that the model is not asked again.

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
        load_languages(profile)
        if llm is not None and llm.settings.placeholders:
            for language in languages():
                load_loose_facts(language)

    async def reply(
        self,
        utterance: Utterance,
        situation: str,
        slots: Mapping[str, Any],
        said: Sequence[str] = (),
        language: str = "en",
        memory: AffectiveMemory | None = None,
        say_early: SayEarly | None = None,
    ) -> Reply:
        """Answer one turn.

        Args:
            utterance: the caller's turn; the strategy of its ``affect`` sets the tone.
            situation: the intent, or another situation of the language's ``replies.yml``.
            slots: the only source of facts.
            said: the assistant's messages so far, oldest first.
            language: one of :func:`emotionlayer_rasa.response.languages`.
            memory: what the turns before tell about the caller.
            say_early: gets the first sentence while the rest is still being written, at most once; the reply then
                begins with it. None waits for the whole reply.
        """
        started = time.perf_counter()
        strategy = utterance.affect.strategy if utterance.affect.strategy in STRATEGIES else "direct_efficiency"
        if self._profile in CRISIS_PROFILES and _in_danger(utterance, language):
            situation, strategy = CRISIS, _CALM
        draft = draft_reply(situation, strategy, slots, language, said, self._profile)
        timings = {"template": _ms_since(started)}
        composing = self._llm is not None and self._llm.settings.mode == "compose"
        placeholders = None
        if self._llm is not None and self._llm.settings.placeholders and not draft.verbatim:
            placeholders = Placeholders.of(draft.text, draft.facts, language)
            draft = placeholders.spoken(draft)
        task = WordingTask(
            utterance, draft, strategy, said, language, memory, self._profile, composing, placeholders
        )

        text, source = draft.text, "template"
        reasons: tuple[str, ...] = ()
        if self._llm is not None and not draft.verbatim:
            early = _early_sentence(task, say_early) if say_early else None
            text, source, reasons = await self._worded(self._llm, task, timings, early)

        timings["total"] = _ms_since(started)
        logger.info(
            "reply.composed source=%s strategy=%s reasons=%s rejections=%s ms=%.0f",
            *(source, strategy, ",".join(reasons), dict(self.rejections), timings["total"]),
        )
        return _reply(task, text, source, reasons, timings)

    async def _worded(
        self, llm: LLMClient, task: WordingTask, timings: dict[str, float], early: EarlySentence | None
    ) -> tuple[str, str, tuple[str, ...]]:
        """Text, source and the reasons for which answers were refused."""
        deadline = time.monotonic() + llm.settings.timeout_s
        refused: dict[str, None] = {}
        for source in ("llm", "retry"):
            began = time.monotonic()
            wording, faults, correctable = await self._attempt(
                llm, task, tuple(refused), deadline - began, timings, early
            )
            if not faults:
                return wording, source, tuple(refused)
            self.rejections.update(faults)
            refused |= dict.fromkeys(faults)
            if early and early.text:
                return early.reply, early.source, tuple(refused)
            now = time.monotonic()
            if not correctable or now - began > deadline - now:  # a second answer takes as long as the first
                break
        return task.draft.text, "template", tuple(refused)

    async def _attempt(
        self,
        llm: LLMClient,
        task: WordingTask,
        faults: tuple[str, ...],
        timeout_s: float,
        timings: dict[str, float],
        early: EarlySentence | None,
    ) -> tuple[str, tuple[str, ...], bool]:
        """One answer of the model, why it cannot be said, and whether it may help to tell the model of that.

        ``faults`` are those of the answer before.
        """
        started = time.perf_counter()
        schema = answer_schema(task.strategy) if task.composing else None
        try:
            messages = task.messages(faults)
            if early is None:
                wording = await llm.complete(messages, schema=schema, timeout_s=timeout_s)
            else:
                async with aclosing(llm.stream(messages, schema=schema, timeout_s=timeout_s)) as texts:
                    wording = await early.read(texts, messages)
            if task.composing:
                answer = read_answer(wording)
                if not answer.follows(task.strategy):
                    return "", ("llm.strategy",), True
                wording = answer.reply
            else:
                wording = read_wording(wording, task.shown)
        except (LLMError, ConfigurationError) as error:
            if isinstance(error, ConfigurationError):
                logger.error("reply.prompt_unusable %s", error)
            return "", (error.code,), isinstance(error, LLMError) and error.kind in _CORRECTABLE
        finally:
            timings["llm"] = round(timings.get("llm", 0.0) + _ms_since(started), 1)
        started = time.perf_counter()
        wording, reasons = task.filled(wording)
        reasons = reasons or task.faults(wording, messages)
        if early and not early.begins(wording):  # JSON with two replies in it
            reasons += ("llm.schema",)
        timings["check"] = round(timings.get("check", 0.0) + _ms_since(started), 1)
        return wording, reasons, True


def load_languages(profile: str = DEFAULT_PROFILE) -> None:
    """Read what replies are made of, so that a wrong file stops the start and no caller waits for the reading.

    Args:
        profile: the application profile.

    Raises:
        ConfigurationError: a language's file has an unknown or a wrong key, or a prompt cannot be rendered.
    """
    for language in languages():
        replies(language, profile)
        check_prompts(language, profile)
        stop_words(language)
        warm_up(language)
    load_reply_reader()


def _reply(
    task: WordingTask,
    text: str,
    source: str,
    reasons: tuple[str, ...] = (),
    timings_ms: Mapping[str, float] = MappingProxyType({}),
) -> Reply:
    speech = speech_payload(text, task.strategy, task.language)
    facts = None if task.draft.verbatim else task.facts
    return Reply(text, source, task.strategy, speech, reasons, timings_ms, task.draft.text, facts)


def _early_sentence(task: WordingTask, say_early: SayEarly) -> EarlySentence:
    async def say(text: str) -> bool:
        return await say_early(_reply(task, text, "llm"))

    return EarlySentence(task, say)


def _in_danger(utterance: Utterance, language: str) -> bool:
    """Whether the caller's words speak of danger, or of suicide in so many words."""
    said = f" {normalise(utterance.transcript.text)} "
    if any(phrase in said for phrase in _crisis_phrases(language)):
        return True
    return utterance.words is not None and utterance.words.cues.get("danger", 0.0) >= DANGER


@cache
def _crisis_phrases(language: str) -> tuple[str, ...]:
    phrases = read_file(tuple[str, ...], language, "crisis.yml")
    return tuple(f" {normalise(phrase)} " for phrase in phrases)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
