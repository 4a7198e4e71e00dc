from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotionlayer_rasa.emotion.pad import EMOTION_PAD
from emotionlayer_rasa.emotion.prosody import MODEL_FEATURES
from emotionlayer_rasa.evaluation.voice import Clip
from emotionlayer_rasa.training.vad import (
    LIVELY_AROUSAL,
    LOUD_DOMINANCE,
    orderings,
    student_concordance,
    vad_targets,
)


def clip(emotion: str, intensity: str = "", corpus: str = "synthetic") -> Clip:
    return Clip(Path("a.flac"), corpus, "xx", "s0", "female", emotion, intensity=intensity)


def test_without_a_teacher_the_prior_is_stretched_by_the_intensity():
    strong, plain, normal, neutral = vad_targets(
        [clip("anger", "strong"), clip("anger"), clip("anger", "normal"), clip("neutral", "normal")]
    )
    assert plain == pytest.approx(EMOTION_PAD["anger"])
    assert strong[1] > plain[1] > normal[1] > 0.5
    assert strong[0] < plain[0] < normal[0] < 0.5
    assert neutral == pytest.approx([0.5, 0.5, 0.5])
    assert vad_targets([]).shape == (0, 3)


def test_without_a_teacher_what_listeners_heard_moves_the_prior_half_way():
    heard_as_joy = replace(clip("anger"), votes={"joy": 0.5, "anger": 0.25, "unknown": 0.25})
    anger, joy = (np.array(EMOTION_PAD[name]) for name in ("anger", "joy"))
    assert vad_targets([heard_as_joy])[0] == pytest.approx((anger + (2 * joy + anger) / 3) / 2)


def test_without_a_teacher_a_voice_that_is_livelier_than_its_speakers_usual_is_more_aroused():
    def voice(level: float, pitch: float, melody: float) -> list[float]:
        known = {"energy_db": level, "pitch_semitones": pitch, "pitch_range_semitones": melody}
        return [known.get(name, 0.0) for name in MODEL_FEATURES]

    loud, quiet = voice(-20, 12, 6), voice(-40, 6, 2)
    clips = [clip("neutral"), clip("neutral")] + [replace(clip("neutral"), speaker="shouts")] * 2
    clips += [replace(clip("neutral"), speaker="says it once")]
    unmeasured = [np.nan] * len(MODEL_FEATURES)
    prosody = np.array([loud, quiet, [value + 20 for value in loud], [value + 20 for value in quiet], loud])
    plain, targets = vad_targets(clips), vad_targets(clips, prosody=prosody)
    assert targets[0, 1] - plain[0, 1] == pytest.approx(LIVELY_AROUSAL, rel=1e-3)
    assert targets[0, 2] - plain[0, 2] == pytest.approx(LOUD_DOMINANCE, rel=1e-3)
    assert plain[1, 1] - targets[1, 1] == pytest.approx(LIVELY_AROUSAL, rel=1e-3)
    assert targets[:2] == pytest.approx(targets[2:4]), "who is louder in all that they say is not livelier"
    assert (targets[4] == plain[4]).all()
    assert (targets[:, 0] == plain[:, 0]).all()
    assert (vad_targets(clips[:2], prosody=np.array([unmeasured, loud])) == plain[:2]).all()
    opinion = np.full((5, 3), 0.6)
    assert (vad_targets(clips, opinion, prosody) == vad_targets(clips, opinion)).all()


def test_human_ratings_come_first_dimension_by_dimension():
    rated = replace(clip("anger"), valence=0.7, dominance=0.0)
    opinion = np.array([[0.3, 0.4, 0.9]])
    target = vad_targets([rated], opinion)[0]
    assert target[0] == pytest.approx(0.7)
    assert target[1] == pytest.approx(vad_targets([clip("anger")], opinion)[0, 1])
    assert target[2] == pytest.approx(0.02)  # a sigmoid reaches no 0
    assert target.dtype == np.float32


def test_the_teacher_tells_clips_of_one_emotion_apart_and_the_prior_where_the_emotion_lies():
    clips = [clip("sadness"), clip("sadness"), clip("neutral"), clip("neutral")]
    # This teacher, as ours does of acted crying, hears sadness as livelier and more pleasant than neutral voices.
    opinion = np.array([[0.7, 0.5, 0.5], [0.9, 0.7, 0.3], [0.3, 0.45, 0.5], [0.3, 0.55, 0.5]])
    targets = vad_targets(clips, opinion)
    prior = np.array(EMOTION_PAD["sadness"])
    within = targets[1] - targets[0]
    assert within[1:] == pytest.approx(opinion[1, 1:] - opinion[0, 1:], abs=1e-6)
    assert 0 < within[0] < 0.2
    assert targets[:2, 0].mean() == pytest.approx(prior[0], abs=1e-6)
    for place in (1, 2):
        low, high = sorted([prior[place], opinion[:2, place].mean()])
        assert low < targets[:2, place].mean() < high
    assert orderings(clips, opinion) == {"arousal: neutral > sadness": False}
    assert orderings(clips, targets) == {"arousal: neutral > sadness": True}


def test_orderings_are_those_of_the_means():
    clips = [clip("anger", "strong"), clip("anger", "normal"), clip("neutral"), clip("sadness"), clip("joy")]
    good = np.array([[0.2, 0.9, 0.7], [0.3, 0.7, 0.6], [0.5, 0.5, 0.5], [0.2, 0.3, 0.3], [0.8, 0.6, 0.6]])
    assert orderings(clips, good) == {
        "arousal: anger > neutral": True,
        "arousal: neutral > sadness": True,
        "arousal: strong > normal": True,
        "valence: joy > neutral": True,
        "valence: neutral > anger": True,
    }
    assert not any(orderings(clips, 1 - good).values())
    lively_sadness = good.copy()
    lively_sadness[3, 1] = 0.6
    assert [name for name, holds in orderings(clips, lively_sadness).items() if not holds] == [
        "arousal: neutral > sadness"
    ]
    assert not any(orderings(clips, np.full((5, 3), 0.5)).values())
    assert orderings(clips[:2], good[:2]) == {"arousal: strong > normal": True}


def test_student_concordance_is_by_dimension():
    opinion = np.random.default_rng(0).uniform(size=(50, 3))
    student = opinion.copy()
    student[:, 1] = 1 - student[:, 1]
    student[:, 2] = 0.5
    figures = student_concordance(student, opinion)
    assert figures["valence"] == 1.0
    assert figures["arousal"] < -0.8
    assert figures["dominance"] == 0.0
