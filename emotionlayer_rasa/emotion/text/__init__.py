"""What is said: emotion and cues of the words, by a spaCy pipeline for English and one for Italian."""

from emotionlayer_rasa.emotion.text.reader import TextReader, create_text_reader

__all__ = ["TextReader", "create_text_reader"]
