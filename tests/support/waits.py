"""A clock for backends under test: their waits end at once, and are noted."""

from __future__ import annotations

import asyncio


class Waits:
    """Sleeps end at once; the time moves on by them.

    Attributes:
        slept: the waits, in seconds.
    """

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self.slept: list[float] = []
        self._now = start

    def now(self) -> float:
        """The time: Unix seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Note a wait, and let the time have passed."""
        self.slept.append(seconds)
        self._now += seconds
        await asyncio.sleep(0)

    def new_id(self) -> str:
        """No id is ever asked of it."""
        raise NotImplementedError
