"""Every error the package raises on purpose.

::

    EmotionLayerError
    ├── ConfigurationError        a key or value in a settings file is wrong
    ├── MissingExtraError         an optional dependency is not installed
    │   └── MissingRasaError
    ├── AudioError                the audio that came in cannot be used
    │   ├── EmptyAudioError
    │   ├── TruncatedAudioError
    │   ├── SilentAudioError
    │   ├── InvalidSamplesError   NaN or infinite samples
    │   ├── UnsupportedAudioError not audio, or a format we do not read
    │   ├── AudioTooLongError
    │   └── AudioTooLargeError
    ├── ModelError                a model cannot be found, fetched or loaded
    │   ├── UnknownLanguageError
    │   ├── ModelUnavailableError
    │   ├── DownloadError
    │   └── ChecksumError
    ├── RequestError              a request to the voice channel is malformed
    │   ├── UnauthorizedError
    │   ├── RequestTooLargeError
    │   ├── UnknownCallError
    │   └── CallerSpeaksError
    ├── BusyError                 the worker pool is full; try again
    ├── AssistantError            the Rasa assistant behind the voice channel cannot answer
    │   ├── AssistantNotReadyError
    │   └── AssistantTimeoutError
    ├── CallError                 a live call had to be ended
    │   ├── CallIdleError
    │   ├── CallTakenOverError
    │   ├── CallNotReadError
    │   └── AgentVoiceError       sound of another party than the caller
    ├── LLMError                  the language model gave no usable answer
    ├── SpeechError               a text cannot be spoken; the conversation goes on in writing
    │   ├── MissingProgramError   the speech program is not installed
    │   └── SpeechTimeoutError
    ├── ReplyLineError            a line of a file of replies cannot be read
    ├── ProjectError              a Rasa project has not what is needed, or something that stands in the way
    ├── ConversationsError        a tracker store or a Rasa server does not give its conversations
    └── ServerError               a server did not start

Each message says what happened and what to do next; none holds a transcript, a prompt or audio.
``code`` is stable and machine readable: it is what the HTTP channel and ``emotionlayer analyze`` report.
"""

from __future__ import annotations

import sys

from emotionlayer_rasa.installation import install_command


class EmotionLayerError(Exception):
    """Base of all errors of this package."""

    code = "error"


class ConfigurationError(EmotionLayerError):
    """A key or a value in a settings file is wrong."""

    code = "configuration"


class MissingExtraError(EmotionLayerError):
    """An optional dependency is not installed."""

    code = "missing_extra"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"The package '{package}' is not installed. Install it with: {install_command(extra)}")


class MissingRasaError(MissingExtraError):
    """Rasa, or its SDK, is not installed."""

    code = "missing_extra.rasa"

    def __init__(self, package: str) -> None:
        super().__init__(package, "rasa")
        if package == "rasa" and sys.version_info >= (3, 11):
            self.args = (
                "The package 'rasa' is not installed. Rasa 3.6 runs on Python 3.10 only: install it there with: "
                "pip install 'emotionlayer-rasa[rasa]'. On this Python rasa-pro takes its place, if you have a "
                "licence for it.",
            )


class AudioError(EmotionLayerError):
    """The audio that came in cannot be used."""

    code = "audio"


class EmptyAudioError(AudioError):
    """No bytes, or no samples."""

    code = "audio.empty"


class TruncatedAudioError(AudioError):
    """The file ends before its own header says it does."""

    code = "audio.truncated"


class SilentAudioError(AudioError):
    """Every sample is (nearly) zero."""

    code = "audio.silent"


class InvalidSamplesError(AudioError):
    """Samples are NaN or infinite."""

    code = "audio.invalid_samples"


class UnsupportedAudioError(AudioError):
    """The bytes are not audio, or not in a format we read."""

    code = "audio.unsupported"


class AudioTooLongError(AudioError):
    """More seconds than the configured limit."""

    code = "audio.too_long"


