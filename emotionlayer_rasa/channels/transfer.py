"""Passing a live call on to a person: where to, and what is said when nobody takes it."""

from __future__ import annotations

from functools import cache

from emotionlayer_rasa.language import DEFAULT_LANGUAGE, language_code, languages, read_file, read_own_file
from emotionlayer_rasa.settings import Settings, pydantic

_FILE = "transfer.yml"


class TransferSettings(Settings):
    """Keys of ``transfer``.

    Attributes:
        to: number, address or queue that calls are passed on to, in the words of the telephone system.
    """

    to: str = pydantic.Field(regex=r"^\S(.*\S)?$")


class TransferWording(Settings):
    """What ``languages/<code>/transfer.yml`` holds.

    Attributes:
        nobody_answered: what a caller is told who comes back.
    """

    nobody_answered: str = pydantic.Field(min_length=1)


@cache
def transfer_wording(language: str) -> TransferWording:
    """The wording of a language, or English where it has none; the bot's own stands in place of ours.

    Raises:
        ConfigurationError: names the file and what is wrong with it.
    """
    code = language_code(language)
    own = read_own_file(TransferWording, code, _FILE)
    return own or read_file(TransferWording, code if code in languages(_FILE) else DEFAULT_LANGUAGE, _FILE)
