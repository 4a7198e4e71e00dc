"""Keeping the token out of Sanic's logs, which name the URLs of requests: ``?token=`` is part of ours."""

from __future__ import annotations

import logging
import re
from typing import Any

_LOGGERS = ("sanic.root", "sanic.error", "sanic.access")
_QUERY = re.compile(r"(/webhooks/voice\b[^\s?'\"]*\?)[^\s'\"]*")


class _WithoutQueries(logging.Filter):
    """Cuts the query of our URLs off a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _without_query(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(_without_query(value) for value in record.args)
        if hasattr(record, "request"):  # of the access log
            record.request = _without_query(record.request)
        return True


_FILTER = _WithoutQueries()


def hide_tokens() -> None:
    """Do it from now on."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)


def _without_query(value: Any) -> Any:
    return _QUERY.sub(r"\1...", value) if isinstance(value, str) else value
