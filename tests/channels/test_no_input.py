"""A caller who says nothing is asked twice whether they are there; then we say goodbye."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
from counting_engines import SPEECH, CountingTranscriber, pcm, silence, with_engines
from echo_agent import EchoAgent, Serve
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.events import SlotSet
from test_early_speech import SPOKEN
from test_speaking import Clock, ToneSynthesizer
from test_stream import connect, next_with, send

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings
from emotionlayer_rasa.channels.silence import Prompt, SilenceSettings, SilenceWatch, silence_wordings
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import languages
from emotionlayer_rasa.synthesis import SpeechStyle
from emotionlayer_rasa.taxonomy import STRATEGIES

LANGUAGES = ("de", "en", "es", "fr", "it", "pt")
ASKED = ("Are you still there?", "I cannot hear you. Are you still on the line?")
GOODBYE = "I cannot hear you, so I am ending the call now. You can call again at any time. Goodbye."


def test_six_languages_have_wordings_for_every_strategy() -> None:
    assert languages("silence.yml") == LANGUAGES
    for language in LANGUAGES:
        wordings = silence_wordings(language)
        assert set(wordings) == set(STRATEGIES)
        said = [text for wording in wordings.values() for text in (*wording.prompts, wording.goodbye)]
        assert all(len(wording.prompts) == 2 for wording in wordings.values())
        assert len({wording.goodbye for wording in wordings.values()}) == len(STRATEGIES)
        assert all(len(text) <= 130 for text in said), "nobody listens longer"


def watch(clock: Clock, language: str = "en", **settings: Any) -> SilenceWatch:
    return SilenceWatch(SilenceSettings(**settings), language, clock)


def test_prompts_come_one_after_the_other_and_then_goodbye() -> None:
    clock = Clock()
    silent = watch(clock)
    clock.now += 7.9
    assert silent.prompt(None) is None
    clock.now += 0.1
    assert silent.prompt(None) == Prompt(ASKED[0], last=False)
    assert silent.prompt(None) is None
    clock.now += 8
    assert silent.prompt("unheard of") == Prompt(ASKED[1], last=False)
    clock.now += 8
    assert silent.prompt("empathic_validation") == Prompt(
        silence_wordings("en")["empathic_validation"].goodbye, last=True
    )


def test_who_is_heard_is_asked_from_the_beginning_and_what_goes_on_is_no_silence() -> None:
    clock = Clock()
    silent = watch(clock)
    clock.now += 8
    assert silent.prompt(None) == Prompt(ASKED[0], last=False)
    clock.now += 7
    silent.stir()
    clock.now += 7
    assert silent.prompt(None) is None
    clock.now += 1
    assert silent.prompt(None) == Prompt(ASKED[1], last=False)
    silent.heard()
    clock.now += 8
    assert silent.prompt(None) == Prompt(ASKED[0], last=False)


@pytest.mark.parametrize(("language", "settings"), [("en", {"after_s": 0}), ("ko", {})])
def test_it_can_be_switched_off_and_is_off_without_words(language: str, settings: dict[str, Any]) -> None:
    clock = Clock()
    silent = watch(clock, language, **settings)
    clock.now += 1e6
    assert silent.prompt(None) is None


def test_more_prompts_than_wordings_and_none() -> None:
    clock = Clock()
    many = watch(clock, prompts=3)
    told = []
    for _ in range(4):
        clock.now += 8
        told.append(many.prompt(None))
    assert told[1:] == [Prompt(ASKED[1], False), Prompt(ASKED[1], False), Prompt(GOODBYE, True)]
    none = watch(clock, prompts=0)
    clock.now += 8
    assert none.prompt(None) == Prompt(GOODBYE, True)


@pytest.fixture
def own_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    silence_wordings.cache_clear()
    (tmp_path / "languages" / "en").mkdir(parents=True)
    yield tmp_path / "languages" / "en" / "silence.yml"
    silence_wordings.cache_clear()


def test_the_bots_own_wording_stands_in_place_of_ours(own_languages: Path) -> None:
    own_languages.write_text('direct_efficiency: {prompts: ["Ahoy?"], goodbye: Farewell}')
    clock = Clock()
    silent = watch(clock, prompts=1)
    clock.now += 8
    assert silent.prompt("rapid_resolution") == Prompt("Ahoy?", False)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("rapid_resolution: {prompts: [a], goodbye: b}", "direct_efficiency"),
        ("{direct_efficiency: {prompts: [a], goodbye: b}, kindly: {prompts: [a], goodbye: b}}", "Strategies"),
        ("direct_efficiency: {prompts: [], goodbye: b}", "prompts"),
        ("direct_efficiency: {prompts: [a]}", "goodbye"),
    ],
)
def test_a_wrong_wording_names_file_and_key(own_languages: Path, content: str, named: str) -> None:
    own_languages.write_text(content)
    with pytest.raises(ConfigurationError, match=rf"silence\.yml.*{named}"):
        silence_wordings("en")


# --- in a call ---


class QuickSynthesizer(ToneSynthesizer):
    """A thousandth of a second a character."""

    async def speak(self, sentence: str, style: SpeechStyle) -> tuple[np.ndarray, int]:
        self.styles.append(style)
        return np.full(16 * len(sentence), 0.25, np.float32), 16_000


class Receptionist(EchoAgent):
    """Says hello, and what goes with it."""

    def __init__(self) -> None:
        super().__init__()
        self.custom: dict[str, Any] = {"speed": 0.8}
        self.escalates = False

    async def handle_message(self, message: UserMessage) -> None:
        self.messages.append(message)
        if self.escalates:
            tracker = self.tracker_store.init_tracker(message.sender_id)
            tracker.update(SlotSet("escalated", True))
            await self.tracker_store.save(tracker)
        await message.output_channel.send_response(message.sender_id, {"text": "Hello.", "custom": self.custom})


def channel(**settings: Any) -> VoiceInput:
    after = {"silence": {"after_s": 0.3}, **settings}
    return VoiceInput(VoiceSettings(**after), with_engines(CountingTranscriber()), QuickSynthesizer())


class Line:
    """A line on which nobody says anything, until told to."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._task = asyncio.create_task(self._hum())

    async def _hum(self) -> None:
        while not self._socket.closed:
            await self._socket.send(pcm(silence(0.1)))
            await asyncio.sleep(0.1)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


