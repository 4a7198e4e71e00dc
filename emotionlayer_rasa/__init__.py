"""emotionlayer_rasa gives a Rasa assistant ears for *how* something is said.

The names a Rasa user writes into ``config.yml`` and ``credentials.yml`` are here and load on first use, so that
the action server or ``emotionlayer analyze`` never import Rasa::

    emotionlayer_rasa.EmotionExtractor    NLU component, config.yml
    emotionlayer_rasa.EscalationPolicy    policy, config.yml
    emotionlayer_rasa.VoiceInput          input channel, credentials.yml

The package is a spaCy pipeline of English words, too: ``model: emotionlayer_rasa`` of Rasa's ``SpacyNLP``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "EmotionExtractor": "emotionlayer_rasa.nlu.emotion_extractor",
    "EscalationPolicy": "emotionlayer_rasa.policies.escalation",
    "VoiceInput": "emotionlayer_rasa.channels.voice",
}

__all__ = ["EmotionExtractor", "EscalationPolicy", "VoiceInput", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(**options: Any) -> Any:
    """The spaCy pipeline in ``languages/en/spacy``; see the README there.

    ``spacy.load("emotionlayer_rasa")`` calls this, as of every installed package; it wants a ``meta.json`` beside.

    Args:
        options: ``vocab``, ``disable``, ``enable``, ``exclude`` and ``config`` of ``spacy.load``.
    """
    import spacy

    from emotionlayer_rasa.language import spacy_folder

    return spacy.load(spacy_folder("en"), **options)
