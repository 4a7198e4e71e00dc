"""One picture of a call or a period: what was felt, and where it lay between calm and excited, bad and good."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS
from emotionlayer_rasa.utterance import EmotionReading

COLOURS = {
    "anger": "#c44e52",
    "disgust": "#8c8c3a",
    "fear": "#8172b3",
    "joy": "#e0a53b",
    "neutral": "#b8bcc2",
    "sadness": "#4c72b0",
    "surprise": "#55a89a",
}


WIDEST = 60.0
"""Inches: a longer call is drawn narrower."""


def draw_call(
    title: str, turns: Sequence[tuple[str, EmotionReading]], path: Path, measure: str = "probability"
) -> None:
    """Draw the emotion of a call over its turns.

    Args:
        title: the heading.
        turns: short label and reading of each turn, in order.
        path: the PNG file to write.
        measure: what the scores of a reading are.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    places = range(len(turns))
    figure, (scores, pad) = plt.subplots(
        2,
        1,
        figsize=(min(max(7.0, 1.25 * len(turns) + 2.5), WIDEST), 6.4),
        sharex=True,
        gridspec_kw={"height_ratios": (3, 2)},
    )
    bottom = [0.0] * len(turns)
    for emotion in EMOTIONS:
        heights = [reading.scores.get(emotion, 0.0) for _, reading in turns]
        scores.bar(places, heights, bottom=bottom, width=0.72, color=COLOURS[emotion], label=emotion)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    for place, (_, reading) in enumerate(turns):
        scores.text(place, 1.03, reading.label, ha="center", va="bottom", fontsize=9, fontweight="bold")
    scores.set_ylim(0, 1.14)
    scores.set_yticks((0, 0.5, 1))
    scores.set_ylabel(measure)
    scores.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    scores.set_title(title.replace("$", r"\$"), loc="left", pad=12)  # no formula

    for axis, colour in zip(DIMENSIONS, ("#55a868", "#c44e52", "#4c72b0"), strict=True):
        values = [getattr(reading, axis) for _, reading in turns]
        pad.plot(places, [float("nan") if v is None else v for v in values], "o-", color=colour, label=axis)
    pad.axhline(0.5, color="#cccccc", linewidth=1, zorder=0)
    pad.set_ylim(0, 1)
    pad.set_yticks((0, 0.5, 1))
    pad.set_xticks(list(places), [label for label, _ in turns], fontsize=8)
    pad.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    for axes in (scores, pad):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)
