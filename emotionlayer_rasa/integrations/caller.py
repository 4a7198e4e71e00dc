"""One caller of a voice agent whose words another engine hears: the sound so far, and what it tells."""

from __future__ import annotations

import logging

import numpy as np

from emotionlayer_rasa.emotion import CallerVoice
from emotionlayer_rasa.errors import EmotionLayerError
from emotionlayer_rasa.hearing import Consent, Listener
from emotionlayer_rasa.hearing.consent import may_analyse
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.utterance import Transcript, Utterance

logger = logging.getLogger(__name__)

KEPT_S = 30.0
"""Sound that is kept until there is a transcript, seconds; of a longer utterance the last so many are heard."""

_SAMPLE_BYTES = 2


class Caller:
    """Keeps a caller's sound from one transcript to the next, and reads voice and words of each.

    Args:
        listener: what reads them; its transcriber is not used. It may be shared by all callers.
        consent: whether emotion may be analysed; a function is asked before each reading. Who has not agreed is
            not read, and what is known of the voice is forgotten.
    """

    def __init__(self, listener: Listener, consent: Consent = True) -> None:
        self._listener = listener
        self._consent = consent
        self._voice = CallerVoice()
        self._sound = bytearray()
        self._sample_rate = 0

    def feed(self, samples: bytes, sample_rate: int, channels: int = 1) -> None:
        """Take the next sound.

        Args:
            samples: 16-bit little-endian PCM, channels interleaved; they are averaged.
            sample_rate: Hz; with another one than before, the sound so far is given up.
            channels: number of channels.
        """
        if channels > 1:
            frames = np.frombuffer(samples, dtype="<i2").reshape(-1, channels)
            samples = frames.mean(axis=1).astype("<i2").tobytes()
        if sample_rate != self._sample_rate:
            self._sound.clear()
            self._sample_rate = sample_rate
        self._sound += samples
        del self._sound[: -int(KEPT_S * sample_rate) * _SAMPLE_BYTES]

    async def read(self, text: str, language: str) -> Utterance | None:
        """What the sound since the last transcript and its words tell.

        Args:
            text: the transcript.
            language: its code, such as ``en`` or ``en-GB``; empty where it is not known: words are then not read.

        Returns:
            The utterance; None where the caller has not agreed, or nothing could be heard: the conversation goes
            on.
        """
        sound = bytes(self._sound)
        self._sound.clear()
        if not await may_analyse(self._consent):
            self._voice.forget()
            return None
        if not sound:
            return None
        try:
            return await self._listener.hear(
                sound,
                encoding="pcm16",
                sample_rate=self._sample_rate,
                transcript=Transcript(text, language=language),
                caller=self._voice,
            )
        except EmotionLayerError as error:
            logger.warning("integration.not_heard code=%s %s", error.code, describe(error))
            return None
