"""How soon a reply is heard, beside speaking the whole text at once.

``streamed`` is what the assistant does, sentence by sentence; ``at once`` gives the same voice the whole text in
one piece. Both sides run in turn in one process. Then a language model's writing is imitated: streamed speech
starts with its first sentence, and the other side waits for its last::

    python benchmarks/synthesis.py
    python benchmarks/synthesis.py --engine piper --voice en_US-lessac-low.onnx
"""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from typing import AsyncIterator

import click

from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.synthesis import SpeechStyle, SpeechSynthesizer, SynthesisSettings, create_synthesizer

TEXTS = {
    "en": (
        "I am sorry that your parcel is late. It left our warehouse on Monday, and the carrier has scanned "
        "it twice since then. It should reach you tomorrow before noon. If it does not, I will send you a "
        "new one at once, free of charge. You do not have to pay for the return either. Is there anything "
        "else that I can do for you today? I can send you a message as soon as the parcel arrives. Thank "
        "you for your patience."
    ),
    "it": (
        "Mi dispiace che il pacco sia in ritardo. È partito lunedì dal nostro magazzino, e da allora il "
        "corriere lo ha registrato due volte. Dovrebbe arrivare domani prima di mezzogiorno. Se non arriva, "
        "gliene mando subito un altro, senza spese. Non deve pagare neanche il reso. Posso fare altro per "
        "lei oggi? Le posso mandare un messaggio appena arriva il pacco. Grazie per la pazienza."
    ),
}
"""What is spoken, by language."""


@click.command()
@click.option("--engine", type=click.Choice(["espeak", "piper"]), default="espeak", show_default=True)
@click.option("--voice", help="As in the settings of the engine.")
@click.option("--language", type=click.Choice(sorted(TEXTS)), default="en", show_default=True)
@click.option("--repeats", type=click.IntRange(3), default=15, show_default=True, help="Measurements of each.")
@click.option(
    "--model-speed", type=click.FloatRange(1), default=12.0, show_default=True, help="Words a second it writes."
)
def main(engine: str, voice: str | None, language: str, repeats: int, model_speed: float) -> None:
    """Print milliseconds to the first sound and to the last, real-time factors, and their ratios."""
    synthesizer = create_synthesizer(
        read_settings(SynthesisSettings, {"engine": engine, "voice": voice}, "options")
    )
    assert synthesizer is not None
    asyncio.run(compare(synthesizer, TEXTS[language], language, repeats, model_speed))


async def compare(
    synthesizer: SpeechSynthesizer, text: str, language: str, repeats: int, words_a_second: float
) -> None:
    """Measure both ways in turn and print the medians."""
    await streamed(synthesizer, text, language)
    await at_once(synthesizer, text, language)
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(await streamed(synthesizer, text, language))
        theirs.append(await at_once(synthesizer, text, language))
    click.echo(f"{synthesizer.model}, {language}, {len(text)} characters, median of {repeats}")
    click.echo(f"{'':<10} {'first sound ms':>16} {'last sound ms':>16} {'speech s':>10} {'real-time factor':>18}")
    rows = {"streamed": columns(ours), "at once": columns(theirs)}
    for name, (first, last, speech) in rows.items():
        click.echo(f"{name:<10} {first:>16.0f} {last:>16.0f} {speech:>10.1f} {last / 1000 / speech:>18.4f}")
    (first, last, _), (base_first, base_last, _) = rows["streamed"], rows["at once"]
    click.echo(f"{'ratio':<10} {base_first / first:>15.1f}x {base_last / last:>15.2f}x")

    writing_s = len(text.split()) / words_a_second
    first_ms, _, _ = await streamed(synthesizer, written(text, words_a_second), language)
    waited_ms = 1000 * writing_s + rows["at once"][0]
    click.echo(f"while a model writes {words_a_second:g} words a second ({writing_s:.1f} s for the text):")
    click.echo(
        f"first sound streamed {first_ms:.0f} ms, at once {waited_ms:.0f} ms, ratio {waited_ms / first_ms:.1f}x"
    )


def columns(measured: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """The median of each column."""
    first, last, speech = (statistics.median(column) for column in zip(*measured, strict=True))
    return first, last, speech


async def streamed(
    synthesizer: SpeechSynthesizer, text: str | AsyncIterator[str], language: str
) -> tuple[float, float, float]:
    """Milliseconds to the first chunk and to the last, and seconds of speech."""
    began = time.perf_counter()
    first_ms, speech_s = 0.0, 0.0
    async for chunk in synthesizer.synthesize(text, language=language):
        first_ms = first_ms or 1000 * (time.perf_counter() - began)
        speech_s += chunk.duration_s
    return first_ms, 1000 * (time.perf_counter() - began), speech_s


async def at_once(synthesizer: SpeechSynthesizer, text: str, language: str) -> tuple[float, float, float]:
    """The same of the whole text in one piece: its first sound comes with its last."""
    began = time.perf_counter()
    samples, rate = await synthesizer.speak(text, SpeechStyle(language=language))
    took_ms = 1000 * (time.perf_counter() - began)
    return took_ms, took_ms, len(samples) / rate


async def written(text: str, words_a_second: float) -> AsyncIterator[str]:
    """The text word by word, at a language model's pace."""
    for word in re.findall(r"\s*\S+", text):
        await asyncio.sleep(1 / words_a_second)
        yield word


if __name__ == "__main__":
    main()
