"""Who is told what happens on threads in this process: watchers, observers of the journal, and senders that wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from handoff.core.events import Event
from handoff.core.state import State
from handoff.errors import HandoffError, ThreadsClosed
from handoff.events import ThreadEvent

Watcher: TypeAlias = Callable[[ThreadEvent], None]
Observer: TypeAlias = Callable[[State, Event, State], None]


class Listeners:
    """Those who listen, by thread."""

    def __init__(self) -> None:
        self._watchers: dict[str, list[Watcher]] = {}
        self._observers: dict[str, list[Observer]] = {}
        self._waiting: dict[str, list[asyncio.Future[Any]]] = {}
        #: Nothing will be told any more.
        self._over = False

    def on(self, thread: str) -> bool:
        """Return whether anybody listens to the thread."""
        return thread in self._observers or thread in self._watchers

    def watched(self, thread: str) -> bool:
        """Return whether anybody watches the thread."""
        return thread in self._watchers

    def tell(self, thread: str, event: ThreadEvent) -> None:
        """Tell the thread's watchers."""
        for watcher in list(self._watchers.get(thread, ())):
            watcher(event)

    def observe(self, thread: str, before: State, event: Event, after: State) -> None:
        """Tell the thread's observers of a journaled event."""
        for observer in list(self._observers.get(thread, ())):
            observer(before, event, after)

    def fail(self, thread: str, error: HandoffError) -> None:
        """Answer all who wait on the thread with an error."""
        for waiting in self._waiting.get(thread, ()):
            if not waiting.done():
                waiting.set_result(error)

    def fail_all(self, error: HandoffError) -> None:
        """Answer all who wait with an error, for good: nothing will be told any more."""
        self._over = True
        for thread in list(self._waiting):
            self.fail(thread, error)

    def awaiting(self, thread: str, answer: asyncio.Future[Any]) -> AbstractContextManager[None]:
        """Let the answer be an error if the thread cannot go on here, while the block lasts."""
        return _joined(self._waiting, thread, answer)

    def watching(self, thread: str, watcher: Watcher) -> AbstractContextManager[None]:
        """Call `watcher` with every event of the thread in this process, while the block lasts."""
        return _joined(self._watchers, thread, watcher)

    async def events(self, thread: str) -> AsyncGenerator[ThreadEvent, None]:
        """Yield every event of the thread in this process until the threads are closed.

        Raises:
            HandoffError: the thread cannot go on here.
        """
        if self._over:
            return
        queue: asyncio.Queue[ThreadEvent | None] = asyncio.Queue()
        over: asyncio.Future[HandoffError] = asyncio.get_running_loop().create_future()
        over.add_done_callback(lambda _: queue.put_nowait(None))
        with self.watching(thread, queue.put_nowait), self.awaiting(thread, over):
            while (event := await queue.get()) is not None:
                yield event
        if not isinstance(over.result(), ThreadsClosed):
            raise over.result()

    def observing(self, thread: str, observer: Observer) -> AbstractContextManager[None]:
        """Call `observer` with every journaled event of the thread seen here, while the block lasts."""
        return _joined(self._observers, thread, observer)


@contextlib.contextmanager
def _joined(table: dict[str, list[Any]], name: str, member: Any) -> Generator[None]:
    table.setdefault(name, []).append(member)
    try:
        yield
    finally:
        table[name].remove(member)
        if not table[name]:
            del table[name]
