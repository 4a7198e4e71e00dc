"""The one reader of a conversation: what it makes of events as Rasa keeps them."""

from __future__ import annotations

import ast
import asyncio
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conversations import LISTEN, REWIND, SESSION, slot, user
from rasa.core.actions.action import ActionSessionStart as RasaSessionStart
from rasa.core.tracker_store import InMemoryTrackerStore, SQLTrackerStore, TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    AllSlotsReset,
    ConversationPaused,
    ConversationResumed,
    Event,
    Restarted,
    SessionStarted,
    SlotSet,
    UserUtteranceReverted,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker, EventVerbosity
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa import conversation as conversation_module
from emotionlayer_rasa.actions import ActionSessionStart
from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.affect.strategies import STATE_STRATEGY
from emotionlayer_rasa.channels.assistant import may_analyse_now, state_of
from emotionlayer_rasa.conversation import SLOTS, Conversation, carried_over
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import (
    CUES,
    METADATA_KEY,
    AffectiveState,
    EmotionReading,
    TextReading,
    Transcript,
    Utterance,
)

PROFILE = {
    "updated": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    **{"turns": 4, "valence": 0.4, "arousal": 0.6, "dominance": 0.5},
    "strategies": {"rapid_resolution": [1, 2]},
}


def heard(state: str) -> Utterance:
    affect = AffectiveState(state, STATE_STRATEGY[state], 0.8, 0.3, 0.6, 0.5)
    return Utterance(Transcript(""), EmotionReading("neutral", 0.6, {}, source="voice"), affect=affect)


def states(*events: dict[str, Any]) -> list[str]:
    return [turn.utterance.affect.state for turn in Conversation(events, {}).turns]


# Turns


def test_turns_are_read_from_metadata_or_entity_since_the_session_began() -> None:
    cues = {**dict.fromkeys(CUES, 0.0), "praise": 0.8}
    typed = Utterance(Transcript(""), words=TextReading(EmotionReading("joy", 0.7, source="text"), cues))
    entity = {"entity": "emotion", "value": "joy", "record": typed.to_metadata()}
    events = [
        user(said=heard("anger")),
        SESSION,
        user(said=heard("frustration"), time=10),
        slot("response_strategy", "active_deescalation"),
        {"event": "bot", "text": "Sorry."},
        slot("response_strategy", "rapid_resolution"),
        user(time=12, parse_data={"entities": [{"entity": "order_number"}, entity]}),
        user(text="/affirm", time=15),
    ]
    frustrated, glad, button = Conversation(events, {}).turns
    assert (frustrated.utterance.affect.state, frustrated.time) == ("frustration", 10)
    assert (frustrated.label, frustrated.strategy) == ("neutral", "rapid_resolution")
    assert (glad.label, glad.utterance.words, glad.strategy) == ("joy", typed.words, None)
    assert (button.label, button.utterance) == (UNKNOWN, Utterance(Transcript("")))


def test_a_doubtful_entity_counts_more_than_the_record() -> None:
    event = user(said=heard("anger"), parse_data={"entities": [{"entity": "emotion", "value": UNKNOWN}]})
    assert Conversation([event], {}).turns[0].label == UNKNOWN


@pytest.mark.parametrize("withdrawn", ["emotion_consent", "emotion_memory_consent"])
def test_what_was_withdrawn_is_forgotten(withdrawn: str) -> None:
    assert states(SESSION, user(said=heard("anger")), slot(withdrawn, False), user(said=heard("neutral"))) == [
        "neutral"
    ]
    assert len(states(SESSION, user(said=heard("anger")), slot(withdrawn, True), user())) == 2


def test_the_memory_of_a_real_tracker() -> None:
    tracker = DialogueStateTracker("a", [])
    for event in (
        SessionStarted(),
        ActionExecuted("action_listen"),
        UserUttered("no", metadata={METADATA_KEY: heard("anger").to_metadata()}),
        SlotSet("response_strategy", "active_deescalation"),
        ActionExecuted("action_listen"),
        UserUttered("still no", metadata={METADATA_KEY: heard("anger").to_metadata()}),
    ):
        tracker.update(event)
    memory = Conversation.from_rasa(tracker).memory
    assert (memory.negative_streak, memory.last_strategy, memory.helped) == (2, "active_deescalation", False)