class AudioTooLargeError(AudioError):
    """More bytes than the configured limit."""

    code = "audio.too_large"


class ModelError(EmotionLayerError):
    """A model cannot be found, fetched or loaded."""

    code = "model"


class UnknownLanguageError(ModelError):
    """No model is known for the language."""

    code = "model.unknown_language"


class ModelUnavailableError(ModelError):
    """The model is in none of the places the model store looks."""

    code = "model.unavailable"


class DownloadError(ModelError):
    """A model could not be downloaded."""

    code = "model.download"


class ChecksumError(ModelError):
    """A downloaded model is not the one expected."""

    code = "model.checksum"


class RequestError(EmotionLayerError):
    """A request to the voice channel is malformed."""

    code = "request"


class UnauthorizedError(RequestError):
    """The token of a request is missing or wrong."""

    code = "request.unauthorized"


class RequestTooLargeError(RequestError):
    """A request without audio, or a typed message, is longer than it may be."""

    code = "request.too_large"


class UnknownCallError(RequestError):
    """The turn of a live call that a request is for is over."""

    code = "request.unknown_call"


class CallerSpeaksError(RequestError):
    """Nothing can be said in a live call now: the caller speaks, or has interrupted."""

    code = "request.caller_speaks"


class BusyError(EmotionLayerError):
    """Every worker is taken and the waiting room is full."""

    code = "busy"


class AssistantError(EmotionLayerError):
    """The Rasa assistant behind the voice channel cannot answer."""

    code = "assistant"


class AssistantNotReadyError(AssistantError):
    """The Rasa server has no model."""

    code = "assistant.not_ready"


class AssistantTimeoutError(AssistantError):
    """Rasa and its actions took too long."""

    code = "assistant.timeout"


class CallError(EmotionLayerError):
    """A live call had to be ended."""

    code = "call"


class CallIdleError(CallError):
    """Nobody spoke or wrote for too long."""

    code = "call.idle"


class CallTakenOverError(CallError):
    """The same sender has opened another call."""

    code = "call.taken_over"


class CallNotReadError(CallError):
    """The client does not read what it is sent."""

    code = "call.not_read"


class AgentVoiceError(CallError):
    """The call carries the sound of another party than the caller; only the caller's is heard."""

    code = "call.agent_voice"


class LLMError(EmotionLayerError):
    """The language model gave no usable answer.

    Attributes:
        kind: why. Of the endpoint: ``late``, ``unreachable``, ``status`` (an HTTP status of 400 or more),
            ``failed`` (an error without one), ``malformed`` (no chat completion), ``busy`` (no free slot in time),
            ``paused`` (the circuit breaker is open). Of the answer: ``truncated``, ``empty``, ``filtered``,
            ``schema``. Ours: ``internal``.
        status: the HTTP status, where that is why.
    """

    code = "llm"

    def __init__(self, message: str, kind: str, status: int | None = None) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status
        self.code = f"{LLMError.code}.{kind}" + ("" if status is None else f"_{status}")


class SpeechError(EmotionLayerError):
    """A text cannot be spoken."""

    code = "speech"


class MissingProgramError(SpeechError):
    """The speech program is not installed."""

    code = "speech.missing_program"

    def __init__(self, program: str, install: str) -> None:
        super().__init__(f"The program '{program}' is not on PATH. Install it with: {install}")


class SpeechTimeoutError(SpeechError):
    """The speech program took too long."""

    code = "speech.timeout"


class ConversationsError(EmotionLayerError):
    """A tracker store or a Rasa server does not give its conversations."""

    code = "conversations"


class ProjectError(EmotionLayerError):
    """A Rasa project has not what is needed, or something in it stands in the way."""

    code = "project"


class ServerError(EmotionLayerError):
    """A server did not start."""

    code = "server"


class ReplyLineError(EmotionLayerError):
    """A line of a file of replies cannot be read."""

    code = "reply_line"

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"Line {number}: {problem}.")
