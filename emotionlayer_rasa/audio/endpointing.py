"""Where an utterance begins and ends: voice activity, a level gate that follows the noise, and patience.

Pure bookkeeping over frames of one stream: no threads, no clock. Time is counted in samples since the first one.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emotionlayer_rasa.audio.patience import Patience, TurnSettings
from emotionlayer_rasa.audio.voice_activity import DetectorName, VoiceActivityDetector, create_detector
from emotionlayer_rasa.audio.waveform import SAMPLE_RATE
from emotionlayer_rasa.settings import Settings, pydantic

EndReason = Literal["silence", "length", "cut", "eof"]
"""Why an utterance ended: the caller fell silent, has spoken for too long, was cut (:meth:`Endpointer.cut`), or
the stream is over."""

QUIET_DB = -65.0
"""Noise floor assumed before the line is known, dB relative to full scale."""

_HYSTERESIS = 0.15
_SHORTEST_PAUSE_S = 0.15
"""An utterance at its longest is cut at a pause like this one."""
_SMOOTHED_S = 0.06
_CONTINUED = int(1.75 * SAMPLE_RATE)
"""Who speaks on within so many samples had not finished, whatever we thought: nobody has answered yet."""
_BLOCK_S, _BLOCKS = 0.5, 10
"""The noise floor is the lowest level, over 0.06 s, of so many blocks of so many seconds: in 5 s speech dips."""


class EndpointSettings(Settings):
    """When an utterance begins and ends.

    Attributes:
        detector: what tells speech from other sound.
        threshold: probability, 0..1, from which a frame is speech; 0.15 less keeps an utterance going.
        start_ms: speech, within twice that time, after which an utterance begins.
        pre_roll_ms: sound before the first speech that is kept, so that no first sound is lost.
        post_roll_ms: sound after the last speech that is kept.
        trailing_silence_ms: silence after which an utterance has ended, where :class:`Patience` knows no better.
        min_speech_ms: an utterance with less speech is dropped.
        max_utterance_s: an utterance never gets longer. From half of it on, ever shorter pauses end it.
        noise_margin_db: how far above the noise floor a frame must be to be speech.
    """

    detector: DetectorName = "auto"
    threshold: float = pydantic.Field(default=0.35, ge=0.2, le=0.95)
    start_ms: int = pydantic.Field(default=90, ge=10, le=1000)
    pre_roll_ms: int = pydantic.Field(default=300, ge=0, le=2000)
    post_roll_ms: int = pydantic.Field(default=250, ge=0, le=2000)
    trailing_silence_ms: int = pydantic.Field(default=600, ge=100, le=5000)
    min_speech_ms: int = pydantic.Field(default=200, ge=0, le=5000)
    max_utterance_s: float = pydantic.Field(default=20.0, ge=2.0, le=60.0)
    noise_margin_db: float = pydantic.Field(default=4.0, ge=0.0, le=30.0)

    @pydantic.validator("trailing_silence_ms")
    def _outlasts_the_post_roll(cls, value: int, values: dict[str, object]) -> int:
        post_roll = values.get("post_roll_ms")
        if isinstance(post_roll, int) and value < post_roll:
            raise ValueError(f"must be at least post_roll_ms ({post_roll})")
        return value


@dataclass(frozen=True)
class Started:
    """Somebody speaks.

    Attributes:
        sample: where the utterance begins, pre-roll included.
        onset: where its first speech begins.
        continues: the utterance before it was cut, and the caller has hardly paused since.
    """

    sample: int
    onset: int
    continues: bool


@dataclass(frozen=True)
class Paused:
    """The caller has been silent for the post-roll: if nothing follows, the utterance ends at ``sample``."""

    sample: int


@dataclass(frozen=True)
class Resumed:
    """After :class:`Paused`, the caller speaks on."""

    sample: int


@dataclass(frozen=True)
class Ended:
    """The utterance is over.

    Attributes:
        sample: where it ends, post-roll included.
        reason: why it ended.
        known_at: how far had been heard when that was clear.
        speech: frames that were speech, as pairs of first sample and sample after the last.
    """

    sample: int
    reason: EndReason
    known_at: int
    speech: tuple[tuple[int, int], ...]


Boundary = Started | Paused | Resumed | Ended


class NoiseFloor:
    """The level of what is there when nobody speaks: the lowest one of the last five seconds.

    Steady noise, however loud, becomes the floor; speech does not, since it pauses between words.
    (Minimum statistics, without bias correction: R. Martin 2001, IEEE Transactions on Speech and Audio Processing
    9(5), 504-512.)

    Args:
        frame: samples of a frame.
    """

    def __init__(self, frame: int) -> None:
        self._recent: deque[float] = deque(maxlen=max(1, round(_SMOOTHED_S * SAMPLE_RATE / frame)))
        self._per_block = max(1, round(_BLOCK_S * SAMPLE_RATE / frame))
        self._lows: deque[float] = deque([QUIET_DB], maxlen=_BLOCKS)
        self._low, self._count = math.inf, 0

    @property
    def db(self) -> float:
        """The floor now, dB relative to full scale, never below -90."""
        return max(-90.0, min(*self._lows, self._low))

    def hear(self, power: float) -> None:
        """Take in the mean square of one frame."""
        self._recent.append(power)
        self._low = min(self._low, _decibels(sum(self._recent) / len(self._recent)))
        self._count += 1
        if self._count == self._per_block:
            self._lows.append(self._low)
            self._low, self._count = math.inf, 0


class Endpointer:
    """Finds the utterances in one stream.

    Args:
        settings: when they begin and end.
        detector: tells speech; created from the settings where None.
        patience: how long a silence ends an utterance; ``trailing_silence_ms``, or more for a caller who pauses
            longer, where None.

    Raises:
        MissingExtraError: the detector's package is not installed.
    """

    def __init__(
        self,
        settings: EndpointSettings = EndpointSettings(),
        detector: VoiceActivityDetector | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.settings = settings
        self._patience = patience or Patience(TurnSettings(), settings.trailing_silence_ms)
        self._detector = detector or create_detector(settings.detector)
        self._floor = NoiseFloor(self._detector.frame)
        self._rest = np.empty(0, np.float32)
        self._heard = 0
        self._free_from = 0
        """Sound before this belongs to an utterance that is over."""
        self._cut_after: int | None = None
        """Where the speech of the last utterance ended, if that was cut."""
        self._silent_from: int | None = None
        """Where the speech of the last utterance ended, if silence ended that."""
        self._start: int | None = None
        """Where the utterance begins that is going on."""
        self._speech: list[tuple[int, int]] = []
        """Stretches of speech: of the utterance, or of late."""
        self._paused = False
        self._ends_after = 0
        """Samples of silence that end the utterance, as far as is known."""

    @property
    def heard(self) -> int:
        """Samples judged so far."""
        return self._heard

    @property
    def needed_from(self) -> int:
        """First sample that an utterance, now or to come, may still need."""
        if self._start is not None:
            return self._start
        first = self._speech[0][0] if self._speech else self._heard
        return max(self._free_from, first - _samples(self.settings.pre_roll_ms))

    def feed(self, samples: np.ndarray) -> list[Boundary]:
        """Hear on.

        Args:
            samples: float32 of shape (n,) at 16 kHz; any number of them.

        Returns:
            The boundaries found, in order. After :class:`Started` always comes one :class:`Ended`.
        """
        waiting = np.concatenate([self._rest, samples])
        found: list[Boundary] = []
        frame = self._detector.frame
        whole = len(waiting) // frame * frame
        for start in range(0, whole, frame):
            speech = self._is_speech(waiting[start : start + frame])
            self._heard += frame
            found += self._go_on(speech) if self._start is not None else self._wait(speech)
        self._rest = waiting[whole:]
        return found

    def finish(self) -> list[Boundary]:
        """The stream is over: an utterance that is going on ends here."""
        return [self._end("eof")] if self._start is not None else []

    def cut(self) -> list[Boundary]:
        """An utterance that is going on ends here; the stream, time and noise floor go on."""
        self._detector.reset()
        return [self._end("cut")] if self._start is not None else []

    def _forget(self) -> None:
        self._start, self._speech, self._paused = None, [], False
        self._free_from = self._heard

    def _is_speech(self, frame: np.ndarray) -> bool:
        # The variance, not the power: a DC offset is no sound.
        power = float(frame.var())
        self._floor.hear(power)
        threshold = self.settings.threshold - (0.0 if self._start is None else _HYSTERESIS)
        loud = _decibels(power) >= self._floor.db + self.settings.noise_margin_db
        # The detector has to hear every frame, whatever the level says.
        return self._detector.probability(frame) >= threshold and loud

    def _wait(self, speech: bool) -> list[Boundary]:
        start_after = _samples(self.settings.start_ms)
        recent = self._heard - 2 * start_after
        self._speech = [stretch for stretch in self._speech if stretch[0] >= recent]
        if not speech:
            return []
        self._note_speech()
        if sum(end - start for start, end in self._speech) < start_after:
            return []
        onset = self._speech[0][0]
        self._start = max(self._free_from, onset - _samples(self.settings.pre_roll_ms))
        if self._silent_from is not None and onset - self._silent_from < _CONTINUED:
            self._patience.learn(onset - self._silent_from)
        self._ends_after = self._patience.usual
        patience = _samples(self.settings.trailing_silence_ms)
        continues = self._cut_after is not None and onset - self._cut_after < patience
        return [Started(self._start, onset, continues)]

    def _go_on(self, speech: bool) -> list[Boundary]:
        found: list[Boundary] = []
        if speech:
            if self._paused:
                self._paused = False
                self._patience.learn(self._heard - self._detector.frame - self._speech[-1][1])
                self._ends_after = self._patience.usual
                found.append(Resumed(self._heard - self._detector.frame))
            self._note_speech()
        silence = self._heard - self._speech[-1][1]
        if not self._paused and silence >= _samples(self.settings.post_roll_ms):
            self._paused = True
            assert self._start is not None
            self._ends_after = self._patience.after(self._start, self._heard)
            found.append(Paused(self._utterance_end()))
        if silence >= self._ends_after:
            return [*found, self._end("silence")]
        if silence >= self._longest_pause():
            return [*found, self._end("length")]
        return found

    def _longest_pause(self) -> float:
        """Samples of silence that an utterance of this length may hold: the longer it is, the shorter."""
        assert self._start is not None
        share = (self._heard - self._start) / (self.settings.max_utterance_s * SAMPLE_RATE)
        if share >= 1.0:
            return 0.0
        longest = self._ends_after
        shortest = min(longest, _SHORTEST_PAUSE_S * SAMPLE_RATE)
        return longest - max(0.0, 2 * share - 1) * (longest - shortest)

    def _note_speech(self) -> None:
        start = self._heard - self._detector.frame
        if self._speech and self._speech[-1][1] == start:
            start = self._speech.pop()[0]
        self._speech.append((start, self._heard))

    def _utterance_end(self) -> int:
        return min(self._heard, self._speech[-1][1] + _samples(self.settings.post_roll_ms))

    def _end(self, reason: EndReason) -> Ended:
        end = Ended(self._utterance_end(), reason, self._heard, tuple(self._speech))
        self._cut_after = self._speech[-1][1] if reason == "length" else None
        self._silent_from = self._speech[-1][1] if reason == "silence" else None
        self._forget()
        self._free_from = end.sample
        return end


def _samples(milliseconds: int) -> int:
    return milliseconds * SAMPLE_RATE // 1000


def _decibels(power: float) -> float:
    return 10 * math.log10(power + 1e-12)
