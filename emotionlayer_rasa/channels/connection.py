"""A live call's connection from its first message to its last, whatever the wire: commands in, events out."""

from __future__ import annotations

import logging
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Callable, Iterable

from sanic.request import Request

from emotionlayer_rasa import errors
from emotionlayer_rasa.call_control import call_metadata
from emotionlayer_rasa.channels.assistant import is_new
from emotionlayer_rasa.channels.call import Call
from emotionlayer_rasa.channels.call_socket import CallSocket, CallWebSocket
from emotionlayer_rasa.channels.calls import Calls
from emotionlayer_rasa.channels.commands import (
    Command,
    EndOfSound,
    EndOfUtterance,
    HungUp,
    KeyPressed,
    NobodyAnswered,
    Played,
    Sound,
    Start,
    TextMessage,
)
from emotionlayer_rasa.channels.events import CallEvent, Failed, Opened, SpeechPiece, SpeechSent, SpeechStopped
from emotionlayer_rasa.channels.keypad import Keypad
from emotionlayer_rasa.channels.limit import ConcurrencyLimit
from emotionlayer_rasa.channels.wires import CallRoute, Wire
from emotionlayer_rasa.logs import describe

logger = logging.getLogger(__name__)

_FAR_BEHIND_S = 1.0
"""Sound that waits to be heard before we read on: a client that sends a file is held up, and not refused."""


