"""What an action makes of a call once the caller has heard it: passed on to a person, or hung up."""

from __future__ import annotations

import asyncio
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from counting_engines import SPEECH, CountingTranscriber, pcm, silence, with_engines
from echo_agent import EchoAgent, Serve
from rasa.core.channels.channel import UserMessage
from rasa.core.lock_store import InMemoryLockStore
from rasa.shared.core.events import BotUttered, SlotSet
from rasa.shared.exceptions import InvalidConfigException
from test_early_speech import SPOKEN
from test_no_input import QuickSynthesizer
from test_stream import connect, next_with, send
from test_twilio import PATH, TOKEN, dial, incoming, signed

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings
from emotionlayer_rasa.channels.requests import read_metadata
from emotionlayer_rasa.channels.transfer import transfer_wording
from emotionlayer_rasa.channels.wires.media_streams import MediaStreamsRoute, MediaStreamsSettings
from emotionlayer_rasa.language import languages

pytestmark = pytest.mark.anyio

NOBODY = "I am sorry, nobody could take your call just now. You can go on with me, or call again later."
TO = "+39025550199"


@pytest.fixture(autouse=True)
def auth_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)


class Controlling(EchoAgent):
    """Answers every turn with one text and a payload; hands over where that passes the call on."""

    def __init__(self, **custom: Any) -> None:
        super().__init__()
        self.lock_store = InMemoryLockStore()
        self.custom = custom

    async def handle_message(self, message: UserMessage) -> None:
        self.messages.append(message)
        if self.custom.get("call") == "transfer":
            tracker = self.tracker_store.init_tracker(message.sender_id)
            tracker.update(SlotSet("escalated", True))
            await self.tracker_store.save(tracker)
        await message.output_channel.send_response(
            message.sender_id, {"text": "One moment.", "custom": self.custom}
        )


def channel(to: str | None = TO, **settings: Any) -> VoiceInput:
    account = MediaStreamsRoute(MediaStreamsSettings(public_url="https://mycompany.com"))
    transfer = {"transfer": {"to": to}} if to else {}
    listener = with_engines(CountingTranscriber(language="en"))
    return VoiceInput(VoiceSettings(**transfer, **settings), listener, QuickSynthesizer(), [account])


async def begin(http: httpx.AsyncClient, phone: Any, call: str = "CA1") -> dict[str, Any]:
    start = await incoming(http, call)
    await send(phone, event="start", start=start)
    return start


async def played(phone: Any) -> None:
    """What is spoken next was heard."""
    mark = await next_with(phone, "mark")
    await send(phone, event="mark", mark=mark["mark"])


async def sound(phone: Any) -> None:
    """A little of the line: a telephone never stops sending."""
    while not phone.closed:
        await send(phone, event="media", media={"payload": "/////w=="})
        await asyncio.sleep(0.05)


async def quiet(socket: Any) -> None:
    while not socket.closed:
        await socket.send(pcm(silence(0.1)))
        await asyncio.sleep(0.1)


async def told_back(http: httpx.AsyncClient, query: str, **form: str) -> ElementTree.Element:
    """What Twilio asks when a call that was passed on is over, and the TwiML that it gets."""
    form = {"CallSid": "CA1", "From": "+393331234567", **form}
    headers = {"X-Twilio-Signature": signed(f"https://mycompany.com{PATH}?{query}", form)}
    answer = await http.post(f"/twilio?{query}", data=form, headers=headers)
    assert answer.status_code == 200, answer.text
    return ElementTree.fromstring(answer.text)


async def test_a_call_is_passed_on_once_the_caller_has_heard_so(serve: Serve) -> None:
    agent = Controlling(call="transfer")
    async with serve(channel(), agent) as http:
        async with dial(http) as phone:
            await begin(http, phone)
            line = asyncio.create_task(sound(phone))
            await asyncio.wait_for(phone.wait_closed(), 30)
            assert phone.close_code == 1000
            line.cancel()
        (said,) = await told_back(http, "ended=1")
        (end,) = await told_back(http, "ended=1")
    assert agent.messages[0].metadata["emotionlayer_call"] == {"transfer": True}
    assert end.tag == "Hangup", "it is passed on once"
    assert (said.tag, [(where.tag, where.text) for where in said]) == ("Dial", [("Number", TO)])
    assert said.get("action") == f"https://mycompany.com{PATH}?passed_on=tel-CA1"
    assert said.get("timeout") == "20"


