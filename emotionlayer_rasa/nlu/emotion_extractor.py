"""The entity ``emotion``: what voice or words of a message say, for slots, rules and policies."""

from __future__ import annotations

from typing import Any, Dict, List

import pydantic
import structlog
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

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.consent import may_analyse
from emotionlayer_rasa.emotion.text import create_text_reader
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.settings import Settings, read_settings
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import ENTITY, METADATA_KEY, TextReading, Transcript, Utterance

log = structlog.get_logger(__name__)

SPACY_DOC = "text_spacy_doc"
"""Where Rasa's ``SpacyNLP`` leaves the message's document."""


class EmotionExtractorSettings(Settings):
    """Keys of ``emotionlayer_rasa.EmotionExtractor`` in ``config.yml``.

    Attributes:
        min_confidence: 0..1; a less certain reading of the voice gives the entity the value ``unknown``, so that
            no rule acts on it. The reading in the message's metadata stays as it was heard.
        text: whether typed words are read.
        min_text_confidence: the same threshold for typed words, high because they tell less than a voice.
        language: of typed words, where the pipeline has no ``SpacyNLP`` that knows it.
    """

    min_confidence: float = pydantic.Field(default=0.0, ge=0.0, le=1.0)
    text: bool = True
    min_text_confidence: float = pydantic.Field(default=0.8, ge=0.0, le=1.0)
    language: str = "en"


# Nothing is learned, but `rasa train` creates trainable components only, and a wrong key must stop it there:
# `rasa run` would log the error and go on without a model.
@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class EmotionExtractor(GraphComponent, EntityExtractorMixin):
    """Adds the entity ``emotion`` to every turn of a conversation.

    A spoken turn has a record of the voice channel in the message's metadata; the words of a typed turn are read
    here (some milliseconds on the event loop), unless the caller has not agreed to it, see
    :func:`emotionlayer_rasa.consent.may_analyse`. Audio is never touched.

    The value is one of the seven emotions or ``unknown``, on every turn, so a slot filled ``from_entity`` is never
    stale. Typed words give ``anger`` only where their state is anger too: "I want to complain" and "I don't want
    that" are close to anger for a reader of words.

    The entity spans the whole text (``rasa test`` sorts entities by start). It holds ``source`` (``voice``,
    ``text`` or ``none``), ``valence``, ``arousal``, ``dominance`` (voice and words together, 0..1 or None),
    ``state``, ``strategy`` and, for a typed turn, the ``record`` that a spoken turn has in its metadata
    (:meth:`emotionlayer_rasa.utterance.Utterance.to_metadata`): from there memory and actions read it.

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
        if settings.text:
            try:
                create_text_reader(settings.language)
            except ConfigurationError as error:
                raise InvalidConfigException(
                    f"config.yml, emotionlayer_rasa.EmotionExtractor: {error} "
                    "Choose one of them as 'language', or set 'text: false'."
                ) from None
        return cls(settings, resource)

    def __init__(self, settings: EmotionExtractorSettings, resource: Resource) -> None:
        self._settings = settings
        self._resource = resource

    def train(self, training_data: TrainingData) -> Resource:
        """Learn nothing: voice and words are read by models of their own."""
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
                utterance = self._utterance(message, metadata, tracker)
                entities = self.add_extractor_name([self._entity(utterance)])
                message.set(rasa_nlu.ENTITIES, message.get(rasa_nlu.ENTITIES, []) + entities, add_to_output=True)
        return messages

    def _utterance(
        self, message: Message, metadata: Dict[str, Any] | None, tracker: DialogueStateTracker | None
    ) -> Utterance:
        text = message.get(rasa_nlu.TEXT) or ""
        if METADATA_KEY in (metadata or {}):
            return Utterance.from_metadata(text, metadata)
        allowed = tracker is None or may_analyse(tracker.current_slot_values(), tracker.is_paused())
        words = self._read(message, text) if self._settings.text and text and allowed else None
        return Utterance(Transcript(text), words=words, affect=fuse(None, words))

    def _read(self, message: Message, text: str) -> TextReading | None:
        doc = message.get(SPACY_DOC)
        try:
            if doc is not None:
                return create_text_reader(doc.lang_).read_doc(doc)
            return create_text_reader(self._settings.language).read(text)
        except ConfigurationError:  # nothing reads the language of the pipeline's spaCy model
            return None
        except Exception as error:  # a reader that fails must not lose the message
            log.error("emotion_extractor.text.failed", error=type(error).__name__)
            return None

    def _entity(self, utterance: Utterance) -> Dict[str, Any]:
        reading, affect, text = utterance.reading, utterance.affect, utterance.transcript.text
        typed = reading.source == "text"
        threshold = self._settings.min_text_confidence if typed else self._settings.min_confidence
        certain = reading.confidence >= threshold and not (
            typed and reading.label == "anger" and affect.state != "anger"
        )
        return {
            rasa_nlu.ENTITY_ATTRIBUTE_TYPE: ENTITY,
            rasa_nlu.ENTITY_ATTRIBUTE_VALUE: reading.label if certain else UNKNOWN,
            rasa_nlu.ENTITY_ATTRIBUTE_START: 0,
            rasa_nlu.ENTITY_ATTRIBUTE_END: len(text),
            "confidence_entity": reading.confidence,
            "source": reading.source,
            "valence": affect.valence,
            "arousal": affect.arousal,
            "dominance": affect.dominance,
            "state": affect.state,
            "strategy": affect.strategy,
            **({"record": utterance.to_metadata()} if typed else {}),
        }


# Rasa's own way to keep an extractor's entities out of exported training data.
rasa_nlu.PRETRAINED_EXTRACTORS.add(EmotionExtractor.__name__)
