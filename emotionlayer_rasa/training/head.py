"""The trained part of the network: pooled activations and prosody to emotions and valence-arousal-dominance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np
import torch
from torch import nn

from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.training.activations import Activations

CLASSES = len(EMOTIONS) + 1
"""The seven emotions, and "no speech"."""

NO_SPEECH = len(EMOTIONS)
"""Index of the class "no speech"."""


class HeadSettings(Settings):
    """How the head is trained.

    Attributes:
        members: networks for the emotions whose probabilities are averaged; they differ by their seed.
        hidden, affect_hidden: units of the hidden layer of each, and of the network for valence-arousal-dominance.
        input_dropout, hidden_dropout: share of values set to zero in training.
        learning_rate, weight_decay: of AdamW; the rate rises for a tenth of the steps and falls to zero.
        epochs, batch: passes over all views, and clips a step.
        mixup: parameter of the beta distribution by which pairs of clips are mixed (Zhang et al. 2018); 0 is off.
    """

    members: int = 3
    hidden: int = 128
    affect_hidden: int = 64
    input_dropout: float = 0.5
    hidden_dropout: float = 0.5
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    epochs: int = 8
    batch: int = 128
    mixup: float = 0.4


@dataclass(frozen=True)
class Targets:
    """What the head learns, for n clips.

    Attributes:
        emotion: float32 (n, 8), probability of each class.
        possible: float32 (n, 8), 1 for the classes that the clip's corpus labels, else 0. That a corpus has no
            surprise says nothing about how surprise sounds, so the others are left out of the loss.
        vad: float32 (n, 3), 0..1.
        weight: float32 (n,), importance of each clip.
    """

    emotion: np.ndarray
    possible: np.ndarray
    vad: np.ndarray
    weight: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Targets:
        """The chosen clips: a boolean mask or indices."""
        return Targets(self.emotion[chosen], self.possible[chosen], self.vad[chosen], self.weight[chosen])


class Perceptron(nn.Module):
    """One hidden layer: standardised input (n, size) to (n, outputs)."""

    def __init__(self, size: int, hidden: int, outputs: int, settings: HeadSettings) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(settings.input_dropout),
            nn.Linear(size, hidden),
            nn.GELU(),
            nn.Dropout(settings.hidden_dropout),
            nn.Linear(hidden, outputs),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return self.layers(inputs)


class Head(nn.Module):
    """Standardises its inputs, averages its members' probabilities, and rates valence, arousal and dominance.

    The ratings come from a network of their own: in one with the emotions they cost half a point of recall.

    Args:
        reference: activations whose mean and deviation standardise all others.
        settings: see :class:`HeadSettings`.
    """

    LIMIT = 8.0
    """Standardised values are clipped to this, so that odd sound cannot push the head anywhere."""

    def __init__(self, reference: Activations, settings: HeadSettings) -> None:
        super().__init__()
        for name, values in (("pooled", reference.pooled), ("prosody", reference.prosody)):
            mean, deviation = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
            self.register_buffer(f"{name}_mean", torch.tensor(mean, dtype=torch.float32))
            self.register_buffer(f"{name}_scale", torch.tensor(1.0 / (deviation + 1e-3), dtype=torch.float32))
        size = reference.pooled.shape[1] + reference.prosody.shape[1]
        self.members = nn.ModuleList(
            Perceptron(size, settings.hidden, CLASSES, settings) for _ in range(settings.members)
        )
        self.affect = Perceptron(size, settings.affect_hidden, 3, settings)

    def standardise(self, pooled: torch.Tensor, prosody: torch.Tensor) -> torch.Tensor:
        """(n, size) and (n, k) with NaN to (n, size + k); what was not measured becomes the mean."""
        pooled = (pooled - self.pooled_mean) * self.pooled_scale
        prosody = torch.where(
            torch.isnan(prosody), torch.zeros_like(prosody), (prosody - self.prosody_mean) * self.prosody_scale
        )
        return torch.cat([pooled, prosody], dim=1).clamp(-self.LIMIT, self.LIMIT)

    def forward(self, pooled: torch.Tensor, prosody: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities (n, 8) and valence, arousal, dominance (n, 3), 0..1."""
        inputs = self.standardise(pooled, prosody)
        probabilities = torch.stack([torch.softmax(member(inputs), dim=-1) for member in self.members]).mean(dim=0)
        return torch.log(probabilities + 1e-9), torch.sigmoid(self.affect(inputs))


