from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from emotionlayer_rasa.audio import Waveform
from emotionlayer_rasa.emotion.prosody import measure_prosody
from emotionlayer_rasa.errors import (
    ConfigurationError,
    MissingProgramError,
    ModelUnavailableError,
    UnknownLanguageError,
)
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.synthesis import (
    SpeechChunk,
    SpeechSynthesizer,
    SynthesisSettings,
    create_synthesizer,
    engines,
)
from emotionlayer_rasa.synthesis.piper import PAUSE_S

TEXT = "The parcel is on its way."


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_loaded", {})


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def speak(synthesizer: SpeechSynthesizer | None, text: str, **style: Any) -> list[SpeechChunk]:
    assert synthesizer is not None

    async def collect() -> list[SpeechChunk]:
        return [chunk async for chunk in synthesizer.synthesize(text, **style)]

    return asyncio.run(collect())


def test_espeak_is_what_auto_finds_and_it_is_made_once() -> None:
    synthesizer = create_synthesizer()
    assert synthesizer is not None
    assert synthesizer.model == "espeak/default"
    assert create_synthesizer(SynthesisSettings()) is synthesizer
    assert create_synthesizer(SynthesisSettings(engine="espeak")) is not synthesizer
    assert speak(synthesizer, TEXT)[0].duration_s > 1


def test_none_is_no_voice() -> None:
    assert create_synthesizer(SynthesisSettings(engine="none")) is None


@pytest.mark.usefixtures("no_programs")
def test_a_missing_program_says_what_to_install(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MissingProgramError, match="apt install espeak-ng"):
        create_synthesizer(SynthesisSettings(engine="espeak"))
    with caplog.at_level(logging.WARNING):
        assert create_synthesizer() is None
    assert "apt install espeak-ng" in caplog.text
    assert "speech.missing_program" in caplog.text


def test_a_program_installed_later_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert create_synthesizer() is None
    monkeypatch.setenv("PATH", path)
    assert create_synthesizer() is not None


@pytest.mark.parametrize("voice", ["no-such-voice", "--help", "-v", "en us", "../x;y", "en-us+nobody", "+"])
def test_a_voice_that_espeak_does_not_have(voice: str) -> None:
    with pytest.raises(ConfigurationError, match="espeak-ng --voices"):
        create_synthesizer(SynthesisSettings(engine="espeak", voice=voice))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"engin": "espeak"}, r"synthesis: 'engin' is no known key .*engine, voice, timeout_s, max_processes"),
        ({"engine": "festival"}, "'engine'.*espeak"),
        ({"timeout_s": 0}, "'timeout_s'"),
        ({"max_processes": 0}, "'max_processes'"),
        ({"voice": ""}, "'voice'"),
    ],
)
def test_wrong_settings_name_the_key(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read_settings(SynthesisSettings, values, "synthesis")


class TestPiper:
    def test_it_speaks(self, piper_voice: Path, children: Callable[[], int]) -> None:
        synthesizer = create_synthesizer(SynthesisSettings(engine="piper", voice=str(piper_voice)))
        assert synthesizer is not None
        assert synthesizer.model == "piper/en_US-hum-low"
        first, second = speak(synthesizer, f"{TEXT} And so on.")
        assert (first.text, second.text) == (TEXT, "And so on.")
        assert first.sample_rate == 16_000
        assert first.duration_s == pytest.approx(0.05 * len(TEXT) + PAUSE_S, abs=0.01)
        assert second.start_s == first.duration_s
        assert not first.samples[-int(PAUSE_S * 16_000) :].any()

    def test_auto_takes_it_for_an_onnx_voice(self, piper_voice: Path) -> None:
        synthesizer = create_synthesizer(SynthesisSettings(voice=str(piper_voice)))
        assert synthesizer is not None
        assert synthesizer.model.startswith("piper/")

    def test_speed_and_pitch(self, piper_voice: Path) -> None:
        synthesizer = create_synthesizer(SynthesisSettings(engine="piper", voice=str(piper_voice)))
        (normal,) = speak(synthesizer, TEXT)
        for speed, pitch, semitones in ((0.8, "low", -1.5), (1.0, "high", 1.5), (1.25, "high", 1.5)):
            (chunk,) = speak(synthesizer, TEXT, speed=speed, pitch=pitch)
            length = chunk.duration_s - PAUSE_S
            assert length == pytest.approx((normal.duration_s - PAUSE_S) / speed, rel=0.01)
            heard = measure_prosody(Waveform(chunk.samples)).pitch_hz
            assert heard == pytest.approx(150 * 2 ** (semitones / 12), rel=0.01)

    def test_text_is_one_line_of_text(self, piper_voice: Path) -> None:
        synthesizer = create_synthesizer(SynthesisSettings(engine="piper", voice=str(piper_voice)))
        (chunk,) = speak(synthesizer, "--output_file x\x0bè [[a]]")
        assert chunk.text == "--output_file x è [a]"
        assert chunk.duration_s == pytest.approx(0.05 * len(chunk.text) + PAUSE_S, abs=0.01)

    def test_the_voices_own_length_scale_is_kept(self, piper_voice: Path) -> None:
        plain = speak(create_synthesizer(SynthesisSettings(voice=str(piper_voice))), TEXT)
        settings = Path(f"{piper_voice}.json")
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "inference": {"length_scale": 1.5}}))
        slow = speak(create_synthesizer(SynthesisSettings(voice=str(piper_voice), timeout_s=9)), TEXT)
        assert slow[0].duration_s - PAUSE_S == pytest.approx(1.5 * (plain[0].duration_s - PAUSE_S), rel=0.01)

    def test_another_language_than_the_voices(self, piper_voice: Path) -> None:
        synthesizer = create_synthesizer(SynthesisSettings(voice=str(piper_voice)))
        assert len(speak(synthesizer, TEXT, language="en-GB")) == 1
        with pytest.raises(UnknownLanguageError, match="'en', not 'it'"):
            speak(synthesizer, TEXT, language="it")

    @pytest.mark.parametrize("settings", [None, "", "[]", "{}", '{"audio": 3}', '{"audio": {"sample_rate": 0}}'])
    def test_a_broken_voice(self, piper_voice: Path, settings: str | None) -> None:
        path = Path(f"{piper_voice}.json")
        path.unlink() if settings is None else path.write_text(settings)
        with pytest.raises(ModelUnavailableError, match=r"\.onnx\.json"):
            create_synthesizer(SynthesisSettings(engine="piper", voice=str(piper_voice)))

    def test_a_missing_voice(self, piper_voice: Path) -> None:
        piper_voice.unlink()
        with pytest.raises(ModelUnavailableError, match="is no voice of piper"):
            create_synthesizer(SynthesisSettings(engine="piper", voice=str(piper_voice)))

    def test_no_voice_named(self, piper_voice: Path) -> None:
        with pytest.raises(ConfigurationError, match="'voice'"):
            create_synthesizer(SynthesisSettings(engine="piper"))

    def test_a_missing_program(
        self, piper_voice: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(MissingProgramError, match="piper-tts"):
            create_synthesizer(SynthesisSettings(engine="piper", voice=str(piper_voice)))
        assert create_synthesizer(SynthesisSettings(voice=str(piper_voice))) is None
        assert "piper-tts" in caplog.text

    def test_samples_are_float32_within_full_scale(self, piper_voice: Path) -> None:
        (chunk,) = speak(create_synthesizer(SynthesisSettings(voice=str(piper_voice))), TEXT, pitch="high")
        assert chunk.samples.dtype == np.float32
        assert 0.3 < np.abs(chunk.samples).max() <= 1.0
