"""Calls heard while they go on: how late, how many at a time, how much memory, and is the emotion the same.

``latency``: recordings come in at the pace at which they were spoken; from the moment at which the configured
silence after the last speech is over, how long does the final event take? ``load``: the same with many calls at
once, and how far the hearing of them falls behind. ``memory``: resident memory after 50 utterances and after many
more, fed as fast as they are heard. ``labels``: the final emotion of streamed recordings beside that which the
listener gives for the whole file. One transcriber, one process, events taken by the loop that feeds::

    python benchmarks/streaming.py --part latency --part load --calls 8
    python benchmarks/streaming.py --part labels --folder RECORDINGS --count 60
    python benchmarks/streaming.py --part memory --utterances 1000
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time
from pathlib import Path
from typing import Awaitable, Callable, Mapping

import click
import numpy as np

from emotionlayer_rasa.audio import SAMPLE_RATE, load_audio
from emotionlayer_rasa.listener import Listener, ListenerSettings
from emotionlayer_rasa.live import Discarded, Final, LiveSession
from emotionlayer_rasa.settings import read_settings

TESTS = Path(__file__).parent.parent / "tests" / "data"
FRAME_S = 0.02
SILENCE = bytes(2 * SAMPLE_RATE)
"""One second after each recording."""


def pcm(path: Path) -> bytes:
    """A recording as 16 kHz PCM, and a second of silence."""
    return (load_audio(path).samples * 32767).astype("<i2").tobytes() + SILENCE


class Call:
    """One caller: feeds recordings and notes when the utterances are over.

    Attributes:
        late_ms: of each utterance, milliseconds from the end of the configured silence to its event.
        behind_s: the most sound that waited to be heard, seconds.
        finals: what was heard.
    """

    def __init__(self, listener: Listener) -> None:
        endpointing = listener.settings.live.endpointing
        self._wait_s = (endpointing.trailing_silence_ms - endpointing.post_roll_ms) / 1000
        self._listener = listener
        self.late_ms: list[float] = []
        self.behind_s = 0.0
        self.finals: list[Final] = []

    async def speak(self, data: bytes, paced: bool = True) -> None:
        """Say ``data`` (PCM, 16 kHz) in one session, at the pace of speech or as fast as it is heard."""
        async with self._listener.live() as session:
            began = time.perf_counter()
            feeding = asyncio.create_task(self._feed(session, data, began if paced else None))
            async for event in session:
                if isinstance(event, (Final, Discarded)):
                    self.late_ms.append(1000 * (time.perf_counter() - began - event.end_s - self._wait_s))
                if isinstance(event, Final):
                    self.finals.append(event)
            await feeding

    async def _feed(self, session: LiveSession, data: bytes, began: float | None) -> None:
        size = int(FRAME_S * SAMPLE_RATE) * 2
        for start in range(0, len(data), size):
            if began is None:
                while session.behind_s > 1:
                    await asyncio.sleep(0.002)
            else:  # a frame is sent when it has been spoken
                await asyncio.sleep(max(0.0, began + (start + size) / 2 / SAMPLE_RATE - time.perf_counter()))
                self.behind_s = max(self.behind_s, session.behind_s)
            session.feed(data[start : start + size])
        session.eof()


async def longest_stall(until: asyncio.Event) -> float:
    """The longest time, seconds, for which the event loop did not come back."""
    longest, last = 0.0, time.perf_counter()
    while not until.is_set():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, last = max(longest, now - last - 0.005), now
    return longest


async def spoken(calls: list[Call], sounds: list[bytes]) -> tuple[float, float]:
    """All calls at once; processor time per second, and the longest stall of the event loop, seconds."""
    over = asyncio.Event()
    stall = asyncio.create_task(longest_stall(over))
    began, processor = time.perf_counter(), time.process_time()
    await asyncio.gather(*(call.speak(sound) for call, sound in zip(calls, sounds, strict=True)))
    used = (time.process_time() - processor) / (time.perf_counter() - began)
    over.set()
    return used, await stall


def percentiles(values: list[float]) -> str:
    """Median and 95th percentile."""
    return f"p50 {np.percentile(values, 50):.0f} ms, p95 {np.percentile(values, 95):.0f} ms" if values else "none"


async def latency(listener: Listener, options: Mapping[str, object]) -> None:
    """One call."""
    call = Call(listener)
    used, stall = await spoken([call], [b"".join(recordings(options, 12))])
    click.echo(
        f"latency: {len(call.late_ms)} utterances, final event after the silence: {percentiles(call.late_ms)}"
    )
    click.echo(f"latency: {used:.2f} cores, event loop stood still for at most {1000 * stall:.0f} ms")


async def load(listener: Listener, options: Mapping[str, object]) -> None:
    """Many calls."""
    count, seconds = int(str(options["calls"])), float(str(options["seconds"]))
    size = int(seconds * SAMPLE_RATE) * 2
    sounds = recordings(options, 12)
    calls = [Call(listener) for _ in range(count)]
    mixed = [(b"".join(sounds[index % len(sounds) :] + sounds) * 9)[:size] for index in range(count)]
    used, stall = await spoken(calls, mixed)
    late_ms = [late for call in calls for late in call.late_ms]
    behind = max(call.behind_s for call in calls)
    click.echo(f"load: {count} calls of {seconds:g} s, {len(late_ms)} utterances, {percentiles(late_ms)}")
    click.echo(
        f"load: at most {behind:.1f} s behind, {used:.2f} cores of {os.cpu_count()}, "
        f"event loop stood still for at most {1000 * stall:.0f} ms"
    )


async def memory(listener: Listener, options: Mapping[str, object]) -> None:
    """One utterance after the other, ten a call."""
    wanted = int(str(options["utterances"]))
    sounds = recordings(options, 12)
    heard, first = 0, 0.0
    while heard < wanted:
        call = Call(listener)
        await call.speak(b"".join(random.Random(heard).choices(sounds, k=10)), paced=False)
        heard += len(call.late_ms)
        if heard >= 50 and not first:
            gc.collect()
            first, at = resident_mb(), heard
    gc.collect()
    click.echo(f"memory: {first:.0f} MB after {at} utterances, {resident_mb():.0f} MB after {heard}")


async def labels(listener: Listener, options: Mapping[str, object]) -> None:
    """Streamed beside whole."""
    same = best = 0
    paths = chosen(options, int(str(options["count"])))
    for path in paths:
        whole = (await listener.hear(path.read_bytes(), transcript=False)).emotion
        call = Call(listener)
        await call.speak(pcm(path), paced=False)
        if not call.finals:
            click.echo(f"labels: nothing heard in {path.name}")
            continue
        final = max(call.finals, key=lambda final: final.utterance.duration_s)
        same += final.utterance.emotion.label == whole.label
        best += [name for name, _ in final.utterance.emotion.best(1)] == [name for name, _ in whole.best(1)]
    click.echo(
        f"labels: {same} of {len(paths)} the same ({same / len(paths):.1%}); most probable emotion, whatever the "
        f"confidence: {best / len(paths):.1%}"
    )


def chosen(options: Mapping[str, object], count: int) -> list[Path]:
    """Recordings of the folder, drawn by chance but always the same."""
    paths = sorted(path for path in Path(str(options["folder"])).rglob("*") if path.suffix in (".flac", ".wav"))
    return random.Random(0).sample(paths, min(count, len(paths)))


def recordings(options: Mapping[str, object], count: int) -> list[bytes]:
    """Their sound."""
    return [pcm(path) for path in chosen(options, count)]


def resident_mb() -> float:
    """Resident memory of this process in MB; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


