"""What a log may tell: neither what a caller said, nor an address that holds a token, nor a secret.

Every module logs an event and its values through ``logging.getLogger(__name__)``, such as ``"handoff.delivered
id=%s"``: in Rasa's server, in the action server and in the commands alike it goes where the operator wants it.
"""

from __future__ import annotations

import errno
import logging
import os
import traceback
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

_PACKAGE = Path(__file__).parent


def describe(error: BaseException) -> str:
    """Kind and place of an error: neither its message nor its traceback, which may hold what a caller said.

    Returns:
        Such as ``error=KeyError where=emotionlayer_rasa/actions/slots.py:85 raised=/bot/actions/orders.py:12``:
        the innermost line of this package, and the one that raised it where that is another's. Of an ``OSError``
        the operating system's explanation, too.
    """
    explained = isinstance(error, OSError) and error.errno in errno.errorcode
    kind = type(error).__name__ + (f" ({os.strerror(error.errno)})" if explained else "")  # type: ignore[attr-defined]
    places = [(Path(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [place for place in places if _PACKAGE in place[0].parents]
    told = [f"where={path.relative_to(_PACKAGE.parent)}:{line}" for path, line in ours[-1:]]
    told += [f"raised={path}:{line}" for path, line in places[-1:] if places[-1:] != ours[-1:]]
    return " ".join([f"error={kind}", *told])


@cache
def log_place(name: str, path: Path, otherwise: str = "nothing else stands in for it") -> None:
    """Tell once where a file or folder is looked for: from another working folder another one is found, or none.

    Args:
        name: what it is, for the log.
        path: absolute.
        otherwise: what is done without it.
    """
    if path.exists():
        logger.info("%s.found path=%s", name, path)
    else:
        logger.info("%s.not_found path=%s: %s", name, path, otherwise)


def hide_addresses() -> None:
    """From now on httpx does not log the address of each request, which may hold a token (it does so at INFO).

    Called by whatever makes a client for such an address, when the server starts.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)
