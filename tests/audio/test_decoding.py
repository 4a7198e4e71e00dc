from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cases import for_each

from emotionlayer_rasa.audio import (
    SAMPLE_RATE,
    AudioLimits,
    RawEncoding,
    StreamDecoder,
    Waveform,
    decode_audio,
    decode_raw,
    load_audio,
)
from emotionlayer_rasa.errors import (
    AudioTooLargeError,
    AudioTooLongError,
    ConfigurationError,
    EmptyAudioError,
    InvalidSamplesError,
    SilentAudioError,
    TruncatedAudioError,
    UnsupportedAudioError,
)
from emotionlayer_rasa.settings import read_settings

SPEECH = Path(__file__).parents[1] / "data" / "en_thanks.flac"


def tones(rate: int, seconds: float = 1.0, level: float = 0.4) -> np.ndarray:
    """Three tones inside the telephone band, so that no rate or codec removes any."""
    t = np.arange(int(rate * seconds)) / rate
    return level / 3 * sum(np.sin(2 * np.pi * hz * t) for hz in (440.0, 997.0, 1703.0))


def encode(samples: np.ndarray, rate: int, container: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def snr_db(heard: Waveform, expected: np.ndarray) -> float:
    """Of the middle part: filters and codecs ring at the edges."""
    assert abs(len(heard.samples) - len(expected)) <= 2
    middle = slice(len(expected) // 10, -len(expected) // 10)
    signal, noise = expected[middle], (heard.samples - expected[: len(heard.samples)])[middle]
    return float(10 * np.log10(np.mean(signal**2) / np.mean(noise**2)))


@for_each("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@for_each(
    "container, subtype, least_db",
    [
        ("WAV", "PCM_U8", 28),
        ("WAV", "PCM_16", 70),
        ("WAV", "PCM_24", 80),
        ("WAV", "PCM_32", 80),
        ("WAV", "FLOAT", 80),
        ("WAV", "DOUBLE", 80),
        ("WAV", "ULAW", 30),
        ("WAV", "ALAW", 30),
        ("WAVEX", "PCM_16", 70),
        ("RF64", "PCM_16", 70),
        ("FLAC", "PCM_16", 70),
        ("FLAC", "PCM_24", 80),
    ],
)
def test_every_rate_and_depth_keeps_the_sound(rate: int, container: str, subtype: str, least_db: float) -> None:
    heard = decode_audio(encode(tones(rate), rate, container, subtype))
    assert heard.samples.dtype == np.float32
    assert snr_db(heard, tones(SAMPLE_RATE)) > least_db


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [
        ("OGG", "VORBIS", 44100),
        ("OGG", "VORBIS", 16000),
        ("OGG", "OPUS", 48000),
        ("OGG", "OPUS", 16000),
        ("MP3", "MPEG_LAYER_III", 44100),
        ("MP3", "MPEG_LAYER_III", 16000),
    ],
)
def test_lossy_formats_keep_the_tones(container: str, subtype: str, rate: int) -> None:
    heard = decode_audio(encode(tones(rate, 2.0), rate, container, subtype))
    assert heard.duration_s == pytest.approx(2.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(heard.samples[:SAMPLE_RATE] * np.hanning(SAMPLE_RATE)))
    loudest = {int(hz) for hz in np.argsort(spectrum)[-9:]}
    assert {440, 997, 1703} <= loudest


@pytest.mark.parametrize(("encoding", "subtype"), [("mulaw", "ULAW"), ("alaw", "ALAW")])
@pytest.mark.parametrize("level", [0.9, 0.1, 0.02])
def test_g711_round_trip(encoding: str, subtype: str, level: float) -> None:
    raw = encode(tones(8000, level=level), 8000, "RAW", subtype)
    assert len(raw) == 8000
    # G.711 promises more than 33 dB over a wide range of levels (ITU-T G.712); resampling takes part of the band.
    assert snr_db(decode_raw(raw, encoding, 8000), tones(SAMPLE_RATE, level=level)) > 28


def test_g711_values_of_the_standard() -> None:
    """Code words and values (13/14 bit, scaled to 16) from the tables of ITU-T G.711."""
    codes = {
        "mulaw": {0x80: 32124, 0x00: -32124, 0xFF: 0, 0xF0: 120},
        "alaw": {0xAA: 32256, 0x2A: -32256, 0xD5: 8},
    }
    for encoding, values in codes.items():
        heard = decode_raw(bytes(values), encoding, SAMPLE_RATE)
        assert np.round(heard.samples * 32768).astype(int).tolist() == list(values.values())


def test_raw_pcm_is_little_endian_and_interleaved() -> None:
    data = struct.pack("<8h", *[16384, 0, -16384, 0, 8192, 8192, 0, -8192])
    assert decode_raw(data, "pcm16", SAMPLE_RATE, channels=2).samples.tolist() == [0.25, -0.25, 0.25, -0.125]


def test_channels_are_averaged() -> None:
    left, right = tones(16000), np.roll(tones(16000), 3)
    stereo = decode_audio(encode(np.stack([left, right], axis=1), 16000, "WAV", "FLOAT"))
    np.testing.assert_allclose(stereo.samples, (left + right) / 2, atol=1e-6)
    six = decode_audio(encode(np.stack([left] * 6, axis=1), 16000, "WAV", "FLOAT"))
    np.testing.assert_allclose(six.samples, left, atol=1e-6)


@for_each(
    "mix",
    [
        [1, -1],
        [1, -0.7],
        [0.5, -1],
        [1, 0],
        [0, 1],
        [1, 1e-3],
        [0, 0, 1, 0],
        [1, -1, 0, -1],
        [1, 1, -1, -1, 1, -1],
    ],
)
@for_each("container", ["WAV", "FLAC", "OGG", "RAW"])
def test_a_voice_is_never_averaged_away(mix: list[float], container: str) -> None:
    speech = soundfile.read(SPEECH, dtype="float32")[0]
    channels = np.outer(speech, mix)
    if container == "RAW":
        heard = decode_raw(encode(channels, 16000, "RAW", "PCM_16"), "pcm16", 16000, channels=len(mix))
    else:
        heard = decode_audio(
            encode(channels, 16000, container, "VORBIS" if container == "OGG" else "PCM_16"),
        )
    length = min(len(heard.samples), len(speech))
    assert abs(np.corrcoef(heard.samples[:length], speech[:length])[0, 1]) > 0.98
    assert heard.samples.std() > 0.7 * np.abs(mix).max() * speech.std()


def test_a_voice_against_itself_is_heard_through_what_the_channels_share() -> None:
    """A balanced line taken for stereo: the voice opposite, the hum alike, and louder. Then another talker."""
    speech = soundfile.read(SPEECH, dtype="float32")[0]
    hum = 0.3 * np.sin(np.arange(len(speech)) * 2 * np.pi * 50 / 16000)
    heard = decode_audio(encode(np.stack([speech + hum, hum - speech], axis=1) / 2, 16000, "WAV", "FLOAT"))
    np.testing.assert_allclose(np.abs(heard.samples), np.abs(speech) / 2, atol=1e-6)
    other = 2 * load_audio(SPEECH.with_name("en_order.flac")).samples
    other = np.resize(other, len(speech))
    three = np.stack([other, speech, -speech], axis=1) / 4
    heard = decode_audio(encode(three, 16000, "WAV", "FLOAT"))
    assert abs(np.corrcoef(heard.samples, speech)[0, 1]) > 0.5


def test_both_sides_of_a_call_are_kept() -> None:
    caller = load_audio(SPEECH).samples
    agent = np.resize(load_audio(SPEECH.with_name("en_order.flac")).samples, len(caller))
    heard = decode_audio(encode(np.stack([caller * 0.1, agent], axis=1), 16000, "WAV", "FLOAT"))
    either = np.minimum(
        np.abs(heard.samples - (agent + caller * 0.1) / 2), np.abs(heard.samples - (agent - caller * 0.1) / 2)
    )
    assert either.max() < 1e-6


def test_beyond_full_scale_is_clipped() -> None:
    samples = decode_audio(encode(tones(44100) * 9, 44100, "WAV", "FLOAT")).samples
    assert samples.max() == 1.0
    assert samples.min() == -1.0


def test_load_audio_reads_a_file() -> None:
    assert load_audio(SPEECH).duration_s == pytest.approx(4.41, abs=0.01)
    with pytest.raises(FileNotFoundError):
        load_audio(SPEECH.with_name("absent.flac"))
    with pytest.raises(AudioTooLargeError):
        load_audio(SPEECH, AudioLimits(max_bytes=1000))


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000])
def test_wav_from_a_pipe_has_no_length(size: int) -> None:
    data = bytearray(encode(tones(16000), 16000, "WAV", "PCM_16"))
    struct.pack_into("<I", data, 4, 0xFFFF_FFFF)
    struct.pack_into("<I", data, data.find(b"data") + 4, size)
    assert snr_db(decode_audio(bytes(data)), tones(16000)) > 70


