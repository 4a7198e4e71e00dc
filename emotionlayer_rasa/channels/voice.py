"""The voice channel: an utterance comes in over HTTP, words and emotion go to Rasa, the replies go back."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Coroutine
from dataclasses import asdict, replace
from typing import Any, Awaitable, Callable, Sequence

from cachetools import TTLCache
from rasa.core.channels.channel import InputChannel, OutputChannel, UserMessage
from rasa.shared.exceptions import InvalidConfigException
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse, json

from emotionlayer_rasa import errors
from emotionlayer_rasa.audio import AudioLimits
from emotionlayer_rasa.channels.assistant import (
    CHANNEL,
    Assistant,
    VoiceOutput,
    last_utterance,
    may_analyse_now,
)
from emotionlayer_rasa.channels.call_listener import CallListener
from emotionlayer_rasa.channels.calls import Calls, CallSettings, LiveOutput
from emotionlayer_rasa.channels.connection import CallConnection
from emotionlayer_rasa.channels.log_filter import hide_tokens
from emotionlayer_rasa.channels.page import Page
from emotionlayer_rasa.channels.requests import SpokenMessage, TypedMessage, read_body, read_sentence, read_turn
from emotionlayer_rasa.channels.wires import (
    CallRoute,
    ListenerRoute,
    Route,
    StreamRoute,
    Webhook,
    WireSettings,
    create_routes,
)
from emotionlayer_rasa.emotion import CallerVoice
from emotionlayer_rasa.hearing import Listener, ListenerSettings
from emotionlayer_rasa.http_guard import Guard, error_answer, error_body
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.settings import pydantic, read_settings
from emotionlayer_rasa.synthesis import SpeechSynthesizer, SynthesisSettings, create_synthesizer
from emotionlayer_rasa.utterance import METADATA_KEY, Transcript, Utterance

logger = logging.getLogger(__name__)

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]

_MAX_CALLERS = 1000
_CALLER_S = 1800.0
"""Voices that are remembered between turns over HTTP, in memory only, and for how long after a caller's last."""

_SETTING = "emotionlayer_rasa.VoiceInput in credentials.yml"


class VoiceLimits(AudioLimits):
    """Keys of ``limits``: those of audio, and

    Attributes:
        max_characters: length of a typed message, which Rasa's pipeline reads on the event loop that carries the
            calls.
    """

    max_characters: pydantic.PositiveInt = 2000


