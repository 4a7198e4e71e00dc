"""The sound of a caller whose words another engine hears."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from emotionlayer_rasa.errors import BusyError
from emotionlayer_rasa.hearing import Listener
from emotionlayer_rasa.integrations.caller import KEPT_S, Caller
from emotionlayer_rasa.taxonomy import EMOTIONS

COMPLAINT = "this is the third time that the parcel is broken"


def test_voice_and_words_of_each_transcript(listener: Listener, speech: dict[str, bytes]) -> None:
    caller = Caller(listener)
    caller.feed(speech["anger"], 16_000)
    first = asyncio.run(caller.read(COMPLAINT, "en-GB"))
    assert first is not None
    assert first.transcript.text == COMPLAINT
    assert first.emotion.source == "voice"
    assert set(first.emotion.scores) == set(EMOTIONS)
    assert first.words is not None
    assert first.words.cues["complaint"] > 0.5
    assert first.duration_s == pytest.approx(len(speech["anger"]) / 32_000)
    caller.feed(speech["sadness"], 16_000)
    second = asyncio.run(caller.read("hello", "xx"))
    assert second is not None
    assert second.duration_s == pytest.approx(len(speech["sadness"]) / 32_000), "the first sound is gone"
    assert second.emotion.adapted_from == 1
    assert second.words is None, "nobody reads that language"


def test_without_consent_nothing_is_read_and_the_voice_is_forgotten(
    listener: Listener, speech: dict[str, bytes]
) -> None:
    answers = iter([True, False, True])

    async def consent() -> bool:
        return next(answers)

    caller = Caller(listener, consent)
    read = []
    for _ in range(3):
        caller.feed(speech["anger"], 16_000)
        read.append(asyncio.run(caller.read(COMPLAINT, "en")))
    assert read[0] is not None
    assert read[1] is None
    assert read[2] is not None
    assert read[2].emotion.adapted_from == 0


def test_who_cannot_be_asked_has_not_agreed(listener: Listener, speech: dict[str, bytes]) -> None:
    def consent() -> bool:
        raise ConnectionError

    caller = Caller(listener, consent)
    caller.feed(speech["anger"], 16_000)
    assert asyncio.run(caller.read(COMPLAINT, "en")) is None


def test_a_reading_that_fails_is_none(
    listener: Listener, speech: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caller = Caller(listener)
    assert asyncio.run(caller.read(COMPLAINT, "en")) is None, "no sound"

    async def busy(*_: object, **__: object) -> None:
        raise BusyError("secret")

    monkeypatch.setattr(listener, "hear", busy)
    caller.feed(speech["anger"], 16_000)
    assert asyncio.run(caller.read(COMPLAINT, "en")) is None
    assert "code=busy" in caplog.text
    assert "secret" not in caplog.text


def test_channels_become_one_and_long_sound_is_cut(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    async def hear(sound: bytes, **_: object) -> None:
        heard.append(sound)

    monkeypatch.setattr(listener, "hear", hear)
    caller = Caller(listener)
    stereo = np.array([[100, 300], [-2, 4]], dtype="<i2")
    caller.feed(stereo.tobytes(), 8_000, channels=2)
    asyncio.run(caller.read("yes", "en"))
    assert np.frombuffer(heard[0], "<i2").tolist() == [200, 1]
    caller.feed(bytes(4), 8_000)
    caller.feed(bytes(2 * 16_000 * (int(KEPT_S) + 5)), 16_000)
    asyncio.run(caller.read("yes", "en"))
    assert len(heard[1]) == KEPT_S * 16_000 * 2, "of another rate nothing is left"
