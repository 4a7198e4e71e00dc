"""Tables of cases of one kind: one test, which tells every case that fails."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, Iterable, Mapping, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., None])


def for_each(names: str | tuple[str, ...], rows: Iterable[Any] | Mapping[str, Any]) -> Callable[[Test], Test]:
    """Run a test for each row of a table, as ``pytest.mark.parametrize`` with one id for all.

    The rows share the test's fixtures: a test whose rows would meet each other there has to part them.

    Args:
        names: the test's arguments that a row gives, as for ``parametrize``.
        rows: tuples of their values, or values where there is one name; may be named by a mapping's keys. Must not
            be empty.
    """
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    named = rows.items() if isinstance(rows, Mapping) else enumerate(rows)
    table = [(name, row if len(keys) > 1 else (row,)) for name, row in named]
    assert table, "a table without cases tests nothing"

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            failures: dict[str, BaseException] = {}
            for name, row in table:
                try:
                    test(**fixtures, **dict(zip(keys, row, strict=True)))
                except (Exception, pytest.fail.Exception) as error:
                    failures[f"{name}, {', '.join(map(repr, row))[:300]}: {error}"] = error
            if failures:
                told = "\n".join(failures)
                first = next(iter(failures.values()))
                raise AssertionError(f"{len(failures)} of {len(table)} cases:\n{told}") from first

        signature = inspect.signature(test)
        assert set(keys) <= set(signature.parameters), "the names are arguments of the test"
        kept = [parameter for name, parameter in signature.parameters.items() if name not in keys]
        run.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return run  # type: ignore[return-value]

    return decorate
