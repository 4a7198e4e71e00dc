"""What kind of recording is it, and is it complete? Decoders read what is left of a cut file without a word.

A file counts as cut only when enough is missing to matter (:func:`_matters`): programs write sizes that are off by
their own header, and an MP3 may begin and end anywhere.

Sources: Microsoft/IBM "Multimedia Programming Interface and Data Specifications 1.0" (RIFF), RFC 3533 (Ogg),
ISO/IEC 11172-3 and 13818-3 (MPEG audio frame headers), id3.org (ID3v2), ISO/IEC 13818-7 (ADTS), ISO/IEC 14496-12
(MP4), RFC 8794 and 9559 (EBML, Matroska). FLAC needs no look: its decoder reports a cut file.
"""

from __future__ import annotations

import struct
from typing import Callable

from emotionlayer_rasa.errors import EmptyAudioError, TruncatedAudioError, UnsupportedAudioError

_FOREIGN = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip",
}
_DEMUXERS = {
    b"RIFF": ("WAV", "wav"),
    b"OggS": ("Ogg", "ogg"),
    b"FORM": ("AIFF", "aiff"),
    b"caff": ("CAF", "caf"),
    b"\x1a\x45\xdf\xa3": ("WebM/Matroska", "matroska"),
    b"#!AMR": ("AMR", "amr"),
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": ("WMA", "asf"),
}
"""First bytes: what it is, and ffmpeg's name of what reads it."""
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""What an MP4, 3GP or QuickTime file may begin with."""

_STREAMED_SIZE = 0x7F00_0000
"""From here on the size in a WAV or AIFF header means "not known when the header was written" (ffmpeg: 0xFFFFFFFF,
sox: 0x7FFFFFFF less the header, or 0x7F000000 and more); no recording within a sane byte limit comes near it."""
_JUNK = 65_536
"""Bytes before the first frame of an MP3 or AAC stream that are passed over: the rest of a frame, or padding."""
_CHAIN = 3
"""Frames that follow each other are no sync word by chance."""


def complete(data: bytes) -> bytes:
    """Check that a file holds what its headers promise.

    Args:
        data: the whole file.

    Returns:
        The bytes to decode: the file itself; without tags and junk before the sound; with the sizes set right in a
        WAV header that was written before the length was known (as pipes and telephone systems do).

    Raises:
        EmptyAudioError: a header, but no samples.
        TruncatedAudioError: the file ends too early.
        UnsupportedAudioError: no recording of a kind that is known here.
    """
    data = _without_id3(data)
    if data.startswith((b"RIFF", b"RF64")):
        return _complete_wav(data)
    if data.startswith(b"OggS"):
        return _complete_ogg(data)
    if data.startswith(b"FORM") and len(data) >= 8:
        size = struct.unpack_from(">I", data, 4)[0]
        if size < _STREAMED_SIZE:
            _check_share(len(data), 8 + size)
        return data
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return _complete_webm(data)
    if data[4:8] in _MP4_BOXES:
        return _complete_mp4(data)
    if data.startswith((b"RIFX", b"riff", b"fLaC", b".snd")) or data.startswith(tuple(_DEMUXERS)):
        return data
    if not data.startswith(tuple(_FOREIGN)):
        for frame_size in (_mpeg_frame_size, _adts_frame_size):
            start = _first_frame(data, frame_size)
            if start is not None:
                return _complete_mpeg(data[start:])
    raise unsupported(data)


def demuxer(data: bytes) -> tuple[str, str] | None:
    """What a file is and ffmpeg's name of the demuxer for it; None where no such name is known."""
    if data[4:8] in _MP4_BOXES:
        return "MP4/M4A", "mov"
    if _adts_frame_size(data, 0):
        return "AAC", "aac"
    return next((kind for magic, kind in _DEMUXERS.items() if data.startswith(magic)), None)


def demuxers() -> frozenset[str]:
    """ffmpeg's names of all the demuxers that :func:`demuxer` may name."""
    return frozenset({"mov", "aac", *(reader for _, reader in _DEMUXERS.values())})


