"""What is said in the demonstration: the user's recordings, clips that come with the package, or typed lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import DEFAULT_LANGUAGE, own_file, read_own_file

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

    @property
    def title(self) -> str:
        """The file's name."""
        return self.path.name

    def request(self, sender: str) -> dict[str, Any]:
        """The arguments of the request that says it."""
        return {"data": {"sender": sender}, "files": {"audio": (self.path.name, self.path.read_bytes())}}


@dataclass(frozen=True)
class TypedLine:
    """What a caller types."""

    text: str
    note = ""

    @property
    def title(self) -> str:
        """What stands in place of a file's name."""
        return "typed"

    def request(self, sender: str) -> dict[str, Any]:
        """The arguments of the request that says it."""
        return {"json": {"sender": sender, "message": self.text}}


@dataclass(frozen=True)
class Call:
    """The turns of one call, in order, and where they come from."""

    source: str
    turns: tuple[Recording | TypedLine, ...]

    @property
    def spoken(self) -> bool:
        """Whether somebody has to hear it."""
        return any(isinstance(turn, Recording) for turn in self.turns)


def find_calls(audio: tuple[Path, ...], language: str = DEFAULT_LANGUAGE) -> list[Call]:
    """One or two calls to demonstrate with.

    Args:
        audio: the user's files; nothing else is used when there are any.
        language: of the call. The clips that come with the package are in English; in any other language the lines
            of ``demo.yml`` in the bot's own folder of it are typed.

    Raises:
        ConfigurationError: one of the user's files, or ``demo.yml``, is not there; names it.
    """
    if audio:
        missing = [str(path) for path in audio if not path.is_file()]
        if missing:
            raise ConfigurationError(f"--audio: no such file: {', '.join(missing)}")
        return [Call("your files", tuple(Recording(path, "") for path in audio))]
    if language != DEFAULT_LANGUAGE:
        lines = read_own_file(tuple[str, ...], language, "demo.yml")
        if not lines:
            file = own_file(language, "demo.yml")
            raise ConfigurationError(f"There is no {file}. List there what a caller types, or give --audio.")
        return [Call(f"a customer of the shop ({language}, typed)", tuple(TypedLine(line) for line in lines))]
    acted = tuple(Recording(CLIPS / f"{clip}.ogg", f"acted: {emotion}") for clip, emotion in ACTED)
    return [Call("CREMA-D: acted speech (Open Database License 1.0)", acted), *_shop_call()]


def _shop_call() -> list[Call]:
    """A customer's sentences, from the recordings that the repository ships for its tests."""
    clips = ("en_order", "en_complaint", "en_person", "en_thanks")
    files = [Path("tests/data") / f"{clip}.flac" for clip in clips]
    recordings = tuple(Recording(path, "synthetic voice") for path in files if path.is_file())
    return [Call("a customer of the shop (espeak-ng, shipped in tests/data)", recordings)] if recordings else []