def test_edited_and_replayed_trackers_give_the_same_answer_on_any_server() -> None:
    said = [SESSION]
    for place, state in enumerate(("anger", "frustration", "neutral"), start=1):
        said += [user(said=heard(state), time=place), slot("response_strategy", "active_deescalation")]
    memory = Conversation(said, {}).memory.summary()
    restarted = [user(said=heard("urgency")), {"event": "restart"}, *said]
    assert Conversation(restarted, {}).memory.summary() == memory
    button = Conversation([*said, user(text="/affirm", time=9)], {}).memory
    assert (button.current.state, button.trend) == (UNKNOWN, memory["trend"])
    replayed = DialogueStateTracker.from_dict("another server", json.loads(json.dumps(said)))
    assert Conversation.from_rasa(replayed).memory.summary() == memory


def test_what_rasa_takes_back_was_said_all_the_same() -> None:
    fallback = [{"event": "action", "name": "action_default_fallback"}, {"event": "bot", "text": "Hm?"}, REWIND]
    events = [SESSION]
    for count in range(1, 5):
        events += [LISTEN, user(said=heard("anger"), message_id=str(count)), *fallback]
        memory = Conversation(events, {}).memory
        assert (memory.negative_streak, memory.current.state) == (count, "anger")
    assert states(*events, user(text="/back"), REWIND, REWIND) == [*["anger"] * 4, UNKNOWN]


def test_a_message_that_is_put_back_is_one_turn() -> None:
    """As the two-stage fallback does with one that made clear what the caller wants."""
    first, second = user(said=heard("anger"), message_id="1"), user(said=heard("frustration"), message_id="2")
    clarified = [SESSION, first, LISTEN, second, REWIND, LISTEN, {**second, "timestamp": 9.0}]
    assert states(*clarified) == ["anger", "frustration"]
    history = Conversation(clarified, {}).history
    assert (history.turns, history.acted) == (2, True)
    said_twice = [SESSION, second, LISTEN, second]
    assert states(*said_twice) == ["frustration"] * 2, "a channel that gives every message the same id"
    without_id = [SESSION, user(said=heard("anger")), REWIND, user(said=heard("anger"))]
    assert states(*without_id) == ["anger", "anger"]


def test_the_slots_that_a_rewind_undid_are_known_until_they_are_set_again() -> None:
    turn = [
        SESSION,
        slot("negative_streak", 0.0),
        user(),
        slot("negative_streak", 1.0),
        slot("order_number", "1042"),
    ]
    assert Conversation(turn, {}).taken_back == {}
    undone = [*turn, {"event": "action", "name": "action_default_fallback"}, REWIND]
    assert Conversation(undone, {}).taken_back == {"negative_streak": 1.0}
    assert Conversation([*undone, slot("negative_streak", 1.0)], {}).taken_back == {}
    assert Conversation([*undone, user()], {}).taken_back == {}


def test_a_form_that_asks_for_the_same_slot_again_is_noticed() -> None:
    asks = [{"event": "action", "name": "order_form"}, slot("requested_slot", "order_number")]
    events = [SESSION, user(), *asks, LISTEN, user()]
    assert not Conversation(events, {}).history.asked_again
    assert Conversation([*events, *asks, LISTEN, user()], {}).history.asked_again
    assert not Conversation([*events, slot("requested_slot", "size"), user()], {}).history.asked_again
    assert not Conversation([*events, slot("requested_slot", None), user(), user()], {}).history.asked_again


def test_any_events_are_survived() -> None:
    odd: list[Any] = [
        None,
        7,
        {},
        {"event": "user"},
        {"event": "user", "text": None, "metadata": [], "parse_data": 7, "timestamp": None, "message_id": []},
        {"event": "user", "text": "x", "parse_data": {"entities": [3, {"entity": "emotion", "record": "x"}]}},
        {"event": "slot", "name": ["emotion_consent"]},
        {"event": "slot", "name": "emotion_consent", "value": "no"},
        {"event": "action", "metadata": 3},
        slot("response_strategy", "shout"),
        slot("emotional_profile", "x"),
    ]
    read = Conversation(odd, {"emotion_memory_consent": True})
    assert [turn.strategy for turn in read.turns] == [None, None, None]
    assert (read.profile, read.memory.current, read.consent, read.escalated) == (
        None,
        AffectiveState(),
        True,
        False,
    )


