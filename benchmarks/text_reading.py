"""How well and how fast the shipped pipelines read words; every figure of the model card.

The corpora lie under ``EMOTIONLAYER_SHARED`` (else ``../shared``), the sentences with cues in ``tests/data``::

    PYTHONPATH=. python benchmarks/text_reading.py
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any, Mapping

import click
import yaml
from threadpoolctl import threadpool_limits

from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.training.words.corpora import default_data, emo_bank, go_emotions
from emotionlayer_rasa.training.words.figures import measure
from emotionlayer_rasa.words import TextReader, create_text_reader
from emotionlayer_rasa.words.reader import WEIGHTS_DIR, text_languages

SENTENCES = Path(__file__).parent.parent / "tests" / "data" / "cue_sentences.yml"
PRESENT = 0.5
"""Strength from which a cue counts as found."""


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder with goemotions/, emobank/ and emoita/.")
@click.option("--repeats", type=click.IntRange(3), default=300, show_default=True, help="Sentences timed.")
def main(data: Path | None, repeats: int) -> None:
    """Print figures on the test sets, cues found, milliseconds a sentence and megabytes."""
    corpora = data or default_data()
    sentences = yaml.safe_load(SENTENCES.read_text(encoding="utf-8"))
    for language in text_languages():
        started = time.perf_counter()
        reader = create_text_reader(language)
        click.echo(f"{language}: {reader.component.description['name']}, loaded in {seconds_since(started):.1f} s")
        for name, figure in measure(reader.component, corpora, "test").items():
            click.echo(f"  {name:<28} {figure}")
        if language == "en":
            click.echo(f"  {'right where a label is given':<28} {answered(reader, corpora)}")
        for part, expected in sentences[language].items():
            click.echo(f"  cues, {part + ' sentences':<22} {cues_found(reader, expected)}")
        click.echo(f"  {'ordinary sentences with a cue':<28} {false_alarms(reader, corpora, language)}")
        texts = emo_bank(corpora, "test", language).texts[:repeats]
        with threadpool_limits(1):
            times = [milliseconds(reader, text) for text in texts]
        worst = statistics.quantiles(times, n=20)[-1]
        click.echo(f"  {'ms a sentence':<28} median {statistics.median(times):.2f}, 95 % under {worst:.2f}")
    size = sum(path.stat().st_size for path in WEIGHTS_DIR.rglob("*") if path.is_file())
    click.echo(f"size of all pipelines: {size / 1e6:.1f} MB")


def cues_found(reader: TextReader, expected: Mapping[str, str]) -> str:
    """Hits among the cues expected, and cues found that nobody expected."""
    hits = wanted = extra = 0
    for text, cues in expected.items():
        found = {cue for cue, strength in reader.read(text).cues.items() if strength >= PRESENT}
        wanted += len(cues.split())
        hits += len(found & set(cues.split()))
        extra += len(found - set(cues.split()))
    return f"{hits} of {wanted} ({hits / wanted:.3f}); {extra / len(expected):.2f} others a sentence"


def false_alarms(reader: TextReader, corpora: Path, language: str) -> dict[str, float]:
    """Share of EmoBank's test sentences, mostly news, letters and fiction, that hold each cue."""
    readings = [reader.read(text).cues for text in emo_bank(corpora, "test", language).texts]
    return {cue: round(sum(cues[cue] >= PRESENT for cues in readings) / len(readings), 3) for cue in readings[0]}


def answered(reader: TextReader, corpora: Path) -> dict[str, Any]:
    """Of the test comments with one label: how many get a label, and how many of those the right one."""
    comments = go_emotions(corpora, "test")
    right = given = single = 0
    for text, row in zip(comments.texts, comments.targets, strict=True):
        if row.sum() != 1:
            continue
        single += 1
        label = reader.read(text).emotion.label
        given += label != UNKNOWN
        right += label == EMOTIONS[int(row.argmax())]
    return {"given": round(given / single, 3), "right_of_given": round(right / max(1, given), 3)}


def milliseconds(reader: TextReader, text: str) -> float:
    """Wall time of one reading."""
    started = time.perf_counter()
    reader.read(text)
    return 1000 * seconds_since(started)


def seconds_since(started: float) -> float:
    """Seconds of wall time."""
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
