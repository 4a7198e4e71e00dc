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
from llm_endpoint import Answer, Endpoint, completion, streamed

from emotionlayer_rasa.actions import ActionEmpatheticReply
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response import (
    Reply,
    ReplyComposer,
    check_reply,
    draft_reply,
    rephrase_messages,
)
from emotionlayer_rasa.response.early import complete_sentences
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings
from emotionlayer_rasa.response.prompt import corrections, repeats_guidance
from emotionlayer_rasa.response.templates import guidance
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, TextReading, Transcript, Utterance

SECRET = "my cat is called Zerbino"
ANGRY = Utterance(
    Transcript(SECRET),
    EmotionReading("anger", 0.8, {"anger": 0.8, "sadness": 0.2}, 0.2, 0.85, 0.8, "voice", "m"),
    affect=AffectiveState("anger", "active_deescalation", 0.9, 0.2, 0.85, 0.8),
)
SLOTS = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
FACTS = {
    "en": SLOTS,
    "it": {"order_number": "1042", "order_status": "in viaggio", "order_eta": "domani"},
}
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
    return asyncio.run(composing.reply(utterance, situation, FACTS[language], language=language))


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


def test_a_reply_tells_the_draft_and_what_it_may_state(endpoint: Endpoint) -> None:
    endpoint.script = [completion(GOOD_TEXT)]
    answer = reply(composer(endpoint))
    assert answer.draft not in ("", GOOD_TEXT)
    assert answer.facts == {**SLOTS, "draft": answer.draft}


def test_who_is_in_danger_is_told_what_nobody_checks(endpoint: Endpoint) -> None:
    answer = reply(composer(endpoint, "wellbeing"), in_danger(1.0), "greet")
    assert (answer.text, answer.facts) == (answer.draft, None)
    calm = reply(ReplyComposer(profile="wellbeing"), ANGRY, "greet")
    assert calm.facts is not None
    assert set(calm.facts) == {"draft", "crisis"}


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
    (data,) = (line for line in lines if line.startswith("Caller: "))
    assert json.loads(data.removeprefix("Caller: ")) == {
        "transcription": SECRET,
        "emotion": "anger",
        "arousal": 0.85,
        "dominance": 0.8,
        "valence": 0.2,
        "affective_state": "anger",
        "response_strategy": "active_deescalation",
    }
    assert "1042" in lines[-1]


# What was told must not be said.


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
@pytest.mark.parametrize("language", ["en", "it"])
def test_guidance_that_comes_back_is_a_leak(endpoint: Endpoint, mode: str, language: str) -> None:
    said = completion if mode == "rephrase" else structured
    draft = draft_reply("order_status", "active_deescalation", FACTS[language], language).text
    told = guidance("active_deescalation", language)
    for leak in (f"{told} {draft}", f"{draft} {told}", told.replace(",", " –")):
        endpoint.script = [said(leak)]
        composing = composer(endpoint, mode=mode)
        answer = reply(composing, language=language)
        assert answer.text == draft
        assert "prompt_leak" in answer.reasons, leak


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
@pytest.mark.parametrize("language", ["en", "it"])
def test_a_correction_that_comes_back_is_a_leak(endpoint: Endpoint, mode: str, language: str) -> None:
    said = completion if mode == "rephrase" else structured
    draft = draft_reply("order_status", "active_deescalation", FACTS[language], language).text
    for fault in ("lost_question", "off_draft", "promise", "prompt_leak"):
        (correction,) = corrections((fault,), language)
        (telling,) = corrections(("markup",), language)
        asked = rephrase_messages(ANGRY, draft, "active_deescalation", language, faults=(fault,))
        assert repeats_guidance(f"{draft} {correction}", asked, draft)
        assert not repeats_guidance(f"{draft} {telling}", asked, draft), "that one was not told"
    endpoint.script = [said(f"{draft} **"), said(f"{telling} {draft}")]
    composing = composer(endpoint, mode=mode)
    assert reply(composing, language=language).source == "template"
    assert composing.rejections["markup"] == composing.rejections["prompt_leak"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "I am sorry. Let us come to the solution at once: order 1042 is on its way, and expected tomorrow.",
        "I apologise for the wait. Order 1042 is on its way, and it is expected tomorrow.",
    ],
)
def test_words_of_the_guidance_may_be_said(endpoint: Endpoint, text: str) -> None:
    endpoint.script = [structured(text)]
    answer = reply(composer(endpoint, mode="compose"))
    assert (answer.text, answer.source) == (text, "llm")


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
@pytest.mark.parametrize("profile", ["wellbeing", "tutoring"])
def test_the_guidance_of_the_profile_reaches_the_model(endpoint: Endpoint, mode: str, profile: str) -> None:
    reply(composer(endpoint, profile, mode=mode))
    asked = "\n".join(message["content"] for message in endpoint.requests[0]["body"]["messages"])
    assert guidance("active_deescalation", "en", profile) in asked
    assert guidance("active_deescalation", "en") not in asked


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
    answer = reply(composer(endpoint, timeout_s=2.0))
    assert answer.source == "template"
    assert answer.reasons[-1] == "llm.late"
    assert answer.timings_ms["total"] < 3900  # not 2.0 s more for the second


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
        (structured("I have refunded your order."), "claim"),
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