@for_each("off", [44, 8, -2, 100, 3000, -3000])
@for_each("riff", [0, 36, 0xFFFF_FFFF])
@for_each("rate", [8000, 48000])
def test_a_wav_size_that_is_a_little_off_is_no_damage(off: int, riff: int, rate: int) -> None:
    data = bytearray(encode(tones(rate, 4.0), rate, "WAV", "PCM_16"))
    struct.pack_into("<I", data, 4, riff)
    struct.pack_into("<I", data, 40, 2 * 4 * rate + off)
    assert decode_audio(bytes(data)).duration_s == pytest.approx(4.0, abs=0.2)


def test_a_size_that_counts_a_long_header_is_no_damage() -> None:
    """Recorders of Apple's systems fill the header up to 4096 bytes."""
    data = encode(tones(8000), 8000, "WAV", "ULAW")
    start = data.find(b"data")
    filler = b"FLLR" + struct.pack("<I", 4096 - start - 16) + bytes(4096 - start - 16)
    whole = data[:start] + filler + b"data" + struct.pack("<I", 8000 + 4096) + data[-8000:]
    assert decode_audio(whole).duration_s == pytest.approx(1.0)


def test_a_word_that_is_missing_matters() -> None:
    """50 ms never matter; of a short answer a twentieth does, of anything a quarter of a second."""
    for seconds, missing_s, cut in (
        (0.6, 0.04, False),
        (0.6, 0.1, True),
        (4, 0.15, False),
        (30, 0.2, False),
        (30, 0.3, True),
    ):
        data = encode(tones(16000, seconds), 16000, "WAV", "PCM_16")[: -2 * int(16000 * missing_s)]
        if cut:
            with pytest.raises(TruncatedAudioError):
                decode_audio(data)
        else:
            assert decode_audio(data).duration_s == pytest.approx(seconds - missing_s, abs=0.01)


