"""A live call's websocket from its first message to its last, whatever the messages are."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Any

import structlog
from sanic.request import Request

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.call import Call, Calls, Line, Places
from emotionlayer_rasa.channels.socket import CallSocket

log = structlog.get_logger(__name__)


class CallConnection(ABC):
    """The connection of one caller.

    Args:
        calls: the channel's calls.
        request: that opened the websocket.
        websocket: as Sanic gives it.
        begin_within_s: seconds within which the call has to begin.
    """

    def __init__(self, calls: Calls, request: Request, websocket: Any, begin_within_s: float) -> None:
        self._calls = calls
        self._request = request
        self._socket = CallSocket(websocket)
        self._begin_within_s = begin_within_s
        self._opened_at = time.monotonic()
        self._call: Call | None = None
        self._place = ExitStack()

    async def serve(self) -> None:
        """Hold the call to its end."""
        failed = False
        try:
            self._open()
            goes_on = True
            while goes_on:
                message = await self._socket.receive()
                self._check()
                goes_on = message is None or await self._take(message)
        except EOFError:
            pass
        except errors.EmotionLayerError as error:
            failed = True
            self._end_with(error)
        except Exception as error:
            # Here, since Sanic's log would name the URL, and the connection would close as if all were well.
            failed = True
            log.error("voice.call.failed", error=type(error).__name__, where=errors.where(error))
            self._end_with(errors.CallError("This call failed. The server's log names the error."))
        finally:
            # Sanic cancels the handler of a connection that is lost, at whichever await it is.
            await self._calls.finish(self._close(failed))

    @abstractmethod
    def _open(self) -> None:
        """Take the place in which the connection may wait for the call to begin.

        Raises:
            BusyError: there is none any more.
        """

    def _move_to(self, places: Places) -> None:
        """Take a place here, and give back the one that the connection had.

        Raises:
            BusyError: there is none.
        """
        self._place.close()
        self._place.enter_context(places.take())

    @abstractmethod
    async def _take(self, message: str | bytes) -> bool:
        """Deal with one message; false when it was the last one."""

    @abstractmethod
    def _end_with(self, error: errors.EmotionLayerError) -> None:
        """Tell why the call ends."""

    def _agent(self) -> Any:
        """Rasa's agent, which a new model replaces."""
        return self._request.app.ctx.agent

    def _begin(self, sender: str, line: Line, **options: Any) -> Call:
        """Begin the call; the options are those of :class:`~emotionlayer_rasa.channels.call.Call`."""
        own_url = (self._calls.own_url or self._local_url()) if self._calls.early_speech else None
        self._call = Call(self._calls, self._agent, sender, line, own_url=own_url, **options)
        return self._call

    def _local_url(self) -> str | None:
        """This server's address on this machine; None where it has no port."""
        at = self._request.conn_info
        if at is None or not at.server_port:
            return None
        return f"{'https' if at.ssl else 'http'}://localhost:{at.server_port}"

    def _check(self) -> None:
        if self._call:
            self._call.check()
        elif time.monotonic() - self._opened_at > self._begin_within_s:
            raise errors.CallIdleError(
                f"The call was opened, and did not begin within {self._begin_within_s:g} s."
            )

    async def _close(self, failed: bool) -> None:
        try:
            if self._call:
                await self._call.close()
            await self._socket.close(failed)
        finally:
            self._place.close()