# The first sentence, said while the model writes on.

FIRST = "I am sorry about that."
REST = " Your order 1042 is on its way, and it is expected tomorrow."


class Line:
    """Takes first sentences, and lets the model write on then."""

    def __init__(self, endpoint: Endpoint, takes: bool = True) -> None:
        self.endpoint = endpoint
        self.takes = takes
        self.said: list[Reply] = []

    async def say(self, beginning: Reply) -> bool:
        assert not self.endpoint.gate.is_set()
        self.said.append(beginning)
        self.endpoint.gate.set()
        return self.takes


def reply_early(composing: ReplyComposer, line: Line, utterance: Utterance = ANGRY, **slots: str) -> Reply:
    """A reply whose first sentence is said as soon as it may be; the model writes the rest only after that."""
    return asyncio.run(composing.reply(utterance, "order_status", {**SLOTS, **slots}, say_early=line.say))


def pieces(text: str, size: int = 3) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def written(text: str, paused_after: str, **options: Any) -> Answer:
    """A streamed answer that pauses after some of its text."""
    before = pieces(text[: text.index(paused_after) + len(paused_after)])
    return streamed(before + pieces(text[len("".join(before)) :]), pause_after=len(before), **options)


def answered(reply: str, strategy: str = "active_deescalation", **options: Any) -> str:
    return json.dumps({"strategy": strategy, "tone": "apologetic", "reply": reply}, **options)


def test_the_first_sentence_is_said_before_the_model_has_written_the_rest(endpoint: Endpoint) -> None:
    endpoint.script = [written(FIRST + REST, FIRST + " Y")]
    line = Line(endpoint)
    answer = reply_early(composer(endpoint, timeout_s=60), line)
    (beginning,) = line.said
    assert beginning.text == FIRST
    assert beginning.payload()["speed"] == 0.8
    assert (answer.text, answer.source, answer.reasons) == (FIRST + REST, "llm", ())
    (request,) = endpoint.requests
    assert request["body"]["stream"] is True


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_composed_reply_is_said_early_out_of_its_json(endpoint: Endpoint, ascii_only: bool) -> None:
    first = "I’m sorry about the delay – your order 1042 is on its way."
    text = answered(f"{first} It is expected tomorrow.", ensure_ascii=ascii_only)
    endpoint.script = [written(text, "way. I")]
    line = Line(endpoint)
    answer = reply_early(composer(endpoint, mode="compose", timeout_s=60), line)
    assert [beginning.text for beginning in line.said] == [first]
    assert answer.source == "llm"
    assert answer.text == f"{first} It is expected tomorrow."


def test_without_a_live_call_the_answer_is_not_streamed(endpoint: Endpoint) -> None:
    endpoint.script = [completion(GOOD_TEXT)]
    reply(composer(endpoint))
    assert "stream" not in endpoint.requests[0]["body"]


