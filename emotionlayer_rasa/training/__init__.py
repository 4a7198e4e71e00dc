"""Training of the emotion model (extra ``train``): data to an ONNX file, split by speaker."""

from emotionlayer_rasa.training.train import train

__all__ = ["train"]
