"""``/webhooks/voice/vonage``: calls of Vonage's Voice API over a websocket, both ways.

(https://developer.vonage.com/en/voice/voice-api/concepts/websockets)

Set up: ``vonage: {public_url: https://bot.example.com}`` under ``emotionlayer_rasa.VoiceInput`` in
``credentials.yml``, the account's signature secret in the environment variable ``VONAGE_SIGNATURE_SECRET``, and at
Vonage an application with signed webhooks whose answer URL is ``POST
https://bot.example.com/webhooks/voice/vonage``.

- ``POST`` answers an incoming call with an NCCO that connects it to the websocket below. The request must bear a
  JSON Web Token of Vonage's with the hash of its body.
- ``WS`` holds the call: a ticket in its address, good once, for one call and a minute, lets it in before it is a
  websocket. ``websocket:connected`` begins the call; sound is PCM at 16 kHz, in messages of 20 ms; ``clear`` makes
  Vonage silent, and ``notify`` tells what was heard.

When we close the websocket, the NCCO is at its end, and Vonage hangs up. A call cannot be transferred.

The sender is ``tel-`` and Vonage's id of the call.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from typing import Any, Iterable, Iterator
from urllib.parse import urlencode

import jwt
from sanic.request import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import Command, KeyPressed, Sound
from emotionlayer_rasa.channels.events import SpeechPiece
from emotionlayer_rasa.channels.limit import ConcurrencyLimit
from emotionlayer_rasa.channels.requests import SERVER_ADDRESS, read_form, read_json_object, read_sender
from emotionlayer_rasa.channels.wires.base import CallRoute, Message, Webhook, Wire
from emotionlayer_rasa.channels.wires.telephone import (
    START_WITHIN_S,
    TelephoneSettings,
    TelephoneWire,
    cut,
    padded,
)
from emotionlayer_rasa.channels.wires.tickets import Tickets
from emotionlayer_rasa.settings import pydantic

_RATE = 16_000
_FRAME_BYTES = 640
"""20 ms."""


class VonageSettings(TelephoneSettings):
    """Keys of ``vonage``: those of telephones, and

    Attributes:
        public_url: address at which Vonage reaches this server, such as ``https://bot.example.com``, with the path
            prefix of a reverse proxy where there is one.
        signature_secret_env: environment variable that holds the account's signature secret.
    """

    public_url: str = pydantic.Field(regex=SERVER_ADDRESS)
    signature_secret_env: str = pydantic.Field(default="VONAGE_SIGNATURE_SECRET", min_length=1)


class VonageRoute(CallRoute, Webhook):
    """The calls of one account.

    Args:
        settings: of the account.

    Attributes:
        tickets: let calls in.

    Raises:
        ConfigurationError: the account's signature secret is not set.
    """

    path = "/vonage"
    # Vonage's requests are signed, and so is the ticket in the address of its websocket.
    token = False

    def __init__(self, settings: VonageSettings) -> None:
        secret = os.environ.get(settings.signature_secret_env)
        if not secret:
            raise errors.ConfigurationError(
                "credentials.yml, emotionlayer_rasa.VoiceInput: 'vonage' needs the account's signature secret in "
                f"the environment variable {settings.signature_secret_env}, and it is not set."
            )
        self.settings = settings
        self.tickets = Tickets(secret.encode())
        self._secret = secret

    def admit(self, request: Request) -> None:
        """Let a request become a websocket.

        Raises:
            UnauthorizedError: its address has no valid ticket.
        """
        given = {key: str(request.args.get(key, "")) for key in ("ticket", "call", "sender")}
        self.tickets.use(**given)

    def open(self, request: Request) -> Wire:
        """The wire of a websocket."""
        return VonageWire(self.settings, str(request.args.get("sender")))

    def limit_before_start(self, request: Request, calls: ConcurrencyLimit) -> ConcurrencyLimit | None:
        """A call with a ticket is one."""
        return calls

    def start_within_s(self, idle_s: float) -> float:
        """Vonage begins at once."""
        return START_WITHIN_S

    async def answer_webhook(self, request: Request) -> HTTPResponse:
        """The NCCO for an incoming call."""
        await read_form(request)
        return json_response(self.answer_call(request.body, request.headers.get("authorization", "")))

    def answer_call(self, body: bytes, authorization: str) -> list[dict[str, Any]]:
        """The NCCO for an incoming call.

        Args:
            body: JSON that Vonage posts.
            authorization: header ``Authorization``.

        Raises:
            UnauthorizedError: the token is not Vonage's, or of another body.
            RequestError: the body is no call.
        """
        self._check_token(body, authorization)
        call = read_json_object(body, "The body").get("uuid")
        if not isinstance(call, str) or not call:
            raise errors.RequestError("The body has no 'uuid': it is no call.")
        sender = read_sender(f"tel-{call}")
        admission = {"call": call, "sender": sender, "ticket": self.tickets.issue(call, sender)}
        url = f"ws{self.settings.public_url[4:]}/webhooks/voice{self.path}?{urlencode(admission)}"
        endpoint = {"type": "websocket", "uri": url, "content-type": f"audio/l16;rate={_RATE}"}
        return [{"action": "connect", "endpoint": [endpoint]}]

    def _check_token(self, body: bytes, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        try:
            claims = jwt.decode(token.strip(), self._secret, algorithms=["HS256"], options={"verify_aud": False})
        except jwt.PyJWTError:
            claims = {}
        given = str(claims.get("payload_hash", ""))
        expected = hashlib.sha256(body).hexdigest()
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.encode("utf-8", "replace"), expected.encode()
        ):
            raise errors.UnauthorizedError(
                "The request does not bear Vonage's token. Check the signature secret, and that "
                "webhooks are signed."
            )


class VonageWire(TelephoneWire):
    """One call's websocket.

    Args:
        settings: how the call is held.
        sender: id of the conversation.
    """

    def __init__(self, settings: VonageSettings, sender: str) -> None:
        super().__init__(settings)
        self._sender = sender
        self._started = False

    def read(self, message: Message) -> Iterable[Command]:
        """What a message of Vonage's asks for."""
        if isinstance(message, bytes):
            if not self._started:
                raise errors.RequestError("Sound came before 'websocket:connected'.")
            return (Sound(message),)
        value = read_json_object(message, "A message")
        event = value.get("event")
        if event == "websocket:connected":
            return self._start(value)
        if event == "websocket:dtmf":
            return (KeyPressed(str(value.get("digit", ""))),)
        payload = value.get("payload")
        if event == "websocket:notify" and isinstance(payload, dict):
            return self.passed(str(payload.get("mark")))
        return ()

    def write_speech(self, piece: SpeechPiece, mark: str) -> Iterator[Message]:
        """Sound, and a notification behind it."""
        yield from cut(padded(piece.audio, _FRAME_BYTES, piece.encoding), _FRAME_BYTES)
        yield json.dumps({"action": "notify", "payload": {"mark": mark}})

    def write_stop(self) -> Iterator[Message]:
        """Vonage forgets what it has not played."""
        yield json.dumps({"action": "clear"})

    def _start(self, value: dict[str, Any]) -> tuple[Command, ...]:
        if self._started:
            raise errors.RequestError("'websocket:connected' came twice.")
        if value.get("content-type") != f"audio/l16;rate={_RATE}":
            raise errors.UnsupportedAudioError("The stream is not in the expected format: PCM, 16000 Hz.")
        self._started = True
        return self.begin(self._sender, "pcm16", _RATE)
