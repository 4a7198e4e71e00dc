"""Telephone calls over Media Streams, both ways: Twilio, SignalWire and Telnyx, each at a path of its own.

Set up, for Twilio: ``twilio: {public_url: https://bot.example.com}`` under ``emotionlayer_rasa.VoiceInput`` in
``credentials.yml``, the account's auth token in the environment variable ``TWILIO_AUTH_TOKEN``, and at Twilio, for
the number's incoming calls, the webhook ``POST https://bot.example.com/webhooks/voice/twilio``. The others
likewise:

===============  ===========================  ===========================  ========================================
\\                ``twilio``                   ``signalwire``               ``telnyx``
===============  ===========================  ===========================  ========================================
path             ``/twilio``                  ``/signalwire``              ``/telnyx``
secret           auth token,                  signing key,                 public key, ``TELNYX_PUBLIC_KEY``
                 ``TWILIO_AUTH_TOKEN``        ``SIGNALWIRE_SIGNING_KEY``
webhook          TwiML                        cXML                         TeXML application
signature        ``X-Twilio-Signature``       ``X-SignalWire-Signature``   ``Telnyx-Signature-Ed25519`` and
                 (HMAC-SHA1)                  (the same)                   ``Telnyx-Timestamp``
ticket           a parameter of the stream    a parameter of the stream    in the websocket's address
names            ``streamSid``, ``callSid``   ``streamSid``, ``callSid``   ``stream_id``, ``call_control_id``
sound            µ-law, 8 kHz                 µ-law, 8 kHz                 µ-law, 8 kHz
===============  ===========================  ===========================  ========================================

- ``POST`` answers an incoming call with XML that connects it to the websocket below. The request must bear the
  provider's signature. (https://www.twilio.com/docs/usage/webhooks/webhooks-security)
- ``WS`` holds the call (https://www.twilio.com/docs/voice/media-streams/websocket-messages). The XML carries a
  ticket, good once, for one call and a minute; with it the call begins, and takes its place. Twilio signs the
  upgrade, too: a wrong signature is refused, and of websockets without one only a few may wait to begin, so that
  nobody keeps the provider out.

The call opens with ``/session_start``, whose answer, the disclosure, is spoken first. Each utterance is a turn;
answers are spoken sentence by sentence, the titles of their buttons too, until the caller speaks or presses a key.
Keys are a turn when ``#`` is pressed or none for two seconds. Who says nothing is asked whether they are there.

**Only the caller is heard.** A stream with another track (a person's who took over, say) is refused and ended.

**The end.** When the stream ends, the provider asks the same webhook with ``?ended=1`` how the call goes on: after
a transfer (``transfer: {to: …}`` beside ``twilio``) with a ``<Dial>`` (a number, or ``sip:…``) or an ``<Enqueue>``
(the name of a queue), else it is hung up. Where nobody answers, it asks with ``?passed_on=…``, the call comes back
to its conversation, and the caller is told.

**The sender** is ``tel-`` and the id of the call: each call is a conversation of its own, since the number that a
call shows is easily forged, and a conversation holds what its caller said and was told. With
``resume_by_caller_id: true`` it is a keyed hash (HMAC-SHA-256, with the secret) of the caller's number, and
who calls again goes on with the same conversation; no number is kept. Callers who withhold theirs, and a second
call from a number while the first goes on, get a conversation for the call then, too.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Iterable, Iterator, Mapping
from urllib.parse import parse_qs, urlencode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sanic.request import Request, RequestParameters
from sanic.response import HTTPResponse, text
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import VoiceResponse

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import Command, HungUp, KeyPressed, NobodyAnswered, Sound
from emotionlayer_rasa.channels.events import SpeechPiece
from emotionlayer_rasa.channels.limit import ConcurrencyLimit
from emotionlayer_rasa.channels.requests import SERVER_ADDRESS, read_form, read_json_object
from emotionlayer_rasa.channels.wires.base import CallRoute, Message, Webhook, Wire
from emotionlayer_rasa.channels.wires.telephone import (
    MESSAGE_S,
    START_WITHIN_S,
    TelephoneSettings,
    TelephoneWire,
    Transfers,
    cut,
)
from emotionlayer_rasa.channels.wires.tickets import Tickets
from emotionlayer_rasa.http_guard import error_body
from emotionlayer_rasa.settings import pydantic

logger = logging.getLogger(__name__)

_RATE = 8000
_UNSIGNED = 16
"""Websockets without a signature that may wait to begin."""
_PASSED_ON = "passed_on"
"""Key of the address that is asked when a call that we passed on is over: the conversation's id."""
_BACK = "back"
"""Parameter of the stream of a call that nobody took."""
_TAKEN = frozenset({"completed", "answered", "bridged", "hangup", "redirected-from-bridged"})
_NOT_TAKEN = frozenset({"busy", "no-answer", "failed", "canceled", "leave", "queue-full", "error", "system-error"})
"""What a provider tells of a call that was passed on, as ``DialCallStatus`` or ``QueueResult``."""
_SIGNATURE_S = 300
"""How old a signature with a time may be, seconds."""
_WITHHELD = frozenset(
    {"", "anonymous", "restricted", "unavailable", "unknown", "+266696687", "+7378742833", "+2562533"}
    | {"+8566696687", "+86282452253"}
)
"""What providers give for a number that is withheld (the digits spell ``anonymous``, ``restricted``, …)."""