async def bots(socket: Any, count: int) -> list[str]:
    return [(await next_with(socket, "bot"))["bot"]["text"] for _ in range(count)]


@pytest.fixture
def agent() -> Receptionist:
    return Receptionist()


CONFIG = {**SPOKEN, "silence_prompts": True}


@pytest.mark.anyio
async def test_a_silent_caller_is_asked_twice_and_the_call_ends(serve: Serve, agent: Receptionist) -> None:
    voice = channel()
    async with serve(voice, agent) as http, connect(http) as socket:
        await send(socket, config=CONFIG)
        await send(socket, message="hello")
        assert await bots(socket, 1) == ["Hello."]
        line = Line(socket)
        assert await bots(socket, 3) == [*ASKED, GOODBYE]
        await asyncio.wait_for(socket.wait_closed(), 30)
        assert socket.close_code == 1000
        await line.end()
    synthesizer: Any = voice._synthesizer
    assert {style.speed for style in synthesizer.styles} == {0.8}, "as the assistant has spoken before"


@pytest.mark.anyio
async def test_who_speaks_again_is_heard_and_rasa_knows(serve: Serve, agent: Receptionist) -> None:
    async with serve(channel(), agent) as http, connect(http) as socket:
        await send(socket, config=CONFIG)
        line = Line(socket)
        assert await bots(socket, 2) == list(ASKED)
        await line.end()
        await socket.send(pcm(SPEECH, silence(1.0)))
        assert await bots(socket, 1) == ["Hello."]
        line = Line(socket)
        assert await bots(socket, 2) == list(ASKED), "from the beginning"
        await line.end()
    assert agent.messages[0].metadata["emotionlayer_silence"] == 2


@pytest.mark.anyio
@pytest.mark.parametrize("why", ["asked to wait", "a person has taken over", "not wanted", "microphone off"])
async def test_who_need_not_speak_is_not_asked(serve: Serve, agent: Receptionist, why: str) -> None:
    if why == "asked to wait":
        agent.custom = {"wait": True}
    agent.escalates = why == "a person has taken over"
    async with serve(channel(), agent) as http, connect(http) as socket:
        await send(socket, config=CONFIG if why != "not wanted" else SPOKEN)
        await send(socket, message="hello")
        await bots(socket, 1)
        line = Line(socket) if why != "microphone off" else None
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(bots(socket, 1), 3)
        if line:
            await line.end()
