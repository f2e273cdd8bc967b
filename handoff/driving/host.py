"""What the process that hosts the threads of one flow has: their drivers, who listens, and work nobody waits for.

Threads as users see them stand on it, and so do the framework's own parts: side rooms, silences, and whoever follows an
answer. A thread that rests holds no task and no lock; the latest few keep their folded state, so that the next message
does not read the whole journal again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from handoff.backends.base import Backend
from handoff.clock import Clock
from handoff.core import fold
from handoff.core.codec import dump
from handoff.core.events import Event, ThreadOpened
from handoff.core.state import State
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps, Metadata
from handoff.declaration.versions import fitted
from handoff.driving.capabilities import require_carried
from handoff.driving.deleting import deleted
from handoff.driving.driver import Driver
from handoff.driving.hosted import Hosted
from handoff.driving.leaving import Left, LeftCall, ended_within, unbroken
from handoff.driving.ledger import summary_of
from handoff.driving.listeners import Listeners
from handoff.driving.rooms import Rooms
from handoff.driving.side_rooms import room_place
from handoff.driving.silences import Silences
from handoff.errors import ConfigurationError, StoreBehind, ThreadsClosed, ThreadUnknown
from handoff.events import told
from handoff.store.access import StoreAccess
from handoff.store.base import Commit, Store, Summary

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("handoff")

#: How many resting threads keep their folded state.
KEPT = 256
#: How many synchronous tools may run at once.
WORKERS = 64


class Host:
    """The process as the threads of one flow see it.

    Args:
        flow: the declaration, frozen.
        deps: what the process lends.
        backend: who runs the model; None: the flow's offline rules.
        store: where the threads live; with `parent`, what it has is used.
        clock: the time.
        parent: the host of the threads whose side rooms these are.

    Raises:
        ConfigurationError: if no backend is given and the flow has no offline rules, or the backend does not carry what
            an assistant declares.
    """

    def __init__(
        self,
        flow: Flow[Any, Any],
        *,
        deps: Deps | None,
        backend: Backend | None,
        store: Store,
        clock: Clock,
        parent: Host | None = None,
    ) -> None:
        self.flow = flow
        self.backend: Backend = _offline(flow) if backend is None else backend
        require_carried(flow, self.backend)
        self.clock = clock
        #: The host of the threads whose side rooms these are; None for threads of their own.
        self.parent = parent
        #: How the store is called.
        self.access: StoreAccess = StoreAccess(store) if parent is None else parent.access
        #: Where synchronous bodies run.
        self.tools: ThreadPoolExecutor = ThreadPoolExecutor(WORKERS, "handoff-tool") if parent is None else parent.tools
        #: Who is told what happens here.
        self.listeners: Listeners = Listeners() if parent is None else parent.listeners
        self._deps = deps
        #: The hosts of the flows that are consulted, by name; without a backend each flow has its own rules.
        self._wings: dict[str, Host] = {
            one.name: Host(
                one,
                deps=None if one.deps is None else deps,
                backend=backend,
                store=store,
                clock=clock,
                parent=self,
            )
            for one in flow.consulted
        }
        #: The side rooms of these threads.
        self.rooms = Rooms(self, self._wings)
        #: The side rooms that are consulted now.
        self._occupied: set[str] = set()
        self._drivers: OrderedDict[str, Driver] = OrderedDict()
        self._known: WeakValueDictionary[str, Hosted] = WeakValueDictionary()
        #: Watches silences.
        self.silences = Silences(self)
        #: Work that nobody waits for.
        self._left: set[asyncio.Task[Any]] = set()
        self._closed = False

    # -- open or closed ------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether this host was closed, or that of the threads whose side rooms these are."""
        return self._closed or (self.parent is not None and self.parent.closed)

    def _require_open(self) -> None:
        if self.closed:
            raise ThreadsClosed

    async def close(self, patience: float | None = None) -> tuple[LeftCall, ...]:
        """Stop driving, let running bodies finish, and close backend and store. A second call does nothing.

        Whoever is cancelled while closing has no patience any more: what still runs is left, and the rest is closed.

        Args:
            patience: seconds that bodies have; those still running then are left, as by a crash. None: all they need.

        Returns:
            The calls that are left.
        """
        if self._closed:
            return ()
        self._begin_nothing()
        self.listeners.fail_all(ThreadsClosed())
        try:
            await self._ended_within(patience)
        finally:
            left = await unbroken(self._closed_up())
        return left

    async def _closed_up(self) -> tuple[LeftCall, ...]:
        """Leave what is still under way, and close backend and store; return the calls that are left."""
        await self._stopped()
        left = await self._leave()
        for one in left:
            _warn(one.call)
        holding = [one.going_on for one in left if one.going_on is not None]
        self.tools.shutdown(wait=not holding, cancel_futures=True)
        try:
            await self.backend.close()
        finally:
            await self.access.close(holding)
        return tuple(one.call for one in left)

    async def _stopped(self) -> None:
        """Return when nobody watches silences any more, here and in side rooms."""
        await self.silences.close()
        for wing in self._wings.values():
            await wing._stopped()  # noqa: SLF001 - of this class

    def _begin_nothing(self) -> None:
        """Tell all drivers at once: a body that ends while the rest is being closed starts no request any more."""
        self._closed = True
        self.silences.stop()
        for driver in self._drivers.values():
            driver.closing = True
        for wing in self._wings.values():
            wing._begin_nothing()  # noqa: SLF001 - of this class

    async def _ended_within(self, patience: float | None) -> None:
        """Wait for what is under way, no longer than that."""
        ending = asyncio.ensure_future(self._ended())
        try:
            await ended_within(self.clock, patience, {ending})
        finally:
            if not ending.done():
                ending.cancel()
                await asyncio.wait({ending})
        if not ending.cancelled():
            ending.result()

    async def _ended(self) -> None:
        await asyncio.gather(*self._left, return_exceptions=True)
        closing = [driver.close() for driver in self._drivers.values()]
        await asyncio.gather(*closing, *(wing._ended() for wing in self._wings.values()))  # noqa: SLF001 - of this class

    async def _leave(self) -> list[Left]:
        leaving = [driver.leave() for driver in self._drivers.values()]
        wings = [wing._leave() for wing in self._wings.values()]  # noqa: SLF001 - of this class
        return [one for left in await asyncio.gather(*leaving, *wings) for one in left]

    # -- the store -----------------------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """Where the threads live; `call` its methods."""
        return self.access.store

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the store and return what it returns.

        Raises:
            ThreadsClosed: if this host was closed.
        """
        self._require_open()
        return await self.access.call(method, *args, **kwargs)

    async def summaries(
        self, *, after: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[tuple[str, Summary]]:
        """Return (id, summary) of the threads that are driven for their own sake here, the latest first.

        Args:
            after: as of `Store.threads`.
            limit: how many at most; None for all.
        """
        found: list[tuple[str, Summary]] = []
        while True:
            page = await self.call(self.store.threads, after=after, limit=limit)
            found += [one for one in page if one[1].flow == self.flow.name and self.is_own(one[0])]
            if limit is None or len(found) >= limit or len(page) < limit:
                return found[:limit]
            name, last = page[-1]  # some of the page were others': look further
            after = (last.at, name)

    # -- the threads ---------------------------------------------------------------------------------------------------

    async def create(self, name: str, metadata: Metadata | None, parent: tuple[str, str] | None = None) -> None:
        """Make a thread; if it is there already, do nothing.

        Args:
            name: its id.
            metadata: initial metadata.
            parent: for a side room: id and birth of the thread it belongs to.

        Raises:
            ThreadUnknown: the parent was deleted.
        """
        now, flow = self.clock.now(), self.flow
        facts = flow.dump(flow.metadata() if metadata is None else metadata)
        birth = self.clock.new_id()
        opened = ThreadOpened(now, name, flow.name, flow.version, flow.initial.name, facts, flow.limits, birth)
        state = fold(None, opened)
        commit = Commit(0, [dump(opened)], (), None, summary_of(flow, state, now), parent=parent)
        with contextlib.suppress(StoreBehind):  # somebody else made it at the same moment
            await self.call(self.store.append, name, commit)

    async def look(self, name: str) -> Hosted:
        """Return a stored thread as it is.

        Args:
            name: its id.

        Raises:
            ThreadUnknown: there is none.
        """
        driver = self.driver(name)
        try:
            await driver.catch_up()
        except ThreadUnknown:
            if not driver.journaled.known:
                raise
            driver = self.driver(name)  # what was known here was deleted: there may be another of its id
            await driver.catch_up()
        state = driver.journaled.state
        found = self._known.get(name)
        if found is None or found.born != state.birth:
            found = Hosted(self, name, state)
        found.state = state
        self._known[name] = found
        return found

    async def load(self, name: str) -> Hosted:
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

    async def woke(self, name: str) -> bool:
        """Load a thread and do what is outstanding; return whether that was possible here.

        Args:
            name: its id.
        """
        try:
            return await (await self.load(name)).wake()
        except ThreadsClosed:
            raise
        except ThreadUnknown:  # it was deleted meanwhile
            return False
        except Exception:
            logger.exception("thread %s cannot be driven", name)
            return False

    def driver(self, thread: str) -> Driver:
        """Return the thread's driver, made if need be; the least recently used resting ones are dropped."""
        self._require_open()
        found = self._drivers.get(thread)
        if found is None or found.gone:
            found = Driver(
                thread,
                flow=self.flow,
                deps=self._deps,
                backend=self.backend,
                store=self.access,
                clock=self.clock,
                tools=self.tools,
                tell=lambda event: self.listeners.tell(thread, event),
                observe=lambda before, event, after: self._observe(thread, before, event, after),
                woken=self.silences.woken,
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

    async def delete(self, name: str, *, server: bool) -> None:
        """Delete a thread, to the end even if whoever asks gives up; see `Threads.delete`."""
        deleting = asyncio.create_task(deleted(self, name, server=server))
        self._left.add(deleting)
        deleting.add_done_callback(self._left.discard)
        try:
            await asyncio.shield(deleting)
        except asyncio.CancelledError:
            deleting.add_done_callback(self._left_ended)
            raise

    def forget(self, name: str) -> None:
        """Keep nothing of a thread that was deleted, here and among side rooms, and tell those who wait for it.

        Args:
            name: its id.
        """
        self._known.pop(name, None)
        driver = self._drivers.pop(name, None)
        if driver is not None:
            driver.gone = True
        for wing in self._wings.values():
            wing.forget(name)
        self.listeners.fail(name, ThreadUnknown(name))

    # -- side rooms and silences ---------------------------------------------------------------------------------------

    def is_own(self, name: str) -> bool:
        """Whether a thread is driven for its own sake here; a room is driven as long as its call waits for it.

        Args:
            name: its id.
        """
        return room_place(name) is None if self.parent is None else name in self._occupied

    @contextlib.contextmanager
    def occupying(self, room: str) -> Generator[None]:
        """Have silences act on a side room while the block lasts.

        Args:
            room: its id.
        """
        self._require_open()
        if not self.silences.watching:
            self.silences.start()
        self._occupied.add(room)
        try:
            yield
        finally:
            self._occupied.discard(room)

    async def sweep(self) -> list[str]:
        """Act on the silences that have ended by now, in side rooms, too; return the threads they ended on (D5)."""
        swept = await self.silences.sweep()
        for wing in self._wings.values():
            swept += await wing.sweep()
        return swept

    # -- work that nobody waits for ------------------------------------------------------------------------------------

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do it though nobody waits for it.

        Args:
            work: what to do; its failure is logged.
        """
        task = asyncio.create_task(work)
        self._left.add(task)
        task.add_done_callback(self._left_ended)

    def when_open(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Do it though nobody waits for it, unless this host was closed.

        Args:
            work: makes what to do.
        """
        if not self.closed:
            self.later(work())

    def _left_ended(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("work that nobody waited for failed", exc_info=task.exception())


def _warn(call: LeftCall) -> None:
    goes_on = "it goes on, and what it returns is lost" if call.running else "it was cancelled"
    logger.warning(
        "thread %s: %s (call %s) needs longer than the close waits: %s", call.thread, call.tool, call.call, goes_on
    )


def _offline(flow: Flow[Any, Any]) -> Backend:
    rules = flow.offline
    if rules is None:
        raise ConfigurationError(
            f"the flow {flow.name} has no offline rules: hand in backend=…, or import its RuleModel first"
        )
    from handoff.backends.embedded import Embedded  # noqa: PLC0415 - only where no backend is handed in

    return Embedded(rules)
