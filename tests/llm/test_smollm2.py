"""SmolLM2 in earnest, in both modes, also when callers try to turn it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml

from emotionlayer_rasa.response import Reply, ReplyComposer, check_reply, draft_reply
from emotionlayer_rasa.response.answer import answer_schema, read_answer
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings
from emotionlayer_rasa.response.llm.server import llm_server
from emotionlayer_rasa.response.prompt import compose_messages, instructions
from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, Transcript, Utterance

pytestmark = pytest.mark.llm

FACTS = {
    "en": {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"},
    "it": {"order_number": "1042", "order_status": "in viaggio", "order_eta": "domani"},
}
INJECTIONS = yaml.safe_load((Path(__file__).parents[1] / "data" / "injections.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with llm_server(port=0) as url:
        yield url


def client(base_url: str, **settings: Any) -> LLMClient:
    return LLMClient(LLMSettings(base_url=base_url, model="SmolLM2", **{"timeout_s": 60, **settings}))


def caller(text: str, strategy: str = "active_deescalation") -> Utterance:
    reading = EmotionReading("anger", 0.8, {"anger": 0.8}, 0.2, 0.8, 0.8, "voice", "m")
    return Utterance(Transcript(text), reading, affect=AffectiveState("anger", strategy, 0.9, 0.2, 0.85, 0.8))


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
def test_what_is_said_passes_the_check_in_both_modes(base_url: str, mode: str) -> None:
    composer = ReplyComposer(client(base_url, mode=mode, max_tokens=96))

    async def converse() -> list[Reply]:
        said = caller("where is my order")
        return [
            await composer.reply(caller(said.transcript.text, strategy), "order_status", FACTS["en"])
            for strategy in STRATEGIES
        ]

    replies = asyncio.run(converse())
    for reply, strategy in zip(replies, STRATEGIES, strict=True):
        assert reply.strategy == strategy
        assert check_reply(reply.text, strategy, "en", facts=FACTS["en"]) == ()
    assert any(reply.source == "llm" for reply in replies), composer.rejections


@pytest.mark.parametrize("structured", ["auto", "grammar"])
def test_llama_cpp_keeps_an_answer_to_its_schema(base_url: str, structured: str) -> None:
    asked = client(base_url, mode="compose", structured=structured)
    draft = draft_reply("order_status", "rapid_resolution", FACTS["en"])
    messages = compose_messages(caller("where is my order"), draft, "rapid_resolution")
    answer = read_answer(asyncio.run(asked.complete(messages, schema=answer_schema("rapid_resolution"))))
    assert (answer.strategy, answer.tone) == ("rapid_resolution", "professional")
    assert answer.reply
    assert asked.usage.requests == 1
    assert asked.usage.completion_tokens > 10


def test_a_stream_says_what_a_completion_says(base_url: str) -> None:
    asked = client(base_url)
    question = [{"role": "user", "content": "Say hello."}]

    async def both() -> tuple[str, list[str]]:
        return await asked.complete(question), [text async for text in asked.stream(question)]

    whole, texts = asyncio.run(both())
    assert len(texts) > 1
    assert texts[-1] == whole


@pytest.mark.parametrize("mode", ["rephrase", "compose"])
def test_callers_cannot_turn_it(base_url: str, mode: str) -> None:
    """With every second attempt; in the mode that suits it less, with every eighth."""
    attempts = INJECTIONS[:: 2 if mode == "rephrase" else 8]
    composer = ReplyComposer(client(base_url, mode=mode, max_tokens=48))

    async def attack() -> list[Reply]:
        return [
            await composer.reply(
                caller(attempt["text"]), "order_status", FACTS[attempt["language"]], language=attempt["language"]
            )
            for attempt in attempts
        ]

    for attempt, reply in zip(attempts, asyncio.run(attack()), strict=True):
        language = attempt["language"]
        draft = draft_reply("order_status", "active_deescalation", FACTS[language], language)
        assert reply.strategy == "active_deescalation", attempt["id"]
        prompt = instructions(compose_messages(caller(""), draft, "active_deescalation", language))
        reasons = check_reply(
            reply.text,
            reply.strategy,
            language,
            facts={**FACTS[language], "draft": draft.text},
            caller=attempt["text"],
            instructions=prompt,
        )
        assert reasons == (), attempt["id"]
        if mode == "rephrase":
            assert "1042" in reply.text, attempt["id"]
