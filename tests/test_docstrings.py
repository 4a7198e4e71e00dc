"""The examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path


def test_the_examples_give_what_they_say(root: Path) -> None:
    package = root / "emotionlayer_rasa"
    files = [path for path in sorted(package.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
    assert files
    for path in files:
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        result = doctest.testmod(importlib.import_module(name))
        assert result.attempted, name
        assert result.failed == 0, name
