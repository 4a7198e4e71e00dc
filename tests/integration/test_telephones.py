"""A conversation through a real Rasa server over each wire of telephone systems."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import soundfile
from phones import AsteriskPhone, AudioSocketPhone, ForkPhone, JambonzPhone, Phone, VonagePhone

from emotionlayer_rasa.utterance import METADATA_KEY

if TYPE_CHECKING:
    from conftest import Assistant

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_each_wire_holds_a_conversation(assistant: Assistant, data: Path) -> None:
    samples, _ = soundfile.read(data / "en_order.flac", dtype="float32")
    order = np.concatenate([samples, np.zeros(16_000, np.float32)])

    async def heard(caller: Phone, words: str) -> list[dict[str, Any]]:
        """Wait for a turn with these words; gives all turns."""
        for _ in range(200):
            turns: list[dict[str, Any]] = await asyncio.to_thread(assistant.turns, caller.sender)
            if any(words in turn["text"].lower() for turn in turns):
                return turns
            await asyncio.sleep(0.3)
        raise TimeoutError(f"no turn with {words!r}")

    async def converse(phone: type[Phone], http: httpx.AsyncClient) -> None:
        async with phone(http).call() as caller:
            await caller.speak(np.zeros(1600, np.float32), 0.02)
            await caller.until(lambda: len(caller.played) > caller.rate, 120)
            assert caller.loudness() > 0.005, "the disclosure is spoken first"
            opened = len(caller.played)
            await caller.speak(order, 0.02)
            await heard(caller, "order")
            await caller.until(lambda: len(caller.played) > opened, 120)
            await caller.press("1")
            await caller.press("#")
            turns = await heard(caller, "1")
        spoken = next(turn for turn in turns if "order" in turn["text"].lower())
        assert spoken["parse_data"]["intent"]["name"] == "order_status", phone
        assert spoken["metadata"][METADATA_KEY]["emotion"]["source"] == "voice", phone

    # The others differ from one of these, or from Twilio (test_live_call.py), in what no conversation shows.
    wires: list[type[Phone]] = [AsteriskPhone, AudioSocketPhone, ForkPhone, JambonzPhone, VonagePhone]
    async with httpx.AsyncClient(base_url=str(assistant.http.base_url), timeout=60, trust_env=False) as http:
        for phone in wires:  # one by one, since a slow machine hears no more in time
            await converse(phone, http)
