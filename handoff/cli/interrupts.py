"""Ctrl-C: the first one stops what is under way in order, the second one ends the process at once."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeAlias

from handoff.cli.exits import Exit
from handoff.cli.printing import notice

logger = logging.getLogger("handoff")

#: Runs a piece of work until it is done (its exit code) or Ctrl-C comes (None; the work is cancelled).
Guard: TypeAlias = Callable[[Coroutine[Any, Any, Exit]], Coroutine[Any, Any, Exit | None]]


def run(main: Callable[[Guard], Coroutine[Any, Any, Exit]]) -> Exit:
    """Run a command on an event loop of its own.

    Args:
        main: the command. What it passes through the guard is dropped at the first Ctrl-C; stopping runs and closing in
            order is done by `main` afterwards, until the second one.
    """
    if threading.current_thread() is not threading.main_thread():  # whoever embeds this keeps its own Ctrl-C
        return asyncio.run(main(_unguarded))
    before = signal.getsignal(signal.SIGINT)
    try:
        return asyncio.run(_pressable(main))
    finally:
        signal.signal(signal.SIGINT, before)


async def _unguarded(work: Coroutine[Any, Any, Exit]) -> Exit | None:
    return await work


async def _pressable(main: Callable[[Guard], Coroutine[Any, Any, Exit]]) -> Exit:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    pressed = False

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        del number, frame
        if pressed:
            os._exit(Exit.INTERRUPTED)
        pressed = True
        loop.call_soon_threadsafe(stop.set)
        notice("\nstopping; press Ctrl-C again to leave at once")

    async def guard(work: Coroutine[Any, Any, Exit]) -> Exit | None:
        working = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(stop.wait())
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.wait({working})
        if not working.cancelled() and (error := working.exception()) is not None:
            logger.error("what was stopped failed at its end", exc_info=error)
        return None

    signal.signal(signal.SIGINT, press)
    return await main(guard)
