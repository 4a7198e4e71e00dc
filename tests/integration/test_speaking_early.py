"""The first sentence of a reply spoken early, and an assistant that speaks unasked, through real servers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Iterator, Mapping

import pytest
from llm_endpoint import Answer, Endpoint, streamed
from test_live_call import address, calling, off_loop

if TYPE_CHECKING:
    from conftest import Assistant

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def reworded(request: Mapping[str, Any]) -> Answer:
    """The draft, word by word, with a pause after its first sentence and a word."""
    words = request["messages"][-1]["content"].rsplit("Draft:", 1)[1].split()
    first = next(number for number, word in enumerate(words, 1) if word.endswith("."))
    return streamed([f"{word} " for word in words], pause_after=first + 1)


@pytest.fixture
def slow_model(assistant: Assistant) -> Iterator[Endpoint]:
    """A language model that writes the first sentence, and the rest when its gate is opened."""
    endpoint = Endpoint(assistant.llm_port)
    endpoint.answer = reworded
    threading.Thread(target=endpoint.serve_forever, args=(0.05,), daemon=True).start()
    yield endpoint
    endpoint.gate.set()
    endpoint.closing.set()
    endpoint.shutdown()
    endpoint.server_close()


async def test_the_first_sentence_is_heard_while_the_model_writes_the_rest(
    assistant: Assistant, slow_model: Endpoint
) -> None:
    async with calling(address(assistant), sender="early", speech="pcm16") as client:
        await client.send(message="/session_start")
        await client.answers(1)
        await client.until(lambda _: any(piece.get("end") for piece in client.named("speech")))
        told, heard = len(client.events), len(client.audio)
        await client.send(message="hello there")
        await client.until(lambda events: any("end" in event.get("speech", {}) for event in events[told:]))
        early = client.events[told:]
        first, end = (event["speech"] for event in early if "speech" in event)
        assert (first["id"], end["id"], end["end"]) == (2, 2, True)
        assert not [event for event in early if "bot" in event]
        assert len(client.audio) > heard
        assert slow_model.at_once == 1, "the model is still writing"
        slow_model.gate.set()

        await client.answers(2)
        (reply,) = client.named("bot")[1:]
        assert reply["custom"]["source"] == "llm"
        await client.until(
            lambda _: client.named("speech")[-1] == {**client.named("speech")[-1], "id": 3, "end": True}
        )
        spoken = [event["speech"] for event in client.events[told:] if "sentence" in event.get("speech", {})]
        assert [piece["id"] for piece in spoken] == [2] + [3] * (len(spoken) - 1)
        assert " ".join(piece["sentence"] for piece in spoken) == reply["text"]
        assert spoken[0]["sentence"] == first["sentence"]
    (turn,) = [turn for turn in await off_loop(assistant.turns, "early") if turn["text"] == "hello there"]
    late = await off_loop(lambda: assistant.http.post(turn["metadata"]["early_speech"]["url"], json={"text": "a"}))
    assert (late.status_code, late.json()["error"]["code"]) == (404, "request.unknown_call")
    assert len(slow_model.requests) == 1
    logs = "".join((assistant.logs / log).read_text(errors="replace") for log in ("rasa.log", "actions.log"))
    assert first["sentence"] not in logs


async def test_the_assistant_speaks_first(assistant: Assistant) -> None:
    def trigger(channel: str) -> dict[str, Any]:
        answer = assistant.http.post(
            f"/conversations/unasked/trigger_intent?output_channel={channel}", json={"name": "greet"}
        )
        return answer.raise_for_status().json()

    async with calling(address(assistant), sender="unasked", speech="pcm16") as client:
        await client.send(message="hello there")  # after which Rasa knows the latest channel
        await client.answers(1)
        began = len(client.named("bot"))
        for count, channel in enumerate(("voice", "latest"), began + 1):
            answer = await off_loop(trigger, channel)
            assert answer["messages"] == []
            greeting = (await client.have("bot", count))[-1]
            await client.until(
                lambda _, id=count: any(piece["id"] == id and piece.get("end") for piece in client.named("speech"))
            )
            pieces = [piece for piece in client.named("speech") if piece["id"] == count and "sentence" in piece]
            assert " ".join(piece["sentence"] for piece in pieces) == greeting["text"]
    said = [
        event["text"]
        for event in (await off_loop(assistant.tracker, "unasked"))["events"]
        if event["event"] == "bot"
    ]
    assert said == [message["text"] for message in client.named("bot")]

    without_call = await off_loop(trigger, "voice")
    assert without_call["messages"][0]["text"]
    assert "voice.message.no_call" in (assistant.logs / "rasa.log").read_text(errors="replace")
