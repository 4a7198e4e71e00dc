"""From labelled recordings to the shipped model, in one function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Mapping, Sequence

import numpy as np
from rich.console import Console

from emotionlayer_rasa.audio import SAMPLE_RATE
from emotionlayer_rasa.emotion.onnx_recognizer import reading, softmax
from emotionlayer_rasa.emotion.prosody import MODEL_FEATURES
from emotionlayer_rasa.evaluation.voice import Clip, Outcome, measure
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN
from emotionlayer_rasa.training.activations import read_samples
from emotionlayer_rasa.training.calibration import fit_temperature, fit_threshold
from emotionlayer_rasa.training.config import DEFAULT_CONFIG, TrainingSettings, read_config
from emotionlayer_rasa.training.corpora import filter_by_agreement
from emotionlayer_rasa.training.held_out import cross_corpus, cross_validate, speaker_folds, tested_recordings
from emotionlayer_rasa.training.material import activation_store, labelled_clips, prepare
from emotionlayer_rasa.training.network import Network, export_network, largest_difference
from emotionlayer_rasa.training.speech_encoder import PooledEncoder
from emotionlayer_rasa.training.teacher import measure_teacher
from emotionlayer_rasa.training.vad import orderings, student_concordance

TEST_SHARE = 0.2
"""Share of the parts of the cross-validation, from the first on, on which nothing is chosen; at least one part."""

CHECKED_CLIPS = 40
"""Clips on which the exported file is compared with torch."""


def train(
    config: Path | None = None,
    out: Path = Path("results/training"),
    corpora: Mapping[str, Path] | None = None,
    agreement: float = 0.0,
    ambiguous: Literal["drop", "soften"] = "drop",
) -> dict[str, Any]:
    """Train a model, measure it on held-out speakers and export it.

    The figures come from a cross-validation by speaker. Its first parts are the test set: nothing is chosen on it.
    Temperature and threshold are fitted on the held-out predictions of the other parts, the development speakers.
    The exported model is then trained on all clips. Activations and trained heads are kept in the cache: a run
    that was interrupted goes on where it was.

    Args:
        config: a file like ``default.yml``; None is that one.
        out: folder for ``<name>.onnx``, ``<name>.json`` and ``report.json``.
        corpora: folder of each corpus to train on (see :data:`emotionlayer_rasa.training.corpora.CORPORA`), in
            place of the configuration's manifest.
        agreement: the share of the votes that must be for a clip's label, 0..1, where there are votes.
        ambiguous: what happens to clips with less: see
            :func:`emotionlayer_rasa.training.corpora.filter_by_agreement`.

    Returns:
        What ``report.json`` holds.

    Raises:
        ConfigurationError: the configuration or the manifest is wrong, or speakers leak across a split.
    """
    settings = read_config(config or DEFAULT_CONFIG)
    console = Console(stderr=True)
    if settings.affect_features and not settings.affect_features.exists():
        console.print(f"no ratings in {settings.affect_features}: training on the emotions' means alone")
        settings = settings.copy(update={"affect_features": None})
    clips = filter_by_agreement(labelled_clips(settings, corpora or {}), agreement, ambiguous)
    encoder = PooledEncoder(settings.encoders, settings.window_s)
    store = activation_store(encoder, settings)
    material = prepare(clips, store, settings)
    fold = speaker_folds(clips, settings.folds, settings.seed)
    tested = tested_recordings(store, material)
    held_out = cross_validate(tested, material, fold)
    test = fold < max(1, int(TEST_SHARE * settings.folds))
    development = np.flatnonzero(~test)
    labels = np.array([EMOTIONS.index(clip.emotion) for clip in clips])
    chosen_on = held_out["clean"][0][development], labels[development]
    temperature = fit_temperature(*chosen_on)
    threshold = fit_threshold(softmax(chosen_on[0], temperature), chosen_on[1], settings.target_accuracy)

    console.print("training on all clips …")
    network = Network(encoder, material.head(np.ones(material.count, dtype=bool))).eval()
    model = out / f"{settings.name}.onnx"
    export_network(network, model)
    waveforms = [
        read_samples(settings.root / clip.path)[: int(settings.window_s * SAMPLE_RATE)]
        for clip in clips[:: max(1, len(clips) // CHECKED_CLIPS)]
    ]
    report: dict[str, Any] = {
        "model": f"onnx/{settings.name}-{settings.version}",
        "temperature": round(temperature, 4),
        "threshold": round(threshold, 3),
        "size_mb": round(model.stat().st_size / 1e6, 2),
        "largest_probability_difference_to_torch": round(largest_difference(network, model, waveforms), 4),
    }
    for name, (logits, vad, again) in held_out.items():
        readings = [
            reading(row, values, threshold, report["model"])
            for row, values in zip(softmax(logits, temperature), vad, strict=True)
        ]
        outcomes = [Outcome(clip, answer) for clip, answer in zip(clips, readings[: len(clips)], strict=True)]
        degradation = None if name == "clean" else name
        report[name] = measure(outcomes, report["model"], degradation)
        report[name]["heard_again"] = round(float(again[: len(clips)].mean()), 3)
        for part, inside in (("development", ~test), ("test", test)):
            some = measure([outcomes[place] for place in np.flatnonzero(inside)], report["model"], degradation)
            report[name][part] = _short(some)
        if name == "clean":
            sounds = readings[len(clips) :]
            report["no_speech_unknown"] = float(np.mean([answer.label == UNKNOWN for answer in sounds]))
            report["mean_vad"] = _mean_vad(clips, vad)
            report["orderings"] = orderings(clips, vad[: len(clips)])
            if material.opinion is not None:
                report["student_to_teacher"] = student_concordance(vad[: len(clips)], material.opinion)
        console.print(f"held-out speakers, {name}: UAR {report[name]['uar']:.3f}, ECE {report[name]['ece']:.3f}")
    if settings.affect_features:
        report["teacher"] = measure_teacher(settings.affect_features)
    if settings.cross_corpus:
        report["cross_corpus"] = cross_corpus(tested["clean"], material, report["model"])
    _write(settings, clips, report, out)
    console.print(f"written: {model} ({report['size_mb']} MB), its .json, and report.json")
    return report


def _short(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The main figures of a part of the speakers."""
    short = {key: figures[key] for key in ("scored", "uar", "accuracy", "ece", "coverage", "uar_above_threshold")}
    return short | {"by_corpus": {name: row["uar"] for name, row in figures["by_corpus"].items()}}


