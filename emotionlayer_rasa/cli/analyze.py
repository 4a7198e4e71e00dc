"""``emotionlayer analyze``: words, emotion and prosody of recordings, without Rasa."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

import click

if TYPE_CHECKING:
    from emotionlayer_rasa.hearing import Listener
    from emotionlayer_rasa.utterance import Utterance

SUFFIXES = {
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au"),
    *(".webm", ".weba", ".mka", ".m4a", ".mp4", ".aac", ".3gp", ".amr", ".caf", ".wma"),  # by ffmpeg
}
"""Files that are picked up from a folder; a file named on the command line is read whatever its name."""


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE_OR_DIR...")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
@click.option("--transcript/--no-transcript", default=True, help="Also transcribe (default), or emotion only.")
@click.option("--language", default="en", show_default=True, help="Language of the speakers, for the transcriber.")
@click.option("--transcriber", type=click.Choice(["vosk", "whisper"]), default="vosk", show_default=True)
@click.option("--transcription-model", help="Folder of the transcription model; else the model store finds one.")
@click.option("--engine", type=click.Choice(["onnx", "transformers"]), default="onnx", show_default=True)
@click.option("--emotion-model", help="open (default), research, or path or hub id of an emotion model.")
@click.option("--site", type=click.Path(path_type=Path), help="What emotionlayer adapt wrote.")
@click.option(
    "--caller",
    is_flag=True,
    help="Each folder holds one caller's utterances, in the order of their names: hear each with what the former "
    "ones taught.",
)
def analyze(
    paths: tuple[Path, ...],
    form: str,
    transcript: bool,
    language: str,
    transcriber: str,
    transcription_model: str | None,
    engine: str,
    emotion_model: str | None,
    site: Path | None,
    caller: bool,
) -> None:
    """Transcribe recordings and read their emotion.

    One row or JSON object a file on stdout. A bad file is one line on stderr; the others are still analysed, and
    the exit code is 1.
    """
    from emotionlayer_rasa.hearing import Listener, ListenerSettings
    from emotionlayer_rasa.settings import read_settings

    settings = read_settings(
        ListenerSettings,
        {
            "transcription": {
                "engine": transcriber,
                "language": language,
                transcriber: {"model": transcription_model},
            },
            "emotion": {"engine": engine, "model": emotion_model, "site": site and str(site)},
        },
        "emotionlayer analyze",
    )
    listener = Listener(settings)
    try:
        failures = asyncio.run(_analyze_all(listener, paths, transcript, form, caller))
    finally:
        listener.close()
    if failures:
        raise SystemExit(1)


async def _analyze_all(
    listener: Listener, paths: tuple[Path, ...], transcript: bool, form: str, one_caller: bool
) -> int:
    from emotionlayer_rasa.emotion import CallerVoice
    from emotionlayer_rasa.errors import AudioError, UnsupportedAudioError

    rows: list[dict[str, Any]] = []
    failures = 0
    await listener.warm_up(transcript=transcript)
    voices: dict[Path, CallerVoice] = {}
    for named, path in _files(paths):
        try:
            if path.is_dir():
                raise UnsupportedAudioError(
                    f"No audio file in this folder (looked for {', '.join(sorted(SUFFIXES))})."
                )
            voice = voices.setdefault(named, CallerVoice()) if one_caller else None
            utterance = await listener.hear(path.read_bytes(), transcript=transcript, caller=voice)
        except (AudioError, OSError) as error:
            failures += 1
            code = getattr(error, "code", "file")
            reason = error.strerror if isinstance(error, OSError) else str(error)
            click.echo(f"{path}: {code}: {reason}", err=True)
            continue
        row = _row(path, utterance)
        if form == "jsonl":
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            rows.append(row)
    if form == "table" and rows:
        _print_table(rows, transcript)
    return failures


def sounds_below(folder: Path) -> list[Path]:
    """All audio files below a folder, by their names."""
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)


def _files(paths: tuple[Path, ...]) -> Iterator[tuple[Path, Path]]:
    """The path that was named, and a file: of a folder all audio files below it, or itself when there are none."""
    for path in paths:
        if path.is_dir():
            yield from ((path, file) for file in sounds_below(path) or [path])
        else:
            yield path, path


def _row(path: Path, utterance: Utterance) -> dict[str, Any]:
    emotion = utterance.emotion
    return {
        "path": str(path),
        "transcript": utterance.transcript.text,
        "emotion": emotion.label,
        "confidence": round(emotion.confidence, 4),
        "adapted_from": emotion.adapted_from,
        "scores": {name: round(score, 4) for name, score in emotion.scores.items()},
        "valence": _round(emotion.valence),
        "arousal": _round(emotion.arousal),
        "dominance": _round(emotion.dominance),
        "words": asdict(utterance.words) if utterance.words else None,
        "affect": asdict(utterance.affect),
        "prosody": {name: _round(value) for name, value in asdict(utterance.prosody).items()}
        if utterance.prosody
        else None,
        "model": {"emotion": emotion.model, "transcription": utterance.transcript.model},
        "timings_ms": {name: round(value, 1) for name, value in utterance.timings_ms.items()},
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _print_table(rows: list[dict[str, Any]], transcript: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from emotionlayer_rasa.taxonomy import DIMENSIONS

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("file", overflow="fold", min_width=12)
    table.add_column("emotion", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in ("conf.", "V", "A", "D", "ms"):
        table.add_column(name, justify="right", no_wrap=True)
    if transcript:
        table.add_column("words", overflow="fold", min_width=12)
    for row in rows:
        cells = [row["path"], row["emotion"], row["affect"]["state"], _cell(row["confidence"], 2)]
        cells += [_cell(row[axis], 2) for axis in DIMENSIONS]
        cells.append(_cell(row["timings_ms"].get("hearing"), 0))
        table.add_row(*cells, *([row["transcript"]] if transcript else []))
    Console().print(table)


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
