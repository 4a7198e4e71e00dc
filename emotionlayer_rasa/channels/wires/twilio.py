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

**A person.** With ``transfer: {to: …}`` beside ``twilio``, an action may pass the call on, once the caller has
heard so: its TwiML is replaced through the REST API by a ``<Dial>`` (a number, or ``sip:…``) or an ``<Enqueue>``
(``queue:NAME``). The stream ends there. Where nobody answers, Twilio asks the webhook again, the call comes back
to its conversation, and the caller is told.

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
from urllib.parse import parse_qs, quote, urlencode

import httpx
import pydantic
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
    NobodyAnswered,
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
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.settings import Settings

logger = logging.getLogger(__name__)

SIGNATURE_HEADER = "x-twilio-signature"

_RATE = 8000
_PIECE_BYTES = _RATE // 5
"""200 ms a message: little is on its way when the caller interrupts."""
_TICKET_S = 60
_API_S = 5.0
_ROUTE = "/webhooks/voice/twilio"
_PASSED_ON = "passed_on"
"""Key of the address that Twilio asks when a call that we passed on is over: the conversation's id."""
_BACK = "back"
"""Parameter of the stream of a call that nobody took."""
_TAKEN = frozenset({"completed", "answered", "bridged", "hangup", "redirected-from-bridged"})
_NOT_TAKEN = frozenset({"busy", "no-answer", "failed", "canceled", "leave", "queue-full", "error", "system-error"})
"""What Twilio tells of a call that was passed on, as ``DialCallStatus`` or ``QueueResult``."""
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
        api_url: Twilio's REST API, through which calls are passed on; regions have addresses of their own.
        dial_timeout_s: seconds that it rings where a call is passed on to, until nobody answers.
    """

    public_url: str = pydantic.Field(regex=SERVER_ADDRESS)
    auth_token_env: str = pydantic.Field(default="TWILIO_AUTH_TOKEN", min_length=1)
    resume_by_caller_id: bool = False
    dtmf_intent: str | None = pydantic.Field(default=None, regex=r"^[\w-]+$")
    dtmf_pause_s: float = pydantic.Field(default=2.0, gt=0.0, le=30.0)
    api_url: str = pydantic.Field(default="https://api.twilio.com", regex=SERVER_ADDRESS)
    dial_timeout_s: int = pydantic.Field(default=20, ge=5, le=600)


class TwilioRoute(CallRoute):
    """The calls of one account.

    Attributes:
        unsigned: websockets without a signature whose call has not begun.

    Raises:
        ConfigurationError: the account's auth token is not set.
    """

    path = _ROUTE.removeprefix("/webhooks/voice")
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
        self._token = token
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
        passed_on_by = parse_qs(query).get(_PASSED_ON)
        if passed_on_by is None:
            return self._connect(path, call, self.sender(str(form.get("From", "")), call))
        outcome = form.get("DialCallStatus") or form.get("QueueResult")
        if outcome in _TAKEN:
            twiml = VoiceResponse()
            twiml.hangup()
            return str(twiml)
        logger.info("voice.telephone.nobody_answered outcome=%s", outcome if outcome in _NOT_TAKEN else "other")
        return self._connect(path, call, passed_on_by[0], **{_BACK: "true"})

    def _connect(self, path: str, call: str, sender: str, **parameters: str) -> str:
        """TwiML with which a call is heard here."""
        twiml = VoiceResponse()
        stream = twiml.connect().stream(url=f"ws{self.settings.public_url[4:]}{path}")
        for name, value in {"sender": sender, "ticket": self.ticket(call, sender), **parameters}.items():
            stream.parameter(name=name, value=value)
        return str(twiml)

    async def pass_on(self, account: str, call: str, sender: str, target: str) -> bool:
        """Have Twilio pass a call on; it asks us what to do when nobody answers.

        Args:
            account, call: Twilio's ids.
            sender: id of the conversation, which the call comes back to.
            target: ``queue:NAME``, ``sip:ADDRESS``, or a number.

        Returns:
            False where Twilio refuses or cannot be reached.
        """
        back = self._url(_ROUTE, urlencode({_PASSED_ON: sender}))
        twiml = VoiceResponse()
        if target.startswith("queue:"):
            twiml.enqueue(target.removeprefix("queue:"), action=back)
        else:
            dial = twiml.dial(action=back, timeout=self.settings.dial_timeout_s)
            (dial.sip if target.startswith("sip:") else dial.number)(target)
        url = f"{self.settings.api_url}/2010-04-01/Accounts/{quote(account, '')}/Calls/{quote(call, '')}.json"
        try:
            async with httpx.AsyncClient(timeout=_API_S, auth=(account, self._token)) as client:
                answer = await client.post(url, data={"Twiml": str(twiml)})
        except (httpx.HTTPError, OSError) as error:
            logger.error("voice.telephone.transfer_failed %s", describe(error))
            return False
        if not answer.is_success:
            logger.error(
                "voice.telephone.transfer_refused status=%d: check 'transfer', and 'auth_token_env' and 'api_url' "
                "of 'twilio', in credentials.yml.",
                answer.status_code,
            )
        return answer.is_success

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
        self._call = ("", "", "")
        """Twilio's ids of account and call, and the conversation's."""

    async def transfer(self, target: str) -> bool:
        """Pass the call on, to ``queue:NAME``, ``sip:ADDRESS`` or a number."""
        return await self._account.pass_on(*self._call, target)

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
        self._call = (str(start.get("accountSid", "")), call, sender)
        if parameters.get(_BACK):
            return Start(sender, options), NobodyAnswered()
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
