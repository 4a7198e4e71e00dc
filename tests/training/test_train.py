"""A whole training in miniature: synthetic voices, a tiny random Whisper encoder, a real exported model."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from click.testing import CliRunner

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio
from emotionlayer_rasa.cli import main
from emotionlayer_rasa.emotion import CallerVoice, EmotionSettings, create_recognizer
from emotionlayer_rasa.emotion.adaptation import Adaptation
from emotionlayer_rasa.emotion.onnx_recognizer import read_description
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.voice import Clip, read_manifest
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.training.config import CONFIGS, TrainingSettings, read_config
from emotionlayer_rasa.training.corpora import filter_by_agreement
from emotionlayer_rasa.training.head import NOBODY
from emotionlayer_rasa.training.held_out import speaker_folds
from emotionlayer_rasa.training.material import Material, activation_store, labelled_clips, prepare
from emotionlayer_rasa.training.speech_encoder import PooledEncoder
from emotionlayer_rasa.training.train import train

pytestmark = pytest.mark.train

VOICES = {"anger": (260.0, 0.6), "sadness": (120.0, 0.02), "neutral": (180.0, 0.15)}
"""Pitch in Hz and loudness of each synthetic emotion."""


SPEAKERS = {0: (0.95, 0.7), 1: (1.05, 1.4), 2: (1.0, 1.0), 3: (1.1, 0.8)}
"""By how much the pitch and the loudness of each speaker differ from these; of others not at all."""

TAKES = 7
"""Of each emotion: as many as a speaker with histories needs."""

CLIPS = len(SPEAKERS) * len(VOICES) * TAKES


def speak(emotion: str, speaker: int, take: int, voice: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """Five syllables of a buzzing voice, which may be higher and louder than others in all that it says."""
    rng = np.random.default_rng([speaker, take, len(emotion)])
    higher, louder = SPEAKERS.get(speaker, voice)
    pitch, loudness = higher * VOICES[emotion][0], louder * VOICES[emotion][1]
    times = np.arange(int(0.22 * SAMPLE_RATE)) / SAMPLE_RATE
    syllables = []
    for _ in range(5):
        own = pitch * rng.uniform(0.95, 1.05)
        buzz = np.sum([np.sin(2 * np.pi * own * k * times) / k for k in range(1, 12)], axis=0)
        syllables += [buzz * np.hanning(len(times)), np.zeros(600)]
    sound = np.concatenate(syllables) * loudness * rng.uniform(0.8, 1.2)
    return np.clip(sound + 1e-4 * rng.standard_normal(len(sound)), -1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, tiny_whisper) -> Path:
    """Four speakers in two corpora, three emotions, seven takes; ratings of others; a configuration."""
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
                for take in range(TAKES):
                    name = f"{speaker}-{emotion}-{take}.flac"
                    soundfile.write(folder / name, speak(emotion, speaker, take), SAMPLE_RATE)
                    corpus = "synthetic" if speaker < 2 else "other"
                    votes = (0.4, 0.6) if emotion == "anger" and take == 0 else ("", "")
                    writer.writerow([name, corpus, "xx", f"s{speaker}", "female", emotion, *votes])
    config = {
        "name": "tiny",
        "version": "7",
        "manifests": [str(folder / "manifest.csv")],
        "cache": str(folder / "cache"),
        "affect_features": str(folder),
        "encoders": [{"model": str(tiny_whisper), "first_layer": 1, "last_layer": 2}],
        "window_s": 4.0,
        "views": 2,
        "no_speech": 14,
        "folds": 2,
        "workers": 1,
        "head": {"variance": 0.003, "iterations": 40, "histories": [0, 2], "prior": 1.5},
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


STRANGER = (1.4, 2.0)
"""A voice that is so high and loud in all that it says that it sounds angry to who does not know it."""


def test_a_strange_voice_is_heard_better_after_other_utterances_of_it(trained):
    recognizer = create_recognizer(EmotionSettings(model=str(trained[0] / "tiny.onnx"), threshold=0.0))
    sounds = {
        (emotion, take): Waveform(speak(emotion, 9, take, STRANGER)) for emotion in VOICES for take in range(9)
    }

    def right(caller: CallerVoice | None) -> float:
        """Of takes that the caller is not taught."""
        asked = [key for key in sounds if key[1] < 5]
        answers = [recognizer.hear(sounds[key], caller=caller).reading for key in asked]
        return float(np.mean([answer.label == key[0] for key, answer in zip(asked, answers, strict=True)]))

    def taught(*emotions: str) -> CallerVoice:
        caller = CallerVoice()
        for place, emotion in enumerate(emotions):
            recognizer.hear(sounds[emotion, 5 + place // len(set(emotions))], caller=caller).teach(caller)
        return caller

    assert right(None) < 0.5  # all of it is anger
    assert right(taught("neutral", "sadness", "anger")) > right(None) + 0.3
    known = taught(*("neutral", "sadness", "anger") * 3)
    assert right(known) > 0.9
    assert recognizer.hear(sounds["neutral", 0], caller=known).reading.adapted_from == 9
    # One mood alone teaches as well: what it does to a voice is taken out.
    for mood in ("neutral", "anger"):
        assert right(taught(*[mood] * 4)) > 0.8


def test_the_report_holds_figures_of_strangers_and_of_held_out_speakers(trained):
    out, report = trained
    for left_out in ("strangers", "speakers"):
        figures = report[left_out]
        curves = ("uar", "uar_telephone", "uar_snr10", "ece", "accuracy", "answered")
        assert set(figures) == {*curves, "by_corpus", "anger_recall"}
        assert all(set(figures[name]) == {"0", "1", "4", "16"} for name in curves)
        assert set(figures["by_corpus"]) == {"synthetic", "other"}
        # Loudness and pitch tell these voices apart, whoever speaks.
        assert min(figures["uar"].values()) > 0.6
        assert all(0.5 < figure <= 1 for row in figures["by_corpus"].values() for figure in row.values())
        assert set(figures["anger_recall"]) == {
            "nothing known",
            "after eight angry utterances",
            "after eight neutral ones",
        }
    assert report["largest_probability_difference_to_torch"] < 0.1
    assert 0 <= report["threshold"] <= 0.9
    assert set(report) >= {"temperature", "size_mb", "no_speech_unknown", "mean_vad"}
    assert json.loads((out / "report.json").read_text()) == report
    assert set(report["teacher"]) == {"iemocap", "msp_improv"}
    assert set(report["student_to_teacher"]) == {"valence", "arousal", "dominance"}
    assert report["orderings"]["arousal: anger > neutral"]


def test_the_description_tells_how_the_model_adapts_and_what_it_learnt_from(trained):
    description = read_description(trained[0] / "tiny.onnx")
    assert description.adaptation == Adaptation(size=11, prior=1.5)
    training = description.training
    assert (training["corpora"], training["clips"], training["speakers"]) == (["other", "synthetic"], CLIPS, 4)
    assert training["head"]["histories"] == [0, 2]
    assert description.figures["strangers"] == trained[1]["strangers"]


def test_a_second_run_reuses_the_activations_and_gives_the_same_model(trained, corpus, tmp_path):
    cached = {path: path.stat().st_mtime_ns for path in (corpus / "cache").iterdir()}
    again = train(corpus / "config.yml", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (corpus / "cache").iterdir()} == cached
    assert again == trained[1]
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
    assert len(heads) == 2 + 2 + 1 + 1  # folds, corpora, all clips, without some sounds that are no speech
    heads[0].unlink()
    cached = {path: path.stat().st_mtime_ns for path in (corpus / "cache").iterdir()}
    monkeypatch.setattr("emotionlayer_rasa.training.activations.random_view", fail)
    again = train(corpus / "config.yml", tmp_path)
    computed = {path for path in (corpus / "cache").iterdir() if path.stat().st_mtime_ns != cached.get(path)}
    assert computed == {heads[0]}
    assert again["strangers"] == trained[1]["strangers"]


def material(settings: TrainingSettings, clips: list[Clip]) -> Material:
    """What a head would be trained on, the teacher not asked; activations come from the cache."""
    store = activation_store(PooledEncoder(settings.encoders, settings.window_s), settings)
    return prepare(clips, store, settings.copy(update={"affect_features": None}))


def test_ambiguous_clips_are_dropped_or_trained_on_their_votes(trained, corpus):
    settings = read_config(corpus / "config.yml")
    clips = labelled_clips(settings, {})
    kept = filter_by_agreement(clips, 0.5, "drop")
    assert len(kept) == CLIPS - 4
    softened = filter_by_agreement(clips, 0.5, "soften")
    targets = material(settings, softened).targets.emotion
    assert targets.shape == (CLIPS + 14, 8)
    for clip, row in zip(softened, targets, strict=False):
        wanted = {"anger": 0.4, "neutral": 0.6} if clip.votes else {clip.emotion: 1.0}
        assert dict(zip(EMOTIONS, row, strict=False)) == pytest.approx(
            {name: wanted.get(name, 0) for name in EMOTIONS}
        )
    assert (targets[CLIPS:, 7] == 1).all()


def test_votes_make_up_a_share_of_what_is_learnt(trained, corpus):
    settings = read_config(corpus / "config.yml").copy(update={"votes": 0.25})
    clips = labelled_clips(settings, {})
    targets = material(settings, clips).targets.emotion
    for clip, row in zip(clips, targets, strict=False):
        wanted = {"anger": 0.75 + 0.25 * 0.4, "neutral": 0.25 * 0.6} if clip.votes else {clip.emotion: 1.0}
        assert row.sum() == pytest.approx(1)
        assert {name: row[EMOTIONS.index(name)] for name in wanted} == pytest.approx(wanted)


def test_recordings_of_laughter_are_learnt_as_no_speech(trained, corpus):
    settings = read_config(corpus / "config.yml").copy(update={"no_speech_labels": ["laughter"]})
    clips = labelled_clips(settings, {})
    plain = material(settings, clips)
    laughing = [
        replace(clip, original_label="laughter") if place in (3, 7) else clip for place, clip in enumerate(clips)
    ]
    learnt = material(settings, laughing)
    speech = CLIPS - 2
    assert (plain.sounds, learnt.sounds, len(learnt.clips)) == (14, 16, speech)
    assert (learnt.targets.emotion[:speech, 7] == 0).all()
    assert (learnt.targets.emotion[speech:, 7] == 1).all()
    assert (learnt.targets.speaker[speech:] == NOBODY).all()
    for before, after in zip(plain.views, learnt.views, strict=True):
        assert (after.pooled[speech:CLIPS] == before.pooled[[3, 7]]).all()
        assert (after.pooled[:3] == before.pooled[:3]).all()
        assert (after.pooled[CLIPS:] == before.pooled[CLIPS:]).all()


def test_clips_come_from_all_manifests_without_the_corpora_to_be_left_out(corpus, tmp_path):
    header, row, *_ = (corpus / "manifest.csv").read_text().splitlines()
    more = row.replace("synthetic", "third").replace("0-anger-0.flac", "below/sound.flac")
    (tmp_path / "more.csv").write_text(f"{header}\n{more}\n{more.replace('anger', 'bored')}\n")
    settings = read_config(corpus / "config.yml").copy(
        update={"manifests": [corpus / "manifest.csv", tmp_path / "more.csv"], "leave_out": ["other"]}
    )
    clips = labelled_clips(settings, {})
    assert {clip.corpus for clip in clips} == {"synthetic", "third"}
    assert clips[0].path == corpus / "0-anger-0.flac"
    assert clips[-1].path == tmp_path / "below" / "sound.flac"
    assert len(clips) == CLIPS // 2 + 1  # "bored" is none of the seven


def test_corpora_named_on_the_command_line_take_the_place_of_the_manifest(corpus, tmp_path):
    values = yaml.safe_load((corpus / "config.yml").read_text())
    (tmp_path / "config.yml").write_text(
        yaml.safe_dump(
            values | {"manifests": [str(tmp_path / "absent.csv")], "affect_features": str(tmp_path / "none")}
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
    assert description["training"]["clips"] == CLIPS - 4
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


def test_the_configurations_of_this_project_can_be_read(monkeypatch):
    monkeypatch.setenv("EMOTIONLAYER_SHARED", "somewhere")
    shipped, research = (read_config(CONFIGS[name]) for name in ("open", "research"))
    assert (shipped.name, research.name) == ("emotionlayer-open", "emotionlayer-research")
    assert shipped.manifests == [Path("somewhere/speech-open/manifest.csv")]
    assert set(research.manifests) > set(shipped.manifests)
    assert shipped.affect_features is None  # ratings that may not be used commercially


def test_a_configuration_that_is_neither_a_name_nor_a_file_is_named():
    result = CliRunner().invoke(main, ["train", "--config", "openn"])
    assert result.exit_code == 1
    assert "openn: the training configuration cannot be read" in result.output
