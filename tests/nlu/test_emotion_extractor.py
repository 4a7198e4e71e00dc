from __future__ import annotations

import json
from typing import Any

import pytest
import spacy
from cases import for_each
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.resource import Resource
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ConversationPaused, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.nlu.training_data.formats.rasa_yaml import RasaYAMLWriter
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

import emotionlayer_rasa
from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.conversation import Conversation
from emotionlayer_rasa.nlu import EmotionExtractor, emotion_extractor
from emotionlayer_rasa.taxonomy import EMOTIONS
from emotionlayer_rasa.utterance import METADATA_KEY, AffectiveState, EmotionReading, Transcript, Utterance

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
    affect = AffectiveState("anger", "active_deescalation", 0.6, 0.3, 0.9, 0.8)
    utterance = Utterance(Transcript(TEXT), reading, affect=affect)
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
        "label": label,
        "start": 0,
        "confidence_entity": 0.7,
        "source": "voice",
        "valence": 0.3,
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
def test_nothing_heard_and_nothing_read_is_unknown_on_every_turn(given: Any) -> None:
    (processed,) = extractor(text=False).process([Message({"text": TEXT, "metadata": given})], conversation())
    entity = emotion(processed)
    assert (entity["value"], entity["confidence_entity"], entity["valence"]) == ("unknown", 0.0, None)
    assert (entity["start"], "end" in entity, entity["source"]) == (0, False, "none")
    assert "record" not in entity


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
    extractor(text=False).process([typed])
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
    [
        ({"min_confidnce": 0.5}, "min_confidnce"),
        ({"min_confidence": 2}, "min_confidence"),
        ({"min_text_confidence": -1}, "min_text_confidence"),
        ({"text": "perhaps"}, "text"),
        ({"language": "xx"}, "xx.*text: false"),
        ({"": 1}, "''"),
    ],
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


# Typed words

GLAD, FURIOUS = "thank you so much that is wonderful", "i am furious your service is terrible"


def typed(text: str, tracker: DialogueStateTracker | None = None, **data: Any) -> dict[str, Any]:
    (processed,) = extractor().process([Message({"text": text, **data})], tracker or conversation())
    return emotion(processed)


def test_typed_words_get_an_emotion_and_the_state_that_follows_from_it() -> None:
    glad, furious = typed(GLAD), typed(FURIOUS)
    assert (glad["value"], furious["value"]) == ("joy", "anger")
    for entity in (glad, furious):
        assert entity["source"] == "text"
        assert entity["confidence_entity"] >= 0.5
        assert all(0 <= entity[axis] <= 1 for axis in ("valence", "arousal", "dominance"))
    assert glad["valence"] > 0.5 > furious["valence"]
    assert furious["strategy"] == "active_deescalation"


@for_each(
    "text",
    [
        "where is my order 1234",
        "hello",
        "dogs are sitting by the door",
        "no that is wrong",
        "my order number is 1042",
        "i would like to return an item",
        "kids are talking by the door",
        "what are your opening hours",
        "i would like something else",
        "i have not received my order",
    ],
)
def test_a_plain_sentence_is_not_called_angry(text: str) -> None:
    assert typed(text)["value"] not in ("anger", "disgust", "fear", "sadness")


def test_memory_finds_a_typed_turn_in_the_tracker() -> None:
    entity = typed(FURIOUS)
    tracker = conversation()
    tracker.update(UserUttered(FURIOUS, entities=[entity], parse_data={"text": FURIOUS, "entities": [entity]}))
    (turn,) = Conversation(json.loads(json.dumps([event.as_dict() for event in tracker.events])), {}).turns
    assert (turn.label, turn.utterance.affect.state) == ("anger", entity["state"])
    assert turn.utterance.words is not None
    assert turn.utterance.affect.confidence == pytest.approx(fuse(None, turn.utterance.words).confidence, abs=1e-3)
    assert "terrible" not in json.dumps(entity)


def test_the_document_of_spacy_nlp_is_used_and_names_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    create = emotion_extractor.create_text_reader
    monkeypatch.setattr(
        emotion_extractor, "create_text_reader", lambda language: asked.append(language) or create(language)
    )
    for language, text in (("en", GLAD), ("it", "grazie mille siete stati gentilissimi")):
        doc = spacy.blank(language)(text)
        assert typed(text, text_spacy_doc=doc)["source"] == "text"
        assert asked[-1] == language
    korean = typed("내 주문은 어디에 있나요", text_spacy_doc=spacy.blank("xx")("내 주문은 어디에 있나요"))
    assert (korean["value"], korean["source"]) == ("unknown", "none")


@pytest.mark.parametrize(
    "event", [SlotSet("emotion_consent", False), SlotSet("escalated", True), ConversationPaused()]
)
def test_without_leave_no_words_are_read(event: Any) -> None:
    domain = Domain.from_yaml(
        """
        slots:
          emotion_consent: {type: bool, initial_value: true, mappings: [{type: custom}]}
          escalated: {type: bool, initial_value: false, mappings: [{type: custom}]}
        """
    )
    tracker = DialogueStateTracker("a", domain.slots)
    tracker.update(ActionExecuted("action_listen"))
    assert typed(FURIOUS, tracker)["value"] == "anger"
    tracker.update(event)
    refused = typed(FURIOUS, tracker)
    assert (refused["value"], refused["state"], refused["valence"]) == ("unknown", "unknown", None)
    assert "record" not in refused


def test_consent_can_be_asked_for_first() -> None:
    domain = Domain.from_yaml(
        "slots: {emotion_consent: {type: bool, initial_value: false, mappings: [{type: custom}]}}"
    )
    tracker = DialogueStateTracker("a", domain.slots)
    tracker.update(ActionExecuted("action_listen"))
    assert typed(FURIOUS, tracker)["source"] == "none"


def test_a_voice_is_not_read_again_from_its_words() -> None:
    message = Message({"text": FURIOUS, "metadata": metadata("joy")})
    extractor().process([message], conversation())
    assert (emotion(message)["value"], emotion(message)["source"]) == ("joy", "voice")


def test_doubtful_words_are_unknown_and_stay_in_the_record() -> None:
    message = Message({"text": FURIOUS})
    extractor(min_text_confidence=1.0).process([message], conversation())
    entity = emotion(message)
    assert entity["value"] == "unknown"
    assert entity["record"]["words"]["emotion"]["label"] == "anger"


def test_a_reader_that_fails_loses_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    component = extractor()

    def out_of_order(language: str) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(emotion_extractor, "create_text_reader", out_of_order)
    (processed,) = component.process([Message({"text": FURIOUS})], conversation())
    assert emotion(processed)["value"] == "unknown"
