"""How well and how fast words are read; every figure of the model card.

The corpora of others lie under ``EMOTIONLAYER_SHARED`` (else ``../shared``)::

    PYTHONPATH=. python benchmarks/text_reading.py             # the development part of what callers say
    PYTHONPATH=. python benchmarks/text_reading.py --frozen    # the test part, too: once a version
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, Mapping

import click
from threadpoolctl import threadpool_limits

from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.training.words.corpora import Split, caller_lines, default_data
from emotionlayer_rasa.training.words.figures import caller_figures, corpus_figures, foreign_figures
from emotionlayer_rasa.words import TextReader, create_text_reader
from emotionlayer_rasa.words.reader import WEIGHTS_DIR


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder with goemotions/, emobank/ and emoita/.")
@click.option("--frozen", is_flag=True, help="Read the frozen parts, which are for one reading a version.")
@click.option("--repeats", type=click.IntRange(20), default=600, show_default=True, help="Sentences timed.")
def main(data: Path | None, frozen: bool, repeats: int) -> None:
    """Print figures, milliseconds a sentence on one thread, and megabytes."""
    started = time.perf_counter()
    reader = create_text_reader()
    click.echo(f"{reader.description['name']}, loaded in {time.perf_counter() - started:.1f} s")
    parts: tuple[Split, ...] = ("dev", "test") if frozen else ("dev",)
    for part in parts:
        show(f"callers, {part}", {**caller_figures(reader.read, part), **answered(reader, part)})
    if frozen:
        show("called unknown", foreign_figures(reader.read, "test"))
    corpora = data or default_data()
    if corpora.is_dir():
        show("corpora of others, test", corpus_figures(reader, corpora, "test"))
    texts = [line.text for line in caller_lines("dev")][:repeats]
    with threadpool_limits(1):
        times = [milliseconds(reader, text) for text in texts]
    worst = statistics.quantiles(times, n=20)[-1]
    click.echo(f"ms a sentence: median {statistics.median(times):.2f}, 95 % under {worst:.2f}")
    for text in ("! " * 25_000, "it does not work and nobody helps me " * 2_700):
        click.echo(f"ms for {len(text):,} characters: {milliseconds(reader, text):.1f}")
    size = sum(path.stat().st_size for path in WEIGHTS_DIR.iterdir() if path.suffix != ".md")
    click.echo(f"size: {size / 1e6:.1f} MB")


def show(title: str, figures: Mapping[str, Any]) -> None:
    """One line a figure."""
    click.echo(title)
    for name, value in figures.items():
        if isinstance(value, dict):
            value = "  ".join(f"{key} {figure:.3f}" for key, figure in value.items())
        click.echo(f"  {name:<12} {value if isinstance(value, str) else f'{value:.3f}'}")


def answered(reader: TextReader, part: Split) -> dict[str, float]:
    """How many lines get a label, and how many of those a right one."""
    lines = caller_lines(part)
    labels = [reader.read(line.text).emotion.label for line in lines]
    given = [label in line.emotions for line, label in zip(lines, labels, strict=True) if label != UNKNOWN]
    return {"given": len(given) / len(lines), "right": statistics.fmean(given)}


def milliseconds(reader: TextReader, text: str) -> float:
    """Wall time of one reading."""
    started = time.perf_counter()
    reader.read(text)
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
