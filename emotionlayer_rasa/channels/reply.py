"""The assistant's reply to a turn, whose beginning may be spoken before the rest is known."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from emotionlayer_rasa.call_control import SPOKEN_KEY
from emotionlayer_rasa.errors import CallerSpeaksError


class SpokenReply:
    """The assistant's reply to one turn.

    Args:
        speak: speaks a text in the style of a custom payload; false while the caller speaks.
    """

    def __init__(self, speak: Callable[[str, dict[str, Any]], bool]) -> None:
        self._speak = speak
        self._spoken = ""
        self._interrupted = False

    def speak_early(self, text: str, style: dict[str, Any]) -> None:
        """Speak the beginning, or what comes right after it.

        Raises:
            CallerSpeaksError: the caller speaks, or has interrupted the reply.
        """
        if self._interrupted or not self._speak(text, style):
            raise CallerSpeaksError("The caller speaks. Give the reply to Rasa.")
        self._spoken = f"{self._spoken} {text}"

    def interrupt(self) -> None:
        """The caller speaks: if the reply has begun, the rest of it is not spoken."""
        self._interrupted = bool(self._spoken)

    def unspoken(self, text: str) -> str:
        """What is left to be spoken of a message of the assistant.

        Of the one that was begun it is all but the beginning. That need not be the first one: an action may send
        others before it.
        """
        spoken, words = self._spoken.split(), text.split()
        if not spoken or words[: len(spoken)] != spoken:
            return text
        self._spoken = ""
        return "" if self._interrupted else " ".join(words[len(spoken) :])


def spoken_text(message: Mapping[str, Any], buttons: bool) -> str:
    """What of a message is spoken: ``spoken`` of its custom payload, else its text.

    With ``buttons``, who cannot see them is told their titles.
    """
    custom = message.get("custom")
    spoken = custom.get(SPOKEN_KEY) if isinstance(custom, Mapping) else None
    text = str(spoken or message.get("text") or "")
    if not buttons:
        return text
    titles = [button.get("title") for button in message.get("buttons") or () if isinstance(button, dict)]
    return " ".join([text, *(f"{title}." for title in titles if title)]).strip()
