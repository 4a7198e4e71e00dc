"""The only reader of languages: their codes, their files, and what reading a text means in all of them.

Files of a language are data only, in ``emotionlayer_rasa/languages/<code>/``. A bot may have a ``languages/`` of
its own, in the folder where its servers are started; what a file there says goes before what the package's says.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.logs import log_place
from emotionlayer_rasa.settings import read_settings

DEFAULT_LANGUAGE = "en"

_PACKAGE_DIR = Path(__file__).parent
_FOLDER = "languages"

CLOSERS = "\"'”’»)\\]」』）"
_SENTENCE_END = re.compile(rf"[.!?…؟।۔]+[{CLOSERS}]*(?=\s+(\S))|[。！？｡]+[{CLOSERS}]*(?=[^。！？｡{CLOSERS}])|\n")
_LAST_WORD = re.compile(r"(?:^|(?<=[\s(\"'“‘«]))(\d+|[^\W\d_]+(?:\.[^\W\d_]+)*)\.$")
_BEFORE_A_NAME = re.compile(
    r"[^\W\d_]|mrs?|ms|dr|prof|st|vs|approx|e\.g|i\.e"
    r"|sigg?|dott|avv|ing|geom|p\.es|hr|fr|bzw|z\.b|d\.h|sra?|mme"
)
"""Words whose full stop ends no sentence, in languages the project ships or meets; and initials."""
_BEFORE_A_NUMBER = re.compile(r"no|nr|n|art|tel|ext|pag")
_BEFORE_A_SMALL_LETTER = re.compile(r"etc|ecc|[^\W\d_](?:\.[^\W\d_])+")
_LONGEST_ABBREVIATION = 16
"""Letters before a full stop that are looked at: more than any of these has."""


T = TypeVar("T")


def language_tag(language: str) -> str:
    """A language as tags are compared: ``en_GB`` gives ``en-gb``."""
    return language.strip().lower().replace("_", "-")


def language_code(language: str) -> str:
    """The code of a language without its region: ``en-GB`` and ``EN`` give ``en``."""
    return language_tag(language).split("-")[0]


@cache
def languages(file: str = "replies.yml") -> tuple[str, ...]:
    """Codes of the languages for which the package has a file; by default, of those replies can be given in."""
    folders = (_PACKAGE_DIR / _FOLDER).iterdir()
    return tuple(sorted(folder.name for folder in folders if (folder / file).is_file()))


def supported_language(*wishes: str | None) -> str:
    """The first wish that there are replies for (``it-IT`` counts as ``it``), else English."""
    codes = (language_code(wish or "") for wish in wishes)
    return next((code for code in codes if code in languages()), DEFAULT_LANGUAGE)


def place(language: str, file: str) -> str:
    """A file of the package as messages name it: ``emotionlayer_rasa/languages/en/replies.yml``."""
    return f"{_PACKAGE_DIR.name}/{_FOLDER}/{language}/{file}"


def read_file(kind: type[T], language: str, file: str) -> T:
    """What a YAML file of the package holds.

    Args:
        kind: what it must hold: a settings class, or a type such as ``dict[str, str]``.
        language: a code of :func:`languages`.
        file: its path in the language's folder.

    Raises:
        ConfigurationError: names the file, and the key that is missing, unknown or wrong.
    """
    path, where = _PACKAGE_DIR / _FOLDER / language / file, place(language, file)
    if not path.is_file():
        raise ConfigurationError(f"There is no {where}. Languages: {', '.join(languages(file))}.")
    return read_settings(kind, _content(path, where), where)


def read_own_file(kind: type[T], language: str, file: str) -> T | None:
    """What the bot's own file of that name holds; None where there is none, or an empty one.

    Raises:
        ConfigurationError: as :func:`read_file`.
    """
    path = own_file(language, file)
    content = _content(path, str(path)) if path.is_file() else None
    return None if content is None else read_settings(kind, content, str(path))


def own_file(language: str, file: str) -> Path:
    """Where the bot's own file of that name is, or would be."""
    return _own_folder() / language / file