async def test_nothing_is_passed_on_while_the_caller_still_hears_us(serve: Serve) -> None:
    agent = Controlling(call="transfer", spoken="a " * 1000)  # two seconds
    async with serve(channel(), agent) as http, dial(http) as phone:
        await begin(http, phone)
        await next_with(phone, "media")
        line = asyncio.create_task(sound(phone))
        await asyncio.sleep(0.5)
        assert not phone.closed
        await asyncio.wait_for(phone.wait_closed(), 30)
        line.cancel()


@pytest.mark.parametrize(
    ("outcome", "taken"),
    [
        ({"DialCallStatus": "completed"}, True),
        ({"QueueResult": "bridged"}, True),
        ({"DialCallStatus": "no-answer"}, False),
        ({"DialCallStatus": "busy"}, False),
        ({"QueueResult": "queue-full"}, False),
        ({}, False),
    ],
)
async def test_who_was_answered_is_hung_up_and_who_was_not_comes_back(
    serve: Serve, outcome: dict[str, str], taken: bool
) -> None:
    async with serve(channel(), Controlling()) as http:
        twiml = await told_back(http, "passed_on=tel-CA1", **outcome)
    assert [verb.tag for verb in twiml] == (["Hangup"] if taken else ["Connect"])


async def test_who_comes_back_hears_the_truth_and_no_person_has_taken_over(serve: Serve) -> None:
    agent, voice = Controlling(call="transfer"), channel()
    async with serve(voice, agent) as http:
        async with dial(http) as phone:
            await begin(http, phone)
            line = asyncio.create_task(sound(phone))
            await asyncio.wait_for(phone.wait_closed(), 30)
            line.cancel()
        twiml = await told_back(http, "passed_on=tel-CA1", DialCallStatus="no-answer")
        parameters = {item.attrib["name"]: item.attrib["value"] for item in twiml.iter("Parameter")}
        assert parameters["sender"] == "tel-CA1"
        agent.custom = {}
        async with dial(http) as phone:
            media = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
            start = {"callSid": "CA1", "streamSid": "MZ2", "mediaFormat": media}
            await send(phone, event="start", start={**start, "customParameters": parameters})
            await played(phone)
            for _ in range(100):
                tracker = await agent.tracker_store.retrieve("tel-CA1")
                if tracker.get_slot("escalated") is False:
                    break
                await asyncio.sleep(0.05)
    assert tracker.get_slot("escalated") is False
    assert [event.text for event in tracker.events if isinstance(event, BotUttered)][-1] == NOBODY
    assert [message.text for message in agent.messages] == ["/session_start"], "it is the same session"
    synthesizer: Any = voice._synthesizer
    assert len(synthesizer.styles) == 3, "one sentence of ours, and two of the truth"


async def test_where_a_call_cannot_be_passed_on_it_goes_on_and_the_caller_is_told(serve: Serve) -> None:
    agent = Controlling(call="transfer")
    async with serve(channel(), agent) as http, connect(http) as socket:
        await send(socket, config={**SPOKEN, "sender": "web"})
        await send(socket, message="a person, please")
        said = (await next_with(socket, "bot"))["bot"]["text"]
        line = asyncio.create_task(quiet(socket))
        while said != NOBODY:
            said = (await next_with(socket, "bot"))["bot"]["text"]
        line.cancel()
        tracker = await agent.tracker_store.retrieve("web")
        assert not socket.closed
    assert tracker.get_slot("escalated") is False


