"""What interrupts a reply, and that it goes on after what does not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
from counting_engines import SPEECH, CountingStream, CountingTranscriber, pcm, silence, with_engines
from echo_agent import EchoAgent, Serve
from test_early_speech import SPOKEN, events_until, is_end_of, sentences
from test_speaking import ToneSynthesizer
from test_stream import connect, next_with, send

from emotionlayer_rasa.channels import VoiceInput, VoiceSettings, interruptions
from emotionlayer_rasa.channels.interruptions import InterruptionJudge, InterruptionSettings
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import languages

LANGUAGES = ("de", "en", "es", "fr", "it", "ko", "pt")

BACKCHANNELS = {
    "de": ["mhm", "hm", "ja", "ja ja", "Okay", "ach so", "genau", "Alles klar.", "verstehe", "ja, genau", "aha"],
    "en": ["mhm", "Mm-hmm.", "uh huh", "yeah", "Yeah, yeah.", "okay", "right", "I see", "Okay, I see.", "got it"],
    "es": ["mhm", "ajá", "sí", "sí sí", "vale", "ya veo", "claro que sí", "de acuerdo", "bien", "entiendo"],
    "fr": ["mhm", "hum", "oui", "ouais", "d'accord", "c'est ça", "OK", "je vois", "bien sûr", "ah oui"],
    "it": ["mhm", "eh", "sì", "sì sì", "okay", "va bene", "d'accordo", "certo", "ho capito", "esatto"],
    "ko": ["네", "네네", "음", "아 네", "그렇군요", "알겠습니다", "맞아요"],
    "pt": ["mhm", "aham", "sim", "sim, sim", "tá bom", "está bem", "claro", "pois é", "entendi", "certo"],
}
MEANT = {
    "de": ["Stopp", "nein", "Moment", "Moment mal", "Hilfe", "ja aber wo ist sie", "okay und mein Geld"],
    "en": ["stop", "No.", "wait", "hold on", "help", "okay but where is it", "where is my order"],
    "es": ["espere", "no", "un momento", "ayuda", "sí pero dónde está", "vale y mi dinero"],
    "fr": ["stop", "non", "attendez", "à l'aide", "oui mais où est il", "d'accord et mon argent"],
    "it": ["basta", "no", "aspetti", "un attimo", "aiuto", "sì ma dov'è", "okay e i miei soldi"],
    "ko": ["잠깐만요", "아니요", "그만하세요", "네 그런데 주문이 어디", "주문이 어디 있어요"],
    "pt": ["espera", "não", "um momento", "socorro", "sim mas onde está", "tá bom e o meu dinheiro"],
}


def judge(language: str, **settings: Any) -> InterruptionJudge:
    return InterruptionJudge(InterruptionSettings(**settings), language)


def test_the_languages_that_have_backchannels() -> None:
    assert languages("backchannels.yml") == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_backchannel_is_no_interruption_however_long(language: str) -> None:
    for text in BACKCHANNELS[language]:
        assert not judge(language).interrupts(text, 3.0), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_meant_for_us_interrupts_however_short(language: str) -> None:
    for text in MEANT[language]:
        assert judge(language).interrupts(text, 0.2), text


def test_a_word_needs_speech_and_words_need_their_number() -> None:
    assert not judge("en").interrupts("parcel", 0.4)
    assert judge("en").interrupts("parcel", 0.5)
    assert judge("en").interrupts("parcel please", 0.1)
    assert not judge("en", min_words=3).interrupts("parcel please", 0.1)
    assert judge("en", min_speech_s=0.0).interrupts("parcel", 0.0)
    assert not judge("en").interrupts("", 9.0), "a voice without words"
    assert not judge("en").interrupts("the um and the", 9.0), "words that are heard in noise"
    assert not judge("xx").interrupts("mhm", 0.4), "a language without a list has the measures"
    assert judge("xx").interrupts("mhm", 0.6)


@pytest.fixture
def own_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    interruptions._listed.cache_clear()
    folder = tmp_path / "languages" / "en"
    folder.mkdir(parents=True)
    yield folder / "backchannels.yml"
    interruptions._listed.cache_clear()


def test_the_bots_own_list_stands_in_place_of_ours(own_languages: Path) -> None:
    own_languages.write_text("backchannels: [aye, 'aye [a-z]+']")
    assert not judge("en").interrupts("aye captain", 2.0)
    assert judge("en").interrupts("mhm okay", 2.0)


@pytest.mark.parametrize("content", ["backchannels: ['(']", "backchannel: [a]", "[a]"])
def test_a_wrong_list_names_file_and_place(own_languages: Path, content: str) -> None:
    own_languages.write_text(content)
    with pytest.raises(ConfigurationError, match="backchannels"):
        judge("en")


# --- in a call -------------------------------------------------------------------------------------------------

LONG = "The first sentence takes four seconds. The second takes as long as that. And so does the third of them."


class Wordless(CountingTranscriber):
    """Hears no words."""

    def stream(self, grammar: Any = None) -> CountingStream:
        stream = super().stream(grammar)
        stream.accept = lambda samples: ""  # type: ignore[method-assign]
        return stream


def channel(transcriber: CountingTranscriber, **settings: Any) -> VoiceInput:
    return VoiceInput(VoiceSettings(**settings), with_engines(transcriber), ToneSynthesizer())


def at(events: list[dict[str, Any]], key: str) -> int:
    return next(place for place, event in enumerate(events) if key in event)


@pytest.mark.anyio
async def test_a_backchannel_pauses_a_reply_and_is_no_turn(serve: Serve) -> None:
    agent = EchoAgent()
    async with serve(channel(CountingTranscriber("okay")), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message=LONG)
        await events_until(socket, lambda event: event.get("speech", {}).get("part") == 1)
        await socket.send(pcm(SPEECH, silence(1.0)))
        events = await events_until(socket, is_end_of(2))
        assert events[at(events, "stop")]["stop"] == {"id": 1}
        assert events[at(events, "discarded")]["discarded"] == "backchannel"
        assert not [event for event in events if "text" in event]
        rest = events[at(events, "discarded") :]
        assert [sentence for _, sentence in sentences(rest)] == LONG.replace(". ", ".|").split("|")
        (end,) = [event["speech"]["seconds"] for event in rest if event.get("speech", {}).get("end")]
        assert len(LONG) / 10 - 4 < end < len(LONG) / 10, "from where it stopped, not from the beginning"
        assert len(agent.messages) == 1
        await send(socket, message="and now?")
        await next_with(socket, "bot")
    told = agent.messages[1].metadata["emotionlayer_interrupted"]
    assert (told["resumed"], told["said"] > 0) == (1, True), "what was heard is noted"


@pytest.mark.anyio
async def test_words_end_a_reply_and_what_was_heard_is_noted(serve: Serve) -> None:
    agent = EchoAgent()
    async with serve(channel(CountingTranscriber()), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message=LONG)
        await events_until(socket, lambda event: event.get("speech", {}).get("part") == 1)
        await socket.send(pcm(SPEECH, silence(1.0)))
        events = await events_until(socket, lambda event: event.get("speech", {}).get("id", 1) > 1)
        assert at(events, "stop") < at(events, "text") < at(events, "bot")
        assert events[-1]["speech"]["sentence"].startswith("word word"), "the answer, and nothing of what was said"
    told = agent.messages[1].metadata["emotionlayer_interrupted"]
    assert told["resumed"] == 0
    assert 0 <= told["said"] < 0.5


@pytest.mark.anyio
async def test_a_voice_without_words_ends_no_reply(serve: Serve) -> None:
    agent = EchoAgent()
    async with serve(channel(Wordless()), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message=LONG)
        await events_until(socket, lambda event: event.get("speech", {}).get("part") == 1)
        await socket.send(pcm(SPEECH, silence(1.0)))
        events = await events_until(socket, is_end_of(2))
        assert at(events, "stop") < at(events, "text")
        assert events[at(events, "text")]["text"] == ""
    assert len(agent.messages) == 1


@pytest.mark.anyio
async def test_a_reply_goes_on_over_a_sound_that_lasts_and_is_silent_again_for_words(serve: Serve) -> None:
    """Music, and then somebody speaks."""
    transcriber = Wordless()
    async with (
        serve(channel(transcriber, interruptions={"resume_s": 0.5}), EchoAgent()) as http,
        connect(http) as socket,
    ):
        await send(socket, config=SPOKEN)
        await send(socket, message=LONG)
        await events_until(socket, lambda event: event.get("speech", {}).get("part") == 1)
        voice = SPEECH[3200:52_800]
        await socket.send(pcm(voice))
        await next_with(socket, "stop")
        again = await next_with(socket, "speech")
        assert again["speech"]["id"] == 2, "the sound has not ended"
        (stream,) = transcriber.streams
        del stream.accept  # it hears words from now on
        await socket.send(pcm(voice[:16_000]))
        stop = await next_with(socket, "stop")
        assert stop["stop"] == {"id": 2}
        await socket.send(pcm(np.zeros(16_000, np.float32)))
        assert set((await next_with(socket, "text"))["text"].split()) == {"word"}


@pytest.mark.anyio
async def test_after_a_question_a_backchannel_is_an_answer(serve: Serve) -> None:
    agent = EchoAgent()
    async with serve(channel(CountingTranscriber("okay")), agent) as http, connect(http) as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message="Shall I? " + LONG)
        await events_until(socket, lambda event: event.get("speech", {}).get("part") == 1)
        await send(socket, played={"id": 1, "seconds": 0.9})
        await socket.send(pcm(SPEECH, silence(1.0)))
        assert "okay" in (await next_with(socket, "text"))["text"]
        await next_with(socket, "bot")
    assert agent.messages[1].text.startswith("okay")


@pytest.mark.anyio
async def test_a_message_that_comes_meanwhile_is_spoken_after_a_false_alarm(serve: Serve) -> None:
    voice = channel(CountingTranscriber("okay"))
    async with serve(voice, EchoAgent()) as http, connect(http, "?sender=a") as socket:
        await send(socket, config=SPOKEN)
        await send(socket, message=LONG)
        await events_until(socket, lambda event: event.get("speech", {}).get("part") == 1)
        await socket.send(pcm(SPEECH))
        await next_with(socket, "stop")
        output = voice.get_output_channel()
        assert output is not None
        speaking = asyncio.create_task(output.send_response("a", {"text": "By the way."}))
        await next_with(socket, "bot")
        await socket.send(pcm(silence(1.0)))
        events = await events_until(socket, lambda event: event.get("speech", {}).get("sentence") == "By the way.")
        assert sentences(events)[0][1].startswith("The first")
        await speaking
