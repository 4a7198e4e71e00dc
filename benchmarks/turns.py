"""Turns that are cut off, and how long a caller waits: behind a fixed silence, learnt ones, and a network.

Callers of eight turns are made of the recordings of one speaker each, over the telephone's band. Every third one
hesitates: each turn has a pause of .7 to 1.5 s cut into it, at the quietest place of its middle, as loud as the
recording's own silence. ``cut``: turns with a pause that are ended in it, of all of those; ``later``: without the
first turn of each caller, when nothing is learnt yet. ``wait``: seconds from the end of the last word (as voice
activity sees it) until the turn is over, median of all turns, of fluent callers and of those who hesitate.
``added``: what that is more than with the fixed silence, median::

    python benchmarks/turns.py --manifest MANIFEST.csv --callers 24
    python benchmarks/turns.py --manifest MANIFEST.csv --model smart-turn-v3.2-cpu.onnx

With ``pip install --no-deps pipecat-ai``, or the file named by ``--model``, the network takes part.
"""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import click
import numpy as np

from emotionlayer_rasa.audio import SAMPLE_RATE, Endpointer, EndpointSettings, Patience, Waveform, load_audio
from emotionlayer_rasa.audio.endpointing import Ended
from emotionlayer_rasa.audio.patience import TurnSettings
from emotionlayer_rasa.audio.turn_detection import SmartTurnDetector, TurnDetector, smart_turn_file
from emotionlayer_rasa.evaluation.voice.degrade import telephone
from emotionlayer_rasa.evaluation.voice.manifest import read_manifest

HOP = SAMPLE_RATE // 100
TURNS = 8
BETWEEN_S = 4.0
"""Seconds between two turns: the assistant answers."""


@dataclass(frozen=True)
class Turn:
    """What a caller says, with silence behind it.

    Attributes:
        samples: 16 kHz.
        pause: where a pause is cut in, first sample and the one after the last; None for a fluent turn.
    """

    samples: np.ndarray
    pause: tuple[int, int] | None


@dataclass(frozen=True)
class Outcome:
    """What became of a turn: whether it was cut; seconds until it was over, None where no speech was found."""

    cut: bool
    wait_s: float | None


class Remembering(TurnDetector):
    """Asks the network once for each sound: the ways that are compared hear the same pauses."""

    def __init__(self, detector: TurnDetector) -> None:
        self._detector = detector
        self._told: dict[int, float] = {}

    def probability(self, samples: np.ndarray) -> float:
        """See :meth:`TurnDetector.probability`."""
        key = hash(samples.tobytes())
        if key not in self._told:
            self._told[key] = self._detector.probability(samples)
        return self._told[key]


def make_turn(samples: np.ndarray, pause_s: float | None, rng: np.random.Generator) -> Turn:
    """The recording between its first and its last sound, and silence as loud as its own behind and in it."""
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    level_db = 10 * np.log10(frames.var(axis=1) + 1e-12)
    loud = np.flatnonzero(level_db > np.percentile(level_db, 95) - 30)
    first, last = loud[0] * HOP, (loud[-1] + 1) * HOP
    amplitude = 10 ** (np.percentile(level_db, 5) / 20)

    def silence(seconds: float) -> np.ndarray:
        return (amplitude * rng.normal(size=int(seconds * SAMPLE_RATE))).astype(np.float32)

    speech, behind = samples[first:last], silence(BETWEEN_S)
    if pause_s is None:
        return Turn(np.concatenate([speech, behind]), None)
    smooth = np.convolve(level_db, np.ones(5) / 5, "same")
    low, high = ((first + share * (last - first)) / HOP for share in (0.35, 0.75))
    at = (int(low) + int(np.argmin(smooth[int(low) : int(high)]))) * HOP - first
    pause = silence(pause_s)
    return Turn(np.concatenate([speech[:at], pause, speech[at:], behind]), (at, at + len(pause)))


