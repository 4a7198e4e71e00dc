"""What a conversation tells of its caller: one reader of the tracker's events for all who need to know.

Channel, NLU component, policies, actions and NLG server read the same events alike. Nothing is kept in the
process. A tracker of Rasa's is read with ``Conversation.from_rasa(tracker)``, events as JSON (``tracker.events``
in rasa-sdk) with ``Conversation(events, slots)``.

**Consent** is the last word on it in the events: the slot ``emotion_consent`` set to true or false, by an action,
ours or the bot's own, or by an operator. Only such a word turns a withdrawn consent on again. A slot that is
emptied or goes back to its initial value (``AllSlotsReset``, ``/restart``) is no word, and taking a message back
(``/back``, a fallback) takes none back. Where the slot is false now there is no consent, whatever was said:
``initial_value: false`` asks before the first word, and again after a reset. Rasa's tracker stores load a caller's
last session only, so what a new one must know stands at its beginning: ``action_session_start`` of ours sets it
(:func:`carried_over`), and Rasa's own does as far as it carries slots over.

**A person has taken over** where the last such word on the slot ``escalated`` is true, in this session or before a
``/restart``, or where the conversation is paused.

**What was said was said.** With each fallback, and on ``/back``, Rasa takes messages back, and the slots that they
set (``rewind``). The caller has said them all the same, and was answered: they count as turns, and what rules did
upon them as done. A message that Rasa puts back afterwards, as the two-stage fallback does, is the same turn.

**A session** begins with ``session_started`` or ``restart``. Turns before it, and before a consent was withdrawn,
are forgotten.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, Iterable, Iterator, Mapping, Sequence

from emotionlayer_rasa.affect.escalation_rules import Decision, History
from emotionlayer_rasa.affect.memory import LONGEST_MEMORY, AffectiveMemory, EmotionalProfile, Turn, remember
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import supported_language
from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS, STRATEGIES, UNKNOWN
from emotionlayer_rasa.utterance import Utterance, emotion_entity

Event = Mapping[str, Any]
"""A tracker event as JSON."""

CONSENT = "emotion_consent"
MEMORY_CONSENT = "emotion_memory_consent"
ESCALATED = "escalated"
PROFILE = "emotional_profile"
STRATEGY = "response_strategy"
SLOTS = (
    *("emotion", "affective_state", STRATEGY, "emotion_trend", "negative_streak", "emotion_priority"),
    *DIMENSIONS,
    *(CONSENT, MEMORY_CONSENT, ESCALATED, PROFILE),
)
"""The slots of ``domain.yml`` that are ours."""

CONSENTS = {"stop_emotion_analysis": False, "start_emotion_analysis": True}
"""Intent to the value of the slot ``emotion_consent``; any other intent changes nothing."""

LANGUAGE_VARIABLE = "EMOTIONLAYER_LANGUAGE"
"""Environment variable with the language of replies, where neither the slot ``language`` nor the channel says."""

MEMORY_VARIABLE = "EMOTIONLAYER_MEMORY_DAYS"
"""Environment variable with the days that an emotional profile is kept after its last change; 30 where not set."""

_REQUESTED_SLOT = "requested_slot"


class Conversation:
    """A conversation as its events tell it; what nobody asks for is not read.

    Args:
        events: tracker events, oldest first; what is no mapping is left out.
        slots: all slots as they are now.
        sender: Rasa's id of the conversation.
        intent: of the caller's last turn; empty when there is none.
    """

    def __init__(
        self, events: Iterable[Any], slots: Mapping[str, Any], sender: str = "", intent: str = ""
    ) -> None:
        self.events = tuple(event for event in events if isinstance(event, Mapping))
        self.slots = slots
        self.sender = sender
        self.intent = intent

    @classmethod
    def from_rasa(cls, tracker: Any) -> Conversation:
        """Read a ``DialogueStateTracker``, whose events are objects."""
        return cls((event.as_dict() for event in tracker.events), tracker.current_slot_values())

    @property
    def may_analyse(self) -> bool:
        """Whether voice and words of the caller's next turn may be read for emotion."""
        return self.consent and not self.escalated

    @cached_property
    def consent(self) -> bool:
        """Whether the caller agrees to the analysis; a bot without the slot ``emotion_consent`` analyses."""
        return self.slots.get(CONSENT) is not False and _last_word(self.events, CONSENT) is not False

    @cached_property
    def escalated(self) -> bool:
        """Whether a person has taken over."""
        return _handed_over(self.events, self.slots.get(ESCALATED) is True)

    @cached_property
    def memory_consent(self) -> bool:
        """Whether the caller agreed to a profile between sessions; who was not asked has not."""
        return self.slots.get(MEMORY_CONSENT) is True and _last_word(self.events, MEMORY_CONSENT) is not False

    @cached_property
    def utterance(self) -> Utterance:
        """The caller's last turn as it was recorded; without words when it was a button (``/intent``).

        Its ``affect`` is the memory's ``current``. It comes from the user event: there Rasa keeps the metadata of
        buttons as well, while its ``latest_message`` holds none.
        """
        turn = next((event for event in reversed(self.events) if event.get("event") == "user"), {})
        return replace(Utterance.from_event(turn), affect=self.memory.current)

    @cached_property
    def said(self) -> tuple[str, ...]:
        """The assistant's messages, oldest first."""
        return tuple(
            str(event["text"]) for event in self.events if event.get("event") == "bot" and event.get("text")
        )

    @cached_property
    def language(self) -> str:
        """The language to answer in: of the slot ``language``, as it was heard, or :func:`default_language`."""
        heard = self.utterance.transcript.language
        return supported_language(self.slots.get("language"), heard, default_language())

    @cached_property
    def channel(self) -> str:
        """Name of the channel over which the turn came and the answer goes out; empty when that is not known.

        At the start of a session, and whenever the bot has gone back to listening, the last turn's channel says
        nothing of where a message goes; nor does that of an external turn (a reminder, ``trigger_intent``), which
        Rasa copies from the turn before.
        """
        for event in reversed(self.events):
            if event.get("event") == "user":
                metadata = event.get("metadata")
                external = isinstance(metadata, Mapping) and metadata.get("is_external")
                return "" if external else str(event.get("input_channel") or "")
            if event.get("event") == "action" and event.get("name") == "action_listen":
                break
        return ""

    @cached_property
    def session(self) -> tuple[Event, ...]:
        """The events since this session began, with the one that began it; a message put back is left out."""
        return sessions(self.events)[-1]

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """The caller's turns of this session, oldest first, at most the last hundred."""
        return turns_of(self.session)[-LONGEST_MEMORY:]

    @cached_property
    def profile(self) -> EmotionalProfile | None:
        """What earlier sessions told, without this one's turns; None without consent to it, or when expired.

        Raises:
            ConfigurationError: as :func:`memory_days`.
        """
        profile = _profile(self.session) if self.memory_consent else None
        expired = profile is not None and profile.expired(datetime.now(timezone.utc), memory_days())
        return None if expired else profile

    @cached_property
    def memory(self) -> AffectiveMemory:
        """What this session, and the profile, tell about the caller."""
        return remember(self.turns, self.profile)

    @cached_property
    def history(self) -> History:
        """What has been done in this session, as far as escalation rules ask."""
        return _history(self.session)

    @cached_property
    def taken_back(self) -> dict[str, Any]:
        """Values of :data:`SLOTS` that were set in the caller's last turn, and that a ``rewind`` has undone."""
        values: dict[str, Any] = {}
        undone: dict[str, Any] = {}
        for event in self.session:
            kind = event.get("event")
            if kind == "user":
                values, undone = {}, {}
            elif kind == "rewind":
                values, undone = {}, {**undone, **values}
            elif kind == "slot" and event.get("name") in SLOTS:
                values[event["name"]] = event.get("value")
                undone.pop(event["name"], None)
        return undone


