"""What the tests of training share."""

from pathlib import Path

import pytest
from small_encoder import packed


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


@pytest.fixture(scope="session")
def carrier_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small encoder, with pieces for what callers say."""
    from emotionlayer_rasa.training.words.corpora import caller_lines

    letters = "abcdefghijklmnopqrstuvwxyzäöüßàèéìòùñçãõ'.,?!0123456789"
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0), ("я", -9.0)]
    vocabulary += [(letter, -6.0) for letter in letters]
    words = {word for line in caller_lines("dev") for word in line.text.lower().split() if word.isalpha()}
    vocabulary += [(f"▁{word}", -8.0) for word in sorted(words | {"it", "good", "bad", "buono", "male"})]
    path = tmp_path_factory.mktemp("carrier") / "packed.bin"
    path.write_bytes(packed(vocabulary))
    return path
