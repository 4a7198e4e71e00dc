"""Calls heard while they go on: how late, how many at a time, how much memory, and is the emotion the same.

``latency``: recordings come in at the pace at which they were spoken; from the moment at which the configured
silence after the last speech is over, how long does the final event take? ``decode``: processor time of the
transcriber alone, with recognisers that are kept beside new ones for each utterance, first for recordings that it
never heard, then for the same ones again. ``load``: the latency with many calls at once, and how far the hearing
of them falls behind; callers talk half of the time, in turns, as in a conversation (``--talk 0.5``), or without a
break (``--talk 1``); the later ones say what the first ones did not. ``--prepare``: the recognisers are warmed up
before, as a server does after its start. ``memory``: resident memory after 50
utterances and after many more, fed as fast as they are heard; its curve is a sawtooth, since Vosk's recognisers
fill their tables and are replaced in time, so means over 100 utterances, some teeth each, are given too.
``labels``: the final emotion of streamed recordings beside that which the listener gives for the file. One
transcriber, one process, events taken by the loop that feeds. On a machine that is busy with other things look at
the processor time, or let the callers speak so many times slower (``--slow 5``; times are given as theirs)::

    python benchmarks/streaming.py --part latency --part decode
    python benchmarks/streaming.py --part load --calls 8 --talk 0.5 --talk 1
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
from typing import Any, Awaitable, Callable, Mapping

import click
import numpy as np

from emotionlayer_rasa.audio import SAMPLE_RATE, load_audio
from emotionlayer_rasa.hearing import Discarded, Final, Interim, Listener, ListenerSettings, LiveSession
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.transcription import TranscriptionSettings, create_transcriber

TESTS = Path(__file__).parent.parent / "tests" / "data"
FRAME_S = 0.02
SILENCE = bytes(2 * SAMPLE_RATE)
"""One second."""


def pcm(path: Path) -> bytes:
    """A recording as 16 kHz PCM."""
    return (load_audio(path).samples * 32767).astype("<i2").tobytes()


class Call:
    """One caller: feeds recordings and notes when the utterances are over.

    Args:
        listener: hears.
        slow: seconds in which a second is spoken, also an attribute.

    Attributes:
        late_ms: of each utterance, milliseconds from the end of the configured silence to its event.
        behind_s: the most sound that waited to be heard, seconds.
        finals: what was heard.
        interims: how often the emotion was read while the caller spoke.
    """

    def __init__(self, listener: Listener, slow: float = 1.0) -> None:
        endpointing = listener.settings.live.endpointing
        self._wait_s = (endpointing.trailing_silence_ms - endpointing.post_roll_ms) / 1000
        self._listener = listener
        self.slow = slow
        self.late_ms: list[float] = []
        self.behind_s = 0.0
        self.finals: list[Final] = []
        self.interims = 0

    async def speak(self, data: bytes, paced: bool = True, after_s: float = 0.0) -> None:
        """Say ``data`` (PCM, 16 kHz) in one session, at the pace of speech or as fast as it is heard."""
        await asyncio.sleep(after_s)
        async with self._listener.open_session() as session:
            began = time.perf_counter()
            feeding = asyncio.create_task(self._feed(session, data, began if paced else None))
            async for event in session:
                if isinstance(event, (Final, Discarded)):
                    said_s = (time.perf_counter() - began) / self.slow
                    self.late_ms.append(1000 * (said_s - event.end_s - self._wait_s))
                if isinstance(event, Final):
                    self.finals.append(event)
                self.interims += isinstance(event, Interim)
            await feeding

    async def _feed(self, session: LiveSession, data: bytes, began: float | None) -> None:
        size = int(FRAME_S * SAMPLE_RATE) * 2
        for start in range(0, len(data), size):
            if began is None:
                while session.behind_s > 1:
                    await asyncio.sleep(0.002)
            else:  # a frame is sent when it has been spoken
                due = began + self.slow * (start + size) / 2 / SAMPLE_RATE
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
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
    """All calls at once; processor time, and the longest stall of the event loop, seconds."""
    over = asyncio.Event()
    stall = asyncio.create_task(longest_stall(over))
    processor = time.process_time()
    apart_s = FRAME_S * calls[0].slow / len(calls)  # frames of different calls do not come at the same moment
    await asyncio.gather(
        *(
            call.speak(sound, after_s=n * apart_s)
            for n, (call, sound) in enumerate(zip(calls, sounds, strict=True))
        )
    )
    used = time.process_time() - processor
    over.set()
    return used, await stall


def percentiles(values: list[float]) -> str:
    """Median and 95th percentile."""
    return f"p50 {np.percentile(values, 50):.0f} ms, p95 {np.percentile(values, 95):.0f} ms" if values else "none"


async def latency(listener: Listener, options: Mapping[str, Any]) -> None:
    """One call."""
    call = Call(listener, options["slow"])
    sound = b"".join(recordings(options, 12))
    used, stall = await spoken([call], [sound])
    click.echo(
        f"latency: {len(call.late_ms)} utterances, final event after the silence: {percentiles(call.late_ms)}"
    )
    click.echo(
        f"latency: {used / seconds(sound):.2f} s of processor time a second, "
        f"event loop stood still for at most {1000 * stall:.0f} ms"
    )


async def decode(listener: Listener, options: Mapping[str, Any]) -> None:
    """The transcriber alone; only Vosk keeps recognisers."""
    settings = listener.settings.transcription
    new = settings.copy(update={"vosk": settings.vosk.copy(update={"kept_recognizers": 0})})
    sounds = recordings(options, options["count"])
    length_s = sum(map(seconds, sounds))
    click.echo(f"decode: {len(sounds)} recordings, {length_s:.0f} s, processor time a second of sound:")
    alone = await asyncio.to_thread(decoded, new, sounds)
    for name in ("first time", "again"):
        used = await asyncio.to_thread(decoded, settings, sounds)
        click.echo(
            f"decode: {name}: new recognisers {alone / length_s:.3f} s, kept ones {used / length_s:.3f} s, "
            f"ratio {alone / used:.2f}"
        )


def decoded(settings: TranscriptionSettings, sounds: list[bytes]) -> float:
    """Processor time, seconds, in which all are transcribed as streams, one after the other."""
    transcriber = create_transcriber(settings)
    block = int(0.2 * SAMPLE_RATE)
    began = time.process_time()
    for sound in sounds:
        samples = np.frombuffer(sound, "<i2").astype(np.float32) / 32767
        stream = transcriber.stream()
        for start in range(0, len(samples), block):
            stream.accept(samples[start : start + block])
        stream.finish()
    return time.process_time() - began


async def load(listener: Listener, options: Mapping[str, Any]) -> None:
    """Many calls: the first ones, which begin with new (or prepared) recognisers, then for each share of talk."""
    count = options["calls"]
    shares = options["talk"] or (0.5, 1.0)
    turns = [pcm(path) for path in chosen(options, options["count"])]
    first, later = turns[::2], turns[1::2] or turns
    for name, talk, said in [("first", shares[0], first), *(("later", share, later) for share in shares)]:
        calls = [Call(listener, options["slow"]) for _ in range(count)]
        sounds = [conversation(said, talk, options["seconds"], number) for number in range(count)]
        used, stall = await spoken(calls, sounds)
        late_ms = [late for call in calls for late in call.late_ms]
        length_s = sum(map(seconds, sounds))
        click.echo(
            f"load: {name} {count} calls of {options['seconds']:g} s, {talk:.0%} talk, {len(late_ms)} utterances, "
            f"{percentiles(late_ms)}, at most {max(call.behind_s for call in calls):.1f} s behind"
        )
        click.echo(
            f"load: {used / length_s:.3f} s of processor time a second of a call, {used * count / length_s:.2f} "
            f"of {os.cpu_count()} cores, {sum(call.interims for call in calls)} interim readings, "
            f"event loop stood still for at most {1000 * stall:.0f} ms"
        )


async def prepare(listener: Listener, options: Mapping[str, Any]) -> None:
    """A stream for each call."""
    before, began = resident_mb(), time.process_time()
    for _ in range(options["calls"]):
        await asyncio.to_thread(listener.engines.transcriber.prepare)
    click.echo(
        f"prepare: {options['calls']} recognisers, {time.process_time() - began:.1f} s of processor time, "
        f"{resident_mb() - before:.0f} MB"
    )


def conversation(said: list[bytes], talk: float, length_s: float, number: int) -> bytes:
    """What the caller with this number says: recordings, after each the silence that leaves this share of talk."""
    size = int(length_s * SAMPLE_RATE) * 2
    turns = [turn + bytes(int(len(turn) * (1 / talk - 1)) // 2 * 2) for turn in said]
    random.Random(number).shuffle(turns)
    return (b"".join(turns) * (1 + size // sum(map(len, turns))))[:size]


def seconds(sound: bytes) -> float:
    """How long it is."""
    return len(sound) / 2 / SAMPLE_RATE


async def memory(listener: Listener, options: Mapping[str, Any]) -> None:
    """One utterance after the other, ten a call; the memory is read after each call."""
    wanted = options["utterances"]
    sounds = recordings(options, 12)
    heard, resident = [0], [resident_mb()]
    while heard[-1] < wanted:
        call = Call(listener)
        await call.speak(b"".join(random.Random(heard[-1]).choices(sounds, k=10)), paced=False)
        gc.collect()
        heard.append(heard[-1] + len(call.late_ms))
        resident.append(resident_mb())
    begin = next(n for n, count in enumerate(heard) if count >= 50)
    click.echo(
        f"memory: {resident[begin]:.0f} MB after {heard[begin]} utterances, {resident[-1]:.0f} MB after "
        f"{heard[-1]}, ratio {resident[-1] / resident[begin]:.3f}"
    )
    window = next(n for n, count in enumerate(heard) if count >= 150) - begin
    means = [float(np.mean(resident[n : n + window])) for n in range(begin, len(heard) - window + 1)]
    click.echo(
        f"memory: mean over 100 utterances: first {means[0]:.0f} MB, highest {max(means):.0f} MB, last "
        f"{means[-1]:.0f} MB, ratio {means[-1] / means[0]:.3f}"
    )


async def labels(listener: Listener, options: Mapping[str, Any]) -> None:
    """Streamed beside whole."""
    same = best = 0
    paths = chosen(options, options["count"])
    for path in paths:
        whole = (await listener.hear(path.read_bytes(), transcript=False)).emotion
        call = Call(listener)
        await call.speak(pcm(path) + SILENCE, paced=False)
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


def chosen(options: Mapping[str, Any], count: int) -> list[Path]:
    """Recordings of the folder, drawn by chance but always the same."""
    paths = sorted(path for path in Path(str(options["folder"])).rglob("*") if path.suffix in (".flac", ".wav"))
    return random.Random(0).sample(paths, min(count, len(paths)))


def recordings(options: Mapping[str, Any], count: int) -> list[bytes]:
    """Their sound, each with a second of silence after it."""
    return [pcm(path) + SILENCE for path in chosen(options, count)]


def resident_mb() -> float:
    """Resident memory of this process in MB; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


