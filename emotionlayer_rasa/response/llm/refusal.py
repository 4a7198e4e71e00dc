"""What a language model's server says when it does not answer, and how much of that may be logged.

Servers send back what they were sent: the whole request, the message at fault, a word of it. So an explanation is
read from the fields that are made for one, and what stands in the chat as well is taken out of it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Iterator, Mapping, Sequence

_FIELDS = ("param", "loc", "error", "errors", "message", "msg", "detail", "code", "type", "reason")
"""Where servers explain themselves: OpenAI and most, FastAPI (``detail``, ``loc``, ``msg``), Google, TGI."""
_FILTERED = re.compile(r"content[_ -]?(?:filter|(?:management )?policy)|moderation|\bflagged\b", re.IGNORECASE)
_LONGEST = 1000
_LONGEST_LOGGED = 300
_RUN = 3
"""Words in a row that count as a quotation of the chat."""


class ServerRefused(Exception):
    """The server answered with an error.

    Attributes:
        status: HTTP status; None where the error stood in an answer with status 200 and names none.
        explanation: what the server says about it. It may quote the chat: see :func:`loggable`.
        param: the parameter that the server holds to be at fault; empty where it names none.
        retry_after: the header ``Retry-After``.
        in_stream: whether the error came in a stream of events.
        filtered: whether a filter of the server's did not allow the chat.
    """

    def __init__(self, status: int | None, body: Any, retry_after: str = "", in_stream: bool = False) -> None:
        super().__init__()
        self.status = status
        self.explanation = " ".join(_explanations(body))[:_LONGEST]
        self.param = _param(body)
        self.retry_after = retry_after
        self.in_stream = in_stream
        self.filtered = bool(_FILTERED.search(self.explanation))


def error_body(content: bytes) -> Any:
    """The body of an error: JSON, or text; empty for HTML, which is a page for people."""
    text = content.decode("utf-8", "replace").strip()
    try:
        return json.loads(text)
    except ValueError:
        return "" if text.startswith("<") else text


def error_status(error: Any) -> int | None:
    """The HTTP status that an error object names, if any."""
    found = error.get("code", error.get("status")) if isinstance(error, Mapping) else None
    try:
        status = int(found)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return status if 400 <= status < 600 else None


def loggable(explanation: str, messages: Sequence[Mapping[str, str]], secret: str = "") -> str:
    """An explanation without anything of the chat.

    A word goes that stands in the last message alone, which holds the caller's data; and so do three words in a
    row that stand in any message.

    Args:
        explanation: see :class:`ServerRefused`.
        messages: the chat that was sent.
        secret: the API key.
    """
    if secret:
        explanation = explanation.replace(secret, "…")
    *before, last = [_words(message["content"]) for message in messages] or [[]]
    private = set(last) - {word for words in before for word in words}
    quotable = {tuple(words[at : at + _RUN]) for words in (*before, last) for at in range(len(words) - _RUN + 1)}
    found = list(re.finditer(r"\w+", explanation))
    said = [match[0].casefold() for match in found]
    quoted = {place for place, word in enumerate(said) if word in private}
    for at in range(len(said) - _RUN + 1):
        if tuple(said[at : at + _RUN]) in quotable:
            quoted |= set(range(at, at + _RUN))
    text, end = "", 0
    for place, match in enumerate(found):
        text += explanation[end : match.start()] + ("…" if place in quoted else match[0])
        end = match.end()
    text = re.sub(r"…(?:\W*…)+", "…", text + explanation[end:])
    return " ".join(text.split())[:_LONGEST_LOGGED]


def _words(text: str) -> list[str]:
    return [word.casefold() for word in re.findall(r"\w+", text)]


def _explanations(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, list):
        for item in body:
            yield from _explanations(item)
    elif isinstance(body, Mapping):
        for field in _FIELDS:
            yield from _explanations(body.get(field))


def _param(body: Any) -> str:
    if isinstance(body, list):
        return next(filter(None, map(_param, body)), "")
    if not isinstance(body, Mapping):
        return ""
    if isinstance(body.get("param"), str):
        return str(body["param"])
    return _param(body.get("error")) or _param(body.get("detail"))
