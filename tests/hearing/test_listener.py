import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from counting_engines import CountingRecognizer, with_engines
from test_model_store import Server, leftovers

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.audio import Waveform, decode_audio
from emotionlayer_rasa.emotion import CallerVoice, EmotionRecognizer, Heard
from emotionlayer_rasa.errors import AudioError, BusyError, ModelUnavailableError
from emotionlayer_rasa.hearing import Listener, ListenerSettings, LiveSettings, engines
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN
from emotionlayer_rasa.transcription import Transcriber
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, Prosody, Transcript, Word

KOREAN = Path(__file__).parents[1] / "data" / "ko_music_where.flac"


@pytest.fixture(scope="module")
def korean():
    settings = {"transcription": {"language": "ko"}}
    listener = Listener(read_settings(ListenerSettings, settings, "test"))
    yield listener
    listener.close()


def test_words_emotion_and_prosody_of_real_speech(korean):
    heard = asyncio.run(korean.hear(KOREAN.read_bytes()))
    waveform = decode_audio(KOREAN.read_bytes())
    assert heard.transcript.text
    assert heard.transcript.model.startswith("vosk/")
    assert set(heard.emotion.scores) == set(EMOTIONS)
    assert heard.emotion.source == "voice"
    assert heard.prosody.word_rate == pytest.approx(len(heard.transcript.words) / waveform.duration_s)
    assert heard.duration_s == pytest.approx(waveform.duration_s)
    assert set(heard.timings_ms) == {"decode", "transcription", "text", "emotion", "fusion", "hearing"}
    assert heard.affect == fuse(heard.emotion, None, heard.prosody)
    assert heard.words is None, "nothing reads Korean words"


def test_a_side_can_be_left_out(korean):
    without_voice = asyncio.run(korean.hear(KOREAN.read_bytes(), emotion=False))
    assert without_voice.transcript.text
    assert without_voice.emotion == EmotionReading()
    assert without_voice.prosody is None
    assert without_voice.affect == AffectiveState()
    without_words = asyncio.run(korean.hear(KOREAN.read_bytes(), transcript=False))
    assert without_words.transcript.text == ""
    assert without_words.emotion.source == "voice"


def test_bad_audio_is_raised_and_the_next_utterance_is_heard(korean):
    with pytest.raises(AudioError):
        asyncio.run(korean.hear(b"not audio"))
    assert asyncio.run(korean.hear(KOREAN.read_bytes())).transcript.text


def test_a_model_that_cannot_be_had_stops_the_warm_up(tmp_path):
    settings = {"transcription": {"language": "ko", "vosk": {"model": str(tmp_path / "absent")}}}
    listener = Listener(read_settings(ListenerSettings, settings, "test"))
    with pytest.raises(ModelUnavailableError):
        asyncio.run(listener.warm_up())
    listener.close()


class SlowTranscriber(Transcriber):
    """Takes as long as the test wants."""

    model = "test/slow"

    def __init__(self, text: str = "words", language: str = "ko") -> None:
        self.text, self.language = text, language
        self.release = threading.Event()
        self.threads: set[str] = set()

    def stream(self, grammar=None):
        raise AssertionError("a whole utterance is transcribed at once")

    def transcribe(self, waveform: Waveform, grammar=None) -> Transcript:
        self.threads.add(threading.current_thread().name)
        self.release.wait(10)
        return Transcript(self.text, (Word("words", 0, 1, 1.0),), self.language, self.model)


class BrokenRecognizer(EmotionRecognizer):
    """Fails on every utterance."""

    model = "test/broken"

    def hear(self, waveform: Waveform, prosody: Prosody | None = None, caller: CallerVoice | None = None) -> Heard:
        raise RuntimeError("out of order")


class PreparedTranscriber(SlowTranscriber):
    """Counts how often it is prepared."""

    prepared = 0

    def prepare(self) -> None:
        self.prepared += 1
        if self.prepared > 3:
            raise RuntimeError("out of order")


def test_a_stream_for_each_live_call_is_prepared_after_the_start():
    async def prepared(max_live: int, live: bool) -> int:
        transcriber = PreparedTranscriber()
        listener = with_engines(transcriber, BrokenRecognizer(), workers=1)
        listener.settings = listener.settings.copy(update={"live": LiveSettings(max_live=max_live)})
        await listener.warm_up(live=live)
        if listener._preparing:
            await listener._preparing
        listener.close()
        return transcriber.prepared

    assert asyncio.run(prepared(3, live=False)) == 0
    assert asyncio.run(prepared(3, live=True)) == 3
    assert asyncio.run(prepared(9, live=True)) == 4, "what cannot be prepared ends it, and nothing else"