@dataclass(frozen=True)
class Dialect:
    """What one provider does otherwise than the others; see the module.

    Attributes:
        name: of its key and path.
        signature: header of its signature, in small letters.
        secret_env: environment variable that holds the secret, unless the settings name another one.
        secret: what the secret is called there.
        ed25519: it signs with a key of its own, of which the secret is the public half; else by HMAC.
        ticket_in_address: the ticket is in the websocket's address, else a parameter of the stream.
        stream, call, parameters, format: its names of these keys.
        sound: what ``format`` must be.
        attributes: of ``<Stream>``.
    """

    name: str
    signature: str
    secret_env: str
    secret: str
    ed25519: bool = False
    ticket_in_address: bool = False
    stream: str = "streamSid"
    call: str = "callSid"
    parameters: str = "customParameters"
    format: str = "mediaFormat"
    sound: Mapping[str, Any] = field(
        default_factory=lambda: {"encoding": "audio/x-mulaw", "sampleRate": _RATE, "channels": 1}
    )
    attributes: Mapping[str, str] = field(default_factory=dict)


TWILIO = Dialect("twilio", "x-twilio-signature", "TWILIO_AUTH_TOKEN", "auth token")
SIGNALWIRE = Dialect("signalwire", "x-signalwire-signature", "SIGNALWIRE_SIGNING_KEY", "signing key")
TELNYX = Dialect(
    "telnyx",
    "telnyx-signature-ed25519",
    "TELNYX_PUBLIC_KEY",
    "public key",
    ed25519=True,
    ticket_in_address=True,
    stream="stream_id",
    call="call_control_id",
    parameters="custom_parameters",
    format="media_format",
    sound={"encoding": "PCMU", "sample_rate": _RATE, "channels": 1},
    attributes={"bidirectionalMode": "rtp", "bidirectionalCodec": "PCMU"},
)


class MediaStreamsSettings(TelephoneSettings):
    """Keys of ``twilio``, ``signalwire`` and ``telnyx``: those of telephones, and

    Attributes:
        public_url: address at which the provider reaches this server, such as ``https://bot.example.com``, with
            the path prefix of a reverse proxy where there is one.
        auth_token_env: environment variable that holds the secret; see the module for what it is where this is
        None.
        resume_by_caller_id: whether who calls again, by the number shown, goes on with the same conversation.
        dial_timeout_s: seconds that it rings where a call is passed on to, until nobody answers.
    """

    public_url: str = pydantic.Field(regex=SERVER_ADDRESS)
    auth_token_env: str | None = pydantic.Field(default=None, min_length=1)
    resume_by_caller_id: bool = False
    dial_timeout_s: int = pydantic.Field(default=20, ge=5, le=600)


