"""``emotionlayer adapt``: learn what the callers of a site have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Iterator

import click

from emotionlayer_rasa.cli.analyze import SUFFIXES, sounds_below

if TYPE_CHECKING:
    from emotionlayer_rasa.emotion import CallerVoice, EmotionRecognizer


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--emotion-model", help="open (default), research, or path of an .onnx file.")
@click.option("--out", type=click.Path(path_type=Path), default="site.json", show_default=True)
def adapt(folders: tuple[Path, ...], emotion_model: str | None, out: Path) -> None:
    """Learn how this site's callers sound: line, microphones, rooms, accents.

    Each folder within FOLDERS holds recordings of one caller; a recording that lies in FOLDERS itself is a caller
    of its own. No labels are needed. The file that is written holds one mean over all callers, at least 50, so
    that nobody can be told from it. Name it in the settings as emotion: {site: FILE}, or with --site.
    """
    from rich.console import Console
    from rich.progress import track

    from emotionlayer_rasa.emotion import EmotionSettings, create_recognizer
    from emotionlayer_rasa.emotion.adaptation import learn_site, write_site
    from emotionlayer_rasa.emotion.onnx_recognizer import OnnxRecognizer

    recognizer = create_recognizer(EmotionSettings(model=emotion_model))
    assert isinstance(recognizer, OnnxRecognizer)  # the engine that the settings name
    people = list(_people(folders))
    bar = track(people, description="listening", console=Console(stderr=True))
    site = learn_site(
        (_learn(recognizer, recordings) for recordings in bar), recognizer.model, recognizer.description.adaptation
    )
    write_site(site, out)
    click.echo(f"Written: {out} ({site.callers} callers). Name it in the settings: emotion: {{site: {out}}}")


def _people(folders: tuple[Path, ...]) -> Iterator[list[Path]]:
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                yield sounds_below(path)
            elif path.suffix.lower() in SUFFIXES:
                yield [path]


def _learn(recognizer: EmotionRecognizer, recordings: list[Path]) -> CallerVoice:
    from emotionlayer_rasa.audio import load_audio
    from emotionlayer_rasa.emotion import CallerVoice
    from emotionlayer_rasa.errors import AudioError

    voice = CallerVoice()
    for path in recordings:
        try:
            recognizer.hear(load_audio(path), caller=voice).teach(voice)
        except AudioError as error:
            click.echo(f"{path}: {error.code}: {error}", err=True)
    return voice