# The profile: the same for all who ask


def profiled(**profile: Any) -> list[dict[str, Any]]:
    return [SESSION, slot("emotional_profile", {**PROFILE, **profile}), user(said=heard("neutral"))]


AGREED = {"emotion_memory_consent": True}


def test_the_profile_of_earlier_sessions_is_the_one_carried_over() -> None:
    events = [
        slot("emotional_profile", {**PROFILE, "turns": 3}),
        *profiled(turns=5),
        slot("emotional_profile", {**PROFILE, "turns": 7}),
    ]
    profile = Conversation(events, AGREED).profile
    assert profile is not None
    assert profile.turns == 5
    assert Conversation(events, {}).profile is None, "nobody asked"
    assert Conversation(events[:2], AGREED).profile is None
    assert Conversation([*events, slot("emotion_memory_consent", False)], AGREED).profile is None
    assert Conversation([*events, SESSION, slot("emotional_profile", None)], AGREED).profile is None


def test_an_expired_profile_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    yesterday = (datetime.now(timezone.utc) - timedelta(days=1)).isoformat(timespec="seconds")
    assert Conversation(profiled(updated=yesterday), AGREED).profile is not None
    monkeypatch.setenv("EMOTIONLAYER_MEMORY_DAYS", "0.5")
    assert Conversation(profiled(updated=yesterday), AGREED).profile is None


# Consent, in trackers and stores of Rasa's

DOMAIN = """
slots:
  emotion_consent: {{type: bool, initial_value: {initial}, mappings: [{{type: custom}}]}}
  emotion_memory_consent: {{type: bool, initial_value: false, mappings: [{{type: custom}}]}}
  escalated: {{type: bool, initial_value: false, mappings: [{{type: custom}}]}}
session_config: {{session_expiration_time: 60, carry_over_slots_to_new_session: {carries}}}
"""


class Talk:
    """One conversation, saved in a store of Rasa's after each step as Rasa does."""

    def __init__(
        self, store: str, folder: Path, initial: bool = True, carries: bool = True, ours: bool = True
    ) -> None:
        self.domain = Domain.from_yaml(DOMAIN.format(initial=str(initial).lower(), carries=str(carries).lower()))
        self.tracker_store: TrackerStore = (
            InMemoryTrackerStore(self.domain)
            if store == "memory"
            else SQLTrackerStore(self.domain, db=str(folder / "conversations.db"))
        )
        self._ours = ours
        self.begin()

    def add(self, *events: Event) -> Talk:
        tracker = asyncio.run(self.tracker_store.get_or_create_tracker("caller", append_action_listen=False))
        tracker.update_with_events(list(events), self.domain)
        asyncio.run(self.tracker_store.save(tracker))
        return self

    def begin(self) -> Talk:
        """A new session: what ``action_session_start`` does, ours or Rasa's."""
        tracker = asyncio.run(self.tracker_store.get_or_create_tracker("caller", append_action_listen=False))
        if self._ours:
            call = Tracker.from_dict(tracker.current_state(EventVerbosity.ALL))
            done = asyncio.run(ActionSessionStart().run(CollectingDispatcher(), call, self.domain.as_dict()))
            events = [Event.from_parameters(event) for event in json.loads(json.dumps(done))]
        else:
            events = asyncio.run(RasaSessionStart().run(None, None, tracker, self.domain))  # type: ignore[arg-type]
        return self.add(ActionExecuted("action_session_start"), *[event for event in events if event])

    def restart(self) -> Talk:
        return self.add(UserUttered("/restart"), ActionExecuted("action_restart"), Restarted()).begin()

    def is_analysed(self) -> bool:
        """What everybody says of the next turn."""
        tracker = asyncio.run(self.tracker_store.get_or_create_tracker("caller"))
        channel = asyncio.run(may_analyse_now(self, "caller"))
        state = asyncio.run(state_of(self, "caller"))
        action = ActionConversation(Tracker.from_dict(tracker.current_state(EventVerbosity.ALL)))
        assert {channel, state.analysed, action.may_analyse} == {Conversation.from_rasa(tracker).may_analyse}
        return channel


