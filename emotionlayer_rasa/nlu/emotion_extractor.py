"""The entity ``emotion``: how the message was said, for slots, rules and policies."""

from __future__ import annotations

from typing import Any, Dict, List

import pydantic
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.nlu import constants as rasa_nlu
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.settings import Settings, read_settings
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import METADATA_KEY, Utterance

ENTITY = "emotion"
"""Name of the entity."""


class EmotionExtractorSettings(Settings):
    """Keys of ``emotionlayer_rasa.EmotionExtractor`` in ``config.yml``.

    Attributes:
        min_confidence: 0..1; a less certain reading gives the entity the value ``unknown``, so that no rule acts
            on it. The reading in the message's metadata stays as it was heard.
    """

    min_confidence: float = pydantic.Field(default=0.0, ge=0.0, le=1.0)


# Nothing is learned, but `rasa train` creates trainable components only, and a wrong key must stop it there:
# `rasa run` would log the error and go on without a model.
@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class EmotionExtractor(GraphComponent, EntityExtractorMixin):
    """Adds the entity ``emotion`` to every turn of a conversation.

    It reads the record that the voice channel put into the message's metadata; it never touches audio. The value
    is one of the seven emotions or ``unknown``, also for typed turns, so a slot filled ``from_entity`` is
    never stale. The entity spans the whole text (``rasa test`` sorts entities by start) and holds ``valence``,
    ``arousal``, ``dominance`` (0..1 or None), ``state`` and ``strategy``.

    Outside a conversation (``rasa test``, ``POST /model/parse``) only a message with a record gets the entity:
    test stories say what was typed, and would all be counted as wrong otherwise. It is no training data either, so
    ``rasa interactive`` does not export it.
    """

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """Default values of the keys in ``config.yml``."""
        return EmotionExtractorSettings().dict()

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> EmotionExtractor:
        """Create the component from its keys in ``config.yml``.

        Raises:
            InvalidConfigException: an unknown key or a bad value; the message names it.
        """
        try:
            settings = read_settings(
                EmotionExtractorSettings, config, "config.yml, emotionlayer_rasa.EmotionExtractor"
            )
        except ConfigurationError as error:
            raise InvalidConfigException(str(error)) from None
        return cls(settings, resource)

    def __init__(self, settings: EmotionExtractorSettings, resource: Resource) -> None:
        self._settings = settings
        self._resource = resource

    def train(self, training_data: TrainingData) -> Resource:
        """Learn nothing: the emotion was recognised before Rasa saw the message."""
        return self._resource

    def process(self, messages: List[Message], tracker: DialogueStateTracker | None = None) -> List[Message]:
        """Append the entity to each message; other entities stay.

        Args:
            messages: messages whose ``metadata`` may hold a record of the voice channel.
            tracker: the conversation, passed in by Rasa. Without events it is none but a test or a parse request;
                None counts as a conversation.
        """
        in_conversation = tracker is None or bool(tracker.events)
        for message in messages:
            metadata = message.get("metadata")
            if in_conversation or METADATA_KEY in (metadata or {}):
                entities = self.add_extractor_name([self._entity(message.get(rasa_nlu.TEXT) or "", metadata)])
                message.set(rasa_nlu.ENTITIES, message.get(rasa_nlu.ENTITIES, []) + entities, add_to_output=True)
        return messages

    def _entity(self, text: str, metadata: Dict[str, Any] | None) -> Dict[str, Any]:
        utterance = Utterance.from_metadata(text, metadata)
        reading = utterance.emotion
        certain = reading.confidence >= self._settings.min_confidence
        return {
            rasa_nlu.ENTITY_ATTRIBUTE_TYPE: ENTITY,
            rasa_nlu.ENTITY_ATTRIBUTE_VALUE: reading.label if certain else UNKNOWN,
            rasa_nlu.ENTITY_ATTRIBUTE_START: 0,
            rasa_nlu.ENTITY_ATTRIBUTE_END: len(text),
            "confidence_entity": reading.confidence,
            "valence": reading.valence,
            "arousal": reading.arousal,
            "dominance": reading.dominance,
            "state": utterance.state,
            "strategy": utterance.strategy,
        }


# Rasa's own way to keep an extractor's entities out of exported training data.
rasa_nlu.PRETRAINED_EXTRACTORS.add(EmotionExtractor.__name__)
