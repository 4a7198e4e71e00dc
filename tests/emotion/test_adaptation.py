"""What is known of a caller's voice and of a site, and that no caller can be told from a site's file."""

import json

import numpy as np
import pytest

from emotionlayer_rasa.emotion import CallerVoice, Heard
from emotionlayer_rasa.emotion.adaptation import (
    DECIMALS,
    MIN_CALLERS,
    Adaptation,
    learn_site,
    read_site,
    write_site,
)
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.utterance import EmotionReading

MODEL = "onnx/test-1"
ADAPTATION = Adaptation(size=3, prior=1.5)
NOTHING = np.zeros(3, dtype=np.float32)


def caller(*offsets, weight=1.0) -> CallerVoice:
    voice = CallerVoice()
    for offset in offsets:
        voice.learn(np.asarray(offset, dtype=np.float32), weight)
    return voice


def callers(count: int, seed: int = 0) -> list[CallerVoice]:
    rng = np.random.default_rng(seed)
    return [caller(*rng.normal(0.4, 1.0, (2, 3))) for _ in range(count)]


def test_of_somebody_unheard_nothing_is_known():
    before = np.array([0.1, 0.2, 0.3], dtype=np.float32)
    assert CallerVoice().heard == 0
    assert CallerVoice().shift(before, 1.5) is before


def test_a_shift_weighs_what_was_known_and_what_was_heard():
    before = np.array([1.0, 0.0, -1.0], dtype=np.float32)
    voice = caller([2.0, 2.0, 2.0], [4.0, 0.0, 2.0])
    shift = voice.shift(before, 2.0)
    assert shift.tolist() == pytest.approx([(2 + 6) / 4, 2 / 4, (-2 + 4) / 4])
    assert shift.dtype == np.float32
    assert before.tolist() == [1.0, 0.0, -1.0]
    assert voice.heard == 2
    assert voice.shift(before, 2.0).tolist() == shift.tolist()


def test_the_more_is_heard_the_less_counts_what_was_known():
    far = [abs(caller(*[[3.0] * 3] * count).shift(NOTHING, 1.5)[0] - 3.0) for count in (1, 4, 16, 64)]
    assert far == sorted(far, reverse=True)
    assert far[-1] < 0.1


def test_what_is_hardly_speech_teaches_hardly_anything():
    sure, doubtful, not_at_all = (
        caller([1.0] * 3, weight=weight).shift(NOTHING, 1.5)[0] for weight in (1.0, 0.3, 0.0)
    )
    assert sure == pytest.approx(1 / 2.5)
    assert doubtful == pytest.approx(0.3 / 1.8)
    assert not_at_all == 0


def test_what_was_learnt_is_forgotten():
    voice = caller([1.0, 2.0, 3.0])
    voice.forget()
    assert (voice.heard, voice.shift(NOTHING, 1.5).tolist()) == (0, [0.0, 0.0, 0.0])
    voice.learn(np.ones(3, dtype=np.float32))
    assert voice.shift(NOTHING, 1.5).tolist() == pytest.approx([1 / 2.5] * 3)


def test_an_utterance_teaches_where_there_is_something_to_learn():
    voice = CallerVoice()
    Heard(EmotionReading()).teach(voice)
    assert voice.heard == 0
    Heard(EmotionReading(), np.ones(3, dtype=np.float32), 0.5).teach(voice)
    assert voice.heard == 1
    assert voice.shift(NOTHING, 1.5).tolist() == pytest.approx([0.5 / 2.0] * 3)


def test_a_site_is_the_mean_of_its_callers():
    people = callers(60)
    site = learn_site(people, MODEL, ADAPTATION)
    assert (site.model, site.callers) == (MODEL, 60)
    mean = np.mean([person.shift(NOTHING, ADAPTATION.prior) for person in people], axis=0)
    assert site.shift == pytest.approx(mean.tolist(), abs=0.51 * 10**-DECIMALS)


