"""Training of the models that read words, on corpora and an encoder made here."""

import json

import numpy as np
import pytest
import spacy
import torch
from transformers import BertConfig, BertModel

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.training.words.corpora import emo_bank, go_emotions
from emotionlayer_rasa.training.words.figures import f1
from emotionlayer_rasa.training.words.fine_tuning import TextEncoder, exported, predict
from emotionlayer_rasa.training.words.ngrams import fit_ngrams
from emotionlayer_rasa.training.words.train import TextTraining, train_text
from emotionlayer_rasa.words.component import COMPONENT

pytestmark = pytest.mark.train

WORDS = {"en": {"good": "joy", "bad": "anger", "so": "neutral"}, "it": {"buono": "joy", "male": "anger"}}
NAMES = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sentences of "good" and "bad" in the layout of the corpora."""
    root = tmp_path_factory.mktemp("text")
    for folder in ("goemotions/ekman", "emobank", "emoita"):
        (root / folder).mkdir(parents=True)
    (root / "goemotions/ekman/labels.txt").write_text("\n".join(NAMES))
    words = list(WORDS["en"].items())
    for split, count in (("train", 240), ("dev", 60), ("test", 60)):
        lines = [
            f"it is {word} number {index}\t{NAMES.index(label)}\tid{index}"
            for index in range(count)
            for word, label in [words[index % 3]]
        ]
        (root / f"goemotions/ekman/{split}.tsv").write_text("\n".join(lines) + "\n")
    english, italian = ["id,split,V,A,D,text"], ["id,text,V,A,D"]
    for index in range(240):
        split = ("train", "train", "dev", "test")[index // 2 % 4]
        good = index % 2
        rated = f"{2 + 2 * good},{3 + 0.5 * good + index % 3 / 10},{3 - index % 5 / 10}"
        english.append(f'{index},{split},{rated},"it is {"good" if good else "bad"}, number {index}"')
        italian.append(f"{index},questo va {'buono' if good else 'male'} numero {index},{rated}")
    (root / "emobank/emobank.csv").write_text("\n".join(english))
    (root / "emoita/EmoITA.csv").write_text("\n".join(italian))
    return root


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    """A small untrained BERT in Hugging Face's layout."""
    folder = tmp_path_factory.mktemp("encoder")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[unused0]", "я", "it", "is", "good", "bad", "so", "number", ","]
    pieces += [str(digit) for digit in range(10)] + [f"##{digit}" for digit in range(10)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def test_corpora_are_read_in_one_order(data):
    comments = go_emotions(data, "train")
    assert comments.texts[0] == "it is good number 0"
    assert comments.targets[0].tolist() == [0, 0, 0, 1, 0, 0, 0]
    english, italian = emo_bank(data, "dev", "en"), emo_bank(data, "dev", "it")
    assert len(english) == len(italian)
    assert np.array_equal(english.targets, italian.targets)
    assert english.texts[0].rsplit(maxsplit=1)[1] == italian.texts[0].rsplit(maxsplit=1)[1]


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"labels\.txt"):
        go_emotions(tmp_path, "train")


def test_f1_by_label():
    truth = np.array([[1, 0], [1, 1], [0, 0]])
    assert f1(truth, np.array([[1, 0], [0, 1], [1, 0]])).tolist() == [0.5, 1.0]


def test_the_exported_encoder_says_what_the_trained_one_says(encoder_folder):
    encoder = TextEncoder(encoder_folder, layers=2, trained=1, ratings=6).eval()
    assert "[unused0]" not in encoder.pieces.vocabulary
    assert "я" not in encoder.pieces.vocabulary
    texts = ["it is good", "it is bad, number 12"]
    model = exported(encoder, 10)
    assert np.stack([model(text) for text in texts]) == pytest.approx(predict(encoder, texts)[:, :10], abs=0.05)
    assert not any(parameter.requires_grad for parameter in encoder.frozen.parameters())
    assert all(parameter.requires_grad for parameter in encoder.trained.parameters())


def test_ngrams_learn_words():
    texts = ["va bene cosi", "va male cosi"] * 20
    targets = np.tile([[1.0] * 10, [-1.0] * 10], (20, 1))
    model = fit_ngrams(texts, targets, strength=0.1)
    assert (model("bene") > 0.2).all()
    assert (model("male") < -0.2).all()


def test_training_writes_pipelines_that_learnt_something(data, encoder_folder, tmp_path):
    settings = TextTraining(data=data, encoder=encoder_folder, out=tmp_path, layers=3, epochs=60, comments=240)
    train_text(settings)
    english, italian = spacy.load(tmp_path / "en"), spacy.load(tmp_path / "it")
    figures = english.get_pipe(COMPONENT).description["figures"]
    assert figures["vad_r"]["valence"] > 0.8
    assert figures["f1"]["joy"] > 0.65  # 0.5 by saying joy always
    assert italian.get_pipe(COMPONENT).description["figures"]["vad_r"]["valence"] > 0.8
    assert (
        english.get_pipe(COMPONENT).outputs("it is good")[3] > english.get_pipe(COMPONENT).outputs("it is bad")[3]
    )


def test_training_repeats_itself(data, encoder_folder, tmp_path):
    for name in ("first", "second"):
        train_text(
            TextTraining(data=data, encoder=encoder_folder, out=tmp_path / name, layers=2, epochs=1, comments=96)
        )
    first, second = (
        (tmp_path / name / "it" / COMPONENT / "model.json").read_text() for name in ("first", "second")
    )
    assert first == second
