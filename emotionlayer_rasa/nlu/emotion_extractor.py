"""The entity ``emotion``: what voice or words of a message say, for slots, rules and policies."""

from __future__ import annotations

import logging
from typing import Any, Dict, FrozenSet, List

from rasa.engine.graph import ExecutionContext, GraphComponent, GraphSchema
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, SessionStarted, SlotSet
from rasa.shared.core.generator import TrackerWithCachedStates
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.nlu import constants as rasa_nlu
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from rasa.shared.utils.io import dump_obj_as_json_to_file, read_json_file

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.conversation import Conversation, carried_over
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.nlu.buttons import intent_of, is_button, with_entity
from emotionlayer_rasa.nlu.graph import check_pipeline, give_domain_and_stories
from emotionlayer_rasa.nlu.named_emotions import NamedEmotions, influencing_slot
from emotionlayer_rasa.nlu.wishes import set_wish, untaught, wish_of
from emotionlayer_rasa.settings import Settings, pydantic, read_settings
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import ENTITY, METADATA_KEY, TextReading, Transcript, Utterance
from emotionlayer_rasa.words import create_text_reader

logger = logging.getLogger(__name__)

_NAMED_EMOTIONS = "named_emotions.json"
_WISHES = "wishes.json"

SPACY_DOC = "text_spacy_doc"
"""Where Rasa's ``SpacyNLP`` leaves the message's document."""


class EmotionExtractorSettings(Settings):
    """Keys of ``emotionlayer_rasa.EmotionExtractor`` in ``config.yml``.

    Attributes:
        min_confidence: 0..1; a less certain reading of the voice gives the entity the value ``unknown``, so that
            no rule acts on it. The reading in the message's metadata stays as it was heard.
        text: whether typed words are read.
        min_text_confidence: the same threshold for typed words: from .6 on, five labels in six are right.
        language: of typed words, where the pipeline has no ``SpacyNLP`` that knows it.
    """

    min_confidence: float = pydantic.Field(default=0.0, ge=0.0, le=1.0)
    text: bool = True
    min_text_confidence: float = pydantic.Field(default=0.6, ge=0.0, le=1.0)
    language: str = "en"


