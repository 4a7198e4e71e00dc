"""One caller's websocket: receiving without leaving tasks behind, and sending without waiting for the reader."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from sanic.exceptions import SanicException, WebsocketClosed

from emotionlayer_rasa.errors import CallNotReadError

_MAX_UNSENT_BYTES = 4_194_304
_POLICY_VIOLATION = 1008
_RECEIVE_S = 1.0
"""Sanic leaves a task behind for a receipt that is cancelled, but not for longer than this."""
_CLOSING_S = 2.0


class CallSocket:
    """A websocket that Sanic has accepted."""

    def __init__(self, websocket: Any) -> None:
        self._websocket = websocket
        self._unsent: deque[tuple[str | bytes, bool]] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._closed = False
        self._task = asyncio.create_task(self._send_on())

    async def receive(self) -> str | bytes | None:
        """The next message; None where none came for a second.

        Raises:
            EOFError: the connection is closed.
            CallNotReadError: the other side does not read.
        """
        if self._size > _MAX_UNSENT_BYTES:
            raise CallNotReadError("The client does not read what it is sent. Read all messages, or ask for less.")
        try:
            message: str | bytes | None = await self._websocket.recv(_RECEIVE_S)
        except WebsocketClosed:
            raise EOFError from None
        return message

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

    async def _send_on(self) -> None:
        try:
            while self._unsent or not self._closed:
                await self._wake.wait()
                self._wake.clear()
                while self._unsent:
                    message, _ = self._unsent.popleft()
                    self._size -= len(message)
                    await self._websocket.send(message)
        except (SanicException, ConnectionError):
            pass  # the connection is gone: receive() says so
        finally:
            self._closed = True
            self._unsent.clear()
