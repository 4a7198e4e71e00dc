"""A language model behind any OpenAI-compatible endpoint: ``llm:`` in ``endpoints.yml``."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, AsyncGenerator, AsyncIterator, Awaitable, Literal, Mapping, Sequence, TypeVar

import httpx
import openai
from pydantic import Field, validator

from emotionlayer_rasa.endpoints import read_section
from emotionlayer_rasa.errors import LLMError
from emotionlayer_rasa.settings import Settings

logger = logging.getLogger(__name__)

# At DEBUG this logger writes whole requests, that is prompts with the caller's words.
logging.getLogger("openai").setLevel(logging.INFO)

MAX_TOKENS: Mapping[str, int] = {"rephrase": 80, "compose": 200}
"""Default of ``max_tokens`` by mode: three spoken sentences, and for ``compose`` the JSON around them."""

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.3
_HARMLESS = ("llm.truncated", "llm.empty", "llm.busy", "llm.no_stream")
"""Errors that say nothing against the endpoint."""
_NO_STREAM = ("llm.no_stream", "llm.status_400", "llm.status_422", "llm.status_501")
"""How endpoints refuse to stream; all come before the first piece."""

T = TypeVar("T")


class LLMSettings(Settings):
    """The section ``llm:`` of ``endpoints.yml``.

    Attributes:
        base_url: the endpoint, such as ``http://127.0.0.1:8090/v1``.
        model: name of the model there.
        api_key_env: environment variable that holds the API key; None, or a variable that is not set, for servers
            that want no key.
        mode: ``rephrase`` rewords a template, which weak models manage; ``compose`` lets a capable model answer in
            its own words.
        structured: how an answer is held to its JSON schema: ``schema`` (``response_format``), ``grammar``
            (llama.cpp's own ``json_schema``, from which it makes a grammar), ``none``, or ``auto``: ``schema``,
            until the endpoint refuses it.
        timeout_s: seconds for all attempts at a reply together; then a template answers.
        temperature: 0 .. 2; 0 makes replies reproducible.
        max_tokens: longest reply; a reply that is cut off is discarded. None takes :data:`MAX_TOKENS`.
        max_concurrent: requests at a time; others wait, no longer than their deadline.
        breaker_failures: failures in a row after which the endpoint is left alone.
        breaker_pause_s: for how many seconds; then one request tries again.
        price_per_million_input, price_per_million_output: cost of a million tokens, in any currency.
    """

    base_url: str = Field(regex=r"^https?://\S+$")
    model: str = Field(min_length=1)
    api_key_env: str | None = None
    mode: Literal["rephrase", "compose"] = "rephrase"
    structured: Literal["auto", "schema", "grammar", "none"] = "auto"
    timeout_s: float = Field(default=8.0, gt=0, le=60)
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=None, ge=16, le=4096)
    max_concurrent: int = Field(default=4, ge=1, le=256)
    breaker_failures: int = Field(default=5, ge=1)
    breaker_pause_s: float = Field(default=30.0, gt=0)
    price_per_million_input: float = Field(default=0.0, ge=0)
    price_per_million_output: float = Field(default=0.0, ge=0)

    @validator("max_tokens", pre=True, always=True)
    def _tokens_of_the_mode(cls, value: int | None, values: dict[str, Any]) -> int | None:
        return MAX_TOKENS.get(values.get("mode", ""), 80) if value is None else value


def read_llm_settings(path: str | Path | None = None) -> LLMSettings | None:
    """Read the section ``llm:``; see :func:`emotionlayer_rasa.endpoints.read_section`.

    Returns:
        None where there is none: replies then come from templates.
    """
    return read_section(LLMSettings, "llm", path)


@dataclass
class LLMUsage:
    """What a client has used since its start.

    Attributes:
        requests: requests sent, repeated ones included.
        retries: those that were repeated.
        prompt_tokens, completion_tokens: as the endpoint counts them; 0 where it does not.
        cost: of these tokens, in the currency of the prices.
    """

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


class CircuitBreaker:
    """Leaves an endpoint alone that fails again and again, so that nobody waits for it.

    After ``failures`` failures in a row it admits nothing for ``pause_s`` seconds; then one request each
    ``pause_s`` (half-open), until one succeeds.
    """

    def __init__(self, failures: int, pause_s: float) -> None:
        self._limit, self._pause_s = failures, pause_s
        self._failures, self._until = 0, 0.0

    def admits(self) -> bool:
        """Whether a request may be sent now."""
        if self._failures < self._limit:
            return True
        now = time.monotonic()
        if now < self._until:
            return False
        self._until = now + self._pause_s  # a probe that never reports back blocks nothing
        return True

    def record(self, success: bool) -> None:
        """Note how a request went."""
        self._failures = 0 if success else self._failures + 1
        if self._failures >= self._limit:
            self._until = time.monotonic() + self._pause_s


class LLMClient:
    """Asks one model, never longer than the deadline; for one event loop.

    A request that the endpoint was too busy or too broken for (429, 5xx, no connection) is repeated once, where
    that still fits into the deadline.

    Attributes:
        settings: the section ``llm:``.
        usage: requests, tokens and cost so far.
    """

    def __init__(self, settings: LLMSettings) -> None:
        self.settings = settings
        self.usage = LLMUsage()
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=os.environ.get(settings.api_key_env or "", "") or "none",
            timeout=settings.timeout_s,
            max_retries=0,  # the library's own retries know no deadline
        )
        self._completions = self._client.chat.completions  # imported on first use: not on a caller's time
        self._slots = asyncio.Semaphore(settings.max_concurrent)
        self._breaker = CircuitBreaker(settings.breaker_failures, settings.breaker_pause_s)
        self._constraint = "schema" if settings.structured == "auto" else settings.structured
        self._streams = True

    async def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """The model's answer to a chat.

        Args:
            messages: ``role`` and ``content`` of each message, oldest first.
            schema: JSON schema that the answer should keep to, as far as the endpoint can make it.
            timeout_s: seconds until the deadline; None takes that of the settings.

        Raises:
            LLMError: no usable answer in time. ``code`` says why: ``llm.late``, ``llm.unreachable``,
                ``llm.status_<HTTP status>``, ``llm.malformed``, ``llm.truncated``, ``llm.empty``, ``llm.busy`` (no
                free slot in time) or ``llm.paused`` (the circuit breaker is open). The error holds nothing of the
                prompt or the answer.
        """
        async with self._admitted(timeout_s) as deadline:
            completion = await _before(deadline, self._send(messages, schema, deadline))
            self._count(completion.usage)
            choice = completion.choices[0]
            return _usable((choice.message.content or "").strip(), choice.finish_reason)

    async def stream(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[str, None]:
        """The pieces of the model's answer, as they come; arguments and errors are those of :meth:`complete`.

        An error may come after some pieces. Who stops early should close the iterator (``aclose``), which ends the
        request. An endpoint that cannot stream gives one piece.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + (timeout_s or self.settings.timeout_s)
        if self._streams:
            try:
                async with aclosing(self._pieces(messages, schema, timeout_s)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except LLMError as error:
                if error.code not in _NO_STREAM:
                    raise
        answer = await self.complete(messages, schema=schema, timeout_s=max(deadline - now(), 0.001))
        if self._streams:
            self._streams = False  # in one piece it answers, so streaming was what it refused
            logger.info("llm.stream_refused model=%s: answers come in one piece", self.settings.model)
        yield answer

    async def _pieces(
        self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any] | None, timeout_s: float | None
    ) -> AsyncGenerator[str, None]:
        async with self._admitted(timeout_s) as deadline:
            request = self._send(messages, schema, deadline, stream=True, stream_options={"include_usage": True})
            chunks = await _before(deadline, request)
            text, finish = "", None
            try:
                if "event-stream" not in chunks.response.headers.get("Content-Type", ""):
                    raise _error("no_stream", "The language model's server does not stream.")
                while True:
                    try:
                        chunk = await _before(deadline, chunks.__anext__())
                    except StopAsyncIteration:
                        break
                    if chunk.usage:
                        self._count(chunk.usage)
                    if not chunk.choices:
                        continue
                    finish = chunk.choices[0].finish_reason or finish
                    if piece := chunk.choices[0].delta.content:
                        text += piece
                        yield piece
            finally:
                await chunks.close()
            # A stream that stops without a reason was cut off on its way.
            _usable(text.strip(), finish or "length")

    @asynccontextmanager
    async def _admitted(self, timeout_s: float | None) -> AsyncIterator[float]:
        """Room for one request, whose errors become ours; gives its deadline in the event loop's time."""
        deadline = asyncio.get_running_loop().time() + (timeout_s or self.settings.timeout_s)
        try:
            await _before(deadline, self._slots.acquire())
        except asyncio.TimeoutError:
            raise _error(
                "busy",
                "The language model was busy with other replies. Raise llm.max_concurrent if it can do more.",
            ) from None
        try:
            if not self._breaker.admits():
                raise _error(
                    "paused",
                    f"The language model failed {self.settings.breaker_failures} times in a row and is left alone "
                    f"for {self.settings.breaker_pause_s:g} s. Check its server.",
                )
            try:
                yield deadline
            except Exception as error:
                ours = self._translated(error)
                self._breaker.record(ours.code in _HARMLESS)
                raise ours from None
            self._breaker.record(True)
        finally:
            self._slots.release()

    async def _send(
        self,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any] | None,
        deadline: float,
        **options: Any,
    ) -> Any:
        request = {
            "model": self.settings.model,
            "messages": list(messages),
            "temperature": self.settings.temperature,
            "max_tokens": self.settings.max_tokens,
            **options,
        }
        constraint = self._constrained(schema)
        try:
            return await self._repeated(request | constraint, deadline)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if not constraint or self.settings.structured != "auto":
                raise
        answer = await self._repeated(request, deadline)
        self._constraint = "none"  # without the schema it answers, so the schema was what it refused
        logger.info("llm.schema_refused model=%s: answers are parsed instead", self.settings.model)
        return answer

    def _constrained(self, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        if schema is None or self._constraint == "none":
            return {}
        if self._constraint == "grammar":
            return {"extra_body": {"json_schema": schema}}
        named = {"name": "answer", "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": named}}

    async def _repeated(self, request: Mapping[str, Any], deadline: float) -> Any:
        """Send a request, and once more when that may help and still fits."""
        self.usage.requests += 1
        try:
            return await self._completions.create(**request)
        except (openai.APIStatusError, openai.APIConnectionError) as error:
            pause = _pause_s(error)
            if pause is None or asyncio.get_running_loop().time() + pause >= deadline:
                raise
        await asyncio.sleep(pause)
        self.usage.requests += 1
        self.usage.retries += 1
        return await self._completions.create(**request)

    def _count(self, usage: Any) -> None:
        if usage is None:
            return
        total, settings = self.usage, self.settings
        prompt, completion = (getattr(usage, f"{name}_tokens", None) or 0 for name in ("prompt", "completion"))
        total.prompt_tokens += prompt
        total.completion_tokens += completion
        total.cost += prompt * settings.price_per_million_input / 1e6
        total.cost += completion * settings.price_per_million_output / 1e6
        logger.info(
            "llm.answered model=%s prompt_tokens=%d completion_tokens=%d requests=%d tokens=%d cost=%.6f",
            *(settings.model, prompt, completion),
            *(total.requests, total.prompt_tokens + total.completion_tokens, total.cost),
        )

    def _translated(self, error: Exception) -> LLMError:
        if isinstance(error, LLMError):
            return error
        if isinstance(error, (asyncio.TimeoutError, openai.APITimeoutError, httpx.TimeoutException)):
            return _error(
                "late",
                f"The language model did not answer within {self.settings.timeout_s:g} s. "
                "Raise llm.timeout_s in endpoints.yml, or choose a faster model.",
            )
        if isinstance(error, openai.APIStatusError):
            return _error(
                f"status_{error.status_code}",
                f"The language model's server answered with HTTP status {error.status_code}. "
                "Check llm.base_url, llm.model and the key in endpoints.yml, and the server's own log.",
            )
        if isinstance(error, (openai.APIConnectionError, httpx.TransportError)):
            return _error(
                "unreachable",
                "The language model's server cannot be reached, or broke off. Start it, or correct llm.base_url.",
            )
        # The server decides what arrives here: broken JSON, other types, missing keys.
        return _error(
            "malformed",
            "The language model's server sent something that is no chat completion. Check llm.base_url.",
        )


async def _before(deadline: float, step: Awaitable[T]) -> T:
    return await asyncio.wait_for(step, deadline - asyncio.get_running_loop().time())


def _pause_s(error: openai.APIError) -> float | None:
    """Seconds until a request may be repeated; None when repeating it cannot help."""
    jitter = random.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S)
    if not isinstance(error, openai.APIStatusError):
        return jitter
    if error.status_code != 429 and error.status_code < 500:
        return None
    return _retry_after_s(error.response.headers.get("Retry-After", "")) + jitter


def _retry_after_s(header: str) -> float:
    """Seconds or a date, as RFC 9110, section 10.2.3 has it; 0 for anything else."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _usable(text: str, finish_reason: str | None) -> str:
    if finish_reason == "length":
        raise _error("truncated", "The language model's reply was cut off. Raise llm.max_tokens in endpoints.yml.")
    if not text:
        raise _error("empty", "The model's reply was empty. Try another model in endpoints.yml.")
    return text


def _error(reason: str, message: str) -> LLMError:
    error = LLMError(message)
    error.code = f"{LLMError.code}.{reason}"
    return error
