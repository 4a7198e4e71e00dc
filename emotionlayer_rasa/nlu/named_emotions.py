"""Where a bot's stories and rules name an emotion; everywhere else its slot must not change the dialogue.

A slot that influences the conversation is a feature of every turn, and a policy that compares features
(``MemoizationPolicy``, ``TEDPolicy``, ``UnexpecTEDIntentPolicy``) does not know a turn again whose emotion no
story has. So such a slot gets an emotion only where a rule or story names it, and elsewhere the value that the
story has there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Iterable, List, Sequence

from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME, RULE_SNIPPET_ACTION_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, Event, SlotSet, UserUttered
from rasa.shared.core.slots import Slot
from rasa.shared.core.trackers import DialogueStateTracker

from emotionlayer_rasa.rasa_versions import entities_filling
from emotionlayer_rasa.utterance import ENTITY


def influencing_slot(domain: Domain) -> Slot | None:
    """The slot that is filled from the entity ``emotion`` and that policies see; None where a domain has none."""
    filled = (slot for slot in domain.slots if ENTITY in entities_filling(slot))
    return next((slot for slot in filled if slot.has_features()), None)


@dataclass(frozen=True)
class NamedTurn:
    """A turn of a story or rule, at which a policy chooses what to do.

    Attributes:
        path: intents (``/greet``) and actions from the start of the story or rule to this turn's intent.
        value: of the slot at this turn.
        named: whether the story or rule sets the slot for this turn; else it has the value from before.
        rule: whether it is a rule, which fits wherever its path does.
    """

    path: Sequence[str]
    value: Any
    named: bool
    rule: bool


@dataclass(frozen=True)
class NamedEmotions:
    """What the stories and rules of a bot say about the slot of the emotion.

    Attributes:
        everywhere: the slot may hold the emotion of every turn: rules alone name it and it has no initial value,
            so that Rasa hides it from all policies but ``RulePolicy``.
        turns: those at which an emotion is named or still holds, and those that must be told from them.
    """

    everywhere: bool = False
    turns: Sequence[NamedTurn] = ()

    @classmethod
    def learn(cls, trackers: Iterable[DialogueStateTracker], domain: Domain) -> NamedEmotions:
        """Read the stories and rules, as Rasa trains its policies with them."""
        slot = influencing_slot(domain)
        if slot is None:
            return cls()
        turns: dict[NamedTurn, None] = {}
        for tracker in trackers:
            if not getattr(tracker, "is_augmented", False):
                turns.update(dict.fromkeys(_turns(tracker, slot)))
        in_stories = slot.initial_value is not None or any(not turn.rule and turn.named for turn in turns)
        if not in_stories and any(turn.named for turn in turns):
            return cls(everywhere=True)
        emotional = [turn for turn in turns if turn.named or turn.value != slot.initial_value]
        stories = (turn for turn in turns if not turn.rule)
        rivals = [turn for turn in stories if any(_ends(turn.path, other.path) for other in emotional)]
        return cls(turns=tuple(dict.fromkeys([*emotional, *rivals])))

    def value(self, label: str, intent: str | None, tracker: DialogueStateTracker, slot: Slot) -> Any:
        """What the slot holds on this turn.

        A rule that names the emotion decides, then the longest part of a story that the conversation has just gone
        through, as ``MemoizationPolicy`` would remember it.

        Args:
            label: what was heard or read, an emotion or ``unknown``.
            intent: of the turn, where one was understood.
            tracker: the conversation before the turn.
            slot: :func:`influencing_slot`.

        Returns:
            The label, the value from before where the story goes on with it, else the initial value.
        """
        if self.everywhere:
            return label
        events = tracker.applied_events()
        whole, without_rules = ((*_path(events, hidden), f"/{intent}") for hidden in (True, False))
        named = [turn for turn in self.turns if turn.named and turn.value == label]
        if any(turn.rule and _ends(whole, turn.path) for turn in named):
            return label
        held = (label, slot.initial_value, tracker.get_slot(slot.name))
        fitting = [
            turn
            for turn in self.turns
            if not turn.rule
            and turn.value in (held[:1] if turn.named else held[1:])
            and _ends(without_rules, turn.path)
        ]
        best = max(fitting, key=lambda turn: (len(turn.path), turn.named), default=None)
        return best.value if best else slot.initial_value

    def to_json(self) -> str:
        """For the model's archive."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> NamedEmotions:
        """Inverse of :meth:`to_json`."""
        record = json.loads(text)
        return cls(record["everywhere"], tuple(NamedTurn(**turn) for turn in record["turns"]))


def _turns(tracker: DialogueStateTracker, slot: Slot) -> Iterable[NamedTurn]:
    path: List[str] = []
    value, named, asked = slot.initial_value, False, False
    for event in tracker.applied_events():
        if isinstance(event, SlotSet) and event.key == slot.name:
            value, named = event.value, event.value != slot.initial_value
        elif isinstance(event, UserUttered):
            path.append(_name(event))
            asked = True
        elif isinstance(event, ActionExecuted) and event.action_name == RULE_SNIPPET_ACTION_NAME:
            path = []
        elif isinstance(event, ActionExecuted) and event.action_name != ACTION_LISTEN_NAME:
            if asked:
                yield NamedTurn(tuple(path), value, named, bool(tracker.is_rule_tracker))
                named, asked = False, False
            path.append(_name(event))


def _path(events: Iterable[Event], hidden: bool) -> List[str]:
    """What has been said and done; without the turns that rules alone know, unless ``hidden``."""
    path: List[str] = []
    turn, skip = 0, False
    for event in events:
        if isinstance(event, UserUttered):
            turn, skip = len(path), False
            path.append(_name(event))
        elif isinstance(event, ActionExecuted) and event.action_name == ACTION_SESSION_START_NAME:
            path = []
        elif isinstance(event, ActionExecuted) and event.action_name != ACTION_LISTEN_NAME:
            path.append(_name(event))
            skip = skip or (event.hide_rule_turn and not hidden)
            if skip:
                del path[turn:]
    return path


def _name(event: UserUttered | ActionExecuted) -> str:
    if isinstance(event, UserUttered):
        return f"/{event.intent_name or event.text}"
    return str(event.action_name or event.action_text)


def _ends(path: Sequence[str], end: Sequence[str]) -> bool:
    return len(end) <= len(path) and tuple(path[len(path) - len(end) :]) == tuple(end)
