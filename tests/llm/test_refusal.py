"""What of a server's explanation may be logged."""

from __future__ import annotations

from typing import Any

import pytest

from emotionlayer_rasa.response.llm.refusal import ServerRefused, error_body, loggable

CHAT = [
    {"role": "system", "content": "You reword the draft of an assistant. Keep what is a number or a question."},
    {"role": "user", "content": 'Caller: {"transcription": "my cat Zerbino is at Via Roma 7"}\nDraft: Hello.'},
]


@pytest.mark.parametrize(
    "explanation",
    [
        "Unsupported parameter: 'max_tokens' is not supported with this model.",
        "messages[0].role: unknown variant `system`, expected one of the roles",
        "This model's maximum context length is 4096 tokens",
    ],
)
def test_what_is_not_of_the_chat_is_logged_as_it_is(explanation: str) -> None:
    assert loggable(explanation, CHAT) == explanation


@pytest.mark.parametrize(
    ("explanation", "logged"),
    [
        ("Bad token Zerbino in body", "Bad token … in body"),
        ("Bad token ZERBINO", "Bad token …"),
        ("Bad body: You reword the draft of an assistant.", "Bad body: …."),
        ("Bad value 'Via Roma 7' of the draft", "Bad value '…' of the draft"),
        ("The key sk-123 is unknown", "The key … is unknown"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_what_is_of_the_chat_is_not_logged(explanation: str, logged: str) -> None:
    assert loggable(explanation, CHAT, "sk-123") == logged


@pytest.mark.parametrize(
    ("body", "explanation", "param"),
    [
        ({"error": {"message": "m", "param": "p", "code": "c"}}, "p m c", "p"),
        ({"error": "m"}, "m", ""),
        ({"detail": "m"}, "m", ""),
        ({"message": "m", "request": "secret"}, "m", ""),
        ({"detail": [{"loc": ["body", "top_k"], "msg": "m", "input": "secret"}]}, "body top_k m", ""),
        ([{"error": {"code": 400, "message": "m"}}], "m", ""),
        ("m", "m", ""),
        (None, "", ""),
        (7, "", ""),
    ],
)
def test_an_explanation_is_read_from_the_fields_that_are_made_for_one(
    body: Any, explanation: str, param: str
) -> None:
    refused = ServerRefused(400, body)
    assert (refused.explanation, refused.param) == (explanation, param)


def test_a_page_for_people_explains_nothing() -> None:
    assert error_body(b"<html><body>Bad gateway</body></html>") == ""
    assert error_body(b"unknown variant `system`") == "unknown variant `system`"
    assert error_body(b'{"error": "m"}') == {"error": "m"}