def carried_over(events: Sequence[Event], carries: bool) -> dict[str, bool]:
    """Slots that a new session begins with whatever it carries over besides: a withdrawn consent, and a person who
    has taken over.

    A consent stays withdrawn in every session. A person stays where slots are carried over, and on ``/restart``.

    Args:
        events: up to where the new session begins.
        carries: ``carry_over_slots_to_new_session`` of the domain.
    """
    conversation = Conversation(events, {})
    kept = {} if conversation.consent else {CONSENT: False}
    since = [event.get("event") for event in events if event.get("event") in ("user", "restart")]
    if (carries or since[-1:] == ["restart"]) and _handed_over(conversation.events, False, pauses=False):
        kept[ESCALATED] = True
    return kept


def default_language() -> str:
    """The language of ``EMOTIONLAYER_LANGUAGE``, else English."""
    return supported_language(os.environ.get(LANGUAGE_VARIABLE))


def memory_days() -> float:
    """Days that an emotional profile is kept after its last change.

    Raises:
        ConfigurationError: ``EMOTIONLAYER_MEMORY_DAYS`` is no number of days.
    """
    value = os.environ.get(MEMORY_VARIABLE, "30")
    try:
        days = float(value)
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise ConfigurationError(f"{MEMORY_VARIABLE} is '{value}'. Set it to a number of days, 0 or more.")
    return days


