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
from emotionlayer_rasa.evaluation.voice import Clip
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN
from emotionlayer_rasa.training.activations import read_samples
from emotionlayer_rasa.training.calibration import fit_temperature, fit_threshold
from emotionlayer_rasa.training.config import CONFIGS, TrainingSettings, read_config
from emotionlayer_rasa.training.corpora import filter_by_agreement
from emotionlayer_rasa.training.head import OUTPUTS, apply_head
from emotionlayer_rasa.training.held_out import KNOWN, Judged, judge_left_out, speaker_folds, tested_recordings
from emotionlayer_rasa.training.material import Material, activation_store, labelled_clips, prepare
from emotionlayer_rasa.training.network import Network, export_network, largest_difference
from emotionlayer_rasa.training.no_speech import KINDS
from emotionlayer_rasa.training.speech_encoder import PooledEncoder
from emotionlayer_rasa.training.teacher import measure_teacher
from emotionlayer_rasa.training.vad import orderings, student_concordance

CALIBRATED_ON = (("clean", 0), ("clean", 4))
"""Condition, and how much was known of the voice, of the answers that temperature and threshold are fitted on."""

CHECKED_CLIPS = 40
"""Clips on which the exported file is compared with torch."""


def train(
    config: Path | None = None,
    out: Path = Path("results/training"),
    corpora: Mapping[str, Path] | None = None,
    agreement: float = 0.0,
    ambiguous: Literal["drop", "soften"] = "drop",
) -> dict[str, Any]:
    """Train a model, measure it on strangers and export it.

    Strangers come first: each corpus is judged by a head that learnt from the others, and temperature and
    threshold are fitted on these answers, every corpus weighing the same. Where there is one corpus only, and as
    second figures, speakers are left out in turn. The exported model is then trained on all clips. Activations and
    trained heads are kept in the cache: a run that was interrupted goes on where it was.

    Args:
        config: a file like ``open.yml``; None is that one.
        out: folder for ``<name>.onnx``, ``<name>.json`` and ``report.json``.
        corpora: folder of each corpus to train on (see :data:`emotionlayer_rasa.training.corpora.CORPORA`), in
            place of the configuration's manifests.
        agreement: the share of the votes that must be for a clip's label, 0..1, where there are votes.
        ambiguous: what happens to clips with less: see
            :func:`emotionlayer_rasa.training.corpora.filter_by_agreement`.

    Returns:
        What ``report.json`` holds.

    Raises:
        ConfigurationError: the configuration or a manifest is wrong, or speakers leak across a split.
    """
    settings = read_config(config or CONFIGS["open"])
    console = Console(stderr=True)
    if settings.affect_features and not settings.affect_features.exists():
        console.print(f"no ratings in {settings.affect_features}: training on the emotions' means alone")
        settings = settings.copy(update={"affect_features": None})
    clips = filter_by_agreement(labelled_clips(settings, corpora or {}), agreement, ambiguous)
    encoder = PooledEncoder(settings.encoders, settings.window_s)
    store = activation_store(encoder, settings)
    material = prepare(clips, store, settings)
    tested = tested_recordings(store, material)
    clips = list(material.clips)
    corpus = np.array(["" if clip.corpus in settings.wordless else clip.corpus for clip in clips])
    fold = speaker_folds(clips, settings.folds, settings.seed).astype(object)
    fold[corpus == ""] = ""  # always learnt from, never judged
    left_out = {"speakers": judge_left_out(tested, material, fold, "speakers left out")}
    if len(set(corpus) - {""}) > 1:
        left_out = {"strangers": judge_left_out(tested, material, corpus, "corpora left out")} | left_out
    first, known = next(iter(left_out.values())), left_out["speakers"]["clean", 0]
    temperature, threshold = _calibrate([first[key] for key in CALIBRATED_ON], settings.target_accuracy)

    console.print("training on all clips …")
    head = material.head(np.ones(material.count, dtype=bool))
    network = Network(encoder, head).eval()
    model = out / f"{settings.name}.onnx"
    export_network(network, model)
    waveforms = [
        read_samples(clip.path)[: int(settings.window_s * SAMPLE_RATE)]
        for clip in clips[:: max(1, len(clips) // CHECKED_CLIPS)]
    ]
    identity = f"onnx/{settings.name}-{settings.version}"
    report: dict[str, Any] = {
        "model": identity,
        "temperature": round(temperature, 4),
        "threshold": round(threshold, 3),
        "size_mb": round(model.stat().st_size / 1e6, 2),
        "largest_probability_difference_to_torch": round(largest_difference(network, model, waveforms), 4),
        **{name: _figures(judged, identity, temperature, threshold) for name, judged in left_out.items()},
        "no_speech_unknown": _no_speech(material, fold, threshold, temperature),
        "mean_vad": _mean_vad(known),
        "orderings": orderings(known.clips, known.vad),
    }
    if settings.affect_features and material.opinion is not None:
        place = {clip.path: place for place, clip in enumerate(clips)}
        opinion = material.opinion[[place[clip.path] for clip in known.clips]]
        report["student_to_teacher"] = student_concordance(known.vad, opinion)
        report["teacher"] = measure_teacher(settings.affect_features)
    _write(settings, clips, report, out)
    for name in left_out:
        console.print(f"{name}: UAR by utterances known {report[name]['uar']}, ECE {report[name]['ece']}")
    console.print(f"written: {model} ({report['size_mb']} MB), its .json, and report.json")
    return report


def _calibrate(judged: Sequence[Judged], target_accuracy: float) -> tuple[float, float]:
    """Temperature and threshold; each corpus weighs the same, labels that it lacks are masked."""
    logits, labels, weights = [], [], []
    for part in judged:
        corpus = np.array([clip.corpus for clip in part.clips])
        for name in np.unique(corpus):
            own = corpus == name
            possible = np.isin(np.arange(len(EMOTIONS)), part.labels[own])
            logits.append(np.where([*possible, True], part.logits[own], -30.0))
            labels.append(part.labels[own])
            weights.append(np.full(own.sum(), 1 / own.sum()))
    pooled, truth, weight = np.concatenate(logits), np.concatenate(labels), np.concatenate(weights)
    temperature = fit_temperature(pooled, truth, weight)
    return temperature, fit_threshold(softmax(pooled, temperature), truth, target_accuracy, weight)


def _figures(
    judged: Mapping[tuple[str, str | int], Judged], model: str, temperature: float, threshold: float
) -> dict[str, Any]:
    """UAR by corpus and by how much was known, and what noise, calibration and one mood do to it."""
    measured = {
        key: part.figures(model, temperature, threshold, None if key[0] == "clean" else key[0])
        for key, part in judged.items()
    }
    corpora = {
        name: {str(known): round(measured["clean", known]["by_corpus"][name]["uar"], 3) for known in KNOWN}
        for name in measured["clean", 0]["by_corpus"]
    }

    def mean(condition: str, figure: str) -> dict[str, float]:
        return {
            str(known): round(
                float(np.mean([row[figure] for row in measured[condition, known]["by_corpus"].values()])), 3
            )
            for known in KNOWN
        }

    # Not masked: of clips of anger alone every other label would be.
    anger = {key: measured["clean", key]["unmasked"]["recall"]["anger"] for key in (0, "angry", "neutral")}
    return {
        "uar": mean("clean", "uar"),
        "by_corpus": corpora,
        "uar_telephone": mean("telephone", "uar"),
        "uar_snr10": mean("snr10", "uar"),
        "ece": mean("clean", "ece"),
        "accuracy": mean("clean", "accuracy"),
        "answered": mean("clean", "coverage"),
        "anger_recall": {
            "nothing known": anger[0],
            "after eight angry utterances": anger["angry"],
            "after eight neutral ones": anger["neutral"],
        },
    }


def _no_speech(material: Material, fold: np.ndarray, threshold: float, temperature: float) -> float:
    """Share of sounds without speech that a head, trained without some of them, calls ``unknown``."""
    settings = material.settings
    held = np.arange(material.sounds) // len(KINDS) % settings.folds == 0
    learn = np.concatenate([fold != 0, ~held])
    sounds = material.views[0][len(material.clips) + np.flatnonzero(held)]
    logits, vad, _ = apply_head(material.head(learn), sounds)
    answers = [
        reading(row, values, threshold, "") for row, values in zip(softmax(logits, temperature), vad, strict=True)
    ]
    return round(float(np.mean([answer.label == UNKNOWN for answer in answers])), 3)


def _mean_vad(judged: Judged) -> dict[str, dict[str, float]]:
    """Mean valence, arousal, dominance by emotion, and arousal by intensity."""
    emotions = np.array([clip.emotion for clip in judged.clips])
    table = {
        emotion: {
            axis: round(float(judged.vad[emotions == emotion, place].mean()), 3)
            for place, axis in enumerate(DIMENSIONS)
        }
        for emotion in sorted(set(emotions))
    }
    levels = np.array([clip.intensity for clip in judged.clips])
    for level in sorted(set(levels) - {""}):
        table[f"intensity {level}"] = {"arousal": round(float(judged.vad[levels == level, 1].mean()), 3)}
    return table


def _write(settings: TrainingSettings, clips: Sequence[Clip], report: Mapping[str, Any], out: Path) -> None:
    """Write the report, and the description that the recognizer reads."""
    description = {
        "name": settings.name,
        "version": settings.version,
        "prosody": MODEL_FEATURES,
        "window_s": settings.window_s,
        "without_silence": True,
        "adaptation": {"size": OUTPUTS, "prior": settings.head.prior},
        "temperature": report["temperature"],
        "threshold": report["threshold"],
        "training": {
            "corpora": sorted({clip.corpus for clip in clips}),
            "clips": len(clips),
            "speakers": len({clip.speaker_key for clip in clips}),
            "encoders": [
                json.loads(chosen.json()) | {"model": Path(chosen.model).name} for chosen in settings.encoders
            ],
            "head": json.loads(settings.head.json()),
            "votes": settings.votes,
            "views": settings.views,
            "seed": settings.seed,
        },
        "figures": {
            key: value for key, value in report.items() if key not in ("model", "temperature", "threshold")
        },
    }
    (out / f"{settings.name}.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
