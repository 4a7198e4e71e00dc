"""Hearing recordings and live calls: words and emotion side by side, in a bounded pool of threads.

::

    listener = Listener(settings)
    utterance = await listener.hear(data)

    async with listener.open_session(sample_rate=8000, encoding="mulaw", emotion=may_analyse) as session:
        session.feed(data)              # as data comes in; returns at once
        ...
        async for event in session:     # in another task
            match event:
                case SpeechStarted(): ...
                case Final(utterance): ...

One task a session takes the sound in order. It decodes, finds the utterances and transcribes them in the workers'
threads, so the event loop never waits for a model. The emotion is read when the caller falls silent, before it is
sure that the utterance is over, and is ready when that is known.
"""

from emotionlayer_rasa.hearing.consent import Consent
from emotionlayer_rasa.hearing.events import (
    Discarded,
    DiscardReason,
    Final,
    Interim,
    LiveEvent,
    Partial,
    SpeechStarted,
)
from emotionlayer_rasa.hearing.listener import Listener
from emotionlayer_rasa.hearing.session import LiveSession
from emotionlayer_rasa.hearing.settings import ListenerSettings, LiveSettings

__all__ = [
    "Consent",
    "DiscardReason",
    "Discarded",
    "Final",
    "Interim",
    "Listener",
    "ListenerSettings",
    "LiveEvent",
    "LiveSession",
    "LiveSettings",
    "Partial",
    "SpeechStarted",
]
