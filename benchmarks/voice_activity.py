"""How often each voice-activity detector is wrong, on clean, noisy and telephone speech, and how long it takes.

Recordings of clean speech get a second of silence at both ends. Where there is speech is measured in the clean
sound: frames of 10 ms within 35 dB of the loudest ones, gaps of up to 0.2 s between them filled. Then pink noise
is added, or the sound is sent through a telephone band. ``miss`` is the share of speech, by frame, that a detector
does not find; ``false`` the share of the rest that it takes for speech; ``balanced`` the mean of both. Below are
the utterances that the endpointer makes of it: ``lost`` is speech outside of them, ``split`` how many of them a
recording gives, ``time`` processor time per second of sound::

    python benchmarks/voice_activity.py --folder RECORDINGS --count 60
"""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path
from typing import Callable, Iterator, Mapping

import click
import numpy as np
from scipy.ndimage import binary_closing

from emotionlayer_rasa.audio import SAMPLE_RATE, Endpointer, EndpointSettings, Waveform, load_audio
from emotionlayer_rasa.audio.endpointing import Ended, Started
from emotionlayer_rasa.audio.voice_activity import (
    SileroDetector,
    VoiceActivityDetector,
    WebRtcDetector,
    silero_file,
)
from emotionlayer_rasa.evaluation.voice.degrade import add_noise, telephone

TESTS = Path(__file__).parent.parent / "tests" / "data"
HOP = SAMPLE_RATE // 100


def noisy(snr_db: float) -> Callable[[Waveform], Waveform]:
    """Adds pink noise."""
    return lambda waveform: add_noise(waveform, 1, snr_db=snr_db)


CONDITIONS: Mapping[str, Callable[[Waveform], Waveform]] = {
    "clean": lambda waveform: waveform,
    "20 dB": noisy(20.0),
    "10 dB": noisy(10.0),
    "5 dB": noisy(5.0),
    "telephone": telephone,
}


def detectors() -> Iterator[tuple[str, float, Callable[[], VoiceActivityDetector]]]:
    """Name, threshold and maker of what is compared."""
    file = silero_file()
    if file:
        for threshold in (0.2, 0.35, 0.5):
            yield f"silero, from {threshold}", threshold, lambda: SileroDetector(file)
    for mode in (1, 2, 3):
        yield f"webrtc, mode {mode}", 0.5, lambda mode=mode: WebRtcDetector(mode)  # type: ignore[misc]


def speech_frames(samples: np.ndarray) -> np.ndarray:
    """Which frames of 10 ms are speech, in clean sound: bool (frames,)."""
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    level_db = 10 * np.log10(frames.var(axis=1) + 1e-12)
    loud = level_db > np.percentile(level_db[level_db > -100], 95) - 35
    return binary_closing(np.pad(loud, 20), np.ones(20))[20:-20]


def decisions(detector: VoiceActivityDetector, threshold: float, samples: np.ndarray, count: int) -> np.ndarray:
    """What the detector says, by frames of 10 ms: bool (count,)."""
    whole = samples[: len(samples) // detector.frame * detector.frame].reshape(-1, detector.frame)
    said = [detector.probability(frame) >= threshold for frame in whole]
    middle = (np.arange(count) * HOP + HOP // 2) // detector.frame
    return np.array(said)[np.minimum(middle, len(said) - 1)]


def utterances(detector: VoiceActivityDetector, threshold: float, samples: np.ndarray) -> list[tuple[int, int]]:
    """Where the endpointer finds utterances, in samples."""
    endpointer = Endpointer(EndpointSettings(threshold=threshold), detector)
    found = [*endpointer.feed(samples), *endpointer.finish()]
    starts = [boundary.sample for boundary in found if isinstance(boundary, Started)]
    return list(zip(starts, [end.sample for end in found if isinstance(end, Ended)], strict=True))


@click.command()
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=TESTS,
    show_default=True,
    help="FLAC or WAV files of clean speech, below it.",
)
@click.option("--count", type=click.IntRange(1), default=60, show_default=True, help="Recordings, by chance.")
def main(folder: Path, count: int) -> None:
    """Print percentages and processor time, a line for each detector and condition."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".wav"))
    paths = random.Random(0).sample(paths, min(count, len(paths)))
    clips = [np.pad(load_audio(path).samples, SAMPLE_RATE) for path in paths]
    truths = [speech_frames(clip) for clip in clips]
    sounds = {name: [change(Waveform(clip)).samples for clip in clips] for name, change in CONDITIONS.items()}
    seconds = sum(len(clip) for clip in clips) / SAMPLE_RATE
    click.echo(f"{len(paths)} recordings of {folder}, {seconds:.0f} s, {np.concatenate(truths).mean():.0%} speech")
    click.echo(f"{'':<20}{'':<11}{'miss':>7}{'false':>7}{'balanced':>10}{'lost':>8}{'split':>7}{'time':>9}")
    for name, threshold, make in detectors():
        balanced = []
        for condition, heard in sounds.items():
            began = time.process_time()
            said = [
                decisions(make(), threshold, clip, len(truth)) for clip, truth in zip(heard, truths, strict=True)
            ]
            took = (time.process_time() - began) / seconds
            truth, answer = np.concatenate(truths), np.concatenate(said)
            miss, false = float(np.mean(~answer[truth])), float(np.mean(answer[~truth]))
            balanced.append((miss + false) / 2)
            spans = [utterances(make(), threshold, clip) for clip in heard]
            lost = 1 - sum(covered(*pair) for pair in zip(spans, truths, strict=True)) / truth.sum()
            split = sum(map(len, spans)) / len(spans)
            click.echo(
                f"{name:<20}{condition:<11}{miss:>7.1%}{false:>7.1%}{balanced[-1]:>10.1%}{lost:>8.1%}{split:>7.2f}"
                f"{1000 * took:>6.1f} ms"
            )
        click.echo(f"{name:<20}{'mean':<11}{'':>14}{statistics.mean(balanced):>10.1%}")


def covered(spans: list[tuple[int, int]], truth: np.ndarray) -> int:
    """Frames of speech inside the utterances."""
    inside = np.zeros(len(truth), bool)
    for start, end in spans:
        inside[start // HOP : -(-end // HOP)] = True
    return int((inside & truth).sum())


if __name__ == "__main__":
    main()
