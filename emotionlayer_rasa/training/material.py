"""What a head is trained on: labelled recordings, their activations in every view, and their targets."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
import torch

from emotionlayer_rasa.evaluation.voice import Clip, read_manifest
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.training.activations import Activations, ActivationStore
from emotionlayer_rasa.training.config import TrainingSettings
from emotionlayer_rasa.training.corpora import load_corpus
from emotionlayer_rasa.training.export import export_onnx
from emotionlayer_rasa.training.head import NO_SPEECH, NOBODY, Head, Targets, train_head
from emotionlayer_rasa.training.network import export_encoder
from emotionlayer_rasa.training.no_speech import KINDS, no_speech_sound
from emotionlayer_rasa.training.speech_encoder import PooledEncoder
from emotionlayer_rasa.training.teacher import clip_features, teacher_opinion
from emotionlayer_rasa.training.vad import vad_targets

WORDLESS_WEIGHT = 0.5
"""Of a burst of voice without words: it tells something of speech, and less than speech does."""


@dataclass(frozen=True)
class Material:
    """What heads are trained on.

    Attributes:
        clips: the labelled recordings.
        views: activations of the clips, then of sounds without speech, as they are and augmented.
        targets: of both.
        opinion: the teacher's valence, arousal, dominance of each clip, (n, 3), where it was asked.
        settings: of the training.
    """

    clips: Sequence[Clip]
    views: Sequence[Activations]
    targets: Targets
    opinion: np.ndarray | None
    settings: TrainingSettings

    @property
    def count(self) -> int:
        """Clips and sounds."""
        return len(self.targets.weight)

    @property
    def sounds(self) -> int:
        """Sounds without speech: they come after the clips."""
        return self.count - len(self.clips)

    def head(self, learn: np.ndarray) -> Head:
        """A head trained on the clips and sounds where ``learn`` (bool, (count,)) is true, or the cached one."""
        targets = self.targets[learn]
        settings = self.settings
        digest = hashlib.sha256(f"{settings.head.json()} {settings.seed}".encode())
        digest.update(Path(inspect.getfile(train_head)).read_bytes())
        known = (getattr(targets, name) for name in targets.__dataclass_fields__)
        for part in (*known, *(view.pooled[learn, 0] for view in self.views)):
            digest.update(part.tobytes())
        path = settings.cache / f"head-{digest.hexdigest()[:16]}.pt"
        chosen = [view[learn] for view in self.views]
        if path.exists():
            head = Head(chosen[0], targets)
            head.load_state_dict(torch.load(path, weights_only=True))
            return head.eval()
        head = train_head(chosen, targets, settings.head, settings.seed)
        unfinished = path.with_suffix(".partial")
        torch.save(head.state_dict(), unfinished)
        unfinished.replace(path)
        return head


def prepare(clips: Sequence[Clip], store: ActivationStore, settings: TrainingSettings) -> Material:
    """Compute what heads are trained on, or read it from the cache."""
    spoken = np.array([clip.original_label not in settings.no_speech_labels for clip in clips], dtype=bool)
    speech = [clip for clip, speaks in zip(clips, spoken, strict=True) if speaks]
    order = np.concatenate([np.flatnonzero(spoken), np.flatnonzero(~spoken)])
    opinion = _opinion(speech, settings)
    views = [
        store.view(clips, index, settings.seed)[order] + _no_voices(store, settings, index)
        for index in range(settings.views)
    ]
    sounds = len(clips) - len(speech) + settings.no_speech
    return Material(
        speech,
        views,
        _targets(speech, sounds, settings, opinion, views[0].prosody[: len(speech)]),
        opinion,
        settings,
    )


def labelled_clips(settings: TrainingSettings, corpora: Mapping[str, Path]) -> list[Clip]:
    """Clips with an emotion: of the folders of these corpora, else of the configuration's manifests."""
    clips = [clip for name, folder in corpora.items() for clip in load_corpus(name, folder)]
    if not corpora:
        clips = [
            replace(clip, path=manifest.parent / clip.path)
            for manifest in settings.manifests
            for clip in read_manifest(manifest)
        ]
    return [clip for clip in clips if clip.emotion != UNKNOWN and clip.corpus not in settings.leave_out]


