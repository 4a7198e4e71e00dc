import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from emotionlayer_rasa.audio import Waveform
from emotionlayer_rasa.emotion import EmotionRecognizer, Heard
from emotionlayer_rasa.evaluation.voice import (
    Clip,
    Outcome,
    measure,
    recognize_adapted,
    recognize_clips,
    write_report,
)
from emotionlayer_rasa.utterance import EmotionReading


def heard(emotion, scores, *, label=None, corpus="a", language="en", gender="female", **ratings):
    """A clip labelled ``emotion`` that got ``scores``."""
    own = {axis: ratings.pop(f"heard_{axis}", None) for axis in ("valence", "arousal", "dominance")}
    best = max(scores, key=scores.get) if scores else "unknown"
    reading = EmotionReading(label or best, max(scores.values(), default=0.0), scores, **own)
    return Outcome(Clip(f"{emotion}.wav", corpus, language, "s", gender, emotion, **ratings), reading)


OUTCOMES = [
    heard("anger", {"anger": 0.8, "joy": 0.2}),
    heard("anger", {"anger": 0.4, "joy": 0.6}, label="unknown", gender="male"),
    heard("joy", {"anger": 0.1, "joy": 0.9}),
    # corpus b has neither joy nor disgust: without them, fear wins
    heard("fear", {"joy": 0.5, "fear": 0.3, "sadness": 0.2}, corpus="b", language="it", gender="male"),
    heard("sadness", {"joy": 0.1, "disgust": 0.2, "sadness": 0.7}, corpus="b", language="it"),
    heard("sadness", {}, corpus="b", language="it"),
    heard("unknown", {"neutral": 1.0}, corpus="b", language="it"),
    Outcome(Clip("bad.wav", "b", "it", "s", "male", "fear"), None, "audio.empty: nothing"),
]


@pytest.fixture(scope="module")
def result():
    return measure(OUTCOMES, "onnx/some-model", "telephone")


def test_what_is_counted(result):
    assert {key: result[key] for key in ("clips", "scored", "failures", "not_among_the_seven")} == {
        "clips": 8,
        "scored": 6,
        "failures": 1,
        "not_among_the_seven": 1,
    }
    assert (result["model"], result["degrade"]) == ("onnx/some-model", "telephone")


def test_labels_that_a_corpus_lacks_are_masked(result):
    assert result["masked_labels"] == {
        "a": ["disgust", "fear", "neutral", "sadness", "surprise"],
        "b": ["anger", "disgust", "joy", "neutral", "surprise"],
    }
    # anger 1/2, joy 1, fear 1 (masked), sadness 1/2 (one clip without any score)
    assert result["uar"] == pytest.approx((0.5 + 1 + 1 + 0.5) / 4)
    assert result["accuracy"] == pytest.approx(4 / 6, abs=1e-4)
    assert result["unmasked"]["uar"] == pytest.approx((0.5 + 1 + 0 + 0.5) / 4)
    assert result["recall"]["fear"] == 1.0
    assert result["recall"]["neutral"] is None
    assert result["unmasked"]["recall"]["fear"] == 0.0


def test_the_label_decides_on_coverage_and_the_arg_max_on_the_rest(result):
    assert result["coverage"] == pytest.approx(4 / 6, abs=1e-4)
    assert result["uar_above_threshold"] == 1.0
    # the five most confident of six leave out the clip without a score: anger 1/2, others right
    assert result["uar_confident_70"] == pytest.approx((0.5 + 1 + 1 + 1) / 4)


def test_calibration_takes_the_masked_probabilities(result):
    # (.8 right) (.6 wrong) (.9 right) (.3/.5 = .6 right) (1 right) (0 wrong); the two .6 share a bin
    expected = (0.2 + abs(1 - 1.2) + 0.1 + 0.0 + 0.0) / 6
    assert result["ece"] == pytest.approx(expected, abs=1e-4)


def test_groups(result):
    assert result["by_corpus"]["a"]["uar"] == pytest.approx(0.75)
    assert result["by_corpus"]["b"]["uar"] == pytest.approx(0.75)
    assert result["by_language"]["it"]["scored"] == 3
    assert result["by_gender"]["male"]["accuracy"] == pytest.approx(0.5)


def test_confusion(result):
    labels, counts = result["confusion"]["labels"], np.array(result["confusion"]["counts"])
    assert counts.sum() == 5
    assert counts[labels.index("anger"), labels.index("joy")] == 1
    assert counts[labels.index("fear"), labels.index("fear")] == 1