def test_flac_from_a_pipe_has_no_length() -> None:
    data = bytearray(SPEECH.read_bytes())
    data[21] &= 0xF0  # STREAMINFO's 36 bits of total samples
    data[22:26] = bytes(4)
    np.testing.assert_array_equal(decode_audio(bytes(data)).samples, load_audio(SPEECH).samples)
    with pytest.raises(AudioTooLongError):
        decode_audio(bytes(data), AudioLimits(max_seconds=2))


@for_each(
    "container, subtype",
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
@for_each("kept", [0.1, 0.5, 0.9])
def test_a_cut_file_is_truncated(container: str, subtype: str, kept: float) -> None:
    speech = load_audio(SPEECH).samples
    data = encode(speech, SAMPLE_RATE, container, subtype)
    decode_audio(data)
    with pytest.raises(TruncatedAudioError, match="again"):
        decode_audio(data[: int(len(data) * kept) | 1])


def id3v2(size: int) -> bytes:
    return b"ID3\x04\0\0" + bytes([0, 0, size >> 7, size & 0x7F]) + bytes(size)


ID3V1 = b"TAG" + bytes(125)
APE = b"APETAGEX" + struct.pack("<4I8x", 2000, 32, 0, 0xA000_0000)


@for_each("rate", [8000, 16000, 44100])
@for_each(
    "before, after",
    {
        "tags": (id3v2(128), ID3V1),
        "two tags": (id3v2(128) + id3v2(1000), b""),
        "tag and padding": (id3v2(0) + bytes(3000), b""),
        "padding": (bytes(5000), bytes(5000)),
        "part of a frame": (b"\x82\x19\xee\xff\xe3\x10" * 80, b""),
        "APE": (b"", APE + ID3V1),
        "begun frame": (b"", b"\xff\xfb"),
        "tag at the end": (b"", id3v2(100)),
    },
)
def test_what_surrounds_mp3_frames_is_no_damage(before: bytes, after: bytes, rate: int) -> None:
    frames = encode(tones(rate), rate, "MP3", "MPEG_LAYER_III")
    assert decode_audio(before + frames + after).duration_s == pytest.approx(1.0, abs=0.15)


def test_a_piece_of_an_mp3_stream_is_read() -> None:
    frames = encode(tones(16000, 5.0), 16000, "MP3", "MPEG_LAYER_III")
    piece = frames[len(frames) // 5 + 1 : -len(frames) // 5]
    assert decode_audio(piece).duration_s == pytest.approx(3.0, abs=0.5)
    assert decode_audio(id3v2(77) + piece).duration_s == pytest.approx(3.0, abs=0.5)


def test_a_tag_before_another_format_is_passed_over() -> None:
    assert decode_audio(id3v2(300) + SPEECH.read_bytes()).duration_s == pytest.approx(4.41, abs=0.01)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("AIFF", "PCM_16"),
        ("AIFF", "ULAW"),
        ("AU", "PCM_16"),
        ("CAF", "ALAC_16"),
        ("W64", "PCM_24"),
        ("WAV", "GSM610"),
    ],
)
def test_what_libsndfile_reads_is_read(container: str, subtype: str) -> None:
    assert decode_audio(encode(tones(16000), 16000, container, subtype)).duration_s == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("data", [b"RIFF", b"RIFF\x10\0\0\0WAVEfmt ", b"OggS", b"fLaC\0", b"ID3\x04"])