class CallConnection:
    """The connection of one caller.

    Args:
        calls: the channel's calls.
        wire: the protocol.
        socket: what its messages go over.
        agent: gives Rasa's agent, which a new model replaces.
        own_url: where the action server has the beginning of a reply spoken; None where it may not.
        waiting: what the connection counts as until its call begins; None for nothing.
        start_within_s: seconds within which it must begin.
    """

    def __init__(
        self,
        calls: Calls,
        wire: Wire,
        socket: CallSocket,
        agent: Callable[[], Any],
        own_url: str | None,
        waiting: ConcurrencyLimit | None,
        start_within_s: float,
    ) -> None:
        self._calls = calls
        self._wire = wire
        self._socket = socket
        self._agent = agent
        self._own_url = own_url
        self._waiting = waiting
        self._start_within_s = start_within_s
        self._opened_at = time.monotonic()
        self._call: Call | None = None
        self._keypad: Keypad | None = None
        self._counted = ExitStack()
        wire.send = socket.send

    @classmethod
    def of_websocket(cls, calls: Calls, request: Request, websocket: Any, route: CallRoute) -> CallConnection:
        """The connection of a websocket that Sanic has accepted, at the route where it came in."""
        at = request.conn_info
        return cls(
            calls,
            route.open(request),
            CallWebSocket(websocket),
            lambda: request.app.ctx.agent,
            own_url(calls, at.server_port if at else None, bool(at and at.ssl)),
            route.limit_before_start(request, calls.limit),
            route.start_within_s(calls.settings.idle_timeout_s),
        )

    async def serve(self) -> None:
        """Hold the call to its end."""
        failed = False
        try:
            if self._waiting:
                self._count_as(self._waiting)
            goes_on = True
            while goes_on:
                message = await self._socket.receive()
                self._check()
                if self._call and await self._ends(self._call):
                    break
                if message is not None:
                    goes_on = await self._take(message)
                elif not self._socket.sending:
                    self._send(self._wire.keep_alive())
        except EOFError:
            pass
        except errors.EmotionLayerError as error:
            failed = True
            await self._end(error)
        except Exception as error:
            # Here, since Sanic's log would name the URL, and the connection would close as if all were well.
            failed = True
            logger.error("voice.call.failed %s", describe(error))
            await self._end(errors.CallError("This call failed. The server's log names the error."))
        finally:
            # Sanic cancels the handler of a connection that is lost, at whichever await it is.
            await self._calls.run_to_end(self._close(failed))

    async def _end(self, error: errors.EmotionLayerError) -> None:
        self._send(self._wire.write_end(error))
        await self._wire.hang_up()

    def _count_as(self, limit: ConcurrencyLimit) -> None:
        """Count to a limit, and to no other any more.

        Raises:
            BusyError: it is reached.
        """
        self._counted.close()
        self._counted.enter_context(limit.acquire())

    async def _take(self, message: str | bytes) -> bool:
        """Deal with one message; false when it was the last one."""
        try:
            for command in self._wire.read(message):
                await self._obey(command)
                self._send(self._wire.write_reply(command))
                if isinstance(command, EndOfSound | HungUp):
                    return False
        except errors.RequestError as error:
            if self._wire.real_time:
                raise
            self._tell(Failed(error))
            self._send(self._wire.write_reply(None))
        return True

    async def _obey(self, command: Command) -> None:
        call = self._call
        if isinstance(command, Start):
            await self._start(command)
        elif call is None:
            pass  # there is nothing to end, to forget or to count
        elif isinstance(command, Sound):
            call.feed(command.data)
            if self._wire.one_reply or (call.behind_s > _FAR_BEHIND_S and not self._wire.real_time):
                await self._catch_up(call)
        elif isinstance(command, TextMessage):
            call.take_text(command.text, command.metadata)
            if self._wire.one_reply:
                await call.answered()
        elif isinstance(command, KeyPressed):
            call.interrupt()
            if self._keypad:
                self._keypad.press(command.key)
        elif isinstance(command, Played):
            if call.speaker:
                call.speaker.played(command.id, command.seconds)
        elif isinstance(command, NobodyAnswered):
            await call.come_back()
        elif isinstance(command, EndOfUtterance):
            call.end_utterance()
            await self._catch_up(call)
        elif isinstance(command, EndOfSound):
            await call.finish()
        else:
            await call.end_sound()

    async def _ends(self, call: Call) -> bool:
        """Whether the call ends here: it was said goodbye to, or passed on to a person."""
        transfer = self._calls.settings.transfer
        if call.over:
            await self._wire.hang_up()
            return True
        if not call.leaves:
            return False
        if transfer and await self._wire.transfer(transfer.to):
            return True
        await call.come_back()
        return False

    async def _catch_up(self, call: Call) -> None:
        await call.caught_up()
        if self._wire.awaits_answers:
            await call.answered()
        call.check()

    async def _start(self, start: Start) -> None:
        sender, options = start.sender or uuid.uuid4().hex, start.options
        if start.other_sender and self._calls.of_sender(sender):
            sender = start.other_sender
        if options.grammar is not None:
            try:
                await self._calls.listener.check_grammar(options.grammar)
            except errors.ConfigurationError as error:
                raise errors.CallError(str(error)) from None
        self._count_as(self._calls.limit)
        if options.speech and self._calls.synthesizer:
            kind = call_metadata(self._calls.settings.transfer is not None and self._wire.transfers)
            options = replace(options, metadata={**options.metadata, **kind})
        self._call = call = Call(self._calls, self._agent, sender, self._tell, options, self._own_url)
        self._keypad = Keypad(call.take_text, options.key_intent, options.key_pause_s)
        if start.announce:
            new, analysed = await is_new(self._agent(), sender), await call.may_analyse()
            self._tell(Opened(sender, new, analysed, options.speech if call.speaker else None))

    def _tell(self, event: CallEvent) -> None:
        if isinstance(event, SpeechStopped):
            self._socket.drop_speech()
        self._send(self._wire.write(event), speech=isinstance(event, SpeechPiece | SpeechSent))

    def _send(self, messages: Iterable[str | bytes], speech: bool = False) -> None:
        for message in messages:
            self._socket.send(message, speech)

    def _check(self) -> None:
        if self._call:
            self._call.check()
        elif time.monotonic() - self._opened_at > self._start_within_s:
            raise errors.CallIdleError(
                f"The call was opened, and did not begin within {self._start_within_s:g} s."
            )

    async def _close(self, failed: bool) -> None:
        try:
            if self._keypad:
                self._keypad.close()
            if self._call:
                if self._wire.real_time and not failed:
                    await self._call.end_sound()  # what was said until the caller hung up is a turn
                await self._call.close()
            await self._socket.close(failed)
        finally:
            self._counted.close()


def own_url(calls: Calls, port: int | None, ssl: bool) -> str | None:
    """Where the action server has the beginning of a reply spoken; None where it may not.

    Args:
        calls: the channel's calls.
        port: of Rasa's server; None where it is not known.
        ssl: whether it speaks https.
    """
    settings = calls.settings
    if not settings.early_speech or settings.own_url:
        return settings.own_url if settings.early_speech else None
    return f"{'https' if ssl else 'http'}://localhost:{port}" if port else None
