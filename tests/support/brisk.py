"""A clock for backends that poll a real server: the time of the threads, waits that last a moment."""

from __future__ import annotations

import asyncio

from handoff.clock import Clock


class Brisk:
    """The time is another clock's. A wait is noted and lasts a hundredth of its seconds, at most a hundredth of one.

    Args:
        clock: whose time it is.

    Attributes:
        slept: the waits, in seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self.slept: list[float] = []
        self._clock = clock

    def now(self) -> float:
        """The time: Unix seconds."""
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        """Note a wait, and give the server a moment."""
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 1.0) / 100)

    def new_id(self) -> str:
        """No id is ever asked of it."""
        raise NotImplementedError
