"""A place where a test holds a body or a model, whichever loop or thread it runs on. Nobody sleeps, nobody polls."""

from __future__ import annotations

import asyncio
import threading

#: Seconds after which a test that waits for nothing fails instead of hanging.
PATIENCE = 30.0


class Gate:
    """Bodies and models stop here until the test opens it.

    Args:
        opened: whether it begins open.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._lock = threading.Lock()
        self._passages = threading.Semaphore(0)
        self._opened = threading.Event()
        self._held: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        if opened:
            self._opened.set()

    def stop(self) -> None:
        """Stop here, on a thread of one's own."""
        self._passages.release()
        assert self._opened.wait(PATIENCE), "the test never opened this gate"

    async def halt(self) -> None:
        """Stop here, on a loop."""
        loop = asyncio.get_running_loop()
        passed = loop.create_future()
        with self._lock:
            if self._opened.is_set():
                passed.set_result(None)
            else:
                self._held.append((loop, passed))
        self._passages.release()
        await passed

    async def reached(self, times: int = 1) -> None:
        """Return once somebody stopped here; with `times`, so many since the last call."""
        for _ in range(times):
            assert await asyncio.to_thread(self._passages.acquire, timeout=PATIENCE), "nobody came to this gate"

    def open(self) -> None:
        """Let all go on, now and from now on."""
        with self._lock:
            self._opened.set()
            held, self._held = self._held, []
        for loop, passed in held:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_pass, passed)


def _pass(passed: asyncio.Future[None]) -> None:
    if not passed.done():
        passed.set_result(None)
