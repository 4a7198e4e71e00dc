"""What counts as an answer, and what an endpoint is to blame for."""

from __future__ import annotations

import asyncio
import json

from cases import for_each
from llm_endpoint import Answer, Endpoint, completion, delta, events

from emotionlayer_rasa.errors import LLMError
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings

SAID = "You are most welcome."
CHAT = [{"role": "user", "content": "thanks"}]


def asked(endpoint: Endpoint, answer: Answer, live: bool = False, times: int = 1) -> list[str]:
    """What comes of a question, asked again and again: the answer, or the kind of the error."""
    endpoint.script = [answer] * times
    client = LLMClient(LLMSettings(base_url=endpoint.base_url, model="tiny"))

    async def ask() -> str:
        try:
            if live:
                return [text async for text in client.stream(CHAT)][-1]
            return await client.complete(CHAT)
        except LLMError as error:
            return error.kind

    async def talk() -> list[str]:
        return [await ask() for _ in range(times)]

    return asyncio.run(talk())


@for_each("reason", ["insufficient_system_resource", "time_limit", "other"])
@for_each("live", [False, True])
def test_a_text_that_ends_half_way_for_another_reason_is_not_said(
    endpoint: Endpoint, reason: str, live: bool
) -> None:
    half = events(delta(content="You are"), delta(reason)) if live else completion("You are", reason)
    assert asked(endpoint, half, live)[0] in ("failed", "truncated")


@for_each("reason", ["stop", "end_turn", "eos_token", "COMPLETE", "something_new"])
def test_a_whole_text_is_said_whatever_the_reason_is_called(endpoint: Endpoint, reason: str) -> None:
    assert asked(endpoint, completion(SAID, reason)) == [SAID]


@for_each("sign", ["data: null\n\n", 'data: "ping"\n\n'])
def test_a_sign_of_life_is_passed_over(endpoint: Endpoint, sign: str) -> None:
    assert asked(endpoint, events(sign, delta(content=SAID), sign, delta("stop"), sign), live=True) == [SAID]


@for_each(
    "error",
    [
        {"code": "content_filter", "message": "The response was filtered due to the prompt."},
        {"message": "It triggered Azure OpenAI's content management policy."},
        {"message": "Your input was flagged by moderation."},
    ],
)
def test_a_filter_that_does_not_allow_the_chat_is_no_fault_of_the_endpoint(
    endpoint: Endpoint, error: dict[str, str]
) -> None:
    refused = Answer(json.dumps({"error": error}).encode(), status=400)
    before = len(endpoint.requests)
    assert asked(endpoint, refused, times=7) == ["filtered"] * 7
    assert len(endpoint.requests) - before == 7, "no other form of the chat is tried"


def test_without_credit_no_other_form_of_the_chat_is_tried(endpoint: Endpoint) -> None:
    broke = Answer(b'{"error": {"message": "Add credits, or ask for fewer max_tokens."}}', status=402)
    assert asked(endpoint, broke) == ["status"]
    assert len(endpoint.requests) == 1


@for_each(
    "written",
    [
        f"<think>Thanks.</think>\n<answer>\n{SAID}\n</answer>",
        f"<think>\nThanks.\n</think>\n\n<response>\n{SAID}\n</response>\n",
        f"<|START_THINKING|>Thanks.<|END_THINKING|><|START_RESPONSE|>{SAID}<|END_RESPONSE|>",
        f"<|inner_prefix|>Thanks.<|inner_suffix|>{SAID}",
        f"<|channel>thought\nThanks.<channel|>{SAID}",
        f"{SAID}[e~[",
    ],
)
@for_each("live", [False, True])
def test_what_models_that_think_put_around_their_answer_is_not_said(
    endpoint: Endpoint, written: str, live: bool
) -> None:
    pieces = [written[at : at + 3] for at in range(0, len(written), 3)]
    answer = events(*(delta(content=piece) for piece in pieces), delta("stop")) if live else completion(written)
    assert asked(endpoint, answer, live) == [SAID]
