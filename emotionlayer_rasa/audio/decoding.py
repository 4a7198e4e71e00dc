"""Bytes to :class:`~emotionlayer_rasa.audio.Waveform`, through libsndfile (soundfile), ffmpeg and soxr."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterable, Iterator, Literal

import numpy as np
import soundfile
import soxr
from scipy.signal import butter, sosfilt

from emotionlayer_rasa.audio.containers import complete, matters, truncated
from emotionlayer_rasa.audio.transcoding import transcode
from emotionlayer_rasa.audio.waveform import SAMPLE_RATE, Waveform
from emotionlayer_rasa.errors import (
    AudioTooLargeError,
    AudioTooLongError,
    EmptyAudioError,
    InvalidSamplesError,
    SilentAudioError,
    UnsupportedAudioError,
)
from emotionlayer_rasa.settings import Settings, pydantic

RawEncoding = Literal["pcm16", "mulaw", "alaw"]
"""``pcm16``: signed 16 bit, little endian. ``mulaw``, ``alaw``: G.711, 8 bit a sample."""

_RAW_SUBTYPES = {"pcm16": ("PCM_16", 2), "mulaw": ("ULAW", 1), "alaw": ("ALAW", 1)}
_SAMPLE_RATES = range(4_000, 384_001)
_MAX_CHANNELS = 8
_BLOCK = 1024
"""Frames decoded at a time: a small file which unpacks into hours never fills the memory, and little is lost of a
block that ends in what cannot be decoded."""
_SILENT = 3e-4
"""Half the peak-to-peak range below which sound counts as silence: just above the smallest step of A-law, 8/32768,
which idle telephone lines send."""
_DEAD = 1e-4
"""Power, of the loudest channel's, below which a channel is dead: 40 dB."""
_VOICE_HZ = (200.0, 1500.0)
"""Where voices are strong, above mains hum, and neighbouring microphones hear them at about the same time."""


class AudioLimits(Settings):
    """What is accepted from a caller.

    Attributes:
        max_bytes: size of the recording as it comes in.
        max_seconds: length of the recording once decoded.
    """

    max_bytes: pydantic.PositiveInt = 10 * 1024 * 1024
    max_seconds: pydantic.PositiveFloat = 60.0


def decode_audio(data: bytes, limits: AudioLimits = AudioLimits()) -> Waveform:
    """Decode a recording: WAV (8 to 32 bit, float, G.711; any rate), FLAC, Ogg (Vorbis, Opus), MP3 or AIFF.

    Where ffmpeg is installed also WebM, MP4/M4A, AAC, 3GP and AMR. Channels are averaged, but for dead ones, and
    one that runs against the others is turned round first; samples beyond full scale are clipped, and the rate is
    converted to 16 kHz.

    Args:
        data: the whole file.
        limits: how much is accepted.

    Raises:
        EmptyAudioError: no bytes, or a header without samples.
        AudioTooLargeError: more bytes than ``limits.max_bytes``.
        AudioTooLongError: more seconds than ``limits.max_seconds``.
        UnsupportedAudioError: not audio, none of the formats above, or one that takes ffmpeg where that is not
            installed.
        TruncatedAudioError: the file ends so early, or is so damaged, that it matters.
        InvalidSamplesError: a sample is NaN or infinite.
        SilentAudioError: all samples are the same, or nearly.
    """
    _check_size(len(data), limits)
    data = complete(data)
    if not _opens(data):
        data = complete(transcode(data, limits.max_seconds))
    return _read(data, limits)


def decode_raw(
    data: bytes,
    encoding: RawEncoding,
    sample_rate: int,
    channels: int = 1,
    limits: AudioLimits = AudioLimits(),
) -> Waveform:
    """Decode samples without a header, as telephone systems send them.

    Args:
        data: the samples, channels interleaved.
        encoding: one of :data:`RawEncoding`.
        sample_rate: Hz; 8000 on the telephone.
        channels: number of channels; they become one as in :func:`decode_audio`.
        limits: how much is accepted.

    Raises:
        UnsupportedAudioError: the encoding, rate or number of channels is not supported.
        TruncatedAudioError: the bytes are no whole number of samples.
        AudioError: as :func:`decode_audio`.
    """
    _check_size(len(data), limits)
    _check_encoding(encoding)
    _check_layout(sample_rate, channels)
    subtype, width = _RAW_SUBTYPES[encoding]
    if len(data) % (width * channels):
        raise truncated(f"{len(data)} bytes are no whole number of {encoding} samples in {channels} channel(s)")
    return _read(
        data,
        limits,
        format="RAW",
        subtype=subtype,
        endian="LITTLE",
        samplerate=sample_rate,
        channels=channels,
    )


