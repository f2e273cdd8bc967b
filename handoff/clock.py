"""The only place that reads a clock, sleeps, or makes ids.

`datetime.now` is looked up at every call, so that freezegun moves it; ids are UUIDv7 made from the same clock. Tests
hand in a clock of their own and never sleep.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """What the framework knows of time."""

    def now(self) -> float:
        """Return the time now: Unix seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...

    def new_id(self) -> str:
        """Return a new id, unique and ordered by time."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return the time now: Unix seconds."""
        return dt.datetime.now(dt.UTC).timestamp()

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)

    def new_id(self) -> str:
        """Return a new UUIDv7 of the time now."""
        return uuid7(self.now())


def uuid7(at: float) -> str:
    """Return a new UUIDv7.

    Args:
        at: its time, Unix seconds.
    """
    import uuid_utils  # noqa: PLC0415 - a compiled module, loaded when the first id is made

    return str(uuid_utils.uuid7(nanoseconds=int(at * 1e9)))
