"""What a report tells of a conversation: its turns, strategies and escalations, read from the tracker's events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Iterable, Iterator, Mapping, Sequence

from emotionlayer_rasa.affect.escalation_rules import Decision
from emotionlayer_rasa.affect.memory import Turn, answers_to, wellbeing
from emotionlayer_rasa.cli.decisions import because
from emotionlayer_rasa.conversation import ESCALATED, sessions, since_withdrawal, turns_of
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading

Event = Mapping[str, Any]

ASKED = "the caller asked for a person"
BY_THE_BOT = "an action of the bot"


@dataclass(frozen=True)
class Told:
    """One turn of a caller.

    Attributes:
        conversation: Rasa's id.
        time: POSIX time in seconds.
        kind: ``voice``, ``words`` (typed, or spoken and only the words were read), ``button``, or ``none`` where
            nothing was analysed: no consent, or a person had taken over.
        channel, language: as the tracker has them; empty where it does not.
        label: the emotion, or ``unknown``.
        reading: of voice or words.
        affect: both together.
        wellbeing: 0 (bad) .. 1 (good); None where the state is not known.
        strategy: what it was answered with.
        said, answered: the words of caller and assistant; empty unless they were asked for.
    """

    conversation: str
    time: float
    kind: str
    channel: str
    language: str
    label: str
    reading: EmotionReading
    affect: AffectiveState
    wellbeing: float | None
    strategy: str
    said: str = ""
    answered: str = ""

    @property
    def analysed(self) -> bool:
        """Whether voice or words were read at all."""
        return self.kind in ("voice", "words")


@dataclass(frozen=True)
class Effect:
    """A strategy, and how the caller was before it and at the next turn of which something is known.

    Attributes:
        time: of the turn that was answered.
        strategy: one of the six.
        before, after: states.
        wellbeing_before, wellbeing_after: 0 .. 1.
        helped: of a negative turn; None where there was nothing to help.
    """

    time: float
    strategy: str
    before: str
    after: str
    wellbeing_before: float
    wellbeing_after: float
    helped: bool | None


@dataclass(frozen=True)
class Escalation:
    """A rule that fired, or a handover without one.

    Attributes:
        conversation: Rasa's id.
        time: POSIX time in seconds.
        action: what was done.
        reason: the rule, or who asked for it.
        because: the readings that led to it, in one line without words.
        priority: of the caller, 0..100; None where no rule fired.
    """

    conversation: str
    time: float
    action: str
    reason: str
    because: str = ""
    priority: int | None = None


@dataclass(frozen=True)
class Course:
    """What is told of one conversation, or of many.

    Attributes:
        turns, effects, escalations: oldest first.
        forgotten: turns that are left out, because the caller withdrew the consent in the same session.
    """

    turns: tuple[Told, ...] = ()
    effects: tuple[Effect, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    forgotten: int = 0

    def within(self, since: float, until: float) -> Course:
        """The part from ``since`` up to ``until``, POSIX times in seconds."""
        return replace(
            self,
            turns=tuple(turn for turn in self.turns if since <= turn.time < until),
            effects=tuple(effect for effect in self.effects if since <= effect.time < until),
            escalations=tuple(found for found in self.escalations if since <= found.time < until),
        )


def together(courses: Iterable[Course]) -> Course:
    """Many conversations as one, by time."""
    all_of = list(courses)
    return Course(
        turns=tuple(sorted((turn for course in all_of for turn in course.turns), key=lambda turn: turn.time)),
        effects=tuple(effect for course in all_of for effect in course.effects),
        escalations=tuple(
            sorted((found for course in all_of for found in course.escalations), key=lambda found: found.time)
        ),
        forgotten=sum(course.forgotten for course in all_of),
    )


def read_course(sender: str, events: Iterable[Event], words: bool = False) -> Course:
    """Look back on a conversation.

    Args:
        sender: Rasa's id of it.
        events: of its tracker, all sessions.
        words: whether what was said is kept.
    """
    return together(_read_session(sender, session, words) for session in sessions(events))


def _read_session(sender: str, session: Sequence[Event], words: bool) -> Course:
    remembered, turns = since_withdrawal(session), turns_of(session)
    forgotten = session[: len(session) - len(remembered)]
    parts = list(_by_turn(remembered))
    opening = session[: len(session) - sum(map(len, parts))]
    told = tuple(
        _told(sender, turn, part, language, words)
        for turn, part, language in zip(turns, parts, _languages(opening, parts), strict=True)
    )
    return Course(
        turns=told,
        effects=tuple(_effects(turns)),
        escalations=tuple(_escalations(sender, parts)),
        forgotten=sum(event.get("event") == "user" for event in forgotten),
    )


def _by_turn(session: Sequence[Event]) -> Iterator[list[Event]]:
    """The events of each turn of the caller, which its ``user`` event begins."""
    part: list[Event] = []
    for event in session:
        if event.get("event") == "user":
            if part:
                yield part
            part = [event]
        elif part:
            part.append(event)
    if part:
        yield part


def _languages(opening: Sequence[Event], parts: Iterable[Sequence[Event]]) -> Iterator[str]:
    """The slot ``language`` at each turn, for those that were not heard in a language."""
    language = _language_slot(opening, "")
    for part in parts:
        language = _language_slot(part, language)
        yield language


def _language_slot(events: Iterable[Event], language: str) -> str:
    for event in events:
        if event.get("event") == "slot" and event.get("name") == "language":
            language = str(event.get("value") or "")
    return language


def _told(sender: str, turn: Turn, part: Sequence[Event], language: str, words: bool) -> Told:
    utterance, event = turn.utterance, part[0]
    if str(event.get("text") or "").startswith("/"):
        kind = "button"
    elif utterance.emotion.source == "voice":
        kind = "voice"
    else:
        kind = "words" if utterance.words is not None else "none"
    affect = utterance.affect
    answers = (str(said["text"]) for said in part if said.get("event") == "bot" and said.get("text"))
    return Told(
        conversation=sender,
        time=turn.time,
        kind=kind,
        channel=str(event.get("input_channel") or ""),
        language=utterance.transcript.language or language,
        label=turn.label,
        reading=utterance.reading,
        affect=affect,
        wellbeing=None if affect.state == UNKNOWN else wellbeing(affect),
        strategy=turn.strategy or affect.strategy,
        said=utterance.transcript.text if words else "",
        answered=" ".join(answers) if words else "",
    )


def _effects(turns: Sequence[Turn]) -> Iterator[Effect]:
    helped = {answer.to: answer.helped for answer in answers_to(turns)}
    known = [place for place, turn in enumerate(turns) if turn.utterance.affect.state != UNKNOWN]
    for place, following in pairwise(known):
        before, after = turns[place].utterance.affect, turns[following].utterance.affect
        yield Effect(
            time=turns[place].time,
            strategy=turns[place].strategy or before.strategy,
            before=before.state,
            after=after.state,
            wellbeing_before=wellbeing(before),
            wellbeing_after=wellbeing(after),
            helped=helped.get(place),
        )


def _escalations(sender: str, parts: Iterable[Sequence[Event]]) -> Iterator[Escalation]:
    for part in parts:
        decided = False
        for event in part:
            time = float(event.get("timestamp") or 0.0)
            decision = Decision.from_metadata(event.get("metadata")) if event.get("event") == "action" else None
            if decision is not None:
                decided = True
                why = because(decision.to_dict())
                yield Escalation(sender, time, decision.action, decision.rule, why, decision.priority)
            elif _hands_over(event) and not decided:
                decided = True
                reason = ASKED if _intent(part[0]) in ("ask_human", "affirm") else BY_THE_BOT
                yield Escalation(sender, time, "handed over", reason)


def _hands_over(event: Event) -> bool:
    return event.get("event") == "slot" and event.get("name") == ESCALATED and event.get("value") is True


def _intent(turn: Event) -> str:
    parsed = turn.get("parse_data")
    intent = parsed.get("intent") if isinstance(parsed, Mapping) else None
    return str(intent.get("name") or "") if isinstance(intent, Mapping) else ""
