"""The assistant of this folder in another language: what differs is derived, and no second copy of it is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterable, Mapping

import yaml

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import own_file, read_own_file
from emotionlayer_rasa.words import LANGUAGES

_EXAMPLES = Path("data") / "nlu.yml"
_CHANNEL = "emotionlayer_rasa.VoiceInput"


def language_of_folder() -> str:
    """The language that ``config.yml`` names: that of the assistant as it lies here."""
    return str(_read(Path("config.yml"))["language"])


def train(language: str, model: Path) -> None:
    """Train the assistant in another language, unless the model is newer than all that it is made of.

    What callers say is ``nlu.yml`` of the bot's own folder of the language, in place of ``data/nlu.yml``; the
    responses of ``domain.yml`` are those of ``domain.yml`` there.

    Args:
        language: its code.
        model: the archive; a folder of its name beside it holds the configuration that was derived.

    Raises:
        ConfigurationError: there is no ``nlu.yml`` of the language, or Rasa cannot train; names the log.
    """
    examples = own_file(language, "nlu.yml")
    if not examples.is_file():
        raise ConfigurationError(f"There is no {examples}. Write there what callers say in that language.")
    work = model.parent / model.name.removesuffix(".tar.gz")
    work.mkdir(parents=True, exist_ok=True)
    config, domain, log = work / "config.yml", work / "domain.yml", work / "train.log"
    _write(config, translated_config(_read(Path("config.yml")), language))
    own = read_own_file(dict[str, Any], language, "domain.yml") or {}
    ours = _read(Path("domain.yml"))
    _write(domain, {**ours, "responses": {**ours["responses"], **own.get("responses", {})}})
    data = [*(path for path in sorted(_EXAMPLES.parent.glob("*.yml")) if path != _EXAMPLES), examples]
    if _is_newer(model, (config, domain, *data)):
        return
    command = [sys.executable, "-m", "rasa", "train", "--quiet", "--config", str(config), "--domain", str(domain)]
    command += ["--out", str(model.parent), "--fixed-model-name", work.name, "--data", *map(str, data)]
    with log.open("wb") as output:
        environment = {**os.environ, "RASA_TELEMETRY_ENABLED": "false"}
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        raise ConfigurationError(f"Rasa could not train the assistant in the language {language}; see {log}.")


def translated_config(config: Mapping[str, Any], language: str) -> dict[str, Any]:
    """``config.yml`` for another language.

    The spaCy model that it names is of its own language: without one, words are parted at blanks. Typed words of a
    language that no reader knows tell no emotion.
    """
    pipeline: list[dict[str, Any]] = []
    for component in config["pipeline"]:
        name = component["name"]
        if name == "SpacyTokenizer":
            pipeline.append({"name": "WhitespaceTokenizer"})
        elif name.endswith("EmotionExtractor"):
            text = component.get("text", True) and language in LANGUAGES
            pipeline.append({**component, "language": language, "text": text})
        elif not name.startswith("Spacy"):
            pipeline.append(component)
    return {**config, "language": language, "pipeline": pipeline}


def translated_credentials(language: str, folder: Path) -> Path:
    """``credentials.yml`` with a voice channel that hears another language, written into a folder."""
    path = folder / "credentials.yml"
    folder.mkdir(parents=True, exist_ok=True)
    credentials = _read(Path("credentials.yml"))
    channel = dict(credentials.get(_CHANNEL) or {})
    channel["transcription"] = {**(channel.get("transcription") or {}), "language": language}
    _write(path, {**credentials, _CHANNEL: channel})
    return path


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write what was derived; a file that holds it already keeps its time, by which the model's age is told."""
    text = yaml.safe_dump(dict(content), allow_unicode=True, sort_keys=False)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _is_newer(model: Path, files: Iterable[Path]) -> bool:
    return model.is_file() and model.stat().st_mtime >= max(file.stat().st_mtime for file in files)
