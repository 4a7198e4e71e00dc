"""A language model behind any endpoint that speaks OpenAI's chat completions, more or less."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import ssl
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence, TypeVar

import httpx

from emotionlayer_rasa.endpoints import retry_after_s
from emotionlayer_rasa.errors import LLMError
from emotionlayer_rasa.logs import describe, hide_addresses
from emotionlayer_rasa.response.llm.breaker import CircuitBreaker
from emotionlayer_rasa.response.llm.refusal import ServerRefused, error_body, loggable
from emotionlayer_rasa.response.llm.request import Question, RequestForm
from emotionlayer_rasa.response.llm.response import MalformedAnswer, Part, read_parts
from emotionlayer_rasa.response.llm.settings import LLMSettings
from emotionlayer_rasa.response.llm.text import ends_thoughts_it_never_began, said

logger = logging.getLogger(__name__)

ROOM_FOR_THOUGHTS = 1024
"""Tokens on top of ``max_tokens`` for a model that thinks before it answers."""

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.3
_NO_FAULT_OF_THE_ENDPOINT = ("truncated", "empty", "filtered")
_ABOUT_THE_KEY = (401, 403)
"""Statuses whose explanation may hold the key."""

_CUT_OFF = ("length", "max_tokens", "model_length", "max_output_tokens")
_WITHHELD = ("content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii")
_FAILED = ("error", "abort", "failed", "insufficient_system_resource")
_ENDED = ("stop", "stop_sequence", "end_turn", "eos", "eos_token", "complete", "tool_calls", "function_call")
"""Why endpoints say that a model stopped; with any other reason, or none, the text must look whole."""
_ENDS = ".!?…\"'”’»)]}`"
"""What a whole text ends with."""

T = TypeVar("T")


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


class LLMClient:
    """Asks one model, never longer than the deadline; for one event loop.

    A request that the endpoint was too busy or too broken for (429, 5xx, no connection) is repeated once, where
    that still fits into the deadline. One that it refuses is put in another form
    (:mod:`emotionlayer_rasa.response.llm.request`), and the form that it takes is kept for all that follow.

    Attributes:
        settings: the section ``llm:``.
        usage: requests, tokens and cost so far.
    """

    def __init__(self, settings: LLMSettings) -> None:
        hide_addresses()
        self.settings = settings
        self.usage = LLMUsage()
        self._key = os.environ.get(settings.api_key_env or "", "")
        self._http = httpx.AsyncClient(
            base_url=settings.base_url,
            headers={"Authorization": f"Bearer {self._key or 'none'}"},
            timeout=settings.timeout_s,
            follow_redirects=True,
            verify=_certificates(),
        )
        self._slots = asyncio.Semaphore(settings.max_concurrent)
        self._breaker = CircuitBreaker(settings.breaker_failures, settings.breaker_pause_s)
        self._form = RequestForm("schema" if settings.structured == "auto" else settings.structured)
        self._begins_with_thoughts = False

    async def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """The model's answer to a chat, without its thoughts.

        Args:
            messages: ``role`` and ``content`` of each message, oldest first.
            schema: JSON schema that the answer should keep to, as far as the endpoint can make it.
            timeout_s: seconds until the deadline; None takes that of the settings.

        Raises:
            LLMError: no usable answer in time; ``kind`` says why. The error holds nothing of the prompt or the
                answer.
        """
        return [text async for text in self._answer(Question(messages, schema), timeout_s)][-1]

    async def stream(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[str, None]:
        """The model's answer as far as it is written, again whenever more of it is.

        The last text is the whole answer. It begins with the one before, unless that was the thoughts of a model
        that does not say where they begin. Arguments and errors are those of :meth:`complete`; an error may come
        after some texts. Who stops early should close the iterator (``aclose``), which ends the request. An
        endpoint that cannot stream gives one text.
        """
        async with aclosing(self._answer(Question(messages, schema, stream=True), timeout_s)) as texts:
            async for text in texts:
                yield text

    async def _answer(self, question: Question, timeout_s: float | None) -> AsyncGenerator[str, None]:
        async with self._admitted(question, timeout_s) as deadline:
            for room in (self._form.room, ROOM_FOR_THOUGHTS):
                text = ""
                try:
                    async with aclosing(self._texts(question, room, deadline)) as texts:
                        async for text in texts:
                            yield text
                except LLMError as error:
                    # Cut off before it said a word: it thinks.
                    if error.kind != "truncated" or text or room == ROOM_FOR_THOUGHTS:
                        raise
                    continue
                self._learn(replace(self._form, room=room))
                return

    async def _texts(self, question: Question, room: int, deadline: float) -> AsyncGenerator[str, None]:
        """The answer to one request as it grows; not cut off, not empty at its end."""
        response, parts, part = await _before(deadline, self._opened(question, room, deadline))
        written = text = finish = ""
        done = False
        usage: Mapping[str, Any] | None = None
        try:
            while part is not None:
                written = part.text if part.whole and part.text else written + part.text
                finish, done, usage = part.finish or finish, done or part.done, part.usage or usage
                grown = said(written, False, self._begins_with_thoughts) if part.text else ""
                if grown and grown != text:
                    text = grown
                    yield text
                part = await _before(deadline, _next(parts))
        finally:
            await parts.aclose()
            await response.aclose()
        self._count(usage)
        self._begins_with_thoughts = self._begins_with_thoughts or ends_thoughts_it_never_began(written)
        whole = said(written)
        _check(whole, finish, done)
        if whole != text:
            yield whole

    @asynccontextmanager
    async def _admitted(self, question: Question, timeout_s: float | None) -> AsyncIterator[float]:
        """Room for one request, whose errors become ours; gives its deadline in the event loop's time."""
        deadline = asyncio.get_running_loop().time() + (timeout_s or self.settings.timeout_s)
        try:
            await _before(deadline, self._slots.acquire())
        except asyncio.TimeoutError:
            raise LLMError(
                "The language model was busy with other replies. Raise llm.max_concurrent if it can do more.",
                "busy",
            ) from None
        try:
            if not self._breaker.admits():
                raise LLMError(
                    f"The language model failed {self.settings.breaker_failures} times in a row and is left alone "
                    f"for {self.settings.breaker_pause_s:g} s. Check its server.",
                    "paused",
                )
            try:
                yield deadline
            except Exception as error:
                ours = self._translated(error, question)
                if ours.kind != "internal":
                    self._breaker.record(ours.kind in _NO_FAULT_OF_THE_ENDPOINT)
                raise ours from None
            self._breaker.record(True)
        finally:
            self._slots.release()

    async def _opened(
        self, question: Question, room: int, deadline: float
    ) -> tuple[httpx.Response, AsyncGenerator[Part, None], Part | None]:
        """Send a question until it is taken: in another form where that may help, and once more where that may.

        Returns:
            The response, its parts, and the first of them that says anything; the next ones are still to be read.
        """
        form, repeated = replace(self._form, room=room), False
        while True:
            self.usage.requests += 1
            try:
                opened = await self._begun(form.body(question, self.settings))
                break
            except (ServerRefused, httpx.TransportError) as error:
                refused = error if isinstance(error, ServerRefused) else None
                pause = None if repeated else _pause_s(error)
                if refused and (other := form.after(refused, question, self.settings)):
                    self._log_refusal(refused, question)
                    form = other
                    continue
                if pause is None or asyncio.get_running_loop().time() + pause >= deadline:
                    raise
                if refused and refused.in_stream:  # more endpoints manage an answer in one piece
                    question = replace(question, stream=False)
            await asyncio.sleep(pause)
            repeated = True
            self.usage.retries += 1
        self._learn(replace(form, room=self._form.room))
        return opened

    async def _begun(
        self, body: Mapping[str, Any]
    ) -> tuple[httpx.Response, AsyncGenerator[Part, None], Part | None]:
        request = self._http.build_request("POST", "chat/completions", json=body)
        response = await self._http.send(request, stream=True)
        try:
            if response.is_error:
                raise ServerRefused(
                    response.status_code,
                    error_body(await response.aread()),
                    response.headers.get("Retry-After", ""),
                )
            parts = read_parts(response)
            part = await _next(parts)
            while part is not None and not part.text and not part.finish:
                part = await _next(parts)
        except BaseException:
            await response.aclose()
            raise
        return response, parts, part

    def _learn(self, form: RequestForm) -> None:
        """Keep the form that the endpoint took."""
        if form == self._form:
            return
        before, now = asdict(self._form), asdict(form)
        changed = " ".join(f"{name}={now[name]}" for name in now if now[name] != before[name])
        logger.info("llm.request_adapted model=%s %s", self.settings.model, changed)
        self._form = form

    def _log_refusal(self, refused: ServerRefused, question: Question) -> None:
        explanation = loggable(refused.explanation, question.messages, self._key)
        logger.warning(
            "llm.refused model=%s status=%s explanation=%s",
            *(self.settings.model, refused.status, "" if refused.status in _ABOUT_THE_KEY else explanation),
        )

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        if usage is None:
            return
        total, settings = self.usage, self.settings
        counts = (usage.get(f"{name}_tokens") for name in ("prompt", "completion"))
        prompt, completion = (int(count) if isinstance(count, (int, float)) else 0 for count in counts)
        total.prompt_tokens += prompt
        total.completion_tokens += completion
        total.cost += prompt * settings.price_per_million_input / 1e6
        total.cost += completion * settings.price_per_million_output / 1e6
        logger.info(
            "llm.answered model=%s prompt_tokens=%d completion_tokens=%d requests=%d tokens=%d cost=%.6f",
            *(settings.model, prompt, completion),
            *(total.requests, total.prompt_tokens + total.completion_tokens, total.cost),
        )

    def _translated(self, error: Exception, question: Question) -> LLMError:
        if isinstance(error, LLMError):
            return error
        if isinstance(error, (asyncio.TimeoutError, httpx.TimeoutException)):
            return LLMError(
                f"The language model did not answer within {self.settings.timeout_s:g} s. "
                "Raise llm.timeout_s in endpoints.yml, or choose a faster model.",
                "late",
            )
        if isinstance(error, ServerRefused):
            self._log_refusal(error, question)
            if error.filtered:
                return _withheld()
            if error.status is None:
                return _failed()
            return LLMError(
                f"The language model's server answered with HTTP status {error.status}. "
                "Check llm.base_url, llm.model and the key in endpoints.yml, and the server's own log.",
                "status",
                error.status,
            )
        if isinstance(error, (httpx.TransportError, httpx.TooManyRedirects)):
            return LLMError(
                "The language model's server cannot be reached, or broke off. Start it, or correct llm.base_url.",
                "unreachable",
            )
        if isinstance(error, (MalformedAnswer, httpx.DecodingError)):
            return LLMError(
                "The language model's server sent something that is no chat completion. Check llm.base_url.",
                "malformed",
            )
        logger.error("llm.internal_error %s", describe(error))
        return LLMError("The client of the language model failed. Its log names the place: report it.", "internal")


