from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
import pytest
import websockets
from counting_engines import CountingTranscriber, with_engines
from echo_agent import EchoAgent, Serve
from rasa.shared.exceptions import InvalidConfigException
from test_speaking import ToneSynthesizer
from test_stream import connect, next_with, send
from twilio.request_validator import RequestValidator

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings
from emotionlayer_rasa.channels.reply import spoken_text
from emotionlayer_rasa.channels.wires import media_streams
from emotionlayer_rasa.channels.wires.media_streams import MediaStreamsRoute, MediaStreamsSettings
from emotionlayer_rasa.errors import RequestError, UnauthorizedError

pytestmark = pytest.mark.anyio

TOKEN = "12345"
HEADER = "x-twilio-signature"
PATH = "/webhooks/voice/twilio"


def signed(url: str, form: dict[str, str]) -> str:
    return str(RequestValidator(TOKEN).compute_signature(url, form))


@pytest.fixture(autouse=True)
def auth_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)


@pytest.fixture
def account() -> MediaStreamsRoute:
    return MediaStreamsRoute(MediaStreamsSettings(public_url="https://mycompany.com"))


def test_a_call_with_the_signature_of_twilios_own_example_is_answered(account: MediaStreamsRoute) -> None:
    """The example of https://www.twilio.com/docs/usage/webhooks/webhooks-security"""
    form = {
        "Digits": "1234",
        "To": "+18005551212",
        "From": "+14158675309",
        "Caller": "+14158675309",
        "CallSid": "CA1234567890ABCDE",
    }
    example = ("/myapp.php", "foo=1&bar=2", urlencode(form).encode())
    twiml = account.answer_call(*example, {HEADER: "RSOYDt4T1cUTdK1PDd93/VVr8B8="})
    (stream,) = ElementTree.fromstring(twiml).iter("Stream")
    assert stream.get("url") == "wss://mycompany.com/myapp.php"
    for wrong in ("", "RSOYDt4T1cUTdK1PDd93/VVr8B9=", "\xe4"):
        with pytest.raises(UnauthorizedError):
            account.answer_call(*example, {HEADER: wrong})


def test_behind_a_path_prefix_the_address_that_twilio_calls_is_signed() -> None:
    account = MediaStreamsRoute(MediaStreamsSettings(public_url="https://mycompany.com/voice-bot"))
    form = {"CallSid": "CA1", "From": "+393331234567", "CallerName": ""}
    url = f"https://mycompany.com/voice-bot{PATH}"
    twiml = account.answer_call(PATH, "", urlencode(form).encode(), {HEADER: signed(url, form)})
    (stream,) = ElementTree.fromstring(twiml).iter("Stream")
    assert stream.get("url") == f"wss://mycompany.com/voice-bot{PATH}"


def test_a_ticket_is_for_one_call_and_a_minute(account: MediaStreamsRoute) -> None:
    late = account.tickets.issue("CA1", "tel-a", now=1000.0)
    for ticket, call, sender in (
        (account.tickets.issue("CA1", "tel-a"), "CA2", "tel-a"),
        (account.tickets.issue("CA1", "tel-a"), "CA1", "tel-b"),
        (late, "CA1", "tel-a"),
        (late.replace("1060", "9999999999"), "CA1", "tel-a"),
        ("", "CA1", "tel-a"),
    ):
        with pytest.raises(UnauthorizedError):
            account.tickets.use(ticket, call, sender)
    account.tickets.use(account.tickets.issue("CA1", "tel-a"), "CA1", "tel-a")


def test_a_ticket_is_used_once(account: MediaStreamsRoute) -> None:
    ticket = account.tickets.issue("CA1", "tel-a")
    account.tickets.use(ticket, "CA1", "tel-a")
    with pytest.raises(UnauthorizedError):
        account.tickets.use(ticket, "CA1", "tel-a")
    account.tickets.use(account.tickets.issue("CA2", "tel-a"), "CA2", "tel-a")


def test_a_number_resumes_a_conversation_only_where_the_operator_says_so(account: MediaStreamsRoute) -> None:
    assert account.sender("+393331234567", "CA1") == "tel-CA1"
    account = MediaStreamsRoute(MediaStreamsSettings(public_url="https://mycompany.com", resume_by_caller_id=True))
    sender = account.sender("+393331234567", "CA1")
    assert sender == account.sender("+393331234567", "CA2") != account.sender("+393331234568", "CA1")
    assert "3331234567" not in sender
    assert account.sender("Anonymous", "CA1") != account.sender("anonymous", "CA2")


def test_a_form_that_is_no_call_is_refused(account: MediaStreamsRoute) -> None:
    with pytest.raises(RequestError):
        account.answer_call(PATH, "", b"From=x", {HEADER: signed(f"https://mycompany.com{PATH}", {"From": "x"})})


def channel(**settings: Any) -> VoiceInput:
    account = MediaStreamsRoute(MediaStreamsSettings(public_url="https://mycompany.com"))
    listener = with_engines(CountingTranscriber())
    return VoiceInput(VoiceSettings(**settings), listener, ToneSynthesizer(), [account])


def dial(http: httpx.AsyncClient, signature: str | None = None) -> Any:
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    return websockets.connect(f"ws://127.0.0.1:{http.base_url.port}{PATH}", extra_headers=headers)


