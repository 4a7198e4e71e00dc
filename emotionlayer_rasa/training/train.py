"""From labelled recordings to the shipped model, in one function."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
import pydantic
import yaml
from rich.console import Console
from rich.progress import track

from emotionlayer_rasa.emotion.onnx_recognizer import reading, softmax
from emotionlayer_rasa.emotion.prosody import MODEL_FEATURES
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation import (
    DEGRADATIONS,
    Clip,
    Outcome,
    check_disjoint,
    measure,
    read_manifest,
    split_by_speaker,
)
from emotionlayer_rasa.settings import Settings, read_settings
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.training.activations import Activations, ActivationStore, degraded, read_samples
from emotionlayer_rasa.training.calibration import fit_temperature, fit_threshold
from emotionlayer_rasa.training.corpora import filter_by_agreement, load_corpus
from emotionlayer_rasa.training.encoder import PooledEncoder
from emotionlayer_rasa.training.head import NO_SPEECH, HeadSettings, Targets, apply_head, train_head
from emotionlayer_rasa.training.network import Network, export_encoder, export_network, largest_difference
from emotionlayer_rasa.training.no_speech import KINDS, no_speech_sound
from emotionlayer_rasa.training.vad import vad_targets

DEFAULT_CONFIG = Path(__file__).with_name("default.yml")
"""The configuration of the shipped model."""

CHECKED_CLIPS = 40
"""Clips on which the exported file is compared with torch."""


class EncoderSettings(Settings):
    """The frozen encoder; see ``default.yml``."""

    model: str
    first_layer: pydantic.NonNegativeInt = 1
    last_layer: pydantic.PositiveInt = 4
    window_s: pydantic.PositiveFloat = 10.0


class TrainingSettings(Settings):
    """Everything a training depends on; see ``default.yml``."""

    name: str
    version: str
    seed: int = 0
    manifest: Path
    root: Path
    cache: Path = Path(".cache/training")
    encoder: EncoderSettings
    views: pydantic.PositiveInt = 8
    no_speech: pydantic.PositiveInt = 210
    folds: int = pydantic.Field(5, ge=2)
    target_accuracy: float = pydantic.Field(0.8, gt=0.0, lt=1.0)
    workers: pydantic.PositiveInt = 2
    head: HeadSettings = HeadSettings()


def read_config(path: Path) -> TrainingSettings:
    """Read a training configuration; ``${EMOTIONLAYER_SHARED}`` becomes that variable, or ``../shared``.

    Raises:
        ConfigurationError: the file cannot be read, or a key or value is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        shared = os.environ.get("EMOTIONLAYER_SHARED", "../shared")
        values = yaml.safe_load(text.replace("${EMOTIONLAYER_SHARED}", shared))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: the training configuration cannot be read: {error}") from None
    return read_settings(TrainingSettings, values, str(path))


