"""The composer with a real HTTP server that speaks, or fails to speak, OpenAI's protocol."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping

import pytest
import yaml
from llm_endpoint import Answer, Endpoint, completion

from emotionlayer_rasa.actions import ActionEmpatheticReply
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response import LLMClient, LLMSettings, Reply, ReplyComposer, check_reply, draft_reply
from emotionlayer_rasa.response.prompt import corrections
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, TextReading, Transcript, Utterance

SECRET = "my cat is called Zerbino"
ANGRY = Utterance(
    Transcript(SECRET),
    EmotionReading("anger", 0.8, {"anger": 0.8, "sadness": 0.2}, 0.2, 0.85, 0.8, "voice", "m"),
    affect=AffectiveState("anger", "active_deescalation", 0.9, 0.2, 0.85, 0.8),
)
SLOTS = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
GOOD_TEXT = "I am sorry about that. Your order 1042 is on its way, and it is expected tomorrow."
BAD_TEXT = "Haha! You will get 500 euros tomorrow."
COMPOSED_TEXT = "I am sorry for the wait. Your order 1042 is on its way and should be with you tomorrow."


def structured(reply: str, strategy: str = "active_deescalation") -> Answer:
    return completion(json.dumps({"strategy": strategy, "tone": "apologetic", "reply": reply}))


def composer(endpoint: Endpoint, profile: str = "customer_support", **settings: Any) -> ReplyComposer:
    return ReplyComposer(LLMClient(LLMSettings(base_url=endpoint.base_url, model="tiny", **settings)), profile)


def reply(
    composing: ReplyComposer, utterance: Utterance = ANGRY, situation: str = "order_status", language: str = "en"
) -> Reply:
    return asyncio.run(composing.reply(utterance, situation, SLOTS, language=language))


def question(request: Mapping[str, Any]) -> str:
    return str(request["body"]["messages"][-1]["content"])


# What is said.


def test_a_good_answer_is_said(endpoint: Endpoint) -> None:
    endpoint.script = [completion(GOOD_TEXT)]
    composing = composer(endpoint)
    answer = reply(composing)
    assert (answer.text, answer.source, answer.reasons) == (GOOD_TEXT, "llm", ())
    assert answer.strategy == "active_deescalation"
    assert answer.payload()["speed"] == 0.8
    assert set(answer.timings_ms) == {"template", "llm", "check", "total"}
    assert not composing.rejections
    assert len(endpoint.requests) == 1


def test_a_refused_answer_is_corrected_once(endpoint: Endpoint) -> None:
    endpoint.script = [completion(BAD_TEXT), completion(GOOD_TEXT)]
    composing = composer(endpoint)
    answer = reply(composing)
    assert (answer.text, answer.source) == (GOOD_TEXT, "retry")
    assert {"unbacked_fact", "lost_fact"} <= set(answer.reasons)
    assert composing.rejections == dict.fromkeys(answer.reasons, 1)
    first, second = (str(request["body"]["messages"]) for request in endpoint.requests)
    for correction in corrections(answer.reasons, "en"):
        assert correction in second
        assert correction not in first
    assert BAD_TEXT not in second


def test_after_two_refused_answers_a_template_speaks(endpoint: Endpoint) -> None:
    endpoint.script = [completion(BAD_TEXT), completion("Order 1042 arrives on Friday."), completion(GOOD_TEXT)]
    composing = composer(endpoint)
    answer = reply(composing)
    draft = draft_reply("order_status", "active_deescalation", SLOTS)
    assert (answer.text, answer.source) == (draft.text, "template")
    assert len(endpoint.requests) == 2
    assert composing.rejections["tone"] == 1
    assert composing.rejections["unbacked_fact"] == 2


def test_the_request_holds_words_emotion_pad_and_strategy_as_data(endpoint: Endpoint) -> None:
    endpoint.script = [completion(GOOD_TEXT)]
    reply(composer(endpoint))
    (request,) = endpoint.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["body"]["temperature"] == 0
    assert "response_format" not in request["body"]
    lines = question(request).splitlines()
    assert json.loads(lines[0].removeprefix("Caller: ")) == {
        "transcription": SECRET,
        "emotion": "anger",
        "arousal": 0.85,
        "dominance": 0.8,
        "valence": 0.2,
        "affective_state": "anger",
        "response_strategy": "active_deescalation",
    }
    assert "1042" in lines[-1]


# Faults of the endpoint.

CORRECTABLE = ("llm.truncated", "llm.empty")
FAULTS = [
    (Answer(b'{"choices": [{"mess'), "llm.malformed"),
    (Answer(b"<html>It works!</html>"), "llm.malformed"),
    (completion("  "), "llm.empty"),
    (completion("I am sorry about", "length"), "llm.truncated"),
    (Answer(b'{"error": {"message": "' + SECRET.encode() + b'"}}', 429, {"Retry-After": "30"}), "llm.status_429"),
    (Answer(b'{"error": {"message": "' + SECRET.encode() + b'"}}', 500), "llm.status_500"),
    (completion(GOOD_TEXT, cut_at=30), "llm.unreachable"),
    (completion(GOOD_TEXT, delay_s=30), "llm.late"),
]


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
@pytest.mark.parametrize(("fault", "reason"), FAULTS)
def test_a_template_answers_whatever_the_endpoint_does(
    endpoint: Endpoint, mode: str, fault: Answer, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.script = [fault]
    composing = composer(endpoint, mode=mode, timeout_s=0.5 if fault.delay_s else 5.0)
    started = time.monotonic()
    answer = reply(composing)
    assert time.monotonic() - started < 5.5  # the deadline, with room; the endpoint would take 30 s
    assert answer.source == "template"
    assert "1042" in answer.text
    assert answer.reasons == (reason,)
    assert composing.rejections == {reason: 2 if reason in CORRECTABLE else 1}
    assert SECRET not in caplog.text
    assert answer.text not in caplog.text


def test_a_template_answers_when_nobody_listens() -> None:
    with socket.socket() as sock:  # bound, never listening: the port is dead and nobody else takes it
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
        answer = reply(ReplyComposer(LLMClient(LLMSettings(base_url=url, model="m"))))
    assert (answer.source, answer.reasons) == ("template", ("llm.unreachable",))


def test_there_is_no_second_answer_without_time_for_it(endpoint: Endpoint) -> None:
    endpoint.script = [completion(BAD_TEXT, delay_s=0.6), completion(GOOD_TEXT)]
    answer = reply(composer(endpoint, timeout_s=1.0))
    assert answer.source == "template"
    assert len(endpoint.requests) == 1


def test_both_answers_share_one_deadline(endpoint: Endpoint) -> None:
    endpoint.script = [completion(BAD_TEXT, delay_s=0.2), completion(GOOD_TEXT, delay_s=30)]
    answer = reply(composer(endpoint, timeout_s=1.0))
    assert answer.source == "template"
    assert answer.reasons[-1] == "llm.late"
    assert answer.timings_ms["total"] < 1900  # not 1.0 s more for the second


def test_while_the_endpoint_is_left_alone_templates_answer_at_once(endpoint: Endpoint) -> None:
    endpoint.script = [Answer(b"{}", 404)]
    composing = composer(endpoint, breaker_failures=2, breaker_pause_s=60)
    reasons = [reply(composing).reasons for _ in range(4)]
    assert reasons == [("llm.status_404",)] * 2 + [("llm.paused",)] * 2
    assert len(endpoint.requests) == 2


def test_the_loop_goes_on_while_the_model_thinks(endpoint: Endpoint) -> None:
    endpoint.script = [completion(GOOD_TEXT, delay_s=30)]
    composing = composer(endpoint, timeout_s=1)

    async def talk() -> int:
        task = asyncio.create_task(composing.reply(ANGRY, "order_status", SLOTS))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(talk()) > 5


# Composing freely.


def test_a_composed_answer_is_said(endpoint: Endpoint) -> None:
    endpoint.script = [structured(COMPOSED_TEXT)]
    answer = reply(composer(endpoint, mode="compose"))
    assert (answer.text, answer.source, answer.reasons) == (COMPOSED_TEXT, "llm", ())
    (request,) = endpoint.requests
    schema = request["body"]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["strategy"]["enum"] == ["active_deescalation"]
    data = json.loads(question(request).splitlines()[1])
    assert data["facts"] == SLOTS
    assert data["caller"]["transcription"] == SECRET
    assert "1042" in data["draft"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (completion('{"answer": "It is on its way."}'), "llm.schema"),
        (completion('{"reply": 7}'), "llm.schema"),
        (completion("It is on its way."), "llm.schema"),
        (structured(COMPOSED_TEXT, "positive_mirroring"), "llm.strategy"),
        (structured("Your order 7788 is on its way."), "unbacked_fact"),
        (structured("I have refunded your order."), "promise"),
    ],
)
def test_a_wrong_composed_answer_is_corrected(endpoint: Endpoint, wrong: Answer, reason: str) -> None:
    endpoint.script = [wrong, structured(COMPOSED_TEXT, "Active De-escalation")]
    composing = composer(endpoint, mode="compose")
    answer = reply(composing)
    assert (answer.text, answer.source, answer.strategy) == (COMPOSED_TEXT, "retry", "active_deescalation")
    assert reason in answer.reasons
    assert composing.rejections[reason] == 1
    assert "refused" in endpoint.requests[1]["body"]["messages"][0]["content"]


# What no model words.


@pytest.mark.parametrize("situation", ["stop_emotion_analysis", "ask_human", "disclosure"])
def test_what_is_said_to_the_letter_is_never_worded_by_a_model(endpoint: Endpoint, situation: str) -> None:
    for mode in ("rephrase", "compose"):
        assert reply(composer(endpoint, mode=mode), situation=situation).source == "template"
    assert endpoint.requests == []


def test_without_a_model_a_template_answers() -> None:
    answer = reply(ReplyComposer())
    assert (answer.source, answer.reasons) == ("template", ())


# Profiles.


def in_danger(strength: float) -> Utterance:
    return replace(ANGRY, words=TextReading(cues={"danger": strength}))


@pytest.mark.parametrize("profile", ["wellbeing", "tutoring"])
@pytest.mark.parametrize(("language", "number"), [("en", "112 or 911"), ("it", "112")])
def test_a_caller_in_danger_hears_the_crisis_lines_to_the_letter(
    endpoint: Endpoint, profile: str, language: str, number: str
) -> None:
    endpoint.script = [completion(GOOD_TEXT)]
    composing = composer(endpoint, profile)
    answer = reply(composing, in_danger(0.5), "greet", language)
    assert answer.text == draft_reply("crisis", answer.strategy, {}, language, profile=profile).text
    assert number in answer.text
    assert (answer.source, answer.payload()["speed"] <= 1) == ("template", True)
    assert endpoint.requests == []
    reply(composing, in_danger(0.4), "greet", language)
    assert endpoint.requests


def test_in_customer_support_danger_is_a_matter_for_rules(endpoint: Endpoint) -> None:
    endpoint.script = [completion(GOOD_TEXT)]
    assert "911" not in reply(composer(endpoint), in_danger(1.0)).text


def test_the_profile_words_templates_and_prompts(endpoint: Endpoint) -> None:
    endpoint.script = [structured("Hello.")]
    reply(composer(endpoint, "tutoring", mode="compose"), situation="greet")
    system = endpoint.requests[0]["body"]["messages"][0]["content"]
    assert "tutor for adult learners" in system
    greeting = reply(ReplyComposer(profile="tutoring"), situation="greet").text
    assert greeting == draft_reply("greet", "active_deescalation", SLOTS, profile="tutoring").text


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_action_reads_its_settings_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "e.yml", "replies:\n  profile: wellbeing\n")
    monkeypatch.setenv("EMOTIONLAYER_ENDPOINTS", str(file))
    assert ActionEmpatheticReply().name() == "action_empathetic_reply"
    for section, named in (("profile: pupils", "profile"), ("profil: tutoring", "profil")):
        write(file, f"replies:\n  {section}\n")
        with pytest.raises(ConfigurationError, match=named):
            ActionEmpatheticReply()


# Prompt injection by voice: a model that obeys.

FACTS = {
    "en": SLOTS,
    "it": {"order_number": "1042", "order_status": "in viaggio", "order_eta": "domani"},
}
INJECTIONS = yaml.safe_load((Path(__file__).parents[1] / "data" / "injections.yml").read_text(encoding="utf-8"))


def transcription(request: Mapping[str, Any]) -> str:
    """The caller's words, as a model finds them in the request."""
    asked = request["messages"][-1]["content"]
    line = next(line for line in asked.splitlines() if "transcription" in line)
    data = json.loads(line[line.index("{") :])
    return str(data.get("caller", data)["transcription"])


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
@pytest.mark.parametrize("obedience", ["prompt", "rule", "text"])
def test_an_obedient_model_gives_nothing_away(endpoint: Endpoint, mode: str, obedience: str) -> None:
    """It answers with its whole prompt, a line of it, or with what the caller told it to say."""
    assert len(INJECTIONS) >= 30

    def obey(request: Mapping[str, Any]) -> Answer:
        prompt = "\n".join(message["content"] for message in request["messages"])
        rule = max(request["messages"][0]["content"].splitlines()[-12:], key=len)
        said = {"prompt": prompt, "rule": rule, "text": transcription(request)}[obedience]
        return structured(said) if mode == "compose" else completion(said)

    endpoint.answer = obey
    composing = composer(endpoint, mode=mode)

    async def attack() -> list[Reply]:
        callers = [replace(ANGRY, transcript=Transcript(attempt["text"])) for attempt in INJECTIONS]
        return [
            await composing.reply(caller, "order_status", FACTS[attempt["language"]], language=attempt["language"])
            for caller, attempt in zip(callers, INJECTIONS, strict=True)
        ]

    for attempt, answer in zip(INJECTIONS, asyncio.run(attack()), strict=True):
        language = attempt["language"]
        draft = draft_reply("order_status", "active_deescalation", FACTS[language], language)
        assert answer.text == draft.text, attempt["id"]
        assert answer.strategy == "active_deescalation"
        assert check_reply(answer.text, answer.strategy, language, facts=draft.facts) == ()
