"""What a conversation remembers of its caller: functions over its turns, no state in the process.

How a turn went is its **well-being**, 0 (bad) .. 1 (good): the mean of the fused valence and of
``.5 + confidence / 2`` for a pleasant state, ``.5 - confidence / 2`` for a negative one, ``.5`` for the others.
Turns of which nothing is known (silence, a button, no consent) neither break nor extend anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise
from math import isfinite
from statistics import fmean
from types import MappingProxyType
from typing import Any, Mapping, Sequence

from emotionlayer_rasa.taxonomy import DIMENSIONS, STRATEGIES, UNKNOWN
from emotionlayer_rasa.utterance import AffectiveState, Utterance

NEGATIVE_STATES = frozenset({"anger", "frustration", "sarcasm", "urgency", "insecurity"})
"""States that make a turn negative. Uncertainty is a question, not a grievance."""

NEGATIVE_CONFIDENCE = 1 / 3
"""Confidence from which they do: three times chance, for there are nine states."""

POSITIVE_STATES = frozenset({"enthusiasm", "satisfaction"})

ALTERNATIVES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # An angry caller who is not calmed wants the problem solved; then, to be understood.
        "active_deescalation": ("rapid_resolution", "empathic_validation"),
        # Comfort that does not comfort: a fact to hold on to; then, take the trouble as ours.
        "empathic_validation": ("direct_efficiency", "active_deescalation"),
        # Speed that does not help: the fear behind the hurry; then, an apology for the wait.
        "rapid_resolution": ("empathic_validation", "active_deescalation"),
        # Irony that facts do not end covers a grievance: take it seriously.
        "assertive_neutrality": ("active_deescalation", "rapid_resolution"),
        # Negative turns seldom get these two; a grievance that they overlooked wants an apology.
        "direct_efficiency": ("active_deescalation", "empathic_validation"),
        "positive_mirroring": ("active_deescalation", "empathic_validation"),
    }
)
"""What to try when a strategy did not help; within equal rank, what has helped this caller before comes first."""

HALF_LIFE_TURNS = 2.0
"""A turn counts half as much in the smoothed values as the one two turns later."""

TREND_TURNS = 5
"""Known turns that the trend looks at."""

TREND_SLOPE = 0.05
"""Well-being a turn from which a trend is no longer steady."""

IMPROVEMENT = 0.1
"""Rise of well-being from which a strategy has helped."""

CHANCES = 2
"""Negative turns without improvement after which a strategy is given up for the rest of the streak."""

BORDERLINE = 0.6
"""Confidence below which a state does not yet end a strategy that has just helped."""

LONGEST_MEMORY = 100
"""Turns of a session that are remembered, the latest ones."""

_MIDDLE = 0.5
_UNKNOWN = AffectiveState()


@dataclass(frozen=True)
class Turn:
    """One turn of the caller.

    Attributes:
        utterance: as it was recorded.
        label: value of the entity ``emotion``, which respects the component's thresholds; where there is no
            entity, the recorded emotion.
        time: POSIX time in seconds.
        strategy: what we answered with (the last value of the slot ``response_strategy`` before the next turn);
            None where no such slot was set.
    """

    utterance: Utterance
    label: str
    time: float
    strategy: str | None = None


@dataclass(frozen=True)
class EmotionalProfile:
    """What is kept of a caller who agreed to it, across sessions: numbers and labels only.

    Attributes:
        updated: when, ISO 8601 in UTC.
        turns: known turns that it comes from.
        valence, arousal, dominance: their means, 0..1.
        strategies: of each strategy that answered a negative turn, how often it helped and how often it was
            tried.
    """

    updated: str
    turns: int
    valence: float
    arousal: float
    dominance: float
    strategies: Mapping[str, tuple[int, int]] = MappingProxyType({})

    def to_dict(self) -> dict[str, Any]:
        """The profile as JSON, for the slot ``emotional_profile``."""
        return {
            "updated": self.updated,
            "turns": self.turns,
            **{axis: round(getattr(self, axis), 4) for axis in DIMENSIONS},
            "strategies": {name: list(counts) for name, counts in self.strategies.items()},
        }

    @classmethod
    def from_dict(cls, record: Any) -> EmotionalProfile | None:
        """Read the slot; None for anything that is no profile. Keys of other versions do not matter."""
        try:
            profile = cls(
                updated=str(record["updated"]),
                turns=int(record["turns"]),
                **{axis: float(record[axis]) for axis in DIMENSIONS},
                strategies={
                    name: (int(helped), int(tried))
                    for name, (helped, tried) in record["strategies"].items()
                    if name in STRATEGIES
                },
            )
            dated = datetime.fromisoformat(profile.updated).tzinfo is not None
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return None
        return profile if dated and isfinite(profile.valence + profile.arousal + profile.dominance) else None

    def expired(self, now: datetime, days: float) -> bool:
        """Whether the last change was ``days`` or more before ``now`` (with a time zone)."""
        return (now - datetime.fromisoformat(self.updated)).total_seconds() >= days * 86_400


@dataclass(frozen=True)
class Peak:
    """The most negative turn: its state and well-being (0..1), how many turns and seconds before the last one."""

    state: str
    wellbeing: float
    turns_ago: int
    seconds_ago: float


@dataclass(frozen=True)
class Reading:
    """What is known of one turn: numbers and labels, no words.

    Attributes:
        time: POSIX time in seconds.
        state: one of the nine affective states, or ``unknown``.
        confidence: of the state, 0..1.
        emotion: one of the seven emotions, or ``unknown``.
        emotion_confidence: of the emotion as it was heard or read, 0..1.
        cues: strength of the cues of the words, 0..1; empty where the words were not read.
    """

    time: float
    state: str = UNKNOWN
    confidence: float = 0.0
    emotion: str = UNKNOWN
    emotion_confidence: float = 0.0
    cues: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class AffectiveMemory:
    """What the conversation tells about the caller so far.

    Attributes:
        current: the last turn, as it is to be answered: with the strategy that the feedback of earlier turns leads
            to.
        emotion: its emotion.
        valence, arousal, dominance: smoothed exponentially over the turns, 0..1; None when nothing is known.
        trend: of well-being over the last five known turns: ``rising``, ``falling`` or ``steady``.
        negative_streak: negative turns in a row, up to now.
        peak: the most negative turn; None when none was negative.
        last_strategy: what the last known turn before this one was answered with.
        helped: whether that helped: well-being rose by .1, or the negative state ended. None when there was
            nothing to help, or this turn does not tell.
        failed_strategies: those that answered a turn of the negative streak and did not help, in their order.
        readings: every remembered turn, oldest first.
    """

    current: AffectiveState = _UNKNOWN
    emotion: str = UNKNOWN
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    trend: str = "steady"
    negative_streak: int = 0
    peak: Peak | None = None
    last_strategy: str | None = None
    helped: bool | None = None
    failed_strategies: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()

    def summary(self) -> dict[str, Any]:
        """The memory as JSON: numbers and labels."""
        return {
            "state": self.current.state,
            "strategy": self.current.strategy,
            "emotion": self.emotion,
            **{axis: _rounded(getattr(self, axis)) for axis in DIMENSIONS},
            "trend": self.trend,
            "negative_streak": self.negative_streak,
            "peak": {name: _rounded(value) for name, value in asdict(self.peak).items()} if self.peak else None,
            "last_strategy": self.last_strategy,
            "helped": self.helped,
        }


def remember(turns: Sequence[Turn], profile: EmotionalProfile | None = None) -> AffectiveMemory:
    """Look back over the turns of a session.

    **Smoothing**: each axis is the mean over known turns, weighted by ``.5 ** (turns ago / 2)``.

    **Trend**: the repeated median (Siegel 1982) of the slopes between the well-being of any two of the last five
    known turns; of two middle slopes the flatter one counts, so that one outlier never makes a trend. Below .05 a
    turn, or with fewer than three known turns, it is steady.

    **Feedback**: within a streak of negative turns, a strategy that was answered twice without improvement is
    given up for one of :data:`ALTERNATIVES`. One that has just helped is kept for a turn whose state is not clear.

    Args:
        turns: oldest first.
        profile: what earlier sessions told: it says which alternative comes first.
    """
    if not turns:
        return AffectiveMemory()
    states = [turn.utterance.affect for turn in turns]
    answers = answers_to(turns)
    known = [place for place, state in enumerate(states) if state.state != UNKNOWN]
    streak = _streak(states)
    tried = [found for found in answers if found.place in streak]
    last = len(turns) - 1
    answer = answers[-1] if answers and answers[-1].place == last else None
    earlier = [place for place in known if place < last]
    return AffectiveMemory(
        current=_with_feedback(states[-1], answer, tried, profile),
        emotion=turns[-1].label,
        **{axis: _smoothed([getattr(state, axis) for state in states]) for axis in DIMENSIONS},
        trend=_trend([wellbeing(states[place]) for place in known[-TREND_TURNS:]]),
        negative_streak=len(streak),
        peak=_peak(turns, states),
        last_strategy=turns[earlier[-1]].strategy or states[earlier[-1]].strategy if earlier else None,
        helped=answer.helped if answer else None,
        failed_strategies=tuple(dict.fromkeys(found.strategy for found in tried if not found.helped)),
        readings=tuple(_reading(turn) for turn in turns),
    )


def update_profile(turns: Sequence[Turn], profile: EmotionalProfile | None = None) -> EmotionalProfile | None:
    """The profile with this session's turns added; unchanged where none of them is known.

    Args:
        turns: all turns of this session: the same call after the next turn replaces, and does not add twice.
        profile: what earlier sessions told, that is, without this one.
    """
    states = [turn.utterance.affect for turn in turns]
    known = [state for state in states if state.valence is not None]
    if not known:
        return profile
    before = profile.turns if profile else 0
    means = {}
    for axis in DIMENSIONS:
        here = fmean(_or_middle(getattr(state, axis)) for state in known)
        means[axis] = (here * len(known) + (getattr(profile, axis) * before if profile else 0)) / (
            len(known) + before
        )
    strategies = dict(profile.strategies) if profile else {}
    for answer in answers_to(turns):
        helped, tried = strategies.get(answer.strategy, (0, 0))
        strategies[answer.strategy] = (helped + answer.helped, tried + 1)
    return EmotionalProfile(
        updated=datetime.fromtimestamp(turns[-1].time, timezone.utc).isoformat(timespec="seconds"),
        turns=before + len(known),
        **means,
        strategies=strategies,
    )


@dataclass(frozen=True)
class Answer:
    """A strategy that answered a negative turn, and what came of it.

    Attributes:
        strategy: one of the six.
        to: place of the turn that it answered.
        place: place of the next known turn.
        helped: whether that is better by :data:`IMPROVEMENT`, or not negative any more.
    """

    strategy: str
    to: int
    place: int
    helped: bool


def _reading(turn: Turn) -> Reading:
    heard, state = turn.utterance.reading, turn.utterance.affect
    confidence = heard.confidence if turn.label == heard.label else heard.scores.get(turn.label, 0.0)
    cues = turn.utterance.words.cues if turn.utterance.words else {}
    return Reading(turn.time, state.state, state.confidence, turn.label, confidence, cues)


def _negative(state: AffectiveState) -> bool:
    return state.state in NEGATIVE_STATES and state.confidence >= NEGATIVE_CONFIDENCE


def wellbeing(state: AffectiveState) -> float:
    """How a turn went, 0 (bad) .. 1 (good); see the top of this module."""
    sign = (state.state in POSITIVE_STATES) - (state.state in NEGATIVE_STATES)
    return (_or_middle(state.valence) + _MIDDLE + sign * state.confidence / 2) / 2


def answers_to(turns: Sequence[Turn]) -> list[Answer]:
    """What came of answering each negative turn that a known one follows, oldest first."""
    states = [turn.utterance.affect for turn in turns]
    known = [place for place, state in enumerate(states) if state.state != UNKNOWN]
    answers = []
    for place, following in pairwise(known):
        if _negative(states[place]):
            better = wellbeing(states[following]) - wellbeing(states[place]) >= IMPROVEMENT
            helped = better or not _negative(states[following])
            strategy = turns[place].strategy or states[place].strategy
            answers.append(Answer(strategy, place, following, helped))
    return answers


def _streak(states: Sequence[AffectiveState]) -> list[int]:
    """Places of the negative turns up to now that no other known turn parts."""
    places = []
    for place in reversed(range(len(states))):
        if _negative(states[place]):
            places.append(place)
        elif states[place].state != UNKNOWN:
            break
    return places


def _with_feedback(
    current: AffectiveState, answer: Answer | None, streak: Sequence[Answer], profile: EmotionalProfile | None
) -> AffectiveState:
    """Keep what has just helped, drop what has not; ``streak`` holds the answers to its turns but the last."""
    chosen, reason = current.strategy, ""
    failures = Counter(found.strategy for found in streak if not found.helped)
    if _negative(current) and failures[chosen] >= CHANCES:
        options = sorted(ALTERNATIVES[chosen], key=lambda option: -_success(option, profile))
        chosen = next((option for option in options if failures[option] < CHANCES), options[-1])
        reason = f"memory:{current.strategy}_failed={failures[current.strategy]}"
    elif answer and answer.helped and answer.strategy != chosen and current.confidence < BORDERLINE:
        chosen, reason = answer.strategy, f"memory:{answer.strategy}_helped"
    return replace(current, strategy=chosen, reasons=(*current.reasons, reason)) if reason else current


def _success(strategy: str, profile: EmotionalProfile | None) -> float:
    """Share of tries that helped this caller, 0..1, one half before there is any (Laplace's rule)."""
    helped, tried = profile.strategies.get(strategy, (0, 0)) if profile else (0, 0)
    return (helped + 1) / (tried + 2)


def _smoothed(values: Sequence[float | None]) -> float | None:
    pairs = [(value, 0.5 ** (ago / HALF_LIFE_TURNS)) for ago, value in enumerate(reversed(values))]
    known = [(value, weight) for value, weight in pairs if value is not None]
    if not known:
        return None
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known)


def _trend(wellbeing: Sequence[float]) -> str:
    if len(wellbeing) < 3:
        return "steady"
    places = range(len(wellbeing))
    slope = _flat_median(
        [
            _flat_median(
                [(wellbeing[there] - wellbeing[here]) / (there - here) for there in places if there != here]
            )
            for here in places
        ]
    )
    return "steady" if abs(slope) < TREND_SLOPE else "rising" if slope > 0 else "falling"


def _flat_median(slopes: Sequence[float]) -> float:
    """The median; of two middle values the one nearer to zero."""
    ordered = sorted(slopes)
    return min(ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2], key=abs)


def _peak(turns: Sequence[Turn], states: Sequence[AffectiveState]) -> Peak | None:
    negative = [place for place, state in enumerate(states) if _negative(state)]
    if not negative:
        return None
    place = min(negative, key=lambda place: wellbeing(states[place]))
    ago, seconds = len(turns) - 1 - place, turns[-1].time - turns[place].time
    return Peak(states[place].state, wellbeing(states[place]), ago, seconds)


def _or_middle(value: float | None) -> float:
    return _MIDDLE if value is None else value


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
