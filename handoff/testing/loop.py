"""Where a talk runs asynchronous bodies: on a loop of its own, whose time freezegun cannot stop.

Bodies run to their end one at a time, in the test's own thread. The loop is made with the first of them and kept, so
that what belongs to a loop (a client with open connections) works from one call to the next.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Awaitable

from handoff.errors import ConfigurationError


class _SteadyLoop(asyncio.SelectorEventLoop):
    """Tells the time by a system call that freezegun leaves alone."""

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
        if self._loop is None:
            self._loop = _SteadyLoop()
            # A talk need not be closed; a loop that is dropped open warns.
            weakref.finalize(self, self._loop.close)
        return self._loop.run_until_complete(_awaited(work))

    def close(self) -> None:
        """Close the loop, if there is one. A second call does nothing."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


async def _awaited(work: Awaitable[object]) -> object:
    return await work
