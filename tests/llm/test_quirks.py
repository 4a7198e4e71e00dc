"""Endpoints that speak OpenAI's protocol in their own way: their fit answer is said, live and not.

The quirks are those of OpenAI, Azure, Anthropic, Google, Mistral, DeepSeek, OpenRouter, vLLM, llama.cpp, Ollama,
LM Studio, TGI, mistral.rs, and of the models behind them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any, Callable, Mapping

import pytest
from cases import for_each
from llm_endpoint import Answer, Endpoint, completion, delta, events, refusal, streamed, whole

from emotionlayer_rasa.errors import LLMError
from emotionlayer_rasa.response import Reply, ReplyComposer
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings
from emotionlayer_rasa.response.llm.client import ROOM_FOR_THOUGHTS
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, Transcript, Utterance

SECRET = "my cat is called Zerbino"
ANGRY = Utterance(
    Transcript(SECRET),
    EmotionReading("anger", 0.8, {"anger": 0.8, "sadness": 0.2}, 0.2, 0.85, 0.8, "voice", "m"),
    affect=AffectiveState("anger", "active_deescalation", 0.9, 0.2, 0.85, 0.8),
)
SLOTS = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
FIRST = "I am sorry about that."
SAID = f"{FIRST} Your order 1042 is on its way, and it is expected tomorrow."
JSON = json.dumps({"strategy": "active_deescalation", "tone": "apologetic", "reply": SAID})
THOUGHTS = "The caller is angry. I should say sorry. Then the order."

Quirk = Callable[[Mapping[str, Any], str], Answer]
"""The answer to a request, which carries a text."""


def composer(endpoint: Endpoint, **settings: Any) -> ReplyComposer:
    return ReplyComposer(LLMClient(LLMSettings(base_url=endpoint.base_url, model="tiny", **settings)))


def replies(composing: ReplyComposer, live: bool, count: int = 1) -> list[Reply]:
    async def say(beginning: Reply) -> bool:
        assert SAID.startswith(beginning.text), "nothing else is said early"
        return True

    async def talk() -> list[Reply]:
        say_early = say if live else None
        return [await composing.reply(ANGRY, "order_status", SLOTS, say_early=say_early) for _ in range(count)]

    return asyncio.run(talk())


def pieces(text: str, size: int = 3) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def deltas(text: str, field: str = "content") -> list[dict[str, Any]]:
    return [delta(**{field: piece}) for piece in pieces(text)]


def written(before: str = "", after: str = "") -> Quirk:
    """The model writes something around the text."""

    def answer(request: Mapping[str, Any], text: str) -> Answer:
        text = before + text + after
        return streamed(pieces(text)) if request.get("stream") else completion(text)

    return answer


def sent(stream: Callable[[str], Answer], plain: Callable[[str], Answer] = completion) -> Quirk:
    """The endpoint answers in its own form."""
    return lambda request, text: stream(text) if request.get("stream") else plain(text)


def refusing(refused: Callable[[Mapping[str, Any]], Answer | None]) -> Quirk:
    """The endpoint refuses some requests."""
    return lambda request, text: refused(request) or written()(request, text)


# The model's text.

TEXTS: dict[str, Quirk] = {
    "thoughts": written(f"<think>\n{THOUGHTS}\n</think>\n\n"),
    "empty thoughts": written("<think>\n\n</think>\n\n"),
    "thoughts that the prompt began": written(f"{THOUGHTS}\n</think>\n\n"),
    "thoughts under another name": written(f"<thinking>{THOUGHTS}</thinking>\n"),
    "thoughts in a namespace": written(f"<seed:think>{THOUGHTS}</seed:think>"),
    "thoughts of Mistral": written(f"[THINK]{THOUGHTS}[/THINK]"),
    "thoughts twice": written(f"<think>{THOUGHTS}</think><think>{THOUGHTS}</think>\n"),
    "channels": written(
        f"<|channel|>analysis<|message|>{THOUGHTS}<|end|><|start|>assistant<|channel|>final<|message|>",
        "<|return|>",
    ),
    "end token": written(after="<|im_end|>"),
    "end tokens and another turn": written(after="<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi"),
    "end of sentence": written(after="</s>"),
    "full-width token": written(after="<｜end▁of▁sentence｜>"),
    "end of turn": written(after="<end_of_turn>\n"),
    "half a token": written(after="<|im_end"),
    "head of a turn": written("<|im_start|>assistant\n", "<|im_end|>"),
    "llama's head": written("<|start_header_id|>assistant<|end_header_id|>\n\n"),
    "blank lines": written("\n\n  ", "\n\n"),
}
REWORDED: dict[str, Quirk] = {
    "quotation marks": written('"', '"'),
    "typographic marks": written("“", "”"),
    "guillemets": written("« ", " »"),
    "bold": written("**", "**"),
    "fence": written("```\n", "\n```"),
    "introduction": written("Sure! Here is a rephrased version:\n\n"),
    "introduction and marks": written('Here is the message in other words: "', '"'),
    "introduction, marks and a note": written('Sure, here you go:\n\n"', '"\n\nI kept it short and friendly.'),
    "bold introduction": written("**Rephrased message:**\n"),
    "label": written("Reworded: "),
    "thoughts and introduction": written(f"<think>{THOUGHTS}</think>\nRephrased:\n"),
}

# The form of the answer.

FORMS: dict[str, Quirk] = {
    "no first choice": sent(
        lambda text: events(
            {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}, *deltas(text), delta("stop")
        )
    ),
    "choice without delta": sent(
        lambda text: events(
            *deltas(text),
            {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]},
            delta("stop"),
        )
    ),
    "null delta": sent(
        lambda text: events(*deltas(text), {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]})
    ),
    "null content": sent(
        lambda text: events(delta(role="assistant", content=None), *deltas(text), delta("stop", content=None))
    ),
    "message in the stream": sent(
        lambda text: events(
            *deltas(text), {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}
        )
    ),
    "list of parts": sent(
        lambda text: events(*[delta(content=[{"type": "text", "text": piece}]) for piece in pieces(text)]),
        lambda text: whole({"content": [{"type": "text", "text": text[:9]}, {"type": "text", "text": text[9:]}]}),
    ),
    "parts that think": sent(
        lambda text: events(
            delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHTS}]}]),
            *deltas(text),
        ),
        lambda text: whole(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHTS}]},
                    {"type": "reasoning", "text": THOUGHTS},
                    {"type": "text", "text": text},
                ]
            }
        ),
    ),
    "thoughts in a field": sent(
        lambda text: events(*deltas(THOUGHTS, "reasoning_content"), *deltas(text), delta("stop")),
        lambda text: whole({"content": text, "reasoning_content": THOUGHTS}),
    ),
    "finish null": sent(lambda text: events(*deltas(text)), lambda text: whole({"content": text}, None)),
    "finish empty": sent(lambda text: events(*deltas(text), delta("")), lambda text: whole({"content": text}, "")),
    "another finish": sent(
        lambda text: events(*deltas(text), delta("eos_token")), lambda text: whole({"content": text}, "end_turn")
    ),
    "no [DONE]": sent(lambda text: events(*deltas(text), delta("stop"), end="")),
    "neither finish nor [DONE]": sent(lambda text: events(*deltas(text), end="")),
    "no last blank line": sent(lambda text: events(*deltas(text), delta("stop"), end="data: [DONE]")),
    "comments": sent(
        lambda text: events(
            ": OPENROUTER PROCESSING\n\n", ":\n\n", *deltas(text), ": keep-alive\n\n", delta("stop")
        )
    ),
    "blank lines before": sent(
        lambda text: events("\n\n", *deltas(text)),
        lambda text: Answer(b"\n   \n\n" + completion(text).body),
    ),
    "no blank lines between": sent(
        lambda text: events(*[f"data: {json.dumps(event)}\n" for event in deltas(text)])
    ),
    "no blank after the colon": sent(
        lambda text: events(*[f"data:{json.dumps(event)}\n\n" for event in deltas(text)], end="data:[DONE]\n\n")
    ),
    "carriage returns": sent(
        lambda text: events(
            *[f"data: {json.dumps(event)}\r\n\r\n" for event in deltas(text)], end="data: [DONE]\r\n\r\n"
        )
    ),
    "names and numbers of events": sent(
        lambda text: events(
            *[f"event: message\nid: 7\nretry: 10\ndata: {json.dumps(event)}\n\n" for event in deltas(text)]
        )
    ),
    "events of other kinds": sent(
        lambda text: events({"type": "ping"}, *deltas(text), {"x_groq": {"id": "r"}}, delta("stop"))
    ),
    "data over lines": sent(
        lambda text: events(
            *["data: " + json.dumps(event, indent=1).replace("\n", "\ndata: ") + "\n\n" for event in deltas(text)]
        )
    ),
    "another content type": sent(
        lambda text: events(*deltas(text), content_type="text/plain"),
        lambda text: Answer(completion(text).body, headers={"Content-Type": "text/plain; charset=iso-8859-1"}),
    ),
    "indented": sent(
        lambda text: streamed(pieces(text)),
        lambda text: Answer(json.dumps(json.loads(completion(text).body), indent=2).encode()),
    ),
    "in one piece": sent(completion),
    "streamed unasked": sent(lambda text: streamed(pieces(text)), lambda text: streamed(pieces(text))),
    "usage in each event": sent(
        lambda text: events(
            *[{**event, "usage": {"prompt_tokens": 9, "completion_tokens": 2}} for event in deltas(text)],
            delta("stop"),
        ),
        lambda text: whole({"content": text}),
    ),
    "odd usage": sent(
        lambda text: events(*[{**event, "usage": "none"} for event in deltas(text)]),
        lambda text: Answer(
            json.dumps({**json.loads(whole({"content": text}).body), "usage": {"prompt_tokens": None}}).encode()
        ),
    ),
    "no errors": sent(
        lambda text: events(*[{**event, "error": None} for event in deltas(text)]),
        lambda text: Answer(json.dumps({**json.loads(completion(text).body), "error": None}).encode()),
    ),
}


def unless(name: str, message: str, **fields: Any) -> Quirk:
    return refusing(lambda request: refusal(message, **fields) if name in request else None)


def without_system(*args: Any, **fields: Any) -> Quirk:
    def refused(request: Mapping[str, Any]) -> Answer | None:
        roles = [message["role"] for message in request["messages"]]
        alternate = all(role == ("user", "assistant")[place % 2] for place, role in enumerate(roles))
        return None if alternate else refusal(*args, **fields)

    return refusing(refused)


def thinking_model(request: Mapping[str, Any]) -> Answer | None:
    """As OpenAI's o-series and gpt-5."""
    if "max_tokens" in request:
        return refusal(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    if request.get("temperature", 1) != 1:
        return refusal(
            "Unsupported value: 'temperature' does not support 0.0 with this model. "
            "Only the default (1) value is supported.",
            param="temperature",
            code="unsupported_value",
        )
    assert request["max_completion_tokens"] >= 80
    return None


def validated(name: str, **fields: Any) -> Answer:
    """FastAPI's refusal, which sends back what it was sent."""
    fault = {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted", **fields}
    return Answer(json.dumps({"detail": [fault]}).encode(), 422)


REFUSALS: dict[str, Quirk] = {
    "max_tokens and temperature": refusing(thinking_model),
    "max_tokens": unless("max_tokens", "max_tokens is deprecated: use max_completion_tokens"),
    "any limit": refusing(
        lambda request: (
            refusal("max_tokens and max_completion_tokens are not supported")
            if {"max_tokens", "max_completion_tokens"} & set(request)
            else None
        )
    ),
    "temperature": unless("temperature", "`temperature` is deprecated for this model."),
    "temperature, by its name alone": unless("temperature", "Bad value.", param="temperature"),
    "stream_options": unless("stream_options", "Extra inputs are not permitted, field: 'stream_options'"),
    "stream_options, validated": refusing(
        lambda request: validated("stream_options") if "stream_options" in request else None
    ),
    "stream_options, Google": refusing(
        lambda request: (
            Answer(
                json.dumps(
                    [
                        {
                            "error": {
                                "code": 400,
                                "message": 'Invalid JSON payload received. Unknown name "stream_options"',
                            }
                        }
                    ]
                ).encode(),
                400,
            )
            if "stream_options" in request
            else None
        )
    ),
    "stream": unless("stream", "Your organization must be verified to stream this model.", param="stream"),
    "stream, not implemented": unless("stream", "Not implemented.", status=501),
    "system": without_system("System role not supported"),
    "system, by its place": without_system(
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        param="messages[0].role",
    ),
    "system, in the template": without_system(
        "Error rendering prompt with jinja template: Conversation roles must alternate user/assistant/user/…", 500
    ),
    "system, Google": without_system("Developer instruction is not enabled for models/gemma-3-27b-it"),
    "system, as text": refusing(
        lambda request: (
            Answer(
                b"Failed to deserialize the JSON body: messages[0].role: unknown variant `system`",
                422,
                {"Content-Type": "text/plain"},
            )
            if request["messages"][0]["role"] == "system"
            else None
        )
    ),
    "all, one after the other": refusing(
        lambda request: next(
            (
                refusal(f"unknown field `{name}`")
                for name in (
                    "response_format",
                    "temperature",
                    "max_tokens",
                    "max_completion_tokens",
                    "stream_options",
                )
                if name in request
            ),
            None,
        )
    ),
    "all, unnamed": refusing(
        lambda request: refusal("Bad request") if set(request) > {"model", "messages"} else None
    ),
    "an error in the answer": refusing(
        lambda request: (
            Answer(json.dumps({"error": {"message": "temperature: not permitted", "code": 400}}).encode())
            if "temperature" in request
            else None
        )
    ),
}


@pytest.mark.parametrize("live", [False, True], ids=["plain", "live"])
@for_each("quirk", REWORDED)
def test_a_reworded_draft_is_said_without_what_stands_around_it(
    endpoint: Endpoint, quirk: Quirk, live: bool
) -> None:
    endpoint.requests.clear()
    endpoint.answer = lambda request: quirk(request, SAID)
    (reply,) = replies(composer(endpoint), live)
    assert (reply.text, reply.source, reply.reasons) == (SAID, "llm", ())
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
@pytest.mark.parametrize("live", [False, True], ids=["plain", "live"])
@for_each("quirk", {**TEXTS, **FORMS})
def test_a_fit_answer_is_said_in_whatever_form_it_comes(
    endpoint: Endpoint, quirk: Quirk, live: bool, mode: str
) -> None:
    endpoint.requests.clear()
    endpoint.answer = lambda request: quirk(request, JSON if mode == "compose" else SAID)
    (reply,) = replies(composer(endpoint, mode=mode), live)
    assert (reply.text, reply.source, reply.reasons) == (SAID, "llm", ())
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
@pytest.mark.parametrize("live", [False, True], ids=["plain", "live"])
@for_each("quirk", REFUSALS)
def test_what_an_endpoint_refuses_is_left_out_and_it_is_asked_for_it_only_once(
    endpoint: Endpoint, quirk: Quirk, live: bool, mode: str
) -> None:
    endpoint.requests.clear()
    endpoint.answer = lambda request: quirk(request, JSON if mode == "compose" else SAID)
    composing = composer(endpoint, mode=mode)
    first, *others = replies(composing, live, 3)
    assert {(reply.text, reply.source) for reply in (first, *others)} == {(SAID, "llm")}
    last, *before = [request["body"] for request in reversed(endpoint.requests)]
    assert before[0] == before[1] == last, "the later ones are taken at once"
    for message in endpoint.requests[0]["body"]["messages"]:
        assert message["content"] in json.dumps(last, ensure_ascii=False) or message["content"] in "\n".join(
            asked["content"] for asked in last["messages"]
        ), "nothing of the chat is lost"


# Models that think.


@pytest.mark.parametrize("live", [False, True], ids=["plain", "live"])
def test_a_model_whose_thoughts_take_all_the_tokens_gets_room_for_them(endpoint: Endpoint, live: bool) -> None:
    def answer(request: Mapping[str, Any]) -> Answer:
        if request["max_tokens"] >= ROOM_FOR_THOUGHTS:
            return written(f"<think>{THOUGHTS}</think>")(request, SAID)
        if request.get("stream"):
            return events(*deltas(THOUGHTS, "reasoning"), delta("length"))
        return whole({"content": "", "reasoning": THOUGHTS}, "length")

    endpoint.answer = answer
    first, second = replies(composer(endpoint), live, 2)
    assert first.source == second.source == "llm"
    assert [request["body"]["max_tokens"] for request in endpoint.requests] == [
        80,
        80 + ROOM_FOR_THOUGHTS,
        80 + ROOM_FOR_THOUGHTS,
    ]


@pytest.mark.parametrize("live", [False, True], ids=["plain", "live"])
@for_each(
    "answer, reason",
    [
        (written(f"<think>{THOUGHTS} ")({}, SAID), "llm.empty"),
        (whole({"content": None, "reasoning_content": SAID}), "llm.empty"),
        (whole({"content": None, "tool_calls": [{"id": "1", "type": "function"}]}, "tool_calls"), "llm.empty"),
        (whole({"content": SAID}, "content_filter"), "llm.filtered"),
        (whole({"content": SAID}, "MAX_TOKENS"), "llm.truncated"),
        (whole({"content": SAID}, "error"), "llm.failed"),
        (events(*deltas("I am sorry about"), end=""), "llm.truncated"),
        (events(*deltas(FIRST), {"error": {"message": "overloaded", "code": 502}}), "llm.status_502"),
        (events("event: error\n", {"message": "overloaded"}), "llm.failed"),
        (Answer(b'{"error": {"message": "model overloaded"}}'), "llm.failed"),
        (Answer(b'{"error": "overloaded"}'), "llm.failed"),
        (Answer(b"[]"), "llm.malformed"),
        (Answer(b""), "llm.malformed"),
        (Answer(b'{"choices": "none"}'), "llm.malformed"),
        (Answer(b'{"choices": [7]}'), "llm.malformed"),
        (Answer(b"data: 7\n\n"), "llm.malformed"),
        (events('data: {"choices"\n\n'), "llm.malformed"),
    ],
)
def test_what_is_no_answer_is_not_said(endpoint: Endpoint, answer: Answer, reason: str, live: bool) -> None:
    endpoint.script = [answer]
    composing = composer(endpoint)
    (reply,) = replies(composing, live)
    assert reply.source in ("template", "both")
    assert reply.reasons == (reason,)


def test_thoughts_of_a_model_that_does_not_begin_them_are_held_back_from_its_second_answer_on(
    endpoint: Endpoint,
) -> None:
    endpoint.answer = lambda request: streamed(pieces(f"{FIRST} Or not. </think>{SAID}", 9))
    client = LLMClient(LLMSettings(base_url=endpoint.base_url, model="tiny"))

    async def texts() -> list[str]:
        return [text async for text in client.stream([{"role": "user", "content": "Hi."}])]

    first, second = asyncio.run(texts()), asyncio.run(texts())
    assert first[-1] == second[-1] == SAID
    assert any(text.startswith(f"{FIRST} Or") for text in first)
    assert all(SAID.startswith(text) for text in second)


@pytest.mark.parametrize("live", [False, True], ids=["plain", "live"])
def test_an_error_in_a_stream_is_answered_by_asking_once_for_one_piece(endpoint: Endpoint, live: bool) -> None:
    broken = events({"error": {"message": "overloaded", "code": 500}})
    endpoint.answer = lambda request: broken if request.get("stream") else completion(SAID)
    assert [reply.source for reply in replies(composer(endpoint), live, 2)] == ["llm"] * 2
    assert ["stream" in request["body"] for request in endpoint.requests] == (
        [True, False] * 2 if live else [False] * 2
    ), "an error that may pass is not remembered"


# What the log tells.


@pytest.mark.parametrize(
    "refused",
    [
        refusal(f"Unsupported parameter: 'best_of'. You sent: {SECRET}"),
        refusal("Unsupported parameter: 'best_of'.", param=f"messages: {SECRET}"),
        validated("best_of", input={"messages": [{"content": SECRET}]}, msg="Unsupported parameter: 'best_of'"),
        Answer(f"Unsupported parameter: 'best_of', got [{{'content': '{SECRET}'}}]".encode(), 400),
        Answer(json.dumps({"error": "Unsupported parameter: 'best_of'", "request": SECRET}).encode(), 400),
    ],
)
def test_the_servers_explanation_is_logged_without_the_prompt(
    endpoint: Endpoint, refused: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "emotionlayer_rasa")
    endpoint.script = [refused]
    (reply,) = replies(composer(endpoint), False)
    assert reply.reasons == (f"llm.status_{refused.status}",)
    assert "best_of" in caplog.text
    assert not set(re.findall(r"\w+", caplog.text)) & set(SECRET.split()[1:])


def test_a_server_that_sends_the_whole_prompt_back_gets_none_of_it_into_the_log(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_LLM_KEY", "k-12345-abc")
    caplog.set_level(logging.DEBUG, "emotionlayer_rasa")

    def echo(request: Mapping[str, Any]) -> Answer:
        chat = json.dumps(request["messages"])
        return refusal(f"This model's maximum context length is 9 tokens (key k-12345-abc). Your messages: {chat}")

    endpoint.answer = echo
    replies(composer(endpoint, api_key_env="SHOP_LLM_KEY"), False)
    assert "maximum context length is 9 tokens" in caplog.text
    assert "12345" not in caplog.text
    (request, *_) = endpoint.requests
    for message in request["body"]["messages"]:
        words = message["content"].split()
        for start in range(len(words) - 4):
            assert " ".join(words[start : start + 5]) not in caplog.text


def test_our_own_faults_are_named_in_the_log_and_are_not_held_against_the_endpoint(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    client = LLMClient(LLMSettings(base_url=endpoint.base_url, model="tiny", breaker_failures=1))

    async def ask(messages: Any) -> str:
        return await client.complete(messages)

    for _ in range(2):
        with pytest.raises(LLMError) as caught:
            asyncio.run(ask([{"role": "user", "content": {SECRET}}]))  # a set, which is no JSON
        assert (caught.value.kind, caught.value.code) == ("internal", "llm.internal")
    assert "TypeError" in caplog.text
    assert ".py:" in caplog.text
    assert SECRET not in caplog.text
    assert asyncio.run(ask([{"role": "user", "content": SECRET}])) == "Hello."
