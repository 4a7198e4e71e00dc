"""Recordings that libsndfile does not read, as browsers and phones make them, through the program ffmpeg.

ffmpeg is under the LGPL or the GPL, and reads what strangers send: it is only ever a process of its own, which is
told what it reads, opens nothing else, and has little time.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile

from emotionlayer_rasa.audio.containers import demuxer, unsupported
from emotionlayer_rasa.audio.waveform import SAMPLE_RATE
from emotionlayer_rasa.errors import UnsupportedAudioError

_START_S = 10.0
"""Seconds that a run may take; one more for each ten seconds of sound that are allowed."""
_MOST_CHANNELS = 8


def transcode(data: bytes, max_seconds: float) -> bytes:
    """A recording as WAV.

    Args:
        data: the whole file.
        max_seconds: how much sound is wanted.

    Returns:
        16-bit PCM at 16 kHz, channels as they are, at most a second more than ``max_seconds``. Its header was
        written before its length was known.

    Raises:
        UnsupportedAudioError: no kind of file that is known, ffmpeg is not installed, or it finds no sound.
    """
    known = demuxer(data)
    if known is None:
        raise unsupported(data)
    kind, reader = known
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise UnsupportedAudioError(
            f"The data looks like {kind}, which takes the program ffmpeg to read, and that is not on PATH. "
            "Install it on the server (apt install ffmpeg), or send WAV, FLAC, Ogg (Vorbis or Opus) or MP3."
        )
    seconds = max_seconds + 1
    command = [ffmpeg, "-nostdin", "-loglevel", "quiet", "-threads", "1"]
    # The format is named, so that no playlist is followed; there is no network, and external tracks are off.
    command += ["-protocol_whitelist", "file", "-f", reader, "-i", "file:/dev/stdin"]
    most_bytes = int(seconds * SAMPLE_RATE * 2 * _MOST_CHANNELS)
    command += ["-map", "0:a:0", "-t", f"{seconds:.3f}", "-fs", str(most_bytes)]
    command += ["-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le", "-map_metadata", "-1", "-f", "wav", "pipe:1"]
    # A file, since the index of an MP4 may come last, and one without a name, which is gone when the run is.
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        try:
            done = subprocess.run(
                command,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_START_S + max_seconds / 10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            why = "took too long" if isinstance(error, subprocess.TimeoutExpired) else "cannot be started"
            raise UnsupportedAudioError(
                f"The data looks like {kind}, and ffmpeg, which reads it, {why}. "
                "Send WAV, FLAC, Ogg (Vorbis or Opus) or MP3."
            ) from error
    if done.returncode or not done.stdout:
        raise UnsupportedAudioError(
            f"The data looks like {kind}, but ffmpeg finds no sound in it that it can decode. Record again, or "
            "send WAV, FLAC, Ogg (Vorbis or Opus) or MP3."
        )
    return done.stdout
