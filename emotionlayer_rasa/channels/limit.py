"""So many calls at a time, and so many connections that wait to be one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from emotionlayer_rasa import errors


class ConcurrencyLimit:
    """So many of something at a time.

    Args:
        limit: how many.
        reached: what to say when there are as many, and what to do then.
    """

    def __init__(self, limit: int, reached: str) -> None:
        self._limit = limit
        self._message = reached
        self._count = 0

    def check(self) -> None:
        """Look whether there may be one more.

        Raises:
            BusyError: there may not.
        """
        if self._count >= self._limit:
            raise errors.BusyError(f"{self._count} {self._message}")

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Be one of them.

        Raises:
            BusyError: there are enough already.
        """
        self.check()
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
