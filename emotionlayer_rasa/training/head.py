"""The trained part of the network: pooled activations and prosody to emotions and valence-arousal-dominance.

It is one linear layer, strongly regularised: deeper heads know the corpora that they learnt from better, and
strangers worse (docs/model-experiments.md).

The head is *speaker-adaptive*. What is known of a caller's voice is one vector with an entry for each of its
outputs, the *shift*: how this caller's utterances lie, on average, off those of the population. It is taken out of
what the layer gives. An utterance's own *offset*, from which shifts are averaged, has what its emotion does to a
voice taken out, weighted by the emotions' probabilities: a caller who is angry from the first word to the last
must not become the new neutral. (The additive model of speaker and class effects that joint factor analysis uses
for speaker and channel, Kenny et al. 2007, with point estimates.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Sequence

import numpy as np
import torch
from torch import nn

from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS
from emotionlayer_rasa.training.activations import Activations

CLASSES = len(EMOTIONS) + 1
"""The seven emotions, and "no speech"."""

NO_SPEECH = len(EMOTIONS)
"""Index of the class "no speech"."""

OUTPUTS = CLASSES + len(DIMENSIONS)
"""Of the linear layer: classes, then valence, arousal, dominance. Shifts and offsets have this size."""

NOBODY = -1
"""Speaker of a sound without speech."""

SHARPNESS = 1.5
"""The head's logits are multiplied by it where an offset asks which emotion to take out: they are cautious."""

EMOTION_SHARE = 1.2
"""How much of an emotion's mean offset is taken out: more than all of it, since its probability is shared with
emotions that are not there. Both figures: docs/model-experiments.md."""

ENOUGH_CLIPS = 20
"""Speakers with fewer clips are heard without a history: where somebody says every emotion once, the others' mean
tells which one is missing."""


class HeadSettings(Settings):
    """How the head is trained.

    Attributes:
        variance: of the normal prior of each weight, for standardised inputs: scikit-learn's ``C``.
        iterations: of L-BFGS, at most.
        histories: after how many other utterances of its speaker each clip is heard; each is learnt once a view.
        one_mood: share of the histories that hold the clip's own emotion only.
        prior: utterances' worth of trust in the population: a shift is a sum of offsets over their number plus
            this.
    """

    variance: pydantic.PositiveFloat = 3e-4
    iterations: pydantic.PositiveInt = 60
    histories: List[pydantic.NonNegativeInt] = pydantic.Field(default=[0, 3, 12], min_items=1)
    one_mood: float = pydantic.Field(default=0.2, ge=0.0, le=1.0)
    prior: pydantic.PositiveFloat = 3.0


