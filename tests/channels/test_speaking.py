from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from emotionlayer_rasa.channels.events import Failed, SpeechFormat, SpeechPiece, SpeechSent, SpeechStopped
from emotionlayer_rasa.channels.speaking import HeardReply, Speaker
from emotionlayer_rasa.errors import SpeechError
from emotionlayer_rasa.synthesis import SpeechStyle, SpeechSynthesizer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class ToneSynthesizer(SpeechSynthesizer):
    """A tenth of a second a character."""

    model = "test/tone"

    def __init__(self) -> None:
        self.styles: list[SpeechStyle] = []

    async def speak(self, sentence: str, style: SpeechStyle) -> tuple[np.ndarray, int]:
        self.styles.append(style)
        if "fail" in sentence:
            raise SpeechError("The voice has failed. Try another.")
        return np.full(1600 * len(sentence), 0.25, np.float32), 16_000


class Told:
    def __init__(self) -> None:
        self.pieces: list[SpeechPiece] = []
        self.ended: list[tuple[int, float]] = []
        self.errors: list[str] = []

    def tell(self, event: SpeechPiece | SpeechSent | Failed) -> None:
        if isinstance(event, SpeechPiece):
            self.pieces.append(event)
        elif isinstance(event, SpeechSent):
            self.ended.append((event.id, event.seconds))
        else:
            self.errors.append(event.error.code)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def speaker(told: Told, clock: Any, **format: Any) -> tuple[Speaker, ToneSynthesizer]:
    voice = ToneSynthesizer()
    return Speaker(voice, "en", SpeechFormat(**(format or {"encoding": "pcm16"})), told.tell, clock), voice


async def test_messages_are_spoken_in_order_and_style() -> None:
    told, clock = Told(), Clock()
    speaking, voice = speaker(told, clock)
    speaking.say("Ten chars.", {"speed": 0.8, "pitch": "low", "tone": "apologetic"})
    speaking.say("Next. One.", {"speed": "fast"})
    await speaking.sent()
    assert [(piece.id, piece.part, piece.sentence) for piece in told.pieces] == [
        (1, 0, "Ten chars."),
        (2, 0, "Next."),
        (2, 1, "One."),
    ]
    assert told.ended == [(1, pytest.approx(1.0)), (2, pytest.approx(0.9))]
    assert (voice.styles[0].speed, voice.styles[1].speed) == (0.8, 1.0)
    assert voice.styles[0].semitones < 0
    assert len(told.pieces[0].audio) == 2 * 16_000


async def test_a_message_that_comes_while_the_one_before_is_heard_is_said_alone() -> None:
    told, clock = Told(), Clock()
    speaking, _ = speaker(told, clock)
    for text in ("Ten chars.", "Next. One.", "The third."):
        speaking.say(text, {})
        await speaking.sent()
        clock.now += 0.5
    assert [(piece.id, piece.sentence) for piece in told.pieces] == [
        (1, "Ten chars."),
        (2, "Next."),
        (2, "One."),
        (3, "The third."),
    ]
    assert speaking.give_up() == HeardReply(pytest.approx(15 / 30), 2, 0, True)


@pytest.mark.parametrize(
    ("format", "rate", "size"),
    [
        ({"encoding": "mulaw"}, 8000, 8000),
        ({"encoding": "pcm16", "sample_rate": 24_000}, 24_000, 48_000),
        ({"encoding": "pcm16"}, 16_000, 32_000),
    ],
)
async def test_speech_comes_in_the_wanted_format(format: dict[str, Any], rate: int, size: int) -> None:
    told = Told()
    speaking, _ = speaker(told, Clock(), **format)
    speaking.say("Ten chars.", {})
    await speaking.sent()
    (piece,) = told.pieces
    assert (piece.encoding, piece.sample_rate, len(piece.audio)) == (format["encoding"], rate, size)


