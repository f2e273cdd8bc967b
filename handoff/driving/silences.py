"""Silences: one sweeper for all threads of a flow, so that a thread that rests holds no task (D5).

A silence that has ended becomes a row in the thread's inbox; whoever drives the thread judges it. What fails is logged
and looked at again: nothing but a close ends the watch, and no thread keeps the others from being looked at.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from handoff.core.state import Phase
from handoff.errors import ThreadsClosed, ThreadUnknown

if TYPE_CHECKING:
    from handoff.driving.host import Host

logger = logging.getLogger("handoff")

#: Seconds between two looks at a silence that has ended and cannot be acted on.
PAUSE = 10.0
#: Seconds the sweeper sleeps at most.
HORIZON = 3600.0


class Silences:
    """The sweeper.

    Args:
        host: whose threads it watches.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._sweeper: asyncio.Task[None] | None = None
        self._rearmed = asyncio.Event()
        #: When the sweeper will look next, Unix seconds.
        self._next_look = 0.0

    @property
    def watching(self) -> bool:
        """Whether it has begun to watch."""
        return self._sweeper is not None

    def start(self) -> None:
        """Begin to watch."""
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="handoff silences")

    def stop(self) -> None:
        """Watch no more from here on."""
        if self._sweeper is not None and not self._sweeper.cancelling():
            self._sweeper.cancel()

    async def close(self) -> None:
        """Watch no more, and return when what was begun has ended."""
        self.stop()
        if self._sweeper is not None:
            await asyncio.wait({self._sweeper})

    def woken(self, at: float | None) -> None:
        """Take note that a thread's silence ends at another time.

        Args:
            at: when, Unix seconds; None if there is none.
        """
        if at is not None and at < self._next_look:
            self._rearmed.set()

    async def _sweep_for_ever(self) -> None:
        while True:
            self._rearmed.clear()
            self._next_look = float("inf")  # a silence that begins from here on is seen below, or wakes us
            wait = await self._swept()
            self._next_look = self._host.clock.now() + wait
            sleep = asyncio.ensure_future(self._host.clock.sleep(wait))
            rearmed = asyncio.ensure_future(self._rearmed.wait())
            try:
                await asyncio.wait({sleep, rearmed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in (sleep, rearmed):
                    one.cancel()
                await asyncio.gather(sleep, rearmed, return_exceptions=True)

    async def _swept(self) -> float:
        """Sweep, and return the seconds until the next silence of this flow ends."""
        now = self._host.clock.now()
        try:
            await self.sweep()
            timers = await self._host.call(self._host.store.timers, now + HORIZON)
            mine = {name for name, _ in await self._host.summaries()} if timers else set[str]()
            ends = [at for name, at in timers if name in mine]
        except ThreadsClosed:
            return HORIZON  # the close ends the watch, too
        except Exception:
            logger.exception("silences could not be looked at")
            return PAUSE
        if not ends:
            return HORIZON
        return max(0.0, ends[0] - self._host.clock.now()) if ends[0] > now else PAUSE

    async def sweep(self) -> list[str]:
        """Act on the silences that have ended by now; return the threads they ended on (D5)."""
        timers = await self._host.call(self._host.store.timers, self._host.clock.now())
        mine = {name for name, _ in await self._host.summaries()} if timers else set[str]()
        return [name for name, _ in timers if name in mine and await self._silence_ended(name)]

    async def _silence_ended(self, name: str) -> bool:
        try:
            state = (await self._host.look(name)).state
            if state.phase is not Phase.REST:
                return False
            data = {"stimuli": state.stimuli, "timed": state.timed}
            key, at = f"timer:{state.stimuli}:{state.timed}", self._host.clock.now()
            await self._host.call(self._host.store.post, name, "timer", data, at=at, key=key, born=state.birth)
        except ThreadsClosed:
            raise
        except ThreadUnknown:  # it was deleted meanwhile
            return False
        except Exception:
            logger.exception("thread %s: its silence has ended and cannot be acted on", name)
            return False
        return await self._host.woke(name)