def sessions(events: Iterable[Event]) -> tuple[tuple[Event, ...], ...]:
    """The events of each session, oldest first, with the one that began it; a message put back is left out.

    The first one holds what comes before any session was started, and may be empty.
    """
    found: list[list[Event]] = [[]]
    message, taken_back = None, False
    for event in events:
        kind = event.get("event")
        if kind in ("session_started", "restart"):
            found.append([])
            taken_back = False
        elif kind == "rewind":
            taken_back = True
        elif kind == "user":
            again = taken_back and message is not None and event.get("message_id") == message
            message, taken_back = event.get("message_id"), False
            if again:
                continue
        found[-1].append(event)
    return tuple(map(tuple, found))


def since_withdrawal(session: Sequence[Event]) -> Sequence[Event]:
    """The events of a session after a consent was withdrawn; all of them where none was.

    What was read before is forgotten.
    """
    places = [place for place, event in enumerate(session) if _withdraws(event)]
    return session[places[-1] + 1 :] if places else session


def turns_of(session: Sequence[Event]) -> tuple[Turn, ...]:
    """The caller's turns of a session that are not forgotten, oldest first; one for each ``user`` event."""
    turns: list[Turn] = []
    for event in since_withdrawal(session):
        if event.get("event") == "user":
            utterance = Utterance.from_event(event)
            entity = emotion_entity(event) or {}
            label = entity.get("label", entity.get("value"))
            known = label if label in EMOTIONS or label == UNKNOWN else utterance.reading.label
            turns.append(Turn(utterance, known, _time(event)))
        elif turns and _sets(event, STRATEGY) and event.get("value") in STRATEGIES:
            turns[-1] = replace(turns[-1], strategy=event["value"])
    return tuple(turns)


def _time(event: Event) -> float:
    """POSIX time of an event; 0 where a store holds none."""
    time = event.get("timestamp")
    return float(time) if isinstance(time, (int, float)) and abs(time) < 1e12 else 0.0


def _profile(session: Iterable[Event]) -> EmotionalProfile | None:
    """The profile that the session began with."""
    profile, begun = None, False
    for event in session:
        if _withdraws(event):
            profile, begun = None, False
        elif event.get("event") == "user":
            begun = True
        elif not begun and _sets(event, PROFILE):
            profile = EmotionalProfile.from_dict(event.get("value"))
    return profile


def _history(session: Iterable[Event]) -> History:
    turns = 0
    actions: list[tuple[int, Decision | None]] = []
    rejected: set[str] = set()
    requested: Any = None
    asked: list[Any] = []
    for event in session:
        kind = event.get("event")
        if kind == "user":
            turns, rejected = turns + 1, set()
            asked.append(requested)
        elif kind == "action":
            actions.append((turns, Decision.from_metadata(event.get("metadata"))))
        elif kind == "undo":
            actions = actions[:-1]
        elif kind == "action_execution_rejected":
            rejected.add(str(event.get("name")))
        elif _sets(event, _REQUESTED_SLOT):
            requested = event.get("value")
    return History(
        turns=turns,
        decisions=tuple((turn, decision) for turn, decision in actions if decision is not None),
        rejected=frozenset(rejected),
        acted=bool(actions) and actions[-1][0] == turns,
        asked_again=len(asked) > 1 and asked[-1] is not None and asked[-1] == asked[-2],
    )


def _last_word(events: Sequence[Event], slot: str) -> bool | None:
    """The last true or false that the slot was set to; None where it never was."""
    return next(_words(reversed(events), slot), None)


def _words(events: Iterable[Event], slot: str) -> Iterator[bool]:
    return (event["value"] for event in events if _sets(event, slot) and isinstance(event.get("value"), bool))


def _handed_over(events: Iterable[Event], initially: bool, pauses: bool = True) -> bool:
    """Whether a person has the conversation; ``initially`` where no word in the events tells."""
    word: bool | None = None
    paused = restarted = False
    for event in events:
        kind = event.get("event")
        if kind == "user":
            restarted = False
        elif kind == "restart":
            paused, restarted = False, True
        elif kind == "session_started":
            paused, word = False, word if restarted else None
        elif kind in ("pause", "resume"):
            paused = kind == "pause"
        elif _sets(event, ESCALATED) and isinstance(event.get("value"), bool):
            word = event["value"]
    return (pauses and paused) or (initially if word is None else word)


def _withdraws(event: Event) -> bool:
    return (_sets(event, CONSENT) or _sets(event, MEMORY_CONSENT)) and event.get("value") is False


def _sets(event: Event, slot: str) -> bool:
    return event.get("event") == "slot" and event.get("name") == slot
