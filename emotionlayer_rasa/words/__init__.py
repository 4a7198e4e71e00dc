"""What is said: emotion and cues of the words, by a spaCy pipeline for English and one for Italian."""

from emotionlayer_rasa.imports import replaced

# spaCy's thinc imports TensorFlow, where it is installed, only to offer it: seconds and hundreds of megabytes. A
# process that uses it already (Rasa's) keeps it.
with replaced("tensorflow", None):
    import thinc.compat  # noqa: F401

from emotionlayer_rasa.words.reader import TextReader, create_text_reader

__all__ = ["TextReader", "create_text_reader"]
