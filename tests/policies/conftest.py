"""The small bot as fixtures."""

from __future__ import annotations

import asyncio
import sys
from typing import Iterator

import pytest
from rasa.core.agent import Agent
from small_bot import Bot, Talk, train_bot, write_bot

from emotionlayer_rasa.cli.servers import Servers, free_port
from emotionlayer_rasa.rasa_versions import tracker_stores


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop for Rasa's coroutines."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def bot(tmp_path_factory: pytest.TempPathFactory, loop: asyncio.AbstractEventLoop) -> Bot:
    """The small bot, trained."""
    folder = write_bot(tmp_path_factory.mktemp("bot"))
    return Bot(train_bot(folder), folder, loop)


@pytest.fixture(scope="session")
def actions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an action server that fills the emotion slots."""
    folder, port = tmp_path_factory.mktemp("actions"), free_port()
    (folder / "endpoints.yml").write_text("llm:\n")  # neither a language model nor a handover
    with Servers(folder / "logs", {"EMOTIONLAYER_ENDPOINTS": str(folder / "endpoints.yml")}) as servers:
        command = [sys.executable, "-m", "rasa_sdk", "--actions", "emotionlayer_rasa.actions", "--port", str(port)]
        servers.start("actions", command)
        servers.wait("actions", f"http://127.0.0.1:{port}/health", lambda answer: answer.is_success)
        yield f"http://127.0.0.1:{port}/webhook"


@pytest.fixture(scope="session")
def small_agent(bot: Bot, actions: str) -> Agent:
    """The bot's agent, with a tracker store in memory."""
    return bot.agent(tracker_stores().InMemoryTrackerStore(bot.domain), actions)


@pytest.fixture
def talk(small_agent: Agent, loop: asyncio.AbstractEventLoop, request: pytest.FixtureRequest) -> Talk:
    """A new conversation."""
    return Talk(small_agent, request.node.name, loop)
