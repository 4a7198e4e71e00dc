"""The engine for Hugging Face checkpoints, on tiny random ones that the tests write themselves."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    HubertConfig,
    HubertModel,
    HubertPreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
    Wav2Vec2PreTrainedModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from emotionlayer_rasa.audio import Waveform
from emotionlayer_rasa.emotion import CallerVoice, EmotionSettings, create_recognizer
from emotionlayer_rasa.errors import ConfigurationError, ModelError
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN

VOICE = Waveform((0.2 * np.sin(2 * np.pi * 150 * np.arange(32000) / 16000)).astype(np.float32))


TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
}


def wav2vec2(folder: Path, labels: list[str]) -> str:
    config = Wav2Vec2Config(**TINY, id2label=dict(enumerate(labels)))
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return str(folder)


class TwoLayers(torch.nn.Module):
    """The head of many public checkpoints; ``last`` names its output layer."""

    def __init__(self, config, last):
        super().__init__()
        self.last = last
        self.dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = torch.nn.Dropout(config.final_dropout)
        self.add_module(last, torch.nn.Linear(config.hidden_size, config.num_labels))

    def forward(self, pooled):
        return getattr(self, self.last)(self.dropout(torch.tanh(self.dense(self.dropout(pooled)))))


class Wav2Vec2ForSpeechClassification(Wav2Vec2PreTrainedModel):
    def __init__(self, config, last="out_proj"):
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = TwoLayers(config, last)
        self.init_weights()

    def forward(self, input_values):
        return self.classifier(self.wav2vec2(input_values)[0].mean(dim=1))


class HubertForSpeechClassification(HubertPreTrainedModel):
    def __init__(self, config, last="out_proj"):
        super().__init__(config)
        self.hubert = HubertModel(config)
        self.classifier = TwoLayers(config, last)
        self.init_weights()

    def forward(self, input_values):
        return self.classifier(self.hubert(input_values)[0].mean(dim=1))


def two_layers(
    folder: Path, labels: list[str], last: str = "out_proj", hubert: bool = False, **config
) -> np.ndarray:
    """Write a checkpoint with the two-layer head; gives what it answers to ``VOICE``, one number a label.

    Its output layer is enlarged, so that no answer is the same by chance.
    """
    torch.manual_seed(7)
    settings = {**TINY, "id2label": dict(enumerate(labels)), **config}
    kind, own = (
        (HubertForSpeechClassification, HubertConfig)
        if hubert
        else (Wav2Vec2ForSpeechClassification, Wav2Vec2Config)
    )
    network = kind(own(**settings), last).eval()
    with torch.no_grad():
        network.classifier.dense.weight.mul_(20)
        getattr(network.classifier, last).weight.mul_(20)
    network.save_pretrained(folder)
    extractor = Wav2Vec2FeatureExtractor()
    extractor.save_pretrained(folder)
    with torch.no_grad():
        return network(extractor(VOICE.samples, sampling_rate=16000, return_tensors="pt").input_values)[0].numpy()


def recognizer(folder: Path):
    return create_recognizer(EmotionSettings(engine="transformers", model=str(folder)))


def set_outputs(folder: Path, outputs: list[float]) -> None:
    """Make a two-layer checkpoint answer these values to anything."""
    file = folder / "model.safetensors"
    weights = load_file(file)
    weights["classifier.out_proj.weight"].zero_()
    weights["classifier.out_proj.bias"].copy_(torch.tensor(outputs))
    save_file(weights, file, {"format": "pt"})


def test_aliases_are_mapped_and_scores_sum_to_one(tmp_path):
    checkpoint = wav2vec2(tmp_path, ["angry", "happiness", "sad", "neutral"])
    recognizer = create_recognizer(EmotionSettings(engine="transformers", model=checkpoint))
    reading = recognizer.recognize(VOICE)
    assert reading.label in ("anger", "joy", "sadness", "neutral")
    assert set(reading.scores) == set(EMOTIONS)
    assert sum(reading.scores.values()) == pytest.approx(1)
    assert reading.scores["fear"] == 0
    assert all(0 <= value <= 1 for value in (reading.valence, reading.arousal, reading.dominance))
    assert reading.model == f"transformers/{checkpoint}"
    assert recognizer.recognize(VOICE) == reading
    caller = CallerVoice()
    for _ in range(2):
        heard = recognizer.hear(VOICE, caller=caller)
        heard.teach(caller)
        assert heard.reading == reading, "it does not adapt"
    assert caller.heard == 0


def test_a_whisper_checkpoint(tmp_path):
    config = WhisperConfig(
        d_model=16,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_layers=1,
        num_mel_bins=80,
        classifier_proj_size=8,
        id2label={0: "ang", 1: "gioia"},
    )
    WhisperForAudioClassification(config).save_pretrained(tmp_path)
    WhisperFeatureExtractor().save_pretrained(tmp_path)
    settings = EmotionSettings(engine="transformers", model=str(tmp_path))
    assert create_recognizer(settings).recognize(VOICE).label in ("anger", "joy")


def test_labels_of_one_emotion_are_added_and_others_count_as_doubt(tmp_path):
    checkpoint = wav2vec2(tmp_path, ["angry", "rage", "other"])
    reading = create_recognizer(EmotionSettings(engine="transformers", model=checkpoint)).recognize(VOICE)
    assert reading.scores["anger"] == pytest.approx(1)
    assert reading.confidence == pytest.approx(2 / 3, abs=0.15)  # an untrained network gives each about a third


def test_below_the_threshold_the_label_is_unknown(tmp_path):
    checkpoint = wav2vec2(tmp_path, ["angry", "sad"])
    settings = EmotionSettings(engine="transformers", model=checkpoint, threshold=1.0)
    reading = create_recognizer(settings).recognize(VOICE)
    assert reading.label == UNKNOWN
    assert reading.confidence > 0


@pytest.mark.parametrize("samples", [np.zeros(4000), np.zeros(32000), np.ones(0)])
def test_short_or_silent_sound_is_unknown(tmp_path, samples):
    checkpoint = wav2vec2(tmp_path, ["angry", "sad"])
    recognizer = create_recognizer(EmotionSettings(engine="transformers", model=checkpoint))
    assert recognizer.recognize(Waveform(samples.astype(np.float32))).scores == {}


def test_labels_that_are_no_emotions_are_named(tmp_path):
    checkpoint = wav2vec2(tmp_path, ["angry", "LABEL_1"])
    with pytest.raises(ConfigurationError, match="LABEL_1"):
        create_recognizer(EmotionSettings(engine="transformers", model=checkpoint))


def test_a_checkpoint_without_any_of_the_seven(tmp_path):
    checkpoint = wav2vec2(tmp_path, ["boredom", "other"])
    with pytest.raises(ConfigurationError, match="boredom, other"):
        create_recognizer(EmotionSettings(engine="transformers", model=checkpoint))


# The two-layer head.


@pytest.mark.parametrize("hubert", [False, True])
@pytest.mark.parametrize("last", ["out_proj", "output"])
def test_a_two_layer_head_answers_as_it_was_trained(tmp_path, last, hubert):
    labels = ["angry", "happy", "sad", "surprised"]
    logits = two_layers(tmp_path, labels, last, hubert)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert np.ptp(expected) > 0.01
    scores = recognizer(tmp_path).recognize(VOICE).scores
    found = [scores[emotion] for emotion in ("anger", "joy", "sadness", "surprise")]
    assert found == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_two_layer_head_that_does_not_pool_the_mean_is_refused(tmp_path):
    two_layers(tmp_path, ["angry", "sad"], pooling_mode="max")
    with pytest.raises(ModelError, match="takes the max of all frames"):
        recognizer(tmp_path)


# Dimensions.


@pytest.mark.parametrize(
    "labels",
    [
        ["arousal", "dominance", "valence"],
        ["valence", "arousal", "dominance"],
        ["Activation", "Control", "Pleasure"],
    ],
)
def test_dimensions_are_read_in_the_order_of_the_config(tmp_path, labels):
    two_layers(tmp_path, labels, problem_type="regression")
    values = {
        "arousal": 0.8,
        "activation": 0.8,
        "dominance": 0.65,
        "control": 0.65,
        "valence": 0.2,
        "pleasure": 0.2,
    }
    set_outputs(tmp_path, [values[label.lower()] for label in labels])
    reading = recognizer(tmp_path).recognize(VOICE)
    assert (reading.valence, reading.arousal, reading.dominance) == pytest.approx((0.2, 0.8, 0.65))
    assert reading.label == "anger"
    assert reading.confidence == reading.scores["anger"] > 0.5
    assert sum(reading.scores.values()) == pytest.approx(1)


def test_a_regression_is_not_squashed_into_probabilities(tmp_path):
    values = two_layers(tmp_path, ["arousal", "dominance", "valence"], problem_type="regression")
    set_outputs(tmp_path, [0.5, 0.5, 0.5])
    reading = recognizer(tmp_path).recognize(VOICE)
    assert len(values) == 3
    assert reading.label == "neutral"
    assert reading.arousal == pytest.approx(0.5)


def test_what_overshoots_is_clipped_and_missing_dimensions_are_those_of_the_emotions(tmp_path):
    two_layers(tmp_path, ["arousal", "valence"])
    set_outputs(tmp_path, [1.2, -0.1])
    reading = recognizer(tmp_path).recognize(VOICE)
    assert (reading.arousal, reading.valence) == (1.0, 0.0)
    assert 0 < reading.dominance < 1


def test_dimensions_on_another_scale_are_no_reading_and_the_log_says_so(tmp_path, caplog):
    two_layers(tmp_path, ["arousal", "dominance", "valence"])
    set_outputs(tmp_path, [4.1, 3.8, 2.2])  # self-assessment manikins, 1..5
    reading = recognizer(tmp_path).recognize(VOICE)
    assert (reading.label, reading.scores, reading.valence) == (UNKNOWN, {}, None)
    assert "not on a scale of 0..1" in caplog.text


def test_dimensions_of_a_head_of_transformers_own(tmp_path):
    reading = recognizer(wav2vec2(tmp_path, ["arousal", "dominance", "valence"])).recognize(VOICE)
    assert reading.scores.keys() == set(EMOTIONS)
    assert max(reading.valence, reading.arousal, reading.dominance) < 0.5, "an untrained regression is near 0"


# Weights that are missing.


def renamed(folder: Path, old: str, new: str) -> None:
    file = folder / "model.safetensors"
    weights = {key.replace(old, new): value for key, value in load_file(file).items()}
    save_file(weights, file, {"format": "pt"})


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("classifier.", "head.", "classifier.bias, classifier.weight, and .* head.bias, head.weight"),
        ("projector.", "classifier.proj.", "projector.bias"),
        ("wav2vec2.encoder.layers.0.", "wav2vec2.encoder.layers.7.", "wav2vec2.encoder.layers.0"),
    ],
)
def test_a_checkpoint_whose_weights_do_not_fit_is_refused_by_name(tmp_path, old, new, named):
    wav2vec2(tmp_path, ["angry", "sad"])
    renamed(tmp_path, old, new)
    with pytest.raises(ModelError, match=f"(?s){tmp_path}.*{named}.*choose a checkpoint"):
        recognizer(tmp_path)


def test_half_a_two_layer_head_is_refused_by_name(tmp_path):
    two_layers(tmp_path, ["angry", "sad"])
    renamed(tmp_path, "classifier.out_proj", "classifier.third")
    with pytest.raises(ModelError, match=r"classifier\.bias.*classifier\.third"):
        recognizer(tmp_path)


def test_an_encoder_without_any_head_is_refused(tmp_path):
    Wav2Vec2Model(Wav2Vec2Config(**TINY, id2label={0: "angry", 1: "sad"})).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"classifier\.bias"):
        recognizer(tmp_path)


def test_a_head_of_another_size_is_refused(tmp_path):
    wav2vec2(tmp_path, ["angry", "sad"])
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {"0": "angry", "1": "sad", "2": "happy"}
    config["label2id"] = {"angry": 0, "sad": 1, "happy": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="cannot be loaded"):
        recognizer(tmp_path)


def test_a_head_with_more_layers_than_are_run_is_refused_by_name(tmp_path):
    two_layers(tmp_path, ["angry", "sad"])
    file = tmp_path / "model.safetensors"
    save_file({**load_file(file), "classifier.norm.weight": torch.ones(16)}, file, {"format": "pt"})
    with pytest.raises(ModelError, match=r"classifier\.norm\.weight.*choose a checkpoint"):
        recognizer(tmp_path)


@pytest.mark.parametrize("pointer", [True, False])
def test_weights_that_were_not_fetched_whole_are_refused(tmp_path, pointer):
    wav2vec2(tmp_path, ["angry", "sad"])
    file = tmp_path / "model.safetensors"
    weights = file.read_bytes()
    git_lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"
    file.write_bytes(git_lfs if pointer else weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="cannot be loaded"):
        recognizer(tmp_path)


def test_weights_that_are_no_numbers_give_no_reading_and_the_log_says_so(tmp_path, caplog):
    two_layers(tmp_path, ["angry", "sad"])
    set_outputs(tmp_path, [float("nan"), 0.0])
    reading = recognizer(tmp_path).recognize(VOICE)
    assert (reading.label, reading.confidence, reading.scores) == (UNKNOWN, 0.0, {})
    assert "emotion.not_finite" in caplog.text


def test_what_only_training_needs_may_be_missing(tmp_path):
    wav2vec2(tmp_path, ["angry", "sad"])
    renamed(tmp_path, "wav2vec2.masked_spec_embed", "gone")
    assert recognizer(tmp_path).recognize(VOICE).scores


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(ModelError, match="cannot be loaded"):
        create_recognizer(EmotionSettings(engine="transformers", model=str(tmp_path / "nowhere")))


def test_the_engine_needs_a_model():
    with pytest.raises(ConfigurationError, match="'model'"):
        create_recognizer(EmotionSettings(engine="transformers"))
