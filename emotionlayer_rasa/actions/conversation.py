"""What an action needs to know of a conversation, read from the tracker."""

from __future__ import annotations

from rasa_sdk import Tracker

from emotionlayer_rasa import conversation
from emotionlayer_rasa.response.templates import DEFAULT_PROFILE


class Conversation(conversation.Conversation):
    """The tracker, as the actions see it.

    Attributes:
        intent: of the caller's last turn, empty when there is none.
        sender: Rasa's id of the conversation.
        application_profile: what the assistant is for; see :class:`emotionlayer_rasa.response.ReplySettings`.
    """

    def __init__(self, tracker: Tracker, application_profile: str = DEFAULT_PROFILE) -> None:
        super().__init__(tracker.events, tracker.slots)
        self.intent = str((tracker.latest_message.get("intent") or {}).get("name") or "")
        self.sender = str(tracker.sender_id)
        self.application_profile = application_profile


def read_conversation(tracker: Tracker, application_profile: str = DEFAULT_PROFILE) -> Conversation:
    """Read the tracker that came with an action call.

    Args:
        tracker: of the call.
        application_profile: what the assistant is for; not the tracker, but ``endpoints.yml`` tells.
    """
    return Conversation(tracker, application_profile)
