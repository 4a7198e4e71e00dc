"""The turns of one caller, one after the other."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import AsyncIterator

from emotionlayer_rasa.errors import BusyError


class TurnOrder:
    """Lets each caller's turns pass in the order in which they came, whichever is understood first.

    Rasa's conversation lock does the same, but only from the moment a message reaches it: a short utterance would
    overtake a long one, and "stop analysing my voice" would come too late for what was said right after it.

    Args:
        waiting: turns of one caller that may wait; one more is answered with :class:`BusyError`.
    """

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        self._locks: dict[str, asyncio.Lock] = {}
        self._turns: dict[str, int] = {}

    @asynccontextmanager
    async def turn(self, sender: str) -> AsyncIterator[None]:
        """Wait for the caller's earlier turns.

        Raises:
            BusyError: too many of them wait already.
        """
        if self._turns.get(sender, 0) > self._waiting:
            raise BusyError(f"{self._waiting} turns of this sender wait already. Wait for an answer, then go on.")
        lock = self._locks.setdefault(sender, asyncio.Lock())
        self._turns[sender] = self._turns.get(sender, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._turns[sender] -= 1
            if not self._turns[sender]:
                del self._turns[sender], self._locks[sender]
