from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
from counting_engines import (
    SPEECH,
    CountingRecognizer,
    CountingStream,
    CountingTranscriber,
    pcm,
    silence,
    with_engines,
)

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform, load_audio
from emotionlayer_rasa.emotion import CallerVoice, Heard, create_recognizer, measure_prosody
from emotionlayer_rasa.emotion.onnx_recognizer import OnnxRecognizer
from emotionlayer_rasa.errors import BusyError, ConfigurationError, ModelUnavailableError, UnsupportedAudioError
from emotionlayer_rasa.hearing import (
    Discarded,
    Final,
    Interim,
    Listener,
    ListenerSettings,
    LiveEvent,
    LiveSession,
    Partial,
    SpeechStarted,
)
from emotionlayer_rasa.hearing.joining import pool
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.transcription import TranscriptionStream
from emotionlayer_rasa.utterance import EmotionReading, Prosody

DATA = Path(__file__).parents[1] / "data"
RAVDESS = sorted((DATA / "ravdess").glob("*.flac"))


@pytest.fixture
def transcriber() -> CountingTranscriber:
    return CountingTranscriber()


@pytest.fixture
def recognizer() -> CountingRecognizer:
    return CountingRecognizer()


@pytest.fixture
def listener(transcriber: CountingTranscriber, recognizer: CountingRecognizer) -> Iterator[Listener]:
    listener = with_engines(transcriber, recognizer, live={"max_live": 2, "interim_every_s": 0})
    yield listener
    listener.close()


async def events_of(session: LiveSession, data: bytes, block: int = 640) -> list[LiveEvent]:
    """Feed as fast as it is heard, and end."""

    async def feed() -> None:
        for start in range(0, len(data), block):
            while session.behind_s > 1:
                await asyncio.sleep(0.001)
            session.feed(data[start : start + block])
        session.eof()

    async with session:
        feeding = asyncio.create_task(feed())
        told = [event async for event in session]
        await feeding
    return told


def hear(listener: Listener, data: bytes, block: int = 640, **options: Any) -> list[LiveEvent]:
    async def call() -> list[LiveEvent]:
        return await events_of(listener.open_session(**options), data, block)

    return asyncio.run(call())


def finals(events: list[LiveEvent]) -> list[Final]:
    return [event for event in events if isinstance(event, Final)]


def test_the_events_of_two_utterances(listener: Listener, transcriber: CountingTranscriber) -> None:
    events = hear(listener, pcm(silence(1), SPEECH, silence(1), SPEECH, silence(1)))
    middle = 1 + next(index for index, event in enumerate(events) if isinstance(event, Final))
    started, *partials, final = events[:middle]
    assert started == SpeechStarted(pytest.approx(1.2, abs=0.1))
    assert all(isinstance(partial, Partial) for partial in partials)
    lengths = [len(partial.text) for partial in partials]
    assert lengths == sorted(set(lengths))
    assert final.reason == "silence"
    assert final.start_s == pytest.approx(0.9, abs=0.1)
    assert final.end_s == pytest.approx(4.5, abs=0.15)
    utterance = final.utterance
    assert utterance.duration_s == pytest.approx(final.end_s - final.start_s)
    assert utterance.transcript.text == partials[-1].text
    assert (utterance.emotion.label, utterance.affect.state) == ("anger", "anger")
    assert utterance.prosody.word_rate == pytest.approx(len(utterance.transcript.words) / utterance.duration_s)
    assert set(utterance.timings_ms) == {"decode", "transcription", "text", "emotion", "fusion", "hearing"}
    again, *partials, final = events[middle:]
    assert (type(again), {type(partial) for partial in partials}, type(final)) == (SpeechStarted, {Partial}, Final)
    assert len(transcriber.streams) == 2
    assert transcriber.open == 0


@pytest.mark.parametrize("block", [1, 639, 3200, 10**7])
def test_frames_of_any_size_give_the_same_utterance(listener: Listener, block: int) -> None:
    (expected,) = finals(hear(listener, pcm(SPEECH, silence(1))))
    data = pcm(SPEECH[:16_000] if block == 1 else SPEECH, silence(1))
    (final,) = finals(hear(listener, data, block))
    assert final.start_s == expected.start_s
    if block > 1:
        assert final.utterance.transcript == expected.utterance.transcript
        assert final.end_s == expected.end_s