@pytest.mark.parametrize(
    ("to", "verb", "noun"),
    [("queue:support", "Enqueue", None), ("sip:desk@pbx.example", "Dial", "Sip"), ("+391", "Dial", "Number")],
)
async def test_a_queue_an_address_or_a_number(serve: Serve, to: str, verb: str, noun: str | None) -> None:
    async with serve(channel(to), Controlling(call="transfer")) as http:
        async with dial(http) as phone:
            await begin(http, phone)
            line = asyncio.create_task(sound(phone))
            await asyncio.wait_for(phone.wait_closed(), 30)
            line.cancel()
        (said,) = await told_back(http, "ended=1")
    assert said.tag == verb
    assert [where.tag for where in said] == ([noun] if noun else [])
    assert (said.text or said[0].text) == to.removeprefix("queue:")


@pytest.mark.parametrize(("to", "told"), [(TO, False), (None, False)])
async def test_what_cannot_be_passed_on_says_so_to_the_actions(serve: Serve, to: str | None, told: bool) -> None:
    """Our own websocket has no way to; a telephone has none without a number."""
    agent = Controlling()
    async with serve(channel(to=to), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message="hello")
        await next_with(socket, "bot")
        if to is None:
            async with dial(http) as phone:
                await begin(http, phone)
                await next_with(phone, "mark")
    assert [message.metadata["emotionlayer_call"] for message in agent.messages] == [
        {"transfer": told} for _ in agent.messages
    ]


async def test_a_call_of_texts_is_no_call_that_speaks(serve: Serve) -> None:
    agent = Controlling(call="hang_up")
    async with serve(channel(), agent) as http, connect(http) as socket:
        await send(socket, config={"events": True})
        for _ in range(2):
            await send(socket, message="goodbye")
            await next_with(socket, "bot")
    assert all("emotionlayer_call" not in (message.metadata or {}) for message in agent.messages)


async def test_hanging_up_waits_until_the_goodbye_was_heard(serve: Serve) -> None:
    agent = Controlling(call="hang_up")
    async with serve(channel(), agent) as http, dial(http) as phone:
        await begin(http, phone)
        await next_with(phone, "mark")
        line = asyncio.create_task(sound(phone))
        await asyncio.wait_for(phone.wait_closed(), 30)
        assert phone.close_code == 1000
        line.cancel()


async def test_who_speaks_into_the_goodbye_stays(serve: Serve) -> None:
    agent = Controlling(call="hang_up", spoken="a " * 3000)  # six seconds
    async with serve(channel(), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message="goodbye")
        await next_with(socket, "speech")
        agent.custom = {}
        await socket.send(pcm(SPEECH, silence(1.5)))
        await next_with(socket, "text")
        await next_with(socket, "bot")
        for _ in range(30):
            await socket.send(pcm(silence(0.1)))
            await asyncio.sleep(0.05)
        assert not socket.closed
    assert len(agent.messages) == 2


async def test_what_is_spoken_may_be_shorter_than_the_text(serve: Serve) -> None:
    agent = Controlling(spoken="Short.")
    async with serve(channel(), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message="hello")
        assert (await next_with(socket, "bot"))["bot"]["text"] == "One moment."
        assert (await next_with(socket, "speech"))["speech"]["sentence"] == "Short."


async def test_callers_do_not_write_what_kind_of_call_it_is() -> None:
    assert read_metadata({"emotionlayer_call": {"transfer": True}, "page": 1}) == {"page": 1}


async def test_six_languages_say_that_nobody_answered() -> None:
    assert languages("transfer.yml") == ("de", "en", "es", "fr", "it", "pt")
    said = {transfer_wording(language).nobody_answered for language in languages("transfer.yml")}
    assert len(said) == 6
    assert transfer_wording("ko").nobody_answered == NOBODY


@pytest.mark.parametrize(
    ("values", "named"),
    [({"to": " "}, "transfer.to"), ({}, "transfer.to"), ({"to": "x", "for": 1}, "transfer.for")],
)
async def test_a_wrong_transfer_stops_the_start(values: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidConfigException, match=named):
        VoiceInput.from_credentials({"transfer": values, "token": "x"})
