"""From corpora to the two spaCy pipelines."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import pydantic
import spacy
import torch

from emotionlayer_rasa.emotion.onnx_recognizer import softmax
from emotionlayer_rasa.settings import Settings
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.training.calibration import fit_temperature, fit_threshold
from emotionlayer_rasa.training.words.corpora import LabelledTexts, default_data, emo_bank, go_emotions
from emotionlayer_rasa.training.words.figures import all_outputs, f1, measure
from emotionlayer_rasa.training.words.fine_tuning import TextEncoder, exported, find_encoder, fit, predict
from emotionlayer_rasa.training.words.ngrams import fit_ngrams
from emotionlayer_rasa.words.component import COMPONENT, TextEmotion, TextModel
from emotionlayer_rasa.words.reader import WEIGHTS_DIR

logger = logging.getLogger(__name__)

VERSION = "1.0"


class TextTraining(Settings):
    """How the models that read words are trained.

    Attributes:
        data: folder with ``goemotions``, ``emobank`` and ``emoita``.
        encoder: folder of the sentence encoder to start from; None takes the installed package's.
        out: where the pipelines go, a folder a language.
        layers: of the encoder, from the bottom.
        trained_layers: of those, from the top, trained further.
        epochs: passes over EmoBank.
        comments: how many comments of GoEmotions are used, the rarer emotions first.
        spoken: share of the sentences that are trained without punctuation, as a recogniser writes them.
        teacher: share of the English model's ratings in what the Italian model learns; the rest is EmoITA's own.
        penalties: strengths of the Italian model's ridge penalty to choose from, on the development set.
        target_accuracy: share of right labels, on the development set, from which on a label is given.
        threads: processor threads.
        seed: of everything random.
    """

    data: Path = pydantic.Field(default_factory=default_data)
    encoder: Path | None = None
    out: Path = WEIGHTS_DIR
    layers: pydantic.PositiveInt = 5
    trained_layers: pydantic.PositiveInt = 2
    epochs: pydantic.PositiveInt = 3
    comments: pydantic.PositiveInt = 24000
    spoken: float = 0.3
    teacher: float = 0.5
    penalties: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0)
    target_accuracy: float = 0.75
    threads: pydantic.PositiveInt = 1
    seed: int = 7


def train_text(settings: TextTraining = TextTraining()) -> None:
    """Train both languages, measure them on the test sets and write their pipelines.

    Raises:
        ConfigurationError: a corpus is missing.
        ModelUnavailableError: there is no encoder to start from.
    """
    torch.set_num_threads(settings.threads)
    settings.out.mkdir(parents=True, exist_ok=True)
    encoder = _encoder(settings)
    pipeline, english = _english(settings, encoder)
    pipeline.to_disk(settings.out / "en")
    _italian(settings, english, encoder).to_disk(settings.out / "it")


def _encoder(settings: TextTraining) -> TextEncoder:
    """The sentence encoder, trained: seven emotion logits, then the English and the Italian ratings."""
    rng = np.random.default_rng(settings.seed)
    comments = _some(go_emotions(settings.data, "train"), settings.comments, rng)
    english, italian = (emo_bank(settings.data, "train", language) for language in ("en", "it"))
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(settings.seed)
        encoder = TextEncoder(
            find_encoder(settings.encoder, Path(folder)), settings.layers, settings.trained_layers, ratings=6
        )
    # The ratings of the translation are a second opinion on the same sentences.
    ratings = _standardised(np.hstack([english.targets, italian.targets]))
    pieces = [
        [encoder.pieces(_spoken(text) if rng.random() < settings.spoken else text) for text in corpus.texts]
        for corpus in (comments, english)
    ]
    logger.info("text.training comments=%d sentences=%d", len(comments), len(english))
    fit(encoder, (pieces[0], comments.targets), (pieces[1], ratings), settings.epochs, settings.seed)
    return encoder


def _english(settings: TextTraining, encoder: TextEncoder) -> tuple[spacy.Language, TextEmotion]:
    """The English pipeline and its component, calibrated on the development set."""
    pipeline, component = _pipeline("en", exported(encoder, len(EMOTIONS) + 3))
    held_out = go_emotions(settings.data, "dev")
    logits = all_outputs(component, held_out)[:, : len(EMOTIONS)]
    thresholds = _best_thresholds(logits, held_out.targets)
    alone = held_out.targets.sum(axis=1) == 1
    truth = held_out.targets[alone].argmax(axis=1)
    temperature = fit_temperature(logits[alone] - thresholds, truth)
    probabilities = softmax(logits[alone] - thresholds, temperature)
    component.description = {
        "name": f"emotionlayer-text-en-{VERSION}",
        "model": "encoder",
        "thresholds": np.round(thresholds, 3).tolist(),
        "temperature": round(temperature, 3),
        "lexicon": 0.0,
        "threshold": fit_threshold(probabilities, truth, settings.target_accuracy),
    }
    component.description["figures"] = measure(component, settings.data, "test")
    logger.info("text.trained language=en figures=%s", component.description["figures"])
    return pipeline, component


def _italian(settings: TextTraining, english: TextEmotion, encoder: TextEncoder) -> spacy.Language:
    """The Italian pipeline, taught by EmoITA's ratings and by the English model through the translation."""
    sentences, held_out = (emo_bank(settings.data, "train", "it"), emo_bank(settings.data, "dev", "it"))
    teacher = predict(encoder, emo_bank(settings.data, "train", "en").texts)
    logits = teacher[:, : len(EMOTIONS)]
    own, taught = _standardised(sentences.targets), _standardised(teacher[:, -3:])
    ratings = (1 - settings.teacher) * own + settings.teacher * taught
    best: TextModel | None = None
    best_r = -1.0
    for penalty in settings.penalties:
        model = fit_ngrams(sentences.texts, np.hstack([logits, ratings]), penalty)
        valence = [model(text)[len(EMOTIONS)] for text in held_out.texts]
        r = float(np.corrcoef(valence, held_out.targets[:, 0])[0, 1])
        logger.info("text.penalty penalty=%g valence_r=%.3f", penalty, r)
        if r > best_r:
            best, best_r = model, r
    assert best is not None
    pipeline, component = _pipeline("it", best)
    component.description = {
        **english.description,
        "name": f"emotionlayer-text-it-{VERSION}",
        "model": "ngrams",
        "lexicon": 4.0,
    }
    component.description["figures"] = measure(component, settings.data, "test")
    logger.info("text.trained language=it figures=%s", component.description["figures"])
    return pipeline


def _pipeline(language: str, model: TextModel) -> tuple[spacy.Language, TextEmotion]:
    pipeline = spacy.blank(language)
    component = pipeline.add_pipe(COMPONENT)
    assert isinstance(component, TextEmotion)
    component.model = model
    return pipeline, component


def _some(comments: LabelledTexts, count: int, rng: np.random.Generator) -> LabelledTexts:
    """``count`` comments: those with an emotion other than joy and neutral first, the rest by chance."""
    common = comments.targets[:, [EMOTIONS.index("joy"), EMOTIONS.index("neutral")]].any(axis=1)
    order = np.lexsort((rng.random(len(comments)), common))[:count]
    return LabelledTexts([comments.texts[index] for index in order], comments.targets[order])


def _best_thresholds(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The logit of each label that gives it the best F1, in steps of .05; shape (labels,)."""
    steps = np.arange(-4.0, 2.0, 0.05)
    scores = np.stack([f1(truth, logits >= step) for step in steps])
    return np.asarray(steps[scores.argmax(axis=0)])


def _standardised(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0), dtype=np.float32)


def _spoken(text: str) -> str:
    return "".join(mark for mark in text if mark.isalnum() or mark in " '’")
