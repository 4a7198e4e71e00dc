"""Runs a speech program: text in, sound out, a few at a time, each with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from typing import Sequence
from weakref import WeakKeyDictionary

from emotionlayer_rasa.errors import SpeechError, SpeechTimeoutError


class SpeechProgram:
    """A command that reads text from its standard input and writes sound to its standard output.

    Args:
        name: of the program, for messages.
        command: the program and its first arguments.
        timeout_s: seconds one run may take.
        max_processes: runs at a time; more wait for their turn.
    """

    def __init__(self, name: str, command: Sequence[str], timeout_s: float, max_processes: int) -> None:
        self._name = name
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._max_processes = max_processes
        # A semaphore belongs to one event loop.
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def run(self, arguments: Sequence[str], text: str) -> bytes:
        """Run it once; when this is cancelled the process is killed.

        Args:
            arguments: after the command's own.
            text: what the program reads.

        Returns:
            What the program wrote.

        Raises:
            SpeechTimeoutError: it took longer than ``timeout_s`` and was killed.
            SpeechError: it cannot be started, or ended with an error.
        """
        loop = asyncio.get_running_loop()
        async with self._turns.setdefault(loop, asyncio.Semaphore(self._max_processes)):
            try:
                # Not the event loop's own: uvloop forks, and OpenBLAS (in NumPy) may hang in its fork handler
                # when a thread computes just then. Popen uses vfork, which runs no handlers.
                process = subprocess.Popen(  # noqa: ASYNC220 - as said above
                    [*self._command, *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # what it complains about may hold the text
                    start_new_session=True,  # so that one kill reaches the children of a wrapper script too
                )
            except OSError as error:
                raise SpeechError(
                    f"The speech program '{self._name}' cannot be started ({error.strerror}). Install it again."
                ) from error
            talking = loop.run_in_executor(None, process.communicate, text.encode())
            try:
                # Not wait_for: that of Python 3.10 loses a cancellation that comes together with the result.
                done, _ = await asyncio.wait({talking}, timeout=self._timeout_s)
            finally:
                await _end(process, talking)
            if not done:
                raise SpeechTimeoutError(
                    f"The speech program '{self._name}' took longer than {self._timeout_s:g} s and was stopped. "
                    "Raise 'timeout_s', or choose a smaller voice."
                )
            output, _ = talking.result()
        if process.returncode:
            raise SpeechError(
                f"The speech program '{self._name}' ended with status {process.returncode}. "
                "Run it by hand to see why."
            )
        return output


async def _end(process: subprocess.Popen[bytes], talking: asyncio.Future[tuple[bytes, bytes]]) -> None:
    """Kill the process if it still runs, and wait until it is gone."""
    if not talking.done():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait([talking])
