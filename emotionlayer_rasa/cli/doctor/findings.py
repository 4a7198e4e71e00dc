"""What an examination finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Callable, Iterable, Literal, TypeVar

from emotionlayer_rasa.errors import EmotionLayerError, MissingRasaError
from emotionlayer_rasa.logs import describe

Level = Literal["ok", "warning", "error"]
"""``warning``: it works, with less than there could be, or only the reader knows whether it is meant. ``error``:
it does not work, and must be mended."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: what was looked at.
        level: how it is.
        message: what was found.
        advice: what to do; empty where nothing is.
    """

    subject: str
    level: Level
    message: str
    advice: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON."""
        return asdict(self)


_OF_RASA = ("rasa", "rasa_sdk", "sanic")

T = TypeVar("T")
Check = Callable[[T], Iterable[Finding]]


def examine(subject: str, check: Check[T], thing: T) -> list[Finding]:
    """What a check finds; that it fails is a finding of its own, and the others go on."""
    findings: list[Finding] = []
    try:
        findings.extend(check(thing))
    except EmotionLayerError as error:
        findings.append(Finding(subject, "error", str(error)))
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package in _OF_RASA:
            needs = f"This needs Rasa. {MissingRasaError('rasa')}"
            findings.append(Finding(subject, "error", needs))
        else:
            missing = f"The package '{package}' is not installed, and this needs it."
            findings.append(Finding(subject, "error", missing, "Mend what the lines about packages name."))
    except Exception as error:
        findings.append(
            Finding(subject, "error", f"This could not be looked at ({describe(error)}).", "Please report it.")
        )
    return findings
