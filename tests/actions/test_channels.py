"""What the channels that Rasa ships make of a reply: each real output channel gets what an action sends."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from types import SimpleNamespace
from typing import Any, Callable, Iterator, List, Tuple

import pytest
import rasa.core.channels
import socketio
from cases import for_each
from conversations import user
from rasa.core.channels.botframework import BotFramework
from rasa.core.channels.callback import CallbackOutput
from rasa.core.channels.channel import CollectingOutputChannel, InputChannel, OutputChannel
from rasa.core.channels.facebook import MessengerBot
from rasa.core.channels.hangouts import HangoutsOutput
from rasa.core.channels.mattermost import MattermostBot
from rasa.core.channels.rest import QueueOutputChannel
from rasa.core.channels.rocketchat import RocketChatBot
from rasa.core.channels.slack import SlackBot
from rasa.core.channels.socketio import SocketIOOutput
from rasa.core.channels.telegram import TelegramOutput
from rasa.core.channels.twilio import TwilioOutput
from rasa.core.channels.twilio_voice import TwilioVoiceCollectingOutputChannel, TwilioVoiceInput
from rasa.core.channels.webexteams import WebexTeamsBot
from rasa.utils.endpoints import EndpointConfig
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa import VoiceInput
from emotionlayer_rasa.actions.base import CHAT_CHANNELS, PAYLOAD_CHANNELS, say
from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.channels.assistant import VoiceOutput
from emotionlayer_rasa.response import Reply, speech_payload

TEXT = "You are welcome."
REPLY = Reply(TEXT, "template", "direct_efficiency", speech_payload(TEXT, "direct_efficiency", "en"))

Channel = Tuple[OutputChannel, List[Any]]
"""An output channel, and the list of what leaves it."""


def message(*events: dict[str, Any]) -> dict[str, Any]:
    """What Rasa hands to its output channel when the action answers after these events."""
    tracker = Tracker.from_dict({"sender_id": "caller", "slots": {}, "events": list(events), "latest_message": {}})
    dispatcher = CollectingDispatcher()
    say(dispatcher, ActionConversation(tracker), REPLY)
    (said,) = dispatcher.messages
    return {key: said[key] for key in ("text", "custom") if said.get(key)}


def shipped(kind: type) -> set[type]:
    """The subclasses of ``kind`` in Rasa's package of channels."""
    modules = pkgutil.iter_modules(rasa.core.channels.__path__, "rasa.core.channels.")
    found = [value for module in modules for value in vars(importlib.import_module(module.name)).values()]
    return {
        value
        for value in found
        if isinstance(value, type) and issubclass(value, kind) and value is not kind
        if value.__module__.startswith("rasa.core.channels.")
    }


# The last step before the network of each channel keeps what would be sent. Everything before it is Rasa's own.


