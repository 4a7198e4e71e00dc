"""The linear head: what it takes for a speaker's voice and what for an emotion."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.training.activations import Activations
from emotionlayer_rasa.training.head import (
    CLASSES,
    ENOUGH_CLIPS,
    NO_SPEECH,
    NOBODY,
    OUTPUTS,
    HeadSettings,
    Targets,
    _histories,
    apply_head,
    train_head,
)

pytestmark = pytest.mark.train

SIZE = 8
SETTINGS = HeadSettings(variance=1.0, iterations=60, histories=[0, 4], prior=1.5)
FELT = ("anger", "neutral", "sadness")
VOICES = np.random.default_rng(5).normal(0, 1.5, (8, SIZE)).astype(np.float32)
"""What each of eight speakers adds to all that they say."""


def clips(speakers: list[int], each: int, seed: int = 0) -> tuple[Activations, Targets]:
    """Activations that are the sum of emotion, speaker and chance, then some of sounds without speech."""
    rng = np.random.default_rng(seed)
    label = np.tile([EMOTIONS.index(name) for name in FELT], each * len(speakers))
    speaker = np.repeat(speakers, each * len(FELT))
    count, sounds = len(label), each * len(FELT)
    pooled = rng.normal(0, 0.3, (count + sounds, SIZE))
    for place, name in enumerate(FELT):
        pooled[:count][label == EMOTIONS.index(name), place] += 2.0
    pooled[:count] += VOICES[speaker]
    pooled[count:, -1] += 9.0
    emotion = np.zeros((count + sounds, CLASSES), dtype=np.float32)
    emotion[np.arange(count), label] = 1.0
    emotion[count:, NO_SPEECH] = 1.0
    possible = np.zeros_like(emotion)
    possible[:, [*map(EMOTIONS.index, FELT), NO_SPEECH]] = 1.0
    targets = Targets(
        emotion,
        possible,
        np.full((count + sounds, 3), 0.5, dtype=np.float32),
        np.ones(count + sounds, dtype=np.float32),
        np.concatenate([speaker, np.full(sounds, NOBODY)]),
        np.concatenate([speaker % 2, np.full(sounds, 2)]),
        np.zeros(count + sounds, dtype=bool),
    )
    prosody = rng.normal(0, 1, (count + sounds, 2)).astype(np.float32)
    prosody[::5, 0] = np.nan
    return Activations(pooled.astype(np.float32), prosody), targets


@pytest.fixture(scope="module")
def head():
    activations, targets = clips([0, 1, 2, 3, 4, 5], 8)
    return train_head([activations], targets, SETTINGS, 0)


@pytest.fixture(scope="module")
def stranger():
    """Another speaker's clips, and their labels."""
    activations, targets = clips([7], 12, seed=1)
    spoken = np.flatnonzero(targets.speaker != NOBODY)
    return activations[spoken], targets.emotion[spoken].argmax(axis=1)


def shift_after(offsets: np.ndarray) -> np.ndarray:
    return (offsets.sum(axis=0) / (len(offsets) + SETTINGS.prior))[None].astype(np.float32)


def test_a_shift_is_taken_out_of_the_outputs(head, stranger):
    activations, _ = stranger
    logits, vad, _ = apply_head(head, activations)
    shift = np.random.default_rng(2).normal(0, 1, (1, OUTPUTS)).astype(np.float32)
    shifted, shifted_vad, _ = apply_head(head, activations, shift)
    moved = logits - shift[:, :CLASSES]
    assert shifted == pytest.approx(moved - np.log(np.exp(moved).sum(axis=1, keepdims=True)), abs=1e-4)
    assert np.log(shifted_vad / (1 - shifted_vad)) == pytest.approx(
        np.log(vad / (1 - vad)) - shift[:, CLASSES:], abs=1e-3
    )
    assert np.exp(shifted).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_stranger_is_heard_better_after_other_utterances(head, stranger):
    activations, label = stranger
    alone, _, offsets = apply_head(head, activations)
    known, _, _ = apply_head(head, activations, shift_after(offsets[:12]))
    surprise = [float(-rows[np.arange(12, 36), label[12:]].mean()) for rows in (alone, known)]
    assert surprise[1] < surprise[0] - 0.1
    assert np.mean(known.argmax(axis=1)[12:] == label[12:]) >= np.mean(alone.argmax(axis=1)[12:] == label[12:])