def test_preparing_waits_while_every_worker_is_busy_and_ends_with_the_listener():
    async def busy() -> None:
        transcriber = PreparedTranscriber()
        listener = with_engines(transcriber, BrokenRecognizer(), workers=1)
        await listener.warm_up(transcript=False)
        call = asyncio.create_task(listener.hear(KOREAN.read_bytes()))
        await listener.warm_up(transcript=False, emotion=False, live=True)
        await asyncio.sleep(0.05)
        assert transcriber.prepared == 0
        transcriber.release.set()
        await call
        listener.close()
        with pytest.raises(asyncio.CancelledError):
            await listener._preparing
        assert transcriber.prepared == 0

    asyncio.run(busy())


def test_a_full_pool_says_busy_and_the_event_loop_stays_free():
    transcriber = SlowTranscriber()
    listener = with_engines(transcriber, BrokenRecognizer(), workers=1, waiting=1)

    async def three_callers() -> None:
        first, second = (asyncio.create_task(listener.hear(KOREAN.read_bytes())) for _ in range(2))
        await asyncio.sleep(0.05)  # returns although the workers are at work
        with pytest.raises(BusyError, match="All 1 workers are busy and 1 utterances wait"):
            await listener.hear(KOREAN.read_bytes())
        transcriber.release.set()
        assert (await first).transcript.text == (await second).transcript.text == "words"
        assert (await listener.hear(KOREAN.read_bytes())).transcript.text == "words"

    asyncio.run(three_callers())
    listener.close()
    assert all(name.startswith("listener") for name in transcriber.threads)


def test_what_was_given_up_counts_until_its_thread_is_done():
    transcriber = SlowTranscriber()
    listener = with_engines(transcriber, BrokenRecognizer(), workers=1, waiting=0)

    async def call() -> None:
        given_up = asyncio.create_task(listener.hear(KOREAN.read_bytes()))
        while not transcriber.threads:
            await asyncio.sleep(0.01)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert given_up.cancelled()
        assert listener.workers.busy
        with pytest.raises(BusyError):
            await listener.hear(KOREAN.read_bytes())
        transcriber.release.set()
        while listener.workers.busy or listener.workers._utterances:
            await asyncio.sleep(0.01)
        assert (await listener.hear(KOREAN.read_bytes())).transcript.text == "words"

    asyncio.run(call())
    listener.close()


@pytest.fixture
def server():
    """Its downloads stand still half way."""
    server = Server()
    server.files["vosk-model-small-it-0.22.zip"] = bytes(100_000)
    server.gate.clear()
    yield server
    server.close()


@pytest.fixture
def soon_ended(monkeypatch):
    """The end waits only shortly for a model that may be nearly loaded."""
    monkeypatch.setattr(engines, "_NEARLY_LOADED_S", 0.1)


def downloading(server: Server, folder: Path) -> Listener:
    settings = {"transcription": {"language": "it", "fallback": None, "vosk": {"base_url": server.url}}}
    return Listener(read_settings(ListenerSettings, settings, "test"), ModelStore(folder))


@pytest.mark.usefixtures("soon_ended")
def test_the_end_does_not_wait_for_a_download(server, tmp_path):
    async def call() -> None:
        listener = downloading(server, tmp_path)
        warming_up = asyncio.create_task(listener.warm_up())
        while not server.requested.is_set():
            await asyncio.sleep(0.01)
        listener.close()
        with pytest.raises(ModelUnavailableError, match="not loaded before"):
            await warming_up

    asyncio.run(call())
    assert not server.gate.is_set()


@pytest.mark.usefixtures("soon_ended")
def test_the_voice_does_not_wait_for_the_download_of_a_transcriber(server, tmp_path):
    async def call() -> None:
        listener = downloading(server, tmp_path)
        words = asyncio.create_task(listener.warm_up(emotion=False))
        while not server.requested.is_set():
            await asyncio.sleep(0.01)
        await listener.warm_up(transcript=False)
        assert 0 < listener.engines.threshold < 1
        assert not words.done()
        listener.close()
        await asyncio.gather(words, return_exceptions=True)

    asyncio.run(call())


@pytest.mark.usefixtures("soon_ended")
def test_one_language_does_not_wait_for_the_download_of_another(server, tmp_path, korean):
    async def call() -> None:
        italian = downloading(server, tmp_path)
        words = asyncio.create_task(italian.warm_up(emotion=False))
        while not server.requested.is_set():
            await asyncio.sleep(0.01)
        transcription = korean.settings.transcription.copy(update={"fallback": None})
        vosk = transcription.vosk.copy(update={"kept_recognizers": 1})  # not the one that is loaded already
        other = Listener(ListenerSettings(transcription=transcription.copy(update={"vosk": vosk})))
        await other.warm_up(emotion=False)
        assert not words.done()
        other.close()
        italian.close()
        await asyncio.gather(words, return_exceptions=True)

    asyncio.run(call())


@pytest.mark.server
def test_ctrl_c_ends_a_program_in_the_middle_of_a_download(server, tmp_path):
    command = [sys.executable, "-m", "emotionlayer_rasa.cli", "analyze", str(KOREAN), "--language", "it"]
    environment = {**os.environ, "EMOTIONLAYER_VOSK_URL": server.url, "EMOTIONLAYER_CACHE": str(tmp_path)}
    program = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert server.requested.wait(60)
    program.send_signal(signal.SIGINT)
    told, _ = program.communicate(timeout=20)  # the download goes on after 30
    assert program.returncode
    assert "Aborted!" in told
    assert leftovers(tmp_path) == []


def test_a_recognizer_that_fails_does_not_end_the_call():
    transcriber = SlowTranscriber()
    transcriber.release.set()
    listener = with_engines(transcriber, BrokenRecognizer())
    heard = asyncio.run(listener.hear(KOREAN.read_bytes()))
    listener.close()
    assert heard.transcript.text == "words"
    assert (heard.emotion.label, heard.affect.state) == (UNKNOWN, UNKNOWN)
    assert heard.prosody.word_rate is not None


class AngryRecognizer(EmotionRecognizer):
    """Hears anger in everything."""

    model = "test/angry"

    def hear(self, waveform: Waveform, prosody: Prosody | None = None, caller: CallerVoice | None = None) -> Heard:
        scores = {"anger": 0.9, "neutral": 0.1}
        return Heard(EmotionReading("anger", 0.9, scores, 0.2, 0.9, 0.8, "voice", self.model))


def hear(text: str, recognizer: EmotionRecognizer, language: str = "en", **options: Any):
    transcriber = SlowTranscriber(text, language)
    transcriber.release.set()
    listener = with_engines(transcriber, recognizer)
    heard = asyncio.run(listener.hear(KOREAN.read_bytes(), **options))
    listener.close()
    return heard


def test_a_caller_is_known_from_utterance_to_utterance():
    recognizer, caller = CountingRecognizer(), CallerVoice()
    for known in range(3):
        assert hear("words", recognizer, caller=caller).emotion.adapted_from == known
    assert caller.heard == 3
    assert hear("words", recognizer).emotion.adapted_from == 0
    assert recognizer.known == [0, 1, 2, 0]


def test_without_leave_and_where_the_recognizer_fails_a_caller_is_taught_nothing():
    caller = CallerVoice()
    hear("words", CountingRecognizer(), caller=caller, emotion=False)
    hear("words", BrokenRecognizer(), caller=caller)
    assert caller.heard == 0


def test_words_and_voice_are_read_and_joined():
    heard = hear("thank you so much that is wonderful", AngryRecognizer())
    assert heard.words.emotion.source == "text"
    assert heard.words.emotion.label == "joy"
    assert heard.affect == fuse(heard.emotion, heard.words, heard.prosody)
    assert heard.affect.incongruence > 0
    assert heard.timings_ms["text"] > 0
    assert hear("grazie mille è meraviglioso", AngryRecognizer(), "it").words.cues["praise"] > 0


def test_without_leave_neither_voice_nor_words_are_read():
    heard = hear("this is unacceptable", AngryRecognizer(), emotion=False)
    assert heard.transcript.text == "this is unacceptable"
    assert (heard.words, heard.emotion, heard.prosody) == (None, EmotionReading(), None)
    assert heard.affect == AffectiveState()
    assert heard.timings_ms["text"] == 0


def test_words_are_enough_where_the_recognizer_fails():
    heard = hear("thank you so much that is wonderful", BrokenRecognizer())
    assert heard.emotion.label == UNKNOWN
    assert heard.affect == fuse(None, heard.words, heard.prosody)
    assert heard.reading.source == "text"


def test_a_reader_of_words_that_fails_does_not_end_the_call(monkeypatch):
    def out_of_order(language):
        raise RuntimeError("out of order")

    monkeypatch.setattr(engines, "create_text_reader", out_of_order)
    heard = hear("this is unacceptable", AngryRecognizer())
    assert heard.words is None
    assert heard.affect == fuse(heard.emotion, None, heard.prosody)
