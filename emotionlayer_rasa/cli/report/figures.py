"""The charts of a report, by plotly; what they hold of other people's text is escaped."""

from __future__ import annotations

from collections import Counter
from html import escape
from statistics import fmean
from typing import Any, Callable, Iterable, Sequence

from emotionlayer_rasa.cli.call_picture import COLOURS
from emotionlayer_rasa.cli.report.columns import Column
from emotionlayer_rasa.cli.report.course import Effect, Told
from emotionlayer_rasa.errors import MissingExtraError
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, STATES, STRATEGIES, UNKNOWN

NOT_KNOWN = "not recorded"
"""Name of a group whose turns tell no language, or no channel."""

_UNKNOWN_COLOUR = "#e3e5e8"
STATE_COLOURS = {
    "neutral": "#b8bcc2",
    "enthusiasm": "#e0a53b",
    "satisfaction": "#8fb35c",
    "uncertainty": "#8fb7d9",
    "anger": "#c44e52",
    "frustration": "#dd8452",
    "sarcasm": "#8c8c3a",
    "urgency": "#da6fa8",
    "insecurity": "#8172b3",
}
STRATEGY_COLOURS = dict(
    zip(STRATEGIES, ("#4c72b0", "#c44e52", "#8172b3", "#e0a53b", "#64696f", "#dd8452"), strict=True)
)
_LINES = (
    ("wellbeing", "well-being", "#222222"),
    *zip(DIMENSIONS, DIMENSIONS, ("#55a868", "#c44e52", "#4c72b0"), strict=True),
)
_FONT = {"family": "system-ui, sans-serif", "size": 13, "color": "#222222"}


def course_figure(columns: Sequence[Column], of_turns: bool) -> Any:
    """Emotions, states, strategies and dimensions over time, one above the other.

    Args:
        columns: in order.
        of_turns: whether each is one turn: then probabilities are shown, and no shares.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    graph, subplots = _plotly()
    measure = "probability" if of_turns else "share of turns"
    titles = (
        f"Emotion ({measure})",
        f"State ({'confidence' if of_turns else measure})",
        "Strategy that answered",
        "Well-being, valence, arousal, dominance (0 .. 1)",
    )
    heights = [0.28, 0.28, 0.18, 0.26]
    figure = subplots(
        rows=4, cols=1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=titles, row_heights=heights
    )
    places = list(range(len(columns)))
    rows: tuple[tuple[Sequence[str], dict[str, str], Callable[[Column, str], float]], ...] = (
        (EMOTIONS, COLOURS, lambda column, name: column.reading.scores.get(name, 0.0)),
        (STATES, STATE_COLOURS, lambda column, name: column.states.get(name, 0.0)),
        (STRATEGIES, STRATEGY_COLOURS, lambda column, name: column.strategies.get(name, 0.0)),
    )
    for row, (names, colours, value) in enumerate(rows, 1):
        for name in names:
            values = [value(column, name) for column in columns]
            if any(values):
                _bar(graph, figure, row, places, values, name, colours[name])
        if row == 1 and not of_turns and any(column.unknown for column in columns):
            _bar(graph, figure, row, places, [column.unknown for column in columns], UNKNOWN, _UNKNOWN_COLOUR)
    for attribute, name, colour in _LINES:
        values = [getattr(column if attribute == "wellbeing" else column.reading, attribute) for column in columns]
        style = {"color": colour, "width": 3 if attribute == "wellbeing" else 1.5}
        line = graph.Scatter(x=places, y=values, name=name, mode="lines+markers", line=style, legend="legend4")
        figure.add_trace(line, row=4, col=1)
    if of_turns:
        doubtful = [place for place, column in enumerate(columns) if column.unknown]
        marks = graph.Scatter(
            x=doubtful,
            y=[1.04] * len(doubtful),
            mode="text",
            text="?",
            name=UNKNOWN,
            hovertext="unknown: not sure enough",
        )
        figure.add_trace(marks.update(showlegend=False, hoverinfo="text"), row=1, col=1)
    _add_escalations(graph, figure, columns)
    step = max(1, len(columns) // 40)
    ticks = {"tickvals": places[::step], "ticktext": [column.label for column in columns][::step]}
    figure.update_xaxes(**ticks, showgrid=False, range=[-0.6, len(columns) - 0.4])
    figure.update_xaxes(title_text="turn" if of_turns else "time (UTC)", row=4, col=1)
    figure.update_yaxes(range=[0, 1.1], tickvals=[0, 0.5, 1], zeroline=False)
    tops, y = {}, 1.0
    for number, height in enumerate(heights, 1):
        tops["legend" if number == 1 else f"legend{number}"] = {
            "y": y,
            "yanchor": "top",
            "x": 1.01,
            "font": {"size": 10},
            "tracegroupgap": 0,
        }
        y -= height * (1 - 3 * 0.06) + 0.06
    return figure.update_layout(**_layout(1020), barmode="stack", bargap=0.15, hovermode="x", **tops)


def _bar(
    graph: Any, figure: Any, row: int, places: list[int], values: list[float], name: str, colour: str
) -> None:
    legend = "legend" if row == 1 else f"legend{row}"
    bar = graph.Bar(x=places, y=values, name=name, marker_color=colour, legend=legend, hovertemplate="%{y:.2f}")
    figure.add_trace(bar, row=row, col=1)


def _add_escalations(graph: Any, figure: Any, columns: Sequence[Column]) -> None:
    places = [place for place, column in enumerate(columns) if column.escalations]
    texts = [
        "<br>".join(escape(f"{found.action}: {found.reason}") for found in column.escalations[:10])
        for column in columns
        if column.escalations
    ]
    marker = {"symbol": "triangle-down", "size": 12, "color": "#222222"}
    marks = graph.Scatter(
        x=places,
        y=[1.05] * len(places),
        mode="markers",
        marker=marker,
        name="escalation",
        hovertext=texts,
        legend="legend2",
    )
    if places:
        figure.add_trace(marks.update(hoverinfo="text"), row=2, col=1)


def strategies_figure(effects: Sequence[Effect]) -> Any:
    """Well-being before each strategy and at the next turn, as means over all its turns.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    graph, _ = _plotly()
    used = [name for name in reversed(STRATEGIES) if any(effect.strategy == name for effect in effects)]
    before = [_mean_of(effects, name, "wellbeing_before") for name in used]
    after = [_mean_of(effects, name, "wellbeing_after") for name in used]
    figure = graph.Figure()
    for name, low, high in zip(used, before, after, strict=True):
        line = {"color": STRATEGY_COLOURS[name], "width": 3}
        figure.add_trace(
            graph.Scatter(x=[low, high], y=[name] * 2, mode="lines", line=line, hoverinfo="skip", showlegend=False)
        )
    colours = [STRATEGY_COLOURS[name] for name in used]
    for label, values, fill in (("before", before, "#ffffff"), ("after", after, None)):
        marker = {"size": 13, "color": fill or colours, "line": {"color": colours, "width": 3}}
        figure.add_trace(
            graph.Scatter(x=values, y=used, mode="markers", name=label, marker=marker, hovertemplate="%{x:.2f}")
        )
    figure.update_xaxes(range=[0, 1], title_text="well-being, 0 (bad) .. 1 (good)")
    figure.update_yaxes(automargin=True)
    return figure.update_layout(**_layout(150 + 50 * len(used)))


