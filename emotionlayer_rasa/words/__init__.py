"""What is said: emotion and cues of the words, in six languages, as a spaCy component."""

from emotionlayer_rasa.imports import replaced

# spaCy's thinc imports TensorFlow, where it is installed, only to offer it: seconds and hundreds of megabytes. A
# process that uses it already (Rasa's) keeps it.
with replaced("tensorflow", None):
    import thinc.compat  # noqa: F401

from emotionlayer_rasa.words.reader import LANGUAGES, TextReader, create_text_reader

__all__ = ["LANGUAGES", "TextReader", "create_text_reader"]
