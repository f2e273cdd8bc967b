"""The threads of one flow in one store: opened, found, recovered, and driven as long as something is outstanding.

A thread that rests holds no task and no lock; the latest few keep their folded state, so that the next message does not
read the whole journal again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Generic, ParamSpec, Self
from weakref import WeakValueDictionary

from typing_extensions import TypeVar

from handoff.backends.base import Backend
from handoff.clock import Clock, SystemClock
from handoff.core import fold
from handoff.core.codec import dump
from handoff.core.events import Event, ThreadOpened
from handoff.core.state import State
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps, Metadata
from handoff.declaration.versions import fitted
from handoff.driving.capabilities import require_carried
from handoff.driving.driver import Driver
from handoff.driving.given import require_opening, require_parts, stands
from handoff.driving.ledger import summary_of
from handoff.driving.listeners import Listeners
from handoff.driving.rooms import Rooms
from handoff.driving.side_rooms import room_place
from handoff.driving.silences import Silences
from handoff.errors import ConfigurationError, StoreBehind, ThreadsClosed, ThreadUnknown
from handoff.events import ThreadEvent, told
from handoff.store.access import StoreAccess
from handoff.store.base import Commit, Store, Summary
from handoff.store.memory import MemoryStore
from handoff.thread import Thread

M = TypeVar("M", bound=Metadata, default=Metadata)
P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("handoff")

#: How many resting threads keep their folded state.
KEPT = 256
#: How many synchronous tools may run at once.
WORKERS = 64


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
        _host: Threads[Any] | None = None,  # whose side rooms these threads are
    ) -> None:
        flow.freeze()
        flow.require_deps(deps)
        require_parts(backend, store)
        self.flow = flow
        self.deps = deps
        self.backend: Backend = _offline(flow) if backend is None else backend
        require_carried(flow, self.backend)
        self.clock: Clock = SystemClock() if clock is None else clock
        #: The threads whose side rooms these are; None for threads of their own.
        self.host = _host
        if _host is None:
            self._access = StoreAccess(MemoryStore() if store is None else store)
            self._tools = ThreadPoolExecutor(WORKERS, "handoff-tool")
            #: Who is told what happens here.
            self.listeners = Listeners()
        else:
            self._access, self._tools, self.listeners = _host._access, _host._tools, _host.listeners  # noqa: SLF001
        #: The threads of the flows that are consulted, by name; without a backend each flow has its own rules.
        self._wings: dict[str, Threads[Any]] = {
            one.name: Threads(
                one, deps=None if one.deps is None else deps, backend=backend, clock=self.clock, _host=self
            )
            for one in flow.consulted
        }
        #: The side rooms of these threads.
        self.rooms = Rooms(self, self._wings)
        #: The side rooms that are consulted now.
        self._occupied: set[str] = set()
        self._drivers: OrderedDict[str, Driver] = OrderedDict()
        self._known: WeakValueDictionary[str, Thread[M]] = WeakValueDictionary()
        self._silences = Silences(self)
        #: Work that nobody waits for.
        self._left: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def store(self) -> Store:
        """Where the threads live."""
        return self._access.store

    async def __aenter__(self) -> Self:
        """Start watching silences."""
        self._silences.start()
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close; what that raises does not hide what ended the block."""
        try:
            await self.close()
        except Exception as closing:
            if not stands(error, closing):
                raise

    async def close(self) -> None:
        """Stop driving, let running bodies finish, and close backend and store. A second call does nothing.

        Whoever still waits for an answer gets `ThreadsClosed`; what was sent stays in the store.
        """
        if self._closed:
            return
        self._closed = True
        await self._silences.close()
        self.listeners.fail_all(ThreadsClosed())
        await asyncio.gather(*self._left, return_exceptions=True)
        closing = [driver.close() for driver in self._drivers.values()]
        await asyncio.gather(*closing, *(wing.close() for wing in self._wings.values()))
        self._drivers.clear()
        if self.host is not None:
            return
        self._tools.shutdown()
        try:
            await self.backend.close()
        finally:
            await self._access.close()

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
        name = self.clock.new_id() if thread is None else thread
        if room_place(name) is not None:
            raise ConfigurationError(f"{name} is the id of a side room, which its call opens: use get() to look at it")
        if await self.call(self.store.summary, name) is None:
            await self.create(name, metadata)
        return await self.load(name)

    async def get(self, thread: str) -> Thread[M]:
        """Return a stored thread; a side room as it is, without driving it.

        Args:
            thread: its id.

        Raises:
            ThreadUnknown: if the store has no such thread.
            FlowChanged: if it does not fit the flow as it is now.
        """
        summary = await self.call(self.store.summary, thread)
        if summary is None:
            raise ThreadUnknown(thread)
        if room_place(thread) is not None:
            return await self.rooms.wing_of(summary.flow).look(thread)
        return await self.load(thread)

    async def summaries(self) -> list[tuple[str, Summary]]:
        """Return (id, summary) of the flow's threads, the latest first; side rooms are found by `Thread.rooms`."""
        found = await self.call(self.store.threads)
        return [(name, summary) for name, summary in found if summary.flow == self.flow.name and self.is_own(name)]

    def is_own(self, name: str) -> bool:
        """Whether a thread is driven for its own sake here; a room is driven as long as its call waits for it.

        Args:
            name: its id.
        """
        return room_place(name) is None if self.host is None else name in self._occupied

    @contextlib.contextmanager
    def occupying(self, room: str) -> Generator[None]:
        """Have silences act on a side room while the block lasts.

        Args:
            room: its id.
        """
        self._require_open()
        if not self._silences.watching:
            self._silences.start()
        self._occupied.add(room)
        try:
            yield
        finally:
            self._occupied.discard(room)

    async def recover(self) -> list[str]:
        """Finish what a crash interrupted, on every thread that nobody drives; return their ids.

        A thread that does not fit the flow any more is logged and left as it is.
        """
        mine = {name for name, _ in await self.summaries()}
        found = [name for name in await self.call(self.store.outstanding) if name in mine]
        return [name for name in found if await self.woke(name)]

    async def woke(self, name: str) -> bool:
        """Load a thread and do what is outstanding; return whether that was possible here.

        Args:
            name: its id.
        """
        try:
            return await (await self.load(name)).wake()
        except ThreadsClosed:
            raise
        except Exception:
            logger.exception("thread %s cannot be driven", name)
            return False

    async def create(self, name: str, metadata: M | None) -> None:
        """Make a thread; if it is there already, do nothing.

        Args:
            name: its id.
            metadata: initial metadata.
        """
        now, flow = self.clock.now(), self.flow
        facts = flow.dump(flow.metadata() if metadata is None else metadata)
        birth = self.clock.new_id()
        opened = ThreadOpened(now, name, flow.name, flow.version, flow.initial.name, facts, flow.limits, birth)
        state = fold(None, opened)
        commit = Commit(0, [dump(opened)], (), None, summary_of(flow, state, now))
        with contextlib.suppress(StoreBehind):  # somebody else made it at the same moment
            await self.call(self.store.append, name, commit)

    async def look(self, name: str) -> Thread[M]:
        """Return a stored thread as it is.

        Args:
            name: its id.
        """
        driver = self.driver(name)
        await driver.catch_up()
        state = driver.journaled.state
        found = self._known.get(name) or Thread(self, name, state)
        found.state = state
        self._known[name] = found
        return found

    async def load(self, name: str) -> Thread[M]:
        """Return a stored thread, after finishing what a crash interrupted.

        Args:
            name: its id.

        Raises:
            FlowChanged: if it does not fit the flow as it is now.
        """
        found = await self.look(name)
        driver, state = self.driver(name), found.state
        migrated = fitted(self.flow, state, self.clock.now())
        if migrated is not None:
            await driver.feed(migrated)
            return found
        rows = await self.call(self.store.inbox, name)
        if rows or state.locked or state.tickets:
            await driver.wake()
        return found

    # -- what the parts share ------------------------------------------------------------------------------------------

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the store and return what it returns."""
        self._require_open()
        return await self._access.call(method, *args, **kwargs)

    def _require_open(self) -> None:
        if self.closed:
            raise ThreadsClosed

    @property
    def closed(self) -> bool:
        """Whether these threads were closed, or those whose side rooms they are."""
        return self._closed or (self.host is not None and self.host.closed)

    def driver(self, thread: str) -> Driver:
        """Return the thread's driver, made if need be; the least recently used resting ones are dropped."""
        self._require_open()
        found = self._drivers.get(thread)
        if found is None:
            found = Driver(
                thread,
                flow=self.flow,
                deps=self.deps,
                backend=self.backend,
                store=self._access,
                clock=self.clock,
                tools=self._tools,
                tell=lambda event: self.listeners.tell(thread, event),
                observe=lambda before, event, after: self._observe(thread, before, event, after),
                woken=self._silences.woken,
                broken=lambda error: self.listeners.fail(thread, error),
                rooms=self.rooms,
            )
            self._drivers[thread] = found
        self._drivers.move_to_end(thread)
        if len(self._drivers) > KEPT:
            for name, driver in list(self._drivers.items())[:-KEPT]:
                if not driver.busy and not self.listeners.on(name) and name != thread:
                    del self._drivers[name]
        return found

    def _observe(self, thread: str, before: State, event: Event, after: State) -> None:
        if self.listeners.watched(thread):  # usually not: then nothing is worked out that nobody is told
            for one in told(before, event, after):
                self.listeners.tell(thread, one)
        known = self._known.get(thread)
        if known is not None:
            known.state = after
        self.listeners.observe(thread, before, event, after)

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do it though nobody waits for it.

        Args:
            work: what to do; its failure is logged.
        """
        task = asyncio.create_task(work)
        self._left.add(task)
        task.add_done_callback(self._left_ended)

    def when_open(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Do it though nobody waits for it, unless these threads were closed.

        Args:
            work: makes what to do.
        """
        if not self.closed:
            self.later(work())

    def _left_ended(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("work that nobody waited for failed", exc_info=task.exception())

    def watching(self, thread: str, watcher: Callable[[ThreadEvent], None]) -> AbstractContextManager[None]:
        """Call `watcher` with every event of the thread in this process, while the block lasts.

        Args:
            thread: its id.
            watcher: called on the loop, in order.
        """
        return self.listeners.watching(thread, watcher)

    async def sweep(self) -> list[str]:
        """Act on the silences that have ended by now, in side rooms, too; return the threads they ended on (D5)."""
        swept = await self._silences.sweep()
        for wing in self._wings.values():
            swept += await wing.sweep()
        return swept


def _offline(flow: Flow[Any, Any]) -> Backend:
    rules = flow.offline
    if rules is None:
        raise ConfigurationError(
            f"the flow {flow.name} has no offline rules: hand in backend=…, or import its RuleModel first"
        )
    from handoff.backends.embedded import Embedded  # noqa: PLC0415 - only where no backend is handed in

    return Embedded(rules)
