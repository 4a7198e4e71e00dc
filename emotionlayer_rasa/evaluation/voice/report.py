"""From outcomes to figures, and from figures to ``metrics.json``, ``report.md`` and ``confusion.png``.

Labels that a corpus lacks are masked: for its clips their probabilities are set to 0 and the others sum to 1
again, so that corpora with few labels can be compared with what others report on them. ``unmasked`` holds the same
figures for the answers as the recognizer gave them: how it does where nobody knows which labels can occur.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from emotionlayer_rasa.evaluation.voice import metrics
from emotionlayer_rasa.evaluation.voice.manifest import Clip
from emotionlayer_rasa.evaluation.voice.run import Outcome
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN

CONFIDENT_SHARE = 0.7
"""Share of the clips, the most confident ones, on which ``uar_confident_70`` is taken."""

_FIGURES = ("uar", "accuracy", "ece", "coverage", "uar_above_threshold", "uar_confident_70")
_GROUPS: Mapping[str, Callable[[Clip], str]] = {
    "by_corpus": lambda clip: clip.corpus,
    "by_language": lambda clip: clip.language or "not given",
    "by_gender": lambda clip: clip.gender or "not given",
}


def measure(outcomes: Sequence[Outcome], model: str, degrade: str | None = None) -> dict[str, Any]:
    """All figures of one run.

    Args:
        outcomes: what the recognizer did with every clip.
        model: the recognizer's engine and model id.
        degrade: name of the degradation, if there was one.

    Returns:
        The content of ``metrics.json``; a figure that cannot be computed is None. ``clips`` counts all clips,
        ``scored`` those behind the figures: heard, with a label among the seven. ``uar``, ``accuracy``, ``ece``,
        ``recall`` and ``uar_confident_70`` take the most probable label, even where the answer was ``unknown``;
        ``coverage`` is the share of answers other than ``unknown``, ``uar_above_threshold`` the UAR over those.
    """
    labels_of = {
        corpus: np.array(
            [any(o.clip.emotion == name for o in outcomes if o.clip.corpus == corpus) for name in EMOTIONS]
        )
        for corpus in sorted({outcome.clip.corpus for outcome in outcomes})
    }
    scored = [outcome for outcome in outcomes if outcome.reading and outcome.clip.emotion != UNKNOWN]
    raw = np.array([[_score(outcome, name) for name in EMOTIONS] for outcome in scored]).reshape(-1, len(EMOTIONS))
    masked = raw
    if scored:
        masked = metrics.mask_scores(raw, np.stack([labels_of[outcome.clip.corpus] for outcome in scored]))
    truth = np.array([EMOTIONS.index(outcome.clip.emotion) for outcome in scored], dtype=int)
    answered = np.array([_label(outcome) != UNKNOWN for outcome in scored], dtype=bool)

    result: dict[str, Any] = {
        "model": model,
        "degrade": degrade,
        "clips": len(outcomes),
        "scored": len(scored),
        "failures": sum(outcome.reading is None for outcome in outcomes),
        "not_among_the_seven": sum(outcome.clip.emotion == UNKNOWN for outcome in outcomes),
        **_figures(truth, masked, answered),
        "confusion": {
            "labels": list(EMOTIONS),
            "counts": metrics.confusion_matrix(truth, metrics.predict(masked), len(EMOTIONS)).tolist(),
        },
        "unmasked": _figures(truth, raw, answered),
        "masked_labels": {
            corpus: [name for name, there in zip(EMOTIONS, labels, strict=True) if not there]
            for corpus, labels in labels_of.items()
        },
        "ccc": _ccc(outcomes),
    }
    for group, key in _GROUPS.items():
        names = np.array([key(outcome.clip) for outcome in scored])
        result[group] = {
            str(name): {
                "scored": int(np.sum(names == name)),
                **_figures(truth[names == name], masked[names == name], answered[names == name]),
            }
            for name in np.unique(names)
        }
    return result


def write_report(result: Mapping[str, Any], folder: Path) -> None:
    """Write ``metrics.json``, ``report.md`` and ``confusion.png`` into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(_markdown(result), encoding="utf-8")
    _draw_confusion(result, folder / "confusion.png")


