"""What a wire is: the messages of one protocol, made into commands and of events; and where its calls come in."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Callable, Iterable

from sanic.request import Request
from sanic.response import HTTPResponse

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import Command
from emotionlayer_rasa.channels.events import CallEvent, Failed
from emotionlayer_rasa.channels.limit import ConcurrencyLimit

Message = str | bytes


class Wire(ABC):
    """One connection's protocol. It knows neither the socket nor the call.

    Attributes:
        real_time: sound comes from a network that cannot wait, and nobody reads errors: a call that sends faster
            than it is heard is not held up, and a wrong message ends it. Where the connection is lost, the caller
            has hung up.
        one_reply: who sends a message waits for one reply to it, so that it is dealt with to its end before.
        awaits_answers: the reply to an utterance waits for the assistant's answer.
        send: sends a message at any time; set by the connection.
    """

    real_time = False
    one_reply = False
    awaits_answers = False
    send: Callable[[Message], None]

    @abstractmethod
    def read(self, message: Message) -> Iterable[Command]:
        """What a message asks for.

        Raises:
            RequestError: the message is malformed.
            EmotionLayerError: it is of no call that can go on.
        """

    @abstractmethod
    def write(self, event: CallEvent) -> Iterable[Message]:
        """The messages that tell an event; none where the protocol has nothing for it."""

    def write_reply(self, command: Command | None) -> Iterable[Message]:
        """What is sent when a command was dealt with; None for a message that could not be read."""
        return ()

    @property
    def transfers(self) -> bool:
        """Whether the protocol has a way to pass a call on."""
        return type(self).transfer is not Wire.transfer

    def write_end(self, error: errors.EmotionLayerError) -> Iterable[Message]:
        """The messages that tell why we end the call."""
        return (*self.write(Failed(error)), *self.write_reply(None))

    def keep_alive(self) -> Iterable[Message]:
        """What is sent when nothing has come for a second or less, and nothing is left to be sent."""
        return ()

    async def hang_up(self) -> None:  # noqa: B027 - most protocols need nothing
        """We end the call: tell the other side, where it does not follow from the connection's end, which comes
        next."""

    async def transfer(self, target: str) -> bool:
        """Have the call go on elsewhere: with a person, say.

        Args:
            target: what the telephone system can dial, such as ``+390212345678``, ``sip:desk@example.com`` or the
                name of a queue.

        Returns:
            Whether the telephone system takes the call over as soon as the connection is closed, which the caller
            of this method does; without :meth:`hang_up`. False: this wire, or this call, cannot.
        """
        return False


class Webhook(ABC):
    """Serves ``POST /webhooks/voice<path>``.

    Attributes:
        path: from its ``/`` on.
        token: whether requests need the channel's token; without it the route checks itself who asks.
    """

    path: str
    token = True

    @abstractmethod
    async def answer_webhook(self, request: Request) -> HTTPResponse:
        """Answer ``POST``; the body is not received yet."""


class CallRoute(ABC):
    """Where the calls of one wire come in: ``WS /webhooks/voice<path>``.

    Attributes:
        path: from its ``/`` on.
        token: whether requests need the channel's token; without it the route checks itself who asks.
        subprotocols: of websockets, that a client may ask for.
    """

    path: str
    token = True
    subprotocols: tuple[str, ...] = ()

    @abstractmethod
    def open(self, request: Request) -> Wire:
        """The wire of a websocket that was let in."""

    def admit(self, request: Request) -> None:  # noqa: B027 - who has the token is let in
        """Let a request become a websocket.

        Raises:
            UnauthorizedError, BusyError: it may not.
        """

    def limit_before_start(self, request: Request, calls: ConcurrencyLimit) -> ConcurrencyLimit | None:
        """What a websocket counts as until its call begins; ``calls`` is what it counts as then."""
        return calls

    def start_within_s(self, idle_s: float) -> float:
        """Seconds within which a call must begin; ``idle_s`` is how long a call may be silent."""
        return idle_s


class ListenerRoute(ABC):
    """Where the calls of one wire come in over TCP, at a port of its own.

    Attributes:
        path: names the wire.
        host, port: where we listen.
        waiting: what a connection counts as until its call begins.
        start_within_s: seconds within which it must.
        frame_s: seconds of speech in a message: they are sent one in so much time.
    """

    path: str
    host: str
    port: int
    waiting: ConcurrencyLimit
    start_within_s: float
    frame_s: float

    @abstractmethod
    def open(self) -> Wire:
        """The wire of a connection."""

    @abstractmethod
    async def read_message(self, reader: asyncio.StreamReader) -> bytes:
        """The next message.

        Raises:
            asyncio.IncompleteReadError: the connection ends before.
        """