@pytest.mark.parametrize(
    ("encoding", "rate"), [("mulaw", 8000), ("alaw", 8000), ("pcm16", 8000), ("pcm16", 44100), ("pcm16", 48000)]
)
def test_every_encoding_is_heard(listener: Listener, encoding: str, rate: int) -> None:
    import io

    import soundfile
    import soxr

    subtype = {"mulaw": "ULAW", "alaw": "ALAW", "pcm16": "PCM_16"}[encoding]
    raw = io.BytesIO()
    sound = soxr.resample(np.concatenate([SPEECH, silence(1)]), SAMPLE_RATE, rate)
    soundfile.write(raw, sound, rate, format="RAW", subtype=subtype)
    (final,) = finals(hear(listener, raw.getvalue(), 441, encoding=encoding, sample_rate=rate))
    assert final.end_s == pytest.approx(3.5, abs=0.3)
    assert final.utterance.emotion.label == "anger"


def test_what_cannot_be_heard_is_refused(listener: Listener) -> None:
    async def call() -> None:
        with pytest.raises(UnsupportedAudioError):
            listener.open_session(encoding="opus")  # type: ignore[arg-type]
        with pytest.raises(UnsupportedAudioError):
            listener.open_session(sample_rate=12)

    asyncio.run(call())
    with pytest.raises(ConfigurationError, match=r"max_calls.*known here: endpointing, turns, max_live"):
        read_settings(ListenerSettings, {"live": {"max_calls": 3}}, "test")


