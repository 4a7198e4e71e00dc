"""``python -m emotionlayer_rasa.training``: the same as ``emotionlayer train`` with the shipped configuration."""

from emotionlayer_rasa.training.train import train

if __name__ == "__main__":
    train()
