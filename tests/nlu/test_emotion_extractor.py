from __future__ import annotations

from typing import Any

import pytest
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.resource import Resource
from rasa.shared.core.events import ActionExecuted
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.nlu.training_data.formats.rasa_yaml import RasaYAMLWriter
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

import emotionlayer_rasa
from emotionlayer_rasa.nlu import EmotionExtractor
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.utterance import METADATA_KEY, EmotionReading, Transcript, Utterance

TEXT = "where is my order 1042"


def extractor(**config: Any) -> EmotionExtractor:
    return EmotionExtractor.create(
        {**EmotionExtractor.get_default_config(), **config},
        None,  # type: ignore[arg-type]
        Resource("emotion"),
        ExecutionContext(GraphSchema({})),
    )


def metadata(label: str = "anger", confidence: float = 0.7) -> dict[str, Any]:
    reading = EmotionReading(label, confidence, {label: 1.0}, 0.2, 0.9, 0.8, "voice", "test")
    utterance = Utterance(Transcript(TEXT), reading, state="anger", strategy="active_deescalation")
    return {METADATA_KEY: utterance.to_metadata(), "page": "cart"}


def emotion(message: Message) -> dict[str, Any]:
    (entity,) = [entity for entity in message.get("entities") if entity["entity"] == "emotion"]
    return entity


def conversation() -> DialogueStateTracker:
    tracker = DialogueStateTracker("a", [])
    tracker.update(ActionExecuted("action_listen"))
    return tracker


@pytest.mark.parametrize("label", EMOTIONS)
def test_the_entity_says_what_was_heard(label: str) -> None:
    message = Message({"text": TEXT, "metadata": metadata(label)})
    (processed,) = extractor().process([message], conversation())
    assert emotion(processed) == {
        "entity": "emotion",
        "value": label,
        "start": 0,
        "end": len(TEXT),
        "confidence_entity": 0.7,
        "valence": 0.2,
        "arousal": 0.9,
        "dominance": 0.8,
        "state": "anger",
        "strategy": "active_deescalation",
        "extractor": "EmotionExtractor",
    }
    assert "entities" in processed.as_dict(only_output_properties=True)


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"page": "cart"},
        {METADATA_KEY: None},
        {METADATA_KEY: "anger"},
        {METADATA_KEY: {"emotion": {"label": "furious"}}},
        {METADATA_KEY: {"emotion": {"mood": "bad"}}},
    ],
)
def test_nothing_heard_is_unknown_on_every_turn(given: Any) -> None:
    (processed,) = extractor().process([Message({"text": TEXT, "metadata": given})], conversation())
    entity = emotion(processed)
    assert (entity["value"], entity["confidence_entity"], entity["valence"]) == ("unknown", 0.0, None)
    assert (entity["start"], entity["end"]) == (0, len(TEXT))


def test_other_entities_stay() -> None:
    number = {"entity": "order_number", "value": "1042", "start": 18, "end": 22}
    message = Message({"text": TEXT, "metadata": metadata(), "entities": [number]})
    (processed,) = extractor().process([message], conversation())
    assert processed.get("entities")[0] == number
    assert emotion(processed)["value"] == "anger"


def test_outside_a_conversation_only_a_record_counts() -> None:
    nobody = DialogueStateTracker("a", [])
    typed, spoken = Message({"text": TEXT}), Message({"text": TEXT, "metadata": metadata()})
    extractor().process([typed, spoken], nobody)
    assert not typed.get("entities")
    assert emotion(spoken)["value"] == "anger"
    extractor().process([typed])
    assert emotion(typed)["value"] == "unknown"


def test_min_confidence_makes_doubtful_readings_unknown() -> None:
    message = Message({"text": TEXT, "metadata": metadata(confidence=0.59)})
    extractor(min_confidence=0.6).process([message], conversation())
    assert emotion(message)["value"] == "unknown"
    assert emotion(message)["confidence_entity"] == 0.59
    sure = Message({"text": TEXT, "metadata": metadata(confidence=0.6)})
    extractor(min_confidence=0.6).process([sure], conversation())
    assert emotion(sure)["value"] == "anger"


@pytest.mark.parametrize(
    ("config", "named"),
    [({"min_confidnce": 0.5}, "min_confidnce"), ({"min_confidence": 2}, "min_confidence"), ({"": 1}, "''")],
)
def test_wrong_keys_and_values_are_named(config: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidConfigException, match=named):
        extractor(**config)


def test_the_entity_is_never_written_as_training_data() -> None:
    message = Message.build(
        TEXT, "order_status", [{"entity": "order_number", "value": "1042", "start": 18, "end": 22}]
    )
    message.set("metadata", metadata())
    extractor().process([message], conversation())
    assert emotion(message)
    del message.data["metadata"]
    written = RasaYAMLWriter().dumps(TrainingData([message]))
    assert "[1042](order_number)" in written
    assert "emotion" not in written


def test_the_short_path_is_the_component() -> None:
    assert emotionlayer_rasa.EmotionExtractor is EmotionExtractor
