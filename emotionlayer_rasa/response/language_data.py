"""Reading ``emotionlayer_rasa/languages/``: one folder a language, data only."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

LANGUAGES_DIR = Path(__file__).parent.parent / "languages"
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
