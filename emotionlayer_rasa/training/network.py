"""The whole network that ships: frozen encoders and trained head in one graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from emotionlayer_rasa.training.export import export_onnx
from emotionlayer_rasa.training.head import OUTPUTS, Head
from emotionlayer_rasa.training.speech_encoder import PooledEncoder

SECOND = 16_000


class Network(nn.Module):
    """Waveform (1, n), prosody (1, k) and shift (1, s) to logits (1, 8), VAD (1, 3) and offset (1, s)."""

    def __init__(self, encoder: PooledEncoder, head: Head) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(
        self, waveform: torch.Tensor, prosody: torch.Tensor, shift: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See the class, and :class:`Head` for shift and offset."""
        return self.head(self.encoder(waveform), prosody, shift)


def export_encoder(encoder: PooledEncoder, path: Path) -> None:
    """Write the encoders alone, quantised: ``waveform`` (1, n) to ``features`` (1, size)."""
    export_onnx(encoder, {"waveform": _example()}, ["features"], path, {"waveform": {1: "samples"}})


def export_network(network: Network, path: Path) -> None:
    """Write the whole network, quantised, as :class:`emotionlayer_rasa.emotion.onnx_recognizer` takes it."""
    prosody = torch.zeros(1, len(network.head.prosody_mean))
    export_onnx(
        network,
        {"waveform": _example(), "prosody": prosody, "shift": torch.zeros(1, OUTPUTS)},
        ["logits", "vad", "offset"],
        path,
        {"waveform": {1: "samples"}},
    )


def largest_difference(network: Network, path: Path, waveforms: list[np.ndarray]) -> float:
    """Largest absolute difference of a probability between torch and the exported file, over the waveforms."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    prosody = np.full((1, len(network.head.prosody_mean)), np.nan, dtype=np.float32)
    shift = np.zeros((1, OUTPUTS), dtype=np.float32)
    worst = 0.0
    for samples in waveforms:
        exported = session.run(["logits"], {"waveform": samples[None], "prosody": prosody, "shift": shift})[0]
        with torch.inference_mode():
            logits, _, _ = network(
                torch.from_numpy(samples[None]), torch.from_numpy(prosody), torch.from_numpy(shift)
            )
        worst = max(worst, float(np.abs(np.exp(exported) - np.exp(logits.numpy())).max()))
    return worst


def _example() -> torch.Tensor:
    return torch.randn(1, 2 * SECOND, generator=torch.Generator().manual_seed(0)) * 0.1
