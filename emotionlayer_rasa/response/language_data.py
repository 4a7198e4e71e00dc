"""Reading the folders of languages, data only: ``emotionlayer_rasa/languages/``, and ``languages/`` of a bot."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from emotionlayer_rasa.errors import ConfigurationError

LANGUAGES_DIR = Path(__file__).parent.parent / "languages"
OWN_LANGUAGES_DIR = Path("languages")
"""The bot's own folder, seen from where the action server runs; its wordings win over the package's."""
DEFAULT_LANGUAGE = "en"


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """Codes of the languages replies can be given in."""
    return tuple(sorted(path.parent.name for path in LANGUAGES_DIR.glob("*/replies.yml")))


def supported_language(*wishes: str | None) -> str:
    """The first wish that there are replies for (``it-IT`` counts as ``it``), else English."""
    for wish in wishes:
        code = (wish or "").replace("_", "-").split("-")[0].lower()
        if code in languages():
            return code
    return DEFAULT_LANGUAGE


@cache
def language_data(language: str, file: str) -> Any:
    """What a YAML file in the language's folder holds."""
    return yaml.safe_load((LANGUAGES_DIR / language / file).read_text(encoding="utf-8"))


def own_language_data(language: str, file: str) -> Any:
    """What the bot's own file of that name holds; None where there is none.

    Raises:
        ConfigurationError: the file is no valid YAML.
    """
    path = OWN_LANGUAGES_DIR / language / file
    if not path.is_file():
        return None
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        raise ConfigurationError(f"{path} is no valid YAML. Check its indentation and quotes.") from None
