"""``/webhooks/voice/twilio``: telephone calls over Twilio's Media Streams, both ways.

Set up: ``twilio: {public_url: https://bot.example.com}`` under ``emotionlayer_rasa.VoiceInput`` in
``credentials.yml``, the account's auth token in the environment variable ``TWILIO_AUTH_TOKEN``, and at Twilio, for
the number's incoming calls, the webhook ``POST https://bot.example.com/webhooks/voice/twilio``.

- ``POST /webhooks/voice/twilio`` answers an incoming call with TwiML that connects it to the websocket below.
  The request must bear Twilio's signature. (https://www.twilio.com/docs/usage/webhooks/webhooks-security)
- ``WS /webhooks/voice/twilio`` holds the call (https://www.twilio.com/docs/voice/media-streams/websocket-messages).
  The TwiML carries a ticket as a parameter, good once, for one call and a minute; with it the call begins, and
  takes its place. Twilio signs the upgrade, too: a wrong signature is refused, and of websockets without one only
  a few may wait to begin, so that nobody keeps Twilio out.

The call opens with ``/session_start``, whose answer, the disclosure, is spoken first. Each utterance is a turn;
answers are spoken sentence by sentence, the titles of their buttons too, until the caller speaks or presses a key.
Keys are a turn when ``#`` is pressed or none for two seconds. Who says nothing is asked whether they are there.

**Only the caller is heard.** A stream with another track (a person's who took over, say) is refused and ended.

**The sender** is ``tel-`` and the id of the call: each call is a conversation of its own, since the number that a
call shows is easily forged, and a conversation holds what its caller said and was told. With
``resume_by_caller_id: true`` it is a keyed hash (HMAC-SHA-256, with the auth token) of the caller's number, and
who calls again goes on with the same conversation; no number is kept. Callers who withhold theirs, and a second
call from a number while the first goes on, get a conversation for the call then, too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import time
from typing import Any, Iterable, Iterator, Mapping
from urllib.parse import parse_qs

from sanic.request import Request, RequestParameters
from sanic.response import HTTPResponse, text
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import VoiceResponse

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import (
    CallOptions,
    Command,
    HungUp,
    KeyPressed,
    Played,
    Sound,
    Start,
    TextMessage,
)
from emotionlayer_rasa.channels.events import CallEvent, Failed, SpeechFormat, SpeechPiece, SpeechStopped
from emotionlayer_rasa.channels.limit import ConcurrencyLimit
from emotionlayer_rasa.channels.requests import SERVER_ADDRESS, read_form, read_json_object
from emotionlayer_rasa.channels.wires.base import CallRoute, Message, Wire
from emotionlayer_rasa.http_guard import error_body
from emotionlayer_rasa.settings import Settings, pydantic

logger = logging.getLogger(__name__)

SIGNATURE_HEADER = "x-twilio-signature"

_RATE = 8000
_PIECE_BYTES = _RATE // 5
"""200 ms a message: little is on its way when the caller interrupts."""
_TICKET_S = 60
_START_WITHIN_S = 5.0
_UNSIGNED = 16
"""Websockets without a signature that may wait to begin."""
_WITHHELD = frozenset(
    {"", "anonymous", "restricted", "unavailable", "unknown", "+266696687", "+7378742833", "+2562533"}
    | {"+8566696687", "+86282452253"}
)
"""What Twilio gives for a number that is withheld (the digits spell ``anonymous``, ``restricted``, …)."""


class TwilioSettings(Settings):
    """Keys of ``twilio``.

    Attributes:
        public_url: address at which Twilio reaches this server, such as ``https://bot.example.com``, with the path
            prefix of a reverse proxy where there is one.
        auth_token_env: environment variable that holds the account's auth token.
        resume_by_caller_id: whether who calls again, by the number shown, goes on with the same conversation.
        dtmf_intent: intent that pressed keys are sent as, ``/INTENT{"digits": "12"}``; None sends them as text.
        dtmf_pause_s: seconds without a key after which the keys are a turn.
    """

    public_url: str = pydantic.Field(regex=SERVER_ADDRESS)
    auth_token_env: str = pydantic.Field(default="TWILIO_AUTH_TOKEN", min_length=1)
    resume_by_caller_id: bool = False
    dtmf_intent: str | None = pydantic.Field(default=None, regex=r"^[\w-]+$")
    dtmf_pause_s: float = pydantic.Field(default=2.0, gt=0.0, le=30.0)


class TwilioRoute(CallRoute):
    """The calls of one account.

    Attributes:
        unsigned: websockets without a signature whose call has not begun.

    Raises:
        ConfigurationError: the account's auth token is not set.
    """

    path = "/twilio"
    # Twilio's requests are signed, and so is the ticket with which its websocket begins.
    token = False
    webhook = True

    def __init__(self, settings: TwilioSettings) -> None:
        token = os.environ.get(settings.auth_token_env)
        if not token:
            raise errors.ConfigurationError(
                f"credentials.yml, emotionlayer_rasa.VoiceInput: 'twilio' needs the account's auth token in the "
                f"environment variable {settings.auth_token_env}, and it is not set."
            )
        self.settings = settings
        self.unsigned = ConcurrencyLimit(
            _UNSIGNED, "websockets without Twilio's signature wait to begin already. Try again."
        )
        self._key = token.encode()
        self._validator = RequestValidator(token)
        self._used: dict[str, float] = {}
        """When each ticket that was used ends."""

    def admit(self, request: Request) -> None:
        """Let the upgrade to a websocket happen, and note in the request's context whether it is ``signed``.

        Raises:
            UnauthorizedError: it has a signature that is not Twilio's.
            BusyError: it has none, and too many of these wait to begin.
        """
        signature = request.headers.get(SIGNATURE_HEADER)
        request.ctx.signed = signature is not None
        if signature is None:
            self.unsigned.check()
            return
        url = self._url(request.path, request.query_string)
        # Of the address in the TwiML, as Twilio documents it. The webhook's scheme and a last slash are taken,
        # too: they give nobody else a way in, and a call that is refused here is lost.
        addresses = [f"{scheme}{slash}" for scheme in (f"ws{url[4:]}", url) for slash in ("", "/")]
        self._check_signature(addresses, {}, signature)

    def open(self, request: Request) -> Wire:
        """The wire of a websocket."""
        return TwilioWire(self)

    def limit_before_start(self, request: Request, calls: ConcurrencyLimit) -> ConcurrencyLimit | None:
        """Twilio's own websockets may wait; of others only a few."""
        return None if request.ctx.signed else self.unsigned

    def start_within_s(self, idle_s: float) -> float:
        """Twilio's ``start`` comes at once."""
        return _START_WITHIN_S

    async def answer_webhook(self, request: Request) -> HTTPResponse:
        """TwiML for an incoming call."""
        await read_form(request)
        signature = request.headers.get(SIGNATURE_HEADER, "")
        twiml = self.answer_call(request.path, request.query_string, request.body, signature)
        return text(twiml, content_type="text/xml")

    def answer_call(self, path: str, query: str, body: bytes, signature: str) -> str:
        """TwiML for an incoming call.

        Args:
            path, query: of the request's address.
            body: the form that Twilio posts.
            signature: header ``X-Twilio-Signature``.

        Raises:
            UnauthorizedError: the signature is not Twilio's.
            RequestError: the form is no call.
        """
        form = RequestParameters(parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True))
        self._check_signature([self._url(path, query)], form, signature)
        call = form.get("CallSid", "")
        if not call:
            raise errors.RequestError("The form has no 'CallSid': it is no call.")
        sender = self.sender(str(form.get("From", "")), call)
        twiml = VoiceResponse()
        stream = twiml.connect().stream(url=f"ws{self.settings.public_url[4:]}{path}")
        stream.parameter(name="sender", value=sender)
        stream.parameter(name="ticket", value=self.ticket(call, sender))
        return str(twiml)

    def _url(self, path: str, query: str) -> str:
        return f"{self.settings.public_url}{path}" + (f"?{query}" if query else "")

    def _check_signature(self, urls: list[str], form: Mapping[str, Any], signature: str) -> None:
        if not any(self._validator.validate(url, form, signature) for url in urls):
            raise errors.UnauthorizedError(
                "The request does not bear Twilio's signature. Check the auth token, and that 'public_url' is the "
                "address that Twilio calls."
            )

    def sender(self, number: str, call: str) -> str:
        """Id of the caller's conversation."""
        known = self.settings.resume_by_caller_id and number.strip().lower() not in _WITHHELD
        return "tel-" + self._digest("number", number) if known else f"tel-{call}"

    def ticket(self, call: str, sender: str, now: float | None = None) -> str:
        """What lets a call's websocket in, for a minute."""
        expires = str(int((time.time() if now is None else now) + _TICKET_S))
        return f"{expires}.{self._digest('ticket', call, sender, expires)}"

    def use_ticket(self, ticket: str, call: str, sender: str) -> None:
        """Let a call in, once.

        Raises:
            UnauthorizedError: the ticket is not for this call, too old, or used already.
        """
        expires, _, digest = ticket.partition(".")
        expected = self._digest("ticket", call, sender, expires)
        now = time.time()
        self._used = {used: until for used, until in self._used.items() if until >= now}
        genuine = hmac.compare_digest(digest.encode(), expected.encode())
        if not genuine or int(expires) < now or ticket in self._used:
            raise errors.UnauthorizedError("The stream has no valid ticket. Let the TwiML of this server open it.")
        self._used[ticket] = int(expires)

    def _digest(self, *parts: str) -> str:
        return hmac.new(self._key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()[:32]


class TwilioWire(Wire):
    """One telephone call's websocket: speech, and nothing else, to the caller.

    Args:
        account: whose calls come in.
    """

    real_time = True

    def __init__(self, account: TwilioRoute) -> None:
        self._account = account
        self._stream: str | None = None
        """Twilio's id of it, once the call has begun."""
        self._heard_s: dict[str, tuple[int, float]] = {}
        """By the name of a mark, what of which message has been heard when it comes back."""
        self._sent = (0, 0.0)

    def read(self, message: Message) -> Iterable[Command]:
        """What a message of Twilio's asks for."""
        value = read_json_object(message, "A message")
        event = value.get("event")
        content = value.get(str(event))
        content = content if isinstance(content, dict) else {}
        if event == "start":
            return self._read_start(content)
        if event == "stop":
            return (HungUp(),)
        if event not in ("media", "mark", "dtmf"):
            return ()
        if self._stream is None:
            raise errors.RequestError("A message came before 'start'.")
        if event == "media":
            return (_sound(content),)
        if event == "dtmf":
            return (KeyPressed(str(content.get("digit", ""))),)
        heard = self._heard_s.pop(str(content.get("name")), None)
        return (Played(*heard),) if heard else ()

    def write(self, event: CallEvent) -> Iterator[Message]:
        """Speech, and its end where the caller speaks: a telephone shows nothing."""
        match event:
            case SpeechPiece():
                yield from self._write_speech(event)
            case SpeechStopped():
                self._heard_s.clear()  # Twilio sends back the marks of what it forgets
                yield self._json("clear", {})
            case Failed(error):
                logger.warning("voice.telephone.failed code=%s", error.code)

    def write_end(self, error: errors.EmotionLayerError) -> Iterator[Message]:
        """The error, for Twilio's debugger."""
        logger.warning("voice.telephone.ended code=%s", error.code)
        yield json.dumps({"event": "error", **error_body(error.code, str(error))})

    def _write_speech(self, piece: SpeechPiece) -> Iterator[Message]:
        for start in range(0, len(piece.audio), _PIECE_BYTES):
            payload = base64.b64encode(piece.audio[start : start + _PIECE_BYTES]).decode()
            yield self._json("media", {"media": {"payload": payload}})
        id, seconds = self._sent
        self._sent = (piece.id, piece.seconds + (seconds if id == piece.id else 0.0))
        mark = f"{piece.id}.{piece.part}"
        self._heard_s[mark] = self._sent
        yield self._json("mark", {"mark": {"name": mark}})

    def _json(self, event: str, content: dict[str, Any]) -> str:
        return json.dumps({"event": event, "streamSid": self._stream, **content})

    def _read_start(self, start: Mapping[str, Any]) -> Iterable[Command]:
        parameters = start.get("customParameters")
        parameters = parameters if isinstance(parameters, dict) else {}
        call, sender = str(start.get("callSid", "")), str(parameters.get("sender", ""))
        if self._stream is not None:
            raise errors.RequestError("'start' came twice.")
        self._account.use_ticket(str(parameters.get("ticket", "")), call, sender)
        tracks = start.get("tracks")
        for track in tracks if isinstance(tracks, list) else ():
            _refuse_others(track)
        sound = start.get("mediaFormat")
        if sound != {"encoding": "audio/x-mulaw", "sampleRate": _RATE, "channels": 1}:
            raise errors.UnsupportedAudioError(
                "The stream is not in Twilio's format: audio/x-mulaw, 8000 Hz, mono."
            )
        self._stream = str(start.get("streamSid", ""))
        settings = self._account.settings
        options = CallOptions(
            encoding="mulaw",
            sample_rate=_RATE,
            speech=SpeechFormat("mulaw"),
            speak_buttons=True,
            silence_prompts=True,
            key_intent=settings.dtmf_intent,
            key_pause_s=settings.dtmf_pause_s,
        )
        # A company's callers share a number.
        return Start(sender, options, other_sender=f"{sender}-{call}"), TextMessage("/session_start")


def _sound(media: Mapping[str, Any]) -> Sound:
    _refuse_others(media.get("track", "inbound"))
    try:
        return Sound(base64.b64decode(str(media.get("payload", "")), validate=True))
    except ValueError:
        raise errors.RequestError("The payload of a 'media' message is no base64.") from None


def _refuse_others(track: Any) -> None:
    if track not in ("inbound", "inbound_track"):
        raise errors.AgentVoiceError(
            "The stream has the sound of another party than the caller. Emotion is read of the caller alone: "
            "stream the inbound track only."
        )
