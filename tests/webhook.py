"""A receiver of handoff summaries: checks every signature, answers as it is told, and keeps what it got."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Sequence

SECRET = "a-secret-of-the-tests"


def wait_until(holds: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for something that happens in the background."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


class Webhook:
    """An HTTP server in a thread; a context manager.

    Args:
        statuses: what to answer, one a request; the last one for all that follow.
        gate: what an answer waits for; None answers at once.
        port: where to listen; 0 takes any.
        headers: of the answers.

    Attributes:
        got: the Idempotency-Key and the body of each request, in the order of arrival.
        unsigned: requests without a valid signature.
    """

    def __init__(
        self,
        *statuses: int,
        gate: threading.Event | None = None,
        port: int = 0,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.unsigned = 0
        left = list(statuses or (200,))
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stamp, _, given = self.headers["X-EmotionLayer-Signature"].partition(",v1=")
                expected = hmac.new(SECRET.encode(), stamp[2:].encode() + b"." + body, hashlib.sha256).hexdigest()
                if not hmac.compare_digest(expected, given) or abs(time.time() - int(stamp[2:])) > 60:
                    webhook.unsigned += 1
                webhook.got.append((self.headers["Idempotency-Key"], json.loads(body)))
                status = left.pop(0) if len(left) > 1 else left[0]
                if gate:
                    gate.wait(60)
                try:
                    self.send_response(status)
                    for name, value in headers:
                        self.send_header(name, value)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")
                except OSError:
                    pass  # the client has gone

            def log_message(self, format: str, *args: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/handoff"

    @property
    def ids(self) -> list[str]:
        """The ids of what it got."""
        return [id for id, _ in self.got]

    def __enter__(self) -> Webhook:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        assert self.unsigned == 0, "a request without a valid signature"
