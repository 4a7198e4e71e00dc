"""From an utterance to a reply that fits the caller: a language model where it does well, else a template."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Awaitable, Callable, Iterator, Literal, Mapping, Sequence

from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.errors import ConfigurationError, LLMError
from emotionlayer_rasa.language import languages
from emotionlayer_rasa.llm import LLMClient
from emotionlayer_rasa.response.answer import Answer, answer_schema, read_answer, read_beginning, read_wording
from emotionlayer_rasa.response.check import check_reply, check_rules
from emotionlayer_rasa.response.prompt import (
    CRISIS,
    Messages,
    check_prompts,
    compose_messages,
    crisis_lines,
    instructions,
    repeats_guidance,
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


SayEarly = Callable[[Reply], Awaitable[bool]]
"""Says the first sentence of a reply while the rest is still being written; false where it cannot be said now."""


@dataclass(frozen=True)
class _Turn:
    """What a reply is made of."""

    utterance: Utterance
    draft: Draft
    strategy: str
    said: Sequence[str]
    language: str
    memory: AffectiveMemory | None


@dataclass
class _Beginning:
    """The first sentence of a reply, which may be said before the rest is written.

    Attributes:
        say: how; None when that was tried once.
        text: what was said.
        reply: the reply that is given where what the model writes behind it cannot be said; ``source`` is its.
    """

    say: SayEarly | None
    text: str = ""
    reply: str = ""
    source: str = "llm"

    def begins(self, wording: str) -> bool:
        """Whether a reply begins with what was said."""
        said = self.text.split()
        return wording.split()[: len(said)] == said


class ReplyComposer:
    """Words replies; always has one, at the latest when the language model's ``timeout_s`` is over.

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
        if self._profile in CRISIS_PROFILES and in_danger(utterance):
            situation, strategy = CRISIS, _CALM
        draft = draft_reply(situation, strategy, slots, language, said, self._profile)
        timings = {"template": _ms_since(started)}

        text, source = draft.text, "template"
        reasons: tuple[str, ...] = ()
        if self._llm is not None and not draft.verbatim:
            turn = _Turn(utterance, draft, strategy, said, language, memory)
            beginning = _Beginning(say_early) if say_early else None
            text, source, reasons = await self._worded(self._llm, turn, timings, beginning)

        timings["total"] = _ms_since(started)
        logger.info(
            "reply.composed source=%s strategy=%s reasons=%s rejections=%s ms=%.0f",
            *(source, strategy, ",".join(reasons), dict(self.rejections), timings["total"]),
        )
        return Reply(text, source, strategy, speech_payload(text, strategy, language), reasons, timings)

    async def _worded(
        self, llm: LLMClient, turn: _Turn, timings: dict[str, float], beginning: _Beginning | None
    ) -> tuple[str, str, tuple[str, ...]]:
        """Text, source and the reasons for which answers were refused."""
        deadline = time.monotonic() + llm.settings.timeout_s
        refused: dict[str, None] = {}
        for source in ("llm", "retry"):
            began = time.monotonic()
            wording, faults, correctable = await self._attempt(
                llm, turn, tuple(refused), deadline - began, timings, beginning
            )
            if not faults:
                return wording, source, tuple(refused)
            self.rejections.update(faults)
            refused |= dict.fromkeys(faults)
            if beginning and beginning.text:
                return beginning.reply, beginning.source, tuple(refused)
            now = time.monotonic()
            if not correctable or now - began > deadline - now:  # a second answer takes as long as the first
                break
        return turn.draft.text, "template", tuple(refused)

    async def _attempt(
        self,
        llm: LLMClient,
        turn: _Turn,
        faults: tuple[str, ...],
        timeout_s: float,
        timings: dict[str, float],
        beginning: _Beginning | None,
    ) -> tuple[str, tuple[str, ...], bool]:
        """One answer of the model, why it cannot be said, and whether it may help to tell the model of that.

        ``faults`` are those of the answer before.
        """
        started = time.perf_counter()
        composing = llm.settings.mode == "compose"
        about = (turn.strategy, turn.language, turn.memory)
        try:
            if composing:
                messages = compose_messages(turn.utterance, turn.draft, *about, self._profile, faults)
            else:
                messages = rephrase_messages(turn.utterance, turn.draft.text, *about, faults, self._profile)
            wording = await self._written(llm, turn, messages, timeout_s, beginning)
            if composing:
                answer = read_answer(wording)
                if not _in_strategy(answer, turn.strategy):
                    return "", ("llm.strategy",), True
                wording = answer.reply
            else:
                wording = read_wording(wording, turn.draft.text)
        except (LLMError, ConfigurationError) as error:
            if isinstance(error, ConfigurationError):
                logger.error("reply.prompt_unusable %s", error)
            return "", (error.code,), isinstance(error, LLMError) and error.kind in _CORRECTABLE
        finally:
            timings["llm"] = round(timings.get("llm", 0.0) + _ms_since(started), 1)
        started = time.perf_counter()
        reasons = self._faults(turn, wording, composing, messages)
        if beginning and not beginning.begins(wording):  # JSON with two replies in it
            reasons += ("llm.schema",)
        timings["check"] = round(timings.get("check", 0.0) + _ms_since(started), 1)
        return wording, reasons, True

    async def _written(
        self,
        llm: LLMClient,
        turn: _Turn,
        messages: Messages,
        timeout_s: float,
        beginning: _Beginning | None,
    ) -> str:
        """All that the model writes; where the first sentence may be said early, it is."""
        composing = llm.settings.mode == "compose"
        schema = answer_schema(turn.strategy) if composing else None
        if beginning is None:
            return await llm.complete(messages, schema=schema, timeout_s=timeout_s)
        text = judged = ""
        async with aclosing(llm.stream(messages, schema=schema, timeout_s=timeout_s)) as texts:
            async for text in texts:
                if beginning.say is None:
                    continue
                if composing:
                    answer = read_beginning(text)
                else:
                    answer = Answer(read_wording(text, turn.draft.text, whole=False))
                complete = _complete_sentences(answer.reply, turn.language)
                if complete != judged and _in_strategy(answer, turn.strategy):
                    judged = complete
                    await self._say_early(turn, complete, composing, messages, beginning)
        return text

    async def _say_early(
        self, turn: _Turn, text: str, composing: bool, messages: Messages, beginning: _Beginning
    ) -> None:
        """Say the beginning of a reply, if it may be said and a fit reply can be made of it in any case."""
        whole, source = self._completed(turn, text, composing, messages)
        if whole and beginning.say:
            say, beginning.say = beginning.say, None
            if await say(Reply(text, "llm", turn.strategy, speech_payload(text, turn.strategy, turn.language))):
                beginning.text, beginning.reply, beginning.source = text, whole, source

    def _completed(self, turn: _Turn, text: str, composing: bool, messages: Messages) -> tuple[str, str]:
        """A fit reply that begins with a text, and its source; empty where the text may not be said.

        What is reworded has to say what the draft begins with, or be such an opener as the strategy has; the rest
        of the draft stands behind it. What is composed may say it in any words. Either stands alone where it says
        all that the draft does beside its opener.
        """
        draft, rules = turn.draft, check_rules(turn.language)
        openers = replies(turn.language, self._profile).strategies[turn.strategy].openers
        opener = next((opener for opener in openers if draft.text.startswith(f"{opener} ")), "")
        body = [sentence.text for sentence in rules.sentences(draft.text.removeprefix(opener))]

        def parts() -> Iterator[tuple[str, str | None, str]]:
            """What the text may say, the draft that it is compared with, and what is left to say."""
            for end in range(len(body), len(body) - 1 if composing else 0, -1):
                meant = " ".join(body[:end])
                yield meant, f"{opener} {meant}", " ".join(body[end:])
            bare = not _meaning(text, turn.language)  # such as "I am sorry about that."
            for other in () if composing else openers:
                yield text if bare else other, other, " ".join(body)
            for start in range(len(body)) if composing else ():
                yield text, None, " ".join(body[start:])

        for meant, compared, rest in parts():
            if not _says_the_same(text, meant, turn.language) or self._faults_beside(
                turn, text, compared, messages
            ):
                continue
            whole = f"{text} {rest}".strip()
            if not rest or not self._faults(turn, whole, composing, messages):
                return whole, "both" if rest else "llm"
        return "", ""

    def _faults(self, turn: _Turn, wording: str, composing: bool, messages: Messages) -> tuple[str, ...]:
        """Why a reply cannot be said."""
        reasons = self._faults_beside(turn, wording, None if composing else turn.draft.text, messages)
        if composing:
            reasons += _beside_the_point(wording, turn.draft.text, turn.language)
        return reasons

    def _faults_beside(self, turn: _Turn, wording: str, draft: str | None, messages: Messages) -> tuple[str, ...]:
        """Why a text cannot be said beside a draft, or, without one, in words of its own."""
        reasons = check_reply(
            wording,
            turn.strategy,
            turn.language,
            facts=self._backing(turn) if draft is None else turn.draft.facts,
            draft=draft,
            caller=turn.utterance.transcript.text,
            said=turn.said,
            # A caller may dictate a reply: their words must not come back at length any more than the prompt.
            instructions=f"{instructions(messages)}\n{turn.utterance.transcript.text}",
        )
        if "prompt_leak" not in reasons and repeats_guidance(wording, messages, turn.draft.text, turn.language):
            reasons += ("prompt_leak",)
        return reasons

    def _backing(self, turn: _Turn) -> dict[str, str]:
        """What a freely composed reply may state: the slots, what the draft says, and the crisis lines."""
        backing = {**turn.draft.facts, "draft": turn.draft.text}
        if self._profile in CRISIS_PROFILES:
            backing[CRISIS] = crisis_lines(turn.language, self._profile)
        return backing


