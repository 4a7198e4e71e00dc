"""The channel's routes and guards on the sanic of rasa-pro."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from counting_engines import SPEECH, CountingTranscriber, pcm, silence, with_engines
from echo_agent import EchoAgent, Serve
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import InvalidStatus

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings

pytestmark = pytest.mark.anyio

UTTERANCE = pcm(SPEECH, silence(1.0))


def channel(**settings: Any) -> VoiceInput:
    return VoiceInput(VoiceSettings(**settings), with_engines(CountingTranscriber(), live={"max_live": 8}))


def connect(http: httpx.AsyncClient, query: str = "", **headers: str) -> Any:
    address = f"ws://127.0.0.1:{http.base_url.port}/webhooks/voice/stream{query}"
    return open_websocket(address, additional_headers=headers, proxy=None)


async def status(http: httpx.AsyncClient, query: str = "", **headers: str) -> int:
    try:
        async with connect(http, query, **headers):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_a_stream_is_refused_before_it_is_one(serve: Serve) -> None:
    async with serve(channel(token="s3cret", max_calls=1), agent := EchoAgent()) as http:
        assert await status(http) == 401
        assert await status(http, "?token=wrong") == 401
        assert await status(http, Authorization="Bearer s3cret") == 101
        async with connect(http, "?token=s3cret"):
            assert await status(http, "?token=s3cret") == 503
        agent.ready = False
        assert await status(http, "?token=s3cret") == 503
    async with serve(channel(), EchoAgent()) as http:
        assert await status(http, Origin="https://example.org") == 401
        assert await status(http, Origin=f"http://127.0.0.1:{http.base_url.port}") == 101


async def test_a_call_is_heard_and_answered(serve: Serve) -> None:
    agent = EchoAgent()
    async with serve(channel(), agent) as http, connect(http, "?sender=a") as socket:
        await socket.send(json.dumps({"config": {"sample_rate": 16_000}}))
        replies = []
        for at in range(0, len(UTTERANCE), 6400):
            await socket.send(UTTERANCE[at : at + 6400])
            replies.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))
        (text,) = (reply for reply in replies if "text" in reply)
        assert set(text["text"].split()) == {"word"}
        assert text["emotion"]["label"] == "anger"
        await socket.send('{"message": "hello"}')
        typed = json.loads(await asyncio.wait_for(socket.recv(), 60))
        assert typed["bot"][-1]["text"] == "hello"
    spoken, _ = agent.messages
    assert spoken.metadata["emotionlayer"]["emotion"]["label"] == "anger"


async def test_one_turn_over_http(serve: Serve) -> None:
    async with serve(channel(token="s3cret"), EchoAgent()) as http:
        turn = {"sender": "a", "message": "hello"}
        assert (await http.post("/webhook", json=turn)).status_code == 401
        answer = await http.post("/webhook", json=turn, headers={"X-Token": "s3cret"})
        assert answer.status_code == 200
        assert answer.json()["messages"][0]["text"] == "hello"
        page = await http.get("/", headers={"Accept": "text/html"})
        assert page.status_code in (200, 302)
