"""A trained bot of another project, talked to in this process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from conversations import voiced
from rasa.core.agent import Agent
from rasa.core.channels import UserMessage

Dialogues = Mapping[str, Sequence[Sequence[str]]]
"""What a bot did, and said, at each turn of some dialogues, by their names."""


@dataclass(frozen=True)
class Bot:
    """A trained bot in this process."""

    agent: Agent
    loop: asyncio.AbstractEventLoop

    def say(self, sender: str, text: str, metadata: Mapping[str, Any] | None = None) -> list[str]:
        """Say something; gives the actions that follow and what they say."""
        message = UserMessage(text, sender_id=sender, input_channel="test", metadata=metadata and dict(metadata))
        self.loop.run_until_complete(self.agent.handle_message(message))
        done: list[str] = []
        for event in self.events(sender):
            if event["event"] == "user":
                done = []
            elif event["event"] in ("action", "bot"):
                done.append(event.get("name") or event.get("text"))
        return [name for name in done if name not in ("action_listen", "action_extract_slots")]

    def events(self, sender: str) -> list[dict[str, Any]]:
        """The tracker's events as JSON."""
        return [event.as_dict() for event in self.tracker(sender).events]

    def tracker(self, sender: str) -> Any:
        """The tracker."""
        return self.loop.run_until_complete(self.agent.tracker_store.get_or_create_tracker(sender))

    def dialogues(self, said: Mapping[str, Sequence[str]], label: str) -> Dialogues:
        """What the bot does in each dialogue, spoken in an emotion."""
        return {
            name: [self.say(f"{name}-{label}", text, voiced(label)) for text in turns]
            for name, turns in said.items()
        }