class MediaStreamsRoute(CallRoute, Webhook):
    """The calls of one account.

    Args:
        settings: of the account.
        dialect: of its provider.

    Attributes:
        unsigned: websockets without a signature whose call has not begun.
        tickets: let calls in.
        transfers: where calls go on, by the provider's id.

    Raises:
        ConfigurationError: the account's secret is not set, or none.
    """

    # The provider's requests are signed, and so is the ticket with which its websocket begins.
    token = False

    def __init__(self, settings: MediaStreamsSettings, dialect: Dialect = TWILIO) -> None:
        variable = settings.auth_token_env or dialect.secret_env
        secret = os.environ.get(variable)
        where = (
            f"credentials.yml, emotionlayer_rasa.VoiceInput: '{dialect.name}' needs the account's {dialect.secret}"
        )
        if not secret:
            raise errors.ConfigurationError(f"{where} in the environment variable {variable}, and it is not set.")
        self.path = f"/{dialect.name}"
        self.settings = settings
        self.dialect = dialect
        self.unsigned = ConcurrencyLimit(
            _UNSIGNED, f"websockets without a signature of {dialect.name}'s wait to begin already. Try again."
        )
        # A public key is no secret, with which we could sign.
        self.tickets = Tickets(secrets.token_bytes(32) if dialect.ed25519 else secret.encode())
        self.transfers = Transfers()
        self._validator = RequestValidator(secret)
        self._public_key: Ed25519PublicKey | None = None
        if dialect.ed25519:
            try:
                self._public_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(secret, validate=True))
            except ValueError:
                raise errors.ConfigurationError(
                    f"{where}, and {variable} holds no Ed25519 key in base64."
                ) from None

    def admit(self, request: Request) -> None:
        """Let the upgrade to a websocket happen, and note in the request's context whether it is ``signed``.

        Raises:
            UnauthorizedError: it has a signature that is not the provider's.
            BusyError: it has none, and too many of these wait to begin.
        """
        signature = request.headers.get(self.dialect.signature)
        request.ctx.signed = signature is not None and not self.dialect.ed25519
        if not request.ctx.signed:
            self.unsigned.check()
            return
        url = self._url(request.path, request.query_string)
        # Of the address in the TwiML, as Twilio documents it. The webhook's scheme and a last slash are taken,
        # too: they give nobody else a way in, and a call that is refused here is lost.
        addresses = [f"{scheme}{slash}" for scheme in (f"ws{url[4:]}", url) for slash in ("", "/")]
        if not any(self._validator.validate(address, {}, signature) for address in addresses):
            raise self._not_signed()

    def open(self, request: Request) -> Wire:
        """The wire of a websocket."""
        return MediaStreamsWire(self, {key: str(request.args.get(key)) for key in request.args})

    def limit_before_start(self, request: Request, calls: ConcurrencyLimit) -> ConcurrencyLimit | None:
        """The provider's own websockets may wait; of others only a few."""
        return None if request.ctx.signed else self.unsigned

    def start_within_s(self, idle_s: float) -> float:
        """The provider's ``start`` comes at once."""
        return START_WITHIN_S

    async def answer_webhook(self, request: Request) -> HTTPResponse:
        """XML for an incoming call, or for one whose stream has ended."""
        await read_form(request)
        xml = self.answer_call(request.path, request.query_string, request.body, request.headers)
        return text(xml, content_type="text/xml")

    def answer_call(self, path: str, query: str, body: bytes, headers: Mapping[str, str]) -> str:
        """XML for an incoming call, or for one whose stream has ended.

        Args:
            path, query: of the request's address.
            body: the form that the provider posts.
            headers: with its signature.

        Raises:
            UnauthorizedError: the signature is not the provider's.
            RequestError: the form is no call.
        """
        form = RequestParameters(parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True))
        if not self._is_signed(self._url(path, query), form, body, headers):
            raise self._not_signed()
        call = str(form.get("CallSid", ""))
        if not call:
            raise errors.RequestError("The form has no 'CallSid': it is no call.")
        asked = parse_qs(query)
        sender = self.sender(str(form.get("From", "")), call)
        if "ended" in asked:
            return self._go_on(path, sender, self.transfers.take(call))
        if _PASSED_ON not in asked:
            return self._connect(path, call, sender)
        outcome = form.get("DialCallStatus") or form.get("QueueResult")
        if outcome in _TAKEN:
            return self._go_on(path, sender, None)
        logger.info("voice.telephone.nobody_answered outcome=%s", outcome if outcome in _NOT_TAKEN else "other")
        return self._connect(path, call, asked[_PASSED_ON][0], **{_BACK: "true"})

    def _connect(self, path: str, call: str, sender: str, **more: str) -> str:
        """XML with which a call is heard here."""
        answer = VoiceResponse()
        admission = {"sender": sender, "ticket": self.tickets.issue(call, sender), "call": call, **more}
        url = f"ws{self.settings.public_url[4:]}{path}"
        connect = answer.connect(action=f"{self.settings.public_url}{path}?ended=1")
        if self.dialect.ticket_in_address:
            connect.stream(url=f"{url}?{urlencode(admission)}", **self.dialect.attributes)
        else:
            stream = connect.stream(url=url, **self.dialect.attributes)
            for name, value in admission.items():
                stream.parameter(name=name, value=value)
        return str(answer)

    def _go_on(self, path: str, sender: str, target: str | None) -> str:
        """XML with which a call leaves us: passed on, or hung up."""
        answer = VoiceResponse()
        back = f"{self.settings.public_url}{path}?{urlencode({_PASSED_ON: sender})}"
        if target is None:
            answer.hangup()
        elif target.startswith("sip:") or target.lstrip("+").isdecimal():
            dial = answer.dial(action=back, timeout=self.settings.dial_timeout_s)
            (dial.sip if target.startswith("sip:") else dial.number)(target)
        else:
            answer.enqueue(name=target.removeprefix("queue:"), action=back)
        return str(answer)

    def sender(self, number: str, call: str) -> str:
        """Id of the caller's conversation."""
        known = self.settings.resume_by_caller_id and number.strip().lower() not in _WITHHELD
        return "tel-" + self.tickets.digest("number", number) if known else f"tel-{call}"

    def _url(self, path: str, query: str) -> str:
        return f"{self.settings.public_url}{path}" + (f"?{query}" if query else "")

    def _is_signed(self, url: str, form: Mapping[str, Any], body: bytes, headers: Mapping[str, str]) -> bool:
        signature = headers.get(self.dialect.signature, "")
        if self._public_key is None:
            return bool(self._validator.validate(url, form, signature))
        signed_at = headers.get("telnyx-timestamp", "")
        if not signed_at.isdecimal() or abs(time.time() - int(signed_at)) > _SIGNATURE_S:
            return False
        try:
            self._public_key.verify(base64.b64decode(signature), signed_at.encode() + b"|" + body)
        except (ValueError, InvalidSignature):
            return False
        return True

    def _not_signed(self) -> errors.UnauthorizedError:
        return errors.UnauthorizedError(
            f"The request does not bear the signature of {self.dialect.name}. Check the {self.dialect.secret}, "
            "and that 'public_url' is the address that is called."
        )


