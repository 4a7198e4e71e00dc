from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np
import pytest
from cases import for_each

from emotionlayer_rasa.audio import Endpointer, EndpointSettings, VoiceActivityDetector, load_audio
from emotionlayer_rasa.audio.endpointing import Boundary, Ended, NoiseFloor, Paused, Resumed, Started
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.settings import read_settings

DATA = Path(__file__).parents[1] / "data"
RATE = 16_000
DETECTORS = ["silero", "webrtc"]


class LoudIsSpeech(VoiceActivityDetector):
    """Takes every frame of 10 ms above -46 dB for speech, so that a test can say exactly where speech is."""

    frame = 160

    def probability(self, frame: np.ndarray) -> float:
        return float(np.std(frame) > 0.005)

    def reset(self) -> None:
        pass


def spoken(*seconds: float) -> np.ndarray:
    """Silence and speech in turn: ``spoken(1, 2, 1)`` is a second of silence, two of speech, one of silence.

    The speech has a syllable every 0.3 s, with dips of 22 dB between them.
    """
    random = np.random.default_rng(0)
    pieces = []
    for index, length in enumerate(seconds):
        noise = random.normal(0, 1.0, round(length * RATE))
        syllables = np.where(np.arange(len(noise)) % 4800 < 3520, 0.1, 0.008)
        pieces.append(noise * (syllables if index % 2 else 1e-4))
    return np.concatenate(pieces).astype(np.float32)


def boundaries(
    samples: np.ndarray, settings: EndpointSettings | None = None, *, block: int = 777, detector: bool = False
) -> list[Boundary]:
    settings = settings or EndpointSettings()
    endpointer = Endpointer(settings, None if detector else LoudIsSpeech())
    found = [
        boundary
        for start in range(0, len(samples), block)
        for boundary in endpointer.feed(samples[start : start + block])
    ]
    return found + endpointer.finish()


def utterances(found: Sequence[Boundary]) -> list[tuple[float, float]]:
    starts = [boundary.sample / RATE for boundary in found if isinstance(boundary, Started)]
    ends = [boundary.sample / RATE for boundary in found if isinstance(boundary, Ended)]
    return list(zip(starts, ends, strict=True))


def test_an_utterance_has_room_on_both_sides() -> None:
    found = boundaries(spoken(2, 1.5, 2), EndpointSettings(pre_roll_ms=300, post_roll_ms=250))
    started, paused, ended = found
    assert (started.sample, started.onset) == (int(1.7 * RATE), 2 * RATE)
    assert isinstance(paused, Paused)
    assert paused.sample == ended.sample == int(3.75 * RATE)
    assert ended.reason == "silence"
    assert ended.known_at == int(4.1 * RATE)  # 600 ms after the last speech
    assert ended.speech == ((2 * RATE, int(3.5 * RATE)),)


def test_the_pre_roll_ends_where_the_sound_or_the_utterance_before_does() -> None:
    assert utterances(boundaries(spoken(0.1, 1, 1)))[0][0] == 0.0
    settings = EndpointSettings(pre_roll_ms=1000, post_roll_ms=400)
    first, second = utterances(boundaries(spoken(1, 1, 0.7, 1, 1), settings))
    assert second[0] == first[1] == pytest.approx(2.4)


def test_a_short_pause_does_not_end_an_utterance_and_a_long_one_does() -> None:
    assert [type(boundary) for boundary in boundaries(spoken(1, 1, 0.5, 1, 1))] == [
        Started,
        Paused,
        Resumed,
        Paused,
        Ended,
    ]
    assert len(utterances(boundaries(spoken(1, 1, 0.7, 1, 1)))) == 2
    patient = EndpointSettings(trailing_silence_ms=1200)
    assert len(utterances(boundaries(spoken(1, 1, 0.7, 1, 2), patient))) == 1


def test_a_click_begins_nothing() -> None:
    assert boundaries(spoken(1, 0.05, 1, 0.05, 1)) == []
    assert len(utterances(boundaries(spoken(1, 0.05, 1), EndpointSettings(start_ms=40)))) == 1


