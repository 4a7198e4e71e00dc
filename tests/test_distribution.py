"""What is built of this tree: sdist and wheel, what they say of themselves, and a newcomer's start."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from functools import cache
from pathlib import Path
from typing import Iterator

import pytest
import yaml

import emotionlayer_rasa

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[1]
PACKAGE = "emotionlayer_rasa"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=folder)
    return folder


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    return next(built.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def metadata(wheel: Path, wheel_files: list[str]) -> Message:
    name = next(name for name in wheel_files if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(name).decode())


def run(*command: object, folder: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@cache
def annotations() -> list[tuple[re.Pattern[str], str]]:
    """Patterns of paths with their licence, from REUSE.toml."""
    found = []
    for row in tomllib.loads((ROOT / "REUSE.toml").read_text(encoding="utf-8"))["annotations"]:
        paths = [row["path"]] if isinstance(row["path"], str) else row["path"]
        for path in paths:
            pattern = re.escape(path).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
            found.append((re.compile(pattern), row["SPDX-License-Identifier"]))
    return found


def licences(path: str) -> set[str]:
    """The licences of a file: the last entry counts that fits."""
    return set(next(said for pattern, said in reversed(annotations()) if pattern.fullmatch(path)).split(" AND "))


def ours(names: list[str]) -> Iterator[str]:
    return (name for name in names if name.startswith(f"{PACKAGE}/"))


def test_the_licence_expression_is_the_sum_of_the_licences_of_the_contents(
    wheel_files: list[str], metadata: Message
) -> None:
    inside = set().union(*(licences(name) for name in ours(wheel_files)))
    assert set(metadata["License-Expression"].split(" AND ")) == inside
    assert not any("-NC-" in licence for licence in inside)


def test_the_text_of_each_licence_comes_along(wheel_files: list[str], metadata: Message) -> None:
    texts = {Path(name).stem for name in metadata.get_all("License-File", [])}
    assert set(metadata["License-Expression"].split(" AND ")) - {"Apache-2.0"} <= texts
    assert {"LICENSE", "REUSE"} <= texts
    assert any(name.endswith("licenses/LICENSES/MIT.txt") for name in wheel_files)


def test_every_licence_of_the_tree_has_its_text_and_every_entry_a_file() -> None:
    used = set().union(*(said.split(" AND ") for _, said in annotations()))
    assert {path.stem for path in (ROOT / "LICENSES").iterdir()} == used
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder=ROOT).splitlines()
    for pattern, _ in annotations():
        assert any(pattern.fullmatch(name) for name in files), pattern.pattern


def test_all_of_the_package_is_in_the_wheel_but_the_research_model(wheel_files: list[str]) -> None:
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", PACKAGE, folder=ROOT).splitlines()
    missing = {name for name in files if (ROOT / name).is_file()} - set(wheel_files)
    assert {Path(name).suffix for name in missing} <= {".md", ".onnx", ".json"}
    assert all("emotionlayer-research" in name or name.endswith(".md") for name in missing)
    assert f"{PACKAGE}/py.typed" in wheel_files
    assert {name.split("/")[0] for name in wheel_files} == {PACKAGE, f"{PACKAGE}-{version(wheel_files)}.dist-info"}


def version(wheel_files: list[str]) -> str:
    return next(name for name in wheel_files if ".dist-info/" in name).split("-")[1].removesuffix(".dist")


def test_the_sdist_has_no_recordings_of_others_for_tests(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert not any(name.startswith("tests") or "emotionlayer-research" in name for name in names)
    assert {"constraints.txt", "CHANGELOG.md", "docs/architecture.md", "LICENSES/MIT.txt"} <= set(names)


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == emotionlayer_rasa.__version__


def test_every_entry_of_the_changelog_has_a_day_under_a_kind() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    entries = text[text.index("\n### ") :].splitlines()
    assert not [line for line in entries if line.startswith("- ") and not re.match(r"- \d{4}-\d\d-\d\d: ", line)]


def test_a_newcomer_gets_from_the_wheel_to_a_spoken_turn(wheel: Path) -> None:
    """`scripts/newcomer`, on the bot of `rasa init` and on one driven by stories."""
    told = run(sys.executable, ROOT / "scripts" / "newcomer", "--wheel", wheel, folder=wheel.parent)
    assert told.count("a spoken turn") == told.count("said in anger") == 2