@dataclass(frozen=True)
class Targets:
    """What the head learns, for n clips.

    Attributes:
        emotion: float32 (n, 8), probability of each class.
        possible: float32 (n, 8), 1 for the classes that the clip's corpus labels, else 0. That a corpus has no
            surprise says nothing about how surprise sounds, so the others are left out of the loss.
        vad: float32 (n, 3), 0..1.
        weight: float32 (n,), importance of each clip.
        speaker: int (n,), who speaks; :data:`NOBODY` for a sound without speech.
        corpus: int (n,), of which collection; the population's mean gives each the same weight.
        wordless: bool (n,), whether it is a burst of voice without words: no part of the population, and heard as
            if its collection's mean were known, so that what differs among bursts is learnt, not what a burst is.
    """

    emotion: np.ndarray
    possible: np.ndarray
    vad: np.ndarray
    weight: np.ndarray
    speaker: np.ndarray
    corpus: np.ndarray
    wordless: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Targets:
        """The chosen clips: a boolean mask or indices."""
        return Targets(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


class Head(nn.Module):
    """Standardises its inputs, gives its outputs, and takes the speaker's shift out of them.

    Args:
        reference: activations whose mean, and deviation within speakers, standardise all others.
        targets: of the reference.
    """

    LIMIT = 8.0
    """Standardised values are clipped to this, so that odd sound cannot push the head anywhere."""

    def __init__(self, reference: Activations, targets: Targets) -> None:
        super().__init__()
        spoken = (targets.speaker != NOBODY) & ~targets.wordless
        for name, values in (("pooled", reference.pooled), ("prosody", reference.prosody)):
            mean, deviation = _population(values[spoken], targets[spoken])
            self.register_buffer(f"{name}_mean", torch.tensor(mean, dtype=torch.float32))
            self.register_buffer(f"{name}_scale", torch.tensor(1.0 / (deviation + 1e-3), dtype=torch.float32))
        size = reference.pooled.shape[1] + reference.prosody.shape[1]
        self.layer = nn.Linear(size, OUTPUTS)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.register_buffer("emotion_offsets", torch.zeros(len(EMOTIONS), OUTPUTS))

    def standardise(self, pooled: torch.Tensor, prosody: torch.Tensor) -> torch.Tensor:
        """(n, size) and (n, k) with NaN to (n, size + k); what was not measured becomes the mean."""
        pooled = (pooled - self.pooled_mean) * self.pooled_scale
        prosody = torch.where(
            torch.isnan(prosody), torch.zeros_like(prosody), (prosody - self.prosody_mean) * self.prosody_scale
        )
        return torch.cat([pooled, prosody], dim=1).clamp(-self.LIMIT, self.LIMIT)

    def forward(
        self, pooled: torch.Tensor, prosody: torch.Tensor, shift: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What utterances sound like to who knows the speaker's shift (n or 1, 11), 0 for nothing known.

        Returns:
            Log-probabilities (n, 8); valence, arousal, dominance (n, 3), 0..1; offsets (n, 11).
        """
        outputs = self.layer(self.standardise(pooled, prosody)) - shift
        logits = torch.log_softmax(outputs[:, :CLASSES], dim=1)
        felt = torch.softmax(SHARPNESS * outputs[:, : len(EMOTIONS)], dim=1)
        offset = outputs + shift - self.layer.bias - felt @ self.emotion_offsets
        return logits, torch.sigmoid(outputs[:, CLASSES:]), offset


def _population(values: np.ndarray, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and root mean square deviation of clips from their speaker's mean, each corpus counting the same."""
    means, variances = [], []
    for corpus in np.unique(targets.corpus):
        own = values[targets.corpus == corpus]
        means.append(np.nanmean(own, axis=0))
        within = own - means[-1]
        speakers = targets.speaker[targets.corpus == corpus]
        for speaker in np.unique(speakers):
            chosen = speakers == speaker
            measured = ~np.isnan(own[chosen]).all(axis=0)
            within[np.ix_(chosen, measured)] -= np.nanmean(within[np.ix_(chosen, measured)], axis=0)
        variances.append(np.nanmean(np.square(within), axis=0))
    return np.mean(means, axis=0), np.sqrt(np.mean(variances, axis=0))


def _emotion_offsets(outputs: np.ndarray, targets: Targets) -> np.ndarray:
    """How clips of an emotion lie off their speaker's middle, (7, m): means of outputs (n, m).

    The middle is the mean over the speaker's emotions, of which there must be three; a corpus weighs by the root
    of its clips of the emotion.
    """
    total, weight = np.zeros((len(EMOTIONS), outputs.shape[1])), np.zeros(len(EMOTIONS))
    label = targets.emotion.argmax(axis=1)
    for corpus in np.unique(targets.corpus):
        sums, counts = np.zeros_like(total), np.zeros(len(EMOTIONS))
        for speaker in np.unique(targets.speaker[(targets.corpus == corpus) & (targets.speaker != NOBODY)]):
            own = np.flatnonzero(targets.speaker == speaker)
            felt, count = np.unique(label[own], return_counts=True)
            if len(felt) < 3:
                continue
            means = np.stack([outputs[own[label[own] == emotion]].mean(axis=0) for emotion in felt])
            sums[felt] += count[:, None] * (means - means.mean(axis=0))
            counts[felt] += count
        known = counts > 0
        total[known] += sums[known] / np.sqrt(counts[known, None])
        weight[known] += np.sqrt(counts[known])
    return total / np.maximum(weight, 1e-9)[:, None]


def train_head(views: Sequence[Activations], targets: Targets, settings: HeadSettings, seed: int) -> Head:
    """Train a head on several views of the same clips.

    Every clip is heard without a history and after other utterances of its speaker (``settings.histories``).

    Args:
        views: activations of the clips as they are, then of their augmented versions.
        targets: of the clips; the same for every view.
        settings: see :class:`HeadSettings`.
        seed: of the histories.
    """
    rng = np.random.default_rng(seed)
    head = Head(views[0], targets)
    with torch.no_grad():
        inputs = [_inputs(head, view, targets) for view in views]
    histories = [
        [_histories(targets, length, settings, rng) if length else None for length in settings.histories]
        for _ in views
    ]
    wanted = [torch.from_numpy(values) for values in (targets.emotion, targets.vad, targets.weight)]
    impossible = torch.from_numpy(np.where(targets.possible > 0, 0.0, -1e4).astype(np.float32))
    scale = 1 / (len(views) * len(settings.histories))
    optimiser = torch.optim.LBFGS(
        head.layer.parameters(), max_iter=settings.iterations, history_size=10, line_search_fn="strong_wolfe"
    )

    def loss() -> float:
        optimiser.zero_grad()
        total = head.layer.weight.square().sum() / (2 * settings.variance)
        for values, lengths in zip(inputs, histories, strict=True):
            product = values @ head.layer.weight.T
            for history in lengths:
                adapted = product if history is None else product - history @ product
                total = total + scale * _loss(adapted + head.layer.bias, wanted, impossible)
        total.backward()
        return float(total)

    optimiser.step(loss)
    with torch.no_grad():
        _restore_spread(head, inputs[0], targets)
        outputs = head.layer(inputs[0]).numpy().astype(np.float64)
        head.emotion_offsets.copy_(torch.from_numpy(EMOTION_SHARE * _emotion_offsets(outputs, targets)))
    return head.eval()


def _inputs(head: Head, view: Activations, targets: Targets) -> torch.Tensor:
    """Standardised inputs of a view (n, size + k); those without words are centred on their collection's mean."""
    inputs = head.standardise(torch.from_numpy(view.pooled), torch.from_numpy(view.prosody))
    for corpus in np.unique(targets.corpus[targets.wordless]):
        own = torch.from_numpy(targets.wordless & (targets.corpus == corpus))
        inputs[own] -= inputs[own].mean(dim=0)
    return inputs


def _restore_spread(head: Head, inputs: torch.Tensor, targets: Targets) -> None:
    """Give the rated dimensions the spread of their targets: so strongly regularised, they keep to the middle."""
    spoken = torch.from_numpy((targets.speaker != NOBODY) & ~targets.wordless)
    outputs = head.layer(inputs[spoken])[:, CLASSES:]
    wanted = torch.logit(torch.from_numpy(targets.vad)[spoken])
    stretch = wanted.std(dim=0) / (outputs.std(dim=0) + 1e-6)
    head.layer.weight[CLASSES:] *= stretch[:, None]
    head.layer.bias[CLASSES:] = wanted.mean(dim=0) + stretch * (head.layer.bias[CLASSES:] - outputs.mean(dim=0))


def _histories(targets: Targets, length: int, settings: HeadSettings, rng: np.random.Generator) -> torch.Tensor:
    """By how much each clip's shift counts the outputs of each other: sparse (n, n), float32."""
    mood = targets.emotion.argmax(axis=1)
    rows, columns, shares = [], [], []
    for speaker in np.unique(targets.speaker[targets.speaker != NOBODY]):
        own = np.flatnonzero(targets.speaker == speaker)
        if len(own) < ENOUGH_CLIPS:
            continue
        for clip in own:
            others = own[own != clip]
            if rng.random() < settings.one_mood:
                others = others[mood[others] == mood[clip]]
            heard = rng.permutation(others)[:length]
            rows += [clip] * len(heard)
            columns += heard.tolist()
            shares += [1 / (len(heard) + settings.prior)] * len(heard)
    count = len(mood)
    return torch.sparse_coo_tensor(
        torch.tensor([rows, columns]).reshape(2, -1), torch.tensor(shares, dtype=torch.float32), (count, count)
    )


def _loss(outputs: torch.Tensor, wanted: Sequence[torch.Tensor], impossible: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over the possible classes and squared error of the dimensions, summed over clips by weight."""
    emotion, vad, weight = wanted
    logarithms = torch.log_softmax(outputs[:, :CLASSES] + impossible, dim=1)
    errors = (torch.sigmoid(outputs[:, CLASSES:]) - vad).square().sum(dim=1)
    return (weight * (errors - (emotion * logarithms).sum(dim=1))).sum()


def apply_head(head: Head, activations: Activations, shift: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """What a head says of n clips.

    Args:
        head: the head.
        activations: of the clips.
        shift: of their speakers, (n or 1, 11); None is nothing known.

    Returns:
        Log-probabilities (n, 8); valence, arousal, dominance (n, 3), 0..1; offsets (n, 11).
    """
    known = np.zeros((1, OUTPUTS), dtype=np.float32) if shift is None else shift
    with torch.inference_mode():
        outputs = head(
            torch.from_numpy(activations.pooled), torch.from_numpy(activations.prosody), torch.from_numpy(known)
        )
    return tuple(output.numpy() for output in outputs)
