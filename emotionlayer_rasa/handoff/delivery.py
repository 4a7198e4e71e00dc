"""Posting the summary of a conversation to those who take over: ``handoff:`` in ``endpoints.yml``.

A summary is written to the outbox before it is posted, and removed once the webhook answers 2xx. Between the two a
thread of the action server's process tries again, after a restart too. So nothing is lost, and each summary is
delivered once; only if the process or the connection dies between the webhook's work and its answer is it posted
again, with the same ``Idempotency-Key``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import os
import random
import threading
import time
from pathlib import Path
from typing import Any, Iterator, Literal, Mapping

import httpx

from emotionlayer_rasa.endpoints import read_section, retry_after_s
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.handoff.outbox import Entry, Outbox, State
from emotionlayer_rasa.logs import describe, hide_addresses, log_place
from emotionlayer_rasa.settings import Settings, pydantic

logger = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""Seconds of the caller's time that a handover may take; then it goes on in the background."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
"""The pause after the first fruitless attempt doubles up to this; each is shortened by up to half, by chance.

So does the pause in which nothing is posted in the background, once the webhook gave no answer at all.
"""

LONGEST_RETRY_AFTER_S = 3600.0
"""How far a webhook's ``Retry-After`` is followed."""

AT_ONCE = 4
"""Summaries that one process posts at a time in the background."""

_POLL_S = 5.0  # another process may have left something
_TIDY_S = 3600.0


class HandoffSettings(Settings):
    """The section ``handoff:`` of ``endpoints.yml``.

    Attributes:
        url: where summaries are posted. Redirects are not followed.
        secret_env: environment variable that holds the secret which signs them.
        timeout_s: seconds that the webhook may take; a caller waits two of them.
        retries: attempts after the first one, with pauses that grow to five minutes: 100 take six hours or more.
            After the last one the summary is kept, and tried again when the action server starts.
        turns: how many of the caller's last turns a summary tells.
        transcripts: ``redacted``, or ``none`` for summaries without what was said.
        slots: slots that a person needs, such as an order number.
        outbox: folder of the summaries that are not delivered yet, seen from where the action server runs. Action
            servers may share it.
    """

    url: str = pydantic.Field(regex=r"^https?://\S+$")
    secret_env: str = pydantic.Field(default="EMOTIONLAYER_HANDOFF_SECRET", min_length=1)
    timeout_s: float = pydantic.Field(default=10.0, gt=0, le=60)
    retries: int = pydantic.Field(default=100, ge=0)
    turns: int = pydantic.Field(default=10, ge=0, le=100)
    transcripts: Literal["redacted", "none"] = "redacted"
    slots: tuple[str, ...] = ()
    outbox: str = pydantic.Field(default="handoff-outbox", min_length=1)


