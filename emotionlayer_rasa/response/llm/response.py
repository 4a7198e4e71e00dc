"""What a language model's server sends, be it one JSON object or a stream of events, whatever was asked for.

Endpoints that speak OpenAI's protocol speak it more or less. Read is what carries an answer; the rest is passed
over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, AsyncGenerator, AsyncIterator, Mapping

import httpx

from emotionlayer_rasa.response.llm.refusal import ServerRefused, error_status

_FIELDS = ("", "data", "event", "id", "retry")
"""Fields of a server-sent event; one without a name is a comment (HTML standard, section 9.2.6)."""
_TEXTS = ("text", "output_text")
"""Types of the parts of a content that are said; others are thoughts, calls of tools, pictures."""


class MalformedAnswer(Exception):
    """What came is no chat completion."""


@dataclass(frozen=True)
class Part:
    """A part of an answer.

    Attributes:
        text: what the model wrote.
        whole: whether that is all that it wrote so far, not what follows on the part before.
        finish: why the model stopped, in lower case; empty while it writes, and where the server does not tell.
        done: whether the server says that nothing follows.
        usage: tokens so far.
    """

    text: str = ""
    whole: bool = False
    finish: str = ""
    done: bool = False
    usage: Mapping[str, Any] | None = None


async def read_parts(response: httpx.Response) -> AsyncGenerator[Part, None]:
    """The parts of an answer as they come; one for an answer in one piece.

    The form is told from what comes, not from the content type, which some servers have wrong. A server's events
    need not be a blank line apart.

    Raises:
        ServerRefused: an error stood in the answer.
        MalformedAnswer: what came is something else.
    """
    body = data = event = ""
    events = False
    async for line in _lines(response):
        name, _, value = line.partition(":")
        if body or (not events and line.strip() and name not in _FIELDS):
            body += f"{line}\n"
        elif not line.strip():
            if data.strip():
                raise MalformedAnswer
            event = ""
        elif name == "event":
            event = value.strip()
        elif name == "data":
            events = True
            data += value
            if data.strip() == "[DONE]":
                yield Part(done=True)
                return
            try:
                found = json.loads(data, strict=False)
            except ValueError:  # the next line goes on
                data += "\n"
                continue
            data = ""
            yield _part(found, True, event)
    if body:
        try:
            yield replace(_part(json.loads(body, strict=False), False), done=True)
        except ValueError:
            raise MalformedAnswer from None
    elif data.strip() or not events:
        raise MalformedAnswer


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """Lines in UTF-8, which both forms are in, whatever the header says."""
    rest = b""
    async for block in response.aiter_bytes():
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield _decoded(line)
    yield _decoded(rest)


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r")


def _part(found: Any, in_stream: bool, event: str = "") -> Part:
    if isinstance(found, list) and len(found) == 1:  # so come the errors of Google's endpoint
        found = found[0]
    if not isinstance(found, Mapping):
        if in_stream and (found is None or isinstance(found, str)):  # a sign of life, or of the end
            return Part()
        raise MalformedAnswer
    if error := found.get("error") or (found if event == "error" else None):
        raise ServerRefused(error_status(error), error, in_stream=in_stream)
    usage = found.get("usage") if isinstance(found.get("usage"), Mapping) else None
    choices = found.get("choices")
    if not choices:
        if not in_stream:
            raise MalformedAnswer
        return Part(usage=usage)
    if not isinstance(choices, list) or not isinstance(choices[0], Mapping):
        raise MalformedAnswer
    choice = choices[0]
    delta, message = choice.get("delta"), choice.get("message")
    written = message if delta is None else delta
    return Part(
        text=_text(written.get("content")) if isinstance(written, Mapping) else "",
        whole=delta is None,
        finish=str(choice.get("finish_reason") or "").lower(),
        usage=usage,
    )


def _text(content: Any) -> str:
    """What is said of a content: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_text, content))
    if isinstance(content, Mapping) and content.get("type", "text") in _TEXTS:
        return _text(content.get("text"))
    return ""