def unknown_figure(turns: Iterable[Told]) -> Any:
    """Share of the turns analysed whose emotion is not known, by language and by channel.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    graph, subplots = _plotly()
    analysed = [turn for turn in turns if turn.analysed]
    figure = subplots(rows=1, cols=2, subplot_titles=("by language", "by channel"), horizontal_spacing=0.18)
    most = 1
    for place, attribute in enumerate(("language", "channel"), 1):
        groups = Counter(getattr(turn, attribute) or NOT_KNOWN for turn in analysed)
        unknown = Counter(getattr(turn, attribute) or NOT_KNOWN for turn in analysed if turn.label == UNKNOWN)
        names = [name for name, _ in groups.most_common(20)][::-1]
        shares = [unknown[name] / groups[name] for name in names]
        texts = [f"{unknown[name]} of {groups[name]}" for name in names]
        bar = graph.Bar(
            x=shares,
            y=[escape(name) for name in names],
            orientation="h",
            text=texts,
            marker_color="#9aa1a9",
            hoverinfo="text",
        )
        figure.add_trace(bar.update(showlegend=False, textposition="outside"), row=1, col=place)
        most = max(most, len(names))
    figure.update_xaxes(range=[0, 1.15], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    figure.update_yaxes(automargin=True)
    return figure.update_layout(**_layout(150 + 32 * most))


def _mean_of(effects: Iterable[Effect], strategy: str, attribute: str) -> float:
    return fmean(getattr(effect, attribute) for effect in effects if effect.strategy == strategy)


def _layout(height: int) -> dict[str, Any]:
    margin = {"l": 10, "r": 10, "t": 40, "b": 60}
    return {
        "height": height,
        "template": "plotly_white",
        "font": _FONT,
        "margin": margin,
    }


def _plotly() -> tuple[Any, Callable[..., Any]]:
    """plotly's module of charts, and its maker of charts above each other."""
    try:
        import plotly.graph_objects as graph
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise MissingExtraError("plotly", "report") from error
    return graph, make_subplots
