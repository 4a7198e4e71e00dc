"""The HTTP side of the NLG server."""

from __future__ import annotations

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any, Callable, MutableMapping

import structlog
from aiohttp import web
from rasa.shared.core.domain import Domain, InvalidDomain
from rasa.shared.exceptions import RasaException

from emotionlayer_rasa.errors import ConfigurationError, EmotionLayerError, RequestError, ServerError
from emotionlayer_rasa.http_guard import Guard, error_answer, receive_small_body
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.nlg.generator import ResponseGenerator

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Longest request. Rasa sends the whole conversation, some 5 KB a turn: this is a call of thousands of turns."""

# Dates and the like, which YAML may have made of a response's custom payload, become text.
_to_json = partial(json.dumps, default=str)


def create_app(generator: ResponseGenerator, token: str | None = None) -> web.Application:
    """The server's routes: ``POST /nlg`` answers Rasa, ``GET /`` says that the server is up.

    Errors are ``{"error": {"code", "message"}}``: 400 for what is no request of Rasa, 401 for a wrong token, 413
    for a body of more than 32 MiB, 500 for a response that Rasa itself cannot fill with the slots.

    Args:
        generator: words the responses.
        token: every request to ``/nlg`` must carry it, as ``?token=`` (Rasa's ``token:`` under ``nlg:``), as
            ``X-Token: …`` or as ``Authorization: Bearer …``; None lets everyone in.
    """

    guard = Guard(token, "nlg: in endpoints.yml")

    async def nlg(request: web.Request) -> web.Response:
        try:
            guard.check_token(request.headers, request.query)
            call = await _read_request(request)
            try:
                return web.json_response(await generator.generate(call), dumps=_to_json)
            except Exception as error:
                logger.error("nlg.failed %s", describe(error))
                raise EmotionLayerError(
                    "The response cannot be worded. Check its text and slots in the domain."
                ) from None
        except EmotionLayerError as error:
            answer = error_answer(error)
            return web.json_response(answer.body, status=answer.status, headers=answer.headers)

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.add_routes([web.get("/", health), web.post("/nlg", nlg)])
    return app


def read_responses(domain: str | Path) -> dict[str, list[dict[str, Any]]]:
    """The responses of a domain: a file, or a folder of files, as for ``rasa train --domain``.

    Raises:
        ConfigurationError: there is no such file, or it is no valid domain.
    """
    if not Path(domain).exists():
        raise ConfigurationError(f"There is no domain at {domain}. Give the file or folder with --domain.")
    try:
        return dict(Domain.load(str(domain)).responses)
    except (RasaException, InvalidDomain) as error:
        raise ConfigurationError(f"{domain} is no valid domain: {error}") from None


def configure_logs() -> None:
    """Log to stderr, without the tracebacks of Rasa's structured events: they show every slot's value."""

    def without_traceback(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.pop("exc_info", None)
        return event

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            without_traceback,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def serve(
    app: web.Application, host: str = "127.0.0.1", port: int = 5056, ready: Callable[..., None] | None = None
) -> None:
    """Serve until SIGTERM or SIGINT (Ctrl-C).

    Args:
        app: of :func:`create_app`.
        host: the address to listen on.
        port: the port to listen on.
        ready: called once the server listens.

    Raises:
        ServerError: the address cannot be used.
    """
    try:
        # Without aiohttp's access log: it holds the query, that is, the token.
        web.run_app(app, host=host, port=port, access_log=None, print=ready, handle_signals=True)
    except OSError as error:
        raise ServerError(
            f"Nothing can be served on {host}:{port} ({error.strerror}). Choose another --port, or end its user."
        ) from None


async def _read_request(request: web.Request) -> dict[str, Any]:
    body = await receive_small_body(request.content.iter_any(), MAX_BODY_BYTES, "Shorten the conversation.")
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        call = None
    if not isinstance(call, dict) or not isinstance(call.get("response"), str):
        raise RequestError("The body is no request of Rasa's: a JSON object with the key 'response'.")
    return call
