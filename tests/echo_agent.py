from __future__ import annotations

import asyncio
from typing import Any, Callable

from rasa.core.channels.channel import UserMessage
from rasa.shared.core.domain import Domain

from emotionlayer_rasa.channels import VoiceInput
from emotionlayer_rasa.rasa_versions import tracker_stores

DOMAIN = """
version: "3.1"
slots:
  emotion_consent: {type: bool, initial_value: true, mappings: [{type: custom}]}
  escalated: {type: bool, initial_value: false, mappings: [{type: custom}]}
"""


class EchoAgent:
    """Stands for Rasa's agent: a real tracker store, and an assistant that repeats what it was told."""

    def __init__(self, domain: str = DOMAIN) -> None:
        self.tracker_store = tracker_stores().InMemoryTrackerStore(Domain.from_yaml(domain))
        self.ready = True
        self.delay_s = 0.0
        self.failure: Exception | None = None
        self.messages: list[UserMessage] = []

    def is_ready(self) -> bool:
        return self.ready

    async def handle_message(self, message: UserMessage) -> None:
        await asyncio.sleep(self.delay_s)
        if self.failure:
            raise self.failure
        self.messages.append(message)
        await message.output_channel.send_response(
            message.sender_id, {"text": message.text, "custom": {"speed": 1.0}, "elements": []}
        )


Serve = Callable[[VoiceInput, EchoAgent], Any]