def load_audio(path: str | Path, limits: AudioLimits = AudioLimits()) -> Waveform:
    """Decode a file; its size is checked before it is read.

    Raises:
        OSError: the file cannot be read.
        AudioError: as :func:`decode_audio`.
    """
    path = Path(path)
    _check_size(path.stat().st_size, limits)
    return decode_audio(path.read_bytes(), limits)


class StreamDecoder:
    """Decodes samples without a header while they come in, in pieces of any size.

    The pieces together, with those of :meth:`finish`, are what :func:`decode_raw` gives for the whole; the
    resampler holds back up to 70 ms at 8 kHz. Mono only.

    Args:
        encoding: one of :data:`RawEncoding`.
        sample_rate: Hz.

    Raises:
        UnsupportedAudioError: the encoding or the rate is not supported.
    """

    def __init__(self, encoding: RawEncoding, sample_rate: int) -> None:
        _check_encoding(encoding)
        _check_layout(sample_rate, 1)
        self.bytes_per_second = sample_rate * _RAW_SUBTYPES[encoding][1]
        self._encoding = encoding
        self._rest = b""
        self._resampler = None
        if sample_rate != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")

    def feed(self, data: bytes) -> np.ndarray:
        """The next samples, float32 of shape (n,) at 16 kHz; half a sample at the end waits for its other half."""
        data = self._rest + data
        if self._encoding == "pcm16":
            whole = len(data) // 2 * 2
            data, self._rest = data[:whole], data[whole:]
            samples = np.frombuffer(data, "<i2").astype(np.float32) / 32768
        else:
            samples = _g711_values(self._encoding)[np.frombuffer(data, np.uint8)]
        return self._resampled(samples)

    def finish(self) -> np.ndarray:
        """The stream is over: what is left, as :meth:`feed`. Half a sample is dropped."""
        self._rest = b""
        return self._resampled(np.empty(0, np.float32), last=True)

    def _resampled(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        if self._resampler is None:
            return samples
        return np.clip(self._resampler.resample_chunk(samples, last=last), -1.0, 1.0)


@lru_cache(maxsize=2)
def _g711_values(encoding: RawEncoding) -> np.ndarray:
    """What each of the 256 code words means, as libsndfile decodes it."""
    codes = io.BytesIO(bytes(range(256)))
    values, _ = soundfile.read(
        codes, dtype="float32", format="RAW", subtype=_RAW_SUBTYPES[encoding][0], samplerate=8000, channels=1
    )
    return values


class _ForwardFile(soundfile.SoundFile):
    """Reads straight ahead: soundfile's own bookkeeping seeks, which fails in FLAC of undeclared length."""

    def seekable(self) -> bool:
        return False


def _opens(data: bytes) -> bool:
    try:
        _ForwardFile(io.BytesIO(data)).close()
    except (soundfile.LibsndfileError, TypeError):
        if data.startswith(b"fLaC"):
            raise truncated("its FLAC header is incomplete or damaged") from None
        return False
    return True


def _read(data: bytes, limits: AudioLimits, **raw: Any) -> Waveform:
    with _ForwardFile(io.BytesIO(data), **raw) as file:
        _check_layout(file.samplerate, file.channels)
        rate, channels = file.samplerate, file.channels
        # Pipes leave the length out, and of an MP3 libsndfile can only guess it: those are counted while reading.
        declared = file.frames if file.format != "MP3" and file.frames < 2**62 else None
        if declared is not None and declared > limits.max_seconds * rate:
            raise _too_long(f"{declared / rate:.1f} s", limits)
        blocks = _blocks(file, declared, limits)
        if channels == 1:
            samples = _joined(block[:, 0] for block in blocks)
        else:
            weights = _channel_weights(channels, rate, blocks)
    if channels > 1:
        # Decoded twice, since all channels of a long recording at once would take much memory.
        with _ForwardFile(io.BytesIO(data), **raw) as file:
            samples = _joined(block @ weights for block in _blocks(file, declared, limits))
    if not len(samples):
        raise EmptyAudioError("The audio holds a header but no samples. Record again.")
    bad = int(np.count_nonzero(~np.isfinite(samples)))
    if bad:
        raise InvalidSamplesError(
            f"{bad} of {len(samples)} samples are NaN or infinite. Check the program that made the recording, "
            "or send 16-bit PCM."
        )
    if np.ptp(samples) / 2 < _SILENT:
        raise SilentAudioError("The audio is silent. Check the microphone, its volume and the mute switch.")
    samples = np.clip(samples, -1.0, 1.0)
    if rate != SAMPLE_RATE:
        samples = np.clip(soxr.resample(samples, rate, SAMPLE_RATE, quality="HQ"), -1.0, 1.0)
    return Waveform(np.ascontiguousarray(samples, dtype=np.float32))


def _blocks(file: soundfile.SoundFile, declared: int | None, limits: AudioLimits) -> Iterator[np.ndarray]:
    """The samples, float32 of shape (n, channels) at a time."""
    count, damaged = 0, False
    while True:
        try:
            # Not beyond the end, where a tag or padding may follow.
            wanted = _BLOCK if declared is None else min(_BLOCK, declared - count)
            block = file.read(wanted, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            block, damaged = np.empty((0, file.channels), np.float32), True
        if not len(block):
            break
        count += len(block)
        if count > limits.max_seconds * file.samplerate:
            raise _too_long(f"more than {limits.max_seconds:g} s", limits)
        yield block
    if declared is None:
        if damaged:
            raise truncated(f"it cannot be decoded beyond {count / file.samplerate:.1f} s")
    elif matters((declared - count) / file.samplerate, declared / file.samplerate):
        raise truncated(f"its header promises {declared} samples and there are {count}")


def _joined(blocks: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.float32), *blocks])