async def test_who_waits_for_the_first_sound_and_is_cancelled_leaves_no_task() -> None:
    speaking, _ = speaker(Told(), Clock())
    speaking.say("Ten chars.", {})
    speaks = asyncio.all_tasks()
    waiting = asyncio.create_task(speaking.begun())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    left = asyncio.all_tasks() - speaks
    await speaking.close()
    assert left == set()


async def test_an_interruption_tells_how_far_we_got() -> None:
    told, clock = Told(), Clock()
    speaking, _ = speaker(told, clock)
    assert speaking.give_up() is None
    speaking.say("Ten chars. And ten.!", {})
    await speaking.sent()
    clock.now += 1.45  # 1 s of the first sentence, half of the second
    assert speaking.speaking
    assert speaking.give_up() == HeardReply(pytest.approx(14.5 / 20), 1, 0, True)
    assert not speaking.speaking
    assert speaking.give_up() is None
    speaking.played(1, 0.2)  # a report that comes late
    assert not speaking.speaking

    speaking.say("Again.", {})
    await speaking.sent()
    clock.now += 0.7
    assert not speaking.speaking, "it was heard to its end"


async def test_reports_of_the_client_go_before_the_clock() -> None:
    told, clock = Told(), Clock()
    speaking, _ = speaker(told, clock)
    speaking.say("Ten chars.", {})
    speaking.say("Ten more..", {})
    await speaking.sent()
    clock.now += 60
    assert not speaking.speaking
    speaking.played(1, 0.5)
    assert speaking.speaking
    assert speaking.give_up() == HeardReply(pytest.approx(0.25), 0, 0, True)

    speaking.say("Ten chars.", {})
    await speaking.sent()
    speaking.played(3, None)
    assert not speaking.speaking


async def test_a_message_that_cannot_be_spoken_is_told_and_the_next_one_comes() -> None:
    told = Told()
    speaking, _ = speaker(told, Clock())
    speaking.say("This will fail.", {})
    speaking.say("This not.", {})
    await speaking.sent()
    assert told.errors == ["speech"]
    assert [piece.id for piece in told.pieces] == [2]
    assert [id for id, _ in told.ended] == [1, 2]


async def test_little_is_sent_ahead_and_nothing_after_an_interruption() -> None:
    told, clock = Told(), Clock()
    speaking, _ = speaker(told, clock)
    speaking.say("A sentence that takes four seconds here. " * 5, {})
    while len(told.pieces) < 2:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert len(told.pieces) == 2, "no more than five seconds ahead"
    assert speaking.give_up() is not None
    await speaking.close()
    await asyncio.sleep(0.1)
    assert len(told.pieces) == 2
    assert told.ended == []


async def test_one_can_wait_for_the_first_sound() -> None:
    told, clock = Told(), Clock()
    speaking, _ = speaker(told, clock)
    await speaking.begun()  # nothing is to be said
    speaking.say("One. Two.", {})
    assert not told.pieces
    await speaking.begun()
    assert told.pieces
    await speaking.sent()
    speaking.say("This will fail.", {})
    await speaking.begun()
    assert told.errors == ["speech"]
    speaking.say("Nobody waits for what is interrupted.", {})
    waiting = asyncio.create_task(speaking.begun())
    await asyncio.sleep(0)
    speaking.give_up()
    await asyncio.wait_for(waiting, 5)


async def test_one_does_not_wait_long_for_a_slow_voice() -> None:
    told = Told()
    speaking, voice = speaker(told, Clock())
    unlocked = asyncio.Event()
    tone = voice.speak

    async def speak(sentence: str, style: SpeechStyle) -> tuple[np.ndarray, int]:
        await unlocked.wait()
        return await tone(sentence, style)

    voice.speak = speak  # type: ignore[method-assign]
    speaking.say("Hello.", {})
    await speaking.begun()
    assert not told.pieces
    unlocked.set()
    await speaking.sent()
    assert told.pieces


