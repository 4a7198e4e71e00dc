"""Commands in this process."""

from __future__ import annotations

import inspect
from typing import Any

from click.testing import CliRunner


def separate_runner(**options: Any) -> CliRunner:
    """A runner whose results have stdout and stderr apart, as all have from click 8.2 on."""
    apart = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    return CliRunner(**apart, **options)
