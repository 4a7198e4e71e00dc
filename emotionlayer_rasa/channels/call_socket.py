"""One caller's connection: receiving without leaving tasks behind, and sending without waiting for the reader."""

from __future__ import annotations

import asyncio
import socket
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Awaitable, Callable

from sanic.exceptions import SanicException, WebsocketClosed

from emotionlayer_rasa.errors import CallNotReadError

_MAX_UNSENT_BYTES = 4_194_304
_POLICY_VIOLATION = 1008
_RECEIVE_S = 1.0
"""Sanic leaves a task behind for a receipt that is cancelled, but not for longer than this."""
_CLOSING_S = 2.0
_UNSENT_TCP_BYTES = 16_384
"""What the network may keep for a reader who is slow: more would be heard too late."""
_UNREAD_S = 5.0
"""Who has read nothing for so long does not read."""
_IDLE_S = 0.5
"""Asterisk ends an AudioSocket over which nothing comes for two seconds."""
_LATE_S = 0.2
"""What came too late to be sent in time is sent faster, up to so many seconds."""


class CallSocket(ABC):
    """What is received and sent, whatever it goes over."""

    def __init__(self) -> None:
        self._unsent: deque[tuple[str | bytes, bool]] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._closed = False
        self._unread = False
        """Nothing that is sent is read any more."""
        self._task = asyncio.create_task(self._send_on())

    @property
    def sending(self) -> bool:
        """Whether something is left to be sent."""
        return bool(self._unsent)

    async def receive(self) -> str | bytes | None:
        """The next message; None where none came for a second or less.

        Raises:
            EOFError: the connection is closed.
            CallNotReadError: the other side does not read.
        """
        if self._unread or self._size > _MAX_UNSENT_BYTES:
            raise CallNotReadError("The client does not read what it is sent. Read all messages, or ask for less.")
        return await self._receive()

    def send(self, message: str | bytes, speech: bool = False) -> None:
        """Send when the other side reads; never waits. ``speech`` may be dropped again."""
        if self._closed or self._size > _MAX_UNSENT_BYTES:  # receive() tells why
            return
        self._unsent.append((message, speech))
        self._size += len(message)
        self._wake.set()

    def drop_speech(self) -> None:
        """Forget the speech that is not sent yet."""
        kept = [item for item in self._unsent if not item[1]]
        self._unsent = deque(kept)
        self._size = sum(len(message) for message, _ in kept)

    async def close(self, failed: bool = False) -> None:
        """Send what is left, as long as it is read, and close.

        Args:
            failed: the call ends with an error.
        """
        self._closed = True
        self._wake.set()
        _, unread = await asyncio.wait({self._task}, timeout=_CLOSING_S)
        if unread:
            self._task.cancel()
            await asyncio.wait(unread)
        await self._close(failed, bool(unread))

    async def _send_on(self) -> None:
        try:
            while self._unsent or not self._closed:
                await self._wake.wait()
                self._wake.clear()
                while self._unsent:
                    message, speech = self._unsent.popleft()
                    self._size -= len(message)
                    await self._send(message, speech)
        except (SanicException, ConnectionError):
            pass  # the connection is gone: receive() says so
        finally:
            self._closed = True
            self._unsent.clear()

    @abstractmethod
    async def _receive(self) -> str | bytes | None:
        """See :meth:`receive`."""

    @abstractmethod
    async def _send(self, message: str | bytes, speech: bool) -> None:
        """Send one message."""

    @abstractmethod
    async def _close(self, failed: bool, unread: bool) -> None:
        """Close; ``unread``: what was to be sent was not read."""


class CallWebSocket(CallSocket):
    """A websocket that Sanic has accepted."""

    def __init__(self, websocket: Any) -> None:
        super().__init__()
        self._websocket = websocket

    async def _receive(self) -> str | bytes | None:
        try:
            message: str | bytes | None = await self._websocket.recv(_RECEIVE_S)
        except WebsocketClosed:
            raise EOFError from None
        return message

    async def _send(self, message: str | bytes, speech: bool) -> None:
        await self._websocket.send(message)

    async def _close(self, failed: bool, unread: bool) -> None:
        if unread:
            self._websocket.fail_connection(_POLICY_VIOLATION)
        else:
            await self._websocket.close(_POLICY_VIOLATION if failed else 1000)
        await self._drop_unread()

    async def _drop_unread(self) -> None:
        """Sanic's tasks that bring messages wait until these are taken, if need be for ever: take them.

        By hand, since its receipt does not work any more after one that was cancelled.
        """
        assembler = self._websocket.assembler
        until = time.monotonic() + _CLOSING_S
        while assembler.message_complete.is_set() and time.monotonic() < until:
            assembler.message_complete.clear()
            assembler.chunks = []
            assembler.message_fetched.set()
            await asyncio.sleep(0.01)


class CallStream(CallSocket):
    """A TCP connection, over which speech is sent at the pace at which it is heard.

    Args:
        reader, writer: of the connection.
        read: reads one message.
        frame_s: seconds of speech in one.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        read: Callable[[asyncio.StreamReader], Awaitable[bytes]],
        frame_s: float,
    ) -> None:
        super().__init__()
        self._reader = reader
        self._writer = writer
        writer.transport.set_write_buffer_limits(high=0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_TCP_BYTES)
        self._read = read
        self._reading: asyncio.Future[bytes] | None = None
        self._frame_s = frame_s
        self._due_at = 0.0
        """When the next frame is to be sent."""

    async def _receive(self) -> str | bytes | None:
        # Kept where nothing comes for a while: half a message may have come.
        reading = self._reading = self._reading or asyncio.ensure_future(self._read(self._reader))
        done, _ = await asyncio.wait({reading}, timeout=_IDLE_S)
        if not done:
            return None
        self._reading = None
        try:
            return reading.result()
        except (asyncio.IncompleteReadError, ConnectionError):
            raise EOFError from None

    async def _send(self, message: str | bytes, speech: bool) -> None:
        assert isinstance(message, bytes)
        if speech:
            now = time.monotonic()
            self._due_at = max(self._due_at, now - _LATE_S)
            await asyncio.sleep(self._due_at - now)
            self._due_at += self._frame_s
        self._writer.write(message)
        try:
            await asyncio.wait_for(self._writer.drain(), _UNREAD_S)
        except asyncio.TimeoutError:
            self._unread = True
            raise ConnectionError from None

    async def _close(self, failed: bool, unread: bool) -> None:
        if self._reading:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        if unread or self._unread:
            self._writer.transport.abort()
        self._writer.close()
