"""What the tests of training share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Whisper encoder of random weights, always the same."""
    import torch
    from transformers import WhisperConfig, WhisperForAudioClassification

    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_layers=1,
        num_mel_bins=80,
    )
    folder = tmp_path_factory.mktemp("whisper")
    WhisperForAudioClassification(config).save_pretrained(folder)
    return folder
