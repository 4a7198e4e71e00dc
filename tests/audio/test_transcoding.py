"""Recordings as browsers and phones make them: made, and read, by ffmpeg."""

from __future__ import annotations

import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from cases import for_each

from emotionlayer_rasa.audio import SAMPLE_RATE, AudioLimits, decode_audio, load_audio, transcoding
from emotionlayer_rasa.errors import (
    AudioError,
    AudioTooLongError,
    EmptyAudioError,
    TruncatedAudioError,
    UnsupportedAudioError,
)

SPEECH = Path(__file__).parents[1] / "data" / "en_thanks.flac"

FORMATS = {
    "Chrome's WebM": ("webm", "-ar 48000 -c:a libopus -f webm -live 1"),
    "Firefox's Ogg": ("ogg", "-ar 48000 -c:a libopus"),
    "WebM with its length": ("webm", "-ar 48000 -c:a libopus"),
    "WebM with Vorbis": ("webm", "-ar 48000 -ac 2 -c:a libvorbis"),
    "Safari's MP4": ("mp4", "-c:a aac -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 500000"),
    "a voice memo, index last": ("m4a", "-ar 48000 -c:a aac -b:a 64k"),
    "an M4A, index first": ("m4a", "-c:a aac -movflags +faststart"),
    "Apple Lossless": ("m4a", "-c:a alac"),
    "Opus in MP4": ("mp4", "-ar 48000 -c:a libopus"),
    "3GP": ("3gp", "-ar 8000 -ac 1 -c:a aac"),
    "QuickTime": ("mov", "-c:a aac"),
    "AAC with ADTS headers": ("aac", "-c:a aac"),
    "Speex": ("ogg", "-c:a libspeex"),
    "WMA": ("wma", "-c:a wmav2"),
    "Apple Lossless in CAF": ("caf", "-c:a alac"),
    "MPEG layer II": ("mp2", "-c:a mp2"),
    "a film": ("webm", "-f lavfi -i color=size=64x64:rate=5:duration=3 -c:v libvpx -c:a libopus"),
}


@cache
def recorded(suffix: str, options: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"recorded.{suffix}"
        command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(SPEECH), *options.split(), str(file)]
        subprocess.run(command, check=True)
        return file.read_bytes()


@for_each("name", [*FORMATS])
def test_what_browsers_and_phones_record_is_read(name: str) -> None:
    heard = decode_audio(recorded(*FORMATS[name]))
    expected = load_audio(SPEECH).samples
    assert heard.duration_s == pytest.approx(len(expected) / SAMPLE_RATE, abs=0.15)
    spectra = [np.abs(np.fft.rfft(samples, 2**17)) for samples in (heard.samples, expected)]
    assert np.corrcoef(*spectra)[0, 1] > 0.85


def test_an_amr_note_is_read() -> None:
    """Frames of 12.2 kbit/s and 20 ms, of random bits: Debian's ffmpeg writes no AMR."""
    frames = b"".join(b"\x3c" + np.random.default_rng(i).bytes(31) for i in range(100))
    assert decode_audio(b"#!AMR\n" + frames).duration_s == pytest.approx(2.0, abs=0.05)

    with pytest.raises(EmptyAudioError):
        decode_audio(b"#!AMR\n")


