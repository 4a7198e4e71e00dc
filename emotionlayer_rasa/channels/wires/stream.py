"""``WS /webhooks/voice/stream``: a live call over a websocket, a superset of vosk-server's wire format.

A client of vosk-server (alphacep/vosk-server) works unchanged: it sends a configuration, sound and an end, and
gets text. What is said becomes turns of a conversation with Rasa; emotion and answers come as further keys.

**The client sends** text messages, each one JSON object, and sound as binary messages:

=========================================  ======================================================================
``{"config": {...}}``                      before the first sound; see below
binary                                     samples, one channel, at most 1 MiB a message; half a sample at the end
                                           of one waits for the other half
``{"eof": 1}``                             no more sound; what is open is finished, then we close
``{"reset": 1}``                           the utterance ends here: its text so far is told, and is a turn
``{"message": "...", "metadata": {...}}``  a typed turn, a button's payload, or ``/session_start``, which opens
                                           with the disclosure (send it where ``ready.new`` is true)
``{"played": {"id": 3, "seconds": 1.2}}``  so much of spoken reply 3 was heard; with ``"done": true`` all of it.
                                           Without these we count from when it was sent
=========================================  ======================================================================

**Keys of config**, all optional:

====================  ===========================================================================================
``sample_rate``       Hz, 8000 (default, as vosk-server) to 48000
``encoding``          ``pcm16`` (default; little endian), ``mulaw`` or ``alaw``
``sender``            id of the conversation, to resume it; else ``?sender=``, else a new one is made
``metadata``          object that Rasa gets with every message
``events``            true: messages as they come (see below); false (default): one reply a message
``interim``           true (default): with ``events``, the emotion also while the caller speaks
``speech``            with ``events``: ``pcm16`` or ``mulaw`` to hear the replies, ``none`` (default)
``silence_prompts``   with ``speech``: true asks a caller who says nothing whether they are there, and in the end
                      says goodbye (see ``silence`` in ``credentials.yml``); false (default)
``speech_rate``       Hz of ``pcm16`` speech, 8000 to 48000; default what the voice has. ``mulaw`` has 8000
``words``             false leaves ``result`` out
``phrase_list``       phrases to listen for (a list), where the engine can
``max_alternatives``  1 or more: texts come as vosk-server's ``alternatives``; there is one, the best
``answer_as_text``    true: ``text`` waits for the assistant's answer and carries it, for telephone modules that
                      read no other key; see :mod:`emotionlayer_rasa.channels.wires.vosk`
====================  ===========================================================================================

What a client cannot say in a config, its address says, as ``?sample_rate=16000&answer_as_text=true``, or the keys
of ``stream`` under ``emotionlayer_rasa.VoiceInput`` in ``credentials.yml``. ``model`` and ``model_path`` are
refused. As with vosk-server, other keys, and a config that comes after the call has begun, are ignored; with
``events`` they are errors.

**Plain mode** is for clients that send one message and read one. Every sound message, ``reset``, ``message`` and
``eof`` gets exactly one reply, as :mod:`emotionlayer_rasa.channels.wires.vosk` says; ``config`` and ``played`` get
none. The reply to ``eof`` and to ``message`` waits for the assistant.

**With events** messages come by themselves: see :mod:`emotionlayer_rasa.channels.wires.events`.

The token comes as for the webhook; browsers use ``?token=``. Without a token a browser is let in only from a page
of this server. A second call of a sender ends the first one. Close codes: 1000 after ``eof``, 1008 for a call that
we end with an ``error``, 1009 for a message over 1 MiB.
"""

from __future__ import annotations

from typing import Any, Iterable, Literal

from sanic.request import Request

from emotionlayer_rasa import errors
from emotionlayer_rasa.channels.commands import (
    CallOptions,
    Command,
    EndOfSound,
    EndOfUtterance,
    Played,
    Sound,
    Start,
    TextMessage,
)
from emotionlayer_rasa.channels.events import CallEvent, SpeechFormat
from emotionlayer_rasa.channels.requests import read_json_object, read_message, read_metadata, read_sender
from emotionlayer_rasa.channels.wires.base import CallRoute, Message, Wire
from emotionlayer_rasa.channels.wires.events import EventsWriter
from emotionlayer_rasa.channels.wires.vosk import VoskWriter
from emotionlayer_rasa.settings import Settings, pydantic, read_settings


class StreamSettings(Settings):
    """Keys of ``stream``, and of the address of a websocket.

    Attributes:
        sample_rate: of the sound of clients that name none, Hz.
        answer_as_text: ``text`` waits for the assistant's answer and carries it.
    """

    sample_rate: int = pydantic.Field(default=8000, ge=8000, le=48_000)
    answer_as_text: bool = False


class StreamConfig(StreamSettings):
    """What ``config`` may hold; see the module."""

    encoding: Literal["pcm16", "mulaw", "alaw"] = "pcm16"
    sender: Any = None
    metadata: Any = None
    events: bool = False
    interim: bool = True
    speech: Literal["none", "pcm16", "mulaw"] = "none"
    silence_prompts: bool = False
    speech_rate: int | None = pydantic.Field(default=None, ge=8000, le=48_000)
    words: bool = True
    phrase_list: list[str] | None = None
    max_alternatives: int = pydantic.Field(default=0, ge=0)