class MediaStreamsWire(TelephoneWire):
    """One telephone call's websocket.

    Args:
        account: whose calls come in.
        address: parameters of the websocket's address.
    """

    def __init__(self, account: MediaStreamsRoute, address: Mapping[str, str]) -> None:
        super().__init__(account.settings)
        self._account = account
        self._dialect = account.dialect
        self._address = address
        self._call = ""
        self._stream: str | None = None
        """The provider's id of it, once the call has begun."""

    def read(self, message: Message) -> Iterable[Command]:
        """What a message of the provider's asks for."""
        value = read_json_object(message, "A message")
        event = value.get("event")
        content = value.get(str(event))
        content = content if isinstance(content, dict) else {}
        if event == "start":
            return self._read_start(value, content)
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
        return self.passed(str(content.get("name")))

    def write_speech(self, piece: SpeechPiece, mark: str) -> Iterator[Message]:
        """Sound, and a mark behind it."""
        for audio in cut(piece.audio, int(MESSAGE_S * _RATE)):
            yield self._json("media", {"media": {"payload": base64.b64encode(audio).decode()}})
        yield self._json("mark", {"mark": {"name": mark}})

    def write_stop(self) -> Iterator[Message]:
        """The provider forgets what it has not played."""
        yield self._json("clear", {})

    def write_end(self, error: errors.EmotionLayerError) -> Iterator[Message]:
        """The error, for the provider's debugger."""
        yield from super().write_end(error)
        yield json.dumps({"event": "error", **error_body(error.code, str(error))})

    async def transfer(self, target: str) -> bool:
        """The provider asks how the call goes on when the stream has ended."""
        if self._stream is None:
            return False
        self._account.transfers.note(self._call, target)
        return True

    def _json(self, event: str, content: dict[str, Any]) -> str:
        return json.dumps({"event": event, self._dialect.stream: self._stream, **content})

    def _read_start(self, message: Mapping[str, Any], start: Mapping[str, Any]) -> Iterable[Command]:
        if self._stream is not None:
            raise errors.RequestError("'start' came twice.")
        parameters = start.get(self._dialect.parameters)
        parameters = parameters if isinstance(parameters, dict) else {}
        admission = self._address if self._dialect.ticket_in_address else parameters
        sender = str(admission.get("sender", ""))
        # Telnyx names a call otherwise here than in the webhook.
        call = str(
            admission.get("call", "") if self._dialect.ticket_in_address else start.get(self._dialect.call, "")
        )
        self._account.tickets.use(str(admission.get("ticket", "")), call, sender)
        tracks = start.get("tracks")
        for track in tracks if isinstance(tracks, list) else ():
            _refuse_others(track)
        if start.get(self._dialect.format) != self._dialect.sound:
            raise errors.UnsupportedAudioError("The stream is not in the expected format: µ-law, 8000 Hz, mono.")
        self._call = call
        self._stream = str(start.get(self._dialect.stream) or message.get(self._dialect.stream) or "")
        # A company's callers share a number.
        begun = self.begin(sender, "mulaw", _RATE, other_sender=f"{sender}-{call}")
        return (begun[0], NobodyAnswered()) if admission.get(_BACK) else begun


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
