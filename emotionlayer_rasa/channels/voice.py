"""The voice channel: an utterance comes in over HTTP, words and emotion go to Rasa, the replies go back."""

from __future__ import annotations

import asyncio
import functools
import hmac
import time
from collections.abc import Coroutine
from dataclasses import asdict, replace
from ipaddress import ip_address
from typing import Any, Awaitable, Callable
from urllib.parse import urlsplit

import pydantic
import structlog
from rasa.core.channels.channel import InputChannel, OutputChannel, UserMessage
from rasa.shared.exceptions import InvalidConfigException
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse, json, text

from emotionlayer_rasa import errors
from emotionlayer_rasa.audio import AudioLimits
from emotionlayer_rasa.channels.assistant import (
    CHANNEL,
    Assistant,
    VoiceOutput,
    last_utterance,
    may_analyse_now,
)
from emotionlayer_rasa.channels.call import Calls, LiveOutput
from emotionlayer_rasa.channels.log_filter import hide_tokens
from emotionlayer_rasa.channels.page import Page
from emotionlayer_rasa.channels.requests import (
    SERVER_ADDRESS,
    SpokenTurn,
    TypedTurn,
    read_body,
    read_form,
    read_sentence,
    read_turn,
)
from emotionlayer_rasa.channels.stream import serve_stream
from emotionlayer_rasa.channels.twilio import SIGNATURE_HEADER, Twilio, TwilioSettings, serve_twilio
from emotionlayer_rasa.hearing import Listener, ListenerSettings
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.synthesis import SpeechSynthesizer, SynthesisSettings, create_synthesizer
from emotionlayer_rasa.utterance import METADATA_KEY, Transcript, Utterance

log = structlog.get_logger(__name__)

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]

