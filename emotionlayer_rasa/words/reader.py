"""The spaCy component ``emotionlayer_text``: a Doc's emotion and cues in ``Doc._.text_reading``."""

# No `from __future__ import annotations`: spaCy reads the annotations of a factory as types.

import json
from functools import cache
from pathlib import Path

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import language_code
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import CUES, EmotionReading, TextReading
from emotionlayer_rasa.words.encoder import OUTPUTS, WordEncoder, says_something

COMPONENT = "emotionlayer_text"
EXTENSION = "text_reading"

WEIGHTS_DIR = Path(__file__).parent / "weights"
"""Graph, tokenizer and description of the reader that comes with the package; ``README.md`` is its model card."""

DESCRIPTION = "model.json"

LANGUAGES = ("de", "en", "es", "fr", "it", "pt")
"""Codes of the languages that are read; of text in another one nothing is known."""

MAX_CHARACTERS = 1_000
"""Longer texts are cut: a minute of speech is shorter, and Rasa's event loop waits while a typed one is read."""

_EMOTIONS = slice(0, len(EMOTIONS))
_RATINGS = slice(_EMOTIONS.stop, _EMOTIONS.stop + len(DIMENSIONS))
_CUES = slice(_RATINGS.stop, _RATINGS.stop + len(CUES))
_OWN, _FOREIGN = OUTPUTS.index("own"), OUTPUTS.index("foreign")


class TextReader:
    """Reads what words say, in six languages: emotion, valence, arousal, dominance, and cues.

    Args:
        folder: holds the encoder's files and ``model.json``: ``name``; ``temperature`` of the emotions' logits;
            ``threshold``, the confidence below which the label is ``unknown``; ``ratings``, mean and deviation
            (0..1) of each dimension; ``slopes`` and ``offsets`` of the logits of the cues, ``own`` and
            ``foreign``; ``figures``.

    Example:
        >>> create_text_reader().read("Thank you so much, it works perfectly!").emotion.label
        'joy'
    """

    def __init__(self, folder: Path = WEIGHTS_DIR) -> None:
        self.description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        self.encoder = WordEncoder(folder)
        self._ratings = np.asarray(self.description["ratings"], dtype=np.float64)

    def __call__(self, doc: Doc) -> Doc:
        """Set ``Doc._.text_reading``, as spaCy asks."""
        doc._.set(EXTENSION, self.read(doc.text))
        return doc

    def read_doc(self, doc: Doc) -> TextReading:
        """The same for a Doc of any pipeline, such as that of Rasa's ``SpacyNLP``; it keeps the reading."""
        reading: TextReading = getattr(self(doc)._, EXTENSION)
        return reading

    def read(self, text: str) -> TextReading:
        """What the first thousand characters say; case and punctuation may be missing, as in a transcript.

        Where there is no word or picture, or the text is in none of :data:`LANGUAGES`, nothing is known.
        """
        name = f"text/{self.description['name']}"
        nothing = TextReading(EmotionReading(source="text", model=name), dict.fromkeys(CUES, 0.0))
        text = text[:MAX_CHARACTERS]
        if not says_something(text):
            return nothing
        outputs = self.encoder(text).astype(np.float64)
        sure = self._sure(outputs)
        if sure[-1] >= 0.5:
            return nothing
        logits = outputs[_EMOTIONS] / self.description["temperature"]
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        valence, arousal, dominance = map(
            float, np.clip(self._ratings[:, 0] + self._ratings[:, 1] * outputs[_RATINGS], 0.0, 1.0)
        )
        emotion = EmotionReading(
            label=EMOTIONS[best] if confidence >= self.description["threshold"] else UNKNOWN,
            confidence=confidence,
            scores=dict(zip(EMOTIONS, map(float, probabilities), strict=True)),
            valence=valence,
            arousal=arousal,
            dominance=dominance,
            source="text",
            model=name,
        )
        return TextReading(emotion, dict(zip(CUES, map(float, sure), strict=False)), own=float(sure[-2]))

    def _sure(self, outputs: np.ndarray) -> np.ndarray:
        """Probabilities of the cues, of ``own`` and of ``foreign``."""
        logits = outputs[_CUES.start :] * self.description["slopes"] + self.description["offsets"]
        return np.asarray(1 / (1 + np.exp(-logits)))


def create_text_reader(language: str | None = None) -> TextReader:
    """The reader that comes with the package, loaded once per process.

    Args:
        language: of the texts (``it-IT`` counts as ``it``); None where it may be any of :data:`LANGUAGES`.

    Raises:
        ConfigurationError: texts of that language are not read.
    """
    if language is not None and language_code(language) not in LANGUAGES:
        raise ConfigurationError(
            f"No text of language '{language}' can be read. Languages: {', '.join(LANGUAGES)}."
        )
    return _load()


@cache
def _load() -> TextReader:
    return TextReader()


if not Doc.has_extension(EXTENSION):
    Doc.set_extension(EXTENSION, default=None)


@Language.factory(COMPONENT, assigns=[f"doc._.{EXTENSION}"])
def _create(nlp: Language, name: str) -> TextReader:
    return create_text_reader()
