"""From labelled recordings to the shipped model, in one function."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Literal, Mapping, Sequence

import numpy as np
import pydantic
import torch
import yaml
from rich.console import Console
from rich.progress import track

from emotionlayer_rasa.audio import SAMPLE_RATE
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
from emotionlayer_rasa.training.encoder import EncoderSettings, PooledEncoder
from emotionlayer_rasa.training.export import BLOCK
from emotionlayer_rasa.training.head import NO_SPEECH, Head, HeadSettings, Targets, apply_head, train_head
from emotionlayer_rasa.training.network import Network, export_encoder, export_network, largest_difference
from emotionlayer_rasa.training.no_speech import KINDS, no_speech_sound
from emotionlayer_rasa.training.teacher import clip_features, measure_teacher, teacher_opinion
from emotionlayer_rasa.training.vad import orderings, student_concordance, vad_targets

DEFAULT_CONFIG = Path(__file__).with_name("default.yml")
"""The configuration of the shipped model."""

TEST_SHARE = 0.2
"""Share of the parts of the cross-validation, from the first on, on which nothing is chosen; at least one part."""

CHECKED_CLIPS = 40
"""Clips on which the exported file is compared with torch."""


class TrainingSettings(Settings):
    """Everything a training depends on; see ``default.yml``."""

    name: str
    version: str
    seed: int = 0
    manifest: Path
    root: Path
    cache: Path = Path(".cache/training")
    affect_features: Path | None = None
    encoders: List[EncoderSettings] = pydantic.Field(min_items=1)
    window_s: pydantic.PositiveFloat = 10.0
    views: pydantic.PositiveInt = 8
    no_speech: pydantic.PositiveInt = 210
    folds: int = pydantic.Field(5, ge=2)
    cross_corpus: bool = False
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
    clips = filter_by_agreement(_clips(settings, corpora or {}), agreement, ambiguous)
    encoder = PooledEncoder(settings.encoders, settings.window_s)
    store = _store(encoder, settings)
    material = Material(
        clips,
        [_view(store, clips, settings, index) for index in range(settings.views)],
        _targets(clips, settings, opinion := _opinion(clips, settings)),
        settings,
    )
    fold = speaker_folds(clips, settings.folds, settings.seed)
    held_out = _cross_validate(store, material, fold)
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
    for name, (logits, vad) in held_out.items():
        readings = [
            reading(row, values, threshold, report["model"])
            for row, values in zip(softmax(logits, temperature), vad, strict=True)
        ]
        outcomes = [Outcome(clip, answer) for clip, answer in zip(clips, readings[: len(clips)], strict=True)]
        degradation = None if name == "clean" else name
        report[name] = measure(outcomes, report["model"], degradation)
        for part, inside in (("development", ~test), ("test", test)):
            some = measure([outcomes[place] for place in np.flatnonzero(inside)], report["model"], degradation)
            report[name][part] = _short(some)
        if name == "clean":
            sounds = readings[len(clips) :]
            report["no_speech_unknown"] = float(np.mean([answer.label == UNKNOWN for answer in sounds]))
            report["mean_vad"] = _mean_vad(clips, vad)
            report["orderings"] = orderings(clips, vad[: len(clips)])
            if opinion is not None:
                report["student_to_teacher"] = student_concordance(vad[: len(clips)], opinion)
        console.print(f"held-out speakers, {name}: UAR {report[name]['uar']:.3f}, ECE {report[name]['ece']:.3f}")
    if settings.affect_features:
        report["teacher"] = measure_teacher(settings.affect_features)
    if settings.cross_corpus:
        report["cross_corpus"] = _cross_corpus(material, report["model"])
    _write(settings, clips, report, out)
    console.print(f"written: {model} ({report['size_mb']} MB), its .json, and report.json")
    return report


@dataclass(frozen=True)
class Material:
    """What heads are trained on.

    Attributes:
        clips: the labelled recordings.
        views: activations of the clips, then of sounds without speech, as they are and augmented.
        targets: of both.
        settings: of the training.
    """

    clips: Sequence[Clip]
    views: Sequence[Activations]
    targets: Targets
    settings: TrainingSettings

    @property
    def count(self) -> int:
        """Clips and sounds."""
        return len(self.targets.weight)

    def head(self, learn: np.ndarray) -> Head:
        """A head trained on the clips and sounds where ``learn`` (bool, (count,)) is true, or the cached one."""
        targets = self.targets[learn]
        settings = self.settings
        digest = hashlib.sha256(f"{settings.head.json()} {settings.seed}".encode())
        known = (targets.emotion, targets.possible, targets.vad, targets.weight)
        for part in (*known, *(view.pooled[learn, 0] for view in self.views)):
            digest.update(part.tobytes())
        path = settings.cache / f"head-{digest.hexdigest()[:16]}.pt"
        chosen = [view[learn] for view in self.views]
        if path.exists():
            head = Head(chosen[0], settings.head)
            head.load_state_dict(torch.load(path, weights_only=True))
            return head.eval()
        head = train_head(chosen, targets, settings.head, settings.seed)
        partial = path.with_suffix(".partial")
        torch.save(head.state_dict(), partial)
        partial.replace(path)
        return head


def _clips(settings: TrainingSettings, corpora: Mapping[str, Path]) -> list[Clip]:
    clips = [clip for name, folder in corpora.items() for clip in load_corpus(name, folder)]
    if not corpora:
        clips = read_manifest(settings.manifest)
    return [clip for clip in clips if clip.emotion != UNKNOWN]


def _opinion(clips: Sequence[Clip], settings: TrainingSettings) -> np.ndarray | None:
    """The teacher's valence, arousal, dominance of each clip, (n, 3), where the ratings are there."""
    if settings.affect_features is None:
        return None
    features = clip_features(clips, settings.root, settings.cache)
    return teacher_opinion(settings.affect_features, clips, features)


