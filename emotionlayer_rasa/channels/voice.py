"""The voice channel: an utterance comes in over HTTP, words and emotion go to Rasa, the replies go back."""

from __future__ import annotations

import asyncio
import functools
import hmac
import time
from collections.abc import Coroutine
from dataclasses import asdict, replace
from typing import Any, Awaitable, Callable

import pydantic
import structlog
from rasa.core.channels.channel import CollectingOutputChannel, InputChannel, UserMessage
from rasa.shared.exceptions import InvalidConfigException
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse, json

from emotionlayer_rasa import errors
from emotionlayer_rasa.affect.memory import read_turns
from emotionlayer_rasa.channels.requests import SpokenTurn, TypedTurn, read_body, read_turn
from emotionlayer_rasa.channels.turns import TurnOrder
from emotionlayer_rasa.consent import may_analyse
from emotionlayer_rasa.listener import Listener, ListenerSettings
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.utterance import METADATA_KEY, Transcript, Utterance

log = structlog.get_logger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, HTTPResponse]]

STATUS: dict[type[errors.EmotionLayerError], int] = {
    errors.UnauthorizedError: 401,
    errors.RequestError: 400,
    errors.AudioTooLargeError: 413,
    errors.AudioTooLongError: 413,
    errors.UnsupportedAudioError: 415,
    errors.AudioError: 422,
    errors.BusyError: 503,
    errors.ModelError: 503,
    errors.MissingExtraError: 503,
    errors.AssistantNotReadyError: 503,
    errors.AssistantTimeoutError: 504,
    errors.EmotionLayerError: 500,
}
"""HTTP status by error; the nearest class counts."""

_HEADERS: dict[type[errors.EmotionLayerError], dict[str, str]] = {
    errors.UnauthorizedError: {"WWW-Authenticate": "Bearer"},
    errors.BusyError: {"Retry-After": "1"},
}


class VoiceSettings(ListenerSettings):
    """Keys of ``emotionlayer_rasa.VoiceInput`` in ``credentials.yml``: those of the listener, and

    Attributes:
        token: every request must carry it; None lets everyone in.
        response_timeout_s: seconds that Rasa and its actions may take to answer one turn.
    """

    token: str | None = pydantic.Field(default=None, min_length=1)
    response_timeout_s: float = pydantic.Field(default=60.0, gt=0)


