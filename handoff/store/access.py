"""How the asyncio shell calls a store: in place where that is quick, else on the store's one writer thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, Protocol, TypeVar

from handoff.errors import HandoffError, StoreError
from handoff.store.base import Store

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("handoff")


class Lasting(Protocol):
    """Something that may end later: what runs on a worker thread, or a task."""

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None:
        """Call `fn` when it has ended, at once if it has."""
        ...


class StoreAccess:
    """A store as coroutines call it.

    Args:
        store: the store; one that processes share is called on a thread of its own, because it waits for a disk.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._writer = ThreadPoolExecutor(1, "handoff-store") if store.shared else None

    async def call(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a method of the store and return what it returns.

        Whoever gives up waiting does not stop it: what it commits is committed.
        """
        if self._writer is None:
            return method(*args, **kwargs)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()

        def work() -> None:
            try:
                result = method(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                loop.call_soon_threadsafe(_fail, answer, error)
            else:
                loop.call_soon_threadsafe(_settle, answer, result)

        # Not `run_in_executor` in a shield, which takes the loop twice as many rounds to bring the answer home.
        self._writer.submit(work)
        return await answer

    async def close(self, holding: Sequence[Lasting] = ()) -> None:
        """Close the store and end its thread.

        Args:
            holding: what holds locks of it and is not waited for: a store that is shared is closed when the last of it
                ends, since closing gives up the locks; one in memory has nothing else to close.
        """
        if not holding:
            await self.call(self.store.close)
        if self._writer is not None:
            self._writer.shutdown()
            _when_all_ended(holding, self.store.close)


def _when_all_ended(work: Sequence[Lasting], then: Callable[[], None]) -> None:
    """Call `then` where the last of it ends: no thread waits for what may never end."""
    left, door = len(work), threading.Lock()

    def ended(_: object) -> None:
        nonlocal left
        with door:
            left -= 1
            last = not left
        if last:
            then()

    for one in work:
        one.add_done_callback(ended)


def _settle(answer: asyncio.Future[R], result: R) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[R], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
    elif isinstance(error, StoreError) or not isinstance(error, HandoffError):
        logger.error("a call of the store failed that nobody waits for any more", exc_info=error)
