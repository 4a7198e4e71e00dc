"""Reading settings: unknown keys and bad values stop the start, naming the key and what is allowed."""

from __future__ import annotations

from typing import Any, Mapping, TypeVar

import pydantic

from emotionlayer_rasa.errors import ConfigurationError


class Settings(pydantic.BaseModel):
    """Base of every settings class: immutable, and no unknown key passes."""

    class Config:
        extra = pydantic.Extra.forbid
        frozen = True


S = TypeVar("S", bound=Settings)


def read_settings(cls: type[S], values: Mapping[str, Any] | None, where: str) -> S:
    """Build ``cls`` from what a YAML file holds.

    Args:
        cls: the settings class.
        values: keys and values; None means all defaults.
        where: file and key the user knows the values by, for the error message.

    Raises:
        ConfigurationError: names each wrong key, what is wrong with it and the allowed keys or values.
    """
    try:
        return cls(**(values or {}))
    except pydantic.ValidationError as error:
        problems = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"])
            if item["type"] == "value_error.extra":
                problems.append(f"'{key}' is no known key (known here: {_known_keys(cls, item['loc'])})")
            else:
                problems.append(f"'{key}': {item['msg']}")
        raise ConfigurationError(f"{where}: {'; '.join(problems)}") from None
    except TypeError:
        raise ConfigurationError(f"{where}: expected keys and values, got {type(values).__name__}") from None


def _known_keys(cls: type[Settings], loc: tuple[Any, ...]) -> str:
    model: Any = cls
    for part in loc[:-1]:
        field = getattr(model, "__fields__", {}).get(part)
        if field is None:
            break
        model = field.type_
    return ", ".join(getattr(model, "__fields__", {}))
