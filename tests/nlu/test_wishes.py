"""What callers are told to say, understood without training data."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import pytest
from rasa.engine.graph import ExecutionContext, GraphSchema, SchemaNode
from rasa.engine.storage.resource import Resource
from rasa.nlu.classifiers.logistic_regression_classifier import LogisticRegressionClassifier
from rasa.shared.core.domain import Domain
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from emotionlayer_rasa.language import languages
from emotionlayer_rasa.nlu import EmotionExtractor
from emotionlayer_rasa.nlu.wishes import wish_of
from emotionlayer_rasa.response import replies

STOP, START, HUMAN = "stop_emotion_analysis", "start_emotion_analysis", "ask_human"
DOMAIN = Domain.from_dict({"intents": ["greet", STOP, START]})


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("Stop analysing my voice.", STOP),
        ("please, stop analysing my voice now!", STOP),
        ("Arrêtez d’analyser ma voix", STOP),
        ("start analysing my voice", START),
        ("I don't want you to start analysing my voice", None),
        ("no stop and start analysing my voice", None),
        ("a real person please", HUMAN),
        ("the agent said so", None),
        ("stop", None),
        ("hello", None),
        ("", None),
        ("/stop_emotion_analysis", None),
    ],
)
def test_a_wish_is_known_to_the_letter_and_that_to_stop_within_others(text: str, wish: str | None) -> None:
    assert wish_of(text) == wish


@pytest.mark.parametrize("code", languages())
def test_what_a_confirmation_tells_to_say_has_its_effect(code: str) -> None:
    """The words behind the colon, or between quotes, as the caller would say them."""
    for situation, wish in (("disclosure", STOP), ("disclosure_typed", STOP)):
        first, second = replies(code).situations[situation].cases[0].say
        assert wish_of(first.rpartition(":")[2]) == wish
        assert wish_of(second.split('"')[1]) == wish
    for spoken in replies(code).situations["disclosure"].cases[0].spoken:
        assert wish_of(spoken.split('"')[1]) == STOP


class Storage:
    """Where Rasa's component keeps what it learnt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def write_to(self, _: Resource) -> Iterator[Path]:
        yield self.folder

    read_from = write_to


def trained(folder: Path, *intents: str) -> EmotionExtractor:
    node = SchemaNode({}, LogisticRegressionClassifier, "create", "train", {})
    rest: Any = (Storage(folder), Resource("emotion"), ExecutionContext(GraphSchema({"train_intents": node})))
    component = EmotionExtractor.create(EmotionExtractor.get_default_config(), *rest)
    taught = [Message({"text": "x", "intent": intent}) for intent in ("greet", *intents)]
    of_rules = [Message({"intent": intent}) for intent in (STOP, START)]
    component.train(TrainingData([*taught, *of_rules]))
    return EmotionExtractor.load(EmotionExtractor.get_default_config(), *rest)


def understood(component: EmotionExtractor, text: str, domain: Domain = DOMAIN) -> Any:
    guess = {"name": "greet", "confidence": 0.4}
    message = Message({"text": text, "intent": guess, "intent_ranking": [guess]})
    component.process([message], domain=domain)
    return message.get("intent"), [other["name"] for other in message.get("intent_ranking")]


def test_an_intent_without_training_data_is_understood(tmp_path: Path) -> None:
    component = trained(tmp_path)
    assert understood(component, "stop analysing my voice") == ({"name": STOP, "confidence": 1.0}, [STOP, "greet"])
    assert understood(component, "hello") == ({"name": "greet", "confidence": 0.4}, ["greet"])
    assert understood(component, "a real person please")[0]["name"] == "greet", "the domain has no such intent"


def test_an_intent_that_the_bot_has_learnt_is_its_own_matter(tmp_path: Path) -> None:
    component = trained(tmp_path, STOP)
    assert understood(component, "stop analysing my voice")[0]["name"] == "greet"
    assert understood(component, "start analysing my voice")[0]["name"] == START


def test_a_model_of_an_earlier_release_is_loaded(tmp_path: Path) -> None:
    trained(tmp_path)
    (tmp_path / "wishes.json").unlink()
    rest: Any = (Storage(tmp_path), Resource("emotion"), ExecutionContext(GraphSchema({})))
    component = EmotionExtractor.load(EmotionExtractor.get_default_config(), *rest)
    assert understood(component, "stop analysing my voice")[0]["name"] == "greet"
