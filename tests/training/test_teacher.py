"""Ratings that follow known rules of synthetic features; the real ratings may not be shipped."""

from pathlib import Path

import numpy as np
import pytest

from emotionlayer_rasa.audio import SAMPLE_RATE
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.voice import Clip
from emotionlayer_rasa.training import teacher
from emotionlayer_rasa.training.teacher import (
    RATED_CORPORA,
    Ratings,
    Teacher,
    clip_features,
    egemaps_features,
    measure_teacher,
    read_ratings,
    standardise,
    teacher_opinion,
)

pytestmark = pytest.mark.train


def synthetic(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features in odd units, and ratings 1..5: loud is excited, high pitched is dominant, valence is chance."""
    rng = np.random.default_rng(seed)
    plain = rng.standard_normal((count, 47))
    latent = np.stack([rng.standard_normal(count), plain[:, 0], plain[:, 10]], axis=1)
    vad = np.clip(3 + 0.8 * latent + 0.2 * rng.standard_normal((count, 3)), 1, 5)
    return 40 + 7 * plain, vad


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ratings")
    features, vad = synthetic(500, 0)
    np.savez(path / "iemocap.npz", features=features, vad=vad, session=np.repeat(["1-4", "5"], [400, 100]))
    features, vad = synthetic(500, 1)
    vad[:, 1] = 6 - vad[:, 1]  # 1 is excited, 5 is calm
    speakers = np.resize(["F01", "M01", "F06", "M06"], 500)
    np.savez(path / "msp_improv.npz", features=features, vad=vad, speaker=speakers)
    return path


def test_teacher_learns_what_the_features_tell_and_nothing_else(folder):
    figures = measure_teacher(folder)
    assert set(figures) == {"iemocap", "msp_improv"}
    for of_corpus in figures.values():
        assert of_corpus["arousal"] > 0.8
        assert of_corpus["dominance"] > 0.8
        assert abs(of_corpus["valence"]) < 0.3


def test_held_out_people_are_not_learnt_from(folder, tmp_path):
    """Held-out ratings that contradict the others: whoever learnt from them would score better."""
    for corpus in RATED_CORPORA:
        with np.load(folder / f"{corpus.name}.npz") as stored:
            arrays = dict(stored)
        hidden = np.isin(arrays[corpus.group], corpus.held_out)
        arrays["vad"][hidden] = 6 - arrays["vad"][hidden]
        np.savez(tmp_path / f"{corpus.name}.npz", **arrays)
    for corpus, figures in measure_teacher(tmp_path).items():
        assert figures["arousal"] == pytest.approx(-measure_teacher(folder)[corpus]["arousal"], abs=0.05)


def test_predictions_are_as_spread_as_the_ratings_and_within_range():
    features, vad = synthetic(400, 2)
    learnt = Teacher(Ratings(features, (vad - 1) / 4, np.repeat("a", 400)))
    answers = learnt(standardise(features))
    assert answers.std(axis=0) == pytest.approx(((vad - 1) / 4).std(axis=0), rel=0.05)
    assert answers.mean(axis=0) == pytest.approx(((vad - 1) / 4).mean(axis=0), abs=0.01)
    extreme = learnt(100 * np.ones((1, 47)))
    assert ((extreme >= 0) & (extreme <= 1)).all()


def test_standardised_features_have_no_units_and_no_outliers():
    rng = np.random.default_rng(3)
    features = rng.standard_normal((200, 47)) * 5 + 3
    features[0, 0] = 1e6
    features[:, 1] = 7.0
    inputs = standardise(features)
    assert inputs[:, 2:].mean(axis=0) == pytest.approx(np.zeros(45), abs=1e-9)
    assert inputs[:, 2:].std(axis=0) == pytest.approx(np.ones(45), abs=0.01)
    assert np.abs(inputs).max() <= teacher.LIMIT
    assert (inputs[:, 1] == 0).all()
    assert standardise(features[:3], features) == pytest.approx(inputs[:3])


def test_calm_and_excited_are_turned_the_same_way_in_both_corpora(folder):
    for corpus in RATED_CORPORA:
        ratings = read_ratings(folder, corpus)
        assert np.corrcoef(ratings.features[:, 0], ratings.vad[:, 1])[0, 1] > 0.8
        assert ratings.vad.min() >= 0
        assert ratings.vad.max() <= 1


def test_opinion_follows_the_voice_with_neutral_in_the_middle_whatever_the_recording(folder):
    features, vad = synthetic(200, 4)
    features[100:] = features[100:] * 3 - 500  # another microphone
    clips = [
        Clip(Path(f"{place}.flac"), "a" if place < 100 else "b", "xx", "s", "", "joy" if excited else "neutral")
        for place, excited in enumerate(vad[:, 1] > 3.5)
    ]
    opinion = teacher_opinion(folder, clips, features)
    for part in (slice(0, 100), slice(100, 200)):
        for axis in (1, 2):
            assert np.corrcoef(opinion[part, axis], vad[part, axis])[0, 1] > 0.9
    neutral = np.array([clip.emotion == "neutral" for clip in clips])
    assert opinion[neutral].mean(axis=0) == pytest.approx([0.5, 0.5, 0.5])
    assert opinion[~neutral, 1].mean() > 0.6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((500, 46))}, r"shape \(n, 47\)"),
        ({"features": np.full((500, 47), np.nan)}, "finite"),
        ({"vad": np.zeros((500, 2))}, r"shape \(n, 3\)"),
        ({"vad": np.full((500, 3), 7.0)}, r"1\.\.5"),
        ({"session": np.repeat("1-4", 500)}, "'session' must hold 5"),
        ({"session": None}, "'session'"),
    ],
)
def test_wrong_ratings_are_named(folder, tmp_path, change, message):
    with np.load(folder / "iemocap.npz") as stored:
        arrays = {name: value for name, value in ({**stored} | change).items() if value is not None}
    np.savez(tmp_path / "iemocap.npz", **arrays)
    with pytest.raises(ConfigurationError, match=message) as caught:
        measure_teacher(tmp_path)
    assert "iemocap.npz" in str(caught.value)
    assert "affect_features" in str(caught.value)


def test_missing_or_broken_files_are_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"iemocap\.npz.*null to train without"):
        measure_teacher(tmp_path / "nowhere")
    (tmp_path / "iemocap.npz").write_bytes(b"no archive")
    with pytest.raises(ConfigurationError, match=r"iemocap\.npz.*arrays"):
        measure_teacher(tmp_path)
    (tmp_path / "iemocap.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ConfigurationError, match=r"iemocap\.npz.*arrays"):
        measure_teacher(tmp_path)


def buzz(pitch: float, loudness: float, seconds: float = 0.6) -> np.ndarray:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.sum([np.sin(2 * np.pi * pitch * k * times) / k for k in range(1, 12)], axis=0)
    return (loudness * sound).astype(np.float32)


def test_features_measure_loudness_pitch_and_silence():
    pause = np.zeros(int(0.6 * SAMPLE_RATE), dtype=np.float32)
    quiet, loud, high, broken = rows = egemaps_features(
        [buzz(120, 0.05), buzz(120, 0.2), buzz(240, 0.05), np.concatenate([buzz(120, 0.05), pause])]
    )
    assert rows.shape == (4, 47)
    assert loud[0] > 1.5 * quiet[0]  # mean loudness
    assert high[10] - quiet[10] == pytest.approx(12, abs=1.5)  # mean pitch in semitones
    assert broken[23] > quiet[23]  # deviation of loudness
    assert quiet[46] < 0.1
    assert 0.3 < broken[46] < 0.6  # silence
    assert np.isfinite(egemaps_features([buzz(120, 0.1, 0.02), pause])).all()
    assert egemaps_features([]).shape == (0, 47)


def test_features_are_computed_once(data, tmp_path, monkeypatch):
    clips = [Clip(path, "synthetic", "en", "s", "", "neutral") for path in sorted(data.rglob("*.flac"))[:2]]
    assert len(clips) == 2
    first = clip_features(clips, tmp_path)
    assert first.shape == (2, 47)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]

    def refuse(waveforms):
        raise AssertionError("computed again")

    monkeypatch.setattr(teacher, "egemaps_features", refuse)
    assert (clip_features(clips, tmp_path) == first).all()
    with pytest.raises(AssertionError, match="computed again"):
        clip_features(clips[::-1], tmp_path)
