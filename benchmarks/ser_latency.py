"""How long one utterance takes the shipped recognizer, beside the pair of encoders that EmotionLayer runs.

EmotionLayer runs two wav2vec2-large encoders, one for the seven emotions and one for valence, arousal and
dominance. Here they have random weights, which take the same time. Both sides run on one thread, turn by turn in
one process, on the same recording: the encoders in float32 on the samples, the recognizer in its own precision,
from samples to the reading, features and prosody included. Needs the extra ``train``::

    python benchmarks/ser_latency.py --seconds 4
"""

from __future__ import annotations

import os
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Callable

import click
import numpy as np
from threadpoolctl import threadpool_limits

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio

PAIR, OURS = "two wav2vec2-large, float32", "the recognizer"

RECORDING = Path(__file__).parent.parent / "tests" / "data" / "en_complaint.flac"


@click.command()
@click.option("--seconds", type=click.FloatRange(0.5, 60), default=4.0, show_default=True, help="Of speech.")
@click.option("--repeats", type=click.IntRange(3), default=7, show_default=True, help="Measurements of each.")
@click.option("--model", help="open (default), research, or path of an ONNX model.")
def main(seconds: float, repeats: int, model: str | None) -> None:
    """Print milliseconds (median), their ratio to the pair's, and the memory that the recognizer adds."""
    waveform = Waveform(np.resize(load_audio(RECORDING).samples, int(seconds * SAMPLE_RATE)))

    before = resident_mb()
    from emotionlayer_rasa.emotion import EmotionSettings, create_recognizer

    recognizer = create_recognizer(EmotionSettings(model=model))
    recognizer.recognize(waveform)
    added = resident_mb() - before

    sides = {PAIR: wav2vec2_pair(waveform), OURS: partial(recognizer.recognize, waveform)}
    taken_ms: dict[str, list[float]] = {name: [] for name in sides}
    with threadpool_limits(1):  # numpy's linear algebra; the engines have settings of their own
        for repeat in range(repeats + 1):
            for name, side in sides.items():
                if repeat:  # the first one warms up
                    taken_ms[name].append(milliseconds(side))
                else:
                    side()

    click.echo(f"{recognizer.model}, one utterance of {seconds:g} s, 1 thread, median of {repeats}")
    median = {name: statistics.median(measured) for name, measured in taken_ms.items()}
    for name, measured in taken_ms.items():
        spread = f"{min(measured):.1f} to {max(measured):.1f}"
        click.echo(f"{name:<46} {median[name]:8.1f} ms {median[PAIR] / median[name]:8.1f} x   ({spread})")
    click.echo(f"{'memory added by the recognizer, libraries too':<46} {added:8.0f} MB   (resident)")


def wav2vec2_pair(waveform: Waveform) -> Callable[[], None]:
    """Two wav2vec2-large encoders (the layout of xlsr-53: 24 layers of 1024) with random weights, run in turn."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.set_num_threads(1)
    config = Wav2Vec2Config(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        conv_bias=True,
        do_stable_layer_norm=True,
    )
    encoders = [Wav2Vec2Model(config).eval() for _ in range(2)]
    samples = torch.from_numpy(waveform.samples)[None]

    def run() -> None:
        with torch.inference_mode():
            for encoder in encoders:
                scaled = (samples - samples.mean()) / (samples.std() + 1e-7)
                encoder(scaled).last_hidden_state.mean(dim=1)

    return run


def milliseconds(function: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    began = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - began)


def resident_mb() -> float:
    """Resident memory of this process in MB; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