def test_an_aac_stream_may_begin_anywhere() -> None:
    stream = recorded("aac", "-c:a aac")
    assert decode_audio(stream[len(stream) // 4 + 1 :]).duration_s == pytest.approx(3.3, abs=0.3)
    assert decode_audio(b"ID3\x04\0\0\0\0\0\x20" + bytes(32) + stream).duration_s == pytest.approx(4.4, abs=0.2)


@for_each("name", ["WebM with its length", "a voice memo, index last", "an M4A, index first", "Speex"])
@for_each("kept", [0.2, 0.5, 0.9])
def test_a_cut_recording_is_truncated(name: str, kept: float) -> None:
    data = recorded(*FORMATS[name])
    with pytest.raises(TruncatedAudioError, match="again"):
        decode_audio(data[: int(len(data) * kept)])


def test_a_little_that_is_missing_at_the_end_does_not_matter() -> None:
    for name in ("Chrome's WebM", "Safari's MP4", "an M4A, index first", "AAC with ADTS headers"):
        data = recorded(*FORMATS[name])
        assert decode_audio(data[: int(len(data) * 0.98)]).duration_s == pytest.approx(4.2, abs=0.3), name


def test_an_inverted_channel_in_a_phones_stereo_does_not_silence_the_voice() -> None:
    data = recorded("m4a", "-af pan=stereo|c0=c0|c1=-1*c0 -c:a aac")
    assert decode_audio(data).samples.std() > 0.8 * load_audio(SPEECH).samples.std()


def test_long_recordings_are_refused_without_being_decoded() -> None:
    data = recorded("m4a", "-af apad=whole_dur=1200 -c:a aac -b:a 16k")
    with pytest.raises(AudioTooLongError, match="the limit is 3 s"):
        decode_audio(data, AudioLimits(max_seconds=3))
    output = transcoding.transcode(data, 3)
    assert len(output) <= 4.1 * SAMPLE_RATE * 2


@pytest.mark.parametrize(
    "data",
    [
        b"\x1a\x45\xdf\xa3" + bytes(500),
        b"\0\0\0\x20ftypM4A " + bytes(500),
        b"caff\0\1\0\0" + bytes(500),
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(500),
        b"OggS" + bytes(500),
    ],
)
def test_what_only_begins_like_a_recording_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedAudioError, match="no sound in it"):
        decode_audio(data)


def test_a_film_without_sound_is_unsupported() -> None:
    data = recorded("webm", "-f lavfi -i color=size=64x64:rate=5:duration=1 -map 1:v -c:v libvpx")
    with pytest.raises(UnsupportedAudioError, match=r"WebM.*no sound in it"):
        decode_audio(data)


def test_a_playlist_opens_no_file_and_no_address(tmp_path: Path) -> None:
    """ffmpeg follows a playlist wherever it leads; it is never handed one."""
    speech = tmp_path / "speech.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(SPEECH), str(speech)], check=True)
    for playlist in (
        f"#EXTM3U\n#EXTINF:4,\nfile://{speech}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{speech}'\n",
    ):
        for disguise in ("", "OggS", "\x1a\x45\xdf\xa3", "caff"):
            with pytest.raises(AudioError):
                decode_audio(disguise.encode("latin-1") + playlist.encode())
        # Any bytes may be frames of AMR, 20 ms each, but never the speech.
        try:
            frames = decode_audio(b"#!AMR\n" + playlist.encode())
        except AudioError:
            continue
        assert frames.duration_s < 0.5 < load_audio(speech).duration_s


def test_without_ffmpeg_the_error_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {name: recorded(*FORMATS[name]) for name in ("Chrome's WebM", "3GP", "AAC with ADTS headers")}
    monkeypatch.setenv("PATH", str(tmp_path))
    for recording in data.values():
        with pytest.raises(UnsupportedAudioError, match=r"apt install ffmpeg.*or send WAV"):
            decode_audio(recording)
    assert load_audio(SPEECH).duration_s > 4


@pytest.mark.parametrize(
    ("does", "told"), [("exec sleep 60", "took too long"), ("exit 1", "no sound in it"), ("", "no sound")]
)
def test_an_ffmpeg_that_hangs_or_fails_is_ended(
    does: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(transcoding, "_START_S", 0.5)
    with pytest.raises(UnsupportedAudioError, match=told):
        decode_audio(b"#!AMR\n" + bytes(100), AudioLimits(max_seconds=1))
    assert not Path("/proc", re.sub(r"\s", "", (tmp_path / "pid").read_text())).exists()