# `rasa train` creates trainable components only, and a wrong key must stop it there: `rasa run` would log the
# error and go on without a model.
@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class EmotionExtractor(GraphComponent, EntityExtractorMixin):
    """Adds the entity ``emotion`` to every turn of a conversation.

    A spoken turn has a record of the voice channel in the message's metadata; the words of a typed turn are read
    here (some milliseconds on the event loop), unless the caller has not agreed to it, see
    :mod:`emotionlayer_rasa.conversation`. Audio is never touched.

    Its ``label`` is one of the seven emotions or ``unknown``. Typed words give ``anger`` only where their state is
    anger too: "I want to complain" and "I don't want that" are close to anger for a reader of words.

    The ``value`` is the same, except where a slot that influences the conversation is filled from it: there it is
    what :class:`~emotionlayer_rasa.nlu.named_emotions.NamedEmotions` allows, so that no turn is hidden from a
    story that does not mention the emotion. It comes with every turn, so a slot filled ``from_entity`` is never
    stale. For a button (``/intent``) it goes into the payload, of which Rasa builds such a turn anew.

    The entity holds ``source`` (``voice``, ``text`` or ``none``), ``valence``, ``arousal``, ``dominance`` (voice
    and words together, 0..1 or None), ``state``, ``strategy`` and, for a typed turn, the ``record`` that a spoken
    turn has in its metadata (:meth:`emotionlayer_rasa.utterance.Utterance.to_metadata`): from there memory and
    actions read it. It has a ``start``, by which ``rasa test`` sorts entities, and no ``end``: it is of no part of
    the text, and in the text of a story that Rasa exports only entities with both are marked.

    What callers are told to say of the analysis ("stop analysing my voice") it understands by itself, where the
    domain has the intent and the training data have it not, see :mod:`emotionlayer_rasa.nlu.wishes`.

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
        return cls(settings, resource, model_storage, execution_context.graph_schema)

    @classmethod
    def load(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> EmotionExtractor:
        """Load what :meth:`train` learned from the stories and rules."""
        component = cls.create(config, model_storage, resource, execution_context)
        with model_storage.read_from(resource) as folder:
            component._named = NamedEmotions.from_json((folder / _NAMED_EMOTIONS).read_text(encoding="utf-8"))
            wishes = folder / _WISHES  # models of earlier releases have none
            component._wishes = frozenset(read_json_file(wishes) if wishes.is_file() else ())
        return component

    def __init__(
        self,
        settings: EmotionExtractorSettings,
        resource: Resource,
        model_storage: ModelStorage | None = None,
        graph_schema: GraphSchema = GraphSchema({}),
    ) -> None:
        self._settings = settings
        self._resource = resource
        self._model_storage = model_storage
        self._graph_schema = graph_schema
        self._named = NamedEmotions()
        self._wishes: FrozenSet[str] = frozenset()

    def train(
        self,
        training_data: TrainingData,
        *,
        training_trackers: List[TrackerWithCachedStates] | None = None,
        domain: Domain | None = None,
    ) -> Resource:
        """Learn where the bot's stories and rules name an emotion. Voice and words have models of their own.

        Args:
            training_data: which intents it has; nothing else of it is used.
            training_trackers: stories and rules; None where Rasa trains no policies.
            domain: None where Rasa trains no policies.

        Raises:
            InvalidConfigException: nothing in the pipeline understands intents.
        """
        assert self._model_storage is not None, "Rasa makes the components that it trains with `create`"
        check_pipeline(self._graph_schema, type(self))
        if domain is not None:
            self._named = NamedEmotions.learn(training_trackers or [], domain)
        # `training_data.intents` has those of rules and stories too.
        self._wishes = untaught(example.get(rasa_nlu.INTENT) for example in training_data.nlu_examples)
        with self._model_storage.write_to(self._resource) as folder:
            (folder / _NAMED_EMOTIONS).write_text(self._named.to_json(), encoding="utf-8")
            dump_obj_as_json_to_file(folder / _WISHES, sorted(self._wishes))
        return self._resource

    def process(
        self,
        messages: List[Message],
        tracker: DialogueStateTracker | None = None,
        *,
        domain: Domain | None = None,
    ) -> List[Message]:
        """Append the entity to each message; other entities stay.

        Args:
            messages: messages whose ``metadata`` may hold a record of the voice channel.
            tracker: the conversation, passed in by Rasa. Without events it is none but a test or a parse request;
                None counts as a conversation.
            domain: the bot's domain; None where Rasa has trained no policies.
        """
        in_conversation = tracker is None or bool(tracker.events)
        if tracker is not None and domain is not None:
            _finish_session_start(tracker, domain)
        for message in messages:
            wish = wish_of(message.get(rasa_nlu.TEXT) or "")
            if domain is not None and wish in self._wishes and wish in domain.intents:
                set_wish(message, wish)
            metadata = message.get("metadata")
            if in_conversation or METADATA_KEY in (metadata or {}):
                entity = self._entity(self._utterance(message, metadata, tracker))
                if tracker is not None and domain is not None:
                    self._fit_into_dialogue(entity, message, tracker, domain)
                entities = self.add_extractor_name([entity])
                message.set(rasa_nlu.ENTITIES, message.get(rasa_nlu.ENTITIES, []) + entities, add_to_output=True)
        return messages

    def _fit_into_dialogue(
        self, entity: Dict[str, Any], message: Message, tracker: DialogueStateTracker, domain: Domain
    ) -> None:
        text = message.get(rasa_nlu.TEXT) or ""
        button = is_button(text)
        intent = intent_of(text) if button else (message.get(rasa_nlu.INTENT) or {}).get("name")
        slot = influencing_slot(domain)
        if slot is not None:
            entity[rasa_nlu.ENTITY_ATTRIBUTE_VALUE] = self._named.value(entity["label"], intent, tracker, slot)
        if button and ENTITY in domain.entities:
            message.set(rasa_nlu.TEXT, with_entity(text, ENTITY, entity[rasa_nlu.ENTITY_ATTRIBUTE_VALUE]))

    def _utterance(
        self, message: Message, metadata: Dict[str, Any] | None, tracker: DialogueStateTracker | None
    ) -> Utterance:
        text = message.get(rasa_nlu.TEXT) or ""
        if METADATA_KEY in (metadata or {}):
            return Utterance.from_metadata(text, metadata)
        allowed = tracker is None or Conversation.from_rasa(tracker).may_analyse
        typed = text and not is_button(text)
        words = self._read(message, text) if self._settings.text and typed and allowed else None
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
            logger.error("emotion_extractor.text.failed %s", describe(error))
            return None

    def _entity(self, utterance: Utterance) -> Dict[str, Any]:
        reading, affect = utterance.reading, utterance.affect
        typed = reading.source == "text"
        threshold = self._settings.min_text_confidence if typed else self._settings.min_confidence
        certain = reading.confidence >= threshold and not (
            typed and reading.label == "anger" and affect.state != "anger"
        )
        label = reading.label if certain else UNKNOWN
        return {
            rasa_nlu.ENTITY_ATTRIBUTE_TYPE: ENTITY,
            rasa_nlu.ENTITY_ATTRIBUTE_VALUE: label,
            "label": label,
            rasa_nlu.ENTITY_ATTRIBUTE_START: 0,
            "confidence_entity": reading.confidence,
            "source": reading.source,
            "valence": affect.valence,
            "arousal": affect.arousal,
            "dominance": affect.dominance,
            "state": affect.state,
            "strategy": affect.strategy,
            **({"record": utterance.to_metadata()} if typed else {}),
        }


def _finish_session_start(tracker: DialogueStateTracker, domain: Domain) -> None:
    """Start the session as Rasa's own ``action_session_start`` does, where a custom one has failed.

    Without an answer of the action server Rasa notes down that the action ran, and no event of it. No policy would
    then know the caller's first turn.
    """
    if tracker.latest_action_name != ACTION_SESSION_START_NAME:
        return
    carries = domain.session_config.carry_over_slots
    events = tracker.applied_events() if carries else []
    slots = {event.key: event.value for event in events if isinstance(event, SlotSet)}
    slots |= carried_over([event.as_dict() for event in tracker.events], carries)
    carried = [SlotSet(name, value) for name, value in slots.items()]
    tracker.update_with_events([SessionStarted(), *carried, ActionExecuted(ACTION_LISTEN_NAME)], domain)


give_domain_and_stories(EmotionExtractor)

# Rasa's own way to keep an extractor's entities out of exported training data.
rasa_nlu.PRETRAINED_EXTRACTORS.add(EmotionExtractor.__name__)
