"""The evaluation of replies on paper: ``report.md``, ``scores.csv`` and ``scores.png``."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Mapping, Sequence

from emotionlayer_rasa.evaluation.replies.metrics import (
    JUDGED,
    WEIGHTS,
    ModelScore,
    ScenarioReply,
    scores,
    summarise,
    total,
)

FILES = ("report.md", "scores.csv", "scores.png")
"""What :func:`write_judge_report` writes."""

_COLOURS = ("#1f3b57", "#3f6f9f", "#7fa8cc", "#c9a15a", "#d9c39a", "#b5543f")


def metric_names(judge: str | None) -> dict[str, str]:
    """Metric to the name that every output gives it: ``relevance (proxy)`` where no judge grades it."""
    kind = "judged" if judge else "proxy"
    return {name: f"{name} ({kind if name in JUDGED else 'exact'})" for name in WEIGHTS}


def write_judge_report(replies: Sequence[ScenarioReply], judge: str | None, expected: int, folder: Path) -> None:
    """Write the files of :data:`FILES` into a folder, which is made if need be.

    Args:
        replies: of all models; at least one.
        judge: name of the judge; None where proxies stand in.
        expected: how many answers there will be once the run is complete.
        folder: where to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    models = summarise(replies, judge is not None)
    (folder / "report.md").write_text(_markdown(replies, models, judge, expected), encoding="utf-8")
    _write_csv(replies, judge, folder / "scores.csv")
    _draw(models, judge, folder / "scores.png")


def _markdown(
    replies: Sequence[ScenarioReply], models: Sequence[ModelScore], judge: str | None, expected: int
) -> str:
    names = metric_names(judge)
    lines = ["# Replies, evaluated by EmotionLayer's six metrics", ""]
    lines.append(f"- Judge: {f'`{judge}`' if judge else 'none; what it would grade is measured by proxies'}")
    lines.append(f"- Profile: {replies[0].profile}")
    lines.append(f"- Answers: {len(replies)} of {expected}")
    lines += [
        "- Total: 100 times the sum of weight and metric. Figures are means over the complete answers, 0 to 1; an "
        "answer is complete when all six metrics could be had.",
        "- State and strategy are decided by fusing voice and words, so they do not depend on the model.",
        "- Own words: share of the answers that the language model worded; the others are templates, because the "
        "model was late or its wording did not pass the check. Figures are of what is said, whoever worded it.",
    ]
    if judge is None:
        lines.append(
            "- A proxy is no judgement: relevance (proxy) is the overlap with the draft's and the caller's words, "
            "voice_suitability (proxy) length, markup and SSML, empathy (proxy) how near the tone is to that of "
            "good replies of the strategy. Formulas: `emotionlayer_rasa/evaluation/replies/metrics.py`. Do not "
            "compare them with judged figures."
        )
    head = ("model", "total", *(f"{names[metric]} ×{weight:.2f}" for metric, weight in WEIGHTS.items()))
    head += ("complete", "own words", "ms")
    rows = [
        [
            model.name,
            _cell(model.total, 1),
            *(_cell(model.metrics.get(metric)) for metric in WEIGHTS),
            f"{model.complete} of {model.answers}",
            f"{model.own_words:.0%}",
            f"{model.ms:.1f}",
        ]
        for model in models
    ]
    lines += ["", *_table(head, rows), "", "![Totals by model](scores.png)", ""]
    lines += ["## What went wrong", ""]
    causes = ("judge's answer missing", "wordings not said", "faults in what was said")
    counted = [[model.judge_failures, model.rejections, model.faults] for model in models]
    rows = [[model.name, *map(_counts, of)] for model, of in zip(models, counted, strict=True)]
    lines += [*_table(("model", *causes), rows), ""]
    return "\n".join(lines)


def _write_csv(replies: Sequence[ScenarioReply], judge: str | None, path: Path) -> None:
    """One row a reply: what was said, and every metric under its full name."""
    names = metric_names(judge)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        told = ("model", "scenario", "language", "expected_state", "state", "expected_strategy", "strategy")
        writer.writerow(
            [*told, "source", "total", *names.values(), "judge_error", "rejections", "faults", "ms", "text"]
        )
        for reply in replies:
            metrics = scores(reply, judge is not None)
            numbers = [total(metrics), *metrics.values()]
            writer.writerow(
                [
                    *(getattr(reply, name) for name in told),
                    reply.source,
                    *("" if number is None else round(number, 4) for number in numbers),
                    reply.judge_error,
                    " ".join(reply.rejections),
                    " ".join(reply.faults),
                    reply.ms,
                    reply.text,
                ]
            )


def _draw(models: Sequence[ModelScore], judge: str | None, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = metric_names(judge)
    bars = 0.5 * len(models)  # inches
    height = bars + 1.0
    figure = Figure(figsize=(9.0, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.2, 0.7 / height, 0.78, bars / height))
    places = range(len(models))
    left = [0.0] * len(models)
    for (metric, weight), colour in zip(WEIGHTS.items(), _COLOURS, strict=True):
        points = [100 * weight * model.metrics.get(metric, 0.0) for model in models]
        # Hatched: measured in place of a judgement.
        hatch = "///" if metric in JUDGED and judge is None else None
        axes.barh(
            places, points, left=left, height=0.62, color=colour, hatch=hatch, edgecolor="white", linewidth=0.6,
            label=f"{names[metric]}, up to {100 * weight:.0f}",
        )  # fmt: skip
        left = [start + width for start, width in zip(left, points, strict=True)]
    for place, model in zip(places, models, strict=True):
        label = "no complete answer" if model.total is None else f"{model.total:.1f}"
        axes.text((model.total or 0.0) + 1, place, label, va="center", fontsize=9)
    axes.set_yticks(places, [f"{model.name} ({model.complete} of {model.answers})" for model in models])
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_xlim(0, 108)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("total, 0 to 100 (complete answers in brackets)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    judged = f"judge: {judge}" if judge else "no judge: hatched metrics are proxies"
    axes.set_title(f"EmotionLayer's six metrics; {judged}", loc="left", fontsize=10)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.5 / bars), ncol=3, fontsize=8, frameon=False)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1])) or "-"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = (head, ["---"] * len(head), *rows)
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def _cell(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