STATUS: dict[type[errors.EmotionLayerError], int] = {
    errors.UnauthorizedError: 401,
    errors.UnknownCallError: 404,
    errors.CallerSpeaksError: 409,
    errors.RequestTooLargeError: 413,
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


class VoiceLimits(AudioLimits):
    """Keys of ``limits``: those of audio, and

    Attributes:
        max_characters: length of a typed message, which Rasa's pipeline reads on the event loop that carries the
            calls.
    """

    max_characters: pydantic.PositiveInt = 2000


class VoiceSettings(ListenerSettings):
    """Keys of ``emotionlayer_rasa.VoiceInput`` in ``credentials.yml``: those of the listener, and

    Attributes:
        limits: what is accepted from a caller.
        token: every request must carry it; None lets everyone in but the pages of other servers.
        response_timeout_s: seconds that Rasa and its actions may take to answer one turn.
        max_calls: live calls open at a time; of these ``live.max_live`` can be heard.
        idle_timeout_s: seconds without a word from either side after which a live call is ended.
        synthesis: how replies are spoken in live calls.
        early_speech: whether the first sentence of a reply is spoken while a language model writes the rest.
        own_url: address at which the action server reaches this server for that, such as ``http://rasa:5005`` or
            ``https://bot.example.com/rasa``; None for this machine, at the port that the call came in at. Several
            Rasa servers behind a balancer need one each.
        page: whether ``GET /webhooks/voice/`` shows browsers a page to talk to the assistant.
        twilio: telephone calls over Twilio; None for none.
    """

    limits: VoiceLimits = VoiceLimits()
    token: str | None = pydantic.Field(default=None, min_length=1)
    response_timeout_s: float = pydantic.Field(default=60.0, gt=0)
    max_calls: int = pydantic.Field(default=64, ge=1, le=10_000)
    idle_timeout_s: float = pydantic.Field(default=300.0, ge=1.0)
    synthesis: SynthesisSettings = SynthesisSettings()
    early_speech: bool = True
    own_url: str | None = pydantic.Field(default=None, regex=SERVER_ADDRESS)
    page: bool = True
    twilio: TwilioSettings | None = None


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

    ``GET /`` answers ``{"status": "ok"}`` once the models are loaded, else 503 with ``loading`` or ``failed``. A
    browser gets the page of :mod:`emotionlayer_rasa.channels.page` there.

    ``WS /stream`` is a live call: see :mod:`emotionlayer_rasa.channels.stream`. ``POST /twilio`` and
    ``WS /twilio`` are telephone calls: see :mod:`emotionlayer_rasa.channels.twilio`. ``POST /calls/<turn>/say``
    takes the first sentence of a reply early: see :mod:`emotionlayer_rasa.early_speech`.

    Errors are ``{"error": {"code", "message"}}``: 400 malformed request, 401 wrong token, or none and a page of
    another server asks, 404 a turn that is over, 409 a caller who speaks, 413 too long or large, 415 no audio that
    can be read, 422 audio without usable sound (empty, truncated, silent), 503 busy, no model to hear with, or Rasa
    without a model, 504 Rasa took too long (the turn is finished all the same), 500 the rest.

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
            twilio = Twilio(settings.twilio) if settings.twilio else None
        except errors.EmotionLayerError as error:
            raise InvalidConfigException(str(error)) from None
        if settings.token is None:
            log.warning(
                "voice.no_token",
                event_info="Everyone who reaches this server can use the voice channel. "
                "Set 'token' under emotionlayer_rasa.VoiceInput in credentials.yml.",
            )
        return cls(settings, synthesizer=synthesizer, twilio=twilio)

    def __init__(
        self,
        settings: VoiceSettings | None = None,
        listener: Listener | None = None,
        synthesizer: SpeechSynthesizer | None = None,
        twilio: Twilio | None = None,
    ) -> None:
        self.settings = settings or VoiceSettings()
        self.listener = listener or Listener(self.settings)
        self._synthesizer = synthesizer
        self._twilio = twilio
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
        calls = self._calls = Calls(
            assistant,
            self.listener,
            self._synthesizer,
            settings.max_calls,
            settings.idle_timeout_s,
            settings.limits.max_characters,
            settings.own_url,
            settings.early_speech,
        )
        hide_tokens()

        @blueprint.middleware("request")
        async def admit(request: Request) -> HTTPResponse | None:
            """A websocket is refused before it is one."""
            if not request.route or not getattr(request.route.ctx, "websocket", False):
                return None
            twilio = self._twilio if getattr(request.route.ctx, "signed", False) else None
            return await self._guarded(self._admission(calls, twilio), token=twilio is None)(request)

        @blueprint.listener("after_server_start")
        async def warm_up(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
            self._warming_up = asyncio.create_task(self.listener.warm_up(live=True))
            self._warming_up.add_done_callback(_log_warm_up)

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
            failure = asyncio.CancelledError() if task.cancelled() else task.exception()
            if isinstance(failure, errors.EmotionLayerError):
                return json({"status": "failed", **_error_body(failure)}, status=503)
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

        @blueprint.websocket("/stream")
        async def stream(request: Request, websocket: Any) -> None:
            await serve_stream(calls, request, websocket)

        async def say(request: Request, turn: str) -> HTTPResponse:
            text, style = await read_sentence(request)
            calls.say_early(turn, text, style)
            return json({"spoken": True})

        # The name of the turn, which nobody can guess, lets it in: no token.
        say_early = self._guarded(say, token=False)
        blueprint.add_route(say_early, "/calls/<turn>/say", methods=["POST"], stream=True)

        if self._twilio:
            self._add_twilio(blueprint, calls, self._twilio)
        return blueprint

    def _add_twilio(self, blueprint: Blueprint, calls: Calls, twilio: Twilio) -> None:
        async def answer_call(request: Request) -> HTTPResponse:
            await read_form(request)
            signature = request.headers.get(SIGNATURE_HEADER, "")
            twiml = twilio.answer_call(request.path, request.query_string, request.body, signature)
            return text(twiml, content_type="text/xml")

        async def telephone(request: Request, websocket: Any) -> None:
            await serve_twilio(calls, request, websocket, twilio)

        # Twilio's requests are signed, and so is the ticket with which its websocket begins: no token.
        blueprint.add_route(self._guarded(answer_call, token=False), "/twilio", methods=["POST"], stream=True)
        blueprint.add_websocket_route(telephone, "/twilio", ctx_signed=True)

    def _admission(self, calls: Calls, twilio: Twilio | None) -> Handler:
        async def admission(request: Request) -> HTTPResponse | None:
            calls.assistant.check_ready(request.app.ctx.agent)
            calls.places.check()
            if twilio:
                twilio.admit(request)
            return None

        return admission

    async def _answer(self, turn: TypedTurn | SpokenTurn, agent: Any, assistant: Assistant) -> dict[str, Any]:
        began = time.perf_counter()
        metadata = dict(turn.metadata)
        if isinstance(turn, SpokenTurn):
            utterance = await self.listener.hear(
                turn.audio,
                encoding=turn.encoding,
                sample_rate=turn.sample_rate,
                emotion=await may_analyse_now(agent, turn.sender),
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
        if isinstance(turn, TypedTurn):
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

    def _guarded(self, handler: Handler, token: bool = True) -> Handler:
        """Check origin and, unless told not to, token; answer every error with its status and a typed body."""

        @functools.wraps(handler)
        async def guarded(request: Request, **of_path: str) -> HTTPResponse | None:
            try:
                self._check_origin(request)
                if token:
                    self._check_token(request)
                return await handler(request, **of_path)
            except errors.EmotionLayerError as error:
                log.info("voice.request.refused", code=error.code)
                return json(_error_body(error), status=_nearest(STATUS, error), headers=_nearest(_HEADERS, error))
            except Exception as error:
                # Only the kind of error: its text may hold what the caller said.
                log.error("voice.webhook.failed", error=type(error).__name__, where=errors.where(error))
                internal = {"code": "internal", "message": "The server failed. Its log names the error."}
                return json({"error": internal}, status=500)

        return guarded

    def _check_origin(self, request: Request) -> None:
        """Without a token, no page from elsewhere may talk to us through the browser of somebody who can reach us.

        A browser names the page's origin with all that changes something. A name in it that is not ours may still
        lead to us (DNS rebinding), so that the address must be an IP address or ``localhost``.
        """
        origin = request.headers.get("origin")
        if self.settings.token is None and origin is not None and not _is_own(origin, request.headers.get("host")):
            raise errors.UnauthorizedError(
                "A page of another server asks. Set 'token' under emotionlayer_rasa.VoiceInput in "
                "credentials.yml, and send it with the request."
            )

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


def _is_own(origin: str, host: str | None) -> bool:
    try:
        address = urlsplit(origin)
        no_name = address.hostname == "localhost" or bool(ip_address(address.hostname or ""))
    except ValueError:
        return False
    return no_name and address.netloc == host


def _nearest(table: dict[type[errors.EmotionLayerError], Any], error: errors.EmotionLayerError) -> Any:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def _error_body(error: errors.EmotionLayerError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": str(error)}}


def _log_warm_up(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    failure = task.exception()
    if failure is None:
        log.info("voice.ready")
    elif isinstance(failure, errors.EmotionLayerError):
        log.error("voice.warm_up.failed", code=failure.code, event_info=str(failure))
    else:
        log.error("voice.warm_up.failed", error=type(failure).__name__, where=errors.where(failure))