STOP = (UserUttered("stop analysing me"), SlotSet("emotion_consent", False))
START = (UserUttered("analyse me again"), SlotSet("emotion_consent", True))


@pytest.fixture(params=["memory", "sql"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _no_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", "")


@pytest.mark.parametrize("carries", [True, False])
def test_only_a_word_of_the_caller_turns_a_withdrawn_consent_on_again(
    store: str, carries: bool, tmp_path: Path
) -> None:
    talk = Talk(store, tmp_path, carries=carries)
    assert talk.is_analysed()
    assert not talk.add(*STOP).is_analysed()
    assert not talk.add(AllSlotsReset()).is_analysed()
    assert not talk.add(SlotSet("emotion_consent", None)).is_analysed(), "emptied is not said"
    assert not talk.restart().is_analysed()
    assert not talk.add(UserUttered("no!"), AllSlotsReset()).is_analysed()
    for _ in range(3):
        assert not talk.begin().is_analysed()
    assert not talk.restart().restart().begin().is_analysed()
    assert talk.add(*START).is_analysed()
    assert talk.begin().is_analysed()
    assert talk.restart().is_analysed()


def test_taking_a_message_back_takes_no_withdrawal_back(store: str, tmp_path: Path) -> None:
    talk = Talk(store, tmp_path).add(*STOP, ActionExecuted("action_listen"), UserUttered("/back"))
    assert not talk.add(UserUtteranceReverted(), UserUtteranceReverted()).is_analysed()
    assert not talk.begin().is_analysed()


def test_who_is_to_be_asked_first_is_asked_again_after_a_reset(store: str, tmp_path: Path) -> None:
    talk = Talk(store, tmp_path, initial=False)
    assert not talk.is_analysed()
    assert talk.add(*START).is_analysed()
    assert talk.begin().is_analysed(), "carried over"
    assert not talk.add(AllSlotsReset()).is_analysed()
    assert talk.add(*START).is_analysed()
    assert not talk.restart().is_analysed()


def test_who_is_to_be_asked_first_is_asked_in_each_session_that_carries_nothing_over(
    store: str, tmp_path: Path
) -> None:
    talk = Talk(store, tmp_path, initial=False, carries=False)
    assert talk.add(*START).is_analysed()
    assert not talk.begin().is_analysed()


def test_with_rasas_own_session_start_slots_carry_a_withdrawn_consent(store: str, tmp_path: Path) -> None:
    talk = Talk(store, tmp_path, ours=False).add(*STOP, AllSlotsReset())
    assert not talk.is_analysed()
    assert not talk.begin().is_analysed()


@pytest.mark.parametrize("carries", [True, False])
def test_who_was_handed_over_stays_with_a_person_until_handed_back(
    store: str, carries: bool, tmp_path: Path
) -> None:
    talk = Talk(store, tmp_path, carries=carries).add(UserUttered("a person!"), SlotSet("escalated", True))
    assert not talk.is_analysed()
    assert not talk.add(AllSlotsReset()).is_analysed()
    assert not talk.restart().is_analysed()
    assert not talk.add(UserUttered("hello?")).is_analysed()
    assert talk.begin().is_analysed() is not carries, "another call"
    talk.add(UserUttered("a person!"), SlotSet("escalated", True))
    assert talk.add(SlotSet("escalated", False)).is_analysed()
    assert talk.begin().is_analysed()


def test_a_paused_conversation_is_a_persons(store: str, tmp_path: Path) -> None:
    talk = Talk(store, tmp_path).add(UserUttered("hello"), ConversationPaused())
    assert not talk.is_analysed()
    assert talk.add(ConversationResumed()).is_analysed()


def test_without_our_slots_voice_and_words_are_analysed() -> None:
    assert Conversation([SESSION, user()], {}).may_analyse
    assert carried_over([SESSION, user()], True) == {}


# The module


def test_the_reader_knows_no_rasa() -> None:
    tree = ast.parse(Path(conversation_module.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any((name or "").startswith("rasa") for name in imported)


def test_the_slots_are_those_of_the_assistants_domain(root: Path) -> None:
    assert set(SLOTS) <= {slot.name for slot in Domain.load(str(root / "domain.yml")).slots}