@pytest.mark.parametrize("block", [1, 160, 1000, 10**6])
def test_frames_of_any_size_give_the_same(block: int) -> None:
    samples = spoken(0.3, 0.5, 0.4, 0.6, 0.8, 0.3, 0.2)
    assert boundaries(samples, block=block) == boundaries(samples)


def test_the_end_of_the_stream_ends_the_utterance() -> None:
    assert utterances(boundaries(spoken(1, 1))) == [(pytest.approx(0.7), pytest.approx(2.0))]
    assert isinstance(boundaries(spoken(1, 1))[-1], Ended)
    assert boundaries(spoken(1, 1))[-1].reason == "eof"
    assert boundaries(spoken(1)) == []


def test_a_monologue_is_cut_at_its_pauses() -> None:
    """Sentences of 1.7 s and pauses of 0.3 s, one of 0.45 s after 7 s: the longer pause is preferred."""
    settings = EndpointSettings(max_utterance_s=10.0)
    samples = spoken(1, *[1.7, 0.3] * 3, 1.55, 0.45, *[1.7, 0.3] * 8, 1.7, 2)
    found = boundaries(samples, settings)
    cut, *_ = utterances(found)
    assert cut[1] == pytest.approx(1 + 3 * 2 + 1.55 + 0.25, abs=0.2)
    ends = [boundary for boundary in found if isinstance(boundary, Ended)]
    assert {end.reason for end in ends[:-1]} == {"length"}
    assert len(ends) in (3, 4)
    for start, end in utterances(found):
        assert end - start <= 10.0 + 0.05
    loud = np.abs(samples) > 0.02
    for end in ends:
        assert not loud[end.sample - 160 : end.sample].any(), "cut in the middle of a word"
    starts = [boundary for boundary in found if isinstance(boundary, Started)]
    assert [start.continues for start in starts] == [False] + [True] * (len(starts) - 1)


def test_who_never_pauses_is_cut_without_a_loss() -> None:
    found = boundaries(spoken(1, 25, 2), EndpointSettings(max_utterance_s=10.0))
    spans = utterances(found)
    assert [round(end - start) for start, end in spans] == [10, 10, 6]
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    speech = sum(b - a for end in found if isinstance(end, Ended) for a, b in end.speech)
    assert speech > 0.75 * 25 * RATE  # the dips are taken for noise once five seconds are known


def test_what_follows_a_real_pause_does_not_continue() -> None:
    found = boundaries(spoken(1, 9.0, 0.2, 0.5, 3, 1, 1), EndpointSettings(max_utterance_s=9.5))
    assert [boundary.continues for boundary in found if isinstance(boundary, Started)] == [False, True, False]


def test_silence_for_minutes_gives_nothing_and_keeps_nothing() -> None:
    endpointer = Endpointer(EndpointSettings(), LoudIsSpeech())
    second = np.zeros(RATE, np.float32)
    for _ in range(300):
        assert endpointer.feed(second) == []
        assert endpointer.heard - endpointer.needed_from <= 0.5 * RATE
    assert len(utterances([*endpointer.feed(spoken(0.5, 1, 1)), *endpointer.finish()])) == 1


