"""Clients written after the sources of those who speak vosk-server's protocol: none of them knows of Rasa."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from counting_engines import SPEECH, CountingTranscriber, pcm, silence, with_engines
from echo_agent import EchoAgent, Serve
from rasa.core.channels.channel import UserMessage
from test_stream import ask, connect

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings

pytestmark = pytest.mark.anyio

ANSWER = "It is on its way. Shall I send you the number?"


class AnsweringAgent(EchoAgent):
    """Answers in other words than it was told, as assistants do, and with an empty text in what nobody reads."""

    async def handle_message(self, message: UserMessage) -> None:
        await asyncio.sleep(0.3)
        self.messages.append(message)
        await message.output_channel.send_response(
            message.sender_id, {"text": ANSWER, "custom": {"note": "", "notes": ["", {"a": ""}]}}
        )


@pytest.fixture
def agent() -> AnsweringAgent:
    return AnsweringAgent()


def channel(**settings: Any) -> VoiceInput:
    return VoiceInput(VoiceSettings(**settings), with_engines(CountingTranscriber()))


def words(text: str) -> int:
    assert set(text.split()) == {"word"}, text
    return len(text.split())


WORDS = 10
"""At most this many are heard in the speech, which takes 4.15 s and has a second of silence behind it."""

BLOCK = 3200


class Module:
    """What the modules of Asterisk and FreeSWITCH share: sound and no configuration, and a look after each block
    whether something has come. What was sent meanwhile is not waited for."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.results: list[str] = []

    async def talk(self, sound: bytes) -> str:
        """Send sound and then silence, as a telephone does, until there is a result."""
        position, known = 0, len(self.results)
        while len(self.results) == known:
            block = sound[position : position + BLOCK]
            await self.socket.send(block.ljust(BLOCK, b"\0"))
            position += BLOCK
            with contextlib.suppress(asyncio.TimeoutError):
                self.take(await asyncio.wait_for(self.socket.recv(), 0.02))
            assert position < len(sound) + 1000 * BLOCK, "no result"
        return self.results[-1]

    def take(self, message: str) -> None:
        raise NotImplementedError


class AsteriskModule(Module):
    """res_speech_vosk.c: a text that is not empty is the result; no other key is read."""

    def take(self, message: str) -> None:
        if text := json.loads(message).get("text"):
            self.results.append(text)


class FreeSwitchModule(Module):
    """mod_vosk.c: the whole message is the result, unless it has an empty string somewhere. The dialplan takes it
    apart; this one passes over partial texts."""

    def take(self, message: str) -> None:
        if '""' not in message and "text" in json.loads(message):
            self.results.append(message)


async def test_asterisk_reads_text_alone_and_says_the_answer(serve: Serve, agent: AnsweringAgent) -> None:
    telephone = pcm(SPEECH[::2], silence(0.5))  # 8000 Hz, and no word of it
    async with serve(channel(stream={"answer_as_text": True}), agent) as http, connect(http) as socket:
        module = AsteriskModule(socket)
        assert await module.talk(telephone) == ANSWER
        assert await module.talk(telephone) == ANSWER
        await socket.send('{"eof" : 1}')
        await socket.close()
    assert words(agent.messages[0].text) <= WORDS


async def test_freeswitch_has_its_settings_in_the_address(serve: Serve, agent: AnsweringAgent) -> None:
    query = "?sender=channel-7&sample_rate=16000&answer_as_text=true"
    async with serve(channel(), agent) as http:
        for _ in range(2):
            async with connect(http, query) as socket:
                result = json.loads(await FreeSwitchModule(socket).talk(pcm(SPEECH, silence(1.0))))
            assert result["text"] == ANSWER
            assert result["bot"][0]["text"] == ANSWER
            assert words(result["heard"]) <= WORDS
    assert [message.sender_id for message in agent.messages] == ["channel-7"] * 2, "one conversation"


async def test_without_the_option_the_text_is_what_was_said(serve: Serve, agent: AnsweringAgent) -> None:
    async with serve(channel(stream={"sample_rate": 16_000}), agent) as http, connect(http) as socket:
        assert words(await AsteriskModule(socket).talk(pcm(SPEECH, silence(1.0)))) <= WORDS


async def test_a_message_that_comes_unasked_is_text_too(serve: Serve, agent: AnsweringAgent) -> None:
    voice = channel(stream={"answer_as_text": True})
    async with serve(voice, agent) as http, connect(http, "?sender=a") as socket:
        module = AsteriskModule(socket)
        await module.talk(pcm(SPEECH[::2], silence(0.5)))
        output = voice.get_output_channel()
        assert output is not None
        await output.send_response("a", {"text": "A reminder."})
        assert await module.talk(b"") == "A reminder."


