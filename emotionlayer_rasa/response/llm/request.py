"""How a chat is put to an endpoint; what the endpoint refuses is left out or put in another way."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Iterator, Mapping, Sequence

from emotionlayer_rasa.response.llm.refusal import ServerRefused
from emotionlayer_rasa.response.llm.settings import LLMSettings

_FINAL = (401, 402, 403, 404, 408, 429)
"""Statuses that say nothing about a request's parameters."""
_OF_THE_REQUEST = (400, 405, 422, 501)
"""Statuses that do, even where the server does not say which."""

_LIMIT = r"max_\w*tokens"
_TEMPERATURE = r"temperature"
_USAGE = r"stream_options|include_usage"
_SCHEMA = r"response_?format|json_?schema|json_object|structured|grammar"
_SYSTEM = r"\bsystem\b|\broles?\b|developer instruction"
_STREAM = r"\bstream(?!_options)"


@dataclass(frozen=True)
class Question:
    """A chat to be answered.

    Attributes:
        messages: ``role`` and ``content`` of each message, oldest first.
        schema: JSON schema that the answer should keep to.
        stream: whether the answer should come in pieces.
    """

    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any] | None = None
    stream: bool = False


@dataclass(frozen=True)
class RequestForm:
    """What one endpoint takes; that of a new endpoint is OpenAI's own.

    Attributes:
        constraint: how the answer is held to its schema: ``schema``, ``grammar`` or ``none``.
        limit: name of the parameter that limits an answer's length; empty for none. OpenAI's models that think
            take ``max_completion_tokens`` only, most other servers ``max_tokens`` only.
        room: tokens on top of that limit, for thoughts.
        temperature: whether it takes a temperature.
        stream: whether it streams.
        usage: whether a stream may be asked for the number of tokens.
        system: whether it takes messages with the role ``system``; else they stand before the caller's.
    """

    constraint: str = "schema"
    limit: str = "max_tokens"
    room: int = 0
    temperature: bool = True
    stream: bool = True
    usage: bool = True
    system: bool = True

    def body(self, question: Question, settings: LLMSettings) -> dict[str, Any]:
        """The request in this form."""
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": list(question.messages) if self.system else _without_system(question.messages),
        }
        if self.temperature:
            body["temperature"] = settings.temperature
        if self.limit:
            body[self.limit] = settings.max_tokens + self.room
        if question.stream and self.stream:
            body["stream"] = True
            if self.usage:
                body["stream_options"] = {"include_usage": True}
        if question.schema is not None and self.constraint == "grammar":
            body["json_schema"] = question.schema
        elif question.schema is not None and self.constraint == "schema":
            named = {"name": "answer", "strict": True, "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return body

    def after(self, refused: ServerRefused, question: Question, settings: LLMSettings) -> RequestForm | None:
        """The form to try next, which differs in the one thing that the server holds to be at fault.

        Where its explanation does not tell what that is, the likeliest go one by one, and then all together; where
        it explains nothing, only what many servers cannot do at all.

        Returns:
            None where another form of the question cannot help.
        """
        if refused.status in _FINAL or refused.filtered:
            return None
        body = self.body(question, settings)
        changes = [
            (pattern, form) for pattern, form in self._simpler(settings) if form.body(question, settings) != body
        ]
        named = [
            (found.start(), place)
            for place, (pattern, _) in enumerate(changes)
            if (found := re.search(pattern, refused.explanation, re.IGNORECASE))
        ]
        if named:
            return changes[min(named)[1]][1]
        if refused.status not in _OF_THE_REQUEST or refused.param:
            return None
        likely = (_SCHEMA, _USAGE, _STREAM) if refused.explanation else (_SCHEMA, _STREAM)
        for pattern, form in changes:
            if pattern in likely:
                return form
        plainest = replace(self, limit="", temperature=False, system=False)
        return plainest if refused.explanation and plainest.body(question, settings) != body else None

    def _simpler(self, settings: LLMSettings) -> Iterator[tuple[str, RequestForm]]:
        """Forms with one thing less, and what an explanation calls that thing; the likeliest come first."""
        if settings.structured == "auto":
            yield _SCHEMA, replace(self, constraint="none")
        yield _USAGE, replace(self, usage=False)
        yield _STREAM, replace(self, stream=False)
        yield _LIMIT, replace(self, limit="max_completion_tokens" if self.limit == "max_tokens" else "")
        yield _TEMPERATURE, replace(self, temperature=False)
        yield _SYSTEM, replace(self, system=False)


def _without_system(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The chat with its system messages at the head of the next message of the user."""
    told: list[str] = []
    chat: list[dict[str, str]] = []
    for message in messages:
        if message["role"] == "system":
            told.append(message["content"])
        elif message["role"] == "user" and told:
            chat.append({**message, "content": "\n\n".join((*told, message["content"]))})
            told = []
        else:
            chat.append(dict(message))
    return chat + [{"role": "user", "content": text} for text in told]
