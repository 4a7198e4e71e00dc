"""A person really takes over: a call through real servers that is passed on, comes back, and is hung up."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import websockets
from test_live_call import Telephone, address, calling, off_loop, spoken

from emotionlayer_rasa.utterance import METADATA_KEY

if TYPE_CHECKING:
    from conftest import Assistant

pytestmark = pytest.mark.anyio

TO = "+39025550199"  # as conftest.py gives it to the server
NOBODY = "I am sorry, nobody could take your call just now. You can go on with me, or call again later."


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def said(assistant: Assistant, sender: str) -> list[str]:
    return [event["text"] for event in assistant.tracker(sender)["events"] if event["event"] == "bot"]


async def line(phone: Telephone) -> None:
    """Nobody speaks, and the telephone goes on to send."""
    while not phone.reading.done():
        await phone.send({"event": "media", "media": {"track": "inbound", "payload": "/////w=="}})
        await asyncio.sleep(0.1)


async def test_a_caller_who_asks_for_a_person_is_put_through_and_comes_back(
    assistant: Assistant, data: Path
) -> None:
    url = address(assistant).replace("/stream", "/twilio")
    phone = Telephone(assistant.http)
    parameters = await off_loop(phone.incoming, "anonymous")
    sender = parameters["sender"]
    async with websockets.connect(url, max_size=None) as socket:
        await phone.dial(socket, parameters)
        await phone.until("mark", 2)
        with contextlib.suppress(websockets.ConnectionClosedOK):  # it may be passed on while silence is still sent
            await phone.speak(spoken(data / "en_person.flac"))
        await asyncio.wait_for(asyncio.gather(line(phone), phone.reading, return_exceptions=True), 300)
        assert socket.close_code == 1000
    (dial,) = await off_loop(lambda: phone.post("?ended=1"))
    assert (dial.tag, dial[0].tag, dial[0].text) == ("Dial", "Number", TO)
    assert (await off_loop(assistant.slots, sender))["escalated"] is True
    told = (await off_loop(said, assistant, sender))[-1]
    assert any(word in told for word in ("putting you through", "connect you", "passing your call on"))

    back = dial.attrib["action"].partition("?")[2]
    twiml = await off_loop(lambda: phone.post(f"?{back}", DialCallStatus="no-answer"))
    parameters = {item.attrib["name"]: item.attrib["value"] for item in twiml.iter("Parameter")}
    assert parameters["sender"] == sender
    async with websockets.connect(url, max_size=None) as socket:
        heard = len(phone.played)
        await phone.dial(socket, parameters)
        for _ in range(300):
            if not (await off_loop(assistant.slots, sender))["escalated"]:
                break
            await asyncio.sleep(0.2)
        assert (await off_loop(said, assistant, sender))[-1] == NOBODY
        await phone.quiet()
        assert len(phone.played) / 8000 > heard / 8000 + 3
        await phone.speak(spoken(data / "en_order.flac"))
        for _ in range(300):
            turns = await off_loop(assistant.turns, sender)
            if "order" in turns[-1]["text"].lower():
                break
            await asyncio.sleep(0.2)
        await phone.send({"event": "stop", "stop": {"callSid": phone.call}})
        await asyncio.wait_for(phone.reading, 30)
    turns = await off_loop(assistant.turns, sender)
    assert "order" in turns[-1]["text"].lower()
    assert turns[-1]["metadata"][METADATA_KEY]["emotion"]["source"] == "voice", "no person has taken over"


async def test_a_goodbye_ends_the_call(assistant: Assistant) -> None:
    async with calling(address(assistant), sender="says-goodbye", speech="pcm16") as client:
        await client.send(message="/goodbye")
        (goodbye, *_) = [message for message in await client.have("bot", 2) if "custom" in message][-1:]
        assert "oodbye" in goodbye["text"]
        assert goodbye["custom"]["call"] == "hang_up"
        await asyncio.wait_for(client.reading, 60)
        assert client.socket.close_code == 1000
        assert client.audio
    assert (await off_loop(assistant.actions, "says-goodbye")) == ["action_end_call"]


async def test_a_goodbye_that_is_typed_ends_nothing(assistant: Assistant) -> None:
    (answer,) = [
        message for message in await off_loop(assistant.rest, "/goodbye", "types-goodbye") if "text" in message
    ][-1:]
    assert "oodbye" in answer["text"]
    assert not any(
        "call" in (message.get("custom") or {})
        for message in await off_loop(assistant.rest, "/goodbye", "types-goodbye")
    )