PARTS: dict[str, Callable[[Listener, Mapping[str, Any]], Awaitable[None]]] = {
    "latency": latency,
    "decode": decode,
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
@click.option(
    "--talk", type=click.FloatRange(0.05, 1), multiple=True, help="Share of the time (load); else .5 and 1."
)
@click.option("--slow", type=click.FloatRange(1), default=1.0, show_default=True, help="Times slower than speech.")
@click.option("--max-active", type=click.IntRange(200), help="Of Vosk; else as the model has it.")
@click.option("--utterances", type=click.IntRange(250), default=300, show_default=True, help="In all (memory).")
@click.option("--count", type=click.IntRange(1), default=60, show_default=True, help="Recordings, at most.")
@click.option("--prepare", is_flag=True, help="Warm up a recogniser for each of the calls before.")
@click.option("--interim/--no-interim", default=True, show_default=True, help="Read the emotion while they speak.")
def main(
    parts: tuple[str, ...], language: str, engine: str, max_active: int | None, interim: bool, **options: object
) -> None:
    """Print the figures, a line or two for each part."""
    live = {"max_live": 256, "max_behind_s": 60, "interim_every_s": 1.0 if interim else 0.0}
    transcription = {"language": language, "engine": engine, "vosk": {"max_active": max_active}}
    settings = {"transcription": transcription, "live": live}
    listener = Listener(read_settings(ListenerSettings, settings, "benchmark"))

    async def measure() -> None:
        await listener.warm_up()
        await Call(listener).speak(SILENCE, paced=False)  # loads the detector
        engines = listener.engines
        click.echo(f"{engines.transcriber.model}, {engines.recognizer.model}, recordings of {options['folder']}")
        if options["prepare"]:
            await prepare(listener, options)
        for part in parts or PARTS:
            await PARTS[part](listener, options)

    asyncio.run(measure())
    listener.close()


if __name__ == "__main__":
    main()
