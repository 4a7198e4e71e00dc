"""The pipelines that come with the package, by language."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import language_code
from emotionlayer_rasa.utterance import TextReading
from emotionlayer_rasa.words.component import COMPONENT, EXTENSION, MAX_CHARACTERS, TextEmotion

WEIGHTS_DIR = Path(__file__).parent / "weights"
"""A folder a language, each a spaCy pipeline; ``README.md`` beside them is the model card."""


class TextReader:
    """Reads emotion and cues from words.

    Args:
        pipeline: a spaCy pipeline with the component ``emotionlayer_text``.

    Example:
        >>> reader = create_text_reader("en")
        >>> reader.read("Thank you so much, it works perfectly!").emotion.label
        'joy'
    """

    def __init__(self, pipeline: Language) -> None:
        self._pipeline = pipeline
        component = pipeline.get_pipe(COMPONENT)
        assert isinstance(component, TextEmotion)
        self.component = component

    def read(self, text: str) -> TextReading:
        """What a text says; case, punctuation and accents may be missing, as in a transcript."""
        # Cut here as well: spaCy's tokenizer takes minutes for fifty thousand exclamation marks.
        reading: TextReading = getattr(self._pipeline(text[:MAX_CHARACTERS])._, EXTENSION)
        return reading

    def read_doc(self, doc: Doc) -> TextReading:
        """The same for a Doc of any pipeline of the language, such as the one that Rasa's ``SpacyNLP`` made."""
        reading: TextReading = getattr(self.component(doc)._, EXTENSION)
        return reading


def text_languages() -> tuple[str, ...]:
    """Codes of the languages that can be read."""
    return tuple(sorted(path.parent.name for path in WEIGHTS_DIR.glob("*/meta.json")))


def create_text_reader(language: str) -> TextReader:
    """The reader of a language (``it-IT`` counts as ``it``), loaded once per process.

    Raises:
        ConfigurationError: there is no pipeline for the language.
    """
    code = language_code(language)
    if code not in text_languages():
        raise ConfigurationError(
            f"No text of language '{language}' can be read. Languages: {', '.join(text_languages())}."
        )
    return _load(code)


@cache
def _load(code: str) -> TextReader:
    return TextReader(spacy.load(WEIGHTS_DIR / code))
