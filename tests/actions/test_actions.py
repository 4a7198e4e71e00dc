"""Actions run by rasa-sdk's own executor, from trackers as Rasa sends them."""

import asyncio
import json
import logging
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from conversations import bot, slot, typed, user
from rasa_sdk import Action
from rasa_sdk.executor import ActionExecutor

from emotionlayer_rasa.actions import (
    ActionEmpatheticReply,
    ActionEscalateToHuman,
    ActionSessionStart,
    ValidateEmotionSlots,
)
from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response import composer, draft_reply, languages
from emotionlayer_rasa.utterance import (
    METADATA_KEY,
    AffectiveState,
    EmotionReading,
    TextReading,
    Transcript,
    Utterance,
)

DOMAIN = yaml.safe_load((Path(__file__).parents[2] / "domain.yml").read_text(encoding="utf-8"))
SECRET = "my cat is called Zerbino"
ANGRY = Utterance(
    Transcript(SECRET, language="en"),
    EmotionReading("anger", 0.8, {"anger": 0.8}, 0.2, 0.85, 0.8, "voice", "m"),
    affect=AffectiveState("anger", "active_deescalation", 0.8, 0.2, 0.85, 0.8),
)


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ActionExecutor:
    endpoints = tmp_path / "endpoints.yml"
    endpoints.write_text("action_endpoint:\n  url: http://localhost:5055/webhook\n", encoding="utf-8")
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(endpoints))
    monkeypatch.delenv("EMOTIONLAYER_LANGUAGE", raising=False)
    monkeypatch.delenv("EMOTIONLAYER_MEMORY_DAYS", raising=False)
    executor = ActionExecutor()
    executor.register_package("actions")
    return executor


SILENT = {
    "emotion": "unknown",
    "affective_state": "unknown",
    "response_strategy": "direct_efficiency",
    "emotion_trend": "steady",
    "negative_streak": 0.0,
    "emotion_priority": 0.0,
    "valence": None,
    "arousal": None,
    "dominance": None,
}
FORGOTTEN = {"emotion_memory_consent": False, "emotional_profile": None}


def run(
    executor: ActionExecutor,
    action: str,
    events: list[dict[str, Any]],
    intent: str = "order_status",
    slots: dict[str, Any] | None = None,
    domain: dict[str, Any] = DOMAIN,
) -> dict[str, Any]:
    tracker = {
        "sender_id": "caller",
        "slots": {**dict.fromkeys(DOMAIN["slots"]), "emotion_consent": True, "escalated": False, **(slots or {})},
        # As Rasa sends it: the parse data, without the metadata of the message.
        "latest_message": {"intent": {"name": intent, "confidence": 1.0}, "entities": [], "text": "…"},
        "events": events,
        "paused": False,
        "active_loop": {},
        "latest_action_name": None,
    }
    result = asyncio.run(executor.run({"next_action": action, "tracker": tracker, "domain": domain}))
    assert result is not None
    json.dumps(result)
    return result


def slots_of(result: dict[str, Any]) -> dict[str, Any]:
    return {event["name"]: event["value"] for event in result["events"] if event["event"] == "slot"}


def test_the_demo_registers_every_action_of_the_domain(executor: ActionExecutor) -> None:
    assert set(DOMAIN["actions"]) <= set(executor.actions)


def test_an_angry_caller_gets_a_calm_reply_with_speech_settings(executor: ActionExecutor) -> None:
    facts = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
    result = run(executor, "action_empathetic_reply", [user(SECRET, ANGRY)], slots=facts)
    (message,) = result["responses"]
    assert all(fact in message["text"] for fact in facts.values())
    assert set(message["custom"]) == {"strategy", "speed", "tone", "pitch", "ssml", "source"}
    assert message["custom"]["strategy"] == "active_deescalation"
    assert message["custom"]["source"] == "template"
    assert slots_of(result) == {"response_strategy": "active_deescalation"}