@cache
def _certificates() -> ssl.SSLContext:
    """Those that are trusted, read once for all clients: it takes longer than a short answer."""
    return httpx.create_ssl_context()


async def _before(deadline: float, step: Awaitable[T]) -> T:
    return await asyncio.wait_for(step, deadline - asyncio.get_running_loop().time())


async def _next(parts: AsyncGenerator[Part, None]) -> Part | None:
    try:
        return await parts.__anext__()
    except StopAsyncIteration:
        return None


def _pause_s(error: Exception) -> float | None:
    """Seconds until a request may be repeated; None when repeating it cannot help."""
    jitter = random.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S)
    if not isinstance(error, ServerRefused):
        return None if isinstance(error, httpx.TimeoutException) else jitter
    if error.status is not None and error.status != 429 and (error.status < 500 or error.status == 501):
        return None
    return retry_after_s(error.retry_after) + jitter


def _check(text: str, finish: str, done: bool) -> None:
    """Refuse an answer that did not come to its end.

    Args:
        text: what was said.
        finish: why the model stopped; empty where the endpoint does not tell.
        done: whether the endpoint said that nothing follows.
    """
    finish = finish.replace("-", "_")
    ended = finish in _ENDED or (done and not finish)
    if finish in _FAILED:
        raise _failed()
    if finish in _WITHHELD:
        raise _withheld()
    if finish in _CUT_OFF or (text and not ended and text[-1] not in _ENDS):
        raise LLMError(
            "The language model's reply was cut off. Raise llm.max_tokens in endpoints.yml.", "truncated"
        )
    if not text:
        raise LLMError("The model's reply was empty. Try another model in endpoints.yml.", "empty")


def _withheld() -> LLMError:
    return LLMError(
        "The language model's server withheld the reply. Its content filter did not allow it.", "filtered"
    )


def _failed() -> LLMError:
    return LLMError("The language model's server reported an error of its own. Check its log.", "failed")
