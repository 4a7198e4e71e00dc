"""Hearing a call while it goes on: :meth:`emotionlayer_rasa.listener.Listener.live` gives a :class:`LiveSession`.

::

    async with listener.live(sample_rate=8000, encoding="mulaw", emotion=may_analyse) as session:
        session.feed(data)              # as data comes in; returns at once
        ...
        async for event in session:     # in another task
            match event:
                case SpeechStarted(): ...
                case Final(utterance): ...

One task a session takes the sound in order. It decodes, finds the utterances and transcribes them in the
listener's threads, so the event loop never waits for a model. The emotion is read when the caller falls silent,
before it is sure that the utterance is over, and is ready when that is known.
"""

from emotionlayer_rasa.live.events import (
    Discarded,
    DiscardReason,
    Final,
    Interim,
    LiveEvent,
    Partial,
    SpeechStarted,
)
from emotionlayer_rasa.live.joining import join, pool
from emotionlayer_rasa.live.session import Consent, Ears, LiveSession
from emotionlayer_rasa.live.settings import LiveSettings

__all__ = [
    "Consent",
    "DiscardReason",
    "Discarded",
    "Ears",
    "Final",
    "Interim",
    "LiveEvent",
    "LiveSession",
    "LiveSettings",
    "Partial",
    "SpeechStarted",
    "join",
    "pool",
]
