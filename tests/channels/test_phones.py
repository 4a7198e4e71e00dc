"""Telephone systems, each by a client of its protocol: whole conversations, and what must not harm others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import uuid
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator

import httpx
import numpy as np
import phones
import pytest
import websockets
from counting_engines import SPEECH, CountingTranscriber, silence, with_engines
from echo_agent import EchoAgent, Serve
from phones import (
    PHONES,
    AsteriskPhone,
    AudioSocketPhone,
    ForkPhone,
    JambonzPhone,
    MediaStreamsPhone,
    Phone,
    PlainAsteriskPhone,
    SocketPhone,
    StreamPhone,
    TelnyxPhone,
    VonagePhone,
)
from rasa.shared.exceptions import InvalidConfigException
from test_speaking import ToneSynthesizer

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings, call_socket
from emotionlayer_rasa.channels.events import SpeechPiece
from emotionlayer_rasa.channels.wires import audiosocket, create_routes
from emotionlayer_rasa.errors import EmotionLayerError, RequestError, ServerError, UnauthorizedError
from emotionlayer_rasa.settings import read_settings

pytestmark = pytest.mark.anyio

every_phone = pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.__name__)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in phones.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def channel(**values: Any) -> VoiceInput:
    settings = read_settings(VoiceSettings, {**phones.SETTINGS, "token": phones.TOKEN, **values}, "test")
    return VoiceInput(
        settings,
        with_engines(CountingTranscriber(), live={"max_behind_s": 60}),
        ToneSynthesizer(),
        create_routes(settings),
    )


async def have(agent: EchoAgent, count: int) -> list[str]:
    async def wait() -> None:
        while len(agent.messages) < count:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), 60)
    return [message.text for message in agent.messages]


@every_phone
async def test_a_conversation(serve: Serve, phone: type[Phone]) -> None:
    agent = EchoAgent()
    async with serve(channel(), agent) as http, phone(http).call() as caller:
        await caller.until(lambda: len(caller.played) >= 1.4 * caller.rate * (1 if caller.mulaw else 2))
        assert caller.loudness() == pytest.approx(0.25, abs=0.02)
        opened = len(caller.played)
        await caller.speak(np.concatenate([SPEECH, silence(1.0)]))
        caller.plays = False
        await have(agent, 2)
        await caller.until(lambda: len(caller.played) > opened + 6400)
        await caller.press("1")
        if phone not in (AudioSocketPhone, phones.WideAudioSocketPhone):
            await caller.until(lambda: caller.stops)
        await caller.press("#")
        await have(agent, 3)
        await caller.speak(SPEECH)
        await caller.disconnect()
        texts = await have(agent, 4)
        assert not caller.hung_up
    assert texts[0] == "/session_start"
    assert set(texts[1].split()) == {"word"}
    assert texts[2] == "1"
    assert set(texts[3].split()) == {"word"}, "what was said until the caller hung up"
    assert {message.sender_id for message in agent.messages} == {caller.sender}
    assert agent.messages[1].metadata["emotionlayer"]["emotion"]["label"] == "anger"


JSON = {"no json": "{", "no object": "[1]", "deep": '{"a":' * 50 + "1" + "}" * 50, "no number": '{"a": NaN}'}
WRONG: dict[str, tuple[type[Phone], str | bytes]] = {
    **{
        f"{phone.__name__} {name}": (phone, text)
        for phone in (
            AsteriskPhone,
            ForkPhone,
            StreamPhone,
            JambonzPhone,
            MediaStreamsPhone,
            TelnyxPhone,
            VonagePhone,
        )
        for name, text in JSON.items()
        if not (phone is AsteriskPhone and not text.startswith("{"))
    },
    "Asterisk no event": (PlainAsteriskPhone, "hello"),
    "Asterisk twice": (PlainAsteriskPhone, "MEDIA_START format:slin16 optimal_frame_size:640"),
    "AudioSocket second UUID": (AudioSocketPhone, phones.message(0x01, bytes(16))),
    "AudioSocket short UUID": (AudioSocketPhone, phones.message(0x01, b"a")),
    "AudioSocket kind": (AudioSocketPhone, phones.message(0x77, b"a")),
    "AudioSocket rate": (AudioSocketPhone, phones.message(0x12, bytes(640))),
    "Telnyx second start": (TelnyxPhone, '{"event": "start", "start": {}}'),
    "Vonage twice": (VonagePhone, '{"event": "websocket:connected"}'),
}


async def test_wrong_messages_end_their_call_and_no_other(serve: Serve) -> None:
    agent = EchoAgent()
    async with serve(channel(), agent) as http, AsteriskPhone(http).call() as bystander:
        await bystander.until(lambda: bystander.played)
        for name, (phone, text) in WRONG.items():
            async with phone(http).call() as caller:
                await caller.speak(silence(0.04))
                await caller.until(lambda caller=caller: caller.played)
                await caller.send_raw(text)
                await asyncio.wait_for(caller.over.wait(), 30)
                if isinstance(caller, SocketPhone) and not caller.hung_up:
                    assert caller.socket.close_code == 1008, name
                else:
                    assert caller.hung_up, name
        await bystander.press("7")
        await bystander.press("#")
        while "7" not in [message.text for message in agent.messages]:
            await asyncio.sleep(0.01)
        assert not bystander.over.is_set()


class _Mute:
    """Connects, and says nothing."""

    async def begin(self) -> None:
        pass


@pytest.mark.parametrize(
    "phone", [phone for phone in PHONES if phone not in (StreamPhone, AsteriskPhone)], ids=lambda p: p.__name__
)
async def test_a_connection_that_does_not_begin_is_ended(serve: Serve, phone: type[Phone]) -> None:
    voice = channel()
    for route in voice._routes[1:]:
        short: Any = 0.1 if isinstance(route, audiosocket.AudioSocketRoute) else lambda idle_s: 0.1
        route.start_within_s = short  # type: ignore[method-assign, assignment, union-attr]
    mute = type("Mute", (_Mute, phone), {})
    async with serve(voice, EchoAgent()) as http, mute(http).call() as caller:
        await asyncio.wait_for(caller.over.wait(), 30)
        assert not caller.played


async def test_the_secret_is_checked_before_there_is_a_websocket(serve: Serve) -> None:
    async with serve(channel(max_calls=1), EchoAgent()) as http:
        for phone in (AsteriskPhone, ForkPhone, StreamPhone):
            for headers in ({}, {"Authorization": "Basic cGJ4Ondyb25n"}, {"Authorization": "Basic %"}):
                stranger = type("Stranger", (phone,), {"headers": headers})(http)
                with pytest.raises(websockets.InvalidStatusCode) as refused:
                    await stranger.connect()
                assert refused.value.status_code == 401
        vonage = f"ws://127.0.0.1:{http.base_url.port}/webhooks/voice/vonage?ticket=1.a&call=a&sender=tel-a"
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await websockets.connect(vonage)
        assert refused.value.status_code == 401
        for path in ("asterisk", "audiosocket", "jambonz", "signalwire", "telnyx", "vonage"):
            answer = await http.post(f"/{path}", data={"call": "a", "CallSid": "a"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "request.unauthorized"), path


class _Thief:
    """Has no ticket of its own."""

    async def begin(self) -> None:
        await self.tell(callSid="CA1", sender="tel-CA1", ticket="9999999999.0", event="start", start={})


async def test_a_ticket_lets_a_call_in(serve: Serve) -> None:
    async with serve(channel(max_calls=1), EchoAgent()) as http:
        for phone in (JambonzPhone, MediaStreamsPhone):
            thief = type("Thief", (_Thief, phone), {})
            async with thief(http).call() as caller:
                await asyncio.wait_for(caller.over.wait(), 30)
        stranger = AudioSocketPhone(http)
        for wrong in (uuid.uuid4(), None):
            await stranger.connect()
            used, stranger.uuid = stranger.uuid, wrong or stranger.uuid
            reading = asyncio.create_task(stranger._read_on())
            if wrong:
                await stranger.begin()
            else:
                await stranger.send_sound(bytes(320))
            await asyncio.wait_for(reading, 30)
            assert stranger.hung_up
            assert not stranger.played
            assert used
        async with AudioSocketPhone(http).call() as caller:
            await caller.speak(silence(0.02))
            await caller.until(lambda: caller.played)


async def test_a_uuid_is_good_once(serve: Serve) -> None:
    async with serve(channel(), EchoAgent()) as http, AudioSocketPhone(http).call() as caller:
        await caller.speak(silence(0.02))
        await caller.until(lambda: caller.played)
        second = AudioSocketPhone(http)
        await second.connect()
        second.uuid = caller.uuid
        await second.begin()
        await asyncio.wait_for(second._read_on(), 30)
        assert second.hung_up
        assert not caller.over.is_set()


async def a_place(voice: VoiceInput) -> None:
    """Wait until there is one for another call."""

    async def wait() -> None:
        while voice._calls and voice._calls.limit._count:
            await asyncio.sleep(0.02)

    await asyncio.wait_for(wait(), 30)


async def test_half_a_message_harms_nobody_and_gives_the_place_back(serve: Serve) -> None:
    voice = channel(max_calls=1)
    frame = phones.message(0x10, bytes(320))
    async with serve(voice, EchoAgent()) as http:
        for part in (b"\x10", frame[:-1]):
            async with AudioSocketPhone(http).call() as caller:
                await caller.send_raw(frame[:100])
                await asyncio.sleep(0.05)
                await caller.send_raw(frame[100:])
                await caller.until(lambda caller=caller: caller.played)
                await caller.send_raw(part)
            await a_place(voice)
        async with AudioSocketPhone(http).call() as caller:
            await caller.send_sound(b"\x01")  # half a sample
            await caller.send_sound(b"\x01")
            await caller.until(lambda: caller.played)


async def test_a_client_that_does_not_read_is_ended(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_socket, "_UNREAD_S", 0.2)
    agent, voice = EchoAgent(), channel(max_calls=1)
    async with serve(voice, agent) as http:
        phone = type("Loud", (AudioSocketPhone,), {"asked": {"call": "loud", "sample_rate": "48000"}})(http)
        await phone.connect()
        phone.writer.close()
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", phones.AUDIOSOCKET_PORT))
        deaf.sendall(phones.message(0x01, phone.uuid.bytes) + phones.message(0x16, bytes(1920)))
        deaf.sendall(phones.message(0x03, b"1") * 200 + phones.message(0x03, b"#"))  # is said back at length
        await have(agent, 2)
        await a_place(voice)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        deaf.close()


async def test_speech_over_audiosocket_is_paced(serve: Serve) -> None:
    """Asterisk plays what comes at once: no more than a fifth of a second may be ahead."""
    loop = asyncio.get_running_loop()
    async with serve(channel(), EchoAgent()) as http, AudioSocketPhone(http).call() as caller:
        await caller.speak(silence(0.02))
        await caller.until(lambda: caller.played)
        began, first = loop.time(), len(caller.played)
        await caller.until(lambda: len(caller.played) >= 1.3 * 16_000)
        assert loop.time() - began >= (1.3 - first / 16_000) - 0.25


async def test_a_silent_caller_hears_frames_so_that_asterisk_goes_on(serve: Serve) -> None:
    async with serve(channel(), EchoAgent()) as http, AudioSocketPhone(http).call() as caller:
        await caller.until(lambda: len(caller.played) >= 1.4 * 16_000)
        opened = len(caller.played)
        await caller.until(lambda: len(caller.played) > opened, 10)
        assert not any(caller.played[opened:])


async def test_what_asterisk_has_no_room_for_waits(serve: Serve) -> None:
    async with serve(channel(), EchoAgent()) as http, AsteriskPhone(http).call() as caller:
        await caller.until(lambda: caller.played)
        await caller.event("MEDIA_XOFF")
        opened = len(caller.played)
        await caller.press("5")
        await caller.press("#")
        await asyncio.sleep(0.5)
        assert len(caller.played) == opened
        await caller.event("MEDIA_XON")
        await caller.until(lambda: len(caller.played) > opened)


@asynccontextmanager
async def transferred(
    serve: Serve, phone: type[Phone], target: str
) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    """A call that is transferred when it has begun."""
    voice = channel()
    wires = []
    for route in voice._routes:
        opened = route.open

        def remember(*given: Any, opened: Any = opened) -> Any:
            wires.append(opened(*given))
            return wires[-1]

        route.open = remember  # type: ignore[method-assign]
    async with serve(voice, EchoAgent()) as http, phone(http).call() as caller:
        await caller.speak(silence(0.04))
        await caller.until(lambda: caller.played)
        done = await wires[-1].transfer(target)
        yield (caller, done), http


@pytest.mark.parametrize("phone", [AsteriskPhone, AudioSocketPhone])
async def test_the_dialplan_asks_where_a_call_goes_on(serve: Serve, phone: type[Phone]) -> None:
    async with transferred(serve, phone, "+39021234") as ((caller, done), http):
        assert done
        await asyncio.wait_for(caller.over.wait(), 30)
        assert caller.hung_up
        path = "audiosocket" if isinstance(caller, AudioSocketPhone) else "asterisk"
        ended = str(caller.uuid) if isinstance(caller, AudioSocketPhone) else caller.name
        asked = [await http.post(f"/{path}?token={phones.TOKEN}", data={"ended": ended}) for _ in range(2)]
        assert [answer.text for answer in asked] == ["+39021234", ""]


async def test_jambonz_asks_how_a_call_goes_on(serve: Serve) -> None:
    async with transferred(serve, JambonzPhone, "sip:desk@example.com") as ((caller, done), _):
        assert done
        await asyncio.wait_for(caller.over.wait(), 30)
        target = {"type": "sip", "sipUri": "sip:desk@example.com"}
        assert await caller.webhook("?ended=1") == [{"verb": "dial", "target": [target]}]
        assert await caller.webhook("?ended=1") == [{"verb": "hangup"}]


@pytest.mark.parametrize(
    ("target", "verb"), [("+39021234", "Dial"), ("sip:desk@example.com", "Dial"), ("support", "Enqueue")]
)
async def test_a_provider_of_media_streams_asks_how_a_call_goes_on(serve: Serve, target: str, verb: str) -> None:
    async with transferred(serve, MediaStreamsPhone, target) as ((caller, done), _):
        assert done
        (onward,) = await caller.webhook("?ended=1")
        assert (onward.tag, "".join(onward.itertext())) == (verb, target)
        (end,) = await caller.webhook("?ended=1")
        assert end.tag == "Hangup"


async def test_vonage_cannot_transfer_and_says_so(serve: Serve) -> None:
    async with transferred(serve, VonagePhone, "+39021234") as ((caller, done), _):
        assert done is False
        assert not caller.hung_up


async def test_a_caller_who_is_told_goodbye_is_hung_up(serve: Serve) -> None:
    voice = channel(silence={"after_s": 0.5, "prompts": 1})
    async with serve(voice, EchoAgent()) as http, AudioSocketPhone(http).call() as caller:
        while not caller.over.is_set():
            with contextlib.suppress(ConnectionError, RuntimeError):
                await caller.speak(silence(0.1), 0.02)
        assert caller.hung_up


def test_audio_of_no_known_format_is_refused() -> None:
    (route,) = create_routes(read_settings(VoiceSettings, {"asterisk": {}}, "test"))
    for format, size in (("opus", 0), ("slin16", 0), ("alaw", 160), ("slin192", 7680), ("slin16", "x")):
        wire = route.open(type("Request", (), {"args": {}})())  # type: ignore[union-attr, call-arg]
        wire.send = lambda message: None
        with pytest.raises(EmotionLayerError) as refused:
            list(wire.read(f"MEDIA_START channel_id:1 format:{format} optimal_frame_size:{size}"))
        assert refused.value.code == "audio.unsupported"


def test_jambonz_signature_is_of_time_and_body() -> None:
    (route,) = create_routes(read_settings(VoiceSettings, {"jambonz": {"public_url": "https://bot.test"}}, "test"))
    for signature in ("", "t=1,v1=a", "t=x,v1=", "v1", "t=1000000000,v1=\xe4"):
        with pytest.raises(UnauthorizedError):
            route.answer_call(b"{}", signature)  # type: ignore[union-attr]


@pytest.mark.parametrize("query", ["sample_rate=11025", "speech=loud", f"call={'x' * 300}"])
async def test_a_wrong_address_is_refused(serve: Serve, query: str) -> None:
    async with serve(channel(), EchoAgent()) as http:
        url = f"ws://127.0.0.1:{http.base_url.port}/webhooks/voice/audio-fork?token={phones.TOKEN}&{query}"
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await websockets.connect(url)
        assert refused.value.status_code == 400


async def test_a_port_that_is_taken_stops_the_start(serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", phones.AUDIOSOCKET_PORT))
        taken.listen()
        with pytest.raises(ServerError, match=str(phones.AUDIOSOCKET_PORT)):
            async with serve(channel(), EchoAgent()):
                pass


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"audiosocket": {"port": 0}}, "port"),
        ({"asterisk": {"prot": 1}}, "prot"),
        ({"jambonz": {"public_url": "https://bot.test", "webhook_secret_env": "NO_SUCH"}}, "NO_SUCH"),
        ({"vonage": {"public_url": "https://bot.test", "signature_secret_env": "NO_SUCH"}}, "NO_SUCH"),
        ({"telnyx": {"public_url": "https://bot.test", "auth_token_env": "VONAGE_SIGNATURE_SECRET"}}, "Ed25519"),
        ({"signalwire": {}}, "public_url"),
    ],
)
def test_wrong_settings_stop_the_start(values: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidConfigException, match=named):
        VoiceInput.from_credentials({**values, "token": "x"})


def test_a_spoken_piece_ends_with_whole_frames() -> None:
    (route,) = create_routes(read_settings(VoiceSettings, {"audiosocket": {}}, "test"))
    wire = route.open()  # type: ignore[call-arg]
    uuid_ = uuid.UUID(route.invite("a"))  # type: ignore[union-attr]
    list(wire.read(phones.message(0x01, uuid_.bytes)))
    list(wire.read(phones.message(0x10, bytes(320))))
    frames = list(wire.write(SpeechPiece(1, 0, "Hi.", "pcm16", 8000, 0.05, b"\x01" * 800)))
    assert [len(frame) for frame in frames] == [323] * 3
    with pytest.raises(RequestError):
        list(wire.read(phones.message(0x12, bytes(640))))