def test_an_offset_is_the_voice_and_hardly_the_emotion(head, stranger):
    activations, label = stranger
    _, _, first = apply_head(head, activations)
    logits, _, offsets = apply_head(head, activations, shift_after(first))
    anger, neutral = (label == EMOTIONS.index(name) for name in ("anger", "neutral"))

    def apart(rows: np.ndarray) -> float:
        """The distance between the two emotions, over what the classes' outputs have in common."""
        classes = rows[:, :CLASSES] - rows[:, :CLASSES].mean(axis=1, keepdims=True)
        return float(np.linalg.norm(classes[anger].mean(axis=0) - classes[neutral].mean(axis=0)))

    assert apart(offsets) < 0.5 * apart(logits)


def test_of_the_average_voice_there_is_nothing_to_learn(head):
    activations, targets = clips([0, 1, 2, 3, 4, 5], 8, seed=3)
    spoken = np.flatnonzero(targets.speaker != NOBODY)
    _, _, offsets = apply_head(head, activations[spoken])
    of_speakers = np.stack([offsets[targets.speaker[spoken] == name].mean(axis=0) for name in range(6)])
    assert np.linalg.norm(of_speakers.mean(axis=0)) < 0.5 * np.linalg.norm(of_speakers, axis=1).mean()


def test_histories_hold_other_clips_of_the_same_speaker():
    _, targets = clips([0, 1], 8)
    rng = np.random.default_rng(0)
    settings = SETTINGS.copy(update={"one_mood": 0.0})
    shares = _histories(targets, 4, settings, rng).to_dense().numpy()
    spoken = targets.speaker != NOBODY
    assert shares[~spoken].sum() == shares[:, ~spoken].sum() == 0
    assert shares[spoken].sum(axis=1) == pytest.approx(4 / 5.5)
    heard = shares > 0
    assert not heard.diagonal().any()
    assert (targets.speaker[:, None] == targets.speaker[None])[heard].all()
    of_one_mood = _histories(targets, 4, SETTINGS.copy(update={"one_mood": 1.0}), rng).to_dense().numpy() > 0
    label = targets.emotion.argmax(axis=1)
    assert (label[:, None] == label[None])[of_one_mood].all()


def test_who_says_little_has_no_history():
    activations, targets = clips([0, 1], 6)
    assert np.sum(targets.speaker == 0) < ENOUGH_CLIPS
    assert not _histories(targets, 4, SETTINGS, np.random.default_rng(0)).to_dense().any()
    head = train_head([activations], targets, SETTINGS, 0)
    assert torch.isfinite(head.layer.weight).all()


def test_what_a_corpus_never_labels_is_not_held_against_it():
    activations, targets = clips([0, 1, 2, 3], 8)
    joy = EMOTIONS.index("joy")
    free = train_head([activations], targets, SETTINGS, 0)
    targets.possible[:] = 1.0
    denied = train_head([activations], targets, SETTINGS, 0)
    assert (apply_head(free, activations)[0][:, joy] > apply_head(denied, activations)[0][:, joy]).all()


def test_the_same_seed_gives_the_same_head(head):
    activations, targets = clips([0, 1, 2, 3, 4, 5], 8)
    again = train_head([activations], targets, SETTINGS, 0)
    assert torch.equal(again.layer.weight, head.layer.weight)
    assert torch.equal(again.emotion_offsets, head.emotion_offsets)


def test_bursts_without_words_are_no_part_of_the_population():
    """What sets bursts off from speech hardly reaches the head, and their mean not at all."""
    activations, targets = clips([0, 1, 2, 3, 4, 5], 8)
    bursts = targets.corpus == 1
    far = activations.pooled.copy()
    far[bursts] += 1.0

    def moved(targets: Targets) -> float:
        near, off = (
            train_head([Activations(pooled, activations.prosody)], targets, SETTINGS, 0)
            for pooled in (activations.pooled, far)
        )
        assert torch.equal(near.pooled_mean, off.pooled_mean) == targets.wordless.any()
        return float((near.layer.weight - off.layer.weight).norm() / near.layer.weight.norm())

    heard_apart, heard_together = moved(replace(targets, wordless=bursts)), moved(targets)
    assert heard_apart < 0.2 * heard_together
