"""The words of a response: requests as Rasa itself makes them, from real trackers and a real domain."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterator
from xml.etree import ElementTree

import pytest
from cases import for_each
from rasa.core.constants import DEFAULT_REQUEST_TIMEOUT
from rasa.core.nlg.callback import CallbackNaturalLanguageGenerator, nlg_request_format
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, Event, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from emotionlayer_rasa.actions.base import CHAT_CHANNELS
from emotionlayer_rasa.nlg import ResponseGenerator
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings
from emotionlayer_rasa.utterance import METADATA_KEY, AffectiveState, EmotionReading, Transcript, Utterance

SECRET = "my cat is called Zerbino"
BUTTONS = [
    {"title": "Sì & no <b>", "payload": '/affirm{{"a": "I am sorry"}}'},
    {"title": "No", "payload": "/deny"},
]
DOMAIN = Domain.from_yaml(
    """
version: "3.1"
slots:
  account: {type: text, mappings: [{type: custom}]}
  language: {type: text, mappings: [{type: custom}]}
  emotion_consent: {type: bool, initial_value: true, mappings: [{type: custom}]}
  escalated: {type: bool, initial_value: false, mappings: [{type: custom}]}
responses:
  utter_hours:
  - text: The branch opens at 9 and closes at 17:30.
  utter_person:
  - text: Shall I connect you with a person?
    buttons: BUTTONS
    image: https://example.org/person.png
    attachment: {type: video, payload: {src: "https://example.org/v.mp4"}}
  utter_account:
  - text: "Your account {account} is open, {why}."
  utter_sorry:
  - text: I am sorry, that is closed.
  utter_greet:
  - text: Hello there. What do you need?
  utter_terms:
  - text: Your call is recorded.
    metadata: {verbatim: true}
  utter_card:
  - custom: {blocks: [{type: section}]}
  utter_own:
  - text: The branch is on Main Street.
    custom: {speed: 2.0, colour: blue}
  utter_channel:
  - text: The branch is on Main Street.
  - text: The branch is on Slack Street.
    channel: slack
  - text: The account is known.
    condition: [{type: slot, name: account, value: A-17}]
  utter_german:
  - text: Die Filiale ist von neun bis siebzehn Uhr geöffnet.
  utter_italian:
  - text: La filiale apre alle 9 e chiude alle 17:30.
