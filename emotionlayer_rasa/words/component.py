"""The spaCy component ``emotionlayer_text``: a Doc's emotion and cues in ``Doc._.text_reading``."""

# No `from __future__ import annotations`: spaCy reads the annotations of a factory as types.

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any, Iterable, Mapping, Protocol

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from emotionlayer_rasa.errors import ModelUnavailableError
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import CUES, EmotionReading, TextReading
from emotionlayer_rasa.words.cues import CueReader, load_cue_reader
from emotionlayer_rasa.words.encoder import EncoderModel
from emotionlayer_rasa.words.ngrams import NgramModel

COMPONENT = "emotionlayer_text"
EXTENSION = "text_reading"

MAX_CHARACTERS = 1_000
"""Longer texts are cut: a minute of speech is shorter, and Rasa's event loop waits while a typed one is read."""

VAD_SPREAD = 0.15
"""Share of the scale 0..1 that one standard deviation of the ratings takes."""

CUE_LOGITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "urgency": {"fear": 0.8, "joy": -0.5, "neutral": -0.5},
        "danger": {"fear": 3.0, "joy": -1.5, "neutral": -1.5},
        "sarcasm": {"disgust": 1.5, "anger": 1.5, "joy": -3.0},
        "doubt": {"fear": 1.0, "anger": -0.8, "joy": -0.5},
        "resignation": {"sadness": 2.0, "joy": -2.0, "neutral": -0.8},
        "complaint": {"anger": 1.5, "sadness": 0.8, "joy": -1.5, "neutral": -0.8},
        "praise": {"joy": 2.5, "neutral": -0.5},
        "question": {"neutral": 2.5, "surprise": -1.0},
        "hostility": {"anger": 3.0, "joy": -1.0, "neutral": -1.5},
    }
)
"""What a cue of strength 1 adds to the logits of the emotions; set by hand: no corpus has calls with both."""

CUE_VAD: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "urgency": (-0.05, 0.2, 0.0),
        "danger": (-0.2, 0.2, -0.1),
        "sarcasm": (-0.25, 0.0, 0.05),
        "doubt": (-0.05, 0.0, -0.2),
        "resignation": (-0.2, -0.15, -0.15),
        "complaint": (-0.2, 0.05, 0.0),
        "praise": (0.25, 0.05, 0.0),
        "hostility": (-0.25, 0.2, 0.2),
    }
)
"""What a cue of strength 1 adds to valence, arousal and dominance; set by hand."""


class TextModel(Protocol):
    """What the component asks for ten numbers of a text."""

    def __call__(self, text: str) -> np.ndarray:
        """Seven emotion logits, then valence, arousal and dominance in standard deviations; shape (10,)."""

    def to_disk(self, folder: Path) -> None:
        """Write the model into an existing folder."""


MODELS: Mapping[str, type[EncoderModel] | type[NgramModel]] = MappingProxyType(
    {"encoder": EncoderModel, "ngrams": NgramModel}
)


class TextEmotion:
    """Reads a Doc: a trained model for emotion and PAD, word lists for the cues.

    Args:
        language: whose cues are read.

    The description, written by the training, has ``name``, ``model`` (a key of :data:`MODELS`), ``thresholds``
    (the logit of each emotion from which it counts as present), ``temperature``, ``lexicon`` (the weight of the
    language's words of emotion), ``threshold`` (the confidence below which the label is ``unknown``) and
    ``figures``.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._cues: CueReader = load_cue_reader(language)
        self.model: TextModel | None = None
        self.description: dict[str, Any] = {}

    def __call__(self, doc: Doc) -> Doc:
        """Set ``Doc._.text_reading``."""
        doc._.set(EXTENSION, self.read(doc.text))
        return doc

    def read(self, text: str) -> TextReading:
        """Emotion and cues of the first thousand characters; the emotion is unknown where there is no word."""
        text = text[:MAX_CHARACTERS]
        if not any(mark.isalnum() for mark in text):
            return TextReading(EmotionReading(source="text", model=self._name), dict.fromkeys(CUES, 0.0))
        cues = self._cues.cues(text)
        outputs = self.outputs(text)
        logits = (outputs[: len(EMOTIONS)] - self.description["thresholds"]) / self.description["temperature"]
        words = self._cues.emotions(text)
        logits += [self.description["lexicon"] * words[emotion] for emotion in EMOTIONS]
        offsets = VAD_SPREAD * outputs[len(EMOTIONS) :]
        for cue, strength in cues.items():
            logits += [strength * CUE_LOGITS[cue].get(emotion, 0.0) for emotion in EMOTIONS]
            offsets += strength * np.asarray(CUE_VAD.get(cue, (0.0, 0.0, 0.0)))
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        # Straight near the middle, and bent so that it stays within 0..1.
        valence, arousal, dominance = map(float, 0.5 + 0.5 * np.tanh(2 * offsets))
        emotion = EmotionReading(
            label=EMOTIONS[best] if confidence >= self.description["threshold"] else UNKNOWN,
            confidence=confidence,
            scores=dict(zip(EMOTIONS, map(float, probabilities), strict=True)),
            valence=valence,
            arousal=arousal,
            dominance=dominance,
            source="text",
            model=self._name,
        )
        return TextReading(emotion, cues)

    def outputs(self, text: str) -> np.ndarray:
        """The trained model's ten numbers, before word lists and cues; shape (10,).

        Raises:
            ModelUnavailableError: the component was added to a pipeline but not read from disk.
        """
        if self.model is None:
            raise ModelUnavailableError(
                f"The spaCy component '{COMPONENT}' has no weights yet. Load it with create_text_reader()."
            )
        return self.model(text)

    def to_disk(self, path: str | Path, exclude: Iterable[str] = ()) -> None:
        """Write model and description into a folder, as spaCy asks."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        if self.model is not None:
            self.model.to_disk(folder)
        description = json.dumps(self.description, indent=2, ensure_ascii=False) + "\n"
        (folder / "model.json").write_text(description, encoding="utf-8")

    def from_disk(self, path: str | Path, exclude: Iterable[str] = ()) -> "TextEmotion":
        """Read what :meth:`to_disk` wrote, as spaCy asks."""
        folder = Path(path)
        self.description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.model = MODELS[self.description["model"]].from_disk(folder)
        return self

    @property
    def _name(self) -> str:
        return f"text/{self.description.get('name', '')}"


if not Doc.has_extension(EXTENSION):
    Doc.set_extension(EXTENSION, default=None)


@Language.factory(COMPONENT, assigns=[f"doc._.{EXTENSION}"])
def _create(nlp: Language, name: str) -> TextEmotion:
    return TextEmotion(str(nlp.lang))
