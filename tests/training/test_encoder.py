"""The front end inside the graph is Whisper's own, and the exported graph is the torch one."""

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import WhisperFeatureExtractor, WhisperForAudioClassification

from emotionlayer_rasa.training.encoder import LogMel, PooledEncoder, Pooling
from emotionlayer_rasa.training.network import export_encoder


@pytest.mark.parametrize("count", [4800, 16000, 33333])
def test_log_mel_is_whispers(count):
    samples = (0.1 * np.random.default_rng(count).standard_normal(count)).astype(np.float32)
    wanted = WhisperFeatureExtractor()(samples, sampling_rate=16000, padding="do_not_pad", return_tensors="np")
    got = LogMel.whiten(LogMel()(torch.from_numpy(samples[None])))
    assert got.shape == (1, 80, count // 160)
    np.testing.assert_allclose(got.numpy(), wanted.input_features, atol=2e-4)


def test_encoder_gives_whispers_hidden_states(tiny_whisper):
    samples = 0.1 * np.random.default_rng(0).standard_normal(480_000).astype(np.float32)
    mel = torch.from_numpy(
        WhisperFeatureExtractor()(samples, sampling_rate=16000, return_tensors="np").input_features
    )
    whisper = WhisperForAudioClassification.from_pretrained(tiny_whisper).encoder.eval()
    with torch.inference_mode():
        wanted = torch.cat(whisper(mel, output_hidden_states=True).hidden_states)
        got = PooledEncoder(tiny_whisper, 0, 2, 30.0).encoder(mel)
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-3)


def test_pooling_ignores_silence_around_the_voice():
    activations = torch.randn(2, 100, 8)
    log_mel = torch.zeros(1, 80, 200)
    inner = Pooling()(activations, log_mel).reshape(2, 4, 8)
    torch.testing.assert_close(inner[:, 0], inner[:, 2])
    padded = torch.cat([torch.zeros(2, 50, 8), activations, torch.zeros(2, 50, 8)], dim=1)
    quiet = torch.full((1, 80, 100), -8.0)
    outer = Pooling()(padded, torch.cat([quiet, log_mel, quiet], dim=2)).reshape(2, 4, 8)
    torch.testing.assert_close(outer[:, 2:], inner[:, 2:], atol=1e-3, rtol=1e-3)
    assert not torch.allclose(outer[:, :2], inner[:, :2], atol=1e-2)


def test_exported_encoder_matches_torch_at_any_length(tiny_whisper, tmp_path):
    encoder = PooledEncoder(tiny_whisper, 1, 2, 10.0).eval()
    export_encoder(encoder, tmp_path / "encoder.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "encoder.onnx"), providers=["CPUExecutionProvider"])
    for count in (4800, 16001, 160_000):
        samples = (0.1 * np.random.default_rng(count).standard_normal((1, count)) + 0.2).astype(np.float32)
        got = session.run(None, {"waveform": samples})[0]
        with torch.inference_mode():
            wanted = encoder(torch.from_numpy(samples)).numpy()
        assert got.shape == (1, encoder.size)
        assert np.abs(got - wanted).max() < 0.05 * np.abs(wanted).max()