def test_everybody_counts_the_same_however_much_they_say():
    silent = callers(MIN_CALLERS)
    talker = caller(*[[9.0] * 3] * 1000)
    with_talker, without = (learn_site(people, MODEL, ADAPTATION).shift for people in ([*silent, talker], silent))
    assert np.abs(np.subtract(with_talker, without)).max() < 9.5 / MIN_CALLERS


@pytest.mark.parametrize("count", [0, 1, MIN_CALLERS - 1])
def test_too_few_callers_make_no_site(count):
    people = [*callers(count), *(CallerVoice() for _ in range(MIN_CALLERS))]  # of the others nothing was heard
    with pytest.raises(ConfigurationError, match=rf"at least 50 callers.* a voice was heard of {count}\."):
        learn_site(people, MODEL, ADAPTATION)


def test_a_model_that_does_not_adapt_learns_no_site():
    with pytest.raises(ConfigurationError, match="onnx/test-1 does not adapt"):
        learn_site(callers(60), MODEL, None)


def test_no_caller_can_be_told_from_a_sites_file(tmp_path):
    """It holds a count and a rounded mean: other people with the same mean make the same file."""
    offsets = np.random.default_rng(3).normal(0, 1.0, (MIN_CALLERS, 3))
    away = np.random.default_rng(4).normal(0, 1.0, (MIN_CALLERS // 2, 3))
    others = offsets + np.concatenate([away, -away])
    for name, people in (("one", offsets), ("another", others[::-1])):
        site = learn_site([caller(offset) for offset in people], MODEL, ADAPTATION)
        write_site(site, tmp_path / name)
    written = (tmp_path / "one").read_text()
    assert (tmp_path / "another").read_text() == written
    values = json.loads(written)
    assert set(values) == {"model", "callers", "shift"}
    assert len(values["shift"]) == ADAPTATION.size
    assert all(value == round(value, DECIMALS) for value in values["shift"])
    people = np.array([caller(offset).shift(NOTHING, ADAPTATION.prior) for offset in offsets])
    assert np.abs(people - values["shift"]).max(axis=1).min() > 10**-DECIMALS, "nobody is the mean"


def test_a_site_is_read_back(tmp_path):
    site = learn_site(callers(60), MODEL, ADAPTATION)
    write_site(site, tmp_path / "site.json")
    shift = read_site(tmp_path / "site.json", MODEL, ADAPTATION)
    assert shift.dtype == np.float32
    assert shift.tolist() == pytest.approx(site.shift)


@pytest.mark.parametrize(
    ("model", "adaptation"),
    [("onnx/test-2", ADAPTATION), (MODEL, None), (MODEL, Adaptation(size=4, prior=1.5))],
    ids=["other model", "does not adapt", "other size"],
)
def test_a_site_is_for_the_model_that_learnt_it(tmp_path, model, adaptation):
    write_site(learn_site(callers(60), MODEL, ADAPTATION), tmp_path / "site.json")
    with pytest.raises(ConfigurationError, match=r"site\.json was learnt by the emotion model onnx/test-1"):
        read_site(tmp_path / "site.json", model, adaptation)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read: .*No such file.*emotionlayer adapt"),
        ("{", "cannot be read: .*emotionlayer adapt"),
        ("\xff", "cannot be read: .*emotionlayer adapt"),
        ("[1, 2]", "site.json"),
        (json.dumps({"model": MODEL, "callers": 60}), "shift"),
        (json.dumps({"model": MODEL, "callers": 3, "shift": [0, 0, 0]}), "callers"),
        (json.dumps({"model": MODEL, "callers": 60, "shift": [0, 0, "much"]}), "shift"),
        (json.dumps({"model": MODEL, "callers": 60, "shift": [0, 0, 0], "people": []}), "people"),
    ],
    ids=["absent", "no JSON", "no UTF-8", "no object", "no shift", "few callers", "no number", "unknown key"],
)
def test_a_file_that_is_no_site_is_told_of(tmp_path, text, told):
    path = tmp_path / "site.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=told):
        read_site(path, MODEL, ADAPTATION)
