import pytest

from emotionlayer_rasa.emotion.pad import EMOTION_PAD, emotions_near, expected_pad
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS


def test_every_emotion_has_a_place_within_bounds():
    assert set(EMOTION_PAD) == set(EMOTIONS)
    assert all(0 <= value <= 1 for place in EMOTION_PAD.values() for value in place)
    assert EMOTION_PAD["neutral"] == (0.5, 0.5, 0.5)


def test_orderings():
    valence, arousal, dominance = ({name: place[axis] for name, place in EMOTION_PAD.items()} for axis in range(3))
    assert valence["joy"] > valence["neutral"] > valence["anger"]
    assert arousal["anger"] > arousal["neutral"] > arousal["sadness"]
    assert dominance["anger"] > dominance["neutral"] > dominance["fear"]


def test_expected_pad_is_the_mean_under_the_scores():
    assert expected_pad({"anger": 1.0}) == pytest.approx(EMOTION_PAD["anger"])
    assert expected_pad({"joy": 0.5, "neutral": 0.5})[0] == pytest.approx((EMOTION_PAD["joy"][0] + 0.5) / 2)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_an_emotion_is_nearest_where_it_lies(emotion):
    scores = emotions_near(dict(zip(DIMENSIONS, EMOTION_PAD[emotion], strict=True)))
    assert max(scores, key=lambda label: scores[label]) == emotion
    assert sum(scores.values()) == pytest.approx(1)


def test_one_dimension_alone_tells_something_too():
    scores = emotions_near({"arousal": EMOTION_PAD["sadness"][1]})
    assert max(scores, key=lambda label: scores[label]) == "sadness"
