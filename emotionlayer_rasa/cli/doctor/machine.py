"""The machine: Python, packages, models, what decodes and what speaks."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Iterator, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from emotionlayer_rasa.cli.doctor.findings import Finding
from emotionlayer_rasa.installation import DISTRIBUTION
from emotionlayer_rasa.rasa_versions import installed

if TYPE_CHECKING:
    from emotionlayer_rasa.synthesis import SynthesisSettings

_SHOWN = (DISTRIBUTION, "rasa", "rasa-pro", "rasa-sdk", "vosk", "onnxruntime")
_SOUND_FILES = (
    ("WAV", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
)
_VERSION = re.compile(r"\d+(?:\.\d+)+\S*")


def python(_: object) -> Iterator[Finding]:
    """Whether this Python is one that the package is for."""
    version = platform.python_version()
    wanted = metadata.metadata(DISTRIBUTION)["Requires-Python"] or ""
    if SpecifierSet(wanted).contains(version):
        yield Finding("Python", "ok", f"{version} ({wanted or 'any'})")
    else:
        yield Finding(
            "Python", "error", f"{version}, and {wanted} is needed.", "Install one, and the package in it."
        )


def packages(_: object) -> Iterator[Finding]:
    """Versions, extras, and requirements that are not met: of the package, and of all that it requires."""
    versions = ", ".join(f"{name} {_version(name)}" for name in _SHOWN if _version(name))
    extras = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    plain = {str(requirement) for requirement in _requirements(DISTRIBUTION, ())}
    there = [
        extra
        for extra in extras
        if all(_is_met(added) for added in _requirements(DISTRIBUTION, (extra,)) if str(added) not in plain)
    ]
    others = [extra for extra in extras if extra not in there]
    yield Finding("packages", "ok", versions)
    told = f"extras: {', '.join(there) or 'none'}; not installed: {', '.join(others) or 'none'}"
    yield Finding("packages", "ok", told)
    if installed() is None:
        without = "Rasa is not installed: what needs it does not work (README, 'Add it to your bot')."
        yield Finding("packages", "warning", without, "pip install 'emotionlayer-rasa[rasa]', on Python 3.10.")
    for owner, requirement in _unmet(there):
        name, version = requirement.name, _version(requirement.name)
        there_is = f"{name} {version} is installed" if version else f"{name} is missing"
        wanted = f"{name}{requirement.specifier}"
        yield Finding("packages", "error", f"{there_is}, and {owner} needs {wanted}.", f"pip install '{wanted}'")


def _unmet(extras: Sequence[str]) -> Iterator[tuple[str, Requirement]]:
    """Requirements that are not met, each with the package that has it."""
    waiting = [(DISTRIBUTION, tuple(extras))]
    seen = set(waiting)
    while waiting:
        owner, chosen = waiting.pop()
        for requirement in _requirements(owner, chosen):
            if not _is_met(requirement):
                yield owner, requirement
            elif (found := (canonicalize_name(requirement.name), tuple(sorted(requirement.extras)))) not in seen:
                seen.add(found)
                waiting.append(found)


def _requirements(distribution: str, extras: Sequence[str]) -> Iterator[Requirement]:
    """What a package requires on this machine, with its extras."""
    for line in metadata.requires(distribution) or []:
        if not extras and "extra" in line.partition(";")[2]:  # most lines of some packages, and slow to parse
            continue
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # of other people's packages, from before there was a standard
            continue
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def _is_met(requirement: Requirement) -> bool:
    installed = _version(requirement.name)
    return installed is not None and requirement.specifier.contains(installed, prereleases=True)


@cache
def _version(distribution: str) -> str | None:
    """The version that is installed; None where none is."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def models(_: object) -> Iterator[Finding]:
    """The models that are on this machine: licence, and whether their files are as they were installed."""
    from emotionlayer_rasa.cli.model_catalogue import catalogue
    from emotionlayer_rasa.model_store import ModelStore

    store = ModelStore()
    for model in catalogue():
        found = model.find(store)
        if found and found.damaged:
            damage = f"{model.name}: not as it was installed: {', '.join(found.damaged)}"
            yield Finding("models", "error", damage, model.renewal(found))
        elif found:
            yield Finding("models", "ok", f"{model.name}: {model.purpose}, {model.licence}, {found.summary}")


def codecs(_: object) -> Iterator[Finding]:
    """What libsndfile reads."""
    import soundfile

    missing = [f"{kind} ({codec})" for kind, codec in _SOUND_FILES if not soundfile.check_format(kind, codec)]
    version = f"libsndfile {soundfile.__libsndfile_version__}"
    if missing:
        yield Finding(
            "codecs",
            "error",
            f"{version} does not read {', '.join(missing)}.",
            "pip install --force-reinstall soundfile, which brings one of its own; or libsndfile 1.1 or later.",
        )
    else:
        kinds = ", ".join(f"Ogg {codec.title()}" if kind == "OGG" else kind for kind, codec in _SOUND_FILES)
        yield Finding("codecs", "ok", f"{version} reads {kinds}")


def ffmpeg(_: object) -> Iterator[Finding]:
    """Whether what browsers and phones record can be read."""
    from emotionlayer_rasa.audio.containers import demuxers

    path = shutil.which("ffmpeg")
    if path is None:
        yield Finding(
            "ffmpeg",
            "warning",
            "It is not on PATH: WebM, MP4/M4A, AAC, 3GP and AMR are refused.",
            "apt install ffmpeg",
        )
        return
    listed = set(re.findall(r"[\w,]+", _output(path, "-hide_banner", "-demuxers").replace(",", " ")))
    missing = sorted(demuxers() - listed)
    version = _VERSION.search(_output(path, "-version"))
    if missing:
        yield Finding(
            "ffmpeg",
            "warning",
            f"It does not read {', '.join(missing)}.",
            "Install the distribution's whole ffmpeg.",
        )
    else:
        yield Finding("ffmpeg", "ok", f"{version.group() if version else 'unknown version'} ({path})")


def speech(settings: SynthesisSettings, language: str) -> Iterator[Finding]:
    """Whether replies are spoken in live calls.

    Args:
        settings: the channel's ``synthesis:``.
        language: code of what callers speak.
    """
    from emotionlayer_rasa.synthesis import create_synthesizer
    from emotionlayer_rasa.synthesis.espeak import EspeakSynthesizer

    voice = create_synthesizer(settings)
    path = shutil.which("espeak-ng")
    if voice is None and settings.engine == "none":
        yield Finding("speech", "ok", "Replies stay text (synthesis: {engine: none}).")
    elif voice is None:
        yield Finding(
            "speech",
            "warning",
            "espeak-ng is not on PATH: replies in live calls stay text.",
            "apt install espeak-ng",
        )
    elif isinstance(voice, EspeakSynthesizer) and path:
        version = _VERSION.search(_output(path, "--version"))
        told = version.group() if version else "of unknown version"
        yield Finding("speech", "ok", f"espeak-ng {told} ({path}), voice {voice.voice(language)}")
    else:
        yield Finding("speech", "ok", voice.model)


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
