"""What a wire is: the messages of one protocol, made into commands and of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Iterable

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
            than it is heard is not held up, and a wrong message ends it.
        one_reply: who sends a message waits for one reply to it, so that it is dealt with to its end before.
        awaits_answers: the reply to an utterance waits for the assistant's answer.
    """

    real_time = False
    one_reply = False
    awaits_answers = False

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

    async def transfer(self, target: str) -> bool:
        """Pass the call on to a number, an address or a queue; when it has left us, the connection is closed.

        Args:
            target: in the words of the telephone system.

        Returns:
            False where this wire cannot, or the telephone system refuses.
        """
        return False

    async def hang_up(self) -> None:  # noqa: B027 - closing the connection ends most calls
        """End the call, right before the connection is closed."""

    def write_end(self, error: errors.EmotionLayerError) -> Iterable[Message]:
        """The messages that tell why we end the call."""
        return (*self.write(Failed(error)), *self.write_reply(None))


class CallRoute(ABC):
    """Where the calls of one wire come in: ``WS /webhooks/voice<path>``.

    Attributes:
        path: from its ``/`` on.
        token: whether requests need the channel's token; without it the route checks itself who asks.
        webhook: whether ``POST /webhooks/voice<path>`` is served, too: :meth:`answer_webhook`.
    """

    path: str
    token = True
    webhook = False

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

    async def answer_webhook(self, request: Request) -> HTTPResponse:
        """Answer ``POST``; the body is not received yet."""
        raise NotImplementedError