def test_concordance_where_there_are_ratings(result):
    assert result["ccc"] == {}
    rated = [
        heard("joy", {"joy": 1.0}, arousal=x, heard_arousal=x + 0.1, valence=0.5) for x in (0.2, 0.4, 0.6)
    ]  # fmt: skip
    ccc = measure(rated, "m")["ccc"]
    variance = np.var([0.2, 0.4, 0.6])
    assert ccc == {"arousal": pytest.approx(2 * variance / (2 * variance + 0.01), abs=1e-4)}


def test_the_report_is_written(result, tmp_path):
    write_report(result, tmp_path / "deep" / "out")
    out = tmp_path / "deep" / "out"
    assert json.loads((out / "metrics.json").read_text()) == result
    text = (out / "report.md").read_text()
    assert "| corpus: a | 3 | 0.750 |" in text
    assert "a lacks disgust, fear" in text
    assert "telephone" in text
    picture = imread(out / "confusion.png")
    assert min(picture.shape[:2]) > 500
    assert picture[..., :3].std() > 0.05


def test_nothing_heard_is_still_a_report(tmp_path):
    result = measure([OUTCOMES[-1]], "m")
    assert (result["scored"], result["uar"], result["by_corpus"]) == (0, None, {})
    write_report(result, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["failures"] == 1


class LevelRecognizer(EmotionRecognizer):
    """Hears anger in what is loud, so that a test knows what to expect."""

    model = "test/level"

    def hear(self, waveform, prosody=None, caller=None):
        loud = float(np.clip(np.abs(waveform.samples).max(), 0, 1))
        scores = {"anger": loud, "sadness": 1 - loud}
        heard = caller.heard if caller else 0
        reading = EmotionReading("anger" if loud > 0.5 else "sadness", 0.5, scores, adapted_from=heard)
        return Heard(reading, np.array([loud]), 1.0)


def test_a_bad_clip_is_an_outcome_and_the_rest_go_on(data, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_bytes(b"no sound at all")
    paths = [data / "en_order.flac", tmp_path / "empty.wav", data / "en_thanks.flac", "absent.wav", "text.wav"]
    clips = [Clip(path, "c", "en", "s", "", "anger") for path in map(type(tmp_path), paths)]
    outcomes = list(recognize_clips(LevelRecognizer(), clips, tmp_path))
    assert [outcome.clip for outcome in outcomes] == clips
    assert [outcome.error.split(":")[0] for outcome in outcomes] == [
        "",
        "audio.empty",
        "",
        "file",
        "audio.unsupported",
    ]
    assert outcomes[0].reading is not None


def test_clips_are_heard_after_others_of_their_speaker(data, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    names = ("en_order", "en_thanks", "en_person", "en_complaint")
    clips = [Clip(data / f"{name}.flac", "c", "en", "talks", "", "anger") for name in names]
    clips += [
        replace(clips[0], corpus="d"),
        replace(clips[0], path=tmp_path / "empty.wav"),
        replace(clips[1], speaker="quiet"),
    ]
    heard = dict(recognize_adapted(LevelRecognizer(), clips, tmp_path, [0, 2, 16]))
    assert list(heard) == [0, 2, 16]
    for count, outcomes in heard.items():
        assert [outcome.clip for outcome in outcomes] == clips
        assert [outcome.error.split(":")[0] for outcome in outcomes] == [""] * 5 + ["audio.empty", ""]
        known = [outcome.reading.adapted_from for outcome in outcomes if outcome.reading]
        assert known == [min(count, 3)] * 4 + [0, 0]  # never from itself, nor from the same name in another corpus


def test_a_clip_is_taught_by_the_same_others_in_every_run(data, tmp_path):
    taught = []

    class Listening(LevelRecognizer):
        def hear(self, waveform, prosody=None, caller=None):
            if caller is not None:
                taught.append(caller.shift(np.zeros(1), 1.0).tolist())
            return super().hear(waveform, prosody, caller)

    clips = [
        Clip(data / f"en_{name}.flac", "c", "en", "s", "", "anger")
        for name in ("order", "thanks", "person", "complaint")
    ]
    for listed in (clips, clips):
        list(recognize_adapted(Listening(), listed, tmp_path, [1], workers=1))
    assert taught[:4] == taught[4:]
    assert len({tuple(shift) for shift in taught}) > 1


def test_degradation_depends_on_the_path_alone(data, tmp_path):
    clips = [Clip(data / f"en_{name}.flac", "c", "en", "s", "", "anger") for name in ("order", "thanks", "order")]
    seeds = []

    def quieter(waveform: Waveform, seed: int) -> Waveform:
        seeds.append(seed)
        return Waveform(waveform.samples * 0.0)

    outcomes = list(recognize_clips(LevelRecognizer(), clips, tmp_path, quieter, workers=1))
    assert [outcome.reading.label for outcome in outcomes] == ["sadness"] * 3
    assert seeds[0] == seeds[2] != seeds[1]
