"""What is under way on one thread in this process: tasks, most of them known by their command's key.

A key is known until its work has ended, is dropped or forgotten. A close waits for all of it: what is about to commit
is never cancelled, and what does not heed its cancellation goes on without us.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterator
from typing import Any, TypeVar

from handoff.clock import Clock
from handoff.core.commands import Key
from handoff.driving.leaving import ended_within
from handoff.errors import ThreadUnknown

T = TypeVar("T")

logger = logging.getLogger("handoff")

#: Seconds that work has to clean up when it is left.
LEAVING = 1.0


class Work:
    """The work on one thread.

    Args:
        thread: its id, for the names of tasks.
        clock: the time.
        ended: called when what was started has ended.
    """

    def __init__(self, thread: str, clock: Clock, ended: Callable[[Key, asyncio.Task[None]], None]) -> None:
        self._thread = thread
        self._clock = clock
        self._told = ended
        self._live: dict[Key, asyncio.Task[None]] = {}
        #: All of it, also what is no longer to be found by its key.
        self._tasks: set[asyncio.Task[Any]] = set()
        self._committing: set[asyncio.Task[Any]] = set()

    def __bool__(self) -> bool:
        """Whether anything is under way."""
        return bool(self._tasks)

    def __contains__(self, key: Key) -> bool:
        """Whether work of that key is under way."""
        return key in self._live

    def __iter__(self) -> Iterator[tuple[Key, asyncio.Task[None]]]:
        """All that is known by a key, as it is now."""
        return iter(list(self._live.items()))

    def start(self, key: Key, work: Coroutine[Any, Any, None]) -> None:
        """Begin work of that key.

        Args:
            key: what it is known by.
            work: the work.
        """
        task = asyncio.create_task(work, name=f"{self._thread} {key}")
        self._live[key] = task
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(key, ended))

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._live.get(key) is task:
            self._live.pop(key)
        self._told(key, task)

    def track(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        """Have `idle` wait for a task, and return it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def committing(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        """Have a close wait for a task to its end, however little patience it has, and return it."""
        self._committing.add(task)
        task.add_done_callback(self._committing.discard)
        return task

    async def heard(self, task: asyncio.Task[T]) -> T:
        """Return what a task comes to. Whoever gives up waiting does not stop it, and leaves its failure to the log.

        Args:
            task: what is waited for.
        """
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._unheard)
            raise

    def _unheard(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ThreadUnknown):  # it was deleted: nobody misses what came of it
            logger.error("work on thread %s that nobody waited for failed", self._thread, exc_info=error)

    def forget(self, key: Key) -> None:
        """No longer know work by its key; it goes on."""
        self._live.pop(key, None)

    def drop(self, key: Key) -> None:
        """Cancel the work of that key, if it is under way."""
        task = self._live.pop(key, None)
        if task is not None:
            task.cancel()

    async def idle(self) -> None:
        """Return when nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def leave(self, interrupted: Collection[asyncio.Task[None]]) -> None:
        """Cancel all of it but what is about to commit, and return when that has ended; what goes on is not waited for.

        Args:
            interrupted: what is ending by itself, and is cancelled only if it does not.
        """
        ending = self._tasks - self._committing
        own = ending.intersection(interrupted)
        for task in ending - own:
            if not task.cancelling():  # else it is cleaning up, which a second time would interrupt
                task.cancel()
        await ended_within(self._clock, LEAVING, ending)
        deaf = {task for task in own if task.cancel()}
        await ended_within(self._clock, LEAVING, deaf)
        self._tasks &= self._committing
        await self.idle()