UNFIT_RESTS = {
    "unbacked fact": (written(f"{FIRST} You will get 500 euros.", FIRST + " Y"), "unbacked_fact"),
    "cut off": (written(FIRST + REST, FIRST + " Y", finish="length"), "llm.truncated"),
    "broken off": (written((FIRST + REST)[:-4], FIRST + " Y", finish=None), "llm.truncated"),
}


@pytest.mark.parametrize(("script", "reason"), UNFIT_RESTS.values(), ids=UNFIT_RESTS.keys())
def test_where_the_rest_is_unfit_the_template_goes_on_from_what_was_said(
    endpoint: Endpoint, script: Answer, reason: str
) -> None:
    endpoint.script = [script, completion(GOOD_TEXT)]
    line = Line(endpoint)
    composing = composer(endpoint, timeout_s=60)
    answer = reply_early(composing, line)
    assert [beginning.text for beginning in line.said] == [FIRST]
    assert answer.source == "both"
    assert answer.text.startswith(FIRST + " ")
    rest = answer.text.removeprefix(FIRST + " ")
    draft = draft_reply("order_status", "active_deescalation", SLOTS).text
    assert draft.endswith(rest)
    assert len(rest) < len(draft), "its own opener is not said"
    assert reason in answer.reasons
    assert composing.rejections[reason] == 1
    assert len(endpoint.requests) == 1, "what was said cannot be corrected"
    assert check_reply(answer.text, answer.strategy, facts=SLOTS, draft=draft) == ()


def test_a_model_that_stops_in_the_middle_costs_no_more_than_the_deadline(endpoint: Endpoint) -> None:
    class Deaf(Line):
        async def say(self, beginning: Reply) -> bool:
            self.said.append(beginning)
            return True

    endpoint.script = [written(FIRST + REST, FIRST + " Y")]
    line = Deaf(endpoint)
    answer = reply_early(composer(endpoint, timeout_s=2), line)
    endpoint.gate.set()
    assert (answer.source, answer.reasons) == ("both", ("llm.late",))
    assert answer.text.startswith(line.said[0].text)


def test_a_first_sentence_that_answers_stands_alone_where_the_rest_is_unfit(endpoint: Endpoint) -> None:
    first = "I am sorry about this, your order 1042 is on its way, and it is expected tomorrow."
    endpoint.script = [written(f"{first} You will get 500 euros.", first + " Y")]
    line = Line(endpoint)
    answer = reply_early(composer(endpoint, timeout_s=60), line)
    assert [beginning.text for beginning in line.said] == [first]
    assert (answer.text, answer.source) == (first, "llm")
    assert "unbacked_fact" in answer.reasons


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
@pytest.mark.parametrize(
    "first",
    [
        "Haha, what a mess!",
        "You will get 500 euros.",
        "As an AI language model I am sorry.",
        "You should have read the terms.",
    ],
)
def test_a_first_sentence_that_is_unfit_is_not_said(endpoint: Endpoint, mode: str, first: str) -> None:
    bad, good = first + REST, COMPOSED_TEXT
    texts = [answered(bad), answered(good)] if mode == "compose" else [bad, GOOD_TEXT]
    endpoint.script = [streamed(pieces(text)) for text in texts]
    line = Line(endpoint)
    answer = reply_early(composer(endpoint, mode=mode), line)
    assert first not in [beginning.text for beginning in line.said]
    assert answer.source == "retry"
    assert [beginning.text for beginning in line.said] == [answer.text[: answer.text.index(".") + 1]]
    assert len(endpoint.requests) == 2


def test_a_first_sentence_in_another_strategy_is_not_said(endpoint: Endpoint) -> None:
    endpoint.script = [streamed(pieces(answered(COMPOSED_TEXT, "positive_mirroring")))]
    line = Line(endpoint)
    assert reply_early(composer(endpoint, mode="compose"), line).source == "template"
    assert line.said == []


def test_a_call_that_takes_no_sentence_changes_nothing(endpoint: Endpoint) -> None:
    endpoint.script = [streamed(pieces(FIRST + " You will get 500 euros.")), streamed(pieces(GOOD_TEXT))]
    line = Line(endpoint, takes=False)
    answer = reply_early(composer(endpoint), line)
    assert [beginning.text for beginning in line.said] == [FIRST], "it is asked once"
    assert (answer.text, answer.source) == (GOOD_TEXT, "retry")