def test_a_bare_beginning_is_truncated(data: bytes) -> None:
    with pytest.raises(TruncatedAudioError):
        decode_audio(data)


def test_half_a_sample_is_truncated() -> None:
    with pytest.raises(TruncatedAudioError, match="1001 bytes"):
        decode_raw(bytes(1001), "pcm16", 8000)
    with pytest.raises(TruncatedAudioError):
        decode_raw(bytes(1002), "pcm16", 8000, channels=2)


def test_empty() -> None:
    with pytest.raises(EmptyAudioError):
        decode_audio(b"")
    with pytest.raises(EmptyAudioError):
        decode_raw(b"", "mulaw", 8000)
    for container, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16")):
        with pytest.raises(EmptyAudioError):
            decode_audio(encode(np.zeros(0), 16000, container, subtype))


@pytest.mark.parametrize(
    "samples", [np.zeros(16000), np.full(16000, 0.3), np.tile([2e-4, -2e-4], 8000)], ids=["zero", "dc", "faint"]
)
def test_silent(samples: np.ndarray) -> None:
    with pytest.raises(SilentAudioError, match="microphone"):
        decode_audio(encode(samples, 16000, "WAV", "FLOAT"))


@pytest.mark.parametrize(("encoding", "idle"), [("mulaw", b"\xff\x7f"), ("alaw", b"\xd5\x55")])
def test_an_idle_telephone_line_is_silent(encoding: str, idle: bytes) -> None:
    with pytest.raises(SilentAudioError):
        decode_raw(idle * 4000, encoding, 8000)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_invalid_samples(bad: float) -> None:
    with pytest.raises(InvalidSamplesError, match="16000 of 16000"):
        decode_audio(encode(np.full(16000, bad), 16000, "WAV", "FLOAT"))
    one = tones(48000)
    one[7] = bad
    with pytest.raises(InvalidSamplesError, match="1 of 48000"):
        decode_audio(encode(one, 48000, "WAV", "DOUBLE"))


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"Where is my order? " * 50, "WAV"),
        (b'{"text": "hello"}', "WAV"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "PNG"),
        (b"\x1a\x45\xdf\xa3" + bytes(500), "WebM"),
        (b"\0\0\0\x20ftypM4A " + bytes(500), "M4A"),
        (b"RIFF\x24\0\0\0AVI LIST" + bytes(500), "WAV"),
        (b"\xff\xfb\x90\x00" * 100, "WAV"),
        (b"\xff\xfb\x90\x00", "WAV"),
    ],
)
def test_what_is_no_audio_is_unsupported(data: bytes, named: str) -> None:
    with pytest.raises(UnsupportedAudioError, match=named):
        decode_audio(data)


def test_random_bytes_are_unsupported() -> None:
    random = np.random.default_rng(7)
    for _ in range(500):
        with pytest.raises(UnsupportedAudioError):
            decode_audio(random.bytes(2000))


def test_odd_layouts_are_unsupported() -> None:
    for data in (
        encode(np.stack([tones(16000)] * 9, axis=1), 16000, "WAV", "PCM_16"),
        encode(tones(16000), 1000, "WAV", "PCM_16"),
    ):
        with pytest.raises(UnsupportedAudioError):
            decode_audio(data)
    with pytest.raises(UnsupportedAudioError, match="pcm16, mulaw, alaw"):
        decode_raw(bytes(100), "opus", 8000)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedAudioError):
        decode_raw(bytes(100), "mulaw", 0)
    with pytest.raises(UnsupportedAudioError):
        decode_raw(bytes(100), "mulaw", 8000, channels=0)


