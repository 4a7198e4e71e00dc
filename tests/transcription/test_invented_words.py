from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
from faster_whisper.transcribe import Segment, Word

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, decode_audio, load_audio
from emotionlayer_rasa.evaluation.voice.degrade import add_noise, reverberate, telephone
from emotionlayer_rasa.transcription import Transcriber, TranscriptionSettings, create_transcriber
from emotionlayer_rasa.transcription.invented_words import without_invented_words

pytestmark = pytest.mark.whisper

DATA = Path(__file__).parents[1] / "data"
ENGLISH = ("en_order", "en_complaint", "en_thanks", "en_person")


@pytest.fixture(scope="module")
def english() -> Transcriber:
    return create_transcriber(TranscriptionSettings(engine="whisper"))


def spoken(text: str, voice: str) -> np.ndarray:
    command = ["espeak-ng", "-v", voice, "--stdin", "--stdout", "-b", "1"]
    return decode_audio(
        subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    ).samples


def recorded(name: str) -> np.ndarray:
    return load_audio(DATA / f"{name}.flac").samples


def babble() -> np.ndarray:
    """The four recordings, twice each, at once."""
    length = 6 * SAMPLE_RATE
    return sum(np.resize(np.roll(recorded(n), k), length) for n in ENGLISH for k in (0, 21_000)) / np.float32(8)


def hum() -> np.ndarray:
    times = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    return sum(np.sin(2 * np.pi * 50 * k * times) / k for k in range(1, 9)).astype(np.float32) / 10


NO_ENGLISH: dict[str, Callable[[], np.ndarray]] = {
    "French": lambda: spoken("Bonjour, je voudrais parler à un conseiller s'il vous plaît.", "fr"),
    "German": lambda: spoken("Das Paket ist kaputt angekommen und niemand antwortet mir.", "de"),
    "Hindi": lambda: spoken("नमस्ते, मैं एक व्यक्ति से बात करना चाहता हूँ।", "hi"),
    "Russian": lambda: spoken("Здравствуйте, я хочу поговорить с оператором.", "ru"),
    "Chinese": lambda: spoken("你好,我想和客服说话。产品坏了,没有人回复我的邮件。", "cmn"),
    "Turkish": lambda: spoken("Merhaba, bir temsilciyle görüşmek istiyorum.", "tr"),
    "a Korean, recorded": lambda: recorded("ko_music_where"),
    "another": lambda: recorded("ko_father_music_where"),
    "hum": hum,
    "babble": babble,
    **{f"{name} backward": lambda name=name: recorded(name)[::-1].copy() for name in ENGLISH},
}


@pytest.mark.parametrize("name", NO_ENGLISH)
def test_where_nobody_speaks_the_language_there_are_no_words(english: Transcriber, name: str) -> None:
    samples = NO_ENGLISH[name]()
    assert english.transcribe(Waveform(samples)).text == ""
    stream = english.stream()
    for block in np.array_split(samples, 5):
        stream.accept(block)
    assert stream.finish().text == ""


CHANNELS: dict[str, Callable[[Waveform], Waveform]] = {
    "clean": lambda heard: heard,
    "telephone": telephone,
    "noise": lambda heard: add_noise(heard, 1, snr_db=10.0),
    "a noisy telephone": lambda heard: telephone(add_noise(heard, 2, snr_db=10.0)),
    "a room": reverberate,
    "quiet": lambda heard: Waveform(heard.samples * np.float32(0.05)),
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_is_said_comes_through(english: Transcriber, channel: str) -> None:
    speech = [recorded(name) for name in ENGLISH]
    speech += [load_audio(path).samples for path in sorted((DATA / "ravdess").rglob("*.flac"))]
    heard = [english.transcribe(CHANNELS[channel](Waveform(samples))).text for samples in speech]
    assert all(heard), heard


@pytest.mark.parametrize(
    "text", ["yes", "no", "hello", "help", "goodbye", "okay", "yes please", "I don't know", "I hate you all."]
)
def test_short_answers_come_through(english: Transcriber, text: str) -> None:
    heard = english.transcribe(Waveform(np.pad(spoken(text, "en-us"), SAMPLE_RATE // 2))).text
    assert heard.lower().replace(",", "").strip(" .!?") == text.lower().strip(".")


def test_a_loop_is_cut_short(english: Transcriber, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not kept costs time too: as many tokens are decoded as could be said."""
    from emotionlayer_rasa.transcription import whisper

    decoded: list[int] = []

    def count(segments: list[Segment], speech_s: float) -> list[Segment]:
        segments = list(segments)
        decoded.append(sum(len(segment.tokens) for segment in segments))
        return without_invented_words(segments, speech_s)

    monkeypatch.setattr(whisper, "without_invented_words", count)
    for make in NO_ENGLISH.values():
        samples = make()
        english.transcribe(Waveform(samples))
        assert decoded.pop() <= 20 + 25 * len(samples) / SAMPLE_RATE


def segment(text: str, probability: float = 0.9, log_probability: float = -0.3, **changes: float) -> Segment:
    words = [Word(0.0, 1.0, f" {word}", probability) for word in text.split()]
    measures = {"seek": 0, "compression_ratio": 1.0, "no_speech_prob": 0.1, "avg_logprob": log_probability}
    return Segment(
        id=1,
        start=0.0,
        end=1.0,
        text=f" {text}",
        tokens=[],
        words=words,
        temperature=0.0,
        **{**measures, **changes},
    )


SAID = segment("I want to talk to a real person")


@pytest.mark.parametrize(
    "invented",
    [
        segment("no " * 60),
        segment("we will be back " * 4, compression_ratio=8.0),
        segment("thank you so much for watching", log_probability=-1.0),
        segment("thank you so much for watching", 0.3),
        segment("thank you", no_speech_prob=0.95),
        segment("..."),
    ],
)
def test_each_measure_tells(invented: Segment) -> None:
    assert without_invented_words([SAID], 3.0) == [SAID]
    assert without_invented_words([invented], 3.0) == []


def test_one_word_may_be_less_certain_than_a_sentence() -> None:
    yes = segment("Yes.", 0.3, -1.0)
    assert without_invented_words([yes], 0.5) == [yes]
    assert without_invented_words([segment("Yes, it is there by now", 0.3, -0.7)], 3.0) == []
    assert without_invented_words([segment("Yes, it is there by now", 0.8, -1.0)], 3.0) == []


def test_each_window_of_a_long_recording_is_judged_by_itself() -> None:
    loop = segment("again and again " * 10, compression_ratio=12.0)
    more = segment("and I want it today", seek=6000)
    late = segment("thank you so much for watching", seek=8990)
    loop.seek = 3000
    assert without_invented_words([SAID, loop, more, late], 90.0) == [SAID, more]


def test_what_trails_a_loop_is_no_short_answer() -> None:
    loop = segment("see you in the next video and " * 5, compression_ratio=4.0)
    tail = segment("So...", 0.3, -0.9, seek=260)
    assert without_invented_words([loop, tail], 3.2) == []
    assert without_invented_words([tail], 3.2) == [tail]
