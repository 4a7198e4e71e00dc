"""The course of a conversation or of a period as columns of a chart: a turn each, or an hour, a day, a week."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import groupby
from statistics import fmean
from typing import Callable, Iterable, Mapping, Sequence

from emotionlayer_rasa.cli.report.course import Escalation, Told
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import EmotionReading

_DAY = timedelta(days=1)

Begin = Callable[[float], datetime]
"""Where the piece of time begins that a POSIX time lies in."""


@dataclass(frozen=True)
class Column:
    """One place on the axis of time.

    Attributes:
        label: of the axis.
        reading: of a turn the probabilities of the emotions; of more, the share of each among those analysed. Its
            dimensions are those of voice and words together; of more turns, the means.
        unknown: share of the turns analysed whose emotion is not known, 0..1; 0 where none was.
        states: of a turn its state with its confidence; of more, the share of each, 0..1.
        strategies: share of each, 0..1.
        wellbeing: mean, 0..1; None where nothing is known.
        turns: how many it stands for.
        escalations: those that happened in it.
    """

    label: str
    reading: EmotionReading
    unknown: float
    states: Mapping[str, float]
    strategies: Mapping[str, float]
    wellbeing: float | None
    turns: int
    escalations: tuple[Escalation, ...] = ()


def by_turn(turns: Sequence[Told], escalations: Sequence[Escalation]) -> list[Column]:
    """A column for each turn; an escalation belongs to the last turn before it."""
    columns = []
    for number, turn in enumerate(turns):
        end = turns[number + 1].time if number + 1 < len(turns) else float("inf")
        axes = {axis: getattr(turn.affect, axis) for axis in DIMENSIONS}
        columns.append(
            Column(
                label=str(number + 1),
                reading=replace(turn.reading, label=turn.label, **axes),
                unknown=float(turn.analysed and turn.label == UNKNOWN),
                states={turn.affect.state: turn.affect.confidence} if turn.wellbeing is not None else {},
                strategies={turn.strategy: 1.0},
                wellbeing=turn.wellbeing,
                turns=1,
                escalations=tuple(found for found in escalations if turn.time <= found.time < end),
            )
        )
    return columns


def by_time(turns: Sequence[Told], escalations: Sequence[Escalation]) -> list[Column]:
    """A column for each hour, day or week, whichever the whole span suits; in UTC."""
    begin = step_of(turns[-1].time - turns[0].time)
    happened: dict[datetime, list[Escalation]] = {}
    for found in escalations:
        happened.setdefault(begin(found.time), []).append(found)
    return [
        _column(f"{start:%Y-%m-%d %H:%M}".removesuffix(" 00:00"), list(group), tuple(happened.get(start, ())))
        for start, group in groupby(turns, key=lambda turn: begin(turn.time))
    ]


def step_of(span_s: float) -> Begin:
    """Where the hour (spans up to two days), the day (up to 90) or the week of a POSIX time begins."""
    span = timedelta(seconds=span_s)

    def begin(time: float) -> datetime:
        moment = datetime.fromtimestamp(time, timezone.utc)
        if span <= 2 * _DAY:
            return moment.replace(minute=0, second=0, microsecond=0)
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return day if span <= 90 * _DAY else day - day.weekday() * _DAY

    return begin


def _column(label: str, turns: Sequence[Told], escalations: tuple[Escalation, ...]) -> Column:
    analysed = [turn for turn in turns if turn.analysed]
    labels = Counter(turn.label for turn in analysed)
    known = [turn for turn in turns if turn.wellbeing is not None]
    best = max(EMOTIONS, key=lambda emotion: labels[emotion])
    shares = {emotion: labels[emotion] / len(analysed) for emotion in EMOTIONS} if analysed else {}
    return Column(
        label=label,
        reading=EmotionReading(
            best if labels[best] else UNKNOWN,
            shares.get(best, 0.0),
            shares,
            valence=_mean([turn.affect.valence for turn in known]),
            arousal=_mean([turn.affect.arousal for turn in known]),
            dominance=_mean([turn.affect.dominance for turn in known]),
        ),
        unknown=labels[UNKNOWN] / len(analysed) if analysed else 0.0,
        states=_shares(turn.affect.state for turn in known),
        strategies=_shares(turn.strategy for turn in turns),
        wellbeing=_mean([turn.wellbeing for turn in known]),
        turns=len(turns),
        escalations=escalations,
    )


def _shares(names: Iterable[str]) -> dict[str, float]:
    counts = Counter(names)
    return {name: count / counts.total() for name, count in counts.items()}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
