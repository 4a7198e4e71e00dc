"""The whole network that ships: frozen encoders and trained head in one graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from emotionlayer_rasa.training.export import export_onnx
from emotionlayer_rasa.training.head import Head
from emotionlayer_rasa.training.speech_encoder import PooledEncoder

SECOND = 16_000


class Network(nn.Module):
    """Waveform (1, n) and prosody (1, k) to logits (1, 8) and valence, arousal, dominance (1, 3)."""

    def __init__(self, encoder: PooledEncoder, head: Head) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, waveform: torch.Tensor, prosody: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class."""
        return self.head(self.encoder(waveform), prosody)


def export_encoder(encoder: PooledEncoder, path: Path) -> None:
    """Write the encoders alone, quantised: ``waveform`` (1, n) to ``features`` (1, size)."""
    export_onnx(encoder, {"waveform": _example()}, ["features"], path, {"waveform": {1: "samples"}})


def export_network(network: Network, path: Path) -> None:
    """Write the whole network, quantised, as :class:`emotionlayer_rasa.emotion.onnx_recognizer` takes it."""
    prosody = torch.zeros(1, len(network.head.prosody_mean))
    export_onnx(
        network,
        {"waveform": _example(), "prosody": prosody},
        ["logits", "vad"],
        path,
        {"waveform": {1: "samples"}},
    )


def largest_difference(network: Network, path: Path, waveforms: list[np.ndarray]) -> float:
    """Largest absolute difference of a probability between torch and the exported file, over the waveforms."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    prosody = np.full((1, len(network.head.prosody_mean)), np.nan, dtype=np.float32)
    worst = 0.0
    for samples in waveforms:
        exported = session.run(["logits"], {"waveform": samples[None], "prosody": prosody})[0]
        with torch.inference_mode():
            logits, _ = network(torch.from_numpy(samples[None]), torch.from_numpy(prosody))
        worst = max(worst, float(np.abs(np.exp(exported) - np.exp(logits.numpy())).max()))
    return worst


def _example() -> torch.Tensor:
    return torch.randn(1, 2 * SECOND, generator=torch.Generator().manual_seed(0)) * 0.1