def keep(sent: list[Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **keywords: Any) -> SimpleNamespace:
        sent.append([*arguments, keywords])
        return SimpleNamespace(status_code=200)

    return call


def keep_async(sent: list[Any]) -> Callable[..., Any]:
    async def call(*arguments: Any, **keywords: Any) -> dict[str, Any]:
        sent.append([*arguments, keywords])
        return {}

    return call


def collector() -> Channel:
    out = CollectingOutputChannel()
    return out, out.messages


class _Queue(List[Any]):
    async def put(self, sent: Any) -> None:
        self.append(sent)


def queue() -> Channel:
    messages = _Queue([None])
    out = QueueOutputChannel(messages)  # type: ignore[arg-type]
    messages.clear()  # an empty one would have been replaced
    return out, messages


class _Callback(EndpointConfig):
    def __init__(self) -> None:
        super().__init__("https://client.example")
        self.posts: list[Any] = []

    async def request(self, *_: Any, json: Any = None, **__: Any) -> None:
        self.posts.append(json)


def callback() -> Channel:
    endpoint = _Callback()
    return CallbackOutput(endpoint), endpoint.posts


def botframework() -> Channel:
    sent: list[Any] = []
    out = BotFramework("app", "password", {"id": "c"}, "bot", "https://service.example")
    out.send = keep_async(sent)  # type: ignore[method-assign]
    return out, sent


def facebook() -> Channel:
    sent: list[Any] = []
    return MessengerBot(SimpleNamespace(send=keep(sent))), sent


class _Hangouts(HangoutsOutput):
    """Each card by itself; the original merges them."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    async def _persist_message(self, card: dict[str, Any]) -> None:
        self.sent.append(card)
        await super()._persist_message(card)


def hangouts() -> Channel:
    out = _Hangouts()
    return out, out.sent


def mattermost() -> Channel:
    sent: list[Any] = []
    out = MattermostBot("https://chat.example", "token", "channel", None)
    out._post_data_to_channel = keep(sent)  # type: ignore[method-assign]
    return out, sent


def rocketchat() -> Channel:
    sent: list[Any] = []
    out = RocketChatBot.__new__(RocketChatBot)  # its __init__ logs in
    out.rocket = SimpleNamespace(chat_post_message=keep(sent))
    return out, sent


def slack() -> Channel:
    sent: list[Any] = []
    out = SlackBot("xoxb-token")
    out.client.chat_postMessage = keep_async(sent)  # type: ignore[method-assign]
    return out, sent


class _Server(socketio.AsyncServer):
    """Keeps what its own ``emit`` accepts."""

    def __init__(self, sent: list[Any]) -> None:
        super().__init__(async_mode="asgi")
        self._sent = sent

    async def emit(self, *arguments: Any, **keywords: Any) -> None:
        await super().emit(*arguments, **keywords)
        self._sent.append([*arguments, keywords])


def socket_io() -> Channel:
    sent: list[Any] = []
    return SocketIOOutput(_Server(sent), "bot_uttered"), sent


def telegram() -> Channel:
    sent: list[Any] = []
    out = TelegramOutput("123456:token")
    out.request = keep_async(sent)  # type: ignore[method-assign]
    return out, sent


def twilio() -> Channel:
    sent: list[Any] = []
    out = TwilioOutput("sid", "token", "+100")
    out.api.account.messages.create = keep(sent)
    return out, sent


def twilio_voice() -> Channel:
    out = TwilioVoiceCollectingOutputChannel()
    return out, out.messages


def webexteams() -> Channel:
    sent: list[Any] = []
    out = WebexTeamsBot.__new__(WebexTeamsBot)  # its __init__ asks the server who it is
    out.room, out.api = "room", SimpleNamespace(messages=SimpleNamespace(create=keep(sent)))
    return out, sent


OUTPUTS: dict[type, tuple[tuple[str, ...], Callable[[], Channel]]] = {
    CollectingOutputChannel: (
        ("rest", "cmdline", "rasa", "collector"),
        collector,
    ),
    QueueOutputChannel: (("rest", "cmdline", "rasa", "queue"), queue),
    CallbackOutput: (("callback",), callback),
    BotFramework: (("botframework",), botframework),
    MessengerBot: (("facebook",), facebook),
    HangoutsOutput: (("hangouts",), hangouts),
    MattermostBot: (("mattermost",), mattermost),
    RocketChatBot: (("rocketchat",), rocketchat),
    SlackBot: (("slack",), slack),
    SocketIOOutput: (("socketio",), socket_io),
    TelegramOutput: (("telegram",), telegram),
    TwilioOutput: (("twilio",), twilio),
    TwilioVoiceCollectingOutputChannel: (("twilio_voice",), twilio_voice),
    WebexTeamsBot: (("webexteams",), webexteams),
}
"""Each output channel that Rasa ships: the names that an action or the NLG server knows it by, and one of it."""


def cases() -> Iterator[tuple[type, str]]:
    for kind, (names, _) in OUTPUTS.items():
        for name in names:
            yield kind, name


def test_no_channel_of_rasa_is_forgotten() -> None:
    assert set(OUTPUTS) == shipped(OutputChannel)
    names = {name for known, _ in OUTPUTS.values() for name in known}
    inputs = {kind.name() for kind in shipped(InputChannel)}
    assert inputs <= names == {*CHAT_CHANNELS, *PAYLOAD_CHANNELS} - {"voice"}
    assert {kind.name() for kind in OUTPUTS} <= names  # what an NLG server is told
    assert not CHAT_CHANNELS & PAYLOAD_CHANNELS


@for_each("kind, name", list(cases()))
def test_every_channel_of_rasa_sends_the_text_and_a_payload_only_where_it_carries_one(
    kind: type, name: str
) -> None:
    out, sent = OUTPUTS[kind][1]()
    asyncio.run(out.send_response("caller", message(user(channel=name))))
    text, *more = sent
    assert TEXT in repr(text)
    assert "ssml" not in repr(text)
    if name in PAYLOAD_CHANNELS:
        assert more == [{"recipient_id": "caller", "custom": REPLY.payload()}]
    else:
        assert more == []


def test_twilio_voice_can_speak_what_it_got() -> None:
    out, sent = twilio_voice()
    asyncio.run(out.send_response("caller", message(user(channel="twilio_voice"))))
    channel = TwilioVoiceInput.from_credentials({"initial_prompt": "hello"})
    assert TEXT in str(channel._build_twilio_voice_response(sent))


def test_our_own_channel_gets_both_in_one() -> None:
    out = VoiceOutput()
    assert out.name() == VoiceInput.name()
    asyncio.run(out.send_response("caller", message(user(channel=VoiceInput.name()))))
    assert out.messages == [{"text": TEXT, "custom": REPLY.payload()}]


@pytest.mark.parametrize("channel", ["my_channel", "MyRestInput", "Rest", "", None])
def test_a_channel_that_is_not_known_gets_text_only(channel: str | None) -> None:
    assert message(user(channel=channel)) == {"text": TEXT}


@pytest.mark.parametrize("channel", sorted(PAYLOAD_CHANNELS))
def test_a_message_that_answers_no_turn_may_go_out_anywhere_and_is_text_only(channel: str) -> None:
    """A session begins before its first turn is in the tracker; a reminder or a triggered intent names any."""
    listen = {"event": "action", "name": "action_listen", "timestamp": 2.0}
    assert message() == {"text": TEXT}
    assert message(user(channel=channel), listen) == {"text": TEXT}
    external = user(channel=channel, text="EXTERNAL: remind", metadata={"is_external": True})
    assert message(user(channel=channel), listen, external) == {"text": TEXT}
    assert "custom" in message(listen, user(channel=channel))
