"""The threads in which models compute, and how much they have to do.

The models release Python's lock while they compute, so threads are enough, and an event loop that awaits them
stays free.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Callable, Iterator, TypeVar

from emotionlayer_rasa.errors import BusyError

T = TypeVar("T")


class Workers:
    """A bounded pool of threads for whole utterances, and another one for streams.

    A thread cannot be stopped: what was given up counts as work until its thread is done with it. Used from one
    event loop at a time.

    Args:
        workers: utterances heard at the same time.
        waiting: utterances that may wait for a worker.
    """

    def __init__(self, workers: int, waiting: int) -> None:
        self._workers = workers
        self._waiting = waiting
        # Two threads a worker: one for the words, one for the emotion.
        self._pool = ThreadPoolExecutor(2 * workers, thread_name_prefix="listener")
        # Streams want short work done soon: they do not queue behind whole utterances.
        self._stream_pool = ThreadPoolExecutor(2 * workers, thread_name_prefix="listener-live")
        self._jobs: set[Future[Any]] = set()
        self._utterances: set[UtteranceJobs] = set()

    @property
    def busy(self) -> bool:
        """Whether every worker has something to do, utterances and streams together: leave out what can be."""
        return len(self._jobs) >= self._workers

    @contextmanager
    def admit(self) -> Iterator[UtteranceJobs]:
        """Let one more utterance in; it counts until the last of its jobs is done.

        Raises:
            BusyError: all workers are taken and the waiting room is full.
        """
        if len(self._utterances) >= self._workers + self._waiting:
            raise BusyError(
                f"All {self._workers} workers are busy and {self._waiting} utterances wait. "
                "Try again in a second, or raise 'workers' or 'waiting'."
            )
        utterance = UtteranceJobs(self)
        self._utterances.add(utterance)

        def leave(_: object = None) -> None:
            if all(job.done() for job in utterance.jobs):
                self._utterances.discard(utterance)

        try:
            yield utterance
        finally:
            leave()
            for job in utterance.jobs:
                job.add_done_callback(leave)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Call in a thread for whole utterances."""
        return await self._awaitable(self._pool.submit(function, *args))

    def run_stream(self, function: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """Call in a thread for short work on streams; many times a second, so no task is made for it."""
        return self._awaitable(self._stream_pool.submit(function, *args))

    async def run_aside(self, function: Callable[..., T], *args: object) -> T:
        """Call in a thread, and do not count it as work: nothing else is to be left out because of it."""
        return await asyncio.wrap_future(self._pool.submit(function, *args))

    def close(self) -> None:
        """Begin nothing more, and wait for what the threads are at."""
        for pool in (self._stream_pool, self._pool):
            pool.shutdown(cancel_futures=True)

    def _awaitable(self, job: Future[T]) -> asyncio.Future[T]:
        self._jobs.add(job)
        future = asyncio.wrap_future(job)
        # Just before who waits goes on, so that one job after another keeps a worker busy all the time.
        future.add_done_callback(lambda _: job.add_done_callback(self._jobs.discard))
        return future


class UtteranceJobs:
    """What the threads have to do for one utterance: see :meth:`Workers.admit`."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.jobs: list[Future[Any]] = []

    def run(self, function: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """Call in a thread for whole utterances."""
        job = self._workers._pool.submit(function, *args)
        self.jobs.append(job)
        return self._workers._awaitable(job)