class VoiceOutput(CollectingOutputChannel):
    """Collects the assistant's messages: text, buttons and custom data of one response in one JSON object."""

    @classmethod
    def name(cls) -> str:
        """The name that ``channel:`` conditions of responses in ``domain.yml`` use."""
        return "voice"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Keep one response of the assistant."""
        kept = {key: message.get(key) for key in ("text", "buttons", "image", "attachment", "elements", "custom")}
        kept["buttons"] = kept["buttons"] or message.get("quick_replies")
        if any(kept.values()):
            await self._persist_message({key: value for key, value in kept.items() if value})


class VoiceInput(InputChannel):
    """Rasa's ear for speech, with typed turns beside it.

    Routes, all under ``/webhooks/voice``:

    ``POST /webhook`` takes one turn:

    - ``multipart/form-data``: file field ``audio``; fields ``sender``, optional ``metadata`` (a JSON object for
      Rasa), for raw samples ``encoding`` (``pcm16``, ``mulaw``, ``alaw``) and ``sample_rate``;
    - an audio body: ``audio/wav`` and other files, ``audio/basic``, ``audio/PCMU`` and ``audio/PCMA`` (8000 Hz or
      ``;rate=``), ``audio/L16;rate=...``; sender as ``?sender=`` or header ``X-Sender-Id``;
    - ``application/json``: ``{"sender", "message", "metadata"}`` for a typed turn, a button's payload or
      ``/session_start``.

    The answer is ``{"sender", "transcript", "emotion", "words", "prosody", "state", "strategy", "affect",
    "duration_s", "messages", "no_speech", "timings_ms"}``: what this turn alone says (of a typed turn, what
    ``EmotionExtractor`` read); what the memory makes of it is in the slots. When no word was heard, ``no_speech``
    is true, no turn is sent to Rasa, and there are no messages: say "pardon?" or wait for the caller.

    ``GET /`` answers ``{"status": "ok"}`` once the models are loaded, else 503 with ``loading`` or ``failed``.

    Errors are ``{"error": {"code", "message"}}``: 400 malformed request, 401 wrong token, 413 too long or large,
    415 no audio that can be read, 422 audio without usable sound (empty, truncated, silent), 503 busy, no model to
    hear with, or Rasa without a model, 504 Rasa took too long (the turn is finished all the same), 500 the rest.

    Speech is only transcribed, and neither voice nor words are analysed, without consent or after a handoff: see
    :func:`emotionlayer_rasa.consent.may_analyse`. Audio is never kept.
    """

    @classmethod
    def name(cls) -> str:
        """The channel's name and route: ``voice``."""
        return "voice"

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> VoiceInput:
        """Create the channel from its keys in ``credentials.yml``.

        Raises:
            InvalidConfigException: an unknown key or a bad value; the message names it.
        """
        try:
            settings = read_settings(VoiceSettings, credentials, "credentials.yml, emotionlayer_rasa.VoiceInput")
        except errors.ConfigurationError as error:
            raise InvalidConfigException(str(error)) from None
        if settings.token is None:
            log.warning(
                "voice.no_token",
                event_info="Everyone who reaches this server can use the voice channel. "
                "Set 'token' under emotionlayer_rasa.VoiceInput in credentials.yml.",
            )
        return cls(settings)

    def __init__(self, settings: VoiceSettings | None = None, listener: Listener | None = None) -> None:
        self.settings = settings or VoiceSettings()
        self.listener = listener or Listener(self.settings)
        self._turns = TurnOrder(self.settings.waiting)
        self._warming_up: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[Any]] = set()

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """The routes; see the class."""
        blueprint = Blueprint("voice_webhook", __name__)

        @blueprint.listener("after_server_start")
        async def warm_up(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
            self._warming_up = asyncio.create_task(self.listener.warm_up())
            self._warming_up.add_done_callback(_log_warm_up)

        @blueprint.listener("after_server_stop")
        async def close(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
            self.listener.close()

        @blueprint.get("/")
        @self._guarded
        async def health(request: Request) -> HTTPResponse:
            task = self._warming_up
            if task is None or not task.done():
                return json({"status": "loading"}, status=503)
            failure = None if task.cancelled() else task.exception()
            if isinstance(failure, errors.EmotionLayerError):
                return json({"status": "failed", **_error_body(failure)}, status=503)
            return json({"status": "failed"}, status=503) if failure else json({"status": "ok"})

        @blueprint.post("/webhook", stream=True)
        @self._guarded
        async def receive(request: Request) -> HTTPResponse:
            await read_body(request, self.settings.limits.max_bytes)
            turn = read_turn(request)
            agent = request.app.ctx.agent
            if not agent.is_ready():
                raise errors.AssistantNotReadyError(
                    "The Rasa server runs without a model. Train one with 'rasa train' and start the server again."
                )
            async with self._turns.turn(turn.sender):
                return json(await self._answer(turn, agent, on_new_message))

        return blueprint

    async def _answer(
        self,
        turn: TypedTurn | SpokenTurn,
        agent: Any,
        on_new_message: Callable[[UserMessage], Awaitable[Any]],
    ) -> dict[str, Any]:
        began = time.perf_counter()
        metadata = dict(turn.metadata)
        if isinstance(turn, SpokenTurn):
            utterance = await self.listener.hear(
                turn.audio,
                encoding=turn.encoding,
                sample_rate=turn.sample_rate,
                emotion=await _may_analyse(agent, turn.sender),
            )
            metadata[METADATA_KEY] = utterance.to_metadata()
        else:
            utterance = Utterance(Transcript(turn.message))
        heard = time.perf_counter()
        output = VoiceOutput()
        text = utterance.transcript.text.strip()
        if text:
            message = UserMessage(text, output, turn.sender, input_channel=self.name(), metadata=metadata or None)
            await self._within_time(on_new_message(message))
        answered = time.perf_counter()
        if isinstance(turn, TypedTurn):
            utterance = await _as_read(agent, turn)
        record = utterance.to_metadata()
        return {
            "sender": turn.sender,
            "transcript": asdict(utterance.transcript),
            **{key: record[key] for key in ("emotion", "words", "prosody")},
            "state": utterance.affect.state,
            "strategy": utterance.affect.strategy,
            "affect": record["affect"],
            "duration_s": record["duration_s"],
            "messages": output.messages,
            "no_speech": not text,
            "timings_ms": {
                **record["timings_ms"],
                "assistant": round(1000 * (answered - heard), 1),
                "total": round(1000 * (answered - began), 1),
            },
        }

    async def _within_time(self, work: Awaitable[Any]) -> None:
        """Wait for Rasa, but never cancel it: a turn cut off half way would leave half a conversation behind."""
        task = asyncio.ensure_future(work)
        self._answering.add(task)  # the event loop itself holds tasks weakly
        task.add_done_callback(self._answering.discard)
        done, _ = await asyncio.wait({task}, timeout=self.settings.response_timeout_s)
        if not done:
            task.add_done_callback(_log_late)
            raise errors.AssistantTimeoutError(
                f"The assistant did not answer within {self.settings.response_timeout_s:g} s. Its answer is lost, "
                "the turn is not. Look at the action server, or raise 'response_timeout_s'."
            )
        task.result()

    def _guarded(self, handler: Handler) -> Handler:
        """Check the token first, and answer every error with its status and a typed body."""

        @functools.wraps(handler)
        async def guarded(request: Request) -> HTTPResponse:
            try:
                self._check_token(request)
                return await handler(request)
            except errors.EmotionLayerError as error:
                log.info("voice.request.refused", code=error.code)
                return json(_error_body(error), status=_nearest(STATUS, error), headers=_nearest(_HEADERS, error))
            except Exception as error:
                # Only the kind of error: its text may hold what the caller said.
                log.error("voice.webhook.failed", error=type(error).__name__, where=_where(error))
                internal = {"code": "internal", "message": "The server failed. Its log names the error."}
                return json({"error": internal}, status=500)

        return guarded

    def _check_token(self, request: Request) -> None:
        if self.settings.token is None:
            return
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = (bearer if scheme.lower() == "bearer" else "") or request.headers.get("x-token")
        given = given or request.args.get("token") or ""
        if not hmac.compare_digest(given.strip().encode(), self.settings.token.encode()):
            raise errors.UnauthorizedError(
                "The token is missing or wrong. "
                "Send 'Authorization: Bearer <token>', 'X-Token: <token>' or '?token=<token>'."
            )


async def _may_analyse(agent: Any, sender: str) -> bool:
    store = agent.tracker_store
    tracker = await store.retrieve(sender) or store.init_tracker(sender)
    return may_analyse(tracker.current_slot_values(), tracker.is_paused())


async def _as_read(agent: Any, turn: TypedTurn) -> Utterance:
    """A typed turn as Rasa's pipeline read it."""
    tracker = await agent.tracker_store.retrieve(turn.sender)
    turns = read_turns(event.as_dict() for event in tracker.events) if tracker else ()
    as_typed = Transcript(turn.message)
    return replace(turns[-1].utterance, transcript=as_typed) if turns else Utterance(as_typed)


def _nearest(table: dict[type[errors.EmotionLayerError], Any], error: errors.EmotionLayerError) -> Any:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def _error_body(error: errors.EmotionLayerError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": str(error)}}


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""


def _log_warm_up(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    failure = task.exception()
    if failure is None:
        log.info("voice.ready")
    elif isinstance(failure, errors.EmotionLayerError):
        log.error("voice.warm_up.failed", code=failure.code, event_info=str(failure))
    else:
        log.error("voice.warm_up.failed", error=type(failure).__name__, where=_where(failure))


def _log_late(task: asyncio.Task[Any]) -> None:
    failure = None if task.cancelled() else task.exception()
    log.warning("voice.answer.late", error=type(failure).__name__ if failure else None)