def test_the_tone_depends_on_what_voice_and_words_say(executor: ActionExecutor) -> None:
    words = TextReading(EmotionReading("anger", 0.8, {"anger": 1.0}, 0.2, 0.6, 0.6, "text"), {"complaint": 0.9})
    read = Utterance(Transcript(SECRET), words=words, affect=fuse(None, words))
    angry = run(executor, "action_empathetic_reply", [user(SECRET, ANGRY)], intent="complaint")
    written = run(executor, "action_empathetic_reply", [typed(SECRET, read)], intent="complaint")
    plain = run(executor, "action_empathetic_reply", [user(SECRET)], intent="complaint")
    assert "sorry" in angry["responses"][0]["text"]
    assert "sorry" in written["responses"][0]["text"]
    assert "sorry" not in plain["responses"][0]["text"]


def test_a_button_turn_keeps_its_emotion(executor: ActionExecutor) -> None:
    result = run(executor, "action_empathetic_reply", [user("/complaint", ANGRY)], intent="complaint")
    assert slots_of(result)["response_strategy"] == "active_deescalation"


def test_a_reply_does_not_repeat_the_last_one(executor: ActionExecutor) -> None:
    events = [user("mumble")]
    texts = []
    for _ in range(4):
        result = run(executor, "action_empathetic_reply", events, intent="nlu_fallback")
        texts.append(result["responses"][0]["text"])
        events += [bot(texts[-1]), bot("Something else."), user("mumble")]
    assert all(text != following for text, following in pairwise(texts))


