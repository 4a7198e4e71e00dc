"""The front end inside the graph is Whisper's own, and the exported graph is the torch one."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import (
    AutoModel,
    HubertConfig,
    Wav2Vec2Config,
    WavLMConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from emotionlayer_rasa.training.export import export_onnx
from emotionlayer_rasa.training.network import export_encoder
from emotionlayer_rasa.training.speech_encoder import (
    EncoderSettings,
    LogMel,
    PooledEncoder,
    Pooling,
    WhisperLayers,
)

pytestmark = pytest.mark.train


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
        got = WhisperLayers(tiny_whisper, 2)(
            torch.from_numpy(samples[None]), LogMel()(torch.from_numpy(samples[None]))
        )
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


@pytest.fixture(scope="module", params=["wav2vec2", "hubert", "wavlm"])
def waveform_encoder(request, tmp_path_factory):
    """A folder with a tiny wav2vec 2.0, HuBERT or WavLM encoder of random weights."""
    kind = {"wav2vec2": Wav2Vec2Config, "hubert": HubertConfig, "wavlm": WavLMConfig}[request.param]
    torch.manual_seed(0)
    config = kind(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=[16] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    folder = tmp_path_factory.mktemp(request.param)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def assert_export_matches(encoder, path):
    export_encoder(encoder.eval(), path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in (4800, 16001, 160_000):
        samples = (0.1 * np.random.default_rng(count).standard_normal((1, count)) + 0.2).astype(np.float32)
        got = session.run(None, {"waveform": samples})[0]
        with torch.inference_mode():
            wanted = encoder(torch.from_numpy(samples)).numpy()
        assert got.shape == (1, encoder.size)
        assert np.abs(got - wanted).max() < 0.05 * np.abs(wanted).max()


def test_exported_encoders_match_torch_at_any_length(tiny_whisper, tmp_path):
    settings = [EncoderSettings(model=str(tiny_whisper), first_layer=first, last_layer=2) for first in (1, 2)]
    encoder = PooledEncoder(settings)
    assert encoder.size == 32 * 4 * (2 + 1)
    assert_export_matches(encoder, tmp_path / "encoder.onnx")
    # Two convolutions, and six products a layer, are quantised, the log-mel front end is not. It is the same
    # encoder twice, which the exporter notices.
    operators = [node.op_type for node in onnx.load(str(tmp_path / "encoder.onnx")).graph.node]
    assert operators.count("MatMulInteger") == 2 + 2 * 6
    assert operators.count("Conv") == 2


def test_a_quiet_moment_keeps_its_precision_beside_a_loud_one(tmp_path):
    torch.manual_seed(0)
    layer, frames = torch.nn.Linear(64, 8), torch.randn(3, 64)
    frames[1] *= 1e4
    frames[2] = 0.0
    path = tmp_path / "layer.onnx"
    export_onnx(layer, {"frames": frames}, ["out"], path, {"frames": {0: "moments"}})
    got = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(
        None, {"frames": frames.numpy()}
    )[0]
    wanted = layer(frames).detach().numpy()
    assert (np.abs(got - wanted).max(axis=1) < 0.03 * np.abs(wanted).max(axis=1)).all()


def test_encoders_of_waveforms_can_take_whispers_place(waveform_encoder, tmp_path):
    encoder = PooledEncoder([EncoderSettings(model=str(waveform_encoder), first_layer=1, last_layer=1)])
    assert encoder.size == 32 * 4
    assert_export_matches(encoder, tmp_path / "encoder.onnx")


def test_the_hub_stands_in_for_a_folder_that_is_not_there(tmp_path):
    assert EncoderSettings(model=str(tmp_path), hub="openai/whisper-base").source == str(tmp_path)
    assert EncoderSettings(model=str(tmp_path / "none"), hub="openai/whisper-base").source == "openai/whisper-base"
    assert EncoderSettings(model="openai/whisper-tiny").source == "openai/whisper-tiny"