def test_limits() -> None:
    data = encode(tones(8000, 3.0), 8000, "WAV", "PCM_16")
    with pytest.raises(AudioTooLongError, match=r"3\.0 s; the limit is 2 s"):
        decode_audio(data, AudioLimits(max_seconds=2))
    with pytest.raises(AudioTooLargeError, match="the limit is 100"):
        decode_audio(data, AudioLimits(max_bytes=100))
    assert decode_audio(data, AudioLimits(max_seconds=3, max_bytes=len(data))).duration_s == pytest.approx(3.0)
    with pytest.raises(AudioTooLongError):
        decode_raw(bytes([0x10, 0x80] * 20_000), "mulaw", 8000, limits=AudioLimits(max_seconds=4))
    mp3 = encode(tones(16000, 3.0), 16000, "MP3", "MPEG_LAYER_III")
    with pytest.raises(AudioTooLongError, match="more than 2 s"):
        decode_audio(mp3, AudioLimits(max_seconds=2))


def test_limits_are_checked_settings() -> None:
    with pytest.raises(ConfigurationError, match=r"max_second.*known here: max_bytes, max_seconds"):
        read_settings(AudioLimits, {"max_second": 3}, "credentials.yml, audio")
    with pytest.raises(ConfigurationError, match="max_bytes"):
        read_settings(AudioLimits, {"max_bytes": -1}, "credentials.yml, audio")
    assert read_settings(AudioLimits, None, "x") == AudioLimits(max_bytes=10 * 1024 * 1024, max_seconds=60)


def test_a_small_file_that_unpacks_into_hours_is_refused_without_unpacking() -> None:
    """Eight hours of silence are less than 2 MB of FLAC; with the length struck out only decoding can tell."""
    import tracemalloc

    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", samplerate=8000, channels=1, format="FLAC", subtype="PCM_16") as flac:
        for _ in range(48):
            flac.write(np.zeros(8000 * 600, np.int16))
    data = bytearray(file.getvalue())
    assert len(data) < 2**21
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    tracemalloc.start()
    with pytest.raises(AudioTooLongError):
        decode_audio(bytes(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20


@for_each("rate", [8000, 11025, 16000, 24000, 44100, 48000])
@for_each("encoding, subtype", [("pcm16", "PCM_16"), ("mulaw", "ULAW"), ("alaw", "ALAW")])
def test_a_stream_in_pieces_gives_what_the_whole_gives(rate: int, encoding: RawEncoding, subtype: str) -> None:
    raw = encode(tones(rate, 2.0), rate, "RAW", subtype)
    whole = decode_raw(raw, encoding, rate).samples
    random = np.random.default_rng(5)
    decoder = StreamDecoder(encoding, rate)
    pieces, position = [], 0
    while position < len(raw):
        size = int(random.integers(0, 900))  # odd ones too: half a sample
        pieces.append(decoder.feed(raw[position : position + size]))
        position += size
    streamed = np.concatenate([*pieces, decoder.finish()])
    assert streamed.dtype == np.float32
    assert abs(len(streamed) - len(whole)) <= 1
    count = min(len(streamed), len(whole))
    np.testing.assert_allclose(streamed[:count], whole[:count], atol=2e-4)


def test_a_stream_comes_out_while_it_comes_in() -> None:
    decoder = StreamDecoder("mulaw", 8000)
    heard = sum(len(decoder.feed(b"\x10\x90" * 80)) for _ in range(50))
    assert decoder.bytes_per_second == 8000
    assert 0 <= 16_000 - heard < 0.07 * 16_000


def test_a_stream_that_ends_in_half_a_sample_loses_only_that() -> None:
    decoder = StreamDecoder("pcm16", SAMPLE_RATE)
    assert decoder.feed(b"\x00\x40\x00").tolist() == [0.5]
    assert decoder.feed(b"\xc0").tolist() == [-0.5]
    assert decoder.feed(b"\x00").tolist() == decoder.finish().tolist() == []


def test_a_stream_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UnsupportedAudioError, match="pcm16, mulaw, alaw"):
        StreamDecoder("opus", 8000)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedAudioError, match="0 Hz"):
        StreamDecoder("mulaw", 0)
