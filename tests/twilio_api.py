"""Twilio's REST API, as far as a call is passed on: an HTTP server in a thread."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class TwilioApi:
    """A context manager.

    Args:
        status: what is answered.
        port: where to listen; 0 takes any.

    Attributes:
        got: path, account, token and form of each request.
    """

    def __init__(self, status: int = 200, port: int = 0) -> None:
        self.got: list[tuple[str, str, str, dict[str, str]]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                account, _, token = (
                    base64.b64decode(self.headers["Authorization"].split()[1]).decode().partition(":")
                )
                api.got.append((self.path, account, token, {key: value for key, (value,) in form.items()}))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> TwilioApi:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