def unsupported(data: bytes) -> UnsupportedAudioError:
    """The error for bytes we cannot decode, naming what they seem to be."""
    known = demuxer(data)
    kind = known[0] if known else next((name for magic, name in _FOREIGN.items() if data.startswith(magic)), None)
    what = f"looks like {kind}, of a kind that is not read here" if kind else "is no audio that is read here"
    return UnsupportedAudioError(
        f"The data {what}. Send WAV (PCM, float or G.711), FLAC, Ogg (Vorbis or Opus), MP3 or AIFF, or, where the "
        "server has ffmpeg, WebM, MP4/M4A, AAC, 3GP or AMR; for raw samples, declare the encoding and the sample "
        "rate."
    )


def truncated(detail: str) -> TruncatedAudioError:
    """The error for a file that ends too early."""
    return TruncatedAudioError(f"The audio is cut off: {detail}. Send the whole file again.")


def matters(missing_s: float, whole_s: float) -> bool:
    """Whether so much is missing that a word may be: a twentieth or a quarter of a second, and never under 50 ms.

    Args:
        missing_s: what the header promises and the file does not hold, seconds.
        whole_s: what the header promises, seconds.
    """
    return missing_s > max(0.05, min(0.25, whole_s / 20))


def _check_share(present: int, promised: int) -> None:
    """For files whose length in seconds only a decoder can tell: a twentieth of the bytes may be missing."""
    if present < promised * 19 / 20:
        raise truncated(f"its header promises {promised} bytes and there are {present}")


def _without_id3(data: bytes) -> bytes:
    position = 0
    while data[position : position + 3] == b"ID3":
        if len(data) < position + 10:
            raise truncated("its ID3 tag is incomplete")
        size = 0
        for byte in data[position + 6 : position + 10]:
            size = size << 7 | byte & 0x7F
        footer = 10 if data[position + 5] & 0x10 else 0
        position += 10 + size + footer
        if position > len(data):
            raise truncated("its ID3 tag is incomplete")
    return data[position:] if position else data


def _complete_wav(data: bytes) -> bytes:
    if len(data) < 12:
        raise truncated("its WAV header is incomplete")
    if data[8:12] != b"WAVE":
        raise unsupported(data)
    large = data.startswith(b"RF64")  # whose sizes stand in a chunk of their own (EBU Tech 3306)
    position, bytes_per_second, large_size = 12, 0, 0
    while position + 8 <= len(data):
        name, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        body = position + 8
        if name == b"ds64" and body + 16 <= len(data):
            large_size = struct.unpack_from("<Q", data, body + 8)[0]
        if name == b"data" and large and size == 0xFFFF_FFFF:
            size = min(large_size, size)
        if name == b"fmt " and body + 12 <= len(data):
            bytes_per_second = struct.unpack_from("<I", data, body + 8)[0]
        if name == b"data":
            present = len(data) - body
            if not present:
                if size in (0, 0xFFFF_FFFF):
                    raise EmptyAudioError("The file holds a header but no samples. Record again.")
                raise truncated(f"its header promises {size} bytes of samples and there are none")
            streamed = size >= _STREAMED_SIZE or (size == 0 and present > 8)
            if size <= present and not streamed and not large:
                return data
            # A size may count the header too.
            if not streamed and size > len(data) and _wav_matters(size - present, size, bytes_per_second):
                raise truncated(f"its header promises {size} bytes of samples and there are {present}")
            sized = bytearray(data)
            # What fits into memory needs no large sizes: a chunk of that name is passed over in a RIFF.
            struct.pack_into("<4sI", sized, 0, b"RIFF", len(data) - 8)
            struct.pack_into("<I", sized, position + 4, present if streamed or size > present else size)
            return bytes(sized)
        position = body + size + (size & 1)
    raise truncated("its WAV header ends before the samples")


def _wav_matters(missing: int, size: int, bytes_per_second: int) -> bool:
    return not bytes_per_second or matters(missing / bytes_per_second, size / bytes_per_second)


