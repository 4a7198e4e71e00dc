"""Handing over: what the caller hears, what the person who takes over gets, and what Rasa keeps."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, ContextManager, Iterator

import httpx
import pytest
import yaml
from rasa_sdk import Tracker
from rasa_sdk.executor import ActionExecutor
from webhook import SECRET, Webhook, wait_until

from emotionlayer_rasa.actions import ActionEscalateToHuman
from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.affect.priority import priority
from emotionlayer_rasa.cli.servers import free_port
from emotionlayer_rasa.handoff import delivery as module
from emotionlayer_rasa.handoff.summary import handover_id, reasons, summarise
from emotionlayer_rasa.response import languages
from emotionlayer_rasa.response.templates import replies
from emotionlayer_rasa.utterance import (
    METADATA_KEY,
    AffectiveState,
    EmotionReading,
    TextReading,
    Transcript,
    Utterance,
)

PROFILES = ("customer_support", "wellbeing", "tutoring")
WORDS = "my name is Anna Bianchi, order 104277, call 333 1234567"


def heard(state: str, strategy: str, valence: float, **cues: float) -> Utterance:
    emotion = {"neutral": "neutral", "urgency": "fear"}.get(state, "anger")
    return Utterance(
        Transcript("", language="en"),
        EmotionReading(emotion, 0.8, {emotion: 0.8}, valence, 0.85, 0.6, "voice", "m"),
        words=TextReading(cues=cues) if cues else None,
        affect=AffectiveState(state, strategy, 0.8, valence, 0.85, 0.6),
    )


CALM = heard("neutral", "direct_efficiency", 0.5)
ANGRY = heard("anger", "active_deescalation", 0.4)
AFRAID = heard("urgency", "rapid_resolution", 0.1, danger=0.8, urgency=0.6, complaint=0.9)


def user(text: str, utterance: Utterance | None = None, time: float = 1.0) -> dict[str, Any]:
    metadata = {METADATA_KEY: utterance.to_metadata()} if utterance else {}
    return {"event": "user", "text": text, "metadata": metadata, "input_channel": "voice", "timestamp": time}


def bot(text: str, time: float = 1.0) -> dict[str, Any]:
    return {"event": "bot", "text": text, "data": {}, "metadata": {}, "timestamp": time}


def slot(name: str, value: Any) -> dict[str, Any]:
    return {"event": "slot", "name": name, "value": value, "timestamp": 1.0}


def begin(time: float = 0.0) -> dict[str, Any]:
    return {"event": "session_started", "timestamp": time}


def tracker(events: list[dict[str, Any]], intent: str = "ask_human", **slots: Any) -> dict[str, Any]:
    return {
        "sender_id": "caller-7",
        "slots": {"emotion_consent": True, "escalated": False, "response_strategy": None, **slots},
        "latest_message": {"intent": {"name": intent}, "entities": [], "text": "…"},
        "events": events,
        "paused": False,
        "active_loop": {},
        "latest_action_name": None,
    }


def summary(events: list[dict[str, Any]], intent: str = "ask_human", **settings: Any) -> dict[str, Any]:
    slots = settings.pop("filled", {})
    conversation = ActionConversation(Tracker.from_dict(tracker(events, intent, **slots)))
    made = summarise(conversation, **settings)
    assert json.loads(json.dumps(made)) == made
    return made


def conversation_id(events: list[dict[str, Any]], sender: str = "caller-7") -> str:
    return handover_id(ActionConversation(Tracker.from_dict({**tracker(events), "sender_id": sender})))


# What the caller hears


def escalate(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str | None,
    events: list[dict[str, Any]],
    language: str = "en",
    intent: str = "ask_human",
    profile: str = "customer_support",
) -> dict[str, Any]:
    """Run the action as an action server does that has just started."""
    endpoints = tmp_path / "endpoints.yml"
    section = {"url": url, "outbox": str(tmp_path / "outbox"), "slots": ["order_number"]}
    sections = {"replies": {"profile": profile}, **({"handoff": section} if url else {})}
    endpoints.write_text(yaml.safe_dump(sections), encoding="utf-8")
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(endpoints))
    monkeypatch.setenv("EMOTIONLAYER_HANDOFF_SECRET", SECRET)
    action = ActionEscalateToHuman()
    executor = ActionExecutor()
    executor.register_action(action)
    call = {
        "next_action": "action_escalate_to_human",
        "tracker": tracker(events, intent, language=language, order_number="104277"),
        "domain": {},
    }
    try:
        result = asyncio.run(executor.run(call))
    finally:
        if action._handoff:
            action._handoff.close()
    assert result
    assert result["events"] == [{"event": "slot", "timestamp": None, "name": "escalated", "value": True}]
    return result


def said_for(situation: str, language: str, profile: str = "customer_support") -> set[str]:
    (case,) = replies(language, profile).situations[situation].cases
    return {*case.say, *(text for texts in case.by_strategy.values() for text in texts)}


OUTCOMES = [(204, "handoff_delivered"), (503, "handoff_queued"), (403, "handoff_failed"), (None, "ask_human")]
"""What the webhook answers (None: there is none), and what the caller is told of it."""


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(("status", "situation"), OUTCOMES)
def test_the_caller_is_told_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None, situation: str, language: str
) -> None:
    with Webhook(status or 200) as webhook:
        result = escalate(tmp_path, monkeypatch, webhook.url if status else None, [user("a person")], language)
    (message,) = result["responses"]
    assert message["text"] in said_for(situation, language)
    assert message["custom"]["source"] == "template"
    assert len(webhook.got) == (1 if status else 0)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(("status", "situation"), OUTCOMES)
def test_a_caller_who_did_not_ask_is_told_that_a_person_is_needed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int | None,
    situation: str,
    language: str,
    profile: str,
) -> None:
    events = [begin(), user("this is the third time", ANGRY), bot("I am sorry."), user("you are useless", ANGRY)]
    with Webhook(status or 200) as webhook:
        url = webhook.url if status else None
        result = escalate(tmp_path, monkeypatch, url, events, language, "complaint", profile)
    (message,) = result["responses"]
    openings, outcomes = (said_for(name, language, profile) for name in ("handoff_unasked", situation))
    assert message["text"] in {f"{opening} {outcome}" for opening in openings for outcome in outcomes}


OFFERED = [
    user("this is a disgrace", ANGRY),
    {"event": "action", "name": "utter_offer_human", "timestamp": 1.0},
    bot("Would you rather speak to a person?"),
    {"event": "action", "name": "action_listen", "timestamp": 1.0},
]


@pytest.mark.parametrize(
    ("intent", "events", "asked"),
    [
        ("ask_human", [user("a person")], True),
        ("affirm", [*OFFERED, user("yes")], True),
        ("affirm", [user("help"), bot("Are you in danger?"), user("yes", AFRAID)], False),
        ("affirm", [*OFFERED, user("my order"), bot("Is it 1042?"), user("yes", AFRAID)], False),
        ("deny", [*OFFERED, user("no, somebody is hurt", AFRAID)], False),
        ("nlu_fallback", [user("gah", ANGRY)], False),
        ("", [user("gah", ANGRY)], False),
    ],
)
def test_who_asked_is_who_said_so_or_said_yes_to_the_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, intent: str, events: list[dict[str, Any]], asked: bool
) -> None:
    (message,) = escalate(tmp_path, monkeypatch, None, [begin(), *events], intent=intent)["responses"]
    assert (message["text"] in said_for("ask_human", "en")) is asked


CLAIMS = {
    "de": (
        r"\bIhr(?:e|em|en)? (?:Bitte|Wunsch|Anfrage)|\bSie (?:wollen|möchten|wünschen|bevorzugen)\b|gebeten",
        r"w(?:eiß|issen) Bescheid|informiert|Zusammenfassung|weitergegeben|gespeichert|übermittelt",
    ),
    "en": (
        r"\byour (?:request|wish)|\byou (?:want|wish|asked|would (?:like|rather|prefer)|prefer)\b",
        r"\b(?:have|has) been|\b(?:marked|noted|passed|reached|received|summary|kept|sent)\b|\bknows?\b",
    ),
    "it": (
        r"\b(?:sua|la) richiesta|desider|\b(?:vuole|vorrebbe|preferisce)\b|ha chiesto",
        r"\bstat[oaie] (?:avvis|trasm)|segnalat|annotat|ho trasm|arrivat|ricevut|riassunto|conservat|\bsanno\b",
    ),
    "es": (
        r"\bsu (?:petición|solicitud|deseo)|\b(?:quiere|quisiera|desea|prefiere)\b|ha pedido",
        r"\btienen? (?:el|un) (?:aviso|resumen)|he transmitido|recibido|guardado|avisad[oa]s?\b|\bsaben?\b",
    ),
    "fr": (
        r"\bvotre (?:demande|souhait)|\bvous (?:voulez|souhaitez|désirez|préférez)\b|avez demandé",
        r"au courant|résumé|(?:ai|été) transmis|\breçu|\bgardé|\b(?:sait|savent)\b",
    ),
    "pt": (
        r"\bo seu (?:pedido|desejo)|\b(?:quer|queria|deseja|prefere)\b|\bpediu\b",
        r"recebe(?:u|ram)|resumo|transmiti\b|guardada|avisad[oa]s?\b|\bsabem?\b",
    ),
}
"""That the caller asked for a person; that somebody has been told, or will be."""


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("language", languages())
def test_no_wording_says_that_the_caller_asked_or_without_a_webhook_that_anybody_is_told(
    language: str, profile: str
) -> None:
    asked, told = (re.compile(claim, re.IGNORECASE) for claim in CLAIMS[language])
    for situation in ("handoff_unasked", *(situation for _, situation in OUTCOMES)):
        texts = said_for(situation, language, profile)
        assert not [text for text in texts if asked.search(text)]
        if situation in ("handoff_unasked", "ask_human"):
            assert not [text for text in texts if told.search(text)]
    delivered = said_for("handoff_delivered", language, profile)
    assert all(told.search(text) for text in delivered), "the pattern knows what it looks for"


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    (message,) = escalate(tmp_path, monkeypatch, url, [user("a person", ANGRY)])["responses"]
    assert message["text"] in said_for("handoff_queued", "en")
    assert len(list((tmp_path / "outbox").glob("*.json"))) == 1


def test_a_webhook_that_hangs_does_not_hold_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    with Webhook(gate=threading.Event()) as webhook:
        (message,) = escalate(tmp_path, monkeypatch, webhook.url, [user("a person")])["responses"]
        assert message["text"] in said_for("handoff_queued", "en")


def test_asking_again_does_not_post_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [begin(), user("a person")]
    with Webhook() as webhook:
        escalate(tmp_path, monkeypatch, webhook.url, events)
        events += [slot("escalated", True), user("when will somebody come? i want a person")]
        again = escalate(tmp_path, monkeypatch, webhook.url, events)
    assert len(webhook.got) == 1
    assert again["responses"][0]["text"] in said_for("handoff_delivered", "en")


def test_without_a_webhook_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    escalate(tmp_path, monkeypatch, None, [user(WORDS)])
    assert "handoff.not_configured" in caplog.text
    assert "Anna" not in caplog.text


def test_a_summary_that_cannot_be_made_is_no_reason_to_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError(WORDS)

    monkeypatch.setattr("emotionlayer_rasa.actions.escalate_to_human.summarise", explode)
    (message,) = escalate(tmp_path, monkeypatch, "http://127.0.0.1:9/", [user(WORDS)])["responses"]
    assert message["text"] in said_for("handoff_failed", "en")
    assert "RuntimeError" in caplog.text
    assert "Anna" not in caplog.text


# What the person gets


def test_the_summary_tells_words_and_emotions_of_the_session() -> None:
    events = [
        begin(50.0),
        user("earlier session", ANGRY, 60.0),
        begin(100.0),
        user("hello", CALM, 101.0),
        bot("Hello. Mail us at help@shop.example.", 102.0),
        user(WORDS, ANGRY, 103.0),
        slot("response_strategy", "rapid_resolution"),
        bot("Your order 104277 is on its way.", 104.0),
        user("someone is hurt, a person now", AFRAID, 105.0),
    ]
    filled = {"order_number": "104277", "language": "en", "card": "4111111111111111"}
    made = summary(events, slots=["order_number", "card", "missing"], filled=filled)
    assert set(made) == {
        *("type", "version", "id", "time", "conversation", "channel", "language", "priority", "intent"),
        *("reasons", "emotion", "slots", "turns"),
    }
    assert (made["type"], made["version"], made["conversation"]) == ("emotionlayer.handoff", 1, "caller-7")
    assert (made["channel"], made["language"], made["intent"]) == ("voice", "en", "ask_human")
    assert made["slots"] == {"order_number": "104277", "card": "[card number]"}
    assert made["turns"] == [
        {"role": "caller", "time": "1970-01-01T00:01:41+00:00", "text": "hello"},
        {"role": "assistant", "time": "1970-01-01T00:01:42+00:00", "text": "Hello. Mail us at [email]."},
        {
            "role": "caller",
            "time": "1970-01-01T00:01:43+00:00",
            "text": "my name is [name], order 104277, call [number]",
        },
        {"role": "assistant", "time": "1970-01-01T00:01:44+00:00", "text": "Your order 104277 is on its way."},
        {"role": "caller", "time": "1970-01-01T00:01:45+00:00", "text": "someone is hurt, a person now"},
    ]
    course = made["emotion"].pop("course")
    assert [(turn["time"][-14:-6], turn["state"], turn["strategy"]) for turn in course] == [
        ("00:01:41", "neutral", "direct_efficiency"),
        ("00:01:43", "anger", "rapid_resolution"),
        ("00:01:45", "urgency", "rapid_resolution"),
    ]
    last = {axis: course[2][axis] for axis in ("confidence", "valence", "arousal", "dominance")}
    assert last == {"confidence": 0.8, "valence": 0.1, "arousal": 0.85, "dominance": 0.6}
    assert (made["emotion"]["state"], made["emotion"]["trend"]) == ("urgency", "falling")
    assert (made["emotion"]["negative_streak"], made["emotion"]["peak"]["state"]) == (2, "urgency")
    memory = ActionConversation(Tracker.from_dict(tracker(events))).memory
    assert made["priority"] == priority(memory) > 50
    assert made["reasons"][:4] == ["caller:asked", "cue:danger=0.80", "cue:urgency=0.60", "state:urgency=0.80"]
    assert {"streak:2", "trend:falling"} <= set(made["reasons"])


def test_only_the_last_turns_are_told_or_none() -> None:
    events = [begin(), bot("Welcome.")]
    for number in range(5):
        events += [user(f"question {number}"), bot(f"answer {number}")]
    texts = [turn["text"] for turn in summary(events, turns=2)["turns"]]
    assert texts == ["question 3", "answer 3", "question 4", "answer 4"]
    assert [turn["text"] for turn in summary(events, turns=9)["turns"]][:2] == ["Welcome.", "question 0"]
    assert summary(events, turns=0)["turns"] == summary(events, transcripts=False)["turns"] == []


def test_what_the_assistant_did_not_understand_is_told_too() -> None:
    """Rasa takes such a message back."""
    events = [user("first"), bot("one"), user("second"), bot("two"), {"event": "rewind"}, user("third")]
    assert [turn["text"] for turn in summary(events)["turns"]] == ["first", "one", "second", "two", "third"]


def test_nothing_is_told_of_emotions_that_consent_was_withdrawn_for() -> None:
    events = [begin(), user("no", ANGRY), user("no", AFRAID), slot("emotion_consent", False), user("a person")]
    made = summary(events)
    assert made["emotion"]["course"] == []
    assert (made["emotion"]["state"], made["emotion"]["peak"], made["priority"]) == ("unknown", None, 0)
    assert made["reasons"] == ["caller:asked"]


def test_strategies_that_did_not_help_are_reasons() -> None:
    events = [begin()]
    for _ in range(3):
        events += [user("no", ANGRY), slot("response_strategy", "active_deescalation")]
    memory = ActionConversation(Tracker.from_dict(tracker(events))).memory
    found = reasons(memory, "complaint")
    assert found == ["state:anger=0.80", "streak:3", "not_helped:active_deescalation"]


def test_who_says_yes_after_a_danger_is_still_in_danger() -> None:
    events = [begin(), user("someone is hurt", AFRAID), bot("Shall I connect you?"), user("yes please")]
    assert "cue:danger=0.80" in summary(events, "affirm")["reasons"]


def test_an_id_is_of_one_handover() -> None:
    asked = [begin(5.0), user("a person")]
    first = conversation_id(asked)
    assert first == conversation_id([*asked, slot("escalated", True), user("a person!")])
    handed_back = [*asked, slot("escalated", True), slot("escalated", False), user("a person")]
    next_session = [*asked, slot("escalated", True), begin(9.0), slot("escalated", True), user("a person")]
    others = {conversation_id(handed_back), conversation_id(next_session), conversation_id(asked, "another")}
    assert len({first, *others}) == 4


# Through Rasa


@dataclass(frozen=True)
class Shop:
    """The assistant of this repository, its action server with a webhook."""

    rasa: httpx.Client
    webhook: Webhook
    logs: Path

    def say(self, text: str) -> str:
        answer = self.rasa.post("/webhooks/rest/webhook", json={"sender": "anna", "message": text})
        return " ".join(message["text"] for message in answer.raise_for_status().json() if message.get("text"))

    def tracker(self) -> dict[str, Any]:
        return self.rasa.get("/conversations/anna/tracker").raise_for_status().json()


@pytest.fixture(scope="module")
def shop(
    serving: Callable[..., ContextManager[httpx.Client]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with Webhook() as webhook:
        handoff = {"url": webhook.url, "outbox": str(folder / "outbox"), "slots": ["order_number"]}
        secret = {"EMOTIONLAYER_HANDOFF_SECRET": SECRET}
        with serving(folder, {"handoff": handoff}, {"rest": None}, **secret) as rasa:
            yield Shop(rasa, webhook, folder / "logs")


def emotion(turn: dict[str, Any]) -> dict[str, Any]:
    (found,) = [entity for entity in turn["parse_data"]["entities"] if entity["entity"] == "emotion"]
    return found


def test_a_caller_who_asks_for_a_person_is_handed_over_and_no_longer_analysed(shop: Shop) -> None:
    shop.say("where is my order 1042")
    shop.say("this is a disgrace, i am furious, write to anna@mail.example")
    answer = shop.say("i want to speak to a person")
    assert answer in said_for("handoff_delivered", "en")
    wait_until(lambda: shop.webhook.got)
    ((key, made),) = shop.webhook.got
    assert (made["id"], made["conversation"], made["channel"]) == (key, "anna", "rest")
    assert (made["slots"], made["intent"]) == ({"order_number": "1042"}, "ask_human")
    assert "caller:asked" in made["reasons"]
    texts = [turn["text"] for turn in made["turns"] if turn["role"] == "caller"]
    assert texts[0] == "where is my order 1042"
    assert texts[1] == "this is a disgrace, i am furious, write to [email]"
    assert texts[2] == "i want to speak to a person"
    assert made["emotion"]["course"][1]["state"] in ("anger", "frustration")
    assert shop.tracker()["slots"]["escalated"] is True

    shop.say("i am so angry, nobody answers me")
    after = shop.tracker()
    last = [event for event in after["events"] if event["event"] == "user"][-1]
    assert (emotion(last)["value"], emotion(last)["source"]) == ("unknown", "none")
    assert after["slots"]["emotion"] == "unknown"

    shop.say("i want to speak to a person")
    assert len(shop.webhook.got) == 1, "the same handover"
    written = (shop.logs / "actions.log").read_text(encoding="utf-8", errors="replace")
    assert f"handoff.delivered id={key}" in written
    assert "furious" not in written
    assert "anna" not in written
