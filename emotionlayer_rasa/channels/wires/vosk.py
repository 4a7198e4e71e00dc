"""vosk-server's JSON: each message that a client sends gets exactly one reply.

The reply is ``{"partial": "..."}``, or at the end of an utterance ``{"text": "...", "result": [{"conf", "end",
"start", "word"}]}`` (times in seconds of the stream), with what else has come since the reply before: ``emotion``,
``prosody``, ``words``, ``state``, ``bot`` (a list of messages), ``error``. Speech is not for such clients.
"""

from __future__ import annotations

import json
from typing import Any, Iterator

from emotionlayer_rasa.channels.commands import Command, EndOfSound, Played, Reset, Start
from emotionlayer_rasa.channels.events import (
    BotMessage,
    CallEvent,
    ConversationState,
    Discarded,
    EmotionRead,
    Failed,
    Partial,
    Transcribed,
    TurnState,
)
from emotionlayer_rasa.channels.wires.events import event_record, word_records


class VoskWriter:
    """Keeps what is to be told until the client waits for a reply.

    Args:
        words: tell each word with its times.
    """

    one_reply = True

    def __init__(self, words: bool) -> None:
        self._words = words
        self._partial = ""
        self._texts: list[str] = []
        self._result: list[dict[str, Any]] = []
        self._messages: list[Any] = []
        self._others: dict[str, Any] = {}

    def write(self, event: CallEvent) -> Iterator[str]:
        """No message yet."""
        match event:
            case Partial(text):
                self._partial = text
            case Discarded():
                self._partial = ""
            case Transcribed():
                self._partial = ""
                self._texts.append(event.transcript.text)
                self._result += word_records(event) if self._words else []
            case BotMessage(message):
                self._messages.append(message)
            case EmotionRead() | TurnState() | ConversationState() | Failed():
                self._others |= event_record(event, self._words)
        yield from ()

    def write_reply(self, command: Command | None) -> Iterator[str]:
        """What there is; without the text of an utterance, the text so far."""
        if isinstance(command, Start | Played):
            return
        reply = dict(self._others)
        if self._messages:
            reply["bot"] = self._messages
        if self._result:
            reply["result"] = self._result
        if self._texts or isinstance(command, Reset | EndOfSound):  # these are answered with a text, be it empty
            reply["text"] = " ".join(filter(None, self._texts))
        else:
            reply["partial"] = self._partial
        yield json.dumps(reply, ensure_ascii=False)
        self._texts, self._result, self._messages, self._others = [], [], [], {}
        if "text" in reply:
            self._partial = ""