def _complete_ogg(data: bytes) -> bytes:
    position = 0
    while position < len(data) and b"OggS".startswith(data[position : position + 4]):
        if len(data) < position + 27:
            raise truncated("its last Ogg page is incomplete")
        segments = data[position + 26]
        end = position + 27 + segments + sum(data[position + 27 : position + 27 + segments])
        if end > len(data):  # decoders leave out the whole page, a second of speech
            raise truncated("its last Ogg page is incomplete")
        position = end
    return data  # what follows the pages is a tag or padding


def _complete_webm(data: bytes) -> bytes:
    header = _ebml_size(data, 4)
    segment = header and sum(header)
    if segment and data[segment : segment + 4] == b"\x18\x53\x80\x67":
        size = _ebml_size(data, segment + 4)
        if size:  # browsers leave it out
            _check_share(len(data), sum(size))
    return data


def _ebml_size(data: bytes, position: int) -> tuple[int, int] | None:
    """Where an element's body begins and its size; None where that is not known."""
    first = data[position : position + 1]
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(data[position : position + width], "big") & (1 << 7 * width) - 1
    return None if value == (1 << 7 * width) - 1 else (position + width, value)


def _complete_mp4(data: bytes) -> bytes:
    position, names = 0, []
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size == 1 and position + 16 <= len(data):
            size = struct.unpack_from(">Q", data, position + 8)[0]
        end = position + size if size >= 8 else len(data)  # 0: to the end
        if end > len(data):
            if name in (b"moov", b"moof"):
                raise truncated("the index of its sound, or of a part of it, is incomplete")
            if name != b"mdat":
                break  # what follows the boxes is a tag or padding
            _check_share(len(data), end)
        names.append(name)
        position = end
    if b"mdat" in names and b"moov" not in names:
        raise truncated("its index, which recorders write last, is missing")
    return data


_MPEG_KBPS = {
    # (MPEG 1, layer III): the bit rates of header values 1 to 14.
    (True, True): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, False): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, True): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, False): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""By version: 1, 2 and 2.5."""


def _mpeg_frame(data: bytes, position: int) -> tuple[int, float] | None:
    """Bytes and seconds of the MPEG layer II or III frame whose header is at ``position``; None where none is."""
    header = data[position : position + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer, bitrate, rate = header[1] >> 3 & 3, header[1] >> 1 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer not in (1, 2) or not 1 <= bitrate <= 14 or rate == 3:
        return None
    kbps = _MPEG_KBPS[version == 3, layer == 1][bitrate - 1]
    hz = _MPEG_HZ[version][rate]
    samples = 576 if layer == 1 and version != 3 else 1152
    return samples * 125 * kbps // hz + (header[2] >> 1 & 1), samples / hz


def _mpeg_frame_size(data: bytes, position: int) -> int:
    frame = _mpeg_frame(data, position)
    return frame[0] if frame else 0


def _adts_frame_size(data: bytes, position: int) -> int:
    """Bytes of the AAC frame with an ADTS header at ``position``; 0 where there is none."""
    header = data[position : position + 7]
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size > 7 else 0


def _first_frame(data: bytes, frame_size: Callable[[bytes, int], int]) -> int | None:
    """Where the frames begin, of which there are a few in a row; None where there are none."""
    start = data.find(b"\xff", 0, _JUNK)
    while start >= 0:
        position, frames = start, 0
        while frames < _CHAIN and (size := frame_size(data, position)):
            position += size
            frames += 1
        if frames == _CHAIN and position <= len(data):
            return start
        start = data.find(b"\xff", start + 1, _JUNK)
    return None


def _complete_mpeg(data: bytes) -> bytes:
    """Of a stream of frames only the index of LAME and others (Xing, Info) in its first frame tells the length."""
    frame = _mpeg_frame(data, 0)
    index = max(data.find(tag, 0, frame[0]) for tag in (b"Xing", b"Info")) if frame else -1
    if frame and index > 0 and data[index + 7] & 3 == 3:
        frames, size = struct.unpack_from(">II", data, index + 8)
        whole_s = frames * frame[1]
        if size and matters(whole_s * (1 - len(data) / size), whole_s):
            raise truncated(f"its header promises {size} bytes and there are {len(data)}")
    return data
