"""The ``emotionlayer`` command."""

from emotionlayer_rasa.cli.main import main

__all__ = ["main"]