@pytest.mark.parametrize("level", [0.001, 0.01, 0.1])
def test_steady_noise_becomes_the_floor(level: float) -> None:
    """A detector that takes all sound for speech is held back by the level as soon as the noise is known."""

    class Gullible(LoudIsSpeech):
        def probability(self, frame: np.ndarray) -> float:
            return 1.0

    noise = np.random.default_rng(2).normal(0, level, 60 * RATE).astype(np.float32)
    endpointer = Endpointer(EndpointSettings(), Gullible())
    found = endpointer.feed(noise)
    assert len(utterances(found)) <= 1
    assert all(end <= 7.0 for _, end in utterances(found))
    loud = noise[: 2 * RATE].copy()
    loud[RATE // 2 : RATE] *= 4  # 12 dB above the noise
    found = endpointer.feed(loud)
    assert utterances(found) == [(pytest.approx(60.2, abs=0.1), pytest.approx(61.25, abs=0.1))]


def test_the_floor_follows_the_noise_and_not_the_speech() -> None:
    floor = NoiseFloor(512)

    def hear(level_db: float, seconds: float) -> None:
        for _ in range(int(seconds * RATE / 512)):
            floor.hear(10 ** (level_db / 10))

    hear(-50, 10)
    assert floor.db == pytest.approx(-50, abs=0.5)
    for _ in range(10):
        hear(-20, 1.5)
        hear(-50, 0.3)
    assert floor.db == pytest.approx(-50, abs=2.0)
    hear(-35, 6)
    assert floor.db == pytest.approx(-35, abs=0.5)
    hear(-60, 0.5)
    assert floor.db == pytest.approx(-60, abs=1.0)


@for_each("detector", DETECTORS)
@for_each(
    "name, first_s, last_s",
    [
        ("en_complaint", 0.2, 5.95),
        ("en_order", 0.2, 4.3),
        ("en_person", 0.2, 3.25),
        ("en_thanks", 0.2, 3.6),
        ("ko_music_where", 0.3, 1.35),
        ("ko_father_music_where", 0.3, 3.07),
        ("ravdess/03-01-05-02-01-01-01", 1.0, 3.05),
        ("ravdess/03-01-04-02-01-01-02", 1.15, 2.75),
    ],
)
def test_real_speech_begins_and_ends_where_it_does(
    detector: str, name: str, first_s: float, last_s: float
) -> None:
    """``first_s`` and ``last_s`` are where the level says that speech begins and ends."""
    samples = load_audio(DATA / f"{name}.flac").samples
    settings = EndpointSettings(detector=detector)
    found = boundaries(np.concatenate([samples, np.zeros(RATE, np.float32)]), settings, detector=True)
    ((start, end),) = utterances(found)
    assert start <= first_s
    breath_s = 0.35 if detector == "silero" else 0.5  # WebRTC's hears more in breathing and room
    assert start >= first_s - 0.3 - breath_s
    assert end == pytest.approx(last_s + 0.25, abs=0.25)


@pytest.mark.parametrize("detector", DETECTORS)
def test_noise_alone_gives_no_utterance_once_it_is_known(detector: str) -> None:
    noise = np.random.default_rng(3).normal(0, 0.03, 30 * RATE).astype(np.float32)
    found = boundaries(noise, EndpointSettings(detector=detector), detector=True)
    assert all(start < 5.0 for start, _ in utterances(found))
    if detector == "silero":
        assert found == []


@pytest.mark.parametrize("detector", DETECTORS)
def test_speech_is_found_in_noise(detector: str) -> None:
    speech = load_audio(DATA / "en_complaint.flac").samples
    random = np.random.default_rng(4)
    line = random.normal(0, 0.01, 20 * RATE).astype(np.float32)
    line[10 * RATE : 10 * RATE + len(speech)] += speech
    found = utterances(boundaries(line, EndpointSettings(detector=detector), detector=True))
    late = [span for span in found if span[0] > 6]
    assert late[0][0] == pytest.approx(10.0, abs=0.4)
    assert late[-1][1] == pytest.approx(16.2, abs=0.7)


def test_a_cut_ends_the_utterance_and_keeps_the_time() -> None:
    endpointer = Endpointer(EndpointSettings(), LoudIsSpeech())
    assert endpointer.cut() == []
    assert [type(boundary) for boundary in endpointer.feed(spoken(1, 1))] == [Started]
    (ended,) = endpointer.cut()
    assert isinstance(ended, Ended)
    assert (ended.reason, ended.sample) == ("cut", 2 * RATE)
    assert endpointer.cut() == endpointer.finish() == []
    (started, *_) = endpointer.feed(spoken(1, 1, 1))
    assert started.onset == 3 * RATE


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"trailing_silence_ms": 200, "post_roll_ms": 300}, r"trailing_silence_ms.*at least post_roll_ms \(300\)"),
        ({"silence_ms": 500}, "silence_ms.*known here: detector, threshold, start_ms"),
        ({"detector": "energy"}, "detector.*silero"),
        ({"max_utterance_s": 0}, "max_utterance_s"),
    ],
)
def test_bad_settings_are_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        read_settings(EndpointSettings, values, "credentials.yml, live.endpointing")