def _figures(truth: np.ndarray, scores: np.ndarray, answered: np.ndarray) -> dict[str, Any]:
    predicted = metrics.predict(scores)
    confident = metrics.most_confident(scores, CONFIDENT_SHARE)
    recall = metrics.recalls(truth, predicted, len(EMOTIONS))
    return {
        "uar": _number(metrics.uar(truth, predicted)),
        "accuracy": _number(metrics.accuracy(truth, predicted)),
        "ece": _number(metrics.expected_calibration_error(scores.max(axis=1), truth == predicted)),
        "coverage": _number(float(answered.mean()) if len(answered) else math.nan),
        "uar_above_threshold": _number(metrics.uar(truth[answered], predicted[answered])),
        "uar_confident_70": _number(metrics.uar(truth[confident], predicted[confident])),
        "recall": {name: _number(value) for name, value in zip(EMOTIONS, recall, strict=True)},
    }


def _ccc(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Concordance of the ratings with the recognizer's, over clips that have both; axes without any left out."""
    result: dict[str, Any] = {}
    for axis in DIMENSIONS:
        pairs = [
            (getattr(outcome.clip, axis), getattr(outcome.reading, axis))
            for outcome in outcomes
            if outcome.reading and None not in (getattr(outcome.clip, axis), getattr(outcome.reading, axis))
        ]
        if pairs:
            rated, heard = np.array(pairs).T
            result[axis] = _number(metrics.concordance(rated, heard))
    return result


def _score(outcome: Outcome, name: str) -> float:
    return outcome.reading.scores.get(name, 0.0) if outcome.reading else 0.0


def _label(outcome: Outcome) -> str:
    return outcome.reading.label if outcome.reading else UNKNOWN


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


def _markdown(result: Mapping[str, Any]) -> str:
    counted = (
        f"{result['clips']} clips: {result['scored']} scored, {result['failures']} could not be read, "
        f"{result['not_among_the_seven']} carry a label outside the seven and are not scored."
    )
    masked = [f"{corpus} lacks {', '.join(names)}" for corpus, names in result["masked_labels"].items() if names]
    lines = ["# Emotion recognition report", "", f"- Model: `{result['model']}`"]
    lines += [f"- Recordings: {result['degrade'] or 'as they are'}", f"- {counted}"]
    if masked:
        lines.append(
            f"- Labels that a corpus lacks are masked: {'; '.join(masked)}. "
            "The row `unmasked` takes the answers as they were given."
        )
    lines += [
        "- `coverage`: share of answers other than `unknown`; `uar_above_threshold`: UAR over those. All other "
        "figures take the most probable label.",
        "",
        *_table(("", "scored", *_FIGURES), _figure_rows(result)),
        "",
        "## Recall by emotion",
        "",
        *_table(("", *EMOTIONS), _recall_rows(result)),
        "",
    ]
    if result["ccc"]:
        lines += ["## Concordance with human ratings (CCC)", ""]
        lines += [*_table(tuple(result["ccc"]), [[_cell(value) for value in result["ccc"].values()]]), ""]
    labels = result["confusion"]["labels"]
    rows = zip(labels, result["confusion"]["counts"], strict=True)
    lines += ["## Confusion", "", "Rows are the labels, columns the answers.", ""]
    lines += [*_table(("", *labels), [[name, *map(str, counts)] for name, counts in rows]), ""]
    lines += ["![Confusion matrix](confusion.png)", ""]
    return "\n".join(lines)


def _figure_rows(result: Mapping[str, Any]) -> list[list[str]]:
    rows = [("all", result), ("all, unmasked", {"scored": result["scored"], **result["unmasked"]})]
    rows += [
        (f"{group.removeprefix('by_')}: {name}", record)
        for group in _GROUPS
        for name, record in result[group].items()
    ]
    return [
        [name, str(record["scored"]), *(_cell(record[figure]) for figure in _FIGURES)] for name, record in rows
    ]


def _recall_rows(result: Mapping[str, Any]) -> list[list[str]]:
    rows = [("all", result), *result["by_corpus"].items()]
    return [[name, *(_cell(record["recall"][label]) for label in EMOTIONS)] for name, record in rows]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _draw_confusion(result: Mapping[str, Any], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = result["confusion"]["labels"]
    counts = np.array(result["confusion"]["counts"])
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)

    figure = Figure(figsize=(7.2, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            colour = "white" if shares[row, column] > 0.55 else "#222222"
            text = f"{shares[row, column]:.0%}\n{counts[row, column]}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), [f"{name} ({n})" for name, n in zip(labels, totals[:, 0], strict=True)])
    axes.set_xlabel("answer")
    axes.set_ylabel("label (clips)")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    uar = "-" if result["uar"] is None else f"{result['uar']:.3f}"
    title = f"{result['model']}\nrecordings: {result['degrade'] or 'as they are'}; UAR {uar}"
    axes.set_title(title, loc="left", fontsize=10)
    figure.colorbar(image, ax=axes, label="share of the label's clips", shrink=0.8)
    figure.savefig(path, dpi=130)
