"""Starting servers as processes of their own, waiting until they answer, and stopping every one of them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Callable, Iterator, Mapping, Sequence

import httpx

from emotionlayer_rasa.errors import ServerError


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Servers:
    """Child processes with their logs. A context manager: leaving it, by whatever way, ends them all.

    Each child gets a process group of its own, so Ctrl-C reaches only us and we end the children in order.

    Args:
        logs: folder for one log file a server.
        environment: variables added to ours.
        patience_s: seconds that a server has to end when it is asked to.
    """

    logs: Path
    environment: dict[str, str] = field(default_factory=dict)
    patience_s: float = 5.0
    _running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list, init=False)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start one server; its output goes to ``<logs>/<name>.log``."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with open(self.logs / f"{name}.log", "wb") as output, _interrupted_later():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
            self._running.append((name, process))

    def wait(
        self,
        name: str,
        url: str,
        ready: Callable[[httpx.Response], bool],
        seconds: float = 180,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Wait until ``ready`` says yes to an answer of ``url``.

        Raises:
            ServerError: the process ended, or did not get ready in time; the message shows the end of its log.
        """
        process = dict(self._running)[name]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerError(f"The {name} ended with exit code {process.returncode}.\n{self._log_end(name)}")
            try:
                if ready(httpx.get(url, headers=headers, timeout=2, trust_env=False)):
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise ServerError(f"The {name} was not ready after {seconds:.0f} s.\n{self._log_end(name)}")

    def stop(self) -> None:
        """Ask every server to end, last started first; end those that do not in time."""
        for _, process in reversed(self._running):
            _signal_group(process, signal.SIGTERM)
        for _, process in reversed(self._running):
            try:
                process.wait(self.patience_s)
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()
        self._running.clear()

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _log_end(self, name: str, lines: int = 15) -> str:
        path = self.logs / f"{name}.log"
        end = path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"The last lines of {path}:", *end])


@contextlib.contextmanager
def _interrupted_later() -> Iterator[None]:
    """Hold Ctrl-C back until the end of the block: a process that was just started must not be lost to it."""
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread only
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _signal_group(process: subprocess.Popen[bytes], which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, which)
