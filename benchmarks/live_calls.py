"""How soon a live call is understood and answered, how many keep up at once, and what memory they take.

Against a running server, for example the repository's assistant::

    rasa run actions &
    rasa run --enable-api &
    python benchmarks/live_calls.py --audio tests/data/en_order.flac --calls 1 4 --pid $(pgrep -f "rasa run --")

Each call speaks the recording in real time, waits until it is answered, and speaks it again. Times count from the
end of the speech in the recording, the configured trailing silence included; the first number of calls is the
baseline of the others. For a soak test ``--utterances 1000 --pace 8`` speaks eight times as fast.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from websockets.legacy.client import WebSocketClientProtocol, connect

FRAME_S = 0.05
QUIET = 10 ** (-45 / 20)
STAGES = ("text", "bot", "speech")


@dataclass
class Times:
    """Seconds from the end of speech, a value an utterance."""

    text: list[float] = field(default_factory=list)
    bot: list[float] = field(default_factory=list)
    speech: list[float] = field(default_factory=list)


class Caller:
    """One call that speaks, and notes when what comes back."""

    def __init__(self, url: str, samples: np.ndarray, rate: int, pace: float, times: Times) -> None:
        self._url = url
        self._samples = samples
        self._rate = rate
        self._pace = pace
        self._times = times
        self._came: dict[str, float] = {}
        self._answered = asyncio.Event()

    async def speak(self, utterances: int, after_s: float) -> None:
        """Hold the call; calls do not begin all at once."""
        await asyncio.sleep(after_s)
        async with connect(self._url, max_size=None) as socket:
            config = {"sample_rate": self._rate, "events": True, "interim": False, "speech": "pcm16"}
            await socket.send(json.dumps({"config": config}))
            reading = asyncio.create_task(self._read(socket))
            for number in range(utterances):
                await self._say(socket, first=number == 0)
            await socket.close()
            await reading

    async def _say(self, socket: WebSocketClientProtocol, first: bool) -> None:
        self._came.clear()
        self._answered.clear()
        step = int(self._rate * FRAME_S)
        loud = np.flatnonzero(np.abs(self._samples) > QUIET * 32768)
        speech_s = (loud[-1] + 1) / self._rate
        began = time.perf_counter()
        position = 0
        silence = bytes(2 * step)
        while not self._answered.is_set():
            frame = self._samples[position : position + step].tobytes()
            await socket.send(frame or silence)
            position += step
            sent_s = position / self._rate
            await asyncio.sleep(max(0.0, began + sent_s / self._pace - time.perf_counter()))
            if sent_s > 120:
                raise SystemExit("No answer within two minutes. Look at the server's log.")
        if first:  # models load, and the disclosure comes with the first answer
            return
        end = began + speech_s / self._pace
        for stage in STAGES:
            if stage in self._came:
                getattr(self._times, stage).append(self._came[stage] - end)

    async def _read(self, socket: WebSocketClientProtocol) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                continue
            event = json.loads(message)
            if "error" in event:
                raise SystemExit(f"{event['error']['code']}: {event['error']['message']}")
            for stage in STAGES:
                if stage in event and "end" not in (event[stage] or {}):
                    self._came.setdefault(stage, time.perf_counter())
            if "analysed" in event.get("state", {}) and "text" in self._came:
                await asyncio.sleep(0.5)  # for the speech of a short answer
                self._answered.set()


def memory_mb(pid: int | None) -> float | None:
    """Resident memory of a process, MB (Linux)."""
    if pid is None:
        return None
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


async def measure(arguments: argparse.Namespace) -> None:
    """Print a row for each number of calls."""
    samples, rate = soundfile.read(arguments.audio, dtype="int16")
    baseline: dict[str, float] = {}
    print(f"{'calls':>5} {'stage':<7} {'n':>5} {'p50 s':>7} {'p95 s':>7} {'p50 / first':>12}")
    for calls in arguments.calls:
        times = Times()
        before = memory_mb(arguments.pid)
        callers = [Caller(arguments.url, samples, rate, arguments.pace, times) for _ in range(calls)]
        apart_s = len(samples) / rate / arguments.pace / calls
        await asyncio.gather(
            *(caller.speak(arguments.utterances + 1, number * apart_s) for number, caller in enumerate(callers))
        )
        for stage in STAGES:
            values = getattr(times, stage)
            if values:
                p50, p95 = np.percentile(values, (50, 95))
                ratio = p50 / baseline.setdefault(stage, p50)
                print(f"{calls:>5} {stage:<7} {len(values):>5} {p50:>7.2f} {p95:>7.2f} {ratio:>12.2f}")
        if before is not None:
            after = memory_mb(arguments.pid)
            print(f"{calls:>5} memory  {before:.0f} MB before, {after:.0f} MB after")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="ws://localhost:5005/webhooks/voice/stream")
    parser.add_argument("--audio", type=Path, required=True, help="a recording of one utterance, one channel")
    parser.add_argument("--utterances", type=int, default=20, help="of each call, after a first one")
    parser.add_argument("--calls", type=int, nargs="+", default=[1], help="calls at the same time, one run each")
    parser.add_argument("--pace", type=float, default=1.0, help="times as fast as real time")
    parser.add_argument("--pid", type=int, help="the server's process, for its memory")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