def _opinion(clips: Sequence[Clip], settings: TrainingSettings) -> np.ndarray | None:
    """The teacher's valence, arousal, dominance of each clip, (n, 3), where the ratings are there."""
    if settings.affect_features is None:
        return None
    features = clip_features(clips, settings.cache)
    return teacher_opinion(settings.affect_features, clips, features)


def activation_store(encoder: PooledEncoder, settings: TrainingSettings) -> ActivationStore:
    """The store of the quantised encoders, which are exported into the cache first if they are not there."""
    digest = hashlib.sha256()  # a folder's name stays when somebody trains the encoder in it anew
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    for part in (PooledEncoder, export_onnx):  # what is computed, and how it is quantised
        digest.update(Path(inspect.getfile(part)).read_bytes())
    layers = "-".join(f"{chosen.first_layer}.{chosen.last_layer}" for chosen in settings.encoders)
    path = settings.cache / f"encoder-{digest.hexdigest()[:16]}-{layers}-{settings.window_s:g}.onnx"
    if not path.exists():
        unfinished = path.with_suffix(".partial")  # an interruption must not leave half a file to be trusted
        export_encoder(encoder, unfinished)
        unfinished.replace(path)
    return ActivationStore(path, settings.cache, settings.window_s, settings.workers)


def _no_voices(store: ActivationStore, settings: TrainingSettings, index: int) -> Activations:
    """Activations of synthetic sounds without speech, which differ from view to view."""
    count = settings.no_speech
    key = [str(settings.seed), str(index), str(count)]
    return store.compute(partial(no_voice, settings, index), count, f"no-speech{index}", key)


def no_voice(settings: TrainingSettings, view: int, place: int) -> np.ndarray:
    """A sound without speech."""
    return no_speech_sound(KINDS[place % len(KINDS)], np.random.default_rng([settings.seed, view, place]))


def _targets(
    clips: Sequence[Clip],
    sounds: int,
    settings: TrainingSettings,
    opinion: np.ndarray | None,
    prosody: np.ndarray | None,
) -> Targets:
    """Targets of the clips and of so many sounds without speech after them.

    A clip weighs the less the more clips of its corpus and emotion there are, by the square root.
    """
    groups = [(clip.corpus, clip.emotion) for clip in clips]
    counts = Counter(groups)
    weight = np.array([counts[group] ** -0.5 for group in groups])
    weight *= [WORDLESS_WEIGHT if clip.corpus in settings.wordless else 1.0 for clip in clips]
    emotion = np.zeros((len(clips) + sounds, NO_SPEECH + 1), dtype=np.float32)
    emotion[: len(clips), :NO_SPEECH] = [_target(clip, settings.votes) for clip in clips]
    emotion[len(clips) :, NO_SPEECH] = 1.0
    possible = np.ones_like(emotion)
    names, corpus = np.unique([clip.corpus for clip in clips], return_inverse=True)
    for place in range(len(names)):
        of_corpus = np.flatnonzero(corpus == place)
        possible[of_corpus, :NO_SPEECH] = emotion[of_corpus, :NO_SPEECH].max(axis=0) > 0
    _, speaker = np.unique(["/".join(clip.speaker_key) for clip in clips], return_inverse=True)
    return Targets(
        emotion=emotion,
        possible=possible,
        vad=np.concatenate([vad_targets(clips, opinion, prosody), np.full((sounds, 3), 0.5, dtype=np.float32)]),
        weight=np.concatenate([weight / weight.mean(), np.ones(sounds)]).astype(np.float32),
        speaker=np.concatenate([speaker, np.full(sounds, NOBODY)]),
        corpus=np.concatenate([corpus, np.full(sounds, len(names))]),
        wordless=np.array([clip.corpus in settings.wordless for clip in clips] + [False] * sounds),
    )


def _target(clip: Clip, share: float) -> np.ndarray:
    """What is to be learnt of a clip, (7,): its label, and for this share the votes where there are any."""
    acted = np.array([name == clip.emotion for name in EMOTIONS], dtype=np.float32)
    return (1 - share) * acted + share * clip.target() if clip.votes else acted