def hold_call(turns: list[Turn], settings: TurnSettings, detector: TurnDetector | None) -> list[Outcome]:
    """What becomes of a caller's turns."""
    lead = np.full(SAMPLE_RATE, 1e-5, np.float32) * np.resize([1, -1], SAMPLE_RATE).astype(np.float32)
    sound = np.concatenate([lead, *(turn.samples for turn in turns)])
    endpointing = EndpointSettings()
    patience = Patience(settings, endpointing.trailing_silence_ms, detector, lambda start, end: sound[start:end])
    endpointer = Endpointer(endpointing, patience=patience)
    found = [*endpointer.feed(sound), *endpointer.finish()]
    ends = [(boundary.speech[-1][1], boundary.known_at) for boundary in found if isinstance(boundary, Ended)]
    outcomes, start = [], len(lead)
    for turn in turns:
        mine = [(last, known) for last, known in ends if start <= last - HOP < start + len(turn.samples)]
        word = start + (turn.pause[1] if turn.pause else 0)
        cut = bool(turn.pause) and any(known < word for _, known in mine)
        waits = [known - last for last, known in mine if last > word]
        outcomes.append(Outcome(cut, waits[-1] / SAMPLE_RATE if waits else None))
        start += len(turn.samples)
    return outcomes


def callers(manifests: tuple[Path, ...], count: int) -> Iterator[tuple[bool, list[Turn]]]:
    """Whether a caller hesitates, and the caller's turns; speakers by chance, the same in every run."""
    chance, rng = random.Random(0), np.random.default_rng(0)
    by_speaker: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for manifest in manifests:
        for clip in read_manifest(manifest):
            if (clip.duration_s or 0.0) >= 2.0 and clip.corpus != "emogator":  # which has no words
                by_speaker[clip.speaker_key].append(manifest.parent / clip.path)
    speakers = sorted(key for key, paths in by_speaker.items() if len(paths) >= TURNS)
    for number, speaker in enumerate(chance.sample(speakers, min(count, len(speakers)))):
        hesitates = number % 3 == 0
        yield (
            hesitates,
            [
                make_turn(
                    telephone(Waveform(load_audio(path).samples)).samples,
                    chance.uniform(0.7, 1.5) if hesitates else None,
                    rng,
                )
                for path in chance.sample(by_speaker[speaker], TURNS)
            ],
        )


@click.command()
@click.option(
    "--manifest",
    "manifests",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    required=True,
    help="List of recordings (docs of `emotionlayer evaluate`); more than one may be given.",
)
@click.option("--callers", "count", type=click.IntRange(2), default=24, show_default=True)
@click.option("--model", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Smart Turn's file.")
def main(manifests: tuple[Path, ...], count: int, model: Path | None) -> None:
    """Print, for each way, turns cut and seconds waited."""
    made = list(callers(manifests, count))
    file = model or smart_turn_file()
    network = Remembering(SmartTurnDetector(file)) if file else None
    ways: dict[str, tuple[TurnSettings, TurnDetector | None]] = {
        "fixed 600 ms": (TurnSettings(learn=False), None),
        "learnt": (TurnSettings(), None),
    }
    if network:
        for threshold in (0.5, 0.9):
            for learn in (False, True):
                name = f"network {threshold}{', learnt' if learn else ''}"
                ways[name] = (TurnSettings(threshold=threshold, learn=learn), network)
    hesitant = [hesitates for hesitates, turns in made for _ in turns]
    click.echo(f"{len(made)} callers, {len(hesitant)} turns, {sum(hesitant)} of them with a pause of .7 to 1.5 s")
    click.echo(f"{'':<22}{'cut':>7}{'later':>7}{'wait':>8}{'fluent':>8}{'hesitant':>10}{'added':>8}")
    fixed: list[Outcome] = []
    for name, (settings, detector) in ways.items():
        outcomes = [outcome for _, turns in made for outcome in hold_call(turns, settings, detector)]
        fixed = fixed or outcomes
        cuts = [outcome.cut for outcome, paused in zip(outcomes, hesitant, strict=True) if paused]
        cut, later = statistics.mean(cuts), statistics.mean(cuts[at] for at in range(len(cuts)) if at % TURNS)
        waits = [
            [
                outcome.wait_s
                for outcome, paused in zip(outcomes, hesitant, strict=True)
                if paused in kinds and outcome.wait_s is not None
            ]
            for kinds in ((True, False), (False,), (True,))
        ]
        added = [
            outcome.wait_s - usual.wait_s
            for outcome, usual in zip(outcomes, fixed, strict=True)
            if outcome.wait_s is not None and usual.wait_s is not None
        ]
        every, fluent, slow = map(statistics.median, waits)
        seconds = f"{every:>8.2f}{fluent:>8.2f}{slow:>10.2f}{statistics.median(added):>8.2f}"
        click.echo(f"{name:<22}{cut:>7.0%}{later:>7.0%}{seconds}")


if __name__ == "__main__":
    main()
