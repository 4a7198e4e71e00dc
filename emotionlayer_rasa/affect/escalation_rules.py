"""When to do something about how a caller feels: rules over the memory, and a record of each time one fired.

The record lies in the metadata of the action that Rasa took, so what has happened is read from the tracker's
events, as the memory is; nothing is kept in the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Mapping, Sequence

from emotionlayer_rasa.affect.memory import TREND_TURNS, AffectiveMemory, Reading
from emotionlayer_rasa.affect.priority import priority
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import METADATA_KEY

DECISION = "escalation"
"""Key of a decision in an action's metadata, below ``emotionlayer``."""


@dataclass(frozen=True)
class Condition:
    """What must be so for a rule to fire. Every part that is given must hold; an empty one asks for nothing.

    A turn counts when it fits ``states``, ``emotions``, ``cues`` and ``confidence``. The caller's last turn must
    count, and ``turns`` of the last ``window`` turns of which something is known. The rest is about now.

    Attributes:
        states: affective states, any of them.
        emotions: emotions, any of them.
        cues: least strength (0..1) by cue of the words, any of them.
        confidence: least confidence (0..1) of the state, and of the emotion, that is asked for.
        turns: how many turns must fit.
        window: out of how many.
        trend: of the caller's well-being.
        failed_strategies: how many strategies have not helped in this streak of negative turns.
        intents: of the last turn, any of them.
        slots: values by slot, all of them.
    """

    states: tuple[str, ...] = ()
    emotions: tuple[str, ...] = ()
    cues: Mapping[str, float] = MappingProxyType({})
    confidence: float = 0.0
    turns: int = 1
    window: int = 1
    trend: str | None = None
    failed_strategies: int = 0
    intents: tuple[str, ...] = ()
    slots: Mapping[str, Any] = MappingProxyType({})

    def fits(self, reading: Reading) -> bool:
        """Whether a turn counts; one of which nothing is known never does."""
        if reading.state == UNKNOWN:
            return False
        if self.states and (reading.state not in self.states or reading.confidence < self.confidence):
            return False
        if self.emotions and (
            reading.emotion not in self.emotions or reading.emotion_confidence < self.confidence
        ):
            return False
        return not self.cues or any(reading.cues.get(cue, 0.0) >= least for cue, least in self.cues.items())


@dataclass(frozen=True)
class Rule:
    """Do ``action`` when ``when`` holds.

    Attributes:
        name: unique; the record names the rule by it.
        when: the condition.
        action: name of a Rasa action.
        cooldown: turns of the caller, after the one in which it fired, in which it does not fire again.
        priority: of several rules that could fire, the one with the highest does; of equals, the first.
        once: fires at most once a session.
        urgent: fires also while a form is asking, and when the caller answers yes or no to a question.
    """

    name: str
    when: Condition
    action: str
    cooldown: int = 3
    priority: int = 0
    once: bool = False
    urgent: bool = False


