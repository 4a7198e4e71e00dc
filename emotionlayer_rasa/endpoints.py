"""Reading our sections of ``endpoints.yml``, and what the servers they name ask for."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Mapping, TypeVar

import yaml

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.logs import log_place
from emotionlayer_rasa.settings import Settings, read_settings

S = TypeVar("S", bound=Settings)

ENDPOINTS_VARIABLE = "EMOTIONLAYER_ENDPOINTS"
"""Environment variable with the path of ``endpoints.yml``, where it is not in the working folder."""


def read_section(cls: type[S], name: str, path: str | Path | None = None) -> S | None:
    """Read one section; as in Rasa, ``${NAME}`` stands for an environment variable.

    Args:
        cls: the settings class.
        name: key of the section.
        path: the file; None takes ``EMOTIONLAYER_ENDPOINTS``, else ``endpoints.yml`` in the working folder.

    Returns:
        None where the file or the section is missing.

    Raises:
        ConfigurationError: a named file is missing, is no YAML, or holds an unknown key or a bad value.
    """
    named = path or os.environ.get(ENDPOINTS_VARIABLE)
    file = Path(named or "endpoints.yml")
    log_place("endpoints", file.absolute(), "no language model, no handoff, and the default profile of replies")
    if not file.is_file():
        if named:
            raise ConfigurationError(f"There is no file {file}. Correct the path in {ENDPOINTS_VARIABLE}.")
        return None
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        raise ConfigurationError(f"{file} is no valid YAML. Check its indentation and quotes.") from None
    section = content.get(name) if isinstance(content, Mapping) else None
    if section is None:
        return None
    where = f"{file}, {name}"
    if isinstance(section, Mapping):
        section = expanded(section, where)
    return read_settings(cls, section, where)


def expanded(value: Any, where: str) -> Any:
    """What a YAML file holds, with the values of environment variables in place of their ``${NAME}``.

    Raises:
        ConfigurationError: names the variables that are not set, and the key.
    """
    if isinstance(value, Mapping):
        return {key: expanded(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [expanded(item, where) for item in value]
    if not isinstance(value, str):
        return value
    missing = [name for name in re.findall(r"\$\{(\w+)\}", value) if name not in os.environ]
    if missing:
        raise ConfigurationError(f"{where}: set the environment variable {', '.join(missing)}, or remove it here.")
    return re.sub(r"\$\{(\w+)\}", lambda match: os.environ[match.group(1)], value)


def retry_after_s(header: str) -> float:
    """Seconds that a ``Retry-After`` asks for, itself or by a date (RFC 9110, 10.2.3); 0 for anything else."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return 0.0
    if date.tzinfo is None:  # "-0000": UTC, of a sender that does not tell its zone
        date = date.replace(tzinfo=timezone.utc)
    return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
