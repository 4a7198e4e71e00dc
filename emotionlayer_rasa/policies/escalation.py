"""The policy that acts on how a caller has been feeling: it offers a person, hands over, or what its rules say."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from rasa.core.constants import RULE_POLICY_PRIORITY, UNLIKELY_INTENT_POLICY_PRIORITY
from rasa.core.featurizers.tracker_featurizers import TrackerFeaturizer
from rasa.core.policies.policy import Policy, PolicyPrediction, SupportedData, confidence_scores_for
from rasa.core.policies.rule_policy import DEFAULT_ACTION_MAPPINGS
from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_TWO_STAGE_FALLBACK_NAME, REQUESTED_SLOT
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ActiveLoop, Event, SlotSet
from rasa.shared.core.generator import TrackerWithCachedStates
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.nlu.constants import INTENT_NAME_KEY
from rasa.shared.utils.io import dump_obj_as_json_to_file, read_json_file

from emotionlayer_rasa.affect.escalation_rules import Condition, Decision, History, Rule, decide
from emotionlayer_rasa.conversation import Conversation, memory_days
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.rasa_versions import flow_decides
from emotionlayer_rasa.settings import Settings, pydantic, read_settings
from emotionlayer_rasa.taxonomy import EMOTIONS, STATES
from emotionlayer_rasa.utterance import CUES

logger = logging.getLogger(__name__)

WHERE = "config.yml, emotionlayer_rasa.EscalationPolicy"

TRENDS = ("rising", "falling", "steady")
LONGEST_WINDOW = 20

_STORY_ACTIONS = "story_actions.json"


def _known(kind: str, names: Tuple[str, ...]) -> Callable[[str], str]:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"'{name}' is no {kind} (known: {', '.join(names)})")
        return name

    return check


class ConditionSettings(Settings):
    """Keys of a rule's ``when``; see :class:`emotionlayer_rasa.affect.escalation_rules.Condition`.

    ``window`` is ``turns`` where it is not given: that many turns in a row.
    """

    states: Tuple[str, ...] = ()
    emotions: Tuple[str, ...] = ()
    cues: Dict[str, float] = pydantic.Field(default_factory=dict)
    confidence: float = pydantic.Field(default=0.0, ge=0.0, le=1.0)
    turns: int = pydantic.Field(default=1, ge=1, le=LONGEST_WINDOW)
    window: int | None = pydantic.Field(default=None, ge=1, le=LONGEST_WINDOW)
    trend: str | None = None
    failed_strategies: int = pydantic.Field(default=0, ge=0)
    intents: Tuple[str, ...] = ()
    slots: Dict[str, Any] = pydantic.Field(default_factory=dict)

    _states = pydantic.validator("states", each_item=True, allow_reuse=True)(_known("state", STATES))
    _emotions = pydantic.validator("emotions", each_item=True, allow_reuse=True)(_known("emotion", EMOTIONS))
    _trend = pydantic.validator("trend", allow_reuse=True)(_known("trend", TRENDS))

    @pydantic.validator("cues")
    def _cues(cls, cues: Dict[str, float]) -> Dict[str, float]:
        check = _known("cue", CUES)
        for name, strength in cues.items():
            check(name)
            if not 0 < strength <= 1:
                raise ValueError(f"the least strength of '{name}' is {strength}; it must lie above 0 and up to 1")
        return cues

    @pydantic.validator("confidence")
    def _confidence(cls, confidence: float, values: Dict[str, Any]) -> float:
        if not (values.get("states") or values.get("emotions")):
            raise ValueError("whose confidence? Name 'states' or 'emotions' beside it")
        return confidence

    @pydantic.validator("turns")
    def _turns(cls, turns: int, values: Dict[str, Any]) -> int:
        if not (values.get("states") or values.get("emotions") or values.get("cues")):
            raise ValueError("which turns? Name 'states', 'emotions' or 'cues' beside it")
        return turns

    @pydantic.validator("window", always=True)
    def _window(cls, window: int | None, values: Dict[str, Any]) -> int:
        turns: int = values.get("turns", 1)
        if window is not None and window < turns:
            raise ValueError(f"{turns} turns do not fit into the last {window}")
        return turns if window is None else window


class RuleSettings(Settings):
    """Keys of a rule; see :class:`emotionlayer_rasa.affect.escalation_rules.Rule`."""

    name: str = pydantic.Field(min_length=1)
    when: ConditionSettings
    action: str = pydantic.Field(min_length=1)
    cooldown: int = pydantic.Field(default=Rule.cooldown, ge=0)
    priority: int = Rule.priority
    once: bool = Rule.once
    urgent: bool = Rule.urgent

    @pydantic.validator("when")
    def _about_the_caller(cls, when: ConditionSettings) -> ConditionSettings:
        if not (when.states or when.emotions or when.cues or when.trend or when.failed_strategies):
            raise ValueError("name at least one of states, emotions, cues, trend, failed_strategies")
        return when

    def to_rule(self) -> Rule:
        """The rule as a record."""
        return Rule(**{**self.dict(), "when": Condition(**self.when.dict())})


class EscalationSettings(Settings):
    """Keys of ``emotionlayer_rasa.EscalationPolicy`` in ``config.yml``.

    Attributes:
        rules: keys and values as in :class:`RuleSettings`.
        answers: intents that answer a question of the bot; only an urgent rule fires on them.
        excluded_intents: wishes of the caller that no rule may override. A list of your own replaces this one.
        priority: of the policy among policies of equal confidence, as Rasa has it.
    """

    rules: List[Dict[str, Any]] = pydantic.Field(default_factory=list)
    answers: Tuple[str, ...] = ("affirm", "deny")
    excluded_intents: Tuple[str, ...] = (
        "ask_human",
        "stop_emotion_analysis",
        "start_emotion_analysis",
        "allow_emotion_memory",
        "erase_emotion_memory",
    )
    priority: int = RULE_POLICY_PRIORITY + 1


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=True)
class EscalationPolicy(Policy):
    """Follows declarative rules over the affective memory; predicts nothing where none of them fires.

    A rule fires directly upon a caller's turn, once a turn at most, and only on one of which something is known.
    Its action is taken before whatever other policies predict, with these exceptions: while a form is asking, and
    when the caller says yes or no, only a rule with ``urgent: true`` fires (the form then ends, its slots stay);
    on an intent of ``excluded_intents``, on Rasa's own ``/restart``, ``/back`` and ``/session_start``, after a
    handover to a person and without the caller's consent none does. Then the caller speaks, unless a rule or story
    says how the action goes on. A form that has refused the turn, or that asked for the same slot a turn before,
    asks in vain: it holds no rule back, and no more does the two-stage fallback.

    Why a rule fired stands in the metadata of the action
    (:class:`emotionlayer_rasa.affect.escalation_rules.Decision`),
    ``ActionExecuted.metadata["emotionlayer"]["escalation"]``. The policy keeps nothing itself: what has fired is
    read from there. Turns that Rasa takes back, as it does with each fallback, count, see
    :mod:`emotionlayer_rasa.conversation`. Their slots are put back where Rasa asks policies after that (not where
    nothing is left of the session), but for those that stories and rules may ask for.

    Next to the flows of rasa-pro it predicts nothing while a flow is going on, nor where the conversation was
    routed to the flows.

    From policies that learn from stories, a turn whose action is in no story is hidden, as Rasa hides turns of
    rules that are in none.
    """

    @staticmethod
    def supported_data() -> SupportedData:
        """Stories: Rasa warns of rules that no policy follows, and this one must not silence it."""
        return SupportedData.ML_DATA

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """Default values of the keys in ``config.yml``."""
        return EscalationSettings().dict()

    def __init__(
        self,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        featurizer: TrackerFeaturizer | None = None,
        story_actions: Tuple[str, ...] = (),
    ) -> None:
        """Read the rules.

        Raises:
            InvalidConfigException: an unknown key or a bad value; the message names it, and the rule. Also, if
                ``EMOTIONLAYER_MEMORY_DAYS`` is no number of days.
        """
        super().__init__(config, model_storage, resource, execution_context, featurizer)
        try:
            self._settings = read_settings(EscalationSettings, config, WHERE)
            self._rules = _read_rules(self._settings.rules)
            memory_days()
        except ConfigurationError as error:
            raise InvalidConfigException(str(error)) from None
        self._story_actions = frozenset(story_actions)

    def train(self, training_trackers: List[TrackerWithCachedStates], domain: Domain, **kwargs: Any) -> Resource:
        """Check the rules against the domain, and note which actions stories tell of.

        Raises:
            InvalidConfigException: a rule names an action, intent or slot that the domain does not have.
        """
        self._check_names(domain)
        self._story_actions = frozenset(
            event.action_name
            for tracker in training_trackers
            if not tracker.is_rule_tracker
            for event in tracker.events
            if isinstance(event, ActionExecuted) and event.action_name
        )
        with self._model_storage.write_to(self._resource) as folder:
            dump_obj_as_json_to_file(folder / _STORY_ACTIONS, sorted(self._story_actions))
        return self._resource

    @classmethod
    def load(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> EscalationPolicy:
        """Load a trained policy (see parent class)."""
        with model_storage.read_from(resource) as folder:
            story_actions = read_json_file(Path(folder) / _STORY_ACTIONS)
        return cls(config, model_storage, resource, execution_context, story_actions=tuple(story_actions))

    def predict_action_probabilities(
        self,
        tracker: DialogueStateTracker,
        domain: Domain,
        rule_only_data: Dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> PolicyPrediction:
        """The action of the rule that fires; ``action_listen`` once it was taken; otherwise nothing."""
        if flow_decides(self, tracker):
            return self._prediction(self._default_predictions(domain))
        conversation = Conversation.from_rasa(tracker)
        history = conversation.history
        back = _put_back(conversation, domain)
        taken = history.current or _decision_of_last_action(tracker)
        if taken is not None:
            return self._listen(taken, domain, back)
        decision = None
        if not history.acted and conversation.may_analyse:
            rules = self._rules_that_may_fire(tracker, history)
            decision = decide(rules, conversation.memory, history, _intent(tracker), conversation.slots)
        if decision is None:
            return self._prediction(self._default_predictions(domain), events=back)
        logger.info(
            "escalation_policy.rule.fired rule=%s action=%s priority=%s",
            *(decision.rule, decision.action, decision.priority),
        )
        return self._fire(decision, domain, tracker.active_loop_name)

    def _rules_that_may_fire(self, tracker: DialogueStateTracker, history: History) -> List[Rule]:
        intent, loop = _intent(tracker), tracker.active_loop_name
        if intent in self._settings.excluded_intents or intent in DEFAULT_ACTION_MAPPINGS:
            return []
        in_vain = history.asked_again or loop in history.rejected
        asking = loop not in (None, ACTION_TWO_STAGE_FALLBACK_NAME) and not in_vain
        held_back = asking or intent in self._settings.answers
        return [rule for rule in self._rules if rule.urgent or not held_back]

    def _fire(self, decision: Decision, domain: Domain, form: str | None) -> PolicyPrediction:
        left: List[Event] = [ActiveLoop(None), SlotSet(REQUESTED_SLOT, None)] if form else []
        return PolicyPrediction(
            confidence_scores_for(decision.action, 1.0, domain),
            type(self).__name__,
            self.priority,
            optional_events=left,
            # It uses neither text nor intent alone; and only so does it come before forms and end-to-end stories.
            is_no_user_prediction=True,
            hide_rule_turn=decision.action not in self._story_actions,
            action_metadata=decision.to_metadata(),
        )

    def _listen(self, decision: Decision, domain: Domain, events: List[Event]) -> PolicyPrediction:
        """Rules and stories that go on after the action are stronger, what TEDPolicy guesses is weaker."""
        return PolicyPrediction(
            confidence_scores_for(ACTION_LISTEN_NAME, 1.0, domain),
            type(self).__name__,
            UNLIKELY_INTENT_POLICY_PRIORITY,
            events=events,
            hide_rule_turn=decision.action not in self._story_actions,
        )

    def _check_names(self, domain: Domain) -> None:
        slots = [slot.name for slot in domain.slots]
        defaults = EscalationSettings()
        for key in ("answers", "excluded_intents"):
            usual = {*getattr(defaults, key), *domain.intents}  # the usual names need not be there
            for name in getattr(self._settings, key):
                if name not in usual:
                    raise InvalidConfigException(f"{WHERE}: '{key}': the intent '{name}' is not in the domain.")
        for rule in self._rules:
            for key, names, known in (
                ("action", [rule.action], domain.action_names_or_texts),
                ("when.intents", rule.when.intents, domain.intents),
                ("when.slots", rule.when.slots, slots),
            ):
                for name in names:
                    if name not in known:
                        raise InvalidConfigException(
                            f"{WHERE}, rule '{rule.name}': '{key}': '{name}' is not in the domain. "
                            f"Add it to domain.yml, or correct the rule."
                        )


def _put_back(conversation: Conversation, domain: Domain) -> List[Event]:
    """Our slots of a message that Rasa has taken back, but for those that stories and rules may ask for."""
    hidden = {slot.name for slot in domain.slots if not slot.influence_conversation}
    return [SlotSet(name, value) for name, value in conversation.taken_back.items() if name in hidden]


def _decision_of_last_action(tracker: DialogueStateTracker) -> Decision | None:
    """Of the last action that Rasa knows of: where it has taken back a message, that of the turn before."""
    action = tracker.get_last_event_for(ActionExecuted)
    return Decision.from_metadata(action.metadata) if action else None


def _intent(tracker: DialogueStateTracker) -> str:
    message = tracker.latest_message
    return str((message.intent if message else {}).get(INTENT_NAME_KEY) or "")


def _read_rules(records: Sequence[Mapping[str, Any]]) -> List[Rule]:
    rules: Dict[str, Rule] = {}
    for number, record in enumerate(records, 1):
        name = record.get("name", number)
        rule = read_settings(RuleSettings, record, f"{WHERE}, rule '{name}'").to_rule()
        if rule.name in rules:
            raise ConfigurationError(f"{WHERE}, rule '{name}': 'name': another rule has it. Give each its own.")
        rules[rule.name] = rule
    return list(rules.values())
