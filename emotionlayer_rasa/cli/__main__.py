"""``python -m emotionlayer_rasa.cli``."""

from emotionlayer_rasa.cli import main

main()
