"""The page to talk to one's assistant: a browser that asks for ``GET /webhooks/voice/`` gets it.

The files beside this module are served as they are; they speak with ``WS /webhooks/voice/stream``. Without a token
the page is shown only on the machine itself, since whoever has it may speak with the assistant.
"""

from __future__ import annotations

import functools
import re
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, Callable, Coroutine
from urllib.parse import urlsplit

from sanic import Blueprint
from sanic.request import Request
from sanic.response import HTTPResponse, json, raw, redirect

from emotionlayer_rasa.http_guard import error_body

Handler = Callable[[Request], Coroutine[Any, Any, HTTPResponse | None]]

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?", re.ASCII)
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Page:
    """What browsers get.

    Args:
        token: the channel's; the page then asks its reader for it. None: the page is shown on loopback only.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._files = {
            path.name: (path.read_bytes(), _TYPES[path.suffix])
            for path in Path(__file__).parent.iterdir()
            if path.suffix in _TYPES
        }

    def for_browsers(self, handler: Handler) -> Handler:
        """Answer those who accept HTML with the page, all others with ``handler``."""

        @functools.wraps(handler)
        async def answer(request: Request) -> HTTPResponse | None:
            if "text/html" not in request.headers.get("accept", "") or not self._may_show(request):
                return await handler(request)
            if not request.path.endswith("/"):  # the page's own addresses are relative
                return redirect(f"{request.path.rpartition('/')[2]}/")
            return self._file("index.html", request)

        return answer

    def add_files(self, blueprint: Blueprint) -> None:
        """Add the route of scripts and styles, ``GET /page/<name>``."""

        @blueprint.get("/page/<name:str>")
        async def file(request: Request, name: str) -> HTTPResponse:
            if name not in self._files or not self._may_show(request):
                return json(error_body("not_found", "There is no such file."), status=404)
            return self._file(name, request)

    def _file(self, name: str, request: Request) -> HTTPResponse:
        body, content_type = self._files[name]
        policy = _content_security_policy(request.headers.get("host", ""))
        headers = {**_HEADERS, "Content-Security-Policy": policy}
        return raw(body, content_type=content_type, headers=headers)

    def _may_show(self, request: Request) -> bool:
        if self._token is not None:
            return True
        # A reverse proxy on this machine is a neighbour too: what it forwards comes from elsewhere.
        if any(header in request.headers for header in _FORWARDED):
            return False
        try:
            host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        except ValueError:
            return False
        return _is_loopback(request.ip) and (host == "localhost" or _is_loopback(host))


def _content_security_policy(host: str) -> str:
    """Everything from here and nothing inline. Not every browser takes ``'self'`` for websockets too."""
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _is_loopback(address: str | None) -> bool:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback
