from __future__ import annotations

import asyncio
import gc
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, AsyncIterable, AsyncIterator, Callable

import numpy as np
import pytest
import soundfile
import soxr
import uvloop

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, decode_raw
from emotionlayer_rasa.emotion.prosody import measure_prosody
from emotionlayer_rasa.errors import SpeechError, SpeechTimeoutError, UnknownLanguageError
from emotionlayer_rasa.synthesis import SpeechChunk, SpeechStyle, SpeechSynthesizer
from emotionlayer_rasa.synthesis.base import encode_mulaw
from emotionlayer_rasa.synthesis.espeak import EspeakSynthesizer, read_voices

SENTENCE = "Hello my friend, everything is fine today."
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
"""Rasa's server runs on uvloop, its actions on asyncio's own."""


def run(coroutine: Any, new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> Any:
    async def limited() -> Any:
        return await asyncio.wait_for(coroutine, 60)

    loop = new_loop()
    asyncio.set_event_loop(loop)  # asyncio's child watcher asks for it
    try:
        return loop.run_until_complete(limited())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def speak(synthesizer: SpeechSynthesizer, text: str | AsyncIterable[str], **style: Any) -> list[SpeechChunk]:
    async def collect() -> list[SpeechChunk]:
        return [chunk async for chunk in synthesizer.synthesize(text, **style)]

    return run(collect())


def sound(chunks: list[SpeechChunk]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


def prosody(chunks: list[SpeechChunk]) -> Any:
    return measure_prosody(Waveform(soxr.resample(sound(chunks), chunks[0].sample_rate, SAMPLE_RATE)))


@pytest.fixture(scope="module")
def espeak() -> EspeakSynthesizer:
    return EspeakSynthesizer()


class Voice(SpeechSynthesizer):
    """Speaks a hundredth of a second a character, and tells what it was asked for."""

    model = "test/voice"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.style = SpeechStyle()

    async def speak(self, sentence: str, style: SpeechStyle) -> tuple[np.ndarray, int]:
        self.asked.append(sentence)
        self.style = style
        await asyncio.sleep(0)
        return np.full(80 * len(sentence), 0.5, np.float32), 8_000


class TestEspeak:
    def test_it_sounds_like_speech(self, espeak: EspeakSynthesizer) -> None:
        (chunk,) = speak(espeak, SENTENCE)
        assert chunk.text == SENTENCE
        assert (chunk.sample_rate, chunk.samples.dtype, chunk.start_s) == (22_050, np.float32, 0.0)
        measured = prosody([chunk])
        assert 1.5 < chunk.duration_s < 5
        assert 80 < measured.pitch_hz < 140
        assert 2 < measured.syllable_rate < 8
        assert measured.voiced_ratio > 0.3

    def test_slower_is_longer_and_the_pitch_stays(self, espeak: EspeakSynthesizer) -> None:
        slow, normal, fast = (speak(espeak, SENTENCE, speed=speed) for speed in (0.8, 1.0, 1.25))
        assert slow[0].duration_s / normal[0].duration_s == pytest.approx(1 / 0.8, rel=0.06)
        assert fast[0].duration_s / normal[0].duration_s == pytest.approx(1 / 1.25, rel=0.06)
        assert prosody(fast).pitch_hz == pytest.approx(prosody(slow).pitch_hz, rel=0.05)

    def test_pitch_labels(self, espeak: EspeakSynthesizer) -> None:
        low, default, high = (prosody(speak(espeak, SENTENCE, pitch=p)) for p in ("low", "default", "high"))
        assert high.pitch_semitones - default.pitch_semitones == pytest.approx(1.5, abs=0.5)
        assert default.pitch_semitones - low.pitch_semitones == pytest.approx(1.5, abs=0.5)
        for label in ("medium", "balanced"):
            assert np.array_equal(sound(speak(espeak, SENTENCE, pitch=label)), sound(speak(espeak, SENTENCE)))

    def test_an_apology_is_softer(self, espeak: EspeakSynthesizer) -> None:
        plain, sorry = speak(espeak, SENTENCE), speak(espeak, SENTENCE, tone="apologetic")
        assert prosody(plain).energy_db - prosody(sorry).energy_db == pytest.approx(3.0, abs=0.01)

    def test_languages(self, espeak: EspeakSynthesizer) -> None:
        text = "Mi dispiace molto. Il pacco arriva domani."
        italian, english = speak(espeak, text, language="it"), speak(espeak, text, language="en")
        assert [chunk.text for chunk in italian] == ["Mi dispiace molto.", "Il pacco arriva domani."]
        assert not np.array_equal(sound(italian), sound(english))
        assert speak(espeak, "안녕하세요, 반갑습니다.", language="ko")[0].duration_s > 1
        names = {code: espeak.voice(code) for code in ("en", "en-GB", "en_AU", "it", "pt-br", "zh", "no", "es-mx")}
        assert names == {
            "en": "en-us",
            "en-GB": "en-gb",
            "en_AU": "en-us",
            "it": "it",
            "pt-br": "pt-br",
            "zh": "cmn",
            "no": "nb",
            "es-mx": "es-419",
        }

    def test_an_unknown_language_is_named_with_the_known_ones(self, espeak: EspeakSynthesizer) -> None:
        with pytest.raises(UnknownLanguageError, match=r"'tlh'.* it,"):
            speak(espeak, SENTENCE, language="tlh")
        with pytest.raises(UnknownLanguageError):
            speak(espeak, SENTENCE, language="-h")

    def test_voices(self) -> None:
        variant, named = EspeakSynthesizer("+f3"), EspeakSynthesizer("en-gb+f2")
        assert (variant.voice("it"), variant.voice("en")) == ("it+f3", "en-us+f3")
        assert (named.voice("it"), named.model) == ("en-gb+f2", "espeak/en-gb+f2")
        assert prosody(speak(variant, SENTENCE)).pitch_hz > 150

    def test_the_listing_is_read_by_priority(self) -> None:
        listing = (
            "Pty Language       Age/Gender VoiceName          File                 Other Languages\n"
            " 5  xx-ab           --/M      A_(B)              dir/xx-AB            (xx 5)(yy 3)\n"
            " 2  xx-cd           --/M      C                  dir/xx-CD            (xx 2)\n"
            " 5  yy              --/F      Y                  dir/yy               \n"
        )
        assert read_voices(listing) == {"xx-ab": "xx-ab", "xx-cd": "xx-cd", "xx": "xx-cd", "yy": "yy"}

    @pytest.mark.parametrize("text", ["", "  \n", "…", "?!", "\x01\x1b", "[[]]"])
    def test_nothing_to_say_gives_nothing(self, espeak: EspeakSynthesizer, text: str) -> None:
        assert speak(espeak, text) == []

    @pytest.mark.parametrize(
        "text",
        ["--help", "-w stolen.wav", "-f pyproject.toml", "; touch stolen.wav", "$(touch stolen.wav)", "--version"],
    )
    def test_text_is_no_option_and_no_command(
        self, espeak: EspeakSynthesizer, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (chunk,) = speak(espeak, text)
        assert chunk.text == text
        assert 0.3 < chunk.duration_s < 5
        assert not list(tmp_path.iterdir())

    def test_text_is_no_markup_and_no_phonemes(self, espeak: EspeakSynthesizer) -> None:
        marked = "[[h@l'oU]] there"
        assert np.array_equal(sound(speak(espeak, marked)), sound(speak(espeak, "[h@l'oU] there")))
        as_phonemes = subprocess.run(
            ["espeak-ng", "-v", "en-us", "--stdin", "--stdout"], input=marked.encode(), capture_output=True
        ).stdout
        assert len(sound(speak(espeak, marked))) != (len(as_phonemes) - 44) // 2
        pause = speak(espeak, 'one <break time="20s"/> two')
        assert sum(chunk.duration_s for chunk in pause) < 10
        # A control character followed by a number and a letter would change the rate.
        assert np.array_equal(sound(speak(espeak, "\x0180S slow words")), sound(speak(espeak, "80S slow words")))

    def test_long_texts_come_in_bounded_pieces(
        self, espeak: EspeakSynthesizer, children: Callable[[], int]
    ) -> None:
        text = ("The parcel left the house, and it is on its way to you " * 60)[:3000]
        seen: list[int] = []

        async def listen() -> list[SpeechChunk]:
            chunks = []
            async for chunk in espeak.synthesize(text):
                chunks.append(chunk)
                seen.append(children())
            return chunks

        chunks = run(listen())
        assert len(chunks) >= 25
        assert max(chunk.duration_s for chunk in chunks) < 15
        assert " ".join(chunk.text for chunk in chunks).split() == text.split()
        assert max(seen) <= 1
        starts = np.cumsum([0.0] + [chunk.duration_s for chunk in chunks[:-1]])
        assert [chunk.start_s for chunk in chunks] == pytest.approx(list(starts))

    def test_several_callers_on_both_event_loops(
        self, espeak: EspeakSynthesizer, children: Callable[[], int]
    ) -> None:
        async def crowd() -> list[list[SpeechChunk]]:
            async def one() -> list[SpeechChunk]:
                return [chunk async for chunk in espeak.synthesize("One two. Three four.")]

            return await asyncio.gather(*(one() for _ in range(8)))

        for new_loop in LOOPS:
            spoken = run(crowd(), new_loop)
            assert all(np.array_equal(sound(chunks), sound(spoken[0])) for chunks in spoken)

    def test_programs_start_while_numpy_computes(self, tmp_path: Path) -> None:
        """A process of its own, which can be killed: a loop that hangs in a fork could not be left any more.

        With ``asyncio.create_subprocess_exec`` in place of Popen it stands still at one of the first starts.
        """
        script = tmp_path / "speak.py"
        script.write_text(WHILE_NUMPY_COMPUTES)
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
        done = subprocess.run([sys.executable, script], env=environment, capture_output=True, timeout=120)
        assert (done.returncode, done.stdout) == (0, b"spoken\n"), done.stderr.decode()


WHILE_NUMPY_COMPUTES = """\
import asyncio, threading

import numpy as np
import uvloop

from emotionlayer_rasa.synthesis.program import SpeechProgram


async def speak():
    program = SpeechProgram("cat", ["cat"], timeout_s=60, max_processes=4)
    for _ in range(100):
        assert await program.run([], "words") == b"words"


def multiply():
    matrix = np.ones((400, 400), np.float32)
    while not over.is_set():
        matrix @ matrix


over = threading.Event()
threads = [threading.Thread(target=multiply, daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()
uvloop.install()
asyncio.run(speak())
over.set()
for thread in threads:
    thread.join()
print("spoken")
"""


class TestFailures:
    def test_a_program_that_hangs_is_killed_at_the_deadline(
        self, hanging_espeak: Path, children: Callable[[], int]
    ) -> None:
        synthesizer = EspeakSynthesizer(timeout_s=0.3)
        for new_loop in LOOPS:
            with pytest.raises(SpeechTimeoutError, match=r"'espeak-ng' took longer than 0\.3 s"):
                run(_all(synthesizer, SENTENCE), new_loop)
        assert len(hanging_espeak.read_text().split()) == len(LOOPS)

    @pytest.mark.parametrize(
        ("script", "complaint"),
        [("exit 3", "status 3"), ("echo no sound", "no 16-bit mono WAV"), ("kill -9 $$", "status -9")],
    )
    def test_a_program_that_fails_gives_a_typed_error_without_the_text(
        self, hanging_espeak: Path, script: str, complaint: str
    ) -> None:
        program = hanging_espeak.parent / "espeak-ng"
        synthesizer = EspeakSynthesizer()
        program.write_text(f"#!/bin/sh\n{script}\n")
        with pytest.raises(SpeechError, match=complaint) as raised:
            speak(synthesizer, SENTENCE)
        assert "friend" not in str(raised.value)

    def test_a_program_removed_meanwhile_gives_a_typed_error(self, hanging_espeak: Path) -> None:
        synthesizer = EspeakSynthesizer()
        (hanging_espeak.parent / "espeak-ng").unlink()
        with pytest.raises(SpeechError, match="cannot be started"):
            speak(synthesizer, SENTENCE)

    def test_at_most_so_many_processes(self, hanging_espeak: Path, children: Callable[[], int]) -> None:
        synthesizer = EspeakSynthesizer(max_processes=2)

        async def crowd() -> int:
            tasks = [asyncio.create_task(_all(synthesizer, SENTENCE)) for _ in range(6)]
            await _runs(hanging_espeak, 2)
            await asyncio.sleep(0.2)
            started = len(hanging_espeak.read_text().split())
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            return started

        assert run(crowd()) == 2

    def test_what_was_spoken_before_a_failure_is_kept(self) -> None:
        class Failing(Voice):
            async def speak(self, sentence: str, style: SpeechStyle) -> tuple[np.ndarray, int]:
                if sentence == "Two.":
                    raise SpeechError("broken")
                return await super().speak(sentence, style)

        async def listen() -> list[str]:
            stream = Failing().synthesize("One. Two. Three.")
            heard = [(await stream.__anext__()).text]
            with pytest.raises(SpeechError, match="broken"):
                await stream.__anext__()
            return heard + [chunk.text async for chunk in stream]

        assert run(listen()) == ["One."]


@pytest.mark.parametrize("new_loop", LOOPS)
class TestInterruption:
    """Each leaves a stream while its program runs; the fixture ``children`` waits no longer than a moment."""

    def test_closing_kills_the_program_at_once(
        self, hanging_espeak: Path, children: Callable[[], int], new_loop: Any
    ) -> None:
        async def interrupt() -> None:
            stream = EspeakSynthesizer().synthesize(SENTENCE)
            waiting = asyncio.create_task(_rest(stream))
            await _runs(hanging_espeak, 1)
            assert children() >= 1
            await stream.aclose()
            assert children() == 0
            assert await waiting == []
            await stream.aclose()

        run(interrupt(), new_loop)

    def test_cancelling_the_listening_task_kills_it(
        self, hanging_espeak: Path, children: Callable[[], int], new_loop: Any
    ) -> None:
        async def interrupt() -> None:
            task = asyncio.create_task(_all(EspeakSynthesizer(), SENTENCE))
            await _runs(hanging_espeak, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert children() == 0

        run(interrupt(), new_loop)

    def test_cancelling_at_any_moment_of_the_start_leaves_nothing(
        self, hanging_espeak: Path, children: Callable[[], int], new_loop: Any
    ) -> None:
        async def interrupt() -> None:
            synthesizer = EspeakSynthesizer()
            for moment in range(12):
                task = asyncio.create_task(_all(synthesizer, SENTENCE))
                await asyncio.sleep(0.001 * moment)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await _until(lambda: children() == 0)  # what the program had started is killed, and soon gone

        run(interrupt(), new_loop)

    def test_leaving_while_the_second_sentence_is_made_kills_it(
        self, hanging_espeak: Path, children: Callable[[], int], new_loop: Any
    ) -> None:
        (hanging_espeak.parent / "spoken").write_text("1")

        async def interrupt() -> None:
            async with EspeakSynthesizer().synthesize("One two three. Four five six.") as stream:
                chunk = await stream.__anext__()
                assert chunk.text == "One two three."
                await _runs(hanging_espeak, 2)
                assert children() >= 1
            assert children() == 0
            assert [chunk async for chunk in stream] == []

        run(interrupt(), new_loop)

    def test_a_forgotten_stream_kills_it(
        self, hanging_espeak: Path, children: Callable[[], int], new_loop: Any
    ) -> None:
        async def interrupt() -> None:
            (hanging_espeak.parent / "spoken").write_text("1")
            async for chunk in EspeakSynthesizer(timeout_s=50).synthesize("One two three. Four five six."):
                assert chunk.text == "One two three."
                await _runs(hanging_espeak, 2)
                break
            gc.collect()
            await _until(lambda: children() == 0)

        run(interrupt(), new_loop)


class TestStream:
    def test_the_first_chunk_is_there_before_the_second_sentence_is_written(self) -> None:
        voice = Voice()
        written: list[str] = []

        async def model() -> AsyncIterator[str]:
            for piece in ("I am", " sorry", ". The", " parcel"):
                written.append(piece)
                yield piece
            await first_heard.wait()
            for piece in (" comes", " today."):
                written.append(piece)
                yield piece

        async def listen() -> list[str]:
            heard = []
            async for chunk in voice.synthesize(model()):
                if not heard:
                    assert written == ["I am", " sorry", ". The", " parcel"]
                    first_heard.set()
                heard.append(chunk.text)
            return heard

        first_heard = asyncio.Event()
        assert run(listen()) == ["I am sorry.", "The parcel comes today."]

    def test_it_works_ahead_while_the_first_is_sent_but_not_without_bound(self) -> None:
        voice = Voice()

        async def listen() -> None:
            async with voice.synthesize(" ".join(f"Sentence {n}." for n in range(20))) as stream:
                assert voice.asked == []
                await stream.__anext__()
                await asyncio.sleep(0.05)
                assert voice.asked[:2] == ["Sentence 0.", "Sentence 1."]
                assert len(voice.asked) <= 3
                await stream.__anext__()
                await asyncio.sleep(0.05)
                assert len(voice.asked) <= 4

        run(listen())

    def test_the_models_iterator_is_closed_with_the_stream(self) -> None:
        closed = []

        async def model() -> AsyncIterator[str]:
            try:
                while True:
                    yield "Once more. "
            finally:
                closed.append(True)

        async def listen() -> None:
            async with Voice().synthesize(model()) as stream:
                await stream.__anext__()

        run(listen())
        assert closed == [True]

    def test_an_error_of_the_model_comes_after_what_was_said(self) -> None:
        async def model() -> AsyncIterator[str]:
            yield "One. Two"
            raise ConnectionError("gone")

        async def listen() -> list[str]:
            stream = Voice().synthesize(model())
            heard = (await stream.__anext__()).text
            with pytest.raises(ConnectionError, match="gone"):
                await stream.__anext__()
            return [heard]

        assert run(listen()) == ["One."]

    @pytest.mark.parametrize(("speed", "used"), [(0.1, 0.8), (0.9, 0.9), (7, 1.25), (float("nan"), 0.8)])
    def test_the_speed_stays_within_the_strategies(self, speed: float, used: float) -> None:
        voice = Voice()
        speak(voice, "One.", speed=speed, pitch="unheard of", tone="unheard of", language="it")
        assert voice.style == SpeechStyle(used, 0.0, 1.0, "it")


class TestBytes:
    def test_pcm16_at_any_rate(self, espeak: EspeakSynthesizer) -> None:
        (chunk,) = speak(espeak, SENTENCE)
        own = np.frombuffer(chunk.pcm16(), "<i2")
        assert np.abs(own / 32767 - chunk.samples).max() < 1e-4
        for rate in (8_000, 16_000, 24_000, 48_000):
            pcm = np.frombuffer(chunk.pcm16(rate), "<i2")
            assert len(pcm) / rate == pytest.approx(chunk.duration_s, abs=0.001)
        decoded = decode_raw(chunk.pcm16(16_000), "pcm16", 16_000)
        assert measure_prosody(decoded).pitch_hz == pytest.approx(prosody([chunk]).pitch_hz, rel=0.02)

    def test_full_scale_does_not_wrap(self) -> None:
        chunk = SpeechChunk(np.array([1.0, -1.0, 1.5, -1.5], np.float32), 8_000, "", 0.0)
        assert np.frombuffer(chunk.pcm16(), "<i2").tolist() == [32767, -32767, 32767, -32767]
        assert chunk.mulaw() == bytes([0x80, 0x00, 0x80, 0x00])

    def test_mulaw_is_g711(self) -> None:
        every = np.arange(-32768, 32768).astype("<i2")
        codes = encode_mulaw(every)
        assert encode_mulaw(np.array([0, -1, 32767, -32768, 1000, -1000], "<i2")).hex() == "ff7f8000ce4e"
        file = io.BytesIO()
        soundfile.write(file, every, 8_000, format="RAW", subtype="ULAW")
        assert codes == file.getvalue()

    def test_mulaw_levels_come_back_as_they_went(self) -> None:
        codes = np.arange(256, dtype=np.uint8)
        levels, _ = soundfile.read(
            io.BytesIO(codes.tobytes()), dtype="int16", format="RAW", subtype="ULAW", samplerate=8000, channels=1
        )
        again = np.frombuffer(encode_mulaw(levels), np.uint8)
        assert np.flatnonzero(again != codes).tolist() == [0x7F]  # minus zero

    def test_mulaw_speech(self, espeak: EspeakSynthesizer) -> None:
        (chunk,) = speak(espeak, SENTENCE)
        exact = decode_raw(chunk.pcm16(8_000), "pcm16", 8_000).samples
        heard = decode_raw(chunk.mulaw(), "mulaw", 8_000).samples
        assert len(heard) == len(exact)
        assert 10 * np.log10(np.mean(exact**2) / np.mean((heard - exact) ** 2)) > 33  # dB, as G.711 promises


async def _all(synthesizer: SpeechSynthesizer, text: str) -> list[SpeechChunk]:
    return [chunk async for chunk in synthesizer.synthesize(text)]


async def _rest(stream: AsyncIterable[SpeechChunk]) -> list[SpeechChunk]:
    return [chunk async for chunk in stream]


async def _runs(log: Path, count: int) -> None:
    """Wait until the stand-in has been started so often."""
    await _until(lambda: len(log.read_text().split()) >= count)


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
