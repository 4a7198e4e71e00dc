"""The engine for Hugging Face checkpoints, on tiny random ones that the tests write themselves."""

from pathlib import Path

import numpy as np
import pytest
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from emotionlayer_rasa.audio import Waveform
from emotionlayer_rasa.emotion import EmotionSettings, create_recognizer
from emotionlayer_rasa.errors import ConfigurationError, ModelError
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN

VOICE = Waveform((0.2 * np.sin(2 * np.pi * 150 * np.arange(32000) / 16000)).astype(np.float32))


def wav2vec2(folder: Path, labels: list[str]) -> str:
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        id2label=dict(enumerate(labels)),
    )
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return str(folder)


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


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(ModelError, match="cannot be loaded"):
        create_recognizer(EmotionSettings(engine="transformers", model=str(tmp_path / "nowhere")))


def test_the_engine_needs_a_model():
    with pytest.raises(ConfigurationError, match="'model'"):
        create_recognizer(EmotionSettings(engine="transformers"))
