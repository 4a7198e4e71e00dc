"""What a language model is to word, and why its wording cannot be said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Mapping, Sequence

from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.response.check import check_reply
from emotionlayer_rasa.response.placeholders import Placeholders
from emotionlayer_rasa.response.prompt import (
    CRISIS,
    CRISIS_PROFILES,
    Messages,
    compose_messages,
    crisis_lines,
    instructions,
    repeats_guidance,
    rephrase_messages,
)
from emotionlayer_rasa.response.sentences import plain, words_of_meaning
from emotionlayer_rasa.response.templates import Draft
from emotionlayer_rasa.utterance import Utterance


@dataclass(frozen=True)
class WordingTask:
    """What a reply is made of.

    Attributes:
        utterance: the caller's turn.
        draft: the template's reply, its values as they are said.
        strategy: one of the six response strategies.
        said: the assistant's messages so far, oldest first.
        language: of the reply.
        memory: what the turns before tell about the caller.
        profile: the application profile.
        composing: whether a language model answers in words of its own; else it rewords the draft.
        placeholders: what a language model gets and writes in place of facts; None shows it the facts.
    """

    utterance: Utterance
    draft: Draft
    strategy: str
    said: Sequence[str]
    language: str
    memory: AffectiveMemory | None
    profile: str
    composing: bool
    placeholders: Placeholders | None = None

    @cached_property
    def facts(self) -> Mapping[str, str]:
        """What a freely composed reply may state: the slots, what the draft says, and the crisis lines."""
        facts = {**self.draft.facts, "draft": self.draft.text}
        if self.profile in CRISIS_PROFILES:
            facts[CRISIS] = crisis_lines(self.language, self.profile)
        return facts

    @property
    def shown(self) -> str:
        """The draft as a language model sees it."""
        return self.placeholders.text if self.placeholders else self.draft.text

    def filled(self, wording: str) -> tuple[str, tuple[str, ...]]:
        """What a language model wrote, its placeholders filled in; and why it may not be, where it may not."""
        if self.placeholders is None or self._tells_the_crisis_lines(wording):
            return wording, ()
        return self.placeholders.fill(wording), self.placeholders.faults(wording, self.utterance.transcript.text)

    def filled_beginning(self, wording: str) -> str:
        """As much as may be filled in of what a language model is still writing."""
        if self.placeholders is None:
            return wording
        return self.placeholders.fill_beginning(wording, self.utterance.transcript.text)

    def _tells_the_crisis_lines(self, wording: str) -> bool:
        told = crisis_lines(self.language, self.profile) if self.profile in CRISIS_PROFILES else ""
        return bool(told) and plain(wording) == plain(told)

    def messages(self, faults: Sequence[str] = ()) -> Messages:
        """What a language model is asked.

        Args:
            faults: of its answer before.
        """
        about = (self.strategy, self.language, self.memory)
        if self.composing:
            return compose_messages(self.utterance, self.draft, *about, self.profile, faults, self.placeholders)
        return rephrase_messages(self.utterance, self.draft.text, *about, faults, self.profile, self.placeholders)

    def faults(self, wording: str, messages: Messages) -> tuple[str, ...]:
        """Why a whole reply cannot be said.

        Args:
            wording: the reply.
            messages: what the model was asked.
        """
        faults = self.faults_beside(wording, None if self.composing else self.draft.text, messages)
        if self.composing:
            faults += _beside_the_point(wording, self.draft.text, self.language)
        return faults

    def faults_beside(
        self, wording: str, draft: str | None, messages: Messages, whole: bool = True
    ) -> tuple[str, ...]:
        """Why a text cannot be said beside a draft, or, without one, in words of its own.

        Args:
            wording: the text.
            draft: what it is compared with.
            messages: what the model was asked.
            whole: False for the beginning of a reply.
        """
        faults = check_reply(
            wording,
            self.strategy,
            self.language,
            facts=self.facts if draft is None else self.draft.facts,
            draft=draft,
            caller=self.utterance.transcript.text,
            said=self.said,
            # A caller may dictate a reply: their words must not come back at length any more than the prompt.
            instructions=f"{instructions(messages)}\n{self.utterance.transcript.text}",
            whole=whole,
        )
        if "prompt_leak" not in faults and repeats_guidance(wording, messages, self.draft.text):
            faults += ("prompt_leak",)
        return faults


def _beside_the_point(reply: str, draft: str, language: str) -> tuple[str, ...]:
    """Faults of a reply in other words than the draft's: it shares no word of meaning with it, or does not ask."""
    said, meant = words_of_meaning(reply, language), words_of_meaning(draft, language)
    lost_question = ("lost_question",) if "?" in draft and "?" not in reply else ()
    return lost_question + (("off_draft",) if meant and not said & meant else ())
