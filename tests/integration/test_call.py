"""A call through real servers: audio in, entity, slots, actions and replies out."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import soundfile

from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.utterance import METADATA_KEY, AffectiveState, EmotionReading, Transcript, Utterance

if TYPE_CHECKING:
    from conftest import Assistant

ANGRY = {
    METADATA_KEY: Utterance(
        Transcript(""),
        EmotionReading("anger", 0.9, {"anger": 0.9, "disgust": 0.1}, 0.15, 0.9, 0.85, "voice", "test"),
        affect=AffectiveState("anger", "active_deescalation", 0.8, 0.15, 0.9, 0.85),
    ).to_metadata()
}


def entity(turn: dict[str, Any]) -> dict[str, Any]:
    """The emotion of a turn in the tracker; exactly one."""
    (found,) = [item for item in turn["parse_data"]["entities"] if item["entity"] == "emotion"]
    return found


def wav(samples: np.ndarray, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV", subtype=subtype)
    return file.getvalue()


def test_a_spoken_question_goes_the_whole_way(assistant: Assistant, data: Path) -> None:
    answer = assistant.hear(data / "en_order.flac", "order")
    assert answer.status_code == 200, answer.text
    heard = answer.json()
    assert "order" in heard["transcript"]["text"].lower()
    assert heard["transcript"]["words"]
    assert heard["prosody"]["pitch_hz"] > 50
    stages = {"decode", "transcription", "text", "emotion", "fusion", "hearing", "assistant", "total"}
    assert set(heard["timings_ms"]) >= stages
    assert heard["emotion"]["source"] == "voice"
    assert heard["words"]["emotion"]["source"] == "text"
    assert set(heard["emotion"]["scores"]) == set(EMOTIONS)

    (turn,) = assistant.turns("order")
    assert turn["input_channel"] == "voice"
    assert turn["parse_data"]["intent"]["name"] == "order_status"
    assert entity(turn)["value"] == heard["emotion"]["label"]
    assert "end" not in entity(turn), "it is of no part of the text"
    assert (entity(turn)["state"], entity(turn)["arousal"]) == (heard["state"], heard["affect"]["arousal"])

    slots = assistant.slots("order")
    assert slots["emotion"] == heard["emotion"]["label"]
    assert (slots["affective_state"], slots["response_strategy"]) == (heard["state"], heard["strategy"])
    assert (slots["emotion_trend"], slots["emotional_profile"]) == ("steady", None)
    assert slots["order_number"] == "1042"
    assert slots["order_status"]
    assert assistant.actions("order") == ["action_look_up_order", "action_empathetic_reply"]
    assert len(heard["messages"]) >= 2, "the disclosure and the reply"
    assert heard["messages"][-1]["text"]
    assert heard["messages"][-1]["custom"]["ssml"].startswith("<speak")

    record = json.dumps(turn["metadata"])
    assert len(record) < 4000, "numbers and labels only"
    assert "where is my" not in record.lower()


def test_the_first_message_tells_that_the_voice_is_analysed(assistant: Assistant) -> None:
    (message,) = assistant.say("/session_start", "opening")["messages"]
    opening = message["text"]
    assert "voice" in opening.lower()
    assert "stop" in opening.lower() or "off" in opening.lower()


def test_a_typed_turn_is_read_from_its_words_and_leaves_nothing_of_the_voice(
    assistant: Assistant, data: Path
) -> None:
    assistant.hear(data / "en_complaint.flac", "typed")
    answer = assistant.say("thank you so much for your help that is wonderful", "typed")
    assert answer["emotion"]["label"] == UNKNOWN, "no voice"
    assert answer["words"]["emotion"]["label"] == "joy"
    assert answer["messages"][-1]["text"]
    found = entity(assistant.turns("typed")[-1])
    assert (found["value"], found["source"], found["state"]) == ("joy", "text", answer["state"])
    slots = assistant.slots("typed")
    assert (slots["emotion"], slots["affective_state"]) == ("joy", answer["state"])
    assert slots["valence"] == answer["affect"]["valence"] > 0.5
    assert slots["negative_streak"] == 0
    assert assistant.actions("typed") == ["action_empathetic_reply"]


def test_a_button_makes_the_slots_forget(assistant: Assistant) -> None:
    assistant.rest("i want to complain", "forgets", metadata=ANGRY)
    assistant.say("/affirm", "forgets")
    slots = assistant.slots("forgets")
    assert (slots["emotion"], slots["affective_state"], slots["valence"]) == (UNKNOWN, UNKNOWN, None)
    assert (slots["response_strategy"], slots["negative_streak"]) == ("direct_efficiency", 1)


def test_plain_typed_words_offer_no_person(assistant: Assistant) -> None:
    for number, text in enumerate(("where is my order 1234", "i want to complain", "i want my money back")):
        assistant.rest(text, f"plain-{number}")
        assert entity(assistant.turns(f"plain-{number}")[-1])["value"] in ("neutral", UNKNOWN)
        assert "utter_offer_human" not in assistant.actions(f"plain-{number}")
    assistant.rest("this is outrageous i am furious with you", "typed-anger")
    assert assistant.slots("typed-anger")["emotion"] == "anger"
    assert assistant.actions("typed-anger") == ["utter_offer_human"]


def test_a_strategy_that_does_not_help_is_given_up(assistant: Assistant) -> None:
    used = []
    for _ in range(3):
        assistant.rest("hello", "feedback", metadata=ANGRY)
        used.append(assistant.slots("feedback")["response_strategy"])
    assert used == ["active_deescalation", "active_deescalation", "rapid_resolution"]
    assert assistant.slots("feedback")["negative_streak"] == 3


def test_the_caller_is_remembered_over_sessions_if_that_is_wanted_and_forgotten_when_asked(
    assistant: Assistant,
) -> None:
    def session(*texts: str) -> None:
        assistant.say("/session_start", "profile")
        for text in texts:
            assistant.rest(text, "profile", metadata=ANGRY)

    session("hello", "hello")
    assert assistant.slots("profile")["emotional_profile"] is None

    assistant.rest("please remember how i feel", "profile", metadata=ANGRY)
    assert assistant.actions("profile") == ["action_set_emotion_memory"]
    kept = assistant.slots("profile")["emotional_profile"]
    assert kept["turns"] == 3
    assert kept["strategies"]["active_deescalation"] == [0, 2]

    session("hello")
    slots = assistant.slots("profile")
    assert slots["emotional_profile"]["turns"] == 4, "the new session goes on from the old one"
    assert slots["negative_streak"] == 1, "the streak is of this session alone"
    assistant.rest("hello", "profile", metadata=ANGRY)
    assert assistant.slots("profile")["emotional_profile"]["strategies"]["active_deescalation"] == [0, 3]

    assistant.rest("please forget how i feel", "profile", metadata=ANGRY)
    slots = assistant.slots("profile")
    assert (slots["emotional_profile"], slots["emotion_memory_consent"]) == (None, False)
    assert slots["emotion"] == UNKNOWN
    session("hello")
    assert assistant.slots("profile")["emotional_profile"] is None
    assert assistant.slots("profile")["negative_streak"] == 1


def test_no_analysis_no_memory(assistant: Assistant) -> None:
    assistant.rest("please remember how i feel", "withdrawn", metadata=ANGRY)
    assert assistant.slots("withdrawn")["emotional_profile"]
    assistant.rest("stop analysing my voice", "withdrawn")
    slots = assistant.slots("withdrawn")
    assert (slots["emotional_profile"], slots["emotion_memory_consent"]) == (None, False)
    assistant.rest("i am furious", "withdrawn")
    assert entity(assistant.turns("withdrawn")[-1])["source"] == "none"
    assert assistant.slots("withdrawn")["emotion"] == UNKNOWN


@pytest.mark.parametrize("actor", ["01", "02", "05"])
def test_the_same_words_in_another_voice_go_another_way(assistant: Assistant, data: Path, actor: str) -> None:
    """An actor says "Kids are talking by the door", which is nothing the shop can do, sadly and angrily."""
    for code, emotion, action in (
        ("04", "sadness", "action_empathetic_reply"),
        ("05", "anger", "utter_offer_human"),
    ):
        sender = f"{emotion}-{actor}"
        (recording,) = (data / "ravdess").glob(f"03-01-{code}-*-{actor}.flac")
        heard = assistant.hear(recording, sender).json()
        assert "kids are talking" in heard["transcript"]["text"].lower()
        assert heard["emotion"]["label"] == emotion
        assert assistant.slots(sender)["emotion"] == emotion
        assert entity(assistant.turns(sender)[-1])["value"] == emotion
        assert assistant.actions(sender) == [action]


def test_anger_takes_another_way_and_leads_to_a_person(assistant: Assistant, data: Path) -> None:
    calm = assistant.rest("i want to complain", "calm")
    assert calm
    assert assistant.actions("calm") == ["action_empathetic_reply"]

    offer = assistant.rest("i want to complain", "anger", metadata=ANGRY)
    assert assistant.slots("anger")["emotion"] == "anger"
    assert assistant.slots("anger")["affective_state"] == "anger"
    assert assistant.actions("anger") == ["utter_offer_human"]
    assert any("person" in message.get("text", "") for message in offer)

    assistant.rest("yes please", "anger")
    assert assistant.actions("anger") == ["action_escalate_to_human"]
    assert assistant.slots("anger")["escalated"] is True

    after = assistant.hear(data / "en_thanks.flac", "anger").json()
    assert after["transcript"]["text"]
    assert (after["emotion"]["source"], after["prosody"]) == ("none", None)
    assert assistant.slots("anger")["emotion"] == UNKNOWN


def test_no_thanks_to_a_person(assistant: Assistant) -> None:
    assistant.rest("give me my money back", "no-person", metadata=ANGRY)
    assert assistant.actions("no-person") == ["utter_offer_human"]
    assistant.rest("no thank you", "no-person", metadata=ANGRY)
    assert assistant.actions("no-person") == ["action_empathetic_reply"]
    assert assistant.slots("no-person")["escalated"] is False


def test_a_person_can_be_asked_for_by_voice(assistant: Assistant, data: Path) -> None:
    assistant.hear(data / "en_person.flac", "person")
    assert assistant.actions("person") == ["action_escalate_to_human"]
    assert assistant.slots("person")["escalated"] is True


def test_buttons_keep_the_emotion_in_the_metadata(assistant: Assistant) -> None:
    assistant.rest("/complaint", "button", metadata=ANGRY)
    turn = assistant.turns("button")[-1]
    assert turn["metadata"][METADATA_KEY]["emotion"]["label"] == "anger"
    assert assistant.slots("button")["affective_state"] == "anger"


def test_the_analysis_can_be_switched_off_and_on(assistant: Assistant, data: Path) -> None:
    assistant.say("stop analysing my voice", "consent")
    assert assistant.actions("consent") == ["action_set_emotion_consent"]
    assert assistant.slots("consent")["emotion_consent"] is False
    off = assistant.hear(data / "en_order.flac", "consent").json()
    assert (off["words"], off["state"]) == (None, UNKNOWN)
    assert (off["emotion"]["label"], off["emotion"]["source"], off["prosody"]) == (UNKNOWN, "none", None)
    assert "order" in off["transcript"]["text"].lower()
    assert entity(assistant.turns("consent")[-1])["value"] == UNKNOWN

    assistant.say("you can analyse my voice again", "consent")
    assert assistant.slots("consent")["emotion_consent"] is True
    assert assistant.hear(data / "en_order.flac", "consent").json()["emotion"]["source"] == "voice"


def test_an_order_number_is_asked_for_and_given_as_digits_or_words(assistant: Assistant) -> None:
    for sender, number in (
        ("digits", "it is 1042"),
        ("words", "the number is one zero four two"),
        ("pairs", "ten forty two"),
    ):
        assistant.rest("where is my parcel", sender)
        assert assistant.actions(sender) == ["utter_ask_order_number"]
        answer = assistant.rest(number, sender)
        assert assistant.actions(sender) == ["action_look_up_order", "action_empathetic_reply"]
        assert assistant.slots(sender)["order_number"] == "1042"
        assert any("1042" in message.get("text", "") for message in answer), answer


def test_an_unknown_order_number_is_cleared_and_the_call_goes_on(assistant: Assistant) -> None:
    answer = assistant.rest("where is order 9999", "unknown-order")
    assert answer
    assert assistant.slots("unknown-order")["order_number"] is None
    assert assistant.actions("unknown-order") == ["action_look_up_order", "action_empathetic_reply"]
    assistant.rest("where is my order", "unknown-order")
    assert assistant.actions("unknown-order") == ["utter_ask_order_number"]


@pytest.mark.parametrize(
    ("sender", "text"),
    [
        ("aside", "kids are talking by the door"),
        ("babble", "xqzt blorp wug"),
        ("yes", "yes"),
        ("no", "no"),
        ("hello", "hello"),
        ("bye", "bye"),
        ("thanks", "ok thanks"),
    ],
)
def test_everything_gets_one_answer(assistant: Assistant, sender: str, text: str) -> None:
    assistant.say("/session_start", sender)
    answer = assistant.say(text, sender)
    assert [bool(message["text"]) for message in answer["messages"]] == [True], answer["messages"]
    assert assistant.actions(sender) == ["action_end_call" if text == "bye" else "action_empathetic_reply"]


class Rewording(BaseHTTPRequestHandler):
    """Stands for a language model: greets again, then says the draft that the prompt holds."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"]
        self.asked.append(prompt)
        reply = "Hello again. " + prompt.rsplit("Draft:", 1)[1].strip().removeprefix("Hello. ")
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}
        body = json.dumps(
            {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def test_a_dead_language_model_is_replaced_by_a_template_and_a_living_one_is_used(assistant: Assistant) -> None:
    assistant.say("/session_start", "llm")
    dead = assistant.say("hello there", "llm")["messages"][-1]
    assert dead["text"]
    assert dead["custom"]["source"] == "template"
    server = HTTPServer(("127.0.0.1", assistant.llm_port), Rewording)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        living = assistant.rest("hello there", "llm", metadata=ANGRY)
    finally:
        server.shutdown()
        server.server_close()
    assert living[0]["text"].startswith("Hello again. ")
    assert living[1]["custom"]["source"] == "llm"
    (prompt,) = Rewording.asked
    assert "hello there" in prompt
    assert "anger" in prompt
    assert "active_deescalation" in prompt


TONE = 0.3 * np.sin(np.arange(16_000) / 5)
BAD_AUDIO = {
    "empty": (b"", 422, "audio.empty"),
    "header only": (wav(TONE)[:44], 422, None),
    "truncated": (wav(TONE)[:-9000], 422, "audio.truncated"),
    "silent": (wav(np.zeros(16_000)), 422, "audio.silent"),
    "not a number": (wav(np.full(16_000, np.nan), "FLOAT"), 422, "audio.invalid_samples"),
    "text": (b"There is no sound in this. " * 100, 415, "audio.unsupported"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, 415, "audio.unsupported"),
    "too long": (wav(np.tile(TONE, 61)), 413, "audio.too_long"),
    "too large": (b"\0" * (11 * 1024 * 1024), 413, "audio.too_large"),
}


@pytest.mark.parametrize(("audio", "status", "code"), BAD_AUDIO.values(), ids=BAD_AUDIO.keys())
def test_bad_audio_is_refused_and_the_next_turn_works(
    assistant: Assistant, audio: bytes, status: int, code: str | None
) -> None:
    answer = assistant.hear(audio, "bad")
    assert answer.status_code == status, answer.text
    assert code in (None, answer.json()["error"]["code"])
    assert answer.json()["error"]["message"]
    assert assistant.say("hello", "bad")["messages"]


def test_after_bad_audio_a_good_recording_is_answered(assistant: Assistant, data: Path) -> None:
    assert assistant.hear(b"rubbish", "after-bad").status_code == 415
    answer = assistant.hear(data / "en_order.flac", "after-bad")
    assert answer.status_code == 200
    assert answer.json()["messages"]


def test_no_log_holds_what_was_said(assistant: Assistant, data: Path) -> None:
    said = assistant.hear(data / "en_complaint.flac", "log").json()["transcript"]["text"].lower()
    assert "nobody answers" in said
    assert assistant.hear(b"rubbish", "log").status_code == 415
    for log in ("rasa.log", "actions.log"):
        written = (assistant.logs / log).read_text(errors="replace").lower()
        assert written
        assert "nobody answers" not in written
