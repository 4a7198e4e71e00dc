"""The first sentence of a reply on its way from the action server to the call."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterator, Mapping

import pytest
from rasa_sdk import Tracker

from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.actions.early_speech import early_speech
from emotionlayer_rasa.cli.servers import free_port
from emotionlayer_rasa.early_speech import SECRET_VARIABLE, early_speech_metadata
from emotionlayer_rasa.response import Reply, speech_payload

TEXT = "I am sorry about this."
BEGINNING = Reply(TEXT, "llm", "active_deescalation", speech_payload(TEXT, "active_deescalation"))


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, "known to both servers")


class Call(ThreadingHTTPServer):
    """Stands for the voice channel; answers with one status."""

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.got: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Call

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path, body))
        if self.server.status == 0:  # breaks off without an answer
            return
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def calling(status: int) -> Iterator[Call]:
    server = Call(status)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def tracker(*metadata: Mapping[str, Any]) -> Tracker:
    """A conversation whose turns have such metadata."""
    events = [{"event": "user", "text": "hello", "metadata": told, "timestamp": 1.0} for told in metadata]
    return Tracker("caller", {}, {"intent": {"name": "greet"}}, events, False, None, {}, "action_listen")


def say(metadata: Mapping[str, Any]) -> bool:
    speak = early_speech(ActionConversation(tracker(metadata)))
    assert speak
    return asyncio.run(speak(BEGINNING))


@pytest.mark.parametrize(("status", "said"), [(200, True), (409, False), (404, False), (307, False), (0, True)])
def test_a_sentence_is_posted_once_to_where_the_channel_said(
    status: int, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    turn = "t" * 43
    with calling(status) as call:
        assert say(early_speech_metadata(call.url, turn)) is said
        assert call.got == [
            (f"/webhooks/voice/calls/{turn}/say", {"text": TEXT, "custom": BEGINNING.payload()}),
        ]
    assert TEXT not in caplog.text
    assert ("reply.early_speech.refused" in caplog.text) is (status in (404, 307))


def test_an_address_that_a_client_of_another_channel_writes_gets_nothing() -> None:
    with calling(200) as call:
        url = f"{call.url}/webhooks/voice/calls/{'t' * 43}/say"
        genuine = early_speech_metadata("http://localhost:5005", "t" * 43)["early_speech"]
        for entry in ({"url": url}, {"url": url, "signature": "0" * 64}, {**genuine, "url": url}):
            assert early_speech(ActionConversation(tracker({"early_speech": entry}))) is None
        assert call.got == []


def test_where_nobody_listens_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert say(early_speech_metadata(f"http://127.0.0.1:{free_port()}", "t" * 43)) is False
    assert "reply.early_speech.failed" in caplog.text


def test_only_the_last_turn_of_a_live_call_is_spoken_early() -> None:
    live = early_speech_metadata("http://localhost:5005", "t" * 43)
    assert early_speech(ActionConversation(tracker({}, live)))
    for turns in ([], [{}], [live, {}], [live, {"is_external": True}], [{"early_speech": {"url": "http://a/b"}}]):
        assert early_speech(ActionConversation(tracker(*turns))) is None
