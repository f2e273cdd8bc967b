"""Where a talk runs asynchronous bodies: on a loop of its own, whose time freezegun cannot stop.

Bodies run to their end one at a time, in the test's own thread. The loop is made with the first of them and kept, so
that what belongs to a loop (a client with open connections) works from one call to the next.
"""

from __future__ import annotations

import asyncio
import selectors
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from handoff.errors import ConfigurationError


class _Selector(selectors.DefaultSelector):
    """Says when its loop has nothing to do but to wait."""

    #: Asked then; True ends the wait at once.
    idle: Callable[[], bool] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for what the loop waits for."""
        if timeout != 0 and self.idle is not None and self.idle():
            timeout = 0
        return super().select(timeout)


class _SteadyLoop(asyncio.SelectorEventLoop):
    """Tells the time by a system call that freezegun leaves alone."""

    def __init__(self) -> None:
        self.waits = _Selector()
        super().__init__(self.waits)

    def time(self) -> float:
        """Return the loop's time, in seconds."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)


class PrivateLoop:
    """Runs what is to be awaited, from code that has no loop."""

    def __init__(self) -> None:
        self._loop: _SteadyLoop | None = None

    def require(self) -> None:
        """Refuse to work where a loop is running already, in which nothing can be waited for.

        Raises:
            ConfigurationError: one is.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise ConfigurationError("a Talk runs asynchronous tools on a loop of its own: use it in a plain `def test_…`")

    def run(self, work: Awaitable[object]) -> object:
        """Await it and return what it returns.

        Args:
            work: a coroutine, or anything else to await.
        """
        return self._made().run_until_complete(_awaited(work))

    def begin(self, make: Callable[[], Awaitable[object]]) -> asyncio.Task[object]:
        """Have it run from the next `until` on.

        Args:
            make: makes what is to be awaited; called on the loop.
        """

        async def made() -> object:
            return await make()

        return self._made().create_task(made())

    def until(self, task: asyncio.Task[Any], paused: Callable[[], bool]) -> bool:
        """Run the loop until the task is done, or until nothing is left to do and it pauses; return whether it is done.

        Args:
            task: what `begin` gave.
            paused: whether it waits for what does not happen on this loop.
        """
        loop = self._made()

        def idle() -> bool:
            if paused():
                loop.stop()
                return True
            return False

        def ended(_: object) -> None:
            loop.stop()

        if not task.done():
            task.add_done_callback(ended)
            loop.waits.idle = idle
            try:
                loop.run_forever()
            finally:
                loop.waits.idle = None
                task.remove_done_callback(ended)
        return task.done()

    def _made(self) -> _SteadyLoop:
        if self._loop is None:
            self._loop = _SteadyLoop()
            # A talk need not be closed; a loop that is dropped open warns.
            weakref.finalize(self, self._loop.close)
        return self._loop

    def close(self) -> None:
        """Close the loop, if there is one. A second call does nothing."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


async def _awaited(work: Awaitable[object]) -> object:
    return await work
