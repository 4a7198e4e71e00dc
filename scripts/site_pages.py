"""A hook of mkdocs: pages take in text of other files, and link to files that are no pages.

``<!-- include: PATH -->`` stands for a file of the repository, ``<!-- include: PATH#NAME -->`` for what lies in it
between ``<!-- NAME -->`` and ``<!-- end of NAME -->``. Links out of ``docs/`` lead to the repository's pages.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = "docs"

_INCLUDE = re.compile(r"<!-- include: ([^\s#]+)(?:#(\w+))? -->")
_LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)]*)?\))")
_HEADING = re.compile(r"^(#+ )", re.M)


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """The page as it is built; called by mkdocs."""
    place = f"{DOCS}/{page.file.src_uri}"
    outside = f"{config.repo_url}/blob/main"
    markdown = _with_links(markdown, place, place, outside)
    return _INCLUDE.sub(lambda match: _included(match[1], match[2], place, outside), markdown)


def _included(path: str, name: str | None, page: str, outside: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8")
    if name:
        _, begin, rest = text.partition(f"<!-- {name} -->")
        text, end, _ = rest.partition(f"<!-- end of {name} -->")
        if not (begin and end):
            raise ValueError(f"{page}: {path} has no part '{name}' between two comments.")
    else:
        text = _HEADING.sub(r"#\1", text)
    return _with_links(text, path, page, outside)


def _with_links(text: str, source: str, page: str, outside: str) -> str:
    """Relative links of a file, as they are from a page."""

    def link(match: re.Match[str]) -> str:
        target = os.path.normpath(os.path.join(os.path.dirname(source), match[2]))
        if target.startswith(f"{DOCS}/"):
            return match[1] + os.path.relpath(target, os.path.dirname(page)) + match[3]
        return f"{match[1]}{outside}/{target}{match[3]}"

    return _LINK.sub(link, text)
