"""The threads of one flow in one store, as users see them: opened, found, recovered, watched and closed.

What the framework's own parts need of the process that hosts the threads is `handoff.driving.host`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, Self

from typing_extensions import TypeVar

from handoff.backends.base import Backend
from handoff.clock import Clock, SystemClock
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps, Metadata
from handoff.driving.given import require_opening, require_parts, stands
from handoff.driving.host import Host
from handoff.driving.leaving import LeftCall
from handoff.driving.side_rooms import room_place
from handoff.errors import ConfigurationError, ThreadUnknown
from handoff.events import ThreadEvent
from handoff.store.base import Store, Summary
from handoff.store.memory import MemoryStore
from handoff.thread import Thread

M = TypeVar("M", bound=Metadata, default=Metadata)


class Threads(Generic[M]):
    """The threads of one flow in one store. Use it as an asynchronous context manager.

    Args:
        flow: the declaration; frozen from here on.
        deps: an instance of the flow's Deps class, if it has one.
        backend: who runs the model; by default the flow's offline rules, in process.
        store: where threads live; by default in memory.
        clock: the time; tests hand in their own.

    Raises:
        DefinitionError: if the flow cannot work, or its deps are missing.
        ConfigurationError: if no backend is given and the flow has no offline rules, the backend does not carry what an
            assistant declares, or it is no backend, or the store no store.
    """

    def __init__(
        self,
        flow: Flow[M, Any],
        *,
        deps: Deps | None = None,
        backend: Backend | None = None,
        store: Store | None = None,
        clock: Clock | None = None,
    ) -> None:
        flow.freeze()
        flow.require_deps(deps)
        require_parts(backend, store)
        self._flow = flow
        self._host = Host(
            flow,
            deps=deps,
            backend=backend,
            store=MemoryStore() if store is None else store,
            clock=SystemClock() if clock is None else clock,
        )

    @property
    def flow(self) -> Flow[M, Any]:
        """The declaration."""
        return self._flow

    @property
    def store(self) -> Store:
        """Where the threads live."""
        return self._host.store

    async def __aenter__(self) -> Self:
        """Start watching silences."""
        self._host.silences.start()
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close; what that raises does not hide what ended the block."""
        try:
            await self.close()
        except Exception as closing:
            if not stands(error, closing):
                raise

    async def close(self, *, patience: float | None = None) -> tuple[LeftCall, ...]:
        """Stop driving, let running bodies finish, and close backend and store. A second call does nothing.

        Whoever still waits for an answer gets `ThreadsClosed`; what was sent stays in the store.

        Args:
            patience: seconds that running bodies have. Those that need longer are left, as by a crash: a coroutine is
                cancelled and has a second to clean up, a function goes on in its worker thread, and what they return is
                lost. None: all they need.

        Returns:
            The calls that were left; each is also logged as a warning. Empty if all bodies ended in time.
        """
        return await self._host.close(patience)

    # -- finding threads -----------------------------------------------------------------------------------------------

    async def open(self, thread: str | None = None, *, metadata: M | None = None) -> Thread[M]:
        """Return the thread of that id: a new one, or the stored one, after finishing what a crash interrupted.

        Args:
            thread: its id; None makes a new id.
            metadata: initial metadata, for a new thread.

        Raises:
            FlowChanged: if the stored thread does not fit the flow as it is now.
            ConfigurationError: if it is the id of a side room or no id, or the metadata is not the flow's.
        """
        require_opening(self.flow, thread, metadata)
        host = self._host
        name = host.clock.new_id() if thread is None else thread
        if room_place(name) is not None:
            raise ConfigurationError(f"{name} is the id of a side room, which its call opens: use get() to look at it")
        if await host.call(host.store.summary, name) is None:
            await host.create(name, metadata)
        return Thread(await host.load(name))

    async def get(self, thread: str) -> Thread[M]:
        """Return a stored thread; a side room as it is, without driving it.

        Args:
            thread: its id.

        Raises:
            ThreadUnknown: if the store has no such thread.
            FlowChanged: if it does not fit the flow as it is now.
        """
        host = self._host
        summary = await host.call(host.store.summary, thread)
        if summary is None:
            raise ThreadUnknown(thread)
        if room_place(thread) is not None:
            return Thread(await host.rooms.wing_of(summary.flow).look(thread))
        return Thread(await host.load(thread))

    async def summaries(
        self, *, after: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[tuple[str, Summary]]:
        """Return (id, summary) of the flow's threads, the latest first; side rooms are found by `Thread.rooms`.

        Page after page shows no thread twice, and misses none on which nothing has happened since the first.

        Args:
            after: `(summary.at, id)` of the last one of the page before; None for the first page.
            limit: how many at most; None for all.

        Raises:
            ConfigurationError: if the limit is below one.
        """
        if limit is not None and limit < 1:
            raise ConfigurationError(f"limit={limit}: give how many threads a page has, or None for all of them")
        return await self._host.summaries(after=after, limit=limit)

    async def delete(self, thread: str, *, server: bool = True) -> None:
        """Delete a stored thread and its side rooms for good: what the server holds of them, then all the store has.

        Whoever still has the thread gets `ThreadUnknown`. The same id may be opened again, as a new thread.

        Args:
            thread: its id.
            server: whether what the server holds is deleted, too; False leaves it there.

        Raises:
            ThreadUnknown: if the store has no such thread.
            ThreadBusy: if it or a side room is driven now, here or by another process, or a tool of it still runs.
            NotDeleted: if the server does not delete what it holds; the store keeps the thread.
            ConfigurationError: if it is a side room, or the thread of another flow.
        """
        await self._host.delete(thread, server=server)

    # -- all of them ---------------------------------------------------------------------------------------------------

    async def recover(self) -> list[str]:
        """Finish what a crash interrupted, on every thread that nobody drives; return their ids.

        A thread that does not fit the flow any more is logged and left as it is.
        """
        host = self._host
        mine = {name for name, _ in await host.summaries()}
        found = [name for name in await host.call(host.store.outstanding) if name in mine]
        return [name for name in found if await host.woke(name)]

    async def sweep(self) -> list[str]:
        """Act on the silences that have ended by now, in side rooms, too; return the threads they ended on (D5)."""
        return await self._host.sweep()

    def watching(self, thread: str, watcher: Callable[[ThreadEvent], None]) -> AbstractContextManager[None]:
        """Call `watcher` with every event of the thread in this process, while the block lasts.

        Args:
            thread: its id.
            watcher: called on the loop, in order.
        """
        return self._host.listeners.watching(thread, watcher)
