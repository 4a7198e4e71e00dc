"""Any folder with a manifest of ours, ``manifest.csv``, beside the recordings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from emotionlayer_rasa.evaluation.voice.manifest import Clip, read_manifest
from emotionlayer_rasa.training.corpora.layout import present, wrong_folder


def load_own(folder: Path) -> list[Clip]:
    """List the clips; paths in the manifest are relative to its folder."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise wrong_folder("shared", folder, "manifest.csv")
    return present("shared", folder, (replace(clip, path=folder / clip.path) for clip in read_manifest(manifest)))