class VoiceSettings(CallSettings, WireSettings, ListenerSettings):
    """Keys of ``emotionlayer_rasa.VoiceInput`` in ``credentials.yml``: those of the listener, of calls and
    of the wires, and

    Attributes:
        limits: what is accepted from a caller.
        token: every request must carry it; None lets everyone in but the pages of other servers.
        response_timeout_s: seconds that Rasa and its actions may take to answer one turn.
        synthesis: how replies are spoken in live calls.
        page: whether ``GET /webhooks/voice/`` shows browsers a page to talk to the assistant.
    """

    limits: VoiceLimits = VoiceLimits()
    token: str | None = pydantic.Field(default=None, min_length=1)
    response_timeout_s: float = pydantic.Field(default=60.0, gt=0)
    synthesis: SynthesisSettings = SynthesisSettings()
    page: bool = True


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

    ``GET /`` answers ``{"status": "ok"}`` once the models are loaded and Rasa has one, else 503 with ``loading``
    or ``failed``. A browser gets the page of :mod:`emotionlayer_rasa.channels.page` there.

    ``WS /stream`` is a live call: see :mod:`emotionlayer_rasa.channels.wires.stream`. Those of telephones come in
    at paths of their own, where they are switched on: see :mod:`emotionlayer_rasa.channels.wires`.
    ``POST /calls/<turn>/say`` takes the first sentence of a reply early: see
    :mod:`emotionlayer_rasa.early_speech`.

    Errors are ``{"error": {"code", "message"}}``: 400 malformed request, 401 wrong token, or none and a page of
    another server asks, 404 a turn that is over, 409 a caller who speaks, 413 too long or large, 415 no audio that
    can be read, 422 audio without usable sound (empty, truncated, silent), 503 busy, no model to hear with, or
    Rasa without a model, 504 Rasa took too long (the turn is finished all the same), 500 the rest.

    Speech is only transcribed, and neither voice nor words are analysed, without consent or after a handoff: see
    :mod:`emotionlayer_rasa.conversation`. Audio is never kept.
    """

    @classmethod
    def name(cls) -> str:
        """The channel's name and route: ``voice``."""
        return CHANNEL

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> VoiceInput:
        """Create the channel from its keys in ``credentials.yml``.

        Raises:
            InvalidConfigException: an unknown key or a bad value; the message names it.
        """
        try:
            settings = read_settings(VoiceSettings, credentials, "credentials.yml, emotionlayer_rasa.VoiceInput")
            synthesizer = create_synthesizer(settings.synthesis)
            routes = create_routes(settings)
        except errors.EmotionLayerError as error:
            raise InvalidConfigException(str(error)) from None
        if settings.token is None:
            logger.warning(
                "voice.no_token: everyone who reaches this server can use the voice channel. Set 'token' under "
                "emotionlayer_rasa.VoiceInput in credentials.yml."
            )
        return cls(settings, synthesizer=synthesizer, routes=routes)

    def __init__(
        self,
        settings: VoiceSettings | None = None,
        listener: Listener | None = None,
        synthesizer: SpeechSynthesizer | None = None,
        routes: Sequence[Route] = (),
    ) -> None:
        self.settings = settings or VoiceSettings()
        self.listener = listener or Listener(self.settings)
        self._synthesizer = synthesizer
        self._routes = (StreamRoute(self.settings.stream, self.settings.limits.max_characters), *routes)
        self._guard = Guard(self.settings.token, _SETTING)
        self._callers: TTLCache[str, CallerVoice] = TTLCache(_MAX_CALLERS, _CALLER_S)
        self._warming_up: asyncio.Task[None] | None = None
        self._calls: Calls | None = None

    def get_output_channel(self) -> OutputChannel | None:
        """What Rasa speaks to a caller through without being asked: reminders, ``trigger_intent``.

        A message goes to the live call that the sender has on this server. Without one it stays in the
        conversation, and in the answer to ``trigger_intent``; the log says that it was not spoken.
        """
        return LiveOutput(self._calls) if self._calls else None

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """The routes; see the class."""
        blueprint = Blueprint("voice_webhook", __name__)
        settings = self.settings
        assistant = Assistant(on_new_message, settings.waiting, settings.response_timeout_s)
        calls = self._calls = Calls(assistant, self.listener, self._synthesizer, settings)
        hide_tokens()

        @blueprint.middleware("request")
        async def admit(request: Request) -> HTTPResponse | None:
            """A websocket is refused before it is one."""
            route = getattr(request.route.ctx, "call_route", None) if request.route else None
            return await self._guarded(_admission(calls, route), token=route.token)(request) if route else None

        @blueprint.listener("after_server_start")
        async def warm_up(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
            self._warming_up = asyncio.create_task(self.listener.warm_up(live=True))
            self._warming_up.add_done_callback(functools.partial(_log_warm_up, app))

        @blueprint.listener("after_server_stop")
        async def close(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
            if self._warming_up:
                self._warming_up.cancel()
            self.listener.close()

        page = Page(settings.token) if settings.page else None
        if page:
            page.add_files(blueprint)

        @blueprint.get("/")
        @(page.for_browsers if page else lambda handler: handler)
        @self._guarded
        async def health(request: Request) -> HTTPResponse:
            task = self._warming_up
            if task is None or not task.done():
                return json({"status": "loading"}, status=503)
            failure = _failure(task, request.app.ctx.agent)
            if isinstance(failure, errors.EmotionLayerError):
                return json({"status": "failed", **error_body(failure.code, str(failure))}, status=503)
            return json({"status": "failed"}, status=503) if failure else json({"status": "ok"})

        @blueprint.post("/webhook", stream=True)
        @self._guarded
        async def receive(request: Request) -> HTTPResponse:
            limits = self.settings.limits
            await read_body(request, limits.max_bytes, limits.max_characters)
            turn = read_turn(request, limits.max_characters)
            agent = request.app.ctx.agent
            assistant.check_ready(agent)
            async with assistant.order.turn(turn.sender):
                return json(await self._answer(turn, agent, assistant))

        async def say(request: Request, turn: str) -> HTTPResponse:
            text, style = await read_sentence(request)
            calls.speak_early(turn, text, style)
            return json({"spoken": True})

        # The name of the turn, which nobody can guess, lets it in: no token.
        say_early = self._guarded(say, token=False)
        blueprint.add_route(say_early, "/calls/<turn>/say", methods=["POST"], stream=True)

        for route in self._routes:
            if isinstance(route, CallRoute):
                self._add_route(blueprint, calls, route)
            if isinstance(route, ListenerRoute):
                CallListener(calls, route).follow(blueprint)
            if isinstance(route, Webhook):
                self._add_webhook(blueprint, route)
        return blueprint

    def _add_route(self, blueprint: Blueprint, calls: Calls, route: CallRoute) -> None:
        async def hold_call(request: Request, websocket: Any) -> None:
            await CallConnection.of_websocket(calls, request, websocket, route).serve()

        blueprint.add_websocket_route(
            hold_call,
            route.path,
            name=f"{route.path.strip('/')}_call",
            subprotocols=list(route.subprotocols) or None,
            ctx_call_route=route,
        )

    def _add_webhook(self, blueprint: Blueprint, webhook: Webhook) -> None:
        answer = self._guarded(webhook.answer_webhook, token=webhook.token)
        name = f"{webhook.path.strip('/')}_webhook"
        blueprint.add_route(answer, webhook.path, methods=["POST"], stream=True, name=name)

    async def _answer(
        self, turn: TypedMessage | SpokenMessage, agent: Any, assistant: Assistant
    ) -> dict[str, Any]:
        began = time.perf_counter()
        metadata = dict(turn.metadata)
        if isinstance(turn, SpokenMessage):
            allowed = await may_analyse_now(agent, turn.sender)
            utterance = await self.listener.hear(
                turn.audio,
                encoding=turn.encoding,
                sample_rate=turn.sample_rate,
                emotion=allowed,
                caller=self._caller(turn.sender, allowed),
            )
            metadata[METADATA_KEY] = utterance.to_metadata()
        else:
            utterance = Utterance(Transcript(turn.message))
        heard = time.perf_counter()
        output = VoiceOutput()
        said = utterance.transcript.text.strip()
        if said:
            await assistant.answer(said, turn.sender, output, metadata)
        answered = time.perf_counter()
        if turn.sender in self._callers and not await may_analyse_now(agent, turn.sender):
            self._callers.pop(turn.sender, None)  # the caller objected in this turn
        if isinstance(turn, TypedMessage):
            read = await last_utterance(agent, turn.sender)
            utterance = replace(read, transcript=Transcript(turn.message)) if read else utterance
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
            "no_speech": not said,
            "timings_ms": {
                **record["timings_ms"],
                "assistant": round(1000 * (answered - heard), 1),
                "total": round(1000 * (answered - began), 1),
            },
        }

    def _caller(self, sender: str, allowed: bool) -> CallerVoice | None:
        """What is known of the sender's voice; forgotten when it must not be analysed any more."""
        caller = self._callers.pop(sender, None) or CallerVoice()
        if not allowed:
            return None
        self._callers[sender] = caller  # taken out and put in again: the time begins anew
        return caller

    def _guarded(self, handler: Handler, token: bool = True) -> Handler:
        """Check origin and, unless told not to, token; answer every error with its status and a typed body."""

        @functools.wraps(handler)
        async def guarded(request: Request, **of_path: str) -> HTTPResponse | None:
            try:
                self._guard.check_origin(request.headers)
                if token:
                    self._guard.check_token(request.headers, request.args)
                return await handler(request, **of_path)
            except errors.EmotionLayerError as error:
                logger.info("voice.request.refused code=%s", error.code)
                answer = error_answer(error)
            except Exception as error:
                logger.error("voice.webhook.failed %s", describe(error))
                answer = error_answer(error)
            return json(answer.body, status=answer.status, headers=answer.headers)

        return guarded


def _admission(calls: Calls, route: CallRoute) -> Handler:
    async def admission(request: Request) -> HTTPResponse | None:
        calls.assistant.check_ready(request.app.ctx.agent)
        calls.limit.check()
        route.admit(request)
        return None

    return admission


def _failure(task: asyncio.Task[None], agent: Any) -> BaseException | None:
    """Why a server cannot take calls, its models having been loaded or not; None where it can."""
    if task.cancelled():
        return asyncio.CancelledError()
    if task.exception() is not None:
        return task.exception()
    try:
        Assistant.check_ready(agent)
    except errors.AssistantNotReadyError as error:
        return error
    return None


def _log_warm_up(app: Sanic, task: asyncio.Task[None]) -> None:
    failure = _failure(task, app.ctx.agent)
    if isinstance(failure, asyncio.CancelledError):
        return
    if failure is None:
        logger.info("voice.ready")
    elif isinstance(failure, errors.EmotionLayerError):
        logger.error("voice.warm_up.failed code=%s: %s", failure.code, failure)
    else:
        logger.error("voice.warm_up.failed %s", describe(failure))
