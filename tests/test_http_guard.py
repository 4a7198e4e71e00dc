from __future__ import annotations

import asyncio
import base64
from typing import AsyncIterator

import pytest

from emotionlayer_rasa import errors
from emotionlayer_rasa.http_guard import Guard, error_answer, receive_body, receive_small_body

GUARD = Guard("s3crèt", "here")
OPEN = Guard(None, "here")


def test_the_token_comes_as_a_bearer_a_header_in_the_query_or_as_a_password() -> None:
    GUARD.check_token({"Authorization": "Bearer s3crèt"}, {})
    GUARD.check_token({"Authorization": "bearer  s3crèt "}, {})
    GUARD.check_token({"X-Token": "s3crèt"}, {})
    GUARD.check_token({"Authorization": "Basic dTpw"}, {"token": "s3crèt"})
    GUARD.check_token({"Authorization": "Basic " + base64.b64encode("pbx:s3crèt".encode()).decode()}, {})
    OPEN.check_token({}, {})
    wrong: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"Authorization": "s3crèt"}, {}),
        ({"Authorization": "Basic s3crèt"}, {}),
        ({"Authorization": "Basic " + base64.b64encode("s3crèt:".encode()).decode()}, {}),
        ({"X-Token": "wrong"}, {"token": "s3crèt"}),
        ({"X-Token": "\udcff"}, {}),
        ({}, {"token": ""}),
    ]
    for headers, query in wrong:
        with pytest.raises(errors.UnauthorizedError, match="here") as refused:
            GUARD.check_token(headers, query)
        assert "s3cr" not in str(refused.value)


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://localhost:5005", "localhost:5005", True),
        ("http://[::1]:5005", "[::1]:5005", True),
        ("http://localhost:5006", "localhost:5005", False),
        ("http://rebound.example.org", "rebound.example.org", False),
        ("http://[", "[", False),
        ("null", None, False),
    ],
)
def test_without_a_token_a_page_of_another_server_is_kept_out(origin: str, host: str | None, own: bool) -> None:
    headers = {"Origin": origin, **({"Host": host} if host else {})}
    GUARD.check_origin(headers)
    OPEN.check_origin({"Host": "localhost"})
    if own:
        OPEN.check_origin(headers)
    else:
        with pytest.raises(errors.UnauthorizedError, match="here"):
            OPEN.check_origin(headers)


def test_an_error_is_answered_with_the_status_of_its_nearest_class() -> None:
    busy = error_answer(errors.BusyError("Try again."))
    assert (busy.status, busy.headers) == (503, {"Retry-After": "1"})
    assert busy.body == {"error": {"code": "busy", "message": "Try again."}}
    assert error_answer(errors.SilentAudioError("x")).status == 422
    assert error_answer(errors.EmotionLayerError("x")).status == 500
    strange = error_answer(ValueError("what a caller said"))
    assert (strange.status, strange.body["error"]["code"]) == (500, "internal")
    assert "caller" not in str(strange.body)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def test_a_body_is_received_up_to_its_limit() -> None:
    assert asyncio.run(receive_body(chunks(b"ab", b"cd"), 4)) == (b"abcd", 4)
    body, size = asyncio.run(receive_body(chunks(b"ab", b"cd", b"ef"), 4))
    assert (len(body), size) == (4, 6)
    with pytest.raises(errors.RequestTooLargeError, match=r"6 bytes; the limit is 4\. Send less\."):
        asyncio.run(receive_small_body(chunks(b"ab", b"cd", b"ef"), 4, "Send less."))
