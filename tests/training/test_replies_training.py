"""Training of the reply reader, on a little of its corpora and a small encoder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_encoder import LAYERS, PLACES

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response.reply_reader import FAULTS, MAX_PIECES, ReplyReader, reply_pieces
from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.training.replies import train as module
from emotionlayer_rasa.training.replies.corpora import LabelledReply, Variations, hands, older, templates
from emotionlayer_rasa.training.replies.train import ReplyTraining, loss, train_replies
from emotionlayer_rasa.training.words.network import PieceEncoder, WordNetwork
from emotionlayer_rasa.training.words.start import Carrier, starting_point

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def start(carrier_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small encoder as ``train-text --keep`` leaves it."""
    bert, tokenizer = starting_point(Carrier(carrier_file), LAYERS, [reply.reply for reply in hands("dev")])
    path = tmp_path_factory.mktemp("kept") / "encoder.pt"
    WordNetwork(PieceEncoder(bert, PLACES), tokenizer).save(path)
    return path


def test_parts_are_by_other_hands():
    assert {reply.reply for reply in hands("train")}.isdisjoint(reply.reply for reply in hands("dev"))
    assert not any(reply.unfit for reply in templates())


def test_where_only_unfit_is_known_nothing_else_is_asked():
    target = next(reply for reply in older() if reply.faults is None).target
    assert np.isnan(target[:-1]).all()
    assert target[-1] == 1
    outputs = torch.zeros(1, len(FAULTS), requires_grad=True)
    loss(outputs, torch.from_numpy(target[None])).backward()
    assert (outputs.grad.abs() > 0).nonzero().tolist() == [[0, len(FAULTS) - 1]]


def test_variations_keep_their_labels_true():
    rng = np.random.default_rng(1)
    reply = LabelledReply(
        "en", "direct_efficiency", "when?", {"day": "Monday", "floor": "two"}, "On Monday.", (), False
    )
    found = [Variations([reply]).of(reply, rng) for _ in range(400)]
    unbacked = [one for one in found if one.faults == ("unbacked_fact",)]
    drafted = [one for one in found if "draft" in one.slots]
    assert unbacked
    assert drafted
    assert all(one.slots == {"floor": "two"} and one.unfit for one in unbacked)
    assert all(one.slots["draft"] == reply.reply and not one.unfit for one in drafted)
    known = LabelledReply("en", "direct_efficiency", "Monday?", {"day": "Monday"}, "On Monday.", (), False)
    assert not any(
        one.faults == ("unbacked_fact",) for one in (Variations([known]).of(known, rng) for _ in range(200))
    )


def test_a_sentence_of_a_good_reply_is_good_and_one_that_nobody_should_hear_spoils_it():
    rng = np.random.default_rng(1)
    good = LabelledReply("en", "direct_efficiency", "when?", {}, "On Monday. Shall I say more?", (), False)
    bad = LabelledReply("en", "direct_efficiency", "and?", {}, "Read it yourself.", ("blame",), True)
    cold = LabelledReply("en", "direct_efficiency", "and?", {}, "As one does.", ("tone",), True)
    elsewhere = LabelledReply("en", "empathic_validation", "and?", {}, "Pull yourself up.", ("blame",), True)
    variations = Variations([good, bad, cold, elsewhere])
    found = {(one.reply, one.faults) for one in (variations.of(good, rng) for _ in range(600)) if not one.slots}
    assert {("On Monday.", ()), ("Shall I say more?", ())} <= found
    spoilt = {pair for pair in found if pair[1] == ("blame",)}
    assert spoilt == {(f"{bad.reply} {good.reply}", ("blame",)), (f"{good.reply} {bad.reply}", ("blame",))}


def test_what_the_model_sees_has_room_for_the_whole_reply(start: Path):
    _, tokenizer = PieceEncoder.load(start)
    ids, begins = reply_pieces(
        tokenizer, "it is good", "direct_efficiency", "word " * 500, {"fact": "word " * 500}
    )
    assert len(ids) <= MAX_PIECES
    assert [tokenizer.id_to_token(piece) for piece in ids[begins:-1]] == ["▁it", "▁is", "▁good"]


def test_training_writes_a_reader(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    few = {split: hands(split)[::30] for split in ("train", "dev")}
    monkeypatch.setattr(module, "hands", few.get)
    monkeypatch.setattr(module, "older", lambda: older()[::100])
    monkeypatch.setattr(module, "templates", lambda: templates()[::100])
    train_replies(ReplyTraining(start=start, out=tmp_path, epochs=2, threads=1))
    reader = ReplyReader(tmp_path)
    read = reader.read("That is all settled.", "direct_efficiency", "is it settled?", {})
    assert read.keys() == set(FAULTS)
    assert all(0 <= share <= 1 for share in read.values())
    described = json.loads((tmp_path / "replies.json").read_text())
    assert set(described["thresholds"]) == set(STRATEGIES)
    assert described["figures"]["wrongly_refused"] < 0.25  # as many as the settings allow, but for ties


def test_without_a_start_it_is_said_what_writes_one(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="train-text --keep"):
        train_replies(ReplyTraining(start=tmp_path / "none.pt", out=tmp_path))