def find_text(language: str, file: str, *, own: bool = True) -> tuple[str, str] | None:
    """The text of a file, such as a prompt, and its path; None where there is none.

    Args:
        language: a code of :func:`languages`.
        file: its path in the language's folder.
        own: the bot's own file, where there is one, stands in place of the package's.
    """
    folders = (_own_folder(), _PACKAGE_DIR / _FOLDER) if own else (_PACKAGE_DIR / _FOLDER,)
    path = next((path for folder in folders if (path := folder / language / file).is_file()), None)
    return (_text(path, str(path)), str(path)) if path else None


def spacy_folder(language: str) -> Path:
    """The folder of a language's spaCy pipeline, whose words Rasa's ``SpacyNLP`` reads; English has one."""
    return _PACKAGE_DIR / _FOLDER / language / "spacy"


def _own_folder() -> Path:
    folder = Path(_FOLDER)
    log_place("languages", folder.absolute(), "only the package's wordings and prompts are used")
    return folder


def _content(path: Path, where: str) -> Any:
    try:
        return yaml.safe_load(_text(path, where))
    except yaml.YAMLError:
        raise ConfigurationError(f"{where} is no valid YAML. Check its indentation and quotes.") from None


def _text(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where} is no text in UTF-8. Save it in that encoding.") from None
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be read: {error.strerror}.") from None


def fold(text: str) -> str:
    """A text in lower case, without accents, its apostrophes straight: ``L’Età`` gives ``l'eta``."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("’", "'").replace("‘", "'"))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def normalise(text: str) -> str:
    """Words in lower case, without accents, apart by one blank; an apostrophe parts words.

    Punctuation becomes a word of its own: ``?``, ``!``, or ``,`` for every other mark that parts clauses.

    Example:
        >>> normalise("È già la terza volta... c'è qualcuno?")
        'e gia la terza volta , c e qualcuno ?'
    """
    marks = re.sub(r"[.,;:!?…]+", lambda run: f" {_mark(run[0])} ", fold(text).replace("'", " "))
    return " ".join(re.findall(r"\w+|[,?!]", marks))


def _mark(run: str) -> str:
    return "?" if "?" in run else "!" if "!" in run else ","


def sentences(text: str, *, small_letters: bool = False) -> list[str]:
    """The sentences of a text, each with the blanks before it: joined, they are the text.

    Args:
        text: any text.
        small_letters: a sentence may begin with a small letter, as where somebody writes all in small letters.
    """
    ends = [0]
    while (end := sentence_end(text, ends[-1], small_letters=small_letters)) is not None:
        ends.append(end)
    pieces = [text[start:end] for start, end in zip(ends, [*ends[1:], len(text)], strict=True)]
    return [piece for piece in pieces if piece]


def sentence_end(text: str, start: int = 0, *, small_letters: bool = False) -> int | None:
    """Where the sentence ends that begins at ``start``, or behind blanks there; None for the last one.

    Whether a full stop ends a sentence shows in what follows: of text that grows, a sentence is the last one until
    the first letter of the next one is there.

    Args:
        text: any text.
        start: position in it.
        small_letters: as in :func:`sentences`.
    """
    start = len(text) - len(text[start:].lstrip())
    for end in _SENTENCE_END.finditer(text, start):
        if _ends_sentence(text, start, end, small_letters):
            return end.end()
    return None


def _ends_sentence(text: str, start: int, end: re.Match[str], small_letters: bool) -> bool:
    following = end.group(1)
    if following is None or not end.group().startswith((".", "…")):
        return True
    if following.islower() and not small_letters:
        return False
    last = _LAST_WORD.search(text[max(start, end.start() - _LONGEST_ABBREVIATION) : end.start() + 1])
    if last is None or end.group() != ".":
        return True
    word = last.group(1).lower()
    if word.isdigit():
        return end.start() - len(word) > start  # the number of a list's item stays with it
    if _BEFORE_A_NUMBER.fullmatch(word) and following.isdigit():
        return False
    if _BEFORE_A_SMALL_LETTER.fullmatch(word) and following.islower():
        return False
    return not _BEFORE_A_NAME.fullmatch(word)
