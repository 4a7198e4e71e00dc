"""What stands around the sound in a file, and what its sizes say: neither loses a word, nor hides a loss."""

from __future__ import annotations

import io
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cases import for_each

from emotionlayer_rasa.audio import SAMPLE_RATE, decode_audio, load_audio
from emotionlayer_rasa.errors import TruncatedAudioError

SPEECH = Path(__file__).parents[1] / "data" / "en_thanks.flac"
ID3V1 = b"TAG" + bytes(125)


def encode(container: str, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, load_audio(SPEECH).samples, SAMPLE_RATE, subtype, format=container)
    return file.getvalue()


def fragments(folder: Path) -> bytes:
    """As Safari records: an index of its own before each part of the sound."""
    file = folder / "recorded.mp4"
    options = "-c:a aac -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 500000"
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", "-i", str(SPEECH), *options.split(), str(file)]
    subprocess.run(command, check=True)
    return file.read_bytes()


@for_each("container", ["FLAC", "WAV", "AIFF", "RF64"])
@for_each("after", {"padding": bytes(3000), "a tag": ID3V1, "text": b"recorded by phone " * 9})
def test_what_follows_the_sound_is_no_damage(container: str, after: bytes) -> None:
    data = encode(container)
    np.testing.assert_array_equal(decode_audio(data + after).samples, decode_audio(data).samples)


def test_what_follows_an_mp4_is_no_damage(tmp_path: Path) -> None:
    data = fragments(tmp_path)
    whole = decode_audio(data)
    for after in (bytes(777), ID3V1, b"recorded by phone " * 9):
        np.testing.assert_array_equal(decode_audio(data + after).samples, whole.samples)


def test_of_a_flac_that_ends_a_few_bytes_early_the_rest_is_heard() -> None:
    file = io.BytesIO()
    speech = np.tile(load_audio(SPEECH).samples, 3)[: 5 * 4096 + 600]  # the last frame is a short one
    soundfile.write(file, speech, SAMPLE_RATE, "PCM_16", format="FLAC")
    heard = decode_audio(file.getvalue()[:-9])
    assert heard.duration_s == pytest.approx(len(speech) / SAMPLE_RATE, abs=0.1)


def test_an_mp4_cut_within_the_index_of_a_part_is_truncated(tmp_path: Path) -> None:
    data = fragments(tmp_path)
    with pytest.raises(TruncatedAudioError):
        decode_audio(data[: data.rindex(b"moof") + 40])


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7F00_0058])
def test_an_aiff_from_a_pipe_has_no_length(size: int) -> None:
    data = bytearray(encode("AIFF"))
    struct.pack_into(">I", data, 4, size)
    struct.pack_into(">I", data, data.index(b"SSND") + 4, size)
    np.testing.assert_array_equal(decode_audio(bytes(data)).samples, load_audio(SPEECH).samples)


@for_each("size", [0, 2**64 - 1])
def test_an_rf64_from_a_pipe_has_no_length(size: int) -> None:
    data = bytearray(encode("RF64"))
    struct.pack_into("<Q", data, data.index(b"ds64") + 16, size)
    np.testing.assert_array_equal(decode_audio(bytes(data)).samples, load_audio(SPEECH).samples)


@for_each("kept", [0.1, 0.5, 0.9])
def test_a_cut_rf64_is_truncated(kept: float) -> None:
    data = encode("RF64")
    with pytest.raises(TruncatedAudioError):
        decode_audio(data[: int(len(data) * kept) | 1])
