"""A teacher of valence, arousal and dominance, learnt from human ratings of recordings that we do not have.

The ratings (IEMOCAP, Busso et al. 2008; MSP-IMPROV, Busso et al. 2017) come without sound, with 47 acoustic
features of each utterance: means and standard deviations of openSMILE's eGeMAPSv01a low-level descriptors (Eyben
et al. 2016), and a silence ratio. The same features of our clips let the teacher rate them, and the network learns
from these opinions (:mod:`emotionlayer_rasa.training.vad`). openSMILE's licence is for research and private use;
it is needed at training time only.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Sequence
from zipfile import BadZipFile

import numpy as np
from rich.progress import track
from sklearn.linear_model import Ridge
from sklearn.svm import SVR

from emotionlayer_rasa.audio import SAMPLE_RATE
from emotionlayer_rasa.errors import ConfigurationError, MissingExtraError
from emotionlayer_rasa.evaluation.voice import Clip
from emotionlayer_rasa.evaluation.voice.metrics import concordance
from emotionlayer_rasa.taxonomy import DIMENSIONS
from emotionlayer_rasa.training.activations import read_samples

FEATURES = 47
"""23 means, 23 standard deviations, and the silence ratio."""

LIMIT = 6.0
"""Standardised features are clipped to this many standard deviations."""


@dataclass(frozen=True)
class RatedCorpus:
    """A file of ratings.

    Attributes:
        name: the file is ``<name>.npz``.
        group: its array that says who speaks, at least so finely that ``held_out`` is a set of speakers.
        held_out: groups that the teacher is measured on.
        calm_is_high: whether its raters gave high numbers to calm voices.
    """

    name: str
    group: str
    held_out: tuple[str, ...]
    calm_is_high: bool = False


RATED_CORPORA = (
    RatedCorpus("iemocap", "session", ("5",)),
    # Its form runs from 1 "excited" to 5 "calm": neutral turns have a mean of 3.9, angry ones 2.8, and for each of
    # the twelve speakers the number falls with loudness.
    RatedCorpus("msp_improv", "speaker", ("F06", "M06"), calm_is_high=True),
)


@dataclass(frozen=True)
class Ratings:
    """n rated utterances.

    Attributes:
        features: float64 (n, 47).
        vad: float64 (n, 3): valence, arousal, dominance, 0..1, 1 is pleasant, excited, dominant.
        group: str (n,), who speaks.
    """

    features: np.ndarray
    vad: np.ndarray
    group: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Ratings:
        """The chosen rows: a boolean mask or indices."""
        return Ratings(self.features[chosen], self.vad[chosen], self.group[chosen])


class Teacher:
    """Rates voices as the raters of one corpus do.

    The mean of a ridge regression and a support vector regression (radial basis), a pair for each dimension. A
    regression shrinks towards the mean, which costs concordance, so the spread of the ratings is restored.

    Args:
        ratings: what to learn from; their features are standardised over themselves.
    """

    def __init__(self, ratings: Ratings) -> None:
        inputs = standardise(ratings.features)
        self._pairs = [
            (
                Ridge(alpha=100.0).fit(inputs, target),
                SVR(C=0.3, gamma=0.01, epsilon=0.1, cache_size=500).fit(inputs, target),
            )
            for target in ratings.vad.T
        ]
        raw = self._raw(inputs)
        self._offset, self._centre = raw.mean(axis=0), ratings.vad.mean(axis=0)
        self._stretch = ratings.vad.std(axis=0) / (raw.std(axis=0) + 1e-9)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Standardised features (n, 47) to valence, arousal, dominance (n, 3), 0..1."""
        return np.clip(self._centre + (self._raw(inputs) - self._offset) * self._stretch, 0.0, 1.0)

    def _raw(self, inputs: np.ndarray) -> np.ndarray:
        return np.stack(
            [(ridge.predict(inputs) + machine.predict(inputs)) / 2 for ridge, machine in self._pairs], axis=1
        )