def train(
    config: Path | None = None,
    out: Path = Path("results/training"),
    corpora: Mapping[str, Path] | None = None,
    agreement: float = 0.0,
) -> dict[str, Any]:
    """Train a model, measure it on held-out speakers and export it.

    The figures come from a cross-validation by speaker; temperature and threshold are fitted on its held-out
    predictions. The exported model is then trained on all clips.

    Args:
        config: a file like ``default.yml``; None is that one.
        out: folder for ``<name>.onnx``, ``<name>.json`` and ``report.json``.
        corpora: folder of each corpus to train on (see :data:`emotionlayer_rasa.training.corpora.CORPORA`), in
            place of the configuration's manifest.
        agreement: clips with votes are left out when a smaller share of them is for the clip's label, 0..1.

    Returns:
        What ``report.json`` holds.

    Raises:
        ConfigurationError: the configuration or the manifest is wrong, or speakers leak across a split.
    """
    settings = read_config(config or DEFAULT_CONFIG)
    console = Console(stderr=True)
    clips = _clips(settings, corpora or {}, agreement)
    encoder = PooledEncoder(
        settings.encoder.model,
        settings.encoder.first_layer,
        settings.encoder.last_layer,
        settings.encoder.window_s,
    )
    store = _store(encoder, settings)
    views = [_view(store, clips, settings, index) for index in range(settings.views)]
    targets = _targets(clips, settings)

    held_out = _cross_validate(store, clips, views, targets, settings)
    truth = targets.emotion[: len(clips)]
    temperature = fit_temperature(held_out["clean"][0][: len(clips)], truth)
    probabilities = {name: softmax(logits, temperature) for name, (logits, _) in held_out.items()}
    threshold = fit_threshold(probabilities["clean"][: len(clips)], truth, settings.target_accuracy)

    console.print("training on all clips …")
    head = train_head(views, targets, settings.head, settings.seed)
    network = Network(encoder, head).eval()
    model = out / f"{settings.name}.onnx"
    export_network(network, model)
    waveforms = [
        read_samples(settings.root / clip.path)[: int(settings.encoder.window_s * 16_000)]
        for clip in clips[:: max(1, len(clips) // CHECKED_CLIPS)]
    ]
    report: dict[str, Any] = {
        "model": f"onnx/{settings.name}-{settings.version}",
        "temperature": round(temperature, 4),
        "threshold": round(threshold, 3),
        "size_mb": round(model.stat().st_size / 1e6, 2),
        "largest_probability_difference_to_torch": round(largest_difference(network, model, waveforms), 4),
    }
    for name, (_, vad) in held_out.items():
        readings = [
            reading(row, values, threshold, report["model"])
            for row, values in zip(probabilities[name], vad, strict=True)
        ]
        outcomes = [Outcome(clip, answer) for clip, answer in zip(clips, readings[: len(clips)], strict=True)]
        report[name] = measure(outcomes, report["model"], None if name == "clean" else name)
        report[name]["mean_vad"] = _mean_vad(clips, vad)
        if name == "clean":
            sounds = readings[len(clips) :]
            report["no_speech_unknown"] = float(np.mean([answer.label == UNKNOWN for answer in sounds]))
        console.print(f"held-out speakers, {name}: UAR {report[name]['uar']:.3f}, ECE {report[name]['ece']:.3f}")
    _write(settings, clips, report, out)
    console.print(f"written: {model} ({report['size_mb']} MB), its .json, and report.json")
    return report


def _clips(settings: TrainingSettings, corpora: Mapping[str, Path], agreement: float) -> list[Clip]:
    clips = [clip for name, folder in corpora.items() for clip in load_corpus(name, folder)]
    if not corpora:
        clips = read_manifest(settings.manifest)
    return filter_by_agreement([clip for clip in clips if clip.emotion != UNKNOWN], agreement)


def _store(encoder: PooledEncoder, settings: TrainingSettings) -> ActivationStore:
    """The store of the quantised encoder, which is exported into the cache first if it is not there."""
    chosen = settings.encoder
    weights = hashlib.sha256()  # a folder's name stays when somebody trains the encoder in it anew
    for name, tensor in sorted(encoder.state_dict().items()):
        weights.update(name.encode() + tensor.numpy().tobytes())
    key = f"{weights.hexdigest()[:16]}-{chosen.first_layer}-{chosen.last_layer}-{chosen.window_s:g}"
    path = settings.cache / f"encoder-{key}.onnx"
    if not path.exists():
        partial = path.with_suffix(".partial")  # an interruption must not leave half a file to be trusted
        export_encoder(encoder, partial)
        partial.replace(path)
    return ActivationStore(path, settings.cache, chosen.window_s, settings.workers)


def _view(store: ActivationStore, clips: Sequence[Clip], settings: TrainingSettings, index: int) -> Activations:
    """Activations of all clips, then of synthetic sounds without speech, which differ from view to view."""

    def sound(place: int) -> np.ndarray:
        return no_speech_sound(KINDS[place % len(KINDS)], np.random.default_rng([settings.seed, index, place]))

    count = settings.no_speech
    sounds = store.compute(sound, count, f"no-speech{index}", [str(settings.seed), str(index), str(count)])
    return store.view(clips, settings.root, index, settings.seed) + sounds


def _targets(clips: Sequence[Clip], settings: TrainingSettings) -> Targets:
    """Targets of the clips and the sounds after them.

    A clip weighs the less the more clips of its corpus and emotion there are, by the square root.
    """
    groups = [(clip.corpus, clip.emotion) for clip in clips]
    counts = {group: groups.count(group) for group in set(groups)}
    weight = np.array([counts[group] ** -0.5 for group in groups])
    sounds = settings.no_speech
    return Targets(
        emotion=np.array([EMOTIONS.index(clip.emotion) for clip in clips] + [NO_SPEECH] * sounds),
        vad=np.concatenate([vad_targets(clips), np.full((sounds, 3), 0.5, dtype=np.float32)]),
        weight=np.concatenate([weight / weight.mean(), np.ones(sounds)]).astype(np.float32),
    )


def _cross_validate(
    store: ActivationStore,
    clips: Sequence[Clip],
    views: Sequence[Activations],
    targets: Targets,
    settings: TrainingSettings,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Logits (n, 8) and VAD (n, 3) of every clip from a head that never heard its speaker, by condition.

    Conditions are ``clean``, which is followed by the sounds without speech, ``telephone`` and ``snr10``.
    """
    tested = {"clean": views[0]}
    for name in ("telephone", "snr10"):
        load = degraded([settings.root / clip.path for clip in clips], DEGRADATIONS[name])
        tested[name] = store.compute(load, len(clips), name, [str(clip.path) for clip in clips])
    fold = speaker_folds(clips, settings.folds, settings.seed)
    fold = np.concatenate([fold, np.arange(settings.no_speech) // len(KINDS) % settings.folds])
    results = {
        name: (np.zeros((len(known.pooled), NO_SPEECH + 1)), np.zeros((len(known.pooled), 3)))
        for name, known in tested.items()
    }
    for held in track(range(settings.folds), description="held-out speakers"):
        learn = fold != held
        chosen = Targets(targets.emotion[learn], targets.vad[learn], targets.weight[learn])
        head = train_head([view[learn] for view in views], chosen, settings.head, settings.seed)
        for name, known in tested.items():
            asked = np.flatnonzero(fold[: len(known.pooled)] == held)
            results[name][0][asked], results[name][1][asked] = apply_head(head, known[asked])
    return results


def speaker_folds(clips: Sequence[Clip], count: int, seed: int) -> np.ndarray:
    """The fold of each clip, 0..count-1, shape (n,); nobody speaks in two."""
    names = [f"fold{place}" for place in range(count)]
    parts = split_by_speaker(clips, {name: 1 / count for name in names}, seed)
    check_disjoint(parts)
    place_of = {clip.speaker_key: place for place, name in enumerate(names) for clip in parts[name]}
    return np.array([place_of[clip.speaker_key] for clip in clips])


def _mean_vad(clips: Sequence[Clip], vad: np.ndarray) -> dict[str, dict[str, float]]:
    """Mean held-out valence, arousal, dominance by emotion, and arousal by intensity."""
    emotions = np.array([clip.emotion for clip in clips])
    table = {
        emotion: {
            axis: round(float(vad[: len(clips)][emotions == emotion, place].mean()), 3)
            for place, axis in enumerate(("valence", "arousal", "dominance"))
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
        "window_s": settings.encoder.window_s,
        "temperature": report["temperature"],
        "threshold": report["threshold"],
        "training": {
            "corpora": corpora,
            "clips": len(clips),
            "speakers": len({clip.speaker_key for clip in clips}),
            "encoder": json.loads(settings.encoder.json()) | {"model": Path(settings.encoder.model).name},
            "head": json.loads(settings.head.json()),
            "views": settings.views,
            "seed": settings.seed,
        },
        "figures": {
            "split": f"{settings.folds}-fold cross-validation, no speaker in two folds",
            **{key: clean[key] for key in ("uar", "accuracy", "ece", "coverage", "uar_above_threshold")},
            "by_corpus": {name: clean["by_corpus"][name]["uar"] for name in corpora},
            "uar_telephone": report["telephone"]["uar"],
            "uar_snr10": report["snr10"]["uar"],
            "no_speech_unknown": report["no_speech_unknown"],
            "largest_probability_difference_to_torch": report["largest_probability_difference_to_torch"],
        },
    }
    (out / f"{settings.name}.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
