"""What is said: emotion and cues of the words, by a spaCy pipeline for English and one for Italian."""

import sys

# spaCy's thinc imports TensorFlow, where it is installed, only to offer it: seconds and hundreds of megabytes. A
# process that uses it already (Rasa's) keeps it.
if "tensorflow" not in sys.modules:
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # makes the import fail
    try:
        import thinc.compat  # noqa: F401
    finally:
        del sys.modules["tensorflow"]

from emotionlayer_rasa.words.reader import TextReader, create_text_reader

__all__ = ["TextReader", "create_text_reader"]