def _mean_vad(clips: Sequence[Clip], vad: np.ndarray) -> dict[str, dict[str, float]]:
    """Mean held-out valence, arousal, dominance by emotion, and arousal by intensity."""
    emotions = np.array([clip.emotion for clip in clips])
    table = {
        emotion: {
            axis: round(float(vad[: len(clips)][emotions == emotion, place].mean()), 3)
            for place, axis in enumerate(DIMENSIONS)
        }
        for emotion in sorted(set(emotions))
    }
    levels = np.array([clip.intensity for clip in clips])
    for level in sorted(set(levels) - {""}):
        table[f"intensity {level}"] = {"arousal": round(float(vad[: len(clips)][levels == level, 1].mean()), 3)}
    return table


def _write(settings: TrainingSettings, clips: Sequence[Clip], report: Mapping[str, Any], out: Path) -> None:
    """Write the report, and the description that the recognizer reads."""
    clean = report["clean"]
    corpora = sorted({clip.corpus for clip in clips})
    description = {
        "name": settings.name,
        "version": settings.version,
        "prosody": MODEL_FEATURES,
        "window_s": settings.window_s,
        "without_silence": True,
        "second_hearing": settings.second_hearing and json.loads(settings.second_hearing.json()),
        "temperature": report["temperature"],
        "threshold": report["threshold"],
        "training": {
            "corpora": corpora,
            "clips": len(clips),
            "speakers": len({clip.speaker_key for clip in clips}),
            "encoders": [
                json.loads(chosen.json()) | {"model": Path(chosen.model).name} for chosen in settings.encoders
            ],
            "head": json.loads(settings.head.json()),
            "views": settings.views,
            "seed": settings.seed,
        },
        "figures": {
            "split": f"{settings.folds}-fold cross-validation, no speaker in two folds",
            **_short(clean),
            "development": clean["development"],
            "test": clean["test"],
            "heard_again": clean["heard_again"],
            "uar_telephone": report["telephone"]["uar"],
            "uar_snr10": report["snr10"]["uar"],
            **{
                key: report[key]
                for key in ("no_speech_unknown", "orderings", "teacher", "student_to_teacher", "cross_corpus")
                if key in report
            },
            "largest_probability_difference_to_torch": report["largest_probability_difference_to_torch"],
        },
    }
    (out / f"{settings.name}.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