@pytest.mark.parametrize("query", ["?sample_rate=7999", "?sample_rate=fast", "?answer_as_text=perhaps"])
async def test_a_wrong_address_is_refused_before_the_upgrade(
    serve: Serve, agent: AnsweringAgent, query: str
) -> None:
    async with serve(channel(), agent) as http:
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await connect(http, query)
        assert refused.value.status_code == 400
        answer = await http.get(f"/stream{query}")
        assert query[1:].split("=")[0] in answer.json()["error"]["message"]


async def test_jigasi_sends_messages_of_up_to_a_mebibyte(serve: Serve, agent: AnsweringAgent) -> None:
    """VoskTranscriptionService.java: a sample rate with a point, 48 kHz, ten seconds at a time."""
    sound = pcm(np.repeat(SPEECH, 3), silence(3 * 6.5))
    async with serve(channel(), agent) as http, connect(http) as socket:
        await socket.send('{"config": {"sample_rate": 48000.0 }}')
        reply = await ask(socket, sound[: 2**20])
        assert words(reply["text"]) <= WORDS
        await socket.send('{"eof" : 1}')
        assert "text" in json.loads(await socket.recv())
    async with serve(channel(), agent) as http, connect(http) as socket:
        await socket.send(b"\0" * (2**20 + 2))
        await socket.wait_closed()
        assert socket.close_code == 1009


async def lockstep(http: httpx.AsyncClient, messages: list[Any]) -> list[dict[str, Any]]:
    """Send one, read one; a configuration is not answered."""
    replies = []
    async with connect(http) as socket:
        for message in messages:
            if isinstance(message, dict):
                await socket.send(json.dumps(message))
            else:
                replies.append(await ask(socket, message))
    return replies


BLOCKS = [pcm(SPEECH, silence(1.0))[at : at + 8000] for at in range(0, 164_800, 8000)]


async def test_a_client_that_cuts_segments_itself_loses_no_words(serve: Serve, agent: AnsweringAgent) -> None:
    messages = [{"config": {"sample_rate": 16_000}}, *BLOCKS[:8], '{"reset" : 1}', *BLOCKS[8:], '{"eof" : 1}']
    async with serve(channel(), agent) as http:
        replies = await lockstep(http, messages)
    first = replies[8]
    assert 2 <= words(first["text"]) <= 4
    assert len(first["result"]) == words(first["text"])
    assert 2 <= sum(words(reply["text"]) for reply in replies[9:] if reply.get("text")) <= WORDS
    assert len(replies) == len(BLOCKS) + 2, "one reply a message"


async def test_what_vosk_server_ignores_is_ignored(serve: Serve, agent: AnsweringAgent) -> None:
    """Clients of it send keys that it does not know, and a configuration for each utterance."""
    config = {"config": {"sample_rate": 16_000, "num_channels": 1, "grammar": "x", "conf": {"a": [None]}}}
    late = {"config": {"sample_rate": 8000, "words": 0, "max_alternatives": 3}}
    async with serve(channel(), agent) as http:
        replies = await lockstep(http, [config, *BLOCKS[:4], late, *BLOCKS[4:], config, '{"eof" : 1}'])
    assert not [reply for reply in replies if "error" in reply or "alternatives" in reply]
    (text,) = [reply for reply in replies if reply.get("text")]
    assert words(text["text"]) == len(text["result"]) <= WORDS, "the first sample rate holds"


async def test_alternatives_come_as_vosk_server_gives_them(serve: Serve, agent: AnsweringAgent) -> None:
    """test_alternatives.py of vosk-server."""
    async with serve(channel(), agent) as http:
        messages = [{"config": {"sample_rate": 16_000, "max_alternatives": 3}}, *BLOCKS, '{"eof" : 1}']
        replies = await lockstep(http, messages)
    assert all(("partial" in reply) != ("alternatives" in reply) for reply in replies)
    assert not [reply for reply in replies if "text" in reply or "result" in reply]
    told, last = (reply["alternatives"] for reply in replies if "alternatives" in reply)
    (best,) = told
    assert words(best["text"]) == len(best["result"])
    assert best["confidence"] == 1.0
    assert all(set(word) == {"end", "start", "word"} for word in best["result"])
    assert last == [{"confidence": 1.0, "text": ""}]


async def test_a_stream_cut_anywhere_is_heard_as_a_whole(serve: Serve, agent: AnsweringAgent) -> None:
    sound = pcm(SPEECH, silence(1.0))
    pieces = [sound[at : at + 8001] for at in range(0, len(sound), 8001)]
    async with serve(channel(), agent) as http:
        replies = await lockstep(http, [{"config": {"sample_rate": 16_000}}, *pieces, '{"eof" : 1}'])
    assert len(replies) == len(pieces) + 1
    (text,) = [reply for reply in replies if reply.get("text")]
    assert words(text["text"]) <= WORDS
