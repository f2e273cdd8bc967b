"""Clocks for tests: time moves when the test says so, and nobody sleeps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import uuid

from handoff.clock import SystemClock

#: How often `ManualClock.advance` lets all other tasks take a step after it has woken one.
STEPS = 100


class ManualClock:
    """A clock for asyncio tests. Sleeps end when `advance` comes to them; ids are UUIDv7, the same in every run.

    Args:
        start: the time it begins at, Unix seconds.
    """

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self._now = start
        self._ids = itertools.count(1)
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Return the time now: Unix seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been advanced by that many seconds; at once if there are none.

        Args:
            seconds: how long.
        """
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    def new_id(self) -> str:
        """Return a new UUIDv7: the time now, then a count."""
        milliseconds = int(self._now * 1000)
        return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | next(self._ids)))

    @property
    def sleeping(self) -> int:
        """How many sleeps have not ended."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let time pass: every sleep that ends within it ends at its own moment, in order, also one begun meanwhile.

        Between two of them all other tasks of the loop go on as far as they can without a worker thread or a file;
        where the test needs more than that, it awaits what it expects.

        Args:
            seconds: how long.

        Raises:
            ValueError: it is negative: time does not go back.
        """
        if seconds < 0:
            raise ValueError(f"advance({seconds}): time does not go back; give seconds from 0")
        end = self._now + seconds
        await _others()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
                await _others()
        self._now = end
        await _others()


async def _others() -> None:
    """Let all other tasks of the loop go on."""
    for _ in range(STEPS):
        await asyncio.sleep(0)


class OffsetClock(SystemClock):
    """The clock of this machine, moved ahead by what a talk has let pass; freezegun moves it as well."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Return the time now: Unix seconds."""
        return super().now() + self._offset

    def move_to(self, at: float) -> None:
        """Let it be that time, or later if it is.

        Args:
            at: Unix seconds.
        """
        self._offset += max(0.0, at - self.now())


class StoppedClock(OffsetClock):
    """A clock that only moves when it is moved: whatever is told of the time is the same in every run."""

    #: The time it begins at, Unix seconds.
    START = 1_000_000_000.0

    def now(self) -> float:
        """Return the time now: Unix seconds."""
        return self.START + self._offset
