"""What the frozen part of the network says about each clip, computed once and kept on disk.

A *view* is one pass over all clips: view 0 is the clips as they are, each further view a random everyday version
of every clip. The encoder is run as the quantised ONNX file that will ship, so that the head is trained on exactly
what it sees in use.
"""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

import numpy as np
import onnxruntime
from rich.progress import track

from emotionlayer_rasa.audio import SAMPLE_RATE, AudioLimits, Waveform, load_audio
from emotionlayer_rasa.emotion.prosody import measure_prosody, prosody_vector
from emotionlayer_rasa.emotion.silence import without_silence
from emotionlayer_rasa.evaluation.voice import Clip
from emotionlayer_rasa.training.augmentation import random_view


@dataclass(frozen=True)
class Activations:
    """Inputs of the head for n clips: pooled activations (n, size), float32, and prosody (n, 10) with NaN."""

    pooled: np.ndarray
    prosody: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Activations:
        """The chosen clips: a boolean mask or indices."""
        return Activations(self.pooled[chosen], self.prosody[chosen])

    def __add__(self, other: Activations) -> Activations:
        """These clips, then the other ones."""
        return Activations(
            np.concatenate([self.pooled, other.pooled]), np.concatenate([self.prosody, other.prosody])
        )


class ActivationStore:
    """Computes activations and keeps them in a folder, one file a view; an interrupted run resumes there.

    Args:
        encoder: the quantised ONNX file: ``waveform`` (1, n) to ``features`` (1, size).
        folder: where the files go; it belongs outside version control.
        max_seconds: clips are cut after this.
        workers: threads.
    """

    def __init__(self, encoder: Path, folder: Path, max_seconds: float, workers: int = 2) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(encoder), options, providers=["CPUExecutionProvider"])
        self._encoder_id = hashlib.sha256(encoder.read_bytes()).hexdigest()[:16]
        self._folder = folder
        self._max_samples = int(max_seconds * SAMPLE_RATE)
        self._workers = workers

    def view(self, clips: Sequence[Clip], index: int, seed: int) -> Activations:
        """Activations of all clips in view ``index``; 0 is the clips as they are."""
        own: dict[tuple[str, str], list[Clip]] = {}
        for clip in clips:
            own.setdefault(clip.speaker_key, []).append(clip)

        def load(place: int) -> np.ndarray:
            samples = read_samples(clips[place].path)
            if index == 0:
                return samples
            rng = np.random.default_rng([seed, index, place])
            # Babble is made of the speaker's own clips, so that no voice crosses a later split by speaker.
            mine = own[clips[place].speaker_key]

            def crowd() -> list[np.ndarray]:
                chosen = rng.choice(len(mine), min(3, len(mine)), replace=False)
                return [read_samples(mine[other].path)[::-1] for other in chosen]

            return random_view(samples, crowd, rng)

        key = [str(clip.path) for clip in clips] + [str(seed if index else 0)]
        return self.compute(load, len(clips), f"view{index}", key)

    def compute(
        self,
        load: Callable[[int], np.ndarray],
        count: int,
        name: str,
        key: Sequence[str],
    ) -> Activations:
        """Activations of the waveforms ``load(0)`` to ``load(count - 1)``, cached under ``name`` and ``key``."""
        how = [self._encoder_id, str(self._max_samples), "without silence"]
        digest = hashlib.sha256("\n".join([*how, *key]).encode()).hexdigest()
        path = self._folder / f"{name}-{digest[:16]}.npz"
        if not path.exists():
            with ThreadPoolExecutor(self._workers) as pool:
                rows = list(
                    track(
                        pool.map(lambda place: self._one(load(place)), range(count)),
                        description=f"activations, {name}",
                        total=count,
                    )
                )
            pooled, prosody = (np.stack(column) for column in zip(*rows, strict=True))
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"partial-{path.name}")
            np.savez(partial, pooled=pooled.astype(np.float16), prosody=prosody)
            partial.replace(path)
        with np.load(path) as stored:
            return Activations(stored["pooled"].astype(np.float32), stored["prosody"])

    def _one(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        prosody = prosody_vector(measure_prosody(Waveform(samples[: self._max_samples])))
        heard = without_silence(samples)[: self._max_samples]
        return self._session.run(None, {"waveform": heard[None]})[0][0], prosody


def read_samples(path: Path) -> np.ndarray:
    """Float32 samples of shape (n,) at 16 kHz; training data are trusted to be of any length."""
    return load_audio(path, AudioLimits(max_bytes=2**30, max_seconds=3600)).samples


def degraded(
    paths: Sequence[Path], degradation: Callable[[Waveform, int], Waveform]
) -> Callable[[int], np.ndarray]:
    """A loader for :meth:`ActivationStore.compute` that damages clips the way ``emotionlayer evaluate`` does."""

    def load(place: int) -> np.ndarray:
        seed = zlib.crc32(paths[place].as_posix().encode())
        return degradation(Waveform(read_samples(paths[place])), seed).samples

    return load