def _channel_weights(channels: int, rate: int, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """How channels become one without a voice that cancels out: float32 (channels,), absolute values summing to 1.

    From the loudest on, each channel is added with the sign with which it runs along with those before it. A dead
    one, which would only make the others quieter, is left out.

    Args:
        channels: how many.
        rate: frames a second, Hz.
        blocks: the frames, float32 (n, channels) each.
    """
    voice = butter(2, _VOICE_HZ, btype="bandpass", fs=rate, output="sos")
    state = np.zeros((len(voice), 2, channels))
    together = np.zeros((channels, channels))
    for block in blocks:
        heard, state = sosfilt(voice, np.nan_to_num(block), axis=0, zi=state)
        together += heard.T @ heard
    power = np.diag(together)
    weights = np.zeros(channels)
    for channel in np.argsort(-power, kind="stable"):
        if power[channel] >= _DEAD * power.max():
            weights[channel] = -1.0 if together[channel] @ weights < 0 else 1.0
    return (weights / np.abs(weights).sum()).astype(np.float32)


def _check_size(size: int, limits: AudioLimits) -> None:
    if not size:
        raise EmptyAudioError("There is no audio: zero bytes came in. Record again.")
    if size > limits.max_bytes:
        raise AudioTooLargeError(
            f"The audio has {size} bytes; the limit is {limits.max_bytes}. "
            "Send FLAC, Ogg or MP3, send shorter pieces, or raise 'max_bytes'."
        )


def _check_encoding(encoding: str) -> None:
    if encoding not in _RAW_SUBTYPES:
        raise UnsupportedAudioError(
            f"Raw encoding '{encoding}' is not supported. Use one of: {', '.join(_RAW_SUBTYPES)}."
        )


def _check_layout(sample_rate: int, channels: int) -> None:
    if sample_rate not in _SAMPLE_RATES or not 1 <= channels <= _MAX_CHANNELS:
        raise UnsupportedAudioError(
            f"{sample_rate} Hz in {channels} channel(s) is not supported. "
            f"Send {_SAMPLE_RATES.start} to {_SAMPLE_RATES.stop - 1} Hz in 1 to {_MAX_CHANNELS} channels."
        )


def _too_long(length: str, limits: AudioLimits) -> AudioTooLongError:
    return AudioTooLongError(
        f"The audio lasts {length}; the limit is {limits.max_seconds:g} s. "
        "Send shorter pieces, or raise 'max_seconds'."
    )