@pytest.mark.parametrize("language", languages())
def test_slot_channel_and_environment_choose_the_language(
    executor: ActionExecutor, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = draft_reply("greet", "direct_efficiency", {}, language).text
    heard = Utterance(Transcript("…", language=language))
    by_channel = run(executor, "action_empathetic_reply", [user("…", heard)], intent="greet")
    by_slot = run(executor, "action_empathetic_reply", [user("…")], intent="greet", slots={"language": language})
    monkeypatch.setenv("EMOTIONLAYER_LANGUAGE", language)
    by_environment = run(executor, "action_empathetic_reply", [user("…")], intent="greet")
    for result in (by_channel, by_slot, by_environment):
        assert result["responses"][0]["text"] == expected


def test_messengers_get_no_payload_that_they_would_show(executor: ActionExecutor) -> None:
    result = run(executor, "action_empathetic_reply", [user("hello", channel="telegram")], intent="greet")
    assert result["responses"][0]["custom"] == {}


def test_the_emotion_slots_follow_every_turn(executor: ActionExecutor) -> None:
    heard = run(executor, "action_validate_slot_mappings", [user(SECRET, ANGRY)])
    assert slots_of(heard) == {
        "emotion": "anger",
        "affective_state": "anger",
        "response_strategy": "active_deescalation",
        "emotion_trend": "steady",
        "negative_streak": 1.0,
        "emotion_priority": 50.0,
        "valence": 0.2,
        "arousal": 0.85,
        "dominance": 0.8,
    }
    silent = run(
        executor, "action_validate_slot_mappings", [user(SECRET, ANGRY), user("typed")], slots=slots_of(heard)
    )
    assert slots_of(silent) == {**SILENT, "negative_streak": 1.0, "emotion_priority": 50.0}
    assert heard["responses"] == silent["responses"] == []


def test_only_slots_of_the_domain_are_set(executor: ActionExecutor) -> None:
    events = [user(SECRET, ANGRY)]
    tracker = {
        "sender_id": "caller",
        "slots": {"negative_streak": 0.0, "order_number": None},
        "latest_message": {"intent": {"name": "greet"}, "entities": [], "text": "…"},
        "events": events,
        "active_loop": {},
    }
    call = {"next_action": "action_validate_slot_mappings", "tracker": tracker, "domain": DOMAIN}
    assert slots_of(asyncio.run(executor.run(call)) or {}) == {"negative_streak": 1.0}


def test_slots_and_replies_follow_the_memory(executor: ActionExecutor) -> None:
    """What was answered twice without improvement is given up, by the slots and by the reply alike."""
    events = [user(SECRET, ANGRY), slot("response_strategy", "active_deescalation")] * 2 + [user(SECRET, ANGRY)]
    slots = slots_of(run(executor, "action_validate_slot_mappings", events))
    assert (slots["negative_streak"], slots["response_strategy"]) == (3.0, "rapid_resolution")
    reply = run(executor, "action_empathetic_reply", events, intent="complaint")
    assert reply["responses"][0]["custom"]["strategy"] == "rapid_resolution"
    assert slots_of(reply) == {"response_strategy": "rapid_resolution"}


def test_a_memory_that_fails_leaves_the_other_slots(
    executor: ActionExecutor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("emotionlayer_rasa.actions.validation.ActionConversation", explode)
    assert slots_of(run(executor, "action_validate_slot_mappings", [user(SECRET, ANGRY)])) == SILENT
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


def test_slot_candidates_after_the_message_do_not_hide_it(
    executor: ActionExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    events = [user(SECRET, ANGRY), {"event": "slot", "name": "emotion", "value": "anger", "timestamp": 1.0}]
    assert slots_of(run(executor, "action_validate_slot_mappings", events))["affective_state"] == "anger"
    assert "Skipping validation" not in caplog.text


def test_a_derived_validation_keeps_working_and_its_failure_costs_only_its_own_slots() -> None:
    class Shop(ValidateEmotionSlots):
        def validate_order_number(self, value: Any, *_: Any) -> dict[str, Any]:
            if value == "explode":
                raise ValueError(SECRET)
            return {"order_number": None if len(value) != 4 else value}

    executor = ActionExecutor()
    executor.register_action(Shop())
    for candidate, expected in (("12", {"order_number": None}), ("explode", {})):
        events = [
            user("…", ANGRY),
            {"event": "slot", "name": "order_number", "value": candidate, "timestamp": 1.0},
        ]
        slots = slots_of(run(executor, "action_validate_slot_mappings", events))
        assert slots["affective_state"] == "anger"
        assert {name: slots[name] for name in ("order_number",) if name in slots} == expected


def test_a_session_opens_with_disclosure_and_greeting(executor: ActionExecutor) -> None:
    carried = [{"event": "slot", "name": "order_number", "value": number, "timestamp": 1.0} for number in "12"]
    result = run(executor, "action_session_start", carried)
    (message,) = result["responses"]
    assert "tone of voice" in message["text"]
    assert "stop analysing my voice" in message["text"]
    assert [event["event"] for event in result["events"]] == ["session_started", "slot", "action"]
    assert result["events"][1]["value"] == "2"
    assert result["events"][-1]["name"] == "action_listen"


@pytest.mark.parametrize(
    ("opening", "consent", "said"),
    [
        (("disclosure",), True, "tone of voice"),
        (("disclosure_typed",), True, "mood"),
        (("disclosure",), False, ""),
    ],
)
def test_a_bot_chooses_how_a_session_opens(
    opening: tuple[str, ...], consent: bool, said: str, executor: ActionExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ActionSessionStart, "opening", opening)
    result = run(executor, "action_session_start", [], slots={"emotion_consent": consent})
    texts = [message["text"] for message in result["responses"]]
    assert (said in texts[0] and "What can I do" not in texts[0]) if said else texts == []
    assert result["events"][0]["event"] == "session_started"


CALL = {"emotionlayer_call": {"transfer": False}}


def test_in_a_call_the_disclosure_is_short_and_its_text_whole(executor: ActionExecutor) -> None:
    begun = slot("session_started_metadata", CALL)
    result = run(executor, "action_session_start", [begun])
    text, custom = result["responses"][0]["text"], result["responses"][0]["custom"]
    assert "keeps no recording" in text
    assert "keeps no recording" not in custom["spoken"]
    for part in ("automated", "tone of voice", "stop tone analysis", "Hello"):
        assert part in custom["spoken"]
    assert "stop tone analysis" in custom["ssml"], "a voice elsewhere says the same"
    later = [begun, user("hello"), bot("Hello.")]
    for events in ([], later, [*later, user("/session_start")]):
        typed = run(executor, "action_session_start", events, slots={"session_started_metadata": CALL})
        assert "spoken" not in (typed["responses"][0].get("custom") or {})
    again = run(executor, "action_session_start", [*later, {**user("/session_start"), "metadata": CALL}])
    assert "spoken" in again["responses"][0]["custom"]


@pytest.mark.parametrize(
    ("response", "greets"), [("utter_greet", False), ("utter_welcome_back", False), ("utter_goodbye", True)]
)
def test_a_bot_that_greets_by_itself_greets_once(response: str, greets: bool, executor: ActionExecutor) -> None:
    domain = {**DOMAIN, "responses": {response: [{"text": "Hi"}]}}
    text = run(executor, "action_session_start", [], domain=domain)["responses"][0]["text"]
    assert ("Hello" in text) is greets
    assert "tone of voice" in text


def test_an_opening_that_a_bot_names_is_said_whatever_responses_it_has(
    executor: ActionExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ActionSessionStart, "opening", ("disclosure", "greet"))
    domain = {**DOMAIN, "responses": {"utter_greet": [{"text": "Hi"}]}}
    text = run(executor, "action_session_start", [], domain=domain)["responses"][0]["text"]
    assert "Hello" in text


@pytest.mark.parametrize(("metadata", "ends"), [(CALL, True), ({}, False)])
def test_goodbye_ends_a_call_that_is_spoken(
    metadata: dict[str, Any], ends: bool, executor: ActionExecutor
) -> None:
    turn = {**user("bye"), "metadata": metadata}
    (message,) = run(executor, "action_end_call", [turn], intent="goodbye")["responses"]
    assert "oodbye" in message["text"]
    assert ((message.get("custom") or {}).get("call") == "hang_up") is ends


def test_an_action_that_nobody_names_is_not_served() -> None:
    """A bot's own action_session_start or action_validate_slot_mappings would have to compete with ours."""
    code = (
        "from rasa_sdk.executor import ActionExecutor\n"
        "from emotionlayer_rasa.actions import ActionSetEmotionConsent\n"
        "executor = ActionExecutor()\nexecutor._register_all_actions()\nprint(*sorted(executor.actions))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["action_set_emotion_consent", "action_set_emotion_memory"]


def test_a_call_that_opens_itself_with_session_start_hears_the_disclosure_once(executor: ActionExecutor) -> None:
    disclosure = {"event": "bot", "text": "The tone of your voice is analysed.", "timestamp": 1.0}
    first = run(executor, "action_session_start", [disclosure, user("/session_start", {})])
    assert first["responses"] == []
    assert [event["event"] for event in first["events"]] == ["session_started", "action"]
    later = run(executor, "action_session_start", [user("hi", {}), disclosure, user("/session_start", {})])
    assert "tone of voice" in later["responses"][0]["text"]


def test_who_restarts_hears_nothing_until_they_say_something(executor: ActionExecutor) -> None:
    disclosure = {"event": "bot", "text": "The tone of your voice is analysed.", "timestamp": 1.0}
    past = [{"event": "session_started"}, disclosure, user("/restart", {})]
    result = run(executor, "action_session_start", [*past, {"event": "restart", "timestamp": 3.0}])
    assert result["responses"] == []
    assert [event["event"] for event in result["events"]] == ["session_started", "action"]


def test_a_session_respects_the_domain_and_an_earlier_no(executor: ActionExecutor) -> None:
    slot = {"event": "slot", "name": "emotion_consent", "value": False, "timestamp": 1.0}
    domain = {**DOMAIN, "session_config": {"carry_over_slots_to_new_session": False}}
    result = run(executor, "action_session_start", [slot], slots={"emotion_consent": False}, domain=domain)
    assert [event["event"] for event in result["events"]] == ["session_started", "slot", "action"]
    assert slots_of(result) == {"emotion_consent": False}
    assert "voice" not in result["responses"][0]["text"]


def test_escalation_is_marked_and_said_without_a_promise(executor: ActionExecutor) -> None:
    result = run(executor, "action_escalate_to_human", [user(SECRET, ANGRY)], intent="ask_human")
    assert slots_of(result) == {"escalated": True}
    assert "colleague" in result["responses"][0]["text"]


def test_a_call_that_can_be_passed_on_is_and_the_caller_hears_so_first(executor: ActionExecutor) -> None:
    turn = {**user("a person please"), "metadata": {"emotionlayer_call": {"transfer": True}}}
    result = run(executor, "action_escalate_to_human", [turn], intent="ask_human")
    assert slots_of(result) == {"escalated": True}
    (message,) = result["responses"]
    assert message["custom"]["call"] == "transfer"
    assert any(word in message["text"] for word in ("putting you through", "connect you", "passing your call on"))
    unasked = run(executor, "action_escalate_to_human", [turn], intent="complaint")["responses"][0]
    assert "person" in unasked["text"]
    assert unasked["custom"]["call"] == "transfer"


@pytest.mark.parametrize("metadata", [CALL, {"emotionlayer_call": True}, {}])
def test_where_nothing_passes_a_call_on_nothing_pretends_so(
    metadata: dict[str, Any], executor: ActionExecutor
) -> None:
    turn = {**user("a person please"), "metadata": metadata}
    (message,) = run(executor, "action_escalate_to_human", [turn], intent="ask_human")["responses"]
    assert "call" not in (message.get("custom") or {})
    assert "another way" in message["text"]


def test_the_caller_switches_the_analysis_off_and_on(executor: ActionExecutor) -> None:
    off = run(executor, "action_set_emotion_consent", [user(SECRET, ANGRY)], intent="stop_emotion_analysis")
    assert slots_of(off) == {"emotion_consent": False, **SILENT, **FORGOTTEN}
    on = run(executor, "action_set_emotion_consent", [user("…")], intent="start_emotion_analysis")
    assert slots_of(on) == {"emotion_consent": True}
    assert off["responses"][0]["text"] != on["responses"][0]["text"]


@pytest.mark.parametrize("action", ["action_set_emotion_consent", "action_set_emotion_memory"])
def test_no_other_intent_changes_consent(executor: ActionExecutor, action: str) -> None:
    result = run(executor, action, [user("…")], intent="affirm")
    assert slots_of(result) == {}
    assert result["responses"][0]["text"]


# The emotional profile

AGREED = {"emotion_memory_consent": True}


def profile_days_old(days: float) -> dict[str, Any]:
    written = (datetime.now(timezone.utc) - timedelta(days=days)).isoformat()
    pad = {"valence": 0.4, "arousal": 0.6, "dominance": 0.5}
    return {"updated": written, "turns": 4, **pad, "baseline": None, "strategies": {"rapid_resolution": [0, 3]}}


def test_a_profile_is_written_with_consent_only(executor: ActionExecutor) -> None:
    events = [user(SECRET, ANGRY)]
    assert "emotional_profile" not in slots_of(run(executor, "action_validate_slot_mappings", events))
    profile = slots_of(run(executor, "action_validate_slot_mappings", events, slots=AGREED))["emotional_profile"]
    assert (profile["turns"], profile["valence"]) == (1, 0.2)
    assert SECRET not in json.dumps(profile)


def test_the_caller_allows_and_erases_the_memory(executor: ActionExecutor) -> None:
    events = [user(SECRET, ANGRY)]
    allowed = run(executor, "action_set_emotion_memory", events, intent="allow_emotion_memory")
    assert slots_of(allowed)["emotion_memory_consent"] is True
    assert slots_of(allowed)["emotional_profile"]["turns"] == 1
    erased = run(executor, "action_set_emotion_memory", events, intent="erase_emotion_memory", slots=AGREED)
    assert slots_of(erased) == {**SILENT, **FORGOTTEN}
    assert allowed["responses"][0]["text"] != erased["responses"][0]["text"]


@pytest.mark.parametrize("erasing", ["erase_emotion_memory", "stop_emotion_analysis"])
def test_nothing_of_before_comes_back_after_erasing(executor: ActionExecutor, erasing: str) -> None:
    action = "action_set_emotion_memory" if "memory" in erasing else "action_set_emotion_consent"
    events = [{"event": "session_started"}, slot("emotional_profile", profile_days_old(1)), user(SECRET, ANGRY)]
    events += run(executor, action, events, intent=erasing, slots=AGREED)["events"]
    events += [slot("emotion_consent", True), slot("emotion_memory_consent", True), user(SECRET, ANGRY)]
    again = run(executor, "action_validate_slot_mappings", events, slots=AGREED)
    assert slots_of(again)["emotional_profile"]["turns"] == 1
    assert slots_of(again)["negative_streak"] == 1.0


@pytest.mark.parametrize(("days", "strategy"), [(1, "empathic_validation"), (31, "rapid_resolution")])
def test_the_profile_of_earlier_calls_is_used_until_it_expires(
    executor: ActionExecutor, days: float, strategy: str
) -> None:
    """It says that hurry never helped this caller."""
    events = [{"event": "session_started"}, slot("emotional_profile", profile_days_old(days))]
    events += [user(SECRET, ANGRY)] * 3
    slots = slots_of(run(executor, "action_validate_slot_mappings", events, slots=AGREED))
    assert slots["response_strategy"] == strategy
    assert slots["emotional_profile"]["turns"] == (7 if days == 1 else 3)
    refused = slots_of(run(executor, "action_validate_slot_mappings", events))
    assert refused["response_strategy"] == "rapid_resolution"


@pytest.mark.parametrize(
    ("days", "limit", "kept"), [(1, "30", True), (31, "30", False), (31, "40", True), (0, "0", False)]
)
def test_an_expired_profile_is_not_carried_over(
    executor: ActionExecutor, monkeypatch: pytest.MonkeyPatch, days: float, limit: str, kept: bool
) -> None:
    monkeypatch.setenv("EMOTIONLAYER_MEMORY_DAYS", limit)
    profile = profile_days_old(days)
    carried = [slot("emotional_profile", profile), slot("order_number", "1042")]
    slots = slots_of(run(executor, "action_session_start", carried))
    assert slots == {"emotional_profile": profile if kept else None, "order_number": "1042"}


@pytest.mark.parametrize("days", ["soon", "-1", "nan", "inf"])
def test_a_wrong_retention_time_stops_the_action_server(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("EMOTIONLAYER_MEMORY_DAYS", days)
    with pytest.raises(ConfigurationError, match="EMOTIONLAYER_MEMORY_DAYS"):
        ActionExecutor().register_action(ValidateEmotionSlots)


@pytest.mark.parametrize(
    ("action", "left"),
    [
        ("action_empathetic_reply", []),
        ("action_session_start", ["session_started", "action"]),
        ("action_escalate_to_human", ["slot"]),
        ("action_set_emotion_consent", []),
        ("action_set_emotion_memory", []),
        ("action_look_up_order", []),
    ],
)
def test_a_failing_action_still_answers_and_leaks_nothing(
    executor: ActionExecutor,
    action: str,
    left: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("emotionlayer_rasa.actions.base.ActionConversation", explode)
    result = run(executor, action, [user(SECRET, ANGRY)])
    assert [event["event"] for event in result["events"]] == left
    assert "technical problem" in result["responses"][0]["text"] or "went wrong" in result["responses"][0]["text"]
    assert SECRET not in json.dumps(result)
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("metadata", [None, [], "text", {METADATA_KEY: 7}, {METADATA_KEY: {"emotion": "anger"}}])
def test_any_metadata_is_survived(executor: ActionExecutor, metadata: Any) -> None:
    event = {"event": "user", "text": "hello", "metadata": metadata, "timestamp": 1.0}
    assert run(executor, "action_empathetic_reply", [event], intent="greet")["responses"][0]["text"]
    assert slots_of(run(executor, "action_validate_slot_mappings", [event]))["affective_state"] == "unknown"


def test_a_dead_model_leaves_a_template_and_no_words_in_the_log(
    executor: ActionExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger=composer.__name__)
    endpoints = tmp_path / "dead.yml"
    endpoints.write_text("llm: {base_url: 'http://127.0.0.1:9/v1', model: m, timeout_s: 2}\n", encoding="utf-8")
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(endpoints))
    executor.register_action(ActionEmpatheticReply())
    result = run(executor, "action_empathetic_reply", [user(SECRET, ANGRY)], intent="complaint")
    assert result["responses"][0]["custom"]["source"] == "template"
    assert "llm.unreachable" in caplog.text
    assert SECRET not in caplog.text


def test_a_wrong_setting_stops_the_action_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = tmp_path / "wrong.yml"
    endpoints.write_text("llm: {base_url: 'http://127.0.0.1:9/v1', modle: m}\n", encoding="utf-8")
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(endpoints))
    with pytest.raises(ConfigurationError, match="modle"):
        ActionExecutor().register_action(ActionEmpatheticReply)


WELLBEING = """
situations:
  ask_human: {cases: [{say: ["I have noted that you would like to speak with one of us."]}]}
  failure: {cases: [{say: ["I lost my thread, forgive me."]}]}
"""


@pytest.mark.reply_sets
def test_what_every_action_says_is_worded_for_the_profile(tmp_path: Path) -> None:
    """By an action server in a bot's own folder; with the package's wordings of the profile, and the bot's."""
    (tmp_path / "endpoints.yml").write_text("replies: {profile: wellbeing}\n", encoding="utf-8")
    own = tmp_path / "languages" / "en" / "profiles" / "wellbeing.yml"
    own.parent.mkdir(parents=True)
    own.write_text(WELLBEING, encoding="utf-8")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = [sys.executable, "-m", "rasa_sdk", "--actions", "emotionlayer_rasa.actions", "--port", str(port)]
    environment = {"EMOTIONLAYER_ENDPOINTS": "", "EMOTIONLAYER_LANGUAGE": "en"}

    def said(action: str, intent: Any) -> str:
        tracker = {
            "sender_id": "caller",
            "slots": {"emotion_consent": False},
            "latest_message": {"intent": intent, "entities": [], "text": "…"},
            "events": [],
            "paused": False,
            "active_loop": {},
            "latest_action_name": None,
        }
        call = {"next_action": action, "tracker": tracker, "domain": {}}
        result = httpx.post(f"{address}/webhook", json=call, timeout=60, trust_env=False).raise_for_status().json()
        return str(result["responses"][0]["text"])

    with Servers(tmp_path / "logs", environment) as servers:
        servers.start("actions", ["env", "-C", str(tmp_path), *server])
        servers.wait("actions", f"{address}/health", lambda answer: answer.is_success)
        listening = "Hello. I am an automated assistant and no therapist, but I can listen. How are you today?"
        assert said("action_session_start", {"name": "greet"}) == listening
        assert said("action_empathetic_reply", {"name": "greet"}) == listening
        human = said("action_escalate_to_human", {"name": "ask_human"})
        assert human == "I have noted that you would like to speak with one of us."
        for action in ("action_set_emotion_consent", "action_empathetic_reply"):
            assert said(action, "no such thing as an intent") == "I lost my thread, forgive me."


@pytest.mark.parametrize("section", ["{profile: sales}", "{profil: wellbeing}"])
@pytest.mark.parametrize("action", [ActionSessionStart, ActionEscalateToHuman, ActionEmpatheticReply])
def test_a_wrong_profile_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, action: type[Action]
) -> None:
    (tmp_path / "endpoints.yml").write_text(f"replies: {section}\n", encoding="utf-8")
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(tmp_path / "endpoints.yml"))
    with pytest.raises(ConfigurationError, match="profil"):
        action()
