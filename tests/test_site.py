"""The documentation builds as a site, with every link between pages (where the extra ``docs`` is installed)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    settings = (tmp_path / "settings" / "index.html").read_text(encoding="utf-8")
    assert "trailing_silence_ms" in settings
    commands = (tmp_path / "commands" / "index.html").read_text(encoding="utf-8")
    assert "--text-only" in commands
    cards = (tmp_path / "model-cards" / "index.html").read_text(encoding="utf-8")
    assert "CREMA-D" in cards
    assert "<!-- include" not in cards