async def incoming(http: httpx.AsyncClient, call: str) -> dict[str, Any]:
    """The message with which the websocket of an incoming call begins."""
    form = {"CallSid": call, "From": "+393331234567"}
    headers = {"X-Twilio-Signature": signed(f"https://mycompany.com{PATH}", form)}
    answer = await http.post("/twilio", data=form, headers=headers)
    assert answer.status_code == 200, answer.text
    parameters = {
        item.attrib["name"]: item.attrib["value"] for item in ElementTree.fromstring(answer.text).iter("Parameter")
    }
    sound = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    return {"callSid": call, "streamSid": "MZ1", "mediaFormat": sound, "customParameters": parameters}


async def refusal(connecting: Any) -> int:
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        await connecting
    return int(refused.value.status_code)


async def test_websockets_that_do_not_begin_keep_no_caller_out(serve: Serve) -> None:
    async with serve(channel(max_calls=2, token="s3cret"), EchoAgent()) as http:
        idle = [await dial(http) for _ in range(media_streams._UNSIGNED)]
        assert await refusal(dial(http)) == 503
        upgrade = signed(f"wss://mycompany.com{PATH}", {})
        async with dial(http, upgrade) as phone, connect(http, "?token=s3cret") as browser:
            await send(phone, event="start", start=await incoming(http, "CA1"))
            await next_with(phone, "media")
            await send(browser, message="hello")
            await next_with(browser, "bot")
            assert await refusal(dial(http, upgrade)) == 503, "both calls have begun"
        for socket in idle:
            await socket.close()


async def test_a_place_is_given_back_when_the_call_ends_and_taken_when_it_begins(serve: Serve) -> None:
    async with serve(channel(max_calls=1), EchoAgent()) as http:
        for number in range(3):
            async with dial(http) as phone, dial(http) as late:
                await send(phone, event="start", start=await incoming(http, f"CA{number}"))
                await next_with(phone, "media")
                await send(late, event="start", start=await incoming(http, f"CB{number}"))
                assert (await next_with(late, "error"))["error"]["code"] == "busy"
                await send(phone, event="stop", stop={})
                await phone.wait_closed()


async def test_a_websocket_with_a_wrong_signature_is_refused(serve: Serve) -> None:
    async with serve(channel(), EchoAgent()) as http:
        for wrong in ("", "bm8=", signed(f"wss://elsewhere.example.org{PATH}", {})):
            assert await refusal(dial(http, wrong)) == 401


async def test_a_websocket_that_does_not_begin_soon_is_ended(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_streams, "START_WITHIN_S", 0.1)
    async with serve(channel(), EchoAgent()) as http, dial(http) as socket:
        assert (await next_with(socket, "error"))["error"]["code"] == "call.idle"


async def test_pressed_keys_are_one_turn(serve: Serve) -> None:
    agent = EchoAgent()
    async with serve(channel(), agent) as http, dial(http) as phone:
        await send(phone, event="start", start=await incoming(http, "CA1"))
        await next_with(phone, "mark")
        for key in "10#":
            await send(phone, event="dtmf", dtmf={"digit": key})
        await send(phone, event="stop", stop={})
        await phone.wait_closed()
        while len(agent.messages) < 2:
            await asyncio.sleep(0.01)
    assert [message.text for message in agent.messages] == ["/session_start", "10"]


async def test_the_ticket_of_a_call_opens_no_second_one(serve: Serve) -> None:
    async with serve(channel(), EchoAgent()) as http:
        start = await incoming(http, "CA1")
        async with dial(http) as phone, dial(http) as thief:
            await send(phone, event="start", start=start)
            await next_with(phone, "media")
            await send(thief, event="start", start=start)
            assert (await next_with(thief, "error"))["error"]["code"] == "request.unauthorized"


REFUSED = {
    "deep": "[" * 100_000,
    "no object": "[1]",
    "no number": '{"event": "media", "media": {"chunk": NaN}}',
    "no text in base64": '{"event": "media", "media": {"payload": "\\u00e4"}}',
    "no base64": '{"event": "media", "media": {"payload": "a"}}',
    "second start": '{"event": "start", "start": {}}',
}


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED.keys())
async def test_a_wrong_message_ends_the_call_with_an_error(serve: Serve, message: str) -> None:
    async with serve(channel(), EchoAgent()) as http, dial(http) as phone:
        await send(phone, event="start", start={**await incoming(http, "CA1"), "tracks": None})
        await next_with(phone, "media")
        await phone.send(message)
        assert (await next_with(phone, "error"))["error"]["code"] == "request"
        await phone.wait_closed()
        assert phone.close_code == 1008


async def test_a_form_of_many_bytes_is_not_read(serve: Serve) -> None:
    async with serve(channel(), EchoAgent()) as http:
        answer = await http.post("/twilio", data={"From": "x" * 70_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request.too_large")


def test_titles_of_buttons_are_spoken() -> None:
    buttons = [{"title": "Yes", "payload": "/affirm"}, {"payload": "/deny"}]
    assert spoken_text({"text": "Shall I?", "buttons": buttons}, buttons=True) == "Shall I? Yes."
    assert spoken_text({"custom": {}}, buttons=True) == ""


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"public_url": "bot.example.com"}, "public_url"),
        ({"public_url": "https://bot.example.com/"}, "public_url"),
        ({"public_url": "https://bot.example.com:port"}, "public_url"),
        ({}, "public_url"),
        ({"public_url": "https://bot.example.com", "dtmf_intent": "a b"}, "dtmf_intent"),
        ({"public_url": "https://bot.example.com", "auth_token_env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE"),
    ],
)
def test_wrong_settings_stop_the_start(values: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidConfigException, match=named):
        VoiceInput.from_credentials({"twilio": values, "token": "x"})
