"""The distribution that this package is installed as, and the command that installs more of it.

A hint names a command that works: what came from a wheel, a checkout or a repository need not be in an index.
"""

from __future__ import annotations

import json
import shlex
from functools import cache
from importlib import metadata
from typing import Any, Mapping, Sequence
from urllib.parse import urlsplit
from urllib.request import url2pathname

DISTRIBUTION = "emotionlayer-rasa"


def install_command(extra: str = "", options: Sequence[str] = ()) -> str:
    """The ``pip install`` of this package from where it came from, for a shell.

    Args:
        extra: to be installed along.
        options: of ``pip install``.
    """
    wanted = f"[{extra}]" if extra else ""
    origin = _origin()
    url = str(origin.get("url", ""))
    if url.startswith("file:"):
        editable = ["--editable"] if origin.get("dir_info", {}).get("editable") else []
        what = [*editable, url2pathname(urlsplit(url).path) + wanted]
    elif "vcs_info" in origin:
        version = origin["vcs_info"]
        what = [f"{DISTRIBUTION}{wanted} @ {version['vcs']}+{url}@{version['commit_id']}"]
    else:
        what = [f"{DISTRIBUTION}{wanted} @ {url}" if url else f"{DISTRIBUTION}{wanted}"]
    return shlex.join(["pip", "install", *options, *what])


@cache
def _origin() -> Mapping[str, Any]:
    """What pip recorded of where the package came from (PEP 610); nothing where that was an index."""
    records = (found.read_text("direct_url.json") for found in metadata.distributions(name=DISTRIBUTION))
    return json.loads(next(filter(None, records), "{}"))
