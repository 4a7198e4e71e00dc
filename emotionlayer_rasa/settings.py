"""Reading settings: unknown keys and bad values stop the start, naming the key and what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence, TypeVar

from emotionlayer_rasa.errors import ConfigurationError

if TYPE_CHECKING:
    import pydantic
else:  # all settings are written for pydantic 1, which Rasa 3.6 needs, and which pydantic 2 brings along
    try:
        from pydantic import v1 as pydantic
    except ImportError:
        import pydantic


class Settings(pydantic.BaseModel):
    """Base of every settings class: immutable, and no unknown key passes."""

    class Config:
        extra = pydantic.Extra.forbid
        frozen = True


S = TypeVar("S")


def read_settings(cls: type[S], values: Any, where: str) -> S:
    """Build ``cls`` from what a YAML file holds.

    Args:
        cls: the settings class, or a type such as ``dict[str, str]``.
        values: keys and values; None means all defaults.
        where: file and key the user knows the values by, for the error message.

    Raises:
        ConfigurationError: names each wrong key, what is wrong with it and the allowed keys or values.
    """
    try:
        return pydantic.parse_obj_as(cls, {} if values is None else values)
    except pydantic.ValidationError as error:
        problems = []
        for item in error.errors():
            _, *loc = item["loc"]  # the first part stands for the whole
            key = ".".join(map(str, loc))
            if not loc:
                wanted = "expected keys and values" if item["type"] == "type_error.dict" else item["msg"]
                problems.append(f"{wanted}, got {type(values).__name__}")
            elif item["type"] == "value_error.extra":
                problems.append(f"'{key}' is no known key (known here: {_known_keys(cls, loc)})")
            else:
                problems.append(f"'{key}': {item['msg']}")
        raise ConfigurationError(f"{where}: {'; '.join(problems)}") from None


def _known_keys(cls: Any, loc: Sequence[Any]) -> str:
    model = cls
    for part in loc[:-1]:
        field = getattr(model, "__fields__", {}).get(part)
        if field is None:
            break
        model = field.type_
    return ", ".join(getattr(model, "__fields__", {}))