""".replace("BUTTONS", json.dumps(BUTTONS))
)
STATES = {
    "anger": "active_deescalation",
    "insecurity": "empathic_validation",
    "enthusiasm": "positive_mirroring",
    "sarcasm": "assertive_neutrality",
    "urgency": "rapid_resolution",
    "neutral": "direct_efficiency",
}


def caller(state: str | None = "anger", text: str = SECRET, language: str = "en") -> UserUttered:
    metadata = {}
    if state:
        utterance = Utterance(
            Transcript(text, language=language),
            EmotionReading("anger", 0.8, {"anger": 0.8}, 0.2, 0.85, 0.8, "voice", "m"),
            affect=AffectiveState(state, STATES[state], 0.8, 0.2, 0.85, 0.8),
        )
        metadata = {METADATA_KEY: utterance.to_metadata()}
    return UserUttered(text, intent={"name": "ask", "confidence": 1.0}, metadata=metadata, input_channel="rest")


def request(response: str, *events: Event, channel: str = "collector", **arguments: Any) -> dict[str, Any]:
    tracker = DialogueStateTracker.from_events("caller", list(events), DOMAIN.slots)
    body = nlg_request_format(response, tracker, channel, **arguments)
    return json.loads(json.dumps(body))


def answer(
    response: str, *events: Event, llm: LLMClient | None = None, channel: str = "collector", **arguments: Any
) -> dict[str, Any]:
    generator = ResponseGenerator(DOMAIN.responses, llm)
    said = asyncio.run(generator.generate(request(response, *events, channel=channel, **arguments)))
    assert CallbackNaturalLanguageGenerator.validate_response(said)
    return said


@pytest.mark.parametrize("state", STATES)
def test_the_opener_and_the_speech_settings_follow_the_state(state: str) -> None:
    said = answer("utter_hours", caller(state))
    original = "The branch opens at 9 and closes at 17:30."
    assert said["text"].endswith(original)
    assert (said["text"] == original) == (state == "neutral")
    assert set(said["custom"]) == {"strategy", "speed", "tone", "pitch", "ssml"}
    assert said["custom"]["strategy"] == STATES[state]
    assert "".join(ElementTree.fromstring(said["custom"]["ssml"]).itertext()) == said["text"]


def test_an_angry_caller_hears_an_apology_first() -> None:
    assert answer("utter_hours", caller())["text"].startswith("I am sorry about this. The branch")
    said = answer("utter_italian", caller(language="it"))
    assert said["text"] == "Mi dispiace per l'accaduto. La filiale apre alle 9 e chiude alle 17:30."
    assert 'xml:lang="it"' in said["custom"]["ssml"]


def test_everything_but_text_and_speech_passes_untouched() -> None:
    said = answer("utter_person", caller())
    (original,) = DOMAIN.responses["utter_person"]
    assert said["text"] == f"I am sorry about this. {original['text']}"
    assert said["buttons"][0] == {"title": "Sì & no <b>", "payload": '/affirm{"a": "I am sorry"}'}
    assert said["buttons"][1] == BUTTONS[1]
    assert {key: said[key] for key in ("image", "attachment")} == {
        key: original[key] for key in ("image", "attachment")
    }


def test_slots_and_arguments_fill_the_text() -> None:
    said = answer("utter_account", caller(), SlotSet("account", "A-17"), why="since May")
    assert said["text"].endswith("Your account A-17 is open, since May.")


def test_variations_are_chosen_as_rasa_does() -> None:
    assert answer("utter_channel", caller(None))["text"] == "The branch is on Main Street."
    assert answer("utter_channel", caller(None), channel="slack")["text"] == "The branch is on Slack Street."
    texts = {answer("utter_channel", caller(None), SlotSet("account", "A-17"))["text"] for _ in range(5)}
    assert texts == {"The account is known."}


@pytest.mark.parametrize(
    ("response", "events"),
    [
        ("utter_hours", []),
        ("utter_hours", [caller(None)]),
        ("utter_hours", [caller(), SlotSet("emotion_consent", False)]),
        ("utter_hours", [caller(), SlotSet("escalated", True)]),
        ("utter_sorry", [caller()]),
        ("utter_greet", [caller()]),
        ("utter_terms", [caller()]),
        ("utter_german", [caller()]),
    ],
)
def test_the_original_text_is_said(response: str, events: list[Event]) -> None:
    (original,) = DOMAIN.responses[response]
    said = answer(response, *events)
    assert said["text"] == original["text"]
    known = len(events) == 1 and bool(events[0].metadata)
    assert said["custom"]["strategy"] == ("active_deescalation" if known else "direct_efficiency")


def test_an_opener_comes_every_other_turn_and_once_a_turn() -> None:
    events: list[Event] = []
    heard = []
    for _ in range(4):
        events.append(caller())
        for name in ("utter_hours", "utter_person"):
            heard.append(answer(name, *events)["text"])
            events.append(BotUttered(heard[-1]))
    openings = [text.split(".")[0] for text in heard]
    plain = ["The branch opens at 9 and closes at 17:30", "Shall I connect you with a person?"]
    # After two turns that it did not help, the memory gives up the strategy for another one.
    assert openings == ["I am sorry about this", plain[1], *plain, "Let us be quick", plain[1], *plain]


def test_the_bots_own_custom_payload_wins() -> None:
    said = answer("utter_own", caller())["custom"]
    assert (said["speed"], said["colour"], said["strategy"]) == (2.0, "blue", "active_deescalation")
    assert answer("utter_card", caller()) == {"custom": {"blocks": [{"type": "section"}]}}


@for_each("channel", [*sorted(CHAT_CHANNELS), "my_channel", ""])
def test_channels_that_carry_no_payload_get_no_speech_settings(channel: str) -> None:
    said = answer("utter_hours", caller(), channel=channel)
    assert said["text"].startswith("I am sorry about this.")
    assert "custom" not in said


def test_an_actions_own_text_is_left_alone() -> None:
    assert "custom" not in answer("utter_hours", caller(), text="We are closed.", filled_slots="x")


def test_a_response_that_the_domain_does_not_have_is_empty(caplog: pytest.LogCaptureFixture) -> None:
    assert answer("utter_nothing", caller()) == {}
    assert "utter_nothing" in caplog.text


def test_whatever_fails_the_original_is_said_and_nothing_leaks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("emotionlayer_rasa.nlg.generator.Conversation", explode)
    assert answer("utter_hours", caller()) == {"text": "The branch opens at 9 and closes at 17:30."}
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


@for_each("tracker", [None, [], {}, {"slots": 1, "events": 2}, {"slots": {}, "events": [{}, 3, None]}])
@for_each("channel", [None, "text", {"name": None}])
def test_a_strange_request_is_answered_all_the_same(tracker: Any, channel: Any) -> None:
    generator = ResponseGenerator(DOMAIN.responses)
    call = {"response": "utter_hours", "tracker": tracker, "channel": channel, "arguments": None}
    assert asyncio.run(generator.generate(call))["text"] == "The branch opens at 9 and closes at 17:30."


# A language model


class Model(ThreadingHTTPServer):
    """Answers every chat with ``reply``, and keeps the prompts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply = ""
        self.prompts: list[str] = []
        self.late = threading.Event()
        self.late.set()


class Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        self.server.prompts.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.late.wait(10)
        message = {"role": "assistant", "content": self.server.reply}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.late.set()
        server.shutdown()
        thread.join()


def client(model: Model, timeout_s: float = 5) -> LLMClient:
    return LLMClient(
        LLMSettings(base_url=f"http://127.0.0.1:{model.server_port}/v1", model="m", timeout_s=timeout_s)
    )


def test_a_model_may_reword_what_keeps_every_fact(model: Model) -> None:
    model.reply = "I am sorry about this. The branch is open from 9, and it closes at 17:30."
    said = answer("utter_hours", caller(), llm=client(model))
    assert said["text"] == model.reply
    assert "".join(ElementTree.fromstring(said["custom"]["ssml"]).itertext()) == model.reply


def test_what_a_model_puts_around_its_rewording_is_not_said(model: Model) -> None:
    wording = "I am sorry about this. The branch is open from 9, and it closes at 17:30."
    model.reply = f'<think>An apology first.</think>Here is another version:\n"{wording}"'
    assert answer("utter_hours", caller(), llm=client(model))["text"] == wording


@pytest.mark.parametrize(
    "reply",
    [
        "I am sorry about this. The branch opens at 9.",
        "I am sorry about this. The branch opens at 9 and closes at 18:30.",
        "Haha! The branch opens at 9 and closes at 17:30!",
        "The branch opens at 9 and closes at 17:30, and we will refund you.",
        "Stay calm, apologise once. I am sorry about this. The branch opens at 9 and closes at 17:30.",
        "",
    ],
)
def test_a_rewording_that_fails_the_check_gives_way_to_the_original(model: Model, reply: str) -> None:
    model.reply = reply
    said = answer("utter_hours", caller(), llm=client(model))
    assert said["text"] == "I am sorry about this. The branch opens at 9 and closes at 17:30."


def test_buttons_and_their_question_survive_a_model(model: Model) -> None:
    model.reply = "I am sorry about this, I can connect you with a person."
    said = answer("utter_person", caller(), llm=client(model))
    assert said["text"] == "I am sorry about this. Shall I connect you with a person?"
    assert [button["title"] for button in said["buttons"]] == ["Sì & no <b>", "No"]


def test_a_late_model_gives_way_to_the_original(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    model.late.clear()
    said = answer("utter_hours", caller(), llm=client(model, timeout_s=0.3))
    assert said["text"] == "I am sorry about this. The branch opens at 9 and closes at 17:30."
    assert "llm.late" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("response", "events"),
    [
        ("utter_hours", [caller("neutral")]),
        ("utter_hours", [caller(), SlotSet("emotion_consent", False)]),
        ("utter_terms", [caller()]),
        ("utter_german", [caller()]),
    ],
)
def test_a_model_is_not_asked_where_the_original_is_said(model: Model, response: str, events: list[Event]) -> None:
    model.reply = "The branch opens at 9 and closes at 17:30, as far as I know."
    (original,) = DOMAIN.responses[response]
    assert answer(response, *events, llm=client(model))["text"] == original["text"]
    assert model.prompts == []


def test_no_model_can_take_longer_than_rasa_waits() -> None:
    assert LLMSettings.__fields__["timeout_s"].field_info.le < DEFAULT_REQUEST_TIMEOUT