def _complete_sentences(text: str, language: str) -> str:
    """The sentences of a text that grows that are at their end: the next one has begun, with no small letter."""
    text = " ".join(text.split())
    sentences = check_rules(language).sentences(text)
    if len(sentences) < 2 or sentences[-1].text[0].islower():
        return ""
    return text[: max(0, text.rfind(sentences[-1].text))].rstrip()


def _in_strategy(answer: Answer, strategy: str) -> bool:
    """Whether a model names the strategy it was given, or none."""
    return _letters(answer.strategy) in ("", _letters(strategy))


def _beside_the_point(reply: str, draft: str, language: str) -> tuple[str, ...]:
    """Faults of a reply in other words than the draft's: it shares no word of meaning with it, or does not ask."""
    said, meant = _meaning(reply, language), _meaning(draft, language)
    lost_question = ("lost_question",) if "?" in draft and "?" not in reply else ()
    return lost_question + (("off_draft",) if meant and not said & meant else ())


def _says_the_same(text: str, meant: str, language: str) -> bool:
    """Whether two texts share at least half of the words of meaning of either."""
    one, other = _meaning(text, language), _meaning(meant, language)
    if not one or not other:
        rules = check_rules(language)
        return rules.plain(text) == rules.plain(meant)
    return 2 * len(one & other) >= max(len(one), len(other))


def _meaning(text: str, language: str) -> set[str]:
    """The stems of the words that carry meaning."""
    rules = check_rules(language)
    return {word[:_STEM] for word in rules.plain(text).split() if word not in rules.function_words}


def in_danger(utterance: Utterance) -> bool:
    """Whether the caller's words speak of danger; False where the words were not read."""
    return utterance.words is not None and utterance.words.cues.get("danger", 0.0) >= DANGER


def _letters(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
