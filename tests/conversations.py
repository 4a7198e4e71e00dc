"""Turns of a caller, and the events that Rasa keeps of a conversation, for the tests of several rooms."""

from __future__ import annotations

from typing import Any

from emotionlayer_rasa.affect.strategies import STATE_STRATEGY
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.utterance import (
    METADATA_KEY,
    AffectiveState,
    EmotionReading,
    TextReading,
    Transcript,
    Utterance,
)

SESSION: dict[str, Any] = {"event": "session_started", "timestamp": 0.0}
LISTEN: dict[str, Any] = {"event": "action", "name": "action_listen"}
REWIND: dict[str, Any] = {"event": "rewind"}

VALENCE = {"satisfaction": 0.8, "neutral": 0.5, "anger": 0.1}
EMOTION = {"anger": "anger", "frustration": "anger", "urgency": "fear", "satisfaction": "joy"}


def in_state(state: str, confidence: float = 0.8, **cues: float) -> Utterance:
    """A spoken turn; without cues its words were not read."""
    emotion, valence = EMOTION.get(state, "neutral"), VALENCE.get(state, 0.3)
    voice = EmotionReading(emotion, 0.9, {emotion: 0.9}, valence, 0.7, 0.5, "voice", "test")
    words = TextReading(cues=cues) if cues else None
    affect = AffectiveState(state, STATE_STRATEGY[state], confidence, valence, 0.7, 0.5)
    return Utterance(Transcript(""), voice, words, affect=affect)


def metadata(utterance: Utterance) -> dict[str, Any]:
    """Metadata of a message, as the voice channel records a turn."""
    return {METADATA_KEY: utterance.to_metadata()}


def spoken(state: str, confidence: float = 0.8, **cues: float) -> dict[str, Any]:
    """Metadata of a turn in a state."""
    return metadata(in_state(state, confidence, **cues))


def voiced(emotion: str) -> dict[str, Any]:
    """Metadata of a turn in an emotion, whose words were not read and whose state is not known."""
    scores = {emotion: 0.9} if emotion in EMOTIONS else {}
    voice = EmotionReading(emotion, 0.9, scores, 0.5, 0.5, 0.5, "voice", "test")
    return metadata(Utterance(Transcript(""), voice))


def user(
    text: str = "words",
    said: Utterance | None = None,
    time: float = 1.0,
    channel: str | None = "voice",
    **more: Any,
) -> dict[str, Any]:
    """A turn of the caller, with what the voice channel recorded of it."""
    event = {"event": "user", "text": text, "input_channel": channel, "timestamp": time}
    return {**event, "parse_data": {"entities": []}, "metadata": metadata(said) if said else {}, **more}


def typed(text: str, utterance: Utterance) -> dict[str, Any]:
    """A typed turn, with what the NLU component recorded of it."""
    entity = {"entity": "emotion", "value": utterance.reading.label, "record": utterance.to_metadata()}
    return user(text, parse_data={"entities": [entity]})


def slot(name: str, value: Any) -> dict[str, Any]:
    """A slot that was set."""
    return {"event": "slot", "name": name, "value": value, "timestamp": 1.0}


def bot(text: str) -> dict[str, Any]:
    """What the assistant said."""
    return {"event": "bot", "text": text, "data": {}, "metadata": {}, "timestamp": 1.0}