def _store(encoder: PooledEncoder, settings: TrainingSettings) -> ActivationStore:
    """The store of the quantised encoders, which are exported into the cache first if they are not there."""
    weights = hashlib.sha256()  # a folder's name stays when somebody trains the encoder in it anew
    for name, tensor in sorted(encoder.state_dict().items()):
        weights.update(name.encode() + tensor.numpy().tobytes())
    layers = "-".join(f"{chosen.first_layer}.{chosen.last_layer}" for chosen in settings.encoders)
    path = settings.cache / f"encoder-{weights.hexdigest()[:16]}-{layers}-{settings.window_s:g}-blocks{BLOCK}.onnx"
    if not path.exists():
        partial = path.with_suffix(".partial")  # an interruption must not leave half a file to be trusted
        export_encoder(encoder, partial)
        partial.replace(path)
    return ActivationStore(path, settings.cache, settings.window_s, settings.workers)


def _view(store: ActivationStore, clips: Sequence[Clip], settings: TrainingSettings, index: int) -> Activations:
    """Activations of all clips, then of synthetic sounds without speech, which differ from view to view."""

    def sound(place: int) -> np.ndarray:
        return no_speech_sound(KINDS[place % len(KINDS)], np.random.default_rng([settings.seed, index, place]))

    count = settings.no_speech
    sounds = store.compute(sound, count, f"no-speech{index}", [str(settings.seed), str(index), str(count)])
    return store.view(clips, settings.root, index, settings.seed) + sounds


def _targets(clips: Sequence[Clip], settings: TrainingSettings, opinion: np.ndarray | None) -> Targets:
    """Targets of the clips and the sounds after them.

    A clip weighs the less the more clips of its corpus and emotion there are, by the square root.
    """
    groups = [(clip.corpus, clip.emotion) for clip in clips]
    counts = {group: groups.count(group) for group in set(groups)}
    weight = np.array([counts[group] ** -0.5 for group in groups])
    sounds = settings.no_speech
    emotion = np.zeros((len(clips) + sounds, NO_SPEECH + 1), dtype=np.float32)
    emotion[: len(clips), :NO_SPEECH] = [clip.target() for clip in clips]
    emotion[len(clips) :, NO_SPEECH] = 1.0
    possible = np.ones_like(emotion)
    corpus = np.array([clip.corpus for clip in clips])
    for name in set(corpus):
        of_corpus = np.flatnonzero(corpus == name)
        possible[of_corpus, :NO_SPEECH] = emotion[of_corpus, :NO_SPEECH].max(axis=0) > 0
    return Targets(
        emotion=emotion,
        possible=possible,
        vad=np.concatenate([vad_targets(clips, opinion), np.full((sounds, 3), 0.5, dtype=np.float32)]),
        weight=np.concatenate([weight / weight.mean(), np.ones(sounds)]).astype(np.float32),
    )


def _cross_validate(
    store: ActivationStore, material: Material, fold: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Logits (n, 8) and VAD (n, 3) of every clip from a head that never heard its speaker, by condition.

    Conditions are ``clean``, which is followed by the sounds without speech, ``telephone`` and ``snr10``.
    """
    clips, settings = material.clips, material.settings
    tested = {"clean": material.views[0]}
    for name in ("telephone", "snr10"):
        load = degraded([settings.root / clip.path for clip in clips], DEGRADATIONS[name])
        tested[name] = store.compute(load, len(clips), name, [str(clip.path) for clip in clips])
    fold = np.concatenate([fold, np.arange(settings.no_speech) // len(KINDS) % settings.folds])
    results = {
        name: (np.zeros((len(known.pooled), NO_SPEECH + 1)), np.zeros((len(known.pooled), 3)))
        for name, known in tested.items()
    }
    for held in track(range(settings.folds), description="held-out speakers"):
        head = material.head(fold != held)
        for name, known in tested.items():
            asked = np.flatnonzero(fold[: len(known.pooled)] == held)
            results[name][0][asked], results[name][1][asked] = apply_head(head, known[asked])
    return results


def _cross_corpus(material: Material, model: str) -> dict[str, float]:
    """UAR on each corpus of a head that heard the other corpora only; labels that the corpus lacks are masked."""
    clips = material.clips
    corpus = np.array([clip.corpus for clip in clips] + [""] * material.settings.no_speech)
    figures = {}
    for name in track(sorted({clip.corpus for clip in clips}), description="held-out corpora"):
        asked = np.flatnonzero(corpus == name)
        logits, vad = apply_head(material.head(corpus != name), material.views[0][asked])
        readings = [
            reading(row, values, 0.0, model) for row, values in zip(softmax(logits, 1.0), vad, strict=True)
        ]
        outcomes = [Outcome(clips[place], answer) for place, answer in zip(asked, readings, strict=True)]
        figures[name] = round(measure(outcomes, model, None)["uar"], 4)
    return figures


def _short(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The main figures of a part of the speakers."""
    short = {key: figures[key] for key in ("scored", "uar", "accuracy", "ece", "coverage", "uar_above_threshold")}
    return short | {"by_corpus": {name: row["uar"] for name, row in figures["by_corpus"].items()}}


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
        "window_s": settings.window_s,
        "without_silence": True,
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
