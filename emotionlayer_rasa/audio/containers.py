"""Is a recording complete? libsndfile decodes what is left of a cut file without a word, so we look ourselves.

Sources: Microsoft/IBM "Multimedia Programming Interface and Data Specifications 1.0" (RIFF), RFC 3533 (Ogg),
ISO/IEC 11172-3 and 13818-3 (MPEG audio frame headers). FLAC needs no look: its decoder reports a cut file.
"""

from __future__ import annotations

import struct

from emotionlayer_rasa.errors import EmptyAudioError, TruncatedAudioError, UnsupportedAudioError

_FOREIGN = {
    b"\x1a\x45\xdf\xa3": "WebM/Matroska",
    b"OggS": "Ogg with another codec than Vorbis or Opus",
    b"FORM": "AIFF",
    b".snd": "AU",
    b"#!AM": "AMR",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip",
}
_STREAMED_WAV_SIZE = 0x7FFF_F000
"""From here on a data size means "not known when the header was written" (ffmpeg: 0xFFFFFFFF, sox: 0x7FFFFFFF less
the header); no recording within a sane byte limit comes near it."""


def complete(data: bytes) -> bytes:
    """Check that a file holds all that its headers promise.

    Args:
        data: the whole file.

    Returns:
        The bytes to decode: the file itself, or a copy with the sizes filled in where a WAV header was written
        before the length was known (as pipes and telephone systems do).

    Raises:
        EmptyAudioError: a header, but no samples.
        TruncatedAudioError: the file ends too early.
        UnsupportedAudioError: neither WAV, FLAC, Ogg nor MP3.
    """
    if data.startswith(b"RIFF"):
        return _complete_wav(data)
    if data.startswith((b"RIFX", b"RF64", b"fLaC")):
        return data
    if data.startswith(b"OggS"):
        return _complete_ogg(data)
    if data.startswith(b"ID3") or _mp3_frame_size(data, 0):
        return _complete_mp3(data)
    raise unsupported(data)


def unsupported(data: bytes) -> UnsupportedAudioError:
    """The error for bytes we cannot decode, naming what they seem to be."""
    kind = next((name for magic, name in _FOREIGN.items() if data.startswith(magic)), None)
    if data[4:8] == b"ftyp":
        kind = "MP4/M4A"
    what = f"looks like {kind}, which is not read here" if kind else "is no audio that is read here"
    return UnsupportedAudioError(
        f"The data {what}. Send WAV (PCM, float or G.711), FLAC, Ogg (Vorbis or Opus) or MP3; "
        "for raw samples, declare the encoding and the sample rate."
    )


def truncated(detail: str) -> TruncatedAudioError:
    """The error for a file that ends too early."""
    return TruncatedAudioError(f"The audio is cut off: {detail}. Send the whole file again.")


def _complete_wav(data: bytes) -> bytes:
    if len(data) < 12:
        raise truncated("its WAV header is incomplete")
    if data[8:12] != b"WAVE":
        raise unsupported(data)
    position = 12
    while position + 8 <= len(data):
        name, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        body = position + 8
        if name == b"data":
            present = len(data) - body
            if not present:
                if size in (0, 0xFFFF_FFFF):
                    raise EmptyAudioError("The WAV file holds a header but no samples. Record again.")
                raise truncated(f"its header promises {size} bytes of samples and there are none")
            if size >= _STREAMED_WAV_SIZE or (size == 0 and present > 8):
                sized = bytearray(data)
                struct.pack_into("<I", sized, 4, len(data) - 8)
                struct.pack_into("<I", sized, position + 4, present)
                return bytes(sized)
            if size > present:
                raise truncated(f"its header promises {size} bytes of samples and there are {present}")
            return data
        position = body + size + (size & 1)
    raise truncated("its WAV header ends before the samples")


def _complete_ogg(data: bytes) -> bytes:
    position = 0
    while position < len(data):
        if data[position : position + 4] != b"OggS" or len(data) < position + 27:
            raise truncated("its last Ogg page is incomplete")
        lacing = data[position + 27 : position + 27 + data[position + 26]]
        end = position + 27 + data[position + 26] + sum(lacing)
        if end > len(data):
            raise truncated("its last Ogg page is incomplete")
        position = end
    return data


_MP3_KBPS = {
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2, and 2.5 below
}
_MP3_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mp3_frame_size(data: bytes, position: int) -> int:
    """Bytes of the MPEG layer III frame whose header is at ``position``; 0 where there is none."""
    header = data[position : position + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:  # sync, and layer III
        return 0
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or not 1 <= bitrate <= 14 or rate == 3:
        return 0
    kbps = _MP3_KBPS[3 if version == 3 else 2][bitrate - 1]
    per_kbps = 144_000 if version == 3 else 72_000
    return per_kbps * kbps // _MP3_HZ[version][rate] + (header[2] >> 1 & 1)


def _complete_mp3(data: bytes) -> bytes:
    position = 0
    if data.startswith(b"ID3"):
        if len(data) < 10:
            raise truncated("its ID3 tag is incomplete")
        size = 0
        for byte in data[6:10]:
            size = size << 7 | byte & 0x7F
        position = 10 + size
        if position > len(data):
            raise truncated("its ID3 tag is incomplete")
    frames = 0
    while size := _mp3_frame_size(data, position):
        position += size
        frames += 1
        if position > len(data):
            if frames < 3:  # a sync word by chance: no file of speech is that short
                raise unsupported(data)
            raise truncated("its last MP3 frame is incomplete")
    if frames < 2:
        raise unsupported(data)
    if len(data) - position in (1, 2, 3):  # less than a frame header: cut there
        raise truncated("its last MP3 frame is incomplete")
    return data  # what follows the frames is a tag (ID3v1, APE)
