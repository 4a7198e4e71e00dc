"""Settings of a listener and of its live sessions."""

from __future__ import annotations

from emotionlayer_rasa.audio import AudioLimits, EndpointSettings, TurnSettings
from emotionlayer_rasa.emotion import EmotionSettings
from emotionlayer_rasa.settings import Settings, pydantic
from emotionlayer_rasa.transcription import TranscriptionSettings


class LiveSettings(Settings):
    """How calls are heard while they go on.

    Attributes:
        endpointing: when an utterance begins and ends.
        turns: how long a silence ends one, by caller and turn.
        max_live: sessions at the same time; one more is answered with :class:`BusyError`. None is four for each of
            the listener's ``workers``, which two cores keep up with where Vosk's small models transcribe
            (``benchmarks/streaming.py --part load``). The Whisper fallback hears one call on two cores.
        max_behind_s: sound that may wait to be heard, seconds; more is answered with :class:`BusyError`.
        interim_every_s: seconds of an utterance between readings of the emotion while it goes on; 0 for none. When
            all workers have something to do, one is left out.
        interim_window_s: such a reading hears the last so many seconds of the utterance.
    """

    endpointing: EndpointSettings = EndpointSettings()
    turns: TurnSettings = TurnSettings()
    max_live: int | None = pydantic.Field(default=None, ge=1, le=256)
    max_behind_s: float = pydantic.Field(default=5.0, gt=0.0, le=60.0)
    interim_every_s: float = pydantic.Field(default=1.0, ge=0.0, le=60.0)
    interim_window_s: float = pydantic.Field(default=4.0, ge=1.0, le=10.0)


class ListenerSettings(Settings):
    """What a listener hears with.

    Attributes:
        transcription, emotion, limits: settings of the three engines.
        workers: utterances heard at the same time; as many as there are cores to hear with.
        waiting: utterances that may wait for a worker; one more is answered with :class:`BusyError`.
        live: how calls are heard while they go on.
    """

    transcription: TranscriptionSettings = TranscriptionSettings()
    emotion: EmotionSettings = EmotionSettings()
    limits: AudioLimits = AudioLimits()
    workers: int = pydantic.Field(default=2, ge=1, le=64)
    waiting: int = pydantic.Field(default=4, ge=0, le=1024)
    live: LiveSettings = LiveSettings()