PARTS: dict[str, Callable[[Listener, Mapping[str, object]], Awaitable[None]]] = {
    "latency": latency,
    "load": load,
    "memory": memory,
    "labels": labels,
}


@click.command()
@click.option("--part", "parts", type=click.Choice(list(PARTS)), multiple=True, help="What to measure; else all.")
@click.option("--language", default="ko", show_default=True, help="Of the transcriber.")
@click.option("--engine", type=click.Choice(["vosk", "whisper"]), default="vosk", show_default=True)
@click.option("--folder", type=click.Path(exists=True, file_okay=False), default=str(TESTS), show_default=True)
@click.option("--calls", type=click.IntRange(1), default=8, show_default=True, help="At the same time (load).")
@click.option("--seconds", type=click.FloatRange(5), default=20.0, show_default=True, help="Of each call (load).")
@click.option("--utterances", type=click.IntRange(60), default=300, show_default=True, help="In all (memory).")
@click.option("--count", type=click.IntRange(1), default=60, show_default=True, help="Recordings (labels).")
@click.option("--interim/--no-interim", default=True, show_default=True, help="Read the emotion while they speak.")
def main(parts: tuple[str, ...], language: str, engine: str, interim: bool, **options: object) -> None:
    """Print the figures, a line or two for each part."""
    live = {"max_live": 256, "max_behind_s": 60, "interim_every_s": 1.0 if interim else 0.0}
    settings = {"transcription": {"language": language, "engine": engine}, "live": live}
    listener = Listener(read_settings(ListenerSettings, settings, "benchmark"))

    async def measure() -> None:
        await listener.warm_up()
        await Call(listener).speak(SILENCE, paced=False)  # loads the detector
        click.echo(f"{listener.transcriber.model}, {listener.recognizer.model}, recordings of {options['folder']}")
        for part in parts or PARTS:
            await PARTS[part](listener, options)

    asyncio.run(measure())
    listener.close()


if __name__ == "__main__":
    main()