def signature(body: bytes, secret: str, at: int) -> str:
    """The value of ``X-EmotionLayer-Signature``: ``t=<at>,v1=<hex HMAC-SHA256 of "<at>.<body>">``.

    This is Stripe's scheme: a receiver computes the same from the raw body, compares in constant time, and refuses
    what is older than some minutes.

    Args:
        body: as it is sent.
        secret: shared with the receiver.
        at: POSIX time of the attempt, in whole seconds.
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Handoff:
    """Delivers summaries, beginning with those that the outbox still holds.

    Args:
        settings: of the section ``handoff:``.

    Raises:
        ConfigurationError: the secret is not set, or the outbox cannot be used.
    """

    def __init__(self, settings: HandoffSettings) -> None:
        hide_addresses()
        self.settings = settings
        self._secret = os.environ.get(settings.secret_env, "")
        if not self._secret:
            raise ConfigurationError(
                f"handoff.secret_env: set the environment variable {settings.secret_env} to the secret that signs "
                "the summaries; the receiver needs the same."
            )
        try:
            httpx.URL(settings.url)
        except httpx.InvalidURL:
            raise ConfigurationError("handoff.url is no address. It looks like https://host/path.") from None
        try:
            self.outbox = Outbox(Path(settings.outbox).absolute())
            log_place("handoff.outbox", self.outbox.folder)
            self.outbox.retry_failed()
        except OSError as error:
            raise ConfigurationError(
                f"handoff.outbox: the folder {settings.outbox} cannot be used ({error.strerror}). Name another "
                "one, or let the action server write there."
            ) from None
        self._unanswered = 0
        """How often in a row the webhook gave no answer."""
        self._silent_until = 0.0
        """POSIX time, in seconds, before which it is not asked for what waits."""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._wake: asyncio.Event
        self._client: httpx.AsyncClient
        self._worker: asyncio.Task[Any] | None = None
        self._ensure_running()

    @classmethod
    def from_endpoints(cls) -> Handoff | None:
        """Create it from ``endpoints.yml``; None where that has no section ``handoff:``.

        Raises:
            ConfigurationError: an unknown key or a bad value, or as the class says.
        """
        settings = read_section(HandoffSettings, "handoff")
        return cls(settings) if settings else None

    async def submit(self, summary: Mapping[str, Any]) -> State:
        """Keep a summary and try to deliver it; the same ``id`` again is not posted twice.

        Returns:
            ``delivered``; ``queued`` when that has to go on in the background, because the webhook is down or
            takes more than :data:`PATIENCE_S`; ``failed`` when it cannot, without somebody who mends the cause.
        """
        self._ensure_running()
        task = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._accept(summary), self._loop))
        try:
            return await asyncio.wait_for(asyncio.shield(task), PATIENCE_S)
        except asyncio.TimeoutError:
            return self.outbox.state(summary["id"]) or "failed"

    def close(self) -> None:
        """End the thread; what is not delivered stays in the outbox."""
        while self._thread and self._worker and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._worker.cancel)
            self._thread.join(0.1)  # asyncio.wait_for of Python 3.10 may lose a cancellation

    def _ensure_running(self) -> None:
        """Start the thread, also in a worker process of the action server, where a fork left it behind."""
        if self._thread is None or not self._thread.is_alive():
            ready = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(ready,), name="handoff", daemon=True)
            self._thread.start()
            ready.wait()

    def _run(self, ready: threading.Event) -> None:
        async def work() -> None:
            self._loop = asyncio.get_running_loop()
            self._worker = asyncio.current_task()
            self._wake = asyncio.Event()
            async with httpx.AsyncClient(headers={"Content-Type": "application/json"}) as self._client:
                ready.set()
                await self._work()

        try:
            asyncio.run(work())
        except asyncio.CancelledError:
            pass  # closed
        finally:
            ready.set()

    async def _work(self) -> None:
        """Deliver what is due, for ever."""
        tidied = float("-inf")
        while True:
            pause = _POLL_S
            try:
                if time.monotonic() - tidied > _TIDY_S:
                    self.outbox.tidy()
                    tidied = time.monotonic()
                self._wake.clear()
                due = {id: self._due(id) for id in self.outbox.waiting()}
                now = time.time()
                ready = iter([id for id, at in due.items() if at <= now])
                await asyncio.gather(*(self._retry_all(ready) for _ in range(AT_ONCE)))
                now = time.time()
                later = [max(at, self._silent_until) for at in due.values()]
                pause = min([pause, *(at - now for at in later if at > now)])
            except Exception as error:  # whatever it is, the next round may do better
                logger.error("handoff.outbox.unusable folder=%s %s", self.outbox.folder, describe(error))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def _due(self, id: str) -> float:
        try:
            entry = self.outbox.read(id)
        except ValueError:
            return 0.0  # at once: the attempt will sort it out
        return entry.due if entry else float("inf")

    async def _accept(self, summary: Mapping[str, Any]) -> State:
        id = summary["id"]
        try:
            with self.outbox.claim(id) as mine:
                if mine:
                    if self.outbox.state(id) is None:
                        self.outbox.put(id, Entry(summary))
                    await self._attempt(id)
        except OSError as error:
            logger.error(
                "handoff.not_kept id=%s %s: the summary cannot be written to %s. Make room there, or let "
                "the action server write there.",
                *(id, describe(error), self.outbox.folder),
            )
            if self.outbox.state(id) is None:  # the one chance that is left
                reason, _ = await self._post(id, _body(summary))
                return "failed" if reason else "delivered"
        return self.outbox.state(id) or "failed"

    async def _retry_all(self, ready: Iterator[str]) -> None:
        """One of several that share ``ready``; they stop where the webhook does not answer."""
        while time.time() >= self._silent_until and (id := next(ready, None)):
            await self._retry(id)

    async def _retry(self, id: str) -> None:
        with self.outbox.claim(id) as mine:
            if mine and self._due(id) <= time.time():
                await self._attempt(id)

    async def _attempt(self, id: str) -> None:
        """Post an entry that is claimed and waits; delivered, it goes, else it stays."""
        try:
            entry = self.outbox.read(id)
        except ValueError:
            self.outbox.fail(id)
            logger.error(
                "handoff.failed id=%s reason=unreadable: %s/%s.failed is damaged.", id, self.outbox.folder, id
            )
            return
        if entry is None:
            return
        reason, retry_after = await self._post(id, _body(entry.summary))
        attempts = entry.attempts + 1
        if reason is None:
            self.outbox.deliver(id)
            logger.info("handoff.delivered id=%s attempts=%d", id, attempts)
        elif retry_after is None or attempts > self.settings.retries:
            self.outbox.fail(id)
            logger.error(
                "handoff.failed id=%s reason=%s attempts=%d: the summary is kept in %s. Check handoff.url and the "
                "secret in endpoints.yml and the receiver's log, then restart the action server: it tries again.",
                *(id, reason, attempts, self.outbox.folder),
            )
        else:
            pause = max(retry_after, _pause_s(entry.attempts))
            self.outbox.postpone(id, entry, time.time() + pause)
            self._wake.set()  # for a new pause
            logger.warning(
                "handoff.postponed id=%s reason=%s attempts=%d pause_s=%.1f", id, reason, attempts, pause
            )

    async def _post(self, id: str, body: bytes) -> tuple[str | None, float | None]:
        """One attempt.

        Returns:
            Why it was fruitless (None: it was not); after how many seconds at least to try again (None: never).
        """
        headers = {
            "Idempotency-Key": id,
            "X-EmotionLayer-Signature": signature(body, self._secret, int(time.time())),
        }
        try:
            status, retry_after = await asyncio.wait_for(self._status(body, headers), self.settings.timeout_s)
        except (asyncio.TimeoutError, httpx.TimeoutException):
            self._note_silence()
            return "late", 0.0
        except (httpx.HTTPError, OSError):
            self._note_silence()
            return "unreachable", 0.0
        if self._unanswered:
            self._unanswered, self._silent_until = 0, 0.0
            self._wake.set()  # for what waits
        if 200 <= status < 300:
            return None, None
        # Requests that are wrong today are wrong tomorrow; so are redirects, which are not followed.
        again = status >= 500 or status in (408, 429)
        return f"status_{status}", retry_after if again else None

    def _note_silence(self) -> None:
        if time.time() >= self._silent_until:  # else one of several at once has noted it
            self._silent_until = time.time() + _pause_s(self._unanswered)
            self._unanswered += 1

    async def _status(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, float]:
        # What the webhook answers beside its status is not read: it may be long.
        timeout = self.settings.timeout_s
        async with self._client.stream(
            "POST", self.settings.url, content=body, headers=dict(headers), timeout=timeout
        ) as answer:
            return answer.status_code, min(
                retry_after_s(answer.headers.get("Retry-After", "")), LONGEST_RETRY_AFTER_S
            )


def _pause_s(attempts: int) -> float:
    """How long to wait after so many fruitless attempts and one more."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempts, 20)) * random.uniform(0.5, 1)


def _body(summary: Mapping[str, Any]) -> bytes:
    return json.dumps(summary, ensure_ascii=False).encode()
