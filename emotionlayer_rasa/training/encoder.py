"""The part of the network that is not trained: waveform to log-mel to the layers of a frozen Whisper encoder.

Everything from the raw 16 kHz samples on is a torch module, so that it is exported into the ONNX graph and no
other implementation of the front end exists that could differ from it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, WhisperForAudioClassification
from transformers.audio_utils import mel_filter_bank

N_FFT = 400
"""Samples of one analysis window: 25 ms at 16 kHz."""

HOP = 160
"""Samples between windows: 10 ms at 16 kHz."""


class LogMel(nn.Module):
    """Whisper's log-mel spectrogram, as a convolution with the windowed Fourier basis and a mel filter bank.

    Same as ``transformers.WhisperFeatureExtractor`` without its padding to 30 s (Radford et al. 2022).
    """

    def __init__(self, mel_bins: int = 80) -> None:
        super().__init__()
        frequencies = N_FFT // 2 + 1
        window = np.hanning(N_FFT + 1)[:-1]
        angles = 2 * np.pi * np.outer(np.arange(frequencies), np.arange(N_FFT)) / N_FFT
        basis = np.concatenate([np.cos(angles), -np.sin(angles)]) * window
        filters = mel_filter_bank(
            num_frequency_bins=frequencies,
            num_mel_filters=mel_bins,
            min_frequency=0.0,
            max_frequency=8000.0,
            sampling_rate=16_000,
            norm="slaney",
            mel_scale="slaney",
        )
        self.frequencies = frequencies
        self.register_buffer("basis", torch.tensor(basis, dtype=torch.float32)[:, None], persistent=False)
        self.register_buffer("filters", torch.tensor(filters.T, dtype=torch.float32)[..., None], persistent=False)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """Waveform (1, n), n >= 400, to log10 mel power (1, mel_bins, n // 160), at least -10."""
        padded = nn.functional.pad(waveform[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        spectrum = nn.functional.conv1d(padded, self.basis, stride=HOP)[..., :-1]
        real, imaginary = spectrum[:, : self.frequencies], spectrum[:, self.frequencies :]
        power = nn.functional.conv1d(real * real + imaginary * imaginary, self.filters)
        return torch.log10(torch.clamp(power, min=1e-10))

    @staticmethod
    def whiten(log_mel: torch.Tensor) -> torch.Tensor:
        """Whisper's normalisation: floor at 8 below the maximum, then ``(x + 4) / 4``."""
        return (torch.maximum(log_mel, log_mel.max() - 8.0) + 4.0) / 4.0


class WhisperLayers(nn.Module):
    """A frozen Whisper encoder that gives every layer's activations for an utterance of any length up to 30 s.

    Args:
        path: folder in the layout of ``transformers.WhisperForAudioClassification``.
        layers: how many transformer layers to keep; None keeps all.
        max_seconds: position embeddings kept, in seconds of audio.
    """

    def __init__(self, path: str | Path, layers: int | None = None, max_seconds: float = 30.0) -> None:
        super().__init__()
        config = AutoConfig.from_pretrained(path)
        config._attn_implementation = "eager"
        encoder = WhisperForAudioClassification.from_pretrained(
            path, config=config, torch_dtype=torch.float32
        ).encoder.eval()
        self.conv1, self.conv2 = encoder.conv1, encoder.conv2
        self.register_buffer("positions", encoder.embed_positions.weight[: int(max_seconds * 50)].detach().clone())
        self.layers = encoder.layers[:layers]
        self.final_norm = encoder.layer_norm if layers in (None, len(encoder.layers)) else nn.Identity()
        self.dimension: int = config.d_model
        self.requires_grad_(False)

    @property
    def depth(self) -> int:
        """Number of activations given: the embedding and every layer."""
        return len(self.layers) + 1

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Whitened log-mel (1, mel_bins, frames) to activations (depth, frames // 2, dimension), 50 a second."""
        hidden = nn.functional.gelu(self.conv1(mel))
        hidden = nn.functional.gelu(self.conv2(hidden)).transpose(1, 2)
        hidden = hidden + self.positions[: hidden.shape[1]]
        activations = [hidden]
        for layer in self.layers:
            hidden = layer(hidden, None, None)[0]
            activations.append(hidden)
        activations[-1] = self.final_norm(hidden)
        return torch.cat(activations)


class Pooling(nn.Module):
    """Statistics of frame activations over an utterance, two ways: over all frames, and over the loud ones.

    The second weighs each frame by how far its level is above ``FLOOR_DB`` below the mean power, so that the
    silence around an utterance does not dilute it.
    """

    FLOOR_DB = 12.0
    SLOPE_DB = 2.0

    def forward(self, activations: torch.Tensor, log_mel: torch.Tensor) -> torch.Tensor:
        """Activations (depth, n, dimension) and log-mel (1, bins, about 2 n) to (depth * 4 * dimension,).

        In the order layer, then statistic (mean, deviation, weighted mean, weighted deviation), then unit.
        """
        power = torch.pow(10.0, log_mel).sum(dim=1, keepdim=True)
        power = nn.functional.avg_pool1d(power, 2, ceil_mode=True)[:, 0, : activations.shape[1]] + 1e-10
        level_db = 10.0 * torch.log10(power / power.mean(dim=1, keepdim=True))
        weight = torch.sigmoid((level_db + self.FLOOR_DB) / self.SLOPE_DB)
        weight = (weight / weight.sum(dim=1, keepdim=True))[..., None]
        mean = activations.mean(dim=1, keepdim=True)
        deviation = self._root((activations - mean).square().mean(dim=1, keepdim=True))
        loud_mean = (weight * activations).sum(dim=1, keepdim=True)
        loud_deviation = self._root((weight * (activations - loud_mean).square()).sum(dim=1, keepdim=True))
        return torch.cat([mean, deviation, loud_mean, loud_deviation], dim=1).flatten()

    @staticmethod
    def _root(variance: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(variance + 1e-8)


class PooledEncoder(nn.Module):
    """Waveform to one vector: the pooled activations of some layers of a frozen Whisper encoder.

    Args:
        path: the encoder's folder.
        first, last: layers whose activations are pooled, both included; 0 is the embedding. Later layers are cut
            off.
        max_seconds: longest waveform, in seconds.
    """

    def __init__(self, path: str | Path, first: int = 1, last: int = 4, max_seconds: float = 10.0) -> None:
        super().__init__()
        self.encoder = WhisperLayers(path, layers=last, max_seconds=max_seconds)
        self.log_mel = LogMel()
        self.pooling = Pooling()
        self.first = first

    @property
    def size(self) -> int:
        """Length of the vector."""
        return (self.encoder.depth - self.first) * 4 * self.encoder.dimension

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """Waveform (1, n), n >= 400, to (1, size). The mean of the samples is taken out first."""
        log_mel = self.log_mel(waveform - waveform.mean())
        activations = self.encoder(self.log_mel.whiten(log_mel))[self.first :]
        return self.pooling(activations, log_mel)[None]