class StreamRoute(CallRoute):
    """Live calls of programs and browsers.

    Args:
        settings: for those who do not say otherwise.
        max_characters: of a typed message.
    """

    path = "/stream"

    def __init__(self, settings: StreamSettings, max_characters: int) -> None:
        self._settings = settings
        self._max_characters = max_characters

    def admit(self, request: Request) -> None:
        """Let a request become a websocket.

        Raises:
            RequestError: its address has a wrong value.
        """
        self._settings_of(request)

    def open(self, request: Request) -> Wire:
        """The wire of a websocket."""
        return StreamWire(request.args.get("sender"), self._max_characters, self._settings_of(request))

    def _settings_of(self, request: Request) -> StreamSettings:
        given = {key: request.args.get(key) for key in StreamSettings.__fields__ if key in request.args}
        try:
            return read_settings(StreamSettings, self._settings.dict() | given, "The address")
        except errors.ConfigurationError as error:
            raise errors.RequestError(str(error)) from None


class StreamWire(Wire):
    """One websocket.

    Args:
        sender: id of the conversation where the configuration names none.
        max_characters: of a typed message.
        settings: what holds where the configuration says nothing.
    """

    def __init__(
        self, sender: str | None, max_characters: int, settings: StreamSettings = StreamSettings()
    ) -> None:
        self._sender = sender
        self._max_characters = max_characters
        self._values: dict[str, Any] = settings.dict()
        self._config = StreamConfig(**self._values)
        self._writer: EventsWriter | VoskWriter = _vosk_writer(self._config)
        self._started = False

    @property
    def one_reply(self) -> bool:  # type: ignore[override]
        """Whether the client waits for one reply a message."""
        return self._writer.one_reply

    @property
    def awaits_answers(self) -> bool:  # type: ignore[override]
        """Whether the reply to an utterance waits for the assistant's answer."""
        return self._writer.one_reply and self._config.answer_as_text

    def write(self, event: CallEvent) -> Iterable[Message]:
        """The messages of an event, in the mode that the configuration chose."""
        return self._writer.write(event)

    def write_reply(self, command: Command | None) -> Iterable[Message]:
        """The one reply of plain mode."""
        return self._writer.write_reply(command)

    def read(self, message: Message) -> Iterable[Command]:
        """What a message asks for; the first sound or message begins the call."""
        if isinstance(message, bytes):
            return (*self._start(), Sound(message))
        value = read_json_object(message, "A text message")
        if "config" in value:
            return self._read_config(value["config"])
        if "eof" in value:
            return (EndOfSound(),)
        if "reset" in value:
            return (EndOfUtterance(),)
        if "message" in value:
            text = read_message(value["message"], self._max_characters)
            metadata = read_metadata(value.get("metadata"))
            return (*self._start(), TextMessage(text, metadata))
        if "played" in value:
            return (_played(value["played"]),)
        raise errors.RequestError(
            "The message has none of the keys 'config', 'eof', 'reset', 'message', 'played'. "
            "Send sound as binary messages."
        )

    def _read_config(self, values: Any) -> Iterable[Command]:
        """Raises what ends the call: with a wrong configuration, all that follows would be misunderstood."""
        try:
            return self._take_config(values)
        except (errors.RequestError, errors.ConfigurationError) as error:
            raise errors.CallError(str(error)) from None

    def _take_config(self, values: Any) -> Iterable[Command]:
        if not isinstance(values, dict):
            raise errors.RequestError("'config' must be a JSON object.")
        if {"model", "model_path"} & set(values):
            raise errors.RequestError(
                "A call cannot choose the model. Set it in credentials.yml, under 'transcription'."
            )
        strict = self._config.events or values.get("events") not in (None, False)
        if self._started:
            if strict:
                raise errors.RequestError("'config' comes once, before the first sound and the first message.")
            return ()
        known = values if strict else {key: values[key] for key in values if key in StreamConfig.__fields__}
        self._values |= known
        self._config = config = read_settings(StreamConfig, self._values, "config")
        if config.speech != "none" and not config.events:
            raise errors.RequestError("'speech' needs 'events': true.")
        if not config.events:
            self._writer = _vosk_writer(config)
            return ()
        self._writer = EventsWriter(config.encoding, config.sample_rate, config.interim, config.words)
        return self._start()

    def _start(self) -> Iterable[Command]:
        """Begin the call, once."""
        if self._started:
            return ()
        config = self._config
        sender = config.sender if config.sender is not None else self._sender
        speech = None
        if config.speech != "none":
            speech = SpeechFormat(config.speech, config.speech_rate)
        options = CallOptions(
            encoding=config.encoding,
            sample_rate=config.sample_rate,
            grammar=config.phrase_list,
            metadata=read_metadata(config.metadata),
            speech=speech,
            silence_prompts=config.silence_prompts,
        )
        start = Start(None if sender is None else read_sender(sender), options, announce=config.events)
        self._started = True
        return (start,)


def _vosk_writer(config: StreamConfig) -> VoskWriter:
    return VoskWriter(config.words, config.max_alternatives > 0, config.answer_as_text)


def _played(value: Any) -> Played:
    played = value if isinstance(value, dict) else {}
    id: Any = played.get("id")
    seconds: Any = played.get("seconds")
    done = played.get("done") is True
    if type(id) is not int or not (done or (type(seconds) in (int, float) and seconds >= 0)):
        raise errors.RequestError("'played' must be an object with 'id' and 'seconds', or 'done': true.")
    return Played(id, None if done else seconds)
