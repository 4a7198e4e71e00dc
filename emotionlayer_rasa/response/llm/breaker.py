"""A circuit breaker: who fails again and again is left alone for a while."""

from __future__ import annotations

import time


class CircuitBreaker:
    """Leaves an endpoint alone that fails again and again, so that nobody waits for it.

    After ``failures`` failures in a row it admits nothing for ``pause_s`` seconds; then one request each
    ``pause_s`` (half-open), until one succeeds.
    """

    def __init__(self, failures: int, pause_s: float) -> None:
        self._limit, self._pause_s = failures, pause_s
        self._failures, self._until = 0, 0.0

    def admits(self) -> bool:
        """Whether a request may be sent now."""
        if self._failures < self._limit:
            return True
        now = time.monotonic()
        if now < self._until:
            return False
        self._until = now + self._pause_s  # a probe that never reports back blocks nothing
        return True

    def record(self, success: bool) -> None:
        """Note how a request went."""
        self._failures = 0 if success else self._failures + 1
        if self._failures >= self._limit:
            self._until = time.monotonic() + self._pause_s
