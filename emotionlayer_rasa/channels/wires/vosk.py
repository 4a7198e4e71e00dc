"""vosk-server's JSON: each message that a client sends gets exactly one reply.

The reply is ``{"partial": "..."}``, or at the end of an utterance ``{"text": "...", "result": [{"conf", "end",
"start", "word"}]}`` (times in seconds of the stream), with what else has come since the reply before: ``emotion``,
``prosody``, ``words``, ``state``, ``bot`` (a list of messages), ``error``. Speech is not for such clients.

With ``max_alternatives`` text and result come as ``{"alternatives": [{"confidence", "text", "result"}]}``.

**The answer as text** (``answer_as_text``) is for the modules of telephone systems, which read ``text`` alone. Of
an utterance ``text`` is what the assistant answers to it, ``heard`` what was said, and of a message that comes
unasked ``text`` is that. A module that takes the whole reply (FreeSWITCH's mod_vosk) drops each with ``""`` in it:
empty texts are left out of all other keys. These modules do not wait for a reply; so that none is late, what would
tell nothing new is not sent.
"""

from __future__ import annotations

import json
from typing import Any, Iterator

from emotionlayer_rasa.channels.commands import Command, EndOfSound, EndOfUtterance, Played, Sound, Start
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
from emotionlayer_rasa.channels.reply import spoken_text
from emotionlayer_rasa.channels.wires.events import event_record, word_records


class VoskWriter:
    """Keeps what is to be told until the client waits for a reply.

    Args:
        words: tell each word with its times.
        alternatives: tell texts as a list of alternatives.
        answer_as_text: the assistant's answer is the text.
    """

    one_reply = True

    def __init__(self, words: bool, alternatives: bool = False, answer_as_text: bool = False) -> None:
        self._words = words
        self._alternatives = alternatives
        self._answer_as_text = answer_as_text
        self._partial = self._told = ""
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
        heard = " ".join(filter(None, self._texts))
        # The last two are answered with a text, be it empty.
        ended = bool(self._texts) or isinstance(command, EndOfUtterance | EndOfSound)
        if self._answer_as_text:
            reply = _without_empty_texts({"heard": heard, **reply})
        if self._answer_as_text and (ended or self._messages):
            answers = (spoken_text(message, buttons=True) for message in self._messages)
            reply |= self._text(" ".join(filter(None, answers)))
        elif ended:
            reply |= self._text(heard)
        else:
            reply["partial"] = self._partial
        nothing_new = self._answer_as_text and reply == {"partial": self._told}
        self._told = self._partial
        self._texts, self._result, self._messages, self._others = [], [], [], {}
        if not (nothing_new and isinstance(command, Sound)):
            yield json.dumps(reply, ensure_ascii=False)

    def _text(self, text: str) -> dict[str, Any]:
        if not self._alternatives:
            return {"text": text, **({"result": self._result} if self._result else {})}
        words = [{key: word[key] for key in word if key != "conf"} for word in self._result]
        confidence = sum(word["conf"] for word in self._result) / len(words) if words else 1.0
        best = {"confidence": round(confidence, 6), "text": text, **({"result": words} if words else {})}
        return {"alternatives": [best]}


def _without_empty_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty_texts(item) for key, item in value.items() if item != ""}
    if isinstance(value, list):
        return [_without_empty_texts(item) for item in value if item != ""]
    return value
