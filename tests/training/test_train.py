"""A whole training in miniature: synthetic voices, a tiny random Whisper encoder, a real exported model."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from click.testing import CliRunner

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio
from emotionlayer_rasa.cli import main
from emotionlayer_rasa.emotion import EmotionSettings, create_recognizer
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.voice import read_manifest
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.training.config import read_config
from emotionlayer_rasa.training.corpora import filter_by_agreement
from emotionlayer_rasa.training.held_out import speaker_folds
from emotionlayer_rasa.training.material import _targets
from emotionlayer_rasa.training.train import train

pytestmark = pytest.mark.train

VOICES = {"anger": (260.0, 0.6), "sadness": (120.0, 0.02), "neutral": (180.0, 0.15)}
"""Pitch in Hz and loudness of each synthetic emotion."""


def speak(emotion: str, speaker: int, take: int) -> np.ndarray:
    """Five syllables of a buzzing voice."""
    rng = np.random.default_rng([speaker, take, len(emotion)])
    pitch, loudness = VOICES[emotion]
    times = np.arange(int(0.22 * SAMPLE_RATE)) / SAMPLE_RATE
    syllables = []
    for _ in range(5):
        own = pitch * (1 + 0.05 * speaker / 4) * rng.uniform(0.95, 1.05)
        buzz = np.sum([np.sin(2 * np.pi * own * k * times) / k for k in range(1, 12)], axis=0)
        syllables += [buzz * np.hanning(len(times)), np.zeros(600)]
    voice = np.concatenate(syllables) * loudness * rng.uniform(0.8, 1.2)
    return np.clip(voice + 1e-4 * rng.standard_normal(len(voice)), -1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, tiny_whisper) -> Path:
    """Four speakers in two corpora, three emotions, three takes; ratings of others; a configuration."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for name, group in (("iemocap", {"session": ["1", "5"]}), ("msp_improv", {"speaker": ["F01", "F06", "M06"]})):
        groups = {key: np.repeat(values, 20) for key, values in group.items()}
        count = len(next(iter(groups.values())))
        np.savez(
            folder / f"{name}.npz",
            features=rng.standard_normal((count, 47)),
            vad=rng.uniform(1, 5, (count, 3)),
            **groups,
        )
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["path", "corpus", "language", "speaker", "gender", "emotion", "votes_anger", "votes_neutral"]
        )
        for speaker in range(4):
            for emotion in VOICES:
                for take in range(3):
                    name = f"{speaker}-{emotion}-{take}.flac"
                    soundfile.write(folder / name, speak(emotion, speaker, take), SAMPLE_RATE)
                    corpus = "synthetic" if speaker < 2 else "other"
                    votes = (0.4, 0.6) if emotion == "anger" and take == 0 else ("", "")
                    writer.writerow([name, corpus, "xx", f"s{speaker}", "female", emotion, *votes])
    config = {
        "name": "tiny",
        "version": "7",
        "manifest": str(folder / "manifest.csv"),
        "root": str(folder),
        "cache": str(folder / "cache"),
        "affect_features": str(folder),
        "encoders": [{"model": str(tiny_whisper), "first_layer": 1, "last_layer": 2}],
        "window_s": 4.0,
        "views": 2,
        "no_speech": 14,
        "folds": 2,
        "cross_corpus": True,
        "second_hearing": {"below": 0.8, "speeds": [0.97, 1.03], "max_seconds": 3.0},
        "workers": 1,
        "head": {"members": 2, "hidden": 16, "epochs": 60, "batch": 16, "learning_rate": 0.003},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("out")
    return out, train(corpus / "config.yml", out)


def test_the_exported_model_hears_what_it_was_trained_on(trained, corpus):
    out, _ = trained
    recognizer = create_recognizer(EmotionSettings(model=str(out / "tiny.onnx"), threshold=0.0))
    assert recognizer.model == "onnx/tiny-7"
    clips = read_manifest(corpus / "manifest.csv")
    answers = [recognizer.recognize(load_audio(corpus / clip.path)) for clip in clips]
    right = np.mean([answer.label == clip.emotion for clip, answer in zip(clips, answers, strict=True)])
    assert right > 0.9
    arousal = {
        name: np.mean([a.arousal for c, a in zip(clips, answers, strict=True) if c.emotion == name])
        for name in VOICES
    }
    assert arousal["anger"] > arousal["neutral"] > arousal["sadness"]


def test_the_report_holds_figures_of_held_out_speakers(trained):
    out, report = trained
    assert report["clean"]["scored"] == 36
    assert report["clean"]["uar"] > 0.6  # loudness and pitch tell these voices apart, whoever speaks
    assert report["largest_probability_difference_to_torch"] < 0.1
    assert 0 <= report["threshold"] <= 0.9
    assert set(report) >= {"telephone", "snr10", "temperature", "size_mb", "no_speech_unknown"}
    assert json.loads((out / "report.json").read_text()) == report
    assert json.loads((out / "tiny.json").read_text())["training"]["corpora"] == ["other", "synthetic"]
    assert 0 < report["clean"]["heard_again"] < 1
    assert json.loads((out / "tiny.json").read_text())["second_hearing"]["speeds"] == [0.97, 1.03]
    assert report["clean"]["development"]["scored"] + report["clean"]["test"]["scored"] == 36
    assert set(report["cross_corpus"]) == {"synthetic", "other"}
    assert all(0.3 < figure <= 1 for figure in report["cross_corpus"].values())
    assert set(report["teacher"]) == {"iemocap", "msp_improv"}
    assert set(report["student_to_teacher"]) == {"valence", "arousal", "dominance"}
    assert report["orderings"]["arousal: anger > neutral"]


def test_a_second_run_reuses_the_activations_and_gives_the_same_model(trained, corpus, tmp_path):
    cached = {path: path.stat().st_mtime_ns for path in (corpus / "cache").iterdir()}
    again = train(corpus / "config.yml", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (corpus / "cache").iterdir()} == cached
    assert again["clean"]["uar"] == trained[1]["clean"]["uar"]
    sound = Waveform(speak("anger", 9, 9))
    first, second = (
        create_recognizer(EmotionSettings(model=str(folder / "tiny.onnx"))).recognize(sound).scores
        for folder in (trained[0], tmp_path)
    )
    assert [first[name] for name in EMOTIONS] == pytest.approx([second[name] for name in EMOTIONS], abs=1e-4)


def test_an_interrupted_run_goes_on_where_it_was(trained, corpus, tmp_path, monkeypatch):
    def fail(*_):
        raise AssertionError("this has been computed already")

    heads = sorted((corpus / "cache").glob("head-*.pt"))
    assert len(heads) == 2 + 1 + 2  # folds, all clips, corpora
    heads[0].unlink()
    computed = []
    from emotionlayer_rasa.training import material as module

    original = module.train_head
    monkeypatch.setattr(module, "train_head", lambda *given: computed.append(1) or original(*given))
    monkeypatch.setattr("emotionlayer_rasa.training.activations.random_view", fail)
    again = train(corpus / "config.yml", tmp_path)
    assert len(computed) == 1
    assert again["clean"]["uar"] == trained[1]["clean"]["uar"]


def test_ambiguous_clips_are_dropped_or_trained_on_their_votes(corpus):
    clips = read_manifest(corpus / "manifest.csv")
    settings = read_config(corpus / "config.yml")
    kept = filter_by_agreement(clips, 0.5, "drop")
    assert len(kept) == 36 - 4
    softened = filter_by_agreement(clips, 0.5, "soften")
    targets = _targets(softened, settings, None).emotion
    assert targets.shape == (36 + 14, 8)
    for clip, row in zip(softened, targets, strict=False):
        wanted = {"anger": 0.4, "neutral": 0.6} if clip.votes else {clip.emotion: 1.0}
        assert dict(zip(EMOTIONS, row, strict=False)) == pytest.approx(
            {name: wanted.get(name, 0) for name in EMOTIONS}
        )
    assert (targets[36:, 7] == 1).all()


def test_corpora_named_on_the_command_line_take_the_place_of_the_manifest(corpus, tmp_path):
    values = yaml.safe_load((corpus / "config.yml").read_text())
    (tmp_path / "config.yml").write_text(
        yaml.safe_dump(
            values | {"manifest": str(tmp_path / "absent.csv"), "affect_features": str(tmp_path / "none")}
        )
    )
    options = ["--config", str(tmp_path / "config.yml"), "--out", str(tmp_path / "out")]
    wrong = CliRunner().invoke(main, ["train", *options, "--corpus", "shared"])
    assert "NAME=PATH" in wrong.output
    unknown = CliRunner().invoke(main, ["train", *options, "--corpus", f"nobodys={corpus}"])
    assert "'nobodys' is no known corpus" in unknown.output
    result = CliRunner().invoke(main, ["train", *options, "--corpus", f"shared={corpus}", "--agreement", "0.5"])
    assert result.exit_code == 0, result.output
    description = json.loads((tmp_path / "out" / "tiny.json").read_text())
    assert description["training"]["clips"] == 32
    assert "no ratings" in result.output
    assert "teacher" not in description["figures"]


def test_nobody_speaks_in_two_folds(corpus):
    clips = read_manifest(corpus / "manifest.csv")
    folds = speaker_folds(clips, 2, seed=3)
    for fold in range(2):
        inside = {clip.speaker for clip, own in zip(clips, folds, strict=True) if own == fold}
        outside = {clip.speaker for clip, own in zip(clips, folds, strict=True) if own != fold}
        assert inside
        assert not inside & outside


def test_wrong_configuration_is_named(corpus, tmp_path):
    values = yaml.safe_load((corpus / "config.yml").read_text())
    (tmp_path / "bad.yml").write_text(yaml.safe_dump(values | {"viewz": 3}))
    with pytest.raises(ConfigurationError, match="viewz"):
        train(tmp_path / "bad.yml", tmp_path)
    with pytest.raises(ConfigurationError, match=r"nowhere\.yml"):
        train(tmp_path / "nowhere.yml", tmp_path)


def test_shipped_configuration_can_be_read(monkeypatch):
    from emotionlayer_rasa.training.config import DEFAULT_CONFIG

    monkeypatch.setenv("EMOTIONLAYER_SHARED", "somewhere")
    assert read_config(DEFAULT_CONFIG).manifest == Path("somewhere/speech/manifest.csv")
