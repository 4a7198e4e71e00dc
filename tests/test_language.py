"""The reader of languages: codes, files, folding and sentences; and nobody else reads those files."""

import ast
import logging
import re
from pathlib import Path
from typing import Any, Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionlayer_rasa import language, logs
from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.language import (
    find_text,
    fold,
    language_code,
    language_tag,
    languages,
    read_file,
    read_own_file,
    sentences,
)
from emotionlayer_rasa.settings import Settings

PACKAGE = Path(language.__file__).parent


class Wordings(Settings):
    hello: str
    times: Mapping[str, int] = {}


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder ``languages/en`` of a bot whose server is started beside it."""
    folder = tmp_path / "languages" / "en"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder ``languages/en`` of a package that holds nothing else."""
    folder = tmp_path / "package" / "languages" / "en"
    folder.mkdir(parents=True)
    monkeypatch.setattr(language, "_PACKAGE_DIR", tmp_path / "package")
    languages.cache_clear()
    yield folder
    languages.cache_clear()


@pytest.mark.parametrize(
    ("written", "tag", "code"),
    [
        ("en", "en", "en"),
        ("en-GB", "en-gb", "en"),
        ("it_IT", "it-it", "it"),
        (" IT ", "it", "it"),
        ("zh-Hant-TW", "zh-hant-tw", "zh"),
        ("", "", ""),
    ],
)
def test_a_language_has_one_code_however_it_is_written(written: str, tag: str, code: str) -> None:
    assert (language_tag(written), language_code(written)) == (tag, code)


def test_languages_are_those_that_have_the_file() -> None:
    assert languages() == ("de", "en", "es", "fr", "it", "pt")
    assert languages("ghost_words.yml") == ("de", "en", "es", "fr", "it", "ko", "pt")
    assert languages("nothing.yml") == ()


def test_folding_leaves_letters_alone() -> None:
    assert fold("L’Età È GIÀ ‘Ñ’") == "l'eta e gia 'n'"


WRONG = [
    ("hello: [", "wordings.yml is no valid YAML"),
    ("[hello]", "wordings.yml: expected keys and values, got list"),
    ("{helo: hi, hello: hi}", "wordings.yml: 'helo' is no known key (known here: hello, times)"),
    ("{times: {one: 1}}", "wordings.yml: 'hello': field required"),
    ("{hello: hi, times: {one: many}}", "wordings.yml: 'times.one': value is not a valid integer"),
    (b"hello: perch\xe8", "wordings.yml is no text in UTF-8"),
]


@pytest.mark.parametrize(("content", "said"), WRONG)
def test_a_wrong_file_is_named_with_its_key(package: Path, bot: Path, content: Any, said: str) -> None:
    for folder, read in ((package, read_file), (bot, read_own_file)):
        file = folder / "wordings.yml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ConfigurationError, match=re.escape(f"languages/en/{said}")):
            read(Wordings, "en", "wordings.yml")


def test_lists_are_read_as_strictly(package: Path) -> None:
    (package / "words.yml").write_text("[a, [b]]")
    with pytest.raises(ConfigurationError, match=r"languages/en/words.yml: '1': str type expected"):
        read_file(tuple[str, ...], "en", "words.yml")
    (package / "words.yml").write_text("{a: b}")
    with pytest.raises(ConfigurationError, match=r"languages/en/words.yml: value is not a valid tuple, got dict"):
        read_file(tuple[str, ...], "en", "words.yml")


def test_a_missing_file_of_the_package_is_named(package: Path) -> None:
    (package / "wordings.yml").write_text("hello: hi")
    with pytest.raises(ConfigurationError, match=r"no package/languages/it/wordings.yml. Languages: en\."):
        read_file(Wordings, "it", "wordings.yml")


def test_the_bots_own_file_goes_first_and_may_be_missing_or_empty(package: Path, bot: Path) -> None:
    assert read_own_file(Wordings, "en", "wordings.yml") is None
    assert find_text("en", "hello.j2") is None
    (package / "hello.j2").write_text("ours")
    assert find_text("en", "hello.j2") == ("ours", str(package / "hello.j2"))
    (bot / "hello.j2").write_text("theirs")
    assert find_text("en", "hello.j2") == ("theirs", str(Path("languages/en/hello.j2")))
    assert find_text("en", "hello.j2", own=False) == ("ours", str(package / "hello.j2"))
    (bot / "wordings.yml").write_text("# nothing yet")
    assert read_own_file(Wordings, "en", "wordings.yml") is None


def test_the_log_tells_once_which_folder_is_the_bots_own(
    bot: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.INFO, logger=logs.__name__):
        for _ in range(2):
            read_own_file(Wordings, "en", "wordings.yml")
            find_text("en", "hello.j2")
        monkeypatch.chdir(bot)
        read_own_file(Wordings, "en", "wordings.yml")
    found, missing = (record.getMessage() for record in caplog.records)
    assert found == f"languages.found path={bot.parent}"
    assert missing.startswith(f"languages.not_found path={bot / 'languages'}: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is late. Is it? No! Well… Yes", ["It is late.", "Is it?", "No!", "Well…", "Yes"]),
        ("Mr. Smith comes at 6 p.m. today. Good.", ["Mr. Smith comes at 6 p.m. today.", "Good."]),
        ("Order No. 5 is late. No. It is here.", ["Order No. 5 is late.", "No.", "It is here."]),
        ("1. Pack it. 2. Post it.", ["1. Pack it.", "2. Post it."]),
        ('He said "go." Then he went.', ['He said "go."', "Then he went."]),
        ("one\ntwo", ["one", "two"]),
        (" \n ", []),
    ],
)
def test_a_text_falls_into_sentences(text: str, expected: list[str]) -> None:
    assert [piece.strip() for piece in sentences(text) if piece.strip()] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it is late. is it? well… maybe.", ["it is late.", "is it?", "well…", "maybe."]),
        ("mr. smith comes at 6 p.m. today, etc. and so on.", ["mr. smith comes at 6 p.m. today, etc. and so on."]),
    ],
)
def test_sentences_may_begin_with_a_small_letter(text: str, expected: list[str]) -> None:
    assert [piece.strip() for piece in sentences(text, small_letters=True)] == expected


@given(st.text(max_size=200) | st.text('aB1 .,!?…"\n。」', max_size=200), st.booleans())
def test_sentences_joined_are_the_text(text: str, small_letters: bool) -> None:
    assert "".join(sentences(text, small_letters=small_letters)) == text


def test_the_time_sentences_take_grows_with_the_length_only() -> None:
    text = "a. " * 20_000 + "1. " * 20_000
    assert "".join(sentences(text)) == text


def test_no_other_module_names_the_folder_of_languages() -> None:
    modules = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "language.py"]
    named = [
        f"{path.relative_to(PACKAGE)}:{text.lineno}"
        for path in modules
        for text in _path_parts(ast.parse(path.read_text(encoding="utf-8")))
        if re.search(r"(^|\W)languages(/|$)", text.value)
    ]
    assert modules
    assert named == []


def _path_parts(tree: ast.AST) -> list[ast.Constant]:
    """The strings of a module that an expression is made of: no docstrings, no lists of names."""
    makers = (ast.BinOp, ast.Call, ast.JoinedStr, ast.Assign)
    parts = (part for node in ast.walk(tree) if isinstance(node, makers) for part in ast.iter_child_nodes(node))
    return [part for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
