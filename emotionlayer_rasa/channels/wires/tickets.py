"""What lets a websocket in that our own answer to a webhook sent here: good once, for one call and a minute."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from emotionlayer_rasa import errors

_TICKET_S = 60


class Tickets:
    """Signed tickets.

    Args:
        key: a secret.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._used: dict[str, float] = {}
        """When each ticket that was used ends."""

    def issue(self, call: str, sender: str, now: float | None = None) -> str:
        """A ticket for a call and its sender; ``now`` in seconds since 1970."""
        expires = str(int((time.time() if now is None else now) + _TICKET_S))
        nonce = secrets.token_hex(8)  # a call that comes back within the second gets another ticket
        return f"{expires}.{nonce}.{self.digest('ticket', call, sender, expires, nonce)}"

    def use(self, ticket: str, call: str, sender: str) -> None:
        """Let a call in, once.

        Raises:
            UnauthorizedError: the ticket is not for this call, too old, or used already.
        """
        expires, _, rest = ticket.partition(".")
        nonce, _, digest = rest.partition(".")
        expected = self.digest("ticket", call, sender, expires, nonce)
        now = time.time()
        self._used = {used: until for used, until in self._used.items() if until >= now}
        genuine = hmac.compare_digest(digest.encode("utf-8", "replace"), expected.encode())
        if not genuine or int(expires) < now or ticket in self._used:
            raise errors.UnauthorizedError(
                "The stream has no valid ticket. Let this server's answer to the webhook open it."
            )
        self._used[ticket] = int(expires)

    def digest(self, *parts: str) -> str:
        """A keyed hash of texts."""
        joined = "\n".join(parts).encode("utf-8", "replace")
        return hmac.new(self._key, joined, hashlib.sha256).hexdigest()[:32]
