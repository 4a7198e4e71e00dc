from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import AsyncIterator, Iterator

import httpx
import pytest
from echo_agent import EchoAgent, Serve
from sanic import Sanic
from sanic.touchup import TouchUp

from emotionlayer_rasa.channels import VoiceInput
from emotionlayer_rasa.cli.servers import free_port


@pytest.fixture(scope="session")
def optimised_once() -> Iterator[None]:
    """Sanic rewrites its own source for the first server of a process, and fails to do so for a second one."""
    rewrite, done = TouchUp.run, []

    def once(app: Sanic) -> None:
        if not done:
            done.append(app)
            rewrite(app)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TouchUp, "run", once)
        yield


@pytest.fixture
def serve(optimised_once: None) -> Serve:
    """Serve a channel with Sanic as Rasa does, and give an HTTP client for it."""

    @asynccontextmanager
    async def serving(channel: VoiceInput, agent: EchoAgent) -> AsyncIterator[httpx.AsyncClient]:
        app = Sanic(f"test_{uuid.uuid4().hex}", configure_logging=False)
        app.ctx.agent = agent
        app.blueprint(channel.blueprint(agent.handle_message), url_prefix="/webhooks/voice")
        port = free_port()
        server = await app.create_server(host="127.0.0.1", port=port, return_asyncio_server=True, access_log=False)
        assert server is not None
        await server.startup()
        await server.before_start()
        await server.start_serving()
        await server.after_start()
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/webhooks/voice", timeout=30, trust_env=False
        ) as http:
            try:
                yield http
            finally:
                await server.before_stop()
                server.close()
                await server.wait_closed()
                await server.after_stop()

    return serving


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
