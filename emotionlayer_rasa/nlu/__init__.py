"""Rasa NLU components."""

from emotionlayer_rasa.nlu.emotion_extractor import EmotionExtractor, EmotionExtractorSettings

__all__ = ["EmotionExtractor", "EmotionExtractorSettings"]
