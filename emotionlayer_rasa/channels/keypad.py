"""The keys of a telephone: pressed one by one, sent as one turn."""

from __future__ import annotations

import asyncio
import json
from typing import Callable


class Keypad:
    """Collects keys until ``#`` is pressed, or none for a while.

    Args:
        send: takes the text of the turn.
        intent: that the keys are sent as, ``/INTENT{"digits": "12"}``; None sends them as text.
        pause_s: seconds without a key after which the keys are a turn.
    """

    def __init__(self, send: Callable[[str], None], intent: str | None, pause_s: float) -> None:
        self._send = send
        self._intent = intent
        self._pause_s = pause_s
        self._keys = ""
        self._pause: asyncio.TimerHandle | None = None

    def press(self, key: str) -> None:
        """Take one key, in a running event loop."""
        self.close()
        if key == "#":
            self._finish()
        else:
            self._keys += key[:1]
            self._pause = asyncio.get_running_loop().call_later(self._pause_s, self._finish)

    def close(self) -> None:
        """Wait for no more keys."""
        if self._pause:
            self._pause.cancel()

    def _finish(self) -> None:
        keys, self._keys = self._keys, ""
        if keys:
            self._send(f"/{self._intent}{json.dumps({'digits': keys})}" if self._intent else keys)