def test_the_emotion_is_read_before_the_end_is_known(
    listener: Listener, recognizer: CountingRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each silence as long as the post-roll, and never again for the same sound."""
    beginnings: list[float] = []
    read = listener.engines.read_voice

    def watched(waveform: Waveform, wanted: bool, caller: CallerVoice) -> Any:
        beginnings.append(waveform.duration_s)
        return read(waveform, wanted, caller)

    monkeypatch.setattr(listener.engines, "read_voice", watched)

    async def call() -> None:
        async with listener.open_session() as session:
            session.feed(pcm(SPEECH, silence(0.0)))  # 0.85 s of silence end it
            session.feed(pcm(silence(0.2)))
            while not any(isinstance(event, Final) for event in [await anext(session)]):
                pass

    asyncio.run(call())
    ending = [length for length in beginnings if length == max(beginnings)]
    assert len(ending) == 1

    async def without_the_end() -> None:
        beginnings.clear()
        async with listener.open_session() as session:
            session.feed(pcm(SPEECH[: int(3.3 * SAMPLE_RATE)], silence(0.4)))
            while not beginnings:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(without_the_end(), 20))


def test_the_utterance_that_goes_on_is_read_again_as_a_whole(
    listener: Listener, recognizer: CountingRecognizer
) -> None:
    async def call() -> Final:
        async with listener.open_session() as session:
            session.feed(pcm(SPEECH[: int(3.3 * SAMPLE_RATE)], silence(0.25)))
            while not recognizer.heard:
                await asyncio.sleep(0.01)
            session.feed(pcm(SPEECH, silence(1)))
            session.eof()
            (final,) = finals([event async for event in session])
            return final

    final = asyncio.run(asyncio.wait_for(call(), 60))
    assert recognizer.heard == [pytest.approx(3.5, abs=0.2), pytest.approx(final.utterance.duration_s)]


@pytest.mark.parametrize("path", [*RAVDESS, DATA / "en_complaint.flac"], ids=lambda path: path.stem)
def test_the_final_emotion_is_that_of_the_recording(path: Path) -> None:
    listener = with_engines(CountingTranscriber(), create_recognizer())
    whole = asyncio.run(listener.hear(path.read_bytes(), transcript=False))
    (final,) = finals(hear(listener, pcm(load_audio(path).samples, silence(1))))
    listener.close()
    streamed = final.utterance.emotion
    assert streamed.label == whole.emotion.label
    assert streamed.best(1)[0][0] == whole.emotion.best(1)[0][0]
    assert streamed.arousal == pytest.approx(whole.emotion.arousal, abs=0.1)


def test_interim_readings_while_the_caller_speaks(recognizer: CountingRecognizer) -> None:
    listener = with_engines(CountingTranscriber(), recognizer, live={"interim_window_s": 2})
    # For so long that some readings come of a full window, however busy the machine is.
    events = hear(listener, pcm(*[SPEECH[: 3 * SAMPLE_RATE]] * 4, SPEECH, silence(1)))
    listener.close()
    interim = [event for event in events if isinstance(event, Interim)]
    assert interim
    assert interim[0].at_s < 3.0
    assert all(event.emotion.label == "anger" and event.prosody for event in interim)
    assert max(length for length in recognizer.heard if length <= 2.01) == pytest.approx(2.0, abs=0.01)
    assert isinstance(events[-1], Final)
    quiet = with_engines(CountingTranscriber(), recognizer, live={"interim_every_s": 0})
    assert not any(isinstance(event, Interim) for event in hear(quiet, pcm(SPEECH, silence(1))))
    quiet.close()


def test_interim_readings_are_left_out_while_all_workers_have_something_to_do(
    recognizer: CountingRecognizer,
) -> None:
    listener = with_engines(CountingTranscriber(), recognizer, workers=2)
    sound = pcm(SPEECH, silence(1))

    async def call(streams: int) -> list[LiveEvent]:
        held = threading.Event()
        others = [listener.workers.run_stream(held.wait, 20) for _ in range(streams)]
        assert listener.workers.busy == (streams == 2)
        told = await events_of(listener.open_session(), sound)
        held.set()
        await asyncio.gather(*others)
        return told

    idle, half, busy = (asyncio.run(call(streams)) for streams in (0, 1, 2))
    listener.close()
    assert any(isinstance(event, Interim) for event in idle)
    assert any(isinstance(event, Interim) for event in half)
    assert not any(isinstance(event, Interim) for event in busy)
    assert [final.utterance.emotion.label for final in finals(busy)] == ["anger"]


def test_without_consent_nothing_is_read(listener: Listener, recognizer: CountingRecognizer) -> None:
    def refuses() -> bool:
        return False

    async def refuses_later() -> bool:
        await asyncio.sleep(0)
        return False

    def cannot_be_asked() -> bool:
        raise OSError("no tracker store")

    for consent in (False, refuses, refuses_later, cannot_be_asked):
        (final,) = finals(hear(listener, pcm(SPEECH, silence(1)), emotion=consent))
        assert final.utterance.transcript.text
        assert final.utterance.emotion == EmotionReading()
        assert (final.utterance.words, final.utterance.prosody) == (None, None)
    assert recognizer.heard == []


def test_consent_is_asked_for_each_utterance_and_may_be_taken_back(listener: Listener) -> None:
    asked: list[bool] = []

    async def first_yes_then_no() -> bool:
        asked.append(len(asked) < 2)
        return asked[-1]

    sound = pcm(SPEECH, silence(1), SPEECH, silence(1))
    first, second = finals(hear(listener, sound, emotion=first_yes_then_no))
    assert (first.utterance.emotion.label, second.utterance.emotion.label) == ("anger", UNKNOWN)
    assert asked == [True, True, False]
    answers = iter([True, False])
    (taken_back,) = finals(hear(listener, pcm(SPEECH, silence(1)), emotion=lambda: next(answers)))
    assert taken_back.utterance.emotion == EmotionReading()


def adapted_from(events: list[LiveEvent]) -> list[int]:
    """From how many utterances the caller was known, at each that was told."""
    return [final.utterance.emotion.adapted_from for final in finals(events)]


THREE_UTTERANCES = pcm(*[SPEECH, silence(1)] * 3)


def test_a_session_hears_its_caller_with_what_the_former_utterances_taught(
    listener: Listener, recognizer: CountingRecognizer
) -> None:
    assert adapted_from(hear(listener, THREE_UTTERANCES)) == [0, 1, 2]
    assert adapted_from(hear(listener, THREE_UTTERANCES)) == [0, 1, 2], "another session, another caller"


def test_interim_and_early_readings_know_the_caller_and_teach_nothing(recognizer: CountingRecognizer) -> None:
    listener = with_engines(CountingTranscriber(), recognizer, live={"interim_window_s": 2})
    goes_on = pcm(SPEECH[: int(3.3 * SAMPLE_RATE)], silence(0.25), SPEECH, silence(1))
    events = hear(listener, goes_on + goes_on)
    listener.close()
    assert adapted_from(events) == [0, 1]
    assert len(recognizer.heard) > len(finals(events)), "pauses and the time between were heard too"
    interim = [event.emotion.adapted_from for event in events if isinstance(event, Interim)]
    assert set(interim) == {0, 1}
    assert interim == sorted(interim)


def test_sessions_at_the_same_time_share_nothing(listener: Listener) -> None:
    async def call() -> list[list[LiveEvent]]:
        two = pcm(*[SPEECH, silence(1)] * 2)
        return await asyncio.gather(
            events_of(listener.open_session(), THREE_UTTERANCES), events_of(listener.open_session(), two)
        )

    first, second = asyncio.run(call())
    assert (adapted_from(first), adapted_from(second)) == ([0, 1, 2], [0, 1])


def test_what_was_learnt_of_a_voice_is_forgotten_when_the_caller_objects(
    listener: Listener, recognizer: CountingRecognizer
) -> None:
    answers = iter([True, True, False, True, True, True, True])  # twice an utterance, once where it is no
    events = hear(listener, pcm(*[SPEECH, silence(1)] * 4), emotion=lambda: next(answers))
    labels = [final.utterance.emotion.label for final in finals(events)]
    assert labels == ["anger", UNKNOWN, "anger", "anger"]
    assert adapted_from(events) == [0, 0, 0, 1]


def test_who_objects_and_then_only_coughs_is_forgotten_all_the_same() -> None:
    recognizer = CountingRecognizer()
    listener = with_engines(WordlessTranscriber(), recognizer, live={"interim_every_s": 0})
    answers = iter([True, True, False, True, True])
    events = hear(listener, THREE_UTTERANCES, emotion=lambda: next(answers))
    listener.close()
    assert [type(event) for event in events if not isinstance(event, SpeechStarted)] == [Final, Discarded, Final]
    assert adapted_from(events) == [0, 0]


def test_where_nothing_was_heard_nothing_is_learnt(transcriber: CountingTranscriber) -> None:
    deaf = CountingRecognizer(EmotionReading(source="voice"))
    listener = with_engines(transcriber, deaf, live={"interim_every_s": 0})
    assert adapted_from(hear(listener, THREE_UTTERANCES)) == [0, 0, 0]
    listener.close()


def test_a_real_voice_is_heard_differently_once_it_is_known(caplog: pytest.LogCaptureFixture) -> None:
    listener = with_engines(CountingTranscriber(), create_recognizer(), live={"interim_every_s": 0})
    with caplog.at_level("DEBUG"):
        first, second, third = finals(hear(listener, THREE_UTTERANCES))
        (alone,) = finals(hear(listener, pcm(SPEECH, silence(1))))
    listener.close()
    readings = [final.utterance.emotion for final in (first, second, third)]
    assert [reading.adapted_from for reading in readings] == [0, 1, 2]
    assert len({tuple(reading.scores.values()) for reading in readings}) == 3
    assert alone.utterance.emotion.scores == pytest.approx(dict(readings[0].scores), abs=1e-4)
    # Of the voice that was learnt nothing gets into the record or the log: only the count.
    records = [final.utterance.to_metadata() for final in (first, second, third)]
    assert {frozenset(record["emotion"]) for record in records} == {frozenset(asdict(EmotionReading()))}
    assert not any(isinstance(value, list) for record in records for value in record["emotion"].values())
    assert "offset" not in caplog.text
    assert "shift" not in caplog.text


def test_silence_and_noise_give_no_utterance(listener: Listener, transcriber: CountingTranscriber) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, 30 * SAMPLE_RATE)
    assert hear(listener, pcm(silence(60), noise, silence(20)), 32_000) == []
    assert transcriber.streams == []


def test_ghost_words_and_wordless_noise_are_discarded() -> None:
    nothing = CountingRecognizer(EmotionReading(source="voice"))
    cough = pcm(silence(0.5), SPEECH[3500:8300], silence(1.5))  # 0.3 s of sound
    ghosts = with_engines(CountingTranscriber("the", "en"), nothing)
    started, *_, discarded = hear(ghosts, cough)
    ghosts.close()
    assert isinstance(started, SpeechStarted)
    assert isinstance(discarded, Discarded)
    assert discarded.reason == "ghost_words"
    wordless = with_engines(WordlessTranscriber(), nothing)
    assert hear(wordless, pcm(SPEECH, silence(1)))[-1].reason == "noise"
    assert hear(wordless, pcm(SPEECH, silence(1)), emotion=False)[-1].reason == "noise"
    wordless.close()
    crying = with_engines(WordlessTranscriber(), CountingRecognizer())
    (final,) = finals(hear(crying, pcm(SPEECH, silence(1))))
    crying.close()
    assert (final.utterance.transcript.text, final.utterance.emotion.label) == ("", "anger")


class WordlessTranscriber(CountingTranscriber):
    """Understands nothing."""

    def stream(self, grammar: Any = None) -> TranscriptionStream:
        class Stream(CountingStream):
            def accept(self, samples: np.ndarray) -> str:
                return ""

        return Stream(self)


def test_too_little_speech_is_discarded(transcriber: CountingTranscriber) -> None:
    listener = with_engines(transcriber, live={"endpointing": {"min_speech_ms": 5000}})
    assert hear(listener, pcm(SPEECH, silence(1)))[-1].reason == "too_short"
    listener.close()
    assert transcriber.open == 0


def test_a_monologue_has_one_emotion(recognizer: CountingRecognizer) -> None:
    """Cut into pieces, of which the last has the reading of all."""
    readings = iter(
        [
            EmotionReading("anger", 0.8, {"anger": 0.8, "joy": 0.2}, 0.2, 0.9, 0.8, "voice"),
            EmotionReading("joy", 0.6, {"anger": 0.4, "joy": 0.6}, 0.8, 0.9, 0.8, "voice"),
            EmotionReading("joy", 0.6, {"anger": 0.4, "joy": 0.6}, 0.8, 0.9, 0.8, "voice"),
        ]
    )

    class OneAfterTheOther(CountingRecognizer):
        def hear(
            self, waveform: Waveform, prosody: Prosody | None = None, caller: CallerVoice | None = None
        ) -> Heard:
            return Heard(next(readings))

    settings = {
        "interim_every_s": 0,
        "endpointing": {"max_utterance_s": 5, "post_roll_ms": 600, "trailing_silence_ms": 600},
    }
    listener = with_engines(CountingTranscriber(), OneAfterTheOther(), live=settings)
    speech = SPEECH[4000 : int(3.3 * SAMPLE_RATE)]
    events = hear(listener, pcm(silence(0.3), speech, silence(0.25), speech, silence(1.5)))
    listener.close()
    first, second, *_ = finals(events)
    assert (first.reason, first.utterance.emotion.label) == ("length", "anger")
    starts = [event for event in events if isinstance(event, SpeechStarted)]
    assert [start.continues for start in starts[:2]] == [False, True]
    assert second.start_s >= first.end_s
    scores = second.utterance.emotion.scores
    assert 0.4 < scores["anger"] < 0.8
    assert 0.2 < second.utterance.emotion.valence < 0.8


def test_pooling_pieces_is_what_the_recogniser_does_with_its_windows() -> None:
    recognizer = OnnxRecognizer()
    # What the recogniser does to the whole, and not to its windows, would take its meaning from the comparison.
    plain = {"without_silence": False, "temperature": 1.0}
    recognizer.description = recognizer.description.copy(update=plain)
    waveform = Waveform(np.concatenate([load_audio(path).samples for path in RAVDESS[:5]])[: 18 * SAMPLE_RATE])
    prosody = measure_prosody(waveform)
    halves = [Waveform(piece) for piece in np.array_split(waveform.samples, 2)]
    pieces = [
        (float(np.std(half.samples)) * half.duration_s, recognizer.recognize(half, prosody)) for half in halves
    ]
    whole = recognizer.recognize(waveform, prosody)
    pooled = pool(pieces, 0.52)
    assert pooled.label == whole.label
    assert pooled.confidence == pytest.approx(whole.confidence, abs=1e-4)
    assert pooled.scores == pytest.approx(dict(whole.scores), abs=1e-4)
    assert pooled.arousal == pytest.approx(whole.arousal, abs=1e-4)
    known = [(1.0, replace(whole, adapted_from=count)) for count in (1, 2)]
    assert pool(known, 0.52).adapted_from == 2
    unsure = pool([*pieces, (10 * sum(weight for weight, _ in pieces), EmotionReading(source="voice"))], 0.52)
    assert unsure.label == UNKNOWN
    assert unsure.scores == pytest.approx(dict(pooled.scores))


def test_no_more_sessions_than_allowed(listener: Listener) -> None:
    async def call() -> None:
        first, second = listener.open_session(), listener.open_session()
        with pytest.raises(BusyError, match="2 calls are heard already"):
            listener.open_session()
        await first.close()
        await first.close()  # twice frees one place only
        third = listener.open_session()
        with pytest.raises(BusyError):
            listener.open_session()
        second.eof()
        assert [event async for event in second] == []
        fourth = listener.open_session()
        await asyncio.gather(third.close(), fourth.close())

    asyncio.run(call())


def test_four_sessions_a_worker_unless_another_number_is_set(transcriber: CountingTranscriber) -> None:
    async def most(listener: Listener) -> int:
        sessions: list[LiveSession] = []
        with contextlib.suppress(BusyError):
            while True:
                sessions.append(listener.open_session())
        await asyncio.gather(*(session.close() for session in sessions))
        listener.close()
        return len(sessions)

    assert asyncio.run(most(with_engines(transcriber))) == 8
    assert asyncio.run(most(with_engines(transcriber, workers=4))) == 16
    assert asyncio.run(most(with_engines(transcriber, workers=4, live={"max_live": 3}))) == 3


def test_who_falls_behind_is_told_and_the_event_loop_stays_free(
    listener: Listener, transcriber: CountingTranscriber
) -> None:
    async def call() -> None:
        transcriber.go_on.clear()
        async with listener.open_session() as session:
            second = pcm(SPEECH[8000:24_000])
            refused = 0
            while not refused:
                await asyncio.sleep(0.01)  # comes back although the decoder stands still
                try:
                    session.feed(second)
                except BusyError as error:
                    refused += 1
                    assert "late" in str(error)  # noqa: PT017
            assert 5.0 < session.behind_s < 8.0
            transcriber.go_on.set()
            while session.behind_s > 1.0:
                await asyncio.sleep(0.01)
            session.feed(pcm(silence(1)))
            session.eof()
            assert finals([event async for event in session])

    asyncio.run(call())


def test_closing_in_the_middle_gives_everything_back(transcriber: CountingTranscriber) -> None:
    before = threading.active_count()
    listener = with_engines(transcriber, live={"max_live": 1})

    async def call() -> None:
        for _ in range(3):
            async with listener.open_session() as session:
                session.feed(pcm(SPEECH[: 2 * SAMPLE_RATE]))
                assert isinstance(await anext(session), SpeechStarted)
                assert transcriber.open == 1
            assert transcriber.open == 0
            with pytest.raises(RuntimeError):
                session.feed(b"")
            assert not [event async for event in session if isinstance(event, Final)]

    asyncio.run(call())
    listener.close()
    assert len(transcriber.streams) == 3
    assert threading.active_count() == before


def test_a_cut_ends_the_utterance_behind_the_sound_so_far(
    listener: Listener, transcriber: CountingTranscriber
) -> None:
    async def call() -> list[LiveEvent]:
        async with listener.open_session() as session:
            session.cut()
            session.feed(pcm(SPEECH[: 2 * SAMPLE_RATE]))
            session.cut()
            session.feed(pcm(SPEECH[2 * SAMPLE_RATE :], silence(1)))
            session.eof()
            return [event async for event in session]

    one, other = finals(asyncio.run(call()))
    assert [final.reason for final in (one, other)] == ["cut", "silence"]
    assert one.end_s == pytest.approx(2.0, abs=0.04)
    assert other.start_s >= one.end_s
    assert one.utterance.transcript.words
    assert transcriber.open == 0


def test_the_end_of_the_stream_ends_the_utterance(listener: Listener) -> None:
    (final,) = finals(hear(listener, pcm(SPEECH[: 2 * SAMPLE_RATE])))
    assert final.reason == "eof"
    assert final.end_s <= 2.0
    assert hear(listener, b"") == []


def test_a_model_that_cannot_be_had_ends_the_session(tmp_path: Path) -> None:
    settings = {"transcription": {"language": "ko", "vosk": {"model": str(tmp_path / "absent")}}}
    listener = Listener(read_settings(ListenerSettings, settings, "test"))

    async def call() -> None:
        async with listener.open_session() as session:
            session.feed(pcm(SPEECH))
            with pytest.raises(ModelUnavailableError):
                async for _ in session:
                    pass
            with pytest.raises(ModelUnavailableError):
                session.feed(b"")

    asyncio.run(call())
    listener.close()


def test_memory_does_not_grow_with_the_call(listener: Listener, recognizer: CountingRecognizer) -> None:
    import tracemalloc

    async def call() -> list[int]:
        async with listener.open_session(emotion=False) as session:
            measured = []
            tracemalloc.start()
            for _ in range(3):
                for _ in range(5):
                    session.feed(pcm(SPEECH, silence(1)))
                    while not isinstance(await anext(session), Final):
                        pass
                for _ in range(30):
                    session.feed(pcm(silence(2)))
                    while session.behind_s > 1:
                        await asyncio.sleep(0.001)
                gc.collect()
                measured.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
            return measured

    first, second, third = asyncio.run(call())
    assert min(second - first, third - second) < 100_000  # a leak grows every time, other threads' work does not


@pytest.fixture(scope="module")
def korean() -> Iterator[Listener]:
    listener = Listener(read_settings(ListenerSettings, {"transcription": {"language": "ko"}}, "test"))
    yield listener
    listener.close()


def test_korean_with_vosk(korean: Listener) -> None:
    recording = DATA / "ko_music_where.flac"
    whole = asyncio.run(korean.hear(recording.read_bytes()))
    events = hear(korean, pcm(load_audio(recording).samples, silence(1)))
    (final,) = finals(events)
    assert final.utterance.transcript.text == whole.transcript.text == "음악 어디에"
    assert [event.text for event in events if isinstance(event, Partial)][-1] == "음악 어디에"
    said = final.utterance.transcript.words[0].start + final.start_s
    assert said == pytest.approx(whole.transcript.words[0].start, abs=0.2)
    import vosk

    def recognisers() -> int:
        gc.collect()
        return sum(type(thing) is vosk.KaldiRecognizer for thing in gc.get_objects())

    before = recognisers()
    assert len(finals(hear(korean, pcm(*[load_audio(recording).samples, silence(1)] * 3)))) == 3
    assert recognisers() == before


@pytest.mark.whisper
def test_english_with_whisper() -> None:
    settings = {"transcription": {"engine": "whisper"}, "live": {"max_behind_s": 30}}
    listener = Listener(read_settings(ListenerSettings, settings, "test"))
    events = hear(listener, pcm(SPEECH, silence(1)))
    listener.close()
    (final,) = finals(events)
    assert "real person" in final.utterance.transcript.text
    assert final.utterance.words is not None
    assert any(isinstance(event, Partial) for event in events)
