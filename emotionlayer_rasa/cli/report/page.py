"""The page of a report: charts and tables in one HTML file that asks nothing of the net."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from importlib.resources import files
from statistics import fmean
from typing import Any, Iterable, Sequence

import jinja2
from markupsafe import Markup

from emotionlayer_rasa import __version__
from emotionlayer_rasa.cli.report import figures
from emotionlayer_rasa.cli.report.columns import Column
from emotionlayer_rasa.cli.report.course import Course, Effect, Told
from emotionlayer_rasa.errors import MissingExtraError
from emotionlayer_rasa.taxonomy import STRATEGIES, UNKNOWN

MOST_ROWS = 1000
"""Rows of a table; a page of a long period says how many are left out."""

_CONFIG = {"displaylogo": False, "responsive": True, "toImageButtonOptions": {"format": "png", "scale": 2}}


def render(title: str, course: Course, columns: Sequence[Column], of_turns: bool, words: bool) -> str:
    """The page as HTML.

    Args:
        title: its heading.
        course: what it tells; with a turn at least.
        columns: the same for its charts.
        of_turns: whether it is of one conversation, whose turns it lists.
        words: whether it shows what was said.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingExtraError("plotly", "report") from error
    analysed = [turn for turn in course.turns if turn.analysed]
    charts = {
        "course": figures.course_figure(columns, of_turns),
        "strategies": figures.strategies_figure(course.effects) if course.effects else None,
        "unknown": figures.unknown_figure(analysed) if analysed else None,
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["moment"] = _moment
    template = environment.from_string(files(__package__).joinpath("page.html.j2").read_text("utf-8"))
    return template.render(
        title=title,
        version=__version__,
        written=datetime.now(timezone.utc).timestamp(),
        course=course,
        of_turns=of_turns,
        words=words,
        tiles=_tiles(course, analysed),
        strategies=[_effect(name, course.effects) for name in STRATEGIES if _of(name, course.effects)],
        groups=[(name, _groups(analysed, name)) for name in ("language", "channel")],
        conversations=_conversations(course),
        most_rows=MOST_ROWS,
        charts={name: Markup(_html(chart)) for name, chart in charts.items() if chart},
        plotly=Markup(get_plotlyjs()),
    )


def _html(figure: Any) -> str:
    html: str = figure.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG)
    return html


def _tiles(course: Course, analysed: Sequence[Told]) -> list[tuple[str, str]]:
    unknown = sum(turn.label == UNKNOWN for turn in analysed)
    known = [turn.wellbeing for turn in course.turns if turn.wellbeing is not None]
    conversations = len({turn.conversation for turn in course.turns})
    return [
        *([("conversations", str(conversations))] if conversations > 1 else []),
        ("turns", str(len(course.turns))),
        ("analysed", str(len(analysed))),
        ("emotion unknown", f"{unknown / len(analysed):.0%}" if analysed else "-"),
        ("mean well-being", f"{fmean(known):.2f}" if known else "-"),
        ("escalations", str(len(course.escalations))),
    ]


def _of(strategy: str, effects: Iterable[Effect]) -> list[Effect]:
    return [effect for effect in effects if effect.strategy == strategy]


def _effect(strategy: str, effects: Iterable[Effect]) -> dict[str, Any]:
    """A row of the table of strategies."""
    of_it = _of(strategy, effects)
    tried = [effect for effect in of_it if effect.helped is not None]
    changes = Counter(f"{effect.before} → {effect.after}" for effect in of_it)
    return {
        "strategy": strategy,
        "count": len(of_it),
        "before": fmean(effect.wellbeing_before for effect in of_it),
        "after": fmean(effect.wellbeing_after for effect in of_it),
        "helped": sum(bool(effect.helped) for effect in tried),
        "tried": len(tried),
        "changes": ", ".join(f"{change} ({count})" for change, count in changes.most_common(3)),
    }


def _groups(analysed: Sequence[Told], attribute: str) -> list[dict[str, Any]]:
    """Rows of the table by language, or by channel; the largest group first."""
    named = Counter(getattr(turn, attribute) or figures.NOT_KNOWN for turn in analysed)
    rows = []
    for name, count in named.most_common():
        turns = [turn for turn in analysed if (getattr(turn, attribute) or figures.NOT_KNOWN) == name]
        known = [turn.wellbeing for turn in turns if turn.wellbeing is not None]
        labels = Counter(turn.label for turn in turns if turn.label != UNKNOWN)
        rows.append(
            {
                "name": name,
                "turns": count,
                "unknown": sum(turn.label == UNKNOWN for turn in turns) / count,
                "wellbeing": fmean(known) if known else None,
                "emotions": ", ".join(f"{label} {times / count:.0%}" for label, times in labels.most_common(3)),
            }
        )
    return rows


def _conversations(course: Course) -> list[dict[str, Any]]:
    """Rows of the table of conversations, by their beginning."""
    turns: dict[str, list[Told]] = {}
    for turn in course.turns:
        turns.setdefault(turn.conversation, []).append(turn)
    escalations = Counter(found.conversation for found in course.escalations)
    rows = []
    for name, told in turns.items():
        known = [turn.wellbeing for turn in told if turn.wellbeing is not None]
        rows.append(
            {
                "name": name,
                "time": told[0].time,
                "turns": len(told),
                "lowest": min(known) if known else None,
                "last": known[-1] if known else None,
                "escalations": escalations[name],
            }
        )
    return rows


def _moment(time: float) -> str:
    return f"{datetime.fromtimestamp(time, timezone.utc):%Y-%m-%d %H:%M:%S}"
