"""Importing a package without another one that it would load along."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType
from typing import Iterator


@contextmanager
def replaced(name: str, stand_in: ModuleType | None) -> Iterator[None]:
    """Give imports within the block a stand-in for a module, unless the process has loaded that already.

    Args:
        name: of the module.
        stand_in: what they get; None: an ``ImportError``, as where it is not installed.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