def standardise(features: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Features (n, 47) to mean 0 and deviation 1 over ``reference`` (m, 47), which is themselves by default."""
    reference = features if reference is None else reference
    return np.clip((features - reference.mean(axis=0)) / (reference.std(axis=0) + 1e-9), -LIMIT, LIMIT)


def read_ratings(folder: Path, corpus: RatedCorpus) -> Ratings:
    """Read ``<name>.npz``: ``features`` (n, 47), ``vad`` (n, 3), 1..5, and the corpus's group array (n,).

    Raises:
        ConfigurationError: the file is not there, or is not such a file.
    """
    path = folder / f"{corpus.name}.npz"
    advice = "Give the folder of the ratings as 'affect_features', or null to train without them."
    try:
        with np.load(path) as stored:
            features, vad = stored["features"].astype(np.float64), (stored["vad"].astype(np.float64) - 1) / 4
            group = stored[corpus.group].astype(str)
    except OSError as error:
        raise ConfigurationError(f"{path}: the ratings cannot be read: {error.strerror}. {advice}") from None
    except (ValueError, KeyError, BadZipFile):
        raise ConfigurationError(
            f"{path}: this is no file of arrays 'features', 'vad' and '{corpus.group}'. {advice}"
        ) from None
    count = len(group)
    if features.shape != (count, FEATURES) or vad.shape != (count, 3) or not np.isfinite(features).all():
        raise ConfigurationError(
            f"{path}: 'features' must be finite and of shape (n, {FEATURES}), 'vad' of shape (n, 3) and "
            f"'{corpus.group}' of shape (n,). {advice}"
        )
    if not ((vad >= 0) & (vad <= 1)).all():
        raise ConfigurationError(f"{path}: 'vad' must be within 1..5. {advice}")
    if not np.isin(corpus.held_out, group).all() or np.isin(group, corpus.held_out).all():
        raise ConfigurationError(
            f"{path}: '{corpus.group}' must hold {', '.join(corpus.held_out)}, to measure on, and others. {advice}"
        )
    if corpus.calm_is_high:
        vad[:, 1] = 1 - vad[:, 1]
    return Ratings(features, vad, group)


def measure_teacher(folder: Path) -> dict[str, dict[str, float]]:
    """Concordance with the ratings of people whom a teacher of the same corpus never heard.

    Args:
        folder: holds ``iemocap.npz`` (held out: session 5) and ``msp_improv.npz`` (held out: F06 and M06).

    Returns:
        ``{"iemocap": {"valence": ccc, "arousal": ccc, "dominance": ccc}, "msp_improv": {...}}``.

    Raises:
        ConfigurationError: see :func:`read_ratings`.
    """
    figures = {}
    for corpus in RATED_CORPORA:
        ratings = read_ratings(folder, corpus)
        hidden = np.isin(ratings.group, corpus.held_out)
        known, unknown = ratings[~hidden], ratings[hidden]
        answers = Teacher(known)(standardise(unknown.features, known.features))
        figures[corpus.name] = {
            axis: round(concordance(answers[:, place], unknown.vad[:, place]), 3)
            for place, axis in enumerate(DIMENSIONS)
        }
    return figures


def teacher_opinion(folder: Path, clips: Sequence[Clip], features: np.ndarray) -> np.ndarray:
    """What the teachers of both corpora, learnt from all their ratings, say about our clips, on average.

    Features are standardised within each of our corpora, so that rooms and microphones drop out. With them goes
    what a corpus is like as a whole, and raters differ in where they put the middle; so the level is set where
    this package has it: the mean neutral clip is at .5.

    Args:
        folder: see :func:`measure_teacher`.
        clips: n clips.
        features: of the clips, (n, 47), by :func:`clip_features`.

    Returns:
        float64 (n, 3): valence, arousal, dominance, about 0..1.

    Raises:
        ConfigurationError: see :func:`read_ratings`.
    """
    inputs = np.zeros(features.shape)
    names = np.array([clip.corpus for clip in clips])
    for name in np.unique(names):
        inputs[names == name] = standardise(features[names == name])
    # A teacher a corpus: one on both is worse on either (session 5: .61 arousal instead of .66), and slower.
    answers = np.mean([Teacher(read_ratings(folder, corpus))(inputs) for corpus in RATED_CORPORA], axis=0)
    neutral = np.array([clip.emotion == "neutral" for clip in clips])
    return answers + (0.5 - answers[neutral].mean(axis=0)) if neutral.any() else answers


def clip_features(clips: Sequence[Clip], cache: Path) -> np.ndarray:
    """The 47 features of each clip, float64 (n, 47), kept in the folder ``cache``.

    Raises:
        MissingExtraError: openSMILE is not installed.
    """
    digest = hashlib.sha256("\n".join(str(clip.path) for clip in clips).encode()).hexdigest()
    path = cache / f"egemaps-{digest[:16]}.npy"
    if not path.exists():
        rows = egemaps_features(read_samples(clip.path) for clip in track(clips, description="eGeMAPS"))
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"partial-{path.name}")  # an interruption must not leave half a file
        np.save(partial, rows)
        partial.replace(path)
    return np.load(path)


def egemaps_features(waveforms: Iterable[np.ndarray]) -> np.ndarray:
    """The 47 features of waveforms (samples,) at 16 kHz: float64 (n, 47); what cannot be measured is 0.

    Means, then standard deviations (ddof 1), of the 23 descriptors, then the silence ratio.

    Raises:
        MissingExtraError: openSMILE is not installed.
    """
    try:
        import opensmile
    except ImportError:
        raise MissingExtraError("opensmile", "teacher") from None
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv01a, feature_level=opensmile.FeatureLevel.LowLevelDescriptors
    )
    rows = []
    for samples in waveforms:
        frames = smile.process_signal(samples, SAMPLE_RATE).to_numpy()
        with warnings.catch_warnings():  # too short for a deviation
            warnings.simplefilter("ignore", RuntimeWarning)
            rows.append(
                np.concatenate([frames.mean(axis=0), frames.std(axis=0, ddof=1), [_silence_ratio(samples)]])
            )
    return np.nan_to_num(np.array(rows, dtype=np.float64).reshape(-1, FEATURES))


def _silence_ratio(samples: np.ndarray) -> float:
    """Share of frames (128 ms, every 32 ms, as librosa cuts them) whose RMS is at or below 0.3 of the mean RMS."""
    padded = np.pad(samples + 0.0001, 1024)  # librosa's default: centred frames
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2048)[::512]
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    return float(np.mean(level <= 0.3 * level.mean()))
