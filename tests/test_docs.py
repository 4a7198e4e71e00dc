"""What README, docs/ and examples/ tell can be done: commands parse, files, names and links exist."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Iterator

import click
import pytest
import yaml
from rasa.__main__ import create_argument_parser

from emotionlayer_rasa.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md"))
)
MADE = ("build", "demo-output", "dist", "models", "results", "site")
"""Folders that commands make."""

PLACEHOLDER = re.compile(r"<[^>]*>|\bxx\b|\{[^}]*\}|…")
"""In a path: a language, a name."""
OTHERS = {
    *("cd", "curl", "export", "git", "mkdir", "pip", "pyenv", "ollama", "vllm", "sha256sum", "apt"),
    *("python", "make", "rasa", "emotionlayer"),
}
"""What command lines may begin with; the last four are looked into."""
OF_THE_BOT = ("path/", "models/", "actions/", "data/", "demo-output/", "recordings/", "handoff-outbox/", "wheels/")


@dataclass(frozen=True)
class Command:
    """A command line of a page, as words."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """Fenced blocks that name one of the languages; a block without one is of the shell."""
    found = re.findall(r"^```([\w-]*)\n(.*?)^```$", text_of(page), re.M | re.S)
    return [block for language, block in found if language in languages]


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)


def spans(page: str) -> list[str]:
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


def command_lines(page: str) -> Iterator[str]:
    for block in blocks(page, "", "sh", "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            yield from re.split(r"\s(?:&&|\|)\s", re.sub(r"(^|\s)#.*", "", line))
    for span in spans(page):
        if re.match(r"(?:emotionlayer|rasa (?:data|init|run|shell|test|train)|make|python) ", span):
            yield from re.split(r"\s&&\s", span)


@cache
def commands() -> list[Command]:
    found = []
    for page in PAGES:
        for line in command_lines(page):
            words = shlex.split(re.sub(r"[\[\]]|\.\.\.|…", "", line))
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # environment variables
                words.pop(0)
            if words:
                words[0] = words[0].removeprefix(".venv/bin/")
                found.append(Command(page, tuple(words)))
    return found


def of(program: str) -> list[Command]:
    return [command for command in commands() if command.words[0] == program]


def test_the_pages_have_commands_of_programs_that_are_known() -> None:
    assert len(of("emotionlayer")) > 20
    assert [str(command) for command in commands() if command.words[0] not in OTHERS] == []


def parse(command: click.Command, words: list[str]) -> None:
    """Raise what click would say of the line, but for values that stand for somebody's own."""
    if isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            return
        name, *rest = words
        for alternative in name.split("|"):
            if alternative not in command.commands:
                raise click.UsageError(f"No such command '{alternative}'.")
            parse(command.commands[alternative], rest)
        return
    with click.Context(command) as context:
        values, left, _ = command.make_parser(context).parse_args(list(words))
        if left:
            raise click.UsageError(f"Too many arguments: {left}")
        for parameter in command.params:
            given = values.get(parameter.name)
            if isinstance(parameter.type, click.Choice) and isinstance(given, str):
                parameter.type.convert(given, parameter, context)


@pytest.mark.parametrize("command", of("emotionlayer"), ids=str)
def test_our_command_lines_parse(command: Command) -> None:
    parse(main, list(command.words[1:]))


def test_a_wrong_line_would_be_found() -> None:
    for line in ("nothing", "analyze --wrong", "models remove", "doctor a b", "analyze --format xml"):
        with pytest.raises(click.UsageError):
            parse(main, line.split())


@pytest.mark.parametrize("command", of("rasa"), ids=str)
def test_rasas_command_lines_parse(command: Command) -> None:
    create_argument_parser().parse_args(command.words[1:])  # exits where it does not know them


@pytest.mark.parametrize("command", [*of("make"), *of("python")], ids=str)
def test_what_is_made_and_run_exists(command: Command) -> None:
    program, *words = command.words
    if program == "make":
        targets = {word for word in words if "=" not in word}
        assert targets <= set(re.findall(r"^([\w-]+):", text_of("Makefile"), re.M))
    elif words[0] == "-m":
        ours = words[1].startswith("emotionlayer_rasa.") and find_spec(words[1]) is not None
        assert ours or words[1] in ("pytest", "rasa", "spacy", "pip")
    else:
        assert (ROOT / words[0]).is_file()


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    folders = "|".join(
        path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in MADE
    )
    missing = []
    for span in spans(page):
        if re.fullmatch(rf"(?:{folders})/[\w./*<>{{}}…-]+", span) and not span.startswith(OF_THE_BOT):
            pattern = PLACEHOLDER.sub("*", span).rstrip("/")
            if not any(_matches(pattern, page)):
                missing.append(span)
    assert missing == []


def _matches(pattern: str, page: str) -> Iterator[Path]:
    for base in (ROOT, ROOT / "emotionlayer_rasa", (ROOT / page).parent):
        yield from base.glob(pattern)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            broken.append(target)
    assert broken == []


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def names(page: str) -> Iterator[str]:
    """Dotted names of ours: in code, in prose, and those that the reference is made of."""
    text = text_of(page)
    yield from re.findall(r"^::: (emotionlayer_rasa\.\S+)$", text, re.M)
    yield from (span for span in spans(page) if re.fullmatch(r"emotionlayer_rasa(\.\w+)+", span))
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emotionlayer_rasa"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def exists(name: str) -> bool:
    """Whether a module has the name; of one that needs another framework's package, its source."""
    module, _, attribute = name.rpartition(".")
    source = ROOT / Path(*module.split("."))
    if module.startswith("emotionlayer_rasa.integrations."):
        tree = ast.parse(source.with_suffix(".py").read_text(encoding="utf-8"))
        return attribute in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    if (source / f"{attribute}.py").is_file() or (source / attribute).is_dir():
        return True
    return hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("page", PAGES)
def test_names_of_ours_exist(page: str) -> None:
    assert [name for name in names(page) if not exists(name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_yaml_are_yaml(page: str) -> None:
    for block in blocks(page, "yaml"):
        yaml.safe_load(block)


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) <= 150


def test_every_page_is_in_the_site() -> None:
    listed = re.findall(r"[\w-]+\.md$", text_of("mkdocs.yml"), re.M)
    assert sorted(f"docs/{name}" for name in listed) == [page for page in PAGES if page.startswith("docs/")]
