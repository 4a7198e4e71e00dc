"""Tests of the adapters in rasa-pro: collected only where that is installed (scripts/test-rasa-pro)."""

from __future__ import annotations

import asyncio
from typing import Iterator

import pytest
from channels.conftest import anyio_backend, optimised_once, serve  # noqa: F401
from small_bot import Bot, train_bot, write_bot


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop for Rasa's coroutines."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def bot(tmp_path_factory: pytest.TempPathFactory, loop: asyncio.AbstractEventLoop) -> Bot:
    """The small bot, trained by rasa-pro."""
    folder = write_bot(tmp_path_factory.mktemp("bot"))
    return Bot(train_bot(folder), folder, loop)
