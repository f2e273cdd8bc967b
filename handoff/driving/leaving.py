"""How a close waits no longer than its patience, and what it leaves behind.

A body that needs longer is left, as by a crash: nothing of it is written any more. As long as it goes on all the same
it keeps its lock, so that nobody takes it for lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from handoff.clock import Clock
from handoff.store.access import Lasting

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LeftCall:
    """A call whose body needed longer than a close had patience: what it comes to is lost, as by a crash.

    Attributes:
        thread: id of its thread; of a call in a side room, the room's.
        run: number of the run that asked for it.
        call: its id.
        tool: name of the tool.
        running: whether its body goes on all the same: a function that is not `async` cannot be stopped, and a
            coroutine may ignore that it was cancelled.
    """

    thread: str
    run: int
    call: str
    tool: str
    running: bool


@dataclass(frozen=True, slots=True)
class Left:
    """A call that is left, as the framework's own parts know it."""

    #: As its user is told.
    call: LeftCall
    #: What goes on of its body; None if nothing does.
    going_on: Lasting | None


async def ended_within(clock: Clock, seconds: float | None, work: Collection[asyncio.Future[Any]]) -> None:
    """Return when all of it has ended, after so many seconds at the latest. What has not ended by then goes on.

    Args:
        clock: the time.
        seconds: how long to wait; None: for as long as it takes.
        work: what is waited for.
    """
    if not work:
        return
    if seconds is None:
        await asyncio.wait(work)
        return
    all_of_it = asyncio.ensure_future(asyncio.wait(work))
    over = asyncio.ensure_future(clock.sleep(max(0.0, seconds)))
    try:
        await asyncio.wait({all_of_it, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (all_of_it, over):
            one.cancel()
        await asyncio.gather(all_of_it, over, return_exceptions=True)


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Do it to its end, also where whoever waits is cancelled meanwhile, which is raised afterwards.

    Args:
        work: what is done; it must not take long.
    """
    task = asyncio.ensure_future(work)
    broken: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            broken = error
    if broken is not None and not task.cancelled() and task.exception() is None:
        raise broken
    return task.result()
