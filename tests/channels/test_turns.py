from __future__ import annotations

import asyncio

import pytest

from emotionlayer_rasa.channels.turns import TurnOrder
from emotionlayer_rasa.errors import BusyError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_turns_of_one_sender_keep_their_order_and_others_do_not_wait() -> None:
    order = TurnOrder(waiting=4)
    passed: list[str] = []

    async def turn(sender: str, name: str, seconds: float) -> None:
        async with order.turn(sender):
            await asyncio.sleep(seconds)
            passed.append(name)

    await asyncio.gather(turn("a", "a1", 0.2), turn("a", "a2", 0.0), turn("b", "b1", 0.0), turn("a", "a3", 0.0))
    assert passed == ["b1", "a1", "a2", "a3"]


async def test_too_many_waiting_turns_are_refused_and_later_ones_pass() -> None:
    order = TurnOrder(waiting=1)
    release = asyncio.Event()

    async def turn() -> None:
        async with order.turn("a"):
            await release.wait()

    tasks = [asyncio.create_task(turn()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await turn()
    release.set()
    await asyncio.gather(*tasks)
    await turn()


async def test_a_failing_or_cancelled_turn_lets_the_next_one_pass_and_nothing_is_kept() -> None:
    order = TurnOrder(waiting=4)

    async def failing() -> None:
        async with order.turn("a"):
            raise ValueError("planned")

    async def endless() -> None:
        async with order.turn("a"):
            await asyncio.Event().wait()

    with pytest.raises(ValueError, match="planned"):
        await failing()
    first, second = asyncio.create_task(endless()), asyncio.create_task(endless())
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    async with order.turn("a"):
        pass
    assert not order._turns
    assert not order._locks
