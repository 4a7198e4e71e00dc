"""Calls that come in over TCP: a listener that opens with the Rasa server and closes with it."""

from __future__ import annotations

import asyncio
from typing import Any

from sanic import Blueprint, Sanic

from emotionlayer_rasa.channels.call_socket import CallStream
from emotionlayer_rasa.channels.calls import Calls
from emotionlayer_rasa.channels.connection import CallConnection, own_url
from emotionlayer_rasa.channels.wires import ListenerRoute
from emotionlayer_rasa.errors import ServerError


class CallListener:
    """Listens at a route's port.

    Args:
        calls: the channel's calls.
        route: where they come in.
    """

    def __init__(self, calls: Calls, route: ListenerRoute) -> None:
        self._calls = calls
        self._route = route
        self._server: asyncio.AbstractServer | None = None
        self._connections: set[asyncio.Task[Any]] = set()

    def follow(self, blueprint: Blueprint) -> None:
        """Open and close with the server of a blueprint."""

        @blueprint.listener("before_server_start")
        async def open_listener(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
            await self._open(app)

        @blueprint.listener("before_server_stop")
        async def close_listener(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
            await self._close()

    async def _open(self, app: Sanic) -> None:
        """Raises:
        ServerError: the port cannot be had.
        """

        def hold_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = asyncio.create_task(self._serve(app, reader, writer))
            self._connections.add(connection)
            connection.add_done_callback(self._connections.discard)

        host, port = self._route.host, self._route.port
        try:
            self._server = await asyncio.start_server(hold_call, host, port)
        except OSError as error:
            raise ServerError(
                f"Calls cannot be taken at {host}:{port}: {error.strerror}. Set another port in credentials.yml, "
                "or end the program that has it."
            ) from None

    async def _serve(self, app: Sanic, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        route = self._route
        await CallConnection(
            self._calls,
            route.open(),
            CallStream(reader, writer, route.read_message, route.frame_s),
            lambda: app.ctx.agent,
            own_url(self._calls, app.state.port, app.state.ssl is not None),
            route.waiting,
            route.start_within_s,
        ).serve()

    async def _close(self) -> None:
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
