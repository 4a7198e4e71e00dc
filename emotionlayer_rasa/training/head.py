"""The trained part of the network: pooled activations and prosody to emotions and valence-arousal-dominance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

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
        members: networks whose probabilities are averaged; they differ by their seed.
        hidden: units of the hidden layer of each.
        block_dropout: share of the encoder's statistics (one statistic of one layer each) left out as a whole.
        input_dropout, hidden_dropout: share of values set to zero in training.
        learning_rate, weight_decay: of AdamW; the rate rises for a tenth of the steps and falls to zero.
        epochs, batch: passes over all views, and clips a step.
        mixup: parameter of the beta distribution by which pairs of clips are mixed (Zhang et al. 2018); 0 is off.
        vad_weight: weight of the squared error of valence, arousal and dominance.
    """

    members: int = 3
    hidden: int = 128
    block_dropout: float = 0.3
    input_dropout: float = 0.4
    hidden_dropout: float = 0.5
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    epochs: int = 8
    batch: int = 128
    mixup: float = 0.4
    vad_weight: float = 5.0


@dataclass(frozen=True)
class Targets:
    """What the head learns, for n clips.

    Attributes:
        emotion: float32 (n, 8), probability of each class.
        vad: float32 (n, 3), 0..1.
        weight: float32 (n,), importance of each clip.
    """

    emotion: np.ndarray
    vad: np.ndarray
    weight: np.ndarray


class BlockDropout(nn.Module):
    """In training, sets whole blocks of the input to zero, so that no layer is relied on alone.

    Args:
        blocks: lengths of the blocks, which the input begins with; what comes after them stays.
        share: of the blocks.
    """

    def __init__(self, blocks: Sequence[int], share: float) -> None:
        super().__init__()
        self.blocks = list(blocks)
        self.share = share

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(n, size) to (n, size)."""
        if not self.training or not self.share:
            return inputs
        kept = torch.rand(len(inputs), len(self.blocks)) >= self.share
        mask = torch.repeat_interleave(kept / (1 - self.share), torch.tensor(self.blocks), dim=1)
        return inputs * nn.functional.pad(mask, (0, inputs.shape[1] - mask.shape[1]), value=1.0)


class Member(nn.Module):
    """A perceptron with one hidden layer: standardised input (n, size) to class and VAD logits (n, 8 + 3)."""

    def __init__(self, size: int, blocks: Sequence[int], settings: HeadSettings) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            BlockDropout(blocks, settings.block_dropout),
            nn.Dropout(settings.input_dropout),
            nn.Linear(size, settings.hidden),
            nn.GELU(),
            nn.Dropout(settings.hidden_dropout),
            nn.Linear(settings.hidden, CLASSES + 3),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return self.layers(inputs)


class Head(nn.Module):
    """Standardises its inputs and averages its members' probabilities.

    Args:
        reference: activations whose mean and deviation standardise all others.
        blocks: see :attr:`emotionlayer_rasa.training.encoder.PooledEncoder.blocks`.
        settings: see :class:`HeadSettings`.
    """

    LIMIT = 8.0
    """Standardised values are clipped to this, so that odd sound cannot push the head anywhere."""

    def __init__(self, reference: Activations, blocks: Sequence[int], settings: HeadSettings) -> None:
        super().__init__()
        for name, values in (("pooled", reference.pooled), ("prosody", reference.prosody)):
            mean, deviation = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
            self.register_buffer(f"{name}_mean", torch.tensor(mean, dtype=torch.float32))
            self.register_buffer(f"{name}_scale", torch.tensor(1.0 / (deviation + 1e-3), dtype=torch.float32))
        size = reference.pooled.shape[1] + reference.prosody.shape[1]
        self.members = nn.ModuleList(Member(size, blocks, settings) for _ in range(settings.members))

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
        outputs = torch.stack([member(inputs) for member in self.members])
        probabilities = torch.softmax(outputs[..., :CLASSES], dim=-1).mean(dim=0)
        return torch.log(probabilities + 1e-9), torch.sigmoid(outputs[..., CLASSES:]).mean(dim=0)


def train_head(
    views: Sequence[Activations], targets: Targets, blocks: Sequence[int], settings: HeadSettings, seed: int
) -> Head:
    """Train a head on several views of the same clips.

    Args:
        views: activations of the clips as they are, then of their augmented versions.
        blocks: see :attr:`emotionlayer_rasa.training.encoder.PooledEncoder.blocks`.
        targets: of the clips; the same for every view.
        settings: see :class:`HeadSettings`.
        seed: of initial weights, order, dropout and mixing.
    """
    torch.manual_seed(seed)
    head = Head(views[0], blocks, settings)
    with torch.no_grad():
        inputs = torch.cat(
            [head.standardise(torch.from_numpy(v.pooled), torch.from_numpy(v.prosody)) for v in views]
        )
    classes = torch.from_numpy(targets.emotion).repeat(len(views), 1)
    vad = torch.from_numpy(targets.vad).repeat(len(views), 1)
    weight = torch.from_numpy(targets.weight).repeat(len(views))
    for place, member in enumerate(head.members):
        _train_member(member, inputs, classes, vad, weight, settings, seed + 1000 * place)
    return head.eval()


def _train_member(
    member: nn.Module,
    inputs: torch.Tensor,
    classes: torch.Tensor,
    vad: torch.Tensor,
    weight: torch.Tensor,
    settings: HeadSettings,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        member.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    batches = max(1, len(inputs) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.epochs * batches + 1, pct_start=0.1
    )
    member.train()
    for _ in range(settings.epochs):
        for chosen in np.array_split(rng.permutation(len(inputs)), batches):
            here = torch.from_numpy(chosen)
            batch, wanted, wanted_vad = inputs[here], classes[here], vad[here]
            if settings.mixup:
                share = torch.from_numpy(
                    rng.beta(settings.mixup, settings.mixup, (len(here), 1)).astype(np.float32)
                )
                other = torch.from_numpy(rng.permutation(len(here)))
                batch, wanted, wanted_vad = (
                    share * values + (1 - share) * values[other] for values in (batch, wanted, wanted_vad)
                )
            output = member(batch)
            surprise = nn.functional.cross_entropy(output[:, :CLASSES], wanted, reduction="none")
            miss = (torch.sigmoid(output[:, CLASSES:]) - wanted_vad).square().mean(dim=1)
            loss = (weight[here] * (surprise + settings.vad_weight * miss)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def apply_head(head: Head, activations: Activations) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities (n, 8) and valence, arousal, dominance (n, 3) of n clips."""
    with torch.inference_mode():
        logits, vad = head(torch.from_numpy(activations.pooled), torch.from_numpy(activations.prosody))
    return logits.numpy(), vad.numpy()