def train_head(views: Sequence[Activations], targets: Targets, settings: HeadSettings, seed: int) -> Head:
    """Train a head on several views of the same clips.

    Args:
        views: activations of the clips as they are, then of their augmented versions.
        targets: of the clips; the same for every view.
        settings: see :class:`HeadSettings`.
        seed: of initial weights, order, dropout and mixing.
    """
    torch.manual_seed(seed)
    head = Head(views[0], settings)
    with torch.no_grad():
        inputs = torch.cat(
            [head.standardise(torch.from_numpy(v.pooled), torch.from_numpy(v.prosody)) for v in views]
        )
    weight = torch.from_numpy(targets.weight).repeat(len(views))
    classes = np.concatenate([targets.emotion, targets.possible], axis=1)
    emotion, vad = (torch.from_numpy(wanted).repeat(len(views), 1) for wanted in (classes, targets.vad))
    for place, member in enumerate(head.members):
        _train(member, _surprise, inputs, emotion, weight, settings, seed + 1000 * place)
    _train(head.affect, _discord, inputs, vad, weight, settings, seed + 1000 * len(head.members))
    return head.eval()


def _surprise(output: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits (n, 8) with probabilities and possible classes (n, 8 + 8), weighted (n,)."""
    emotion, possible = wanted.chunk(2, dim=1)
    logits = output.masked_fill(possible == 0, -1e4)
    return (weight * nn.functional.cross_entropy(logits, emotion, reduction="none")).mean()


def _discord(output: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """One less the concordance correlation of logits (n, 3) with ratings (n, 3), weighted (n,).

    Unlike the squared error, it does not reward answers that keep to the middle (Atmaja and Akagi 2021).
    """
    rated = torch.sigmoid(output)
    share = (weight / weight.sum())[:, None]
    mean_r, mean_w = (share * rated).sum(dim=0), (share * wanted).sum(dim=0)
    spread_r, spread_w = (share * (rated - mean_r) ** 2).sum(dim=0), (share * (wanted - mean_w) ** 2).sum(dim=0)
    together = (share * (rated - mean_r) * (wanted - mean_w)).sum(dim=0)
    return (1 - 2 * together / (spread_r + spread_w + (mean_r - mean_w) ** 2 + 1e-6)).mean()


def _train(
    network: nn.Module,
    loss: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    targets: torch.Tensor,
    weight: torch.Tensor,
    settings: HeadSettings,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    batches = max(1, len(inputs) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.epochs * batches + 1, pct_start=0.1
    )
    network.train()
    for _ in range(settings.epochs):
        for chosen in np.array_split(rng.permutation(len(inputs)), batches):
            here = torch.from_numpy(chosen)
            batch, wanted = inputs[here], targets[here]
            if settings.mixup:
                share = torch.from_numpy(
                    rng.beta(settings.mixup, settings.mixup, (len(here), 1)).astype(np.float32)
                )
                other = torch.from_numpy(rng.permutation(len(here)))
                batch, wanted = (share * values + (1 - share) * values[other] for values in (batch, wanted))
            optimiser.zero_grad()
            loss(network(batch), wanted, weight[here]).backward()
            optimiser.step()
            schedule.step()


def apply_head(head: Head, activations: Activations) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities (n, 8) and valence, arousal, dominance (n, 3) of n clips."""
    with torch.inference_mode():
        logits, vad = head(torch.from_numpy(activations.pooled), torch.from_numpy(activations.prosody))
    return logits.numpy(), vad.numpy()
