"""Recordings for the demonstration: the user's own, else clips that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emotionlayer_rasa.errors import ConfigurationError

CLIPS = Path(__file__).parent / "clips"
"""Acted speech of one person; its README names source and licence."""

ACTED = (
    ("1037_ITH_NEU_XX", "neutral"),
    ("1037_IOM_HAP_XX", "joy"),
    ("1037_MTI_SAD_XX", "sadness"),
    ("1037_TAI_FEA_XX", "fear"),
    ("1037_TIE_ANG_XX", "anger"),
    ("1037_IEO_DIS_HI", "disgust"),
    ("1037_IOM_ANG_XX", "anger"),
)
"""The course of the first call: clip, and what is acted."""


@dataclass(frozen=True)
class Recording:
    """A file, and what is known of it (the corpus's label, say)."""

    path: Path
    note: str


@dataclass(frozen=True)
class Call:
    """The recordings of one call, in order, and where they come from."""

    source: str
    recordings: tuple[Recording, ...]


def find_calls(audio: tuple[Path, ...]) -> list[Call]:
    """One or two calls to demonstrate with.

    Args:
        audio: the user's files; nothing else is used when there are any.

    Raises:
        ConfigurationError: one of the user's files is not there; names it.
    """
    if audio:
        missing = [str(path) for path in audio if not path.is_file()]
        if missing:
            raise ConfigurationError(f"--audio: no such file: {', '.join(missing)}")
        return [Call("your files", tuple(Recording(path, "") for path in audio))]
    acted = tuple(Recording(CLIPS / f"{clip}.ogg", f"acted: {emotion}") for clip, emotion in ACTED)
    return [Call("CREMA-D: acted speech (Open Database License 1.0)", acted), *_shop_call()]


def _shop_call() -> list[Call]:
    """A customer's sentences, from the recordings that the repository ships for its tests."""
    clips = ("en_order", "en_complaint", "en_person", "en_thanks")
    files = [Path("tests/data") / f"{clip}.flac" for clip in clips]
    recordings = tuple(Recording(path, "synthetic voice") for path in files if path.is_file())
    return [Call("a customer of the shop (espeak-ng, shipped in tests/data)", recordings)] if recordings else []