def test_two_replies_in_one_answer_do_not_contradict_what_was_said(endpoint: Endpoint) -> None:
    text = answered(COMPOSED_TEXT)[:-1] + ', "reply": "Hello. Order 1042 is on its way."}'
    endpoint.script = [streamed(pieces(text))]
    line = Line(endpoint)
    answer = reply_early(composer(endpoint, mode="compose"), line)
    assert answer.text.startswith(line.said[0].text)
    assert (answer.source, answer.reasons) == ("both", ("llm.schema",))


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("I am sorry", ""),
        ("I am sorry.", ""),
        ("I am sorry. ", ""),
        ("I am sorry. Y", "I am sorry."),
        ("I am sorry! Your order no. 10", "I am sorry!"),
        ("I am sorry, Dr. Rossi", ""),
        ("It comes at 5 p.m. on", ""),
        ("It costs 49.90", ""),
        ("I am sorry.\nYour order. It", "I am sorry. Your order."),
    ],
)
def test_a_sentence_is_complete_when_the_next_one_begins(text: str, complete: str) -> None:
    assert complete_sentences(text) == complete


@pytest.mark.parametrize(
    "first",
    ["I hear that the weather is lovely.", "Order 1042 is a nice order.", "Stay calm and come to the solution."],
)
def test_what_the_draft_does_not_begin_with_is_not_said_early(endpoint: Endpoint, first: str) -> None:
    endpoint.script = [streamed(pieces(first + REST))]
    line = Line(endpoint)
    reply_early(composer(endpoint), line)
    assert first not in [beginning.text for beginning in line.said]


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


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "I cannot go on, I want to kill myself tonight."),
        ("it", "non ce la faccio più, voglio farla finita"),
        ("de", "Ich will nicht mehr leben."),
        ("es", "Ya no puedo más, quiero morirme."),
        ("fr", "j’ai envie d’en finir"),
        ("pt", "Já não quero viver."),
    ],
)
def test_who_says_it_in_so_many_words_is_never_missed(endpoint: Endpoint, language: str, said: str) -> None:
    for words in (TextReading(), None):  # read or not
        calm = replace(ANGRY, transcript=Transcript(said, language=language), words=words)
        answer = asyncio.run(composer(endpoint, "wellbeing").reply(calm, "greet", {}, language=language))
        assert answer.text == draft_reply("crisis", answer.strategy, {}, language, profile="wellbeing").text
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "My mother will kill me if I fail this test."),
        ("it", "Mia madre vuole uccidermi se prendo un quattro."),
        ("de", "Meine Mutter wird mich umbringen, wenn ich durchfalle."),
        ("es", "Mi madre va a matarme, quiero acabar con todo el temario hoy."),
        ("fr", "Ma mère va me tuer. Que dit Camus du suicide ?"),
        ("pt", "A minha mãe vai matar-me, tenho de acabar com tudo hoje."),
    ],
)
def test_a_way_of_speaking_is_no_crisis(endpoint: Endpoint, language: str, said: str) -> None:
    calm = replace(ANGRY, transcript=Transcript(said, language=language), words=None)
    answer = asyncio.run(composer(endpoint, "tutoring").reply(calm, "greet", {}, language=language))
    lines = [
        draft_reply("crisis", answer.strategy, {}, language, ["…"] * turn, "tutoring").text for turn in range(2)
    ]
    assert answer.text not in lines


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

INJECTIONS = yaml.safe_load((Path(__file__).parents[1] / "data" / "injections.yml").read_text(encoding="utf-8"))


def transcription(request: Mapping[str, Any]) -> str:
    """The caller's words, as a model finds them in the request."""
    asked = request["messages"][-1]["content"]
    line = next(line for line in asked.splitlines() if "transcription" in line)
    data = json.loads(line[line.index("{") :])
    return str(data.get("caller", data)["transcription"])


@pytest.mark.reply_sets
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
