"""``/webhooks/voice/jambonz``: calls of jambonz with its verb ``listen``, both ways.

(https://docs.jambonz.org/verbs/verbs/listen)

Set up: ``jambonz: {public_url: https://bot.example.com}`` under ``emotionlayer_rasa.VoiceInput`` in
``credentials.yml``, the account's webhook secret in the environment variable ``JAMBONZ_WEBHOOK_SECRET``, and at
jambonz an application whose calling webhook is ``POST https://bot.example.com/webhooks/voice/jambonz``.

- ``POST`` answers an incoming call with ``listen``; it must bear jambonz's signature (``Jambonz-Signature``,
  HMAC-SHA256 of time and body), at most five minutes old.
- ``WS`` holds the call: the first message is metadata, with a ticket of ours in it that is good once, for one call
  and a minute. With it the call begins, and takes its place; only a few websockets may wait for that. Then come
  PCM at 8 kHz and pressed keys; we answer with PCM, marks and ``killAudio``.
- ``POST ?ended=1``: the verb has ended, be it that we ``disconnect``: after a transfer we answer ``dial``, else
  ``hangup``.

The sender is ``tel-`` and jambonz's id of the call.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from typing import Any

from sanic.request import Request
from sanic.response import HTTPResponse, json

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import Command
from emotionlayer_rasa.channels.limit import ConcurrencyLimit
from emotionlayer_rasa.channels.requests import SERVER_ADDRESS, read_form, read_json_object, read_sender
from emotionlayer_rasa.channels.wires.audio_fork import AudioForkWire, ForkAddress
from emotionlayer_rasa.channels.wires.base import CallRoute, Message, Webhook, Wire
from emotionlayer_rasa.channels.wires.telephone import START_WITHIN_S, TelephoneSettings, Transfers
from emotionlayer_rasa.channels.wires.tickets import Tickets
from emotionlayer_rasa.settings import pydantic

_RATE = 8000
_SIGNATURE_S = 300
"""How old a signature may be, seconds."""
_WAITING = 16
"""Websockets that may wait to begin."""


class JambonzSettings(TelephoneSettings):
    """Keys of ``jambonz``: those of telephones, and

    Attributes:
        public_url: address at which jambonz reaches this server, such as ``https://bot.example.com``, with the
            path prefix of a reverse proxy where there is one.
        webhook_secret_env: environment variable that holds the account's webhook secret.
    """

    public_url: str = pydantic.Field(regex=SERVER_ADDRESS)
    webhook_secret_env: str = pydantic.Field(default="JAMBONZ_WEBHOOK_SECRET", min_length=1)


class JambonzRoute(CallRoute, Webhook):
    """The calls of one account.

    Args:
        settings: of the account.

    Attributes:
        tickets: let calls in.
        transfers: where calls go on, by jambonz's id.

    Raises:
        ConfigurationError: the account's webhook secret is not set.
    """

    path = "/jambonz"
    # jambonz's requests are signed, and so is the ticket with which its websocket begins.
    token = False
    subprotocols = ("audio.jambonz.org",)

    def __init__(self, settings: JambonzSettings) -> None:
        secret = os.environ.get(settings.webhook_secret_env)
        if not secret:
            raise errors.ConfigurationError(
                "credentials.yml, emotionlayer_rasa.VoiceInput: 'jambonz' needs the account's webhook secret in "
                f"the environment variable {settings.webhook_secret_env}, and it is not set."
            )
        self.settings = settings
        self.tickets = Tickets(secret.encode())
        self.transfers = Transfers()
        self._secret = secret.encode()
        self._waiting = ConcurrencyLimit(_WAITING, "jambonz's websockets wait to begin already. Try again.")

    def admit(self, request: Request) -> None:
        """Let a request become a websocket.

        Raises:
            BusyError: too many of these wait to begin.
        """
        self._waiting.check()

    def open(self, request: Request) -> Wire:
        """The wire of a websocket."""
        return JambonzWire(self)

    def limit_before_start(self, request: Request, calls: ConcurrencyLimit) -> ConcurrencyLimit | None:
        """A few may wait."""
        return self._waiting

    def start_within_s(self, idle_s: float) -> float:
        """The metadata come at once."""
        return START_WITHIN_S

    async def answer_webhook(self, request: Request) -> HTTPResponse:
        """The verbs for an incoming call, or for one that is not listened to any more."""
        await read_form(request)
        signature = request.headers.get("jambonz-signature", "")
        return json(self.answer_call(request.body, signature, "ended" in request.args))

    def answer_call(self, body: bytes, signature: str, ended: bool = False) -> list[dict[str, Any]]:
        """The verbs for a call.

        Args:
            body: JSON that jambonz posts.
            signature: header ``Jambonz-Signature``.
            ended: the call is not listened to any more.

        Raises:
            UnauthorizedError: the signature is not jambonz's, or too old.
            RequestError: the body is no call.
        """
        self._check_signature(body, signature)
        call = read_json_object(body, "The body").get("call_sid")
        if not isinstance(call, str) or not call:
            raise errors.RequestError("The body has no 'call_sid': it is no call.")
        if ended:
            target = self.transfers.take(call)
            return [{"verb": "hangup"} if target is None else {"verb": "dial", "target": [_target(target)]}]
        sender = read_sender(f"tel-{call}")
        url = f"{self.settings.public_url}/webhooks/voice{self.path}"
        listen = {
            "verb": "listen",
            "url": f"ws{url[4:]}",
            "actionHook": f"{url}?ended=1",
            "mixType": "mono",
            "sampleRate": _RATE,
            "passDtmf": True,
            "bidirectionalAudio": {"enabled": True, "streaming": True, "sampleRate": _RATE},
            "metadata": {"sender": sender, "ticket": self.tickets.issue(call, sender)},
        }
        return [{"verb": "answer"}, listen]

    def _check_signature(self, body: bytes, signature: str) -> None:
        parts = dict(part.strip().partition("=")[::2] for part in signature.split(","))
        signed_at = parts.get("t", "")
        expected = hmac.new(self._secret, f"{signed_at}.".encode("utf-8", "replace") + body, hashlib.sha256)
        genuine = hmac.compare_digest(
            parts.get("v1", "").encode("utf-8", "replace"), expected.hexdigest().encode()
        )
        if not genuine or not signed_at.isdecimal() or abs(time.time() - int(signed_at)) > _SIGNATURE_S:
            raise errors.UnauthorizedError(
                "The request does not bear jambonz's signature, or an old one. Check the webhook secret, "
                "and the clocks."
            )


class JambonzWire(AudioForkWire):
    """One call's websocket.

    Args:
        account: whose calls come in.
    """

    def __init__(self, account: JambonzRoute) -> None:
        super().__init__(account.settings, ForkAddress())
        self._account = account
        self._call = ""

    async def transfer(self, target: str) -> bool:
        """jambonz asks how the call goes on."""
        if not self._call:
            return False
        self._account.transfers.note(self._call, target)
        await self.hang_up()
        return True

    def _open(self, message: Message) -> tuple[Command, ...]:
        if isinstance(message, bytes):
            raise errors.UnauthorizedError("A call of jambonz's begins with its metadata.")
        metadata = read_json_object(message, "The metadata")
        call, sender = str(metadata.get("callSid", "")), str(metadata.get("sender", ""))
        self._account.tickets.use(str(metadata.get("ticket", "")), call, sender)
        if metadata.get("sampleRate", _RATE) != _RATE or metadata.get("mixType", "mono") != "mono":
            raise errors.UnsupportedAudioError("The stream is not in the expected format: PCM, 8000 Hz, mono.")
        self._call = call
        return self.begin(sender, "pcm16", _RATE)


def _target(target: str) -> dict[str, str]:
    if target.startswith("sip:"):
        return {"type": "sip", "sipUri": target}
    if target.lstrip("+").isdecimal():
        return {"type": "phone", "number": target}
    return {"type": "user", "name": target}
