"""An HTTP server that speaks OpenAI's protocol, with every fault that a test asks for."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Mapping, Sequence


@dataclass(frozen=True)
class Answer:
    """One answer of the server; ``cut_at`` bytes of the body are sent when it breaks off.

    After ``pause_at`` bytes it waits until the test opens the endpoint's ``gate``.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut_at: int | None = None
    pause_at: int | None = None


def completion(text: str | None, finish: str = "stop", **options: Any) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }
    return Answer(json.dumps(body).encode(), **options)


def streamed(
    pieces: Sequence[str], finish: str | None = "stop", pause_after: int | None = None, **options: Any
) -> Answer:
    """The answer in server-sent events; without ``finish`` it stops half-way.

    After the first ``pause_after`` pieces it waits for the endpoint's ``gate``.
    """
    chunks: list[dict[str, Any]] = [
        {"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in pieces
    ]
    chunks += [{"index": 0, "delta": {}, "finish_reason": finish}] if finish else []
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events: list[dict[str, Any]] = [{**head, "choices": [chunk]} for chunk in chunks]
    if finish:
        events.append(
            {**head, "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
        )
    lines = [f"data: {json.dumps(event)}\n\n" for event in events] + (["data: [DONE]\n\n"] if finish else [])
    pause_at = None if pause_after is None else len("".join(lines[:pause_after]))
    headers = {"Content-Type": "text/event-stream"}
    return Answer("".join(lines).encode(), headers=headers, pause_at=pause_at, **options)


def whole(message: Mapping[str, Any], finish: str | None = "stop", **options: Any) -> Answer:
    """The answer in one piece, with any message; without usage."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return Answer(json.dumps(body).encode(), **options)


def events(*sent: Any, end: str = "data: [DONE]\n\n", content_type: str = "text/event-stream") -> Answer:
    """The answer in server-sent events; each is an object, or text that is sent as it is."""
    lines = [event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n" for event in sent]
    return Answer("".join((*lines, end)).encode(), headers={"Content-Type": content_type})


def delta(finish: str | None = None, **changed: Any) -> dict[str, Any]:
    """One event of a streamed answer."""
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [{"index": 0, "delta": changed, "finish_reason": finish}]}


def refusal(message: Any, status: int = 400, **fields: Any) -> Answer:
    """OpenAI's error."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **fields}
    return Answer(json.dumps({"error": error}).encode(), status)


class Endpoint(ThreadingHTTPServer):
    """Answers with ``script`` in turn, the last one for ever, or with what ``answer`` makes of a request."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script: list[Answer] = [completion("Hello.")]
        self.answer: Callable[[Mapping[str, Any]], Answer] | None = None
        self.requests: list[dict[str, Any]] = []
        self.closing = threading.Event()
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.at_once = 0
        self.most_at_once = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_answer(self, request: Mapping[str, Any]) -> Answer:
        if self.answer is not None:
            return self.answer(request)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append({"path": self.path, "body": body, "headers": dict(self.headers)})
            answer = self.server.next_answer(body)
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        try:
            self._answer(answer)
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def _answer(self, answer: Answer) -> None:
        self.server.closing.wait(answer.delay_s)
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.pause_at is not None:
            self.wfile.write(answer.body[: answer.pause_at])
            self.server.gate.wait(60)
        self.wfile.write(answer.body[answer.pause_at or 0 : answer.cut_at])

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client's deadline was over
            super().handle()