async def test_after_a_pause_it_goes_on_from_where_it_stopped() -> None:
    told, clock = Told(), Clock()
    speaking, _ = speaker(told, clock, encoding="mulaw")
    assert speaking.pause() is None
    speaking.say("Ten chars.", {})
    speaking.say("Next ten.. And ten.!", {})
    await speaking.sent()
    clock.now += 1.25  # a quarter of the second message's first sentence
    assert speaking.pause() == SpeechStopped(2)
    assert (speaking.paused, speaking.speaking) == (True, False)
    clock.now += 60
    speaking.played(2, 0.0)  # a report that comes late
    before = len(told.pieces)
    speaking.resume()
    again = told.pieces[before:]
    assert [(piece.id, piece.part, piece.sentence) for piece in again] == [
        (3, 0, "Next ten.."),
        (3, 1, "And ten.!"),
    ]
    assert [piece.seconds for piece in again] == [pytest.approx(0.75), pytest.approx(0.9)]
    first = told.pieces[1]
    assert again[0].audio == first.audio[-len(again[0].audio) :]
    assert len(again[0].audio) == 6000
    assert told.ended[-1] == (3, pytest.approx(1.65))

    speaking.played(2, 0.0)  # of the id before the pause
    speaking.played(3, 0.75)
    clock.now += 0.45
    assert speaking.give_up() == HeardReply(pytest.approx(24.5 / 30), 2, 1, True)


async def test_what_was_paused_and_heard_to_its_end_is_told_once() -> None:
    told, clock = Told(), Clock()
    speaking, _ = speaker(told, clock)
    speaking.say("Ten chars. And ten.!", {})
    await speaking.sent()
    for _ in range(2):
        clock.now += 0.3
        speaking.pause()
        speaking.resume()
    clock.now += 60
    assert speaking.give_up() == HeardReply(1.0, 2, 2, False)
    assert speaking.give_up() is None


async def test_while_paused_nothing_is_sent_and_what_was_not_made_yet_comes_after() -> None:
    told, clock = Told(), Clock()
    speaking, _ = speaker(told, clock)
    speaking.say("Ten chars. Ten more.. And ten.!", {})
    assert speaking.pause() == SpeechStopped(1), "before its first sound"
    await asyncio.sleep(0.2)
    assert not told.pieces
    speaking.say("The end.", {})
    speaking.resume()
    await speaking.sent()
    assert [(piece.id, piece.part) for piece in told.pieces] == [(3, 0), (3, 1), (3, 2), (4, 0)]
    assert [id for id, _ in told.ended] == [3, 4]


async def test_who_gives_up_while_paused_was_heard_up_to_the_pause() -> None:
    told, clock = Told(), Clock()
    speaking, _ = speaker(told, clock)
    speaking.say("Ten chars. And ten.!", {})
    await speaking.sent()
    clock.now += 1.0
    speaking.pause()
    clock.now += 5.0
    assert speaking.give_up() == HeardReply(pytest.approx(0.5), 1, 0, True)
    speaking.resume()
    assert not speaking.speaking
    speaking.say("Again.", {})
    await speaking.sent()
    assert told.pieces[-1].sentence == "Again."


@pytest.mark.parametrize(
    ("text", "heard_s", "answered"),
    [
        ("Ten chars. And many more of them.", 0.5, False),
        ("Ten chars. And many more of them.", 2.6, True),
        ("Ten chars? And many more of them.", 0.5, False),
        ("Ten chars? And many more of them.", 0.9, True),
        ("«Ten char?» And many more of them.", 1.5, True),
    ],
)
async def test_a_question_or_the_end_may_be_answered(text: str, heard_s: float, answered: bool) -> None:
    clock = Clock()
    speaking, _ = speaker(Told(), clock)
    speaking.say(text, {})
    assert not speaking.may_be_answered
    await speaking.sent()
    clock.now += heard_s
    assert speaking.may_be_answered is answered
    speaking.pause()
    clock.now += 60
    assert speaking.may_be_answered is answered
