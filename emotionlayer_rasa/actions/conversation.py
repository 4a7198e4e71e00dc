"""What an action needs to know of a conversation, read from the tracker."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Mapping

from rasa_sdk import Tracker

from emotionlayer_rasa.conversation import Conversation
from emotionlayer_rasa.response.templates import DEFAULT_PROFILE


class ActionConversation(Conversation):
    """The tracker that came with an action call.

    Attributes:
        application_profile: what the assistant is for; not the tracker, but ``endpoints.yml`` tells, see
            :class:`emotionlayer_rasa.response.ReplySettings`.
        responses: names of the bot's own responses.
    """

    def __init__(
        self,
        tracker: Tracker,
        application_profile: str = DEFAULT_PROFILE,
        domain: Mapping[str, Any] | None = None,
    ) -> None:
        intent = (tracker.latest_message.get("intent") or {}).get("name")
        super().__init__(tracker.events, tracker.slots, str(tracker.sender_id), str(intent or ""))
        self.application_profile = application_profile
        self.responses = frozenset((domain or {}).get("responses") or ())

    @cached_property
    def call(self) -> Mapping[str, Any]:
        """The metadata of the caller's last turn; empty where nobody has said anything, or they say nothing."""
        turn = next((event for event in reversed(self.events) if event.get("event") == "user"), {})
        metadata = turn.get("metadata")
        return metadata if isinstance(metadata, Mapping) else {}
