"""The part of the network that is not trained: waveform to the pooled activations of frozen speech encoders.

Everything from the raw 16 kHz samples on is a torch module, so that it is exported into the ONNX graph and no
other implementation of the front end exists that could differ from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, WhisperForAudioClassification
from transformers.audio_utils import mel_filter_bank

from emotionlayer_rasa.settings import Settings, pydantic

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
        path: folder in the layout of ``transformers.WhisperForAudioClassification``, or a hub id.
        layers: how many transformer layers to keep.
        max_seconds: position embeddings kept, in seconds of audio.
    """

    def __init__(self, path: str | Path, layers: int, max_seconds: float = 30.0) -> None:
        super().__init__()
        config = AutoConfig.from_pretrained(path)
        config._attn_implementation = "eager"
        encoder = WhisperForAudioClassification.from_pretrained(path, config=config).encoder.float().eval()
        self.conv1, self.conv2 = encoder.conv1, encoder.conv2
        self.register_buffer("positions", encoder.embed_positions.weight[: int(max_seconds * 50)].detach().clone())
        self.layers = encoder.layers[:layers]
        self.final_norm = encoder.layer_norm if layers >= len(encoder.layers) else nn.Identity()
        self.dimension: int = config.d_model
        self.requires_grad_(False)

    def forward(self, waveform: torch.Tensor, log_mel: torch.Tensor) -> torch.Tensor:
        """Log-mel (1, mel_bins, frames) to activations (layers + 1, frames // 2, dimension), 50 a second.

        The first is the embedding. The waveform is not used.
        """
        hidden = LogMel.whiten(log_mel)[0].T
        for convolution in (self.conv1, self.conv2):
            hidden = nn.functional.gelu(as_product(convolution, hidden))
        hidden = (hidden + self.positions[: hidden.shape[0]])[None]
        activations = [hidden]
        for layer in self.layers:
            hidden = layer(hidden, None, None)[0]
            activations.append(hidden)
        activations[-1] = self.final_norm(hidden)
        return torch.cat(activations)


def as_product(convolution: nn.Conv1d, frames: torch.Tensor) -> torch.Tensor:
    """A convolution of ``frames`` (n, channels), 3 wide with 1 of padding, as a product: (n / stride, channels).

    The export quantises products, which are then three times as fast as convolutions.
    """
    count = frames.shape[0]
    padded = nn.functional.pad(frames, (0, 0, 1, 1))
    windows = [padded[first : first + count : convolution.stride[0]] for first in range(3)]
    weight = convolution.weight.permute(2, 1, 0).reshape(-1, convolution.out_channels)  # a constant when exported
    return torch.cat(windows, dim=1) @ weight + convolution.bias


class WaveformLayers(nn.Module):
    """A frozen wav2vec 2.0, HuBERT or WavLM encoder; the same as :class:`WhisperLayers` from the waveform.

    Args:
        path: folder or hub id that ``transformers.AutoModel`` reads.
        layers: how many transformer layers to keep.
    """

    def __init__(self, path: str | Path, layers: int) -> None:
        super().__init__()
        config = AutoConfig.from_pretrained(path)
        config._attn_implementation = "eager"
        self.model = AutoModel.from_pretrained(path, config=config).float().eval()
        self.layers = self.model.encoder.layers = self.model.encoder.layers[:layers]
        self.dimension: int = config.hidden_size
        self.requires_grad_(False)

    def forward(self, waveform: torch.Tensor, log_mel: torch.Tensor) -> torch.Tensor:
        """Waveform (1, n) to activations (layers + 1, about n / 320, dimension). The log-mel is not used."""
        deviation = torch.sqrt(waveform.square().mean() + 1e-7)  # the mean is out already
        return torch.cat(self.model(waveform / deviation, output_hidden_states=True).hidden_states)


class Pooling(nn.Module):
    """Statistics of frame activations over an utterance, two ways: over all frames, and over the loud ones.

    The second weighs each frame by how far its level is above ``FLOOR_DB`` below the mean power, so that the
    silence around an utterance does not dilute it.
    """

    STATISTICS = 4
    FLOOR_DB = 12.0
    SLOPE_DB = 2.0

    def forward(self, activations: torch.Tensor, log_mel: torch.Tensor) -> torch.Tensor:
        """Activations (depth, n, dimension) and log-mel (1, bins, 2 n or some more) to (depth * 4 * dimension,).

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


class EncoderSettings(Settings):
    """One encoder.

    Attributes:
        model: a folder or hub id of a Whisper, wav2vec 2.0, HuBERT or WavLM encoder.
        hub: the hub id that takes its place where ``model`` is a folder that is not there.
        first_layer, last_layer: layers whose activations are pooled, both included; 0 is the embedding. Later
            layers are cut off.
    """

    model: str
    hub: str | None = None
    first_layer: pydantic.NonNegativeInt = 1
    last_layer: pydantic.PositiveInt = 4

    @property
    def source(self) -> str:
        """What ``transformers`` is to load."""
        return self.hub if self.hub and not Path(self.model).exists() else self.model


class PooledEncoder(nn.Module):
    """Waveform to one vector: the pooled activations of some layers of one or several frozen encoders.

    Args:
        encoders: which ones.
        max_seconds: longest waveform, in seconds.
    """

    def __init__(self, encoders: Sequence[EncoderSettings], max_seconds: float = 10.0) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.pooling = Pooling()
        self.encoders = nn.ModuleList(
            WhisperLayers(chosen.source, chosen.last_layer, max_seconds)
            if AutoConfig.from_pretrained(chosen.source).model_type == "whisper"
            else WaveformLayers(chosen.source, chosen.last_layer)
            for chosen in encoders
        )
        self.first = [chosen.first_layer for chosen in encoders]

    @property
    def size(self) -> int:
        """Length of the vector: encoders times layers times statistics times units."""
        return sum(
            (len(encoder.layers) + 1 - first) * Pooling.STATISTICS * encoder.dimension
            for encoder, first in zip(self.encoders, self.first, strict=True)
        )

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """Waveform (1, n), n >= 400, to (1, size). The mean of the samples is taken out first."""
        waveform = waveform - waveform.mean()
        log_mel = self.log_mel(waveform)
        return torch.cat(
            [
                self.pooling(encoder(waveform, log_mel)[first:], log_mel)
                for encoder, first in zip(self.encoders, self.first, strict=True)
            ]
        )[None]