@dataclass(frozen=True)
class Decision:
    """One firing of a rule, with what led to it: numbers and labels, no words.

    Attributes:
        rule: its name.
        action: the action taken.
        turn: number of the caller's turn in the session, from 1.
        priority: of the caller, 0..100, see :func:`emotionlayer_rasa.affect.priority.priority`.
        trend: of the caller's well-being.
        failed_strategies: those that had not helped.
        readings: the turns that counted, oldest first, by their number in the session.
    """

    rule: str
    action: str
    turn: int
    priority: int
    trend: str
    failed_strategies: tuple[str, ...]
    readings: Mapping[int, Reading]

    def to_metadata(self) -> dict[str, Any]:
        """What Rasa stores with the action: JSON numbers and labels."""
        return {METADATA_KEY: {DECISION: self.to_dict()}}

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON."""
        return {
            "rule": self.rule,
            "action": self.action,
            "turn": self.turn,
            "priority": self.priority,
            "trend": self.trend,
            "failed_strategies": list(self.failed_strategies),
            "readings": [
                {
                    "turn": turn,
                    "time": round(reading.time, 3),
                    "state": reading.state,
                    "confidence": round(reading.confidence, 4),
                    "emotion": reading.emotion,
                    "emotion_confidence": round(reading.emotion_confidence, 4),
                    "cues": {cue: round(value, 4) for cue, value in reading.cues.items() if value},
                }
                for turn, reading in self.readings.items()
            ],
        }

    @classmethod
    def from_metadata(cls, metadata: Any) -> Decision | None:
        """Read the decision that led to an action; None where none did, or its record is malformed.

        Args:
            metadata: of the action, whatever it is.
        """
        try:
            record = metadata[METADATA_KEY][DECISION]
            return cls(
                rule=str(record["rule"]),
                action=str(record["action"]),
                turn=int(record["turn"]),
                priority=int(record["priority"]),
                trend=str(record["trend"]),
                failed_strategies=tuple(str(name) for name in record["failed_strategies"]),
                readings={
                    int(reading["turn"]): Reading(
                        time=float(reading["time"]),
                        state=str(reading["state"]),
                        confidence=float(reading["confidence"]),
                        emotion=str(reading["emotion"]),
                        emotion_confidence=float(reading["emotion_confidence"]),
                        cues={str(cue): float(value) for cue, value in reading["cues"].items()},
                    )
                    for reading in record["readings"]
                },
            )
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class History:
    """What has been done in this session.

    Attributes:
        turns: turns of the caller.
        decisions: firings, oldest first, each with the turn that it answered.
        rejected: actions that refused to run in the last turn.
        acted: whether an action has answered the last turn.
        asked_again: whether a form asked for the same slot before the last turn and before the one before it.
    """

    turns: int = 0
    decisions: tuple[tuple[int, Decision], ...] = ()
    rejected: frozenset[str] = frozenset()
    acted: bool = False
    asked_again: bool = False

    @property
    def current(self) -> Decision | None:
        """The decision of the last turn; None where there was none."""
        return self.decisions[-1][1] if self.decisions and self.decisions[-1][0] == self.turns else None


def decide(
    rules: Sequence[Rule], memory: AffectiveMemory, history: History, intent: str, slots: Mapping[str, Any]
) -> Decision | None:
    """The rule that fires on the caller's last turn, with its reasons; None where none does.

    Never on a turn of which nothing is known, and once a turn at most.

    Args:
        rules: those that may fire now.
        memory: of the session up to this turn.
        history: of the same session.
        intent: of this turn.
        slots: all slots.
    """
    if not memory.readings or memory.readings[-1].state == UNKNOWN or history.current is not None:
        return None
    for rule in sorted(rules, key=lambda rule: -rule.priority):
        readings = None if _rests(rule, history) else _reasons(rule.when, memory, intent, slots)
        if readings:
            first = history.turns - len(memory.readings) + 1
            return Decision(
                rule=rule.name,
                action=rule.action,
                turn=history.turns,
                priority=priority(memory),
                trend=memory.trend,
                failed_strategies=memory.failed_strategies,
                readings={first + place: memory.readings[place] for place in readings},
            )
    return None


def _rests(rule: Rule, history: History) -> bool:
    fired = [turn for turn, decision in history.decisions if decision.rule == rule.name]
    cooling = bool(fired) and history.turns - fired[-1] <= rule.cooldown
    return cooling or (rule.once and bool(fired)) or rule.action in history.rejected


def _reasons(when: Condition, memory: AffectiveMemory, intent: str, slots: Mapping[str, Any]) -> list[int] | None:
    """Places of the turns that fulfil the condition; None where it is not fulfilled."""
    holds = (
        (when.trend in (None, memory.trend))
        and len(memory.failed_strategies) >= when.failed_strategies
        and (not when.intents or intent in when.intents)
        and all(slots.get(name) == value for name, value in when.slots.items())
    )
    known = [place for place, reading in enumerate(memory.readings) if reading.state != UNKNOWN]
    fitting = [place for place in known[-when.window :] if when.fits(memory.readings[place])]
    if not holds or len(fitting) < when.turns or fitting[-1] != known[-1]:
        return None
    about_turns = when.states or when.emotions or when.cues
    return fitting if about_turns else known[-TREND_TURNS:]
