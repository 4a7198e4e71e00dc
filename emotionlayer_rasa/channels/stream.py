"""``WS /webhooks/voice/stream``: a live call over a websocket, a superset of vosk-server's wire format.

A client of vosk-server (alphacep/vosk-server) works unchanged: it sends a configuration, sound and an end, and
gets text. What is said becomes turns of a conversation with Rasa; emotion and answers come as further keys.

**The client sends** text messages, each one JSON object, and sound as binary messages:

=========================================  ======================================================================
``{"config": {...}}``                      once, before the first sound; see below
binary                                     samples, one channel, at most 256 KiB a message
``{"eof": 1}``                             no more sound; what is open is finished, then we close
``{"reset": 1}``                           forget the utterance that is going on
``{"message": "...", "metadata": {...}}``  a typed turn, a button's payload, or ``/session_start``, which opens
                                           with the disclosure (send it where ``ready.new`` is true)
``{"played": {"id": 3, "seconds": 1.2}}``  so much of spoken reply 3 was heard; with ``"done": true`` all of it.
                                           Without these we count from when it was sent
=========================================  ======================================================================

**Keys of config**, all optional:

==================  =============================================================================================
``sample_rate``     Hz, 8000 (default, as vosk-server) to 48000
``encoding``        ``pcm16`` (default; little endian), ``mulaw`` or ``alaw``
``sender``          id of the conversation, to resume it; else ``?sender=``, else a new one is made
``metadata``        object that Rasa gets with every message
``events``          true: messages as they come (see below); false (default): one reply a message
``interim``         true (default): with ``events``, the emotion also while the caller speaks
``speech``          with ``events``: ``pcm16`` or ``mulaw`` to hear the replies, ``none`` (default)
``speech_rate``     Hz of ``pcm16`` speech, 8000 to 48000; default what the voice has. ``mulaw`` has 8000
``words``           false leaves ``result`` out
``phrase_list``     phrases to listen for (a list), where the engine can
==================  =============================================================================================

``max_alternatives`` is ignored; ``model`` and ``model_path`` are refused; other keys are errors.

**Plain mode** is for clients that send one message and read one. Every sound message, ``reset``, ``message`` and
``eof`` gets exactly one reply; ``config`` and ``played`` get none. The reply is ``{"partial": "..."}``, or at the
end of an utterance ``{"text": "...", "result": [{"conf", "end", "start", "word"}]}`` (times in seconds of the
stream), with what else has come since the reply before: ``emotion``, ``prosody``, ``words``, ``state``, ``bot`` (a
list of messages), ``error``. The reply to ``eof`` and to ``message`` waits for the assistant.

**With events** messages come by themselves; each is an object with one of these keys:

==================  =============================================================================================
``ready``           answer to config: ``{"sender", "new", "analysed", "sample_rate", "encoding", "speech"}``;
                    ``new``: nothing was said in this conversation yet; ``analysed``: emotion may be read;
                    ``speech``: what replies are spoken in, or null where none are
``partial``         the text of the utterance so far
``text``            what was said, with ``result`` as above; empty where a voice was heard and no words
``emotion``         as in the webhook's answer (of a typed turn only ``words`` tells); beside it ``interim`` (true:
                    of the last seconds, while the caller speaks), ``prosody``, and unless interim ``words``
``state``           after an utterance ``{"state", "strategy", "confidence", "valence", "arousal", "dominance",
                    "incongruence", "reasons"}`` of this turn alone; after the assistant's answer what the memory
                    makes of it: the same and ``trend``, ``negative_streak``, ``priority`` (0..100), ``analysed``,
                    ``escalated``; only the last two where nothing is known or may be known
``bot``             one message of the assistant: ``{"text", "buttons", "image", "custom", ...}``
``speech``          a piece of a spoken reply, ``{"id", "part", "sentence", "sample_rate", "encoding", "seconds",
                    "bytes"}``; its audio follows in binary messages. ``id`` counts what is spoken in this call: a
                    message, or, where its first sentence comes before the ``bot`` message is known, that sentence
                    and then the rest. When all of one was sent: ``{"id", "end": true, "seconds"}``
``stop``            ``{"id"}``: the caller interrupts. Be silent at once; nothing more of what was said comes
``discarded``       what began like speech was none: ``too_short``, ``ghost_words``, ``noise`` or ``reset``
``error``           ``{"code", "message"}``; the call goes on, unless we close right behind it
==================  =============================================================================================

Without consent no ``emotion`` comes, and of ``state`` only ``analysed`` and ``escalated``.

The token comes as for the webhook; browsers use ``?token=``. Without a token a browser is let in only from a page
of this server. A second call of a sender ends the first one. Close codes: 1000 after ``eof``, 1008 for a call that
we end with an ``error``, 1009 for a message over 1 MiB.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Literal, Mapping

import pydantic
from sanic.request import Request

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.assistant import is_new
from emotionlayer_rasa.channels.call import Call, Calls, Line, error_news
from emotionlayer_rasa.channels.connection import CallConnection
from emotionlayer_rasa.channels.requests import read_json, read_message, read_metadata, read_sender
from emotionlayer_rasa.channels.socket import CallSocket
from emotionlayer_rasa.channels.speaking import Interruption, SpeechFormat, SpeechPiece
from emotionlayer_rasa.settings import Settings, read_settings

_PIECE_BYTES = 16_384
"""Of speech a message, so that little of it is on its way when the caller interrupts."""
_FAR_BEHIND_S = 1.0
"""Sound that waits to be heard before we read on: a client that sends a file is held up, and not refused."""


class StreamConfig(Settings):
    """What ``config`` may hold; see the module."""

    sample_rate: int = pydantic.Field(default=8000, ge=8000, le=48_000)
    encoding: Literal["pcm16", "mulaw", "alaw"] = "pcm16"
    sender: Any = None
    metadata: Any = None
    events: bool = False
    interim: bool = True
    speech: Literal["none", "pcm16", "mulaw"] = "none"
    speech_rate: int | None = pydantic.Field(default=None, ge=8000, le=48_000)
    words: bool = True
    phrase_list: list[str] | None = None
    max_alternatives: Any = None


async def serve_stream(calls: Calls, request: Request, websocket: Any) -> None:
    """Hold one call.

    Args:
        calls: the channel's calls.
        request: that opened the websocket.
        websocket: as Sanic gives it.
    """
    await _Stream(calls, request, websocket).serve()


class _EventLine(Line):
    """Tells everything as it comes."""

    def __init__(self, socket: CallSocket) -> None:
        self._socket = socket

    def tell(self, news: Mapping[str, Any]) -> None:
        self._socket.send(_json(news))

    def fail(self, error: errors.EmotionLayerError) -> None:
        self.tell(error_news(error))

    def speak(self, piece: SpeechPiece) -> None:
        header = {
            "id": piece.id,
            "part": piece.part,
            "sentence": piece.sentence,
            "sample_rate": piece.sample_rate,
            "encoding": piece.encoding,
            "seconds": round(piece.seconds, 3),
            "bytes": len(piece.audio),
        }
        self._socket.send(_json({"speech": header}), speech=True)
        for start in range(0, len(piece.audio), _PIECE_BYTES):
            self._socket.send(piece.audio[start : start + _PIECE_BYTES], speech=True)

    def spoken(self, id: int, seconds: float) -> None:
        self._socket.send(_json({"speech": {"id": id, "end": True, "seconds": round(seconds, 3)}}), speech=True)

    def stop(self, interruption: Interruption) -> None:
        self._socket.drop_speech()
        self.tell({"stop": {"id": interruption.id}})

    def reply(self) -> None:
        """Nothing: all is told."""


class _PlainLine(Line):
    """Keeps what is to be told until the client waits for a reply. Speech is not for such clients."""

    def __init__(self, socket: CallSocket) -> None:
        self._socket = socket
        self._partial = ""
        self._news: dict[str, Any] = {}

    def tell(self, news: Mapping[str, Any]) -> None:
        for key, value in news.items():
            if key == "partial":
                self._partial = value
            elif key == "bot":
                self._news.setdefault("bot", []).append(value)
            elif key == "text":
                self._partial = ""
                self._news["text"] = " ".join(filter(None, (self._news.get("text"), value)))
            elif key == "result":
                self._news.setdefault("result", []).extend(value)
            elif key == "discarded":
                self._partial = ""
            else:
                self._news[key] = value

    def fail(self, error: errors.EmotionLayerError) -> None:
        self.tell(error_news(error))

    def speak(self, piece: SpeechPiece) -> None:
        """Nothing."""

    def spoken(self, id: int, seconds: float) -> None:
        """Nothing."""

    def stop(self, interruption: Interruption) -> None:
        """Nothing."""

    def reply(self) -> None:
        """Send what there is; without the text of an utterance, the text so far."""
        news, self._news = self._news, {}
        self._socket.send(_json(news if "text" in news else {"partial": self._partial, **news}))


class _Stream(CallConnection):
    def __init__(self, calls: Calls, request: Request, websocket: Any) -> None:
        super().__init__(calls, request, websocket, begin_within_s=calls.idle_timeout_s)
        self._values: dict[str, Any] = {}
        self._config = StreamConfig()
        self._line: _EventLine | _PlainLine = _PlainLine(self._socket)

    def _open(self) -> None:
        self._move_to(self._calls.places)

    def _end_with(self, error: errors.EmotionLayerError) -> None:
        self._line.fail(error)
        self._line.reply()

    async def _take(self, message: str | bytes) -> bool:
        try:
            if isinstance(message, bytes):
                await self._hear(message)
                self._line.reply()
                return True
            return await self._obey(_object(message))
        except (errors.RequestError, errors.TruncatedAudioError) as error:
            self._end_with(error)
            return True

    async def _hear(self, data: bytes) -> None:
        if self._config.encoding == "pcm16" and len(data) % 2:
            raise errors.TruncatedAudioError(
                f"A message of {len(data)} bytes holds half a sample (pcm16 has two bytes a sample). "
                "It was not heard. Send whole samples."
            )
        call = self._begun()
        call.feed(data)
        if not self._config.events or call.behind_s > _FAR_BEHIND_S:
            await call.caught_up()
            call.check()

    async def _obey(self, message: dict[str, Any]) -> bool:
        if "config" in message:
            await self._configure(message["config"])
        elif "eof" in message:
            if self._call:
                await self._call.finish()
            self._end_text()
            return False
        elif "reset" in message:
            if self._call:
                self._call.reset()
                await self._call.caught_up()
            self._end_text()
        elif "message" in message:
            text = read_message(message["message"], self._calls.max_characters)
            metadata = read_metadata(message.get("metadata"))
            call = self._begun()
            call.write(text, metadata)
            if not self._config.events:
                await call.answered()
            self._line.reply()
        elif "played" in message:
            self._played(message["played"])
        else:
            raise errors.RequestError(
                "The message has none of the keys 'config', 'eof', 'reset', 'message', 'played'. "
                "Send sound as binary messages."
            )
        return True

    def _end_text(self) -> None:
        """vosk-server answers ``eof`` and ``reset`` with a text, be it empty."""
        if not self._config.events:
            self._line.tell({"text": ""})
        self._line.reply()

    async def _configure(self, values: Any) -> None:
        """Raises what ends the call: with a wrong configuration, all that follows would be misunderstood."""
        try:
            self._read_config(values)
            grammar = self._config.phrase_list
            if grammar is not None:
                await self._calls.listener.check_grammar(grammar)
        except (errors.RequestError, errors.ConfigurationError) as error:
            raise errors.CallError(str(error)) from None
        if not self._config.events:
            return
        self._line = _EventLine(self._socket)
        call = self._begun()
        self._line.tell(
            {
                "ready": {
                    "sender": call.sender,
                    "new": await is_new(self._agent(), call.sender),
                    "analysed": await call.may_analyse(),
                    "sample_rate": self._config.sample_rate,
                    "encoding": self._config.encoding,
                    "speech": self._config.speech if call.speaker else None,
                }
            }
        )

    def _read_config(self, values: Any) -> None:
        if self._call:
            raise errors.RequestError("'config' comes once, before the first sound and the first message.")
        if not isinstance(values, dict):
            raise errors.RequestError("'config' must be a JSON object.")
        if {"model", "model_path"} & set(values):
            raise errors.RequestError(
                "A call cannot choose the model. Set it in credentials.yml, under 'transcription'."
            )
        self._values |= values
        self._config = read_settings(StreamConfig, self._values, "config")
        if self._config.speech != "none" and not self._config.events:
            raise errors.RequestError("'speech' needs 'events': true.")

    def _begun(self) -> Call:
        if self._call is None:
            config = self._config
            sender = config.sender if config.sender is not None else self._request.args.get("sender")
            speech = None
            if config.speech != "none":
                speech = SpeechFormat(config.speech, config.speech_rate)
            return self._begin(
                uuid.uuid4().hex if sender is None else read_sender(sender),
                self._line,
                metadata=read_metadata(config.metadata),
                encoding=config.encoding,
                sample_rate=config.sample_rate,
                grammar=config.phrase_list,
                interim=config.events and config.interim,
                words=config.words,
                speech=speech,
            )
        return self._call

    def _played(self, told: Any) -> None:
        played = told if isinstance(told, dict) else {}
        id: Any = played.get("id")
        seconds: Any = played.get("seconds")
        done = played.get("done") is True
        if type(id) is not int or not (done or (type(seconds) in (int, float) and seconds >= 0)):
            raise errors.RequestError("'played' must be an object with 'id' and 'seconds', or 'done': true.")
        if self._call and self._call.speaker:
            self._call.speaker.played(id, None if done else seconds)


def _object(message: str) -> dict[str, Any]:
    value = read_json(message, "A text message")
    if not isinstance(value, dict):
        raise errors.RequestError("A text message must be one JSON object.")
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
