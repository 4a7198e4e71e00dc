"""Recordings for the demonstration: the user's, the corpora, CREMA-D, or synthetic voices, in that order."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from emotionlayer_rasa.errors import ConfigurationError

DEMO_EMOTIONS = ("neutral", "joy", "sadness", "fear", "anger", "surprise", "anger")
"""The course of the demonstration call."""

CREMA_D_URL = "https://media.githubusercontent.com/media/CheyneyComputerScience/CREMA-D/master/AudioWAV"
CREMA_D_CLIPS = {
    "neutral": "1001_DFA_NEU_XX.wav",
    "joy": "1001_DFA_HAP_XX.wav",
    "sadness": "1001_DFA_SAD_XX.wav",
    "fear": "1001_DFA_FEA_XX.wav",
    "anger": "1001_DFA_ANG_XX.wav",
    "surprise": "1001_DFA_DIS_XX.wav",  # CREMA-D has no surprise; disgust stands in its place in the call
}

ESPEAK_LINES = {
    "neutral": ("Where is my order? The order number is one zero four two.", ["-s", "150", "-p", "45"]),
    "joy": ("Oh, that is wonderful, thank you so much!", ["-s", "185", "-p", "75", "-a", "130"]),
    "sadness": ("My parcel arrived broken. It was a gift.", ["-s", "110", "-p", "25", "-a", "60"]),
    "fear": ("I am worried that I will never get my money back.", ["-s", "190", "-p", "80", "-a", "80"]),
    "anger": ("This is the third time I call! I want my money back!", ["-s", "195", "-p", "60", "-a", "190"]),
    "surprise": ("What? You already sent it back?", ["-s", "170", "-p", "90", "-a", "130"]),
}
"""Words and espeak-ng options (rate, pitch, amplitude) that imitate the emotion."""


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


def shared_folder() -> Path:
    """Where the project's corpora lie if they are here: ``EMOTIONLAYER_SHARED``, else ``../shared``."""
    return Path(os.environ.get("EMOTIONLAYER_SHARED", "../shared"))


def find_calls(audio: tuple[Path, ...], folder: Path, crema_d_url: str = CREMA_D_URL) -> list[Call]:
    """One or two calls to demonstrate with.

    Args:
        audio: the user's files; nothing else is used when there are any.
        folder: where fetched or synthesised files are kept.
        crema_d_url: folder of CREMA-D's WAV files.

    Raises:
        ConfigurationError: there are no recordings at all; says what to do.
    """
    if audio:
        missing = [str(path) for path in audio if not path.is_file()]
        if missing:
            raise ConfigurationError(f"--audio: no such file: {', '.join(missing)}")
        return [Call("your files", tuple(Recording(path, "") for path in audio))]
    voiced = _from_corpora(shared_folder()) or _from_crema_d(folder, crema_d_url) or _from_espeak(folder)
    if voiced is None:
        raise ConfigurationError(
            "There are no recordings: CREMA-D's repository cannot be reached and espeak-ng is not installed. "
            "Name some with --audio FILES, or install espeak-ng."
        )
    return [voiced, *_shop_call()]


def _from_corpora(shared: Path) -> Call | None:
    manifest = shared / "speech" / "manifest.csv"
    if not manifest.is_file():
        return None
    with open(manifest, newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["speaker"] == "ravdess-17"]
    recordings: list[Recording] = []
    for emotion in DEMO_EMOTIONS:
        matches = [row for row in rows if row["emotion"] == emotion]
        strong = [row for row in matches if row["intensity"] == "strong"] or matches
        if strong:
            row = strong[len(recordings) % len(strong)]
            note = ", ".join(part for part in (row["original_label"], row["intensity"]) if part)
            recordings.append(Recording(shared / "speech" / row["path"], f"acted: {note}"))
    if not recordings:
        return None
    return Call("RAVDESS: acted speech of a speaker the model was trained on (CC BY-NC-SA 4.0)", tuple(recordings))


def _from_crema_d(folder: Path, url: str) -> Call | None:
    folder.mkdir(parents=True, exist_ok=True)
    recordings = []
    try:
        for emotion in DEMO_EMOTIONS:
            name = CREMA_D_CLIPS[emotion]
            path = folder / name
            if not path.is_file():
                answer = httpx.get(f"{url}/{name}", timeout=10, follow_redirects=True)
                answer.raise_for_status()
                path.write_bytes(answer.content)
            recordings.append(Recording(path, f"acted: {name.split('_')[2]}"))
    except httpx.HTTPError:
        return None
    return Call("CREMA-D (acted speech, Open Database License 1.0)", tuple(recordings))


def _from_espeak(folder: Path) -> Call | None:
    espeak = shutil.which("espeak-ng")
    if espeak is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    recordings = []
    for emotion in DEMO_EMOTIONS:
        words, options = ESPEAK_LINES[emotion]
        path = folder / f"espeak_{emotion}.wav"
        subprocess.run([espeak, "-v", "en-us", *options, "-w", str(path), words], check=True)
        recordings.append(Recording(path, f"synthetic, imitating {emotion}"))
    return Call("espeak-ng voices (synthetic: their emotion is only imitated)", tuple(recordings))


def _shop_call() -> list[Call]:
    """A customer's sentences, from the recordings that the repository ships for its tests."""
    clips = ("en_order", "en_complaint", "en_person", "en_thanks")
    files = [Path("tests/data") / f"{clip}.flac" for clip in clips]
    recordings = tuple(Recording(path, "synthetic voice") for path in files if path.is_file())
    return [Call("a customer of the shop (espeak-ng, shipped in tests/data)", recordings)] if recordings else []
