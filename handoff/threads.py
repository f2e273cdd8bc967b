"""Threads and Thread: open, send, stream, cancel, decide (asyncio).

Whatever a sender hands in is committed to the inbox before it gets its receipt (L3); then the thread is driven here,
unless another process drives it. A thread that rests holds no task and no lock; the latest few keep their folded
state, so that the next message does not read the whole journal again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Literal, ParamSpec, Self, TypeAlias, cast
from weakref import WeakValueDictionary

from typing_extensions import TypeVar

from handoff import calls
from handoff.assistants import Assistant
from handoff.backends.base import Backend
from handoff.clock import Clock, SystemClock
from handoff.core import receive
from handoff.core.codec import dump, load
from handoff.core.events import EditDenied, Edited, Event, Resolved, ThreadOpened
from handoff.core.items import Item
from handoff.core.state import JSON, Phase, State, Ticket
from handoff.driver import FOLLOW, Driver
from handoff.errors import (
    ConfigurationError,
    HandoffError,
    KeyReused,
    StoreBehind,
    StoreError,
    ThreadsClosed,
    ThreadUnknown,
    TicketClosed,
)
from handoff.events import ThreadEvent
from handoff.flow import Flow
from handoff.ledger import summary_of
from handoff.metadata import Deps, Metadata
from handoff.replies import Collector, Reply
from handoff.store.access import StoreAccess
from handoff.store.base import Commit, Receipt, RowKind, Store, Summary
from handoff.store.memory import MemoryStore
from handoff.versions import fitted

M = TypeVar("M", bound=Metadata, default=Metadata)
P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("handoff")

WhileRunning: TypeAlias = Literal["queue", "steer", "interrupt", "reject"]

#: How many resting threads keep their folded state.
KEPT = 256
#: How many synchronous tools may run at once.
WORKERS = 64
#: Seconds between two looks at a silence that has ended and cannot be acted on.
PAUSE = 10.0
#: Seconds the sweeper sleeps at most.
HORIZON = 3600.0


@dataclass(frozen=True, slots=True)
class EditReceipt:
    """What came of an edit."""

    #: Whether it was applied.
    applied: bool
    #: Why not; empty if it was.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a ticket; a second decision returns the first."""

    ticket: str
    #: approved, refused or result.
    outcome: str
    by: str = ""


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
        ConfigurationError: if no backend is given and the flow has no offline rules.
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
        self.flow = flow
        self.deps = deps
        self.backend: Backend = _offline(flow) if backend is None else backend
        self.clock: Clock = SystemClock() if clock is None else clock
        self._access = StoreAccess(MemoryStore() if store is None else store)
        self._tools = ThreadPoolExecutor(WORKERS, "handoff-tool")
        self._drivers: OrderedDict[str, Driver] = OrderedDict()
        self._known: WeakValueDictionary[str, Thread[M]] = WeakValueDictionary()
        self._watchers: dict[str, list[Callable[[ThreadEvent], None]]] = {}
        self._observers: dict[str, list[Callable[[State, Event, State], None]]] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._rearmed = asyncio.Event()
        #: When the sweeper will look next, Unix seconds.
        self._next_look = 0.0
        #: What senders wait for, by thread.
        self._waiting: dict[str, list[asyncio.Future[Any]]] = {}
        #: Work that nobody waits for.
        self._left: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def store(self) -> Store:
        """Where the threads live."""
        return self._access.store

    async def __aenter__(self) -> Self:
        """Start watching silences."""
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="handoff silences")
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Stop driving, let running bodies finish, and close backend and store. A second call does nothing.

        Whoever still waits for an answer gets `ThreadsClosed`; what was sent stays in the store.
        """
        if self._closed:
            return
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for thread in list(self._waiting):
            self._fail(thread, ThreadsClosed())
        await asyncio.gather(*self._left, return_exceptions=True)
        await asyncio.gather(*(driver.close() for driver in self._drivers.values()))
        self._drivers.clear()
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
        """
        name = self.clock.new_id() if thread is None else thread
        if await self.call(self.store.summary, name) is None:
            await self._create(name, metadata)
        return await self._load(name)

    async def get(self, thread: str) -> Thread[M]:
        """Return a stored thread.

        Args:
            thread: its id.

        Raises:
            ThreadUnknown: if the store has no such thread.
            FlowChanged: if it does not fit the flow as it is now.
        """
        if await self.call(self.store.summary, thread) is None:
            raise ThreadUnknown(thread)
        return await self._load(thread)

    async def summaries(self) -> list[tuple[str, Summary]]:
        """Return (id, summary) of the flow's threads, the latest first."""
        found = await self.call(self.store.threads)
        return [(name, summary) for name, summary in found if summary.flow == self.flow.name]

    async def recover(self) -> list[str]:
        """Finish what a crash interrupted, on every thread that nobody drives; return their ids.

        A thread that does not fit the flow any more is logged and left as it is.
        """
        mine = {name for name, _ in await self.summaries()}
        found = [name for name in await self.call(self.store.outstanding) if name in mine]
        return [name for name in found if await self._woke(name)]

    async def _woke(self, name: str) -> bool:
        """Load a thread and do what is outstanding; return whether that was possible here."""
        try:
            return await (await self._load(name)).wake()
        except ThreadsClosed:
            raise
        except Exception:
            logger.exception("thread %s cannot be driven", name)
            return False

    async def _create(self, name: str, metadata: M | None) -> None:
        now = self.clock.now()
        facts = self.flow.dump(self.flow.metadata() if metadata is None else metadata)
        opened = ThreadOpened(
            now, name, self.flow.name, self.flow.version, self.flow.initial.name, facts, self.flow.limits
        )
        state, _ = receive(None, opened)
        commit = Commit(0, [dump(opened)], (), None, summary_of(self.flow, state, now))
        with contextlib.suppress(StoreBehind):  # somebody else made it at the same moment
            await self.call(self.store.append, name, commit)

    async def _load(self, name: str) -> Thread[M]:
        driver = self.driver(name)
        await driver.catch_up()
        assert driver.state is not None
        migrated = fitted(self.flow, driver.state, self.clock.now())
        found = self._known.get(name) or Thread(self, name, driver.state)
        found.state = driver.state
        self._known[name] = found
        if migrated is not None:
            await driver.feed(migrated)
            return found
        rows = await self.call(self.store.inbox, name)
        if rows or driver.state.locked or driver.state.tickets:
            await driver.wake()
        return found

    # -- what the parts share ------------------------------------------------------------------------------------------

    async def call(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a method of the store and return what it returns."""
        self._require_open()
        return await self._access.call(method, *args, **kwargs)

    def _require_open(self) -> None:
        if self._closed:
            raise ThreadsClosed

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
                tell=lambda event: self._tell(thread, event),
                observe=lambda before, event, after: self._observe(thread, before, event, after),
                woken=self._woken,
                broken=lambda error: self._fail(thread, error),
            )
            self._drivers[thread] = found
        self._drivers.move_to_end(thread)
        if len(self._drivers) > KEPT:
            for name, driver in list(self._drivers.items())[:-KEPT]:
                watched = name in self._observers or name in self._watchers
                if not driver.busy and not watched and name != thread:
                    del self._drivers[name]
        return found

    def _tell(self, thread: str, event: ThreadEvent) -> None:
        for watcher in list(self._watchers.get(thread, ())):
            watcher(event)

    def _observe(self, thread: str, before: State, event: Event, after: State) -> None:
        known = self._known.get(thread)
        if known is not None:
            known.state = after
        for observer in list(self._observers.get(thread, ())):
            observer(before, event, after)

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do it though nobody waits for it.

        Args:
            work: what to do; its failure is logged.
        """
        task = asyncio.create_task(work)
        self._left.add(task)
        task.add_done_callback(self._left_ended)

    def _left_ended(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("work that nobody waited for failed", exc_info=task.exception())

    def _fail(self, thread: str, error: HandoffError) -> None:
        for waiting in self._waiting.get(thread, ()):
            if not waiting.done():
                waiting.set_result(error)

    @contextlib.contextmanager
    def awaiting(self, thread: str, answer: asyncio.Future[Any]) -> Generator[None]:
        """Let the answer be an error if the thread cannot go on here, while the block lasts."""
        with _joined(self._waiting, thread, answer):
            yield

    @contextlib.contextmanager
    def watching(self, thread: str, watcher: Callable[[ThreadEvent], None]) -> Generator[None]:
        """Call `watcher` with every event of the thread in this process, while the block lasts."""
        with _joined(self._watchers, thread, watcher):
            yield

    @contextlib.contextmanager
    def observing(self, thread: str, observer: Callable[[State, Event, State], None]) -> Generator[None]:
        """Call `observer` with every journaled event of the thread seen here, while the block lasts."""
        with _joined(self._observers, thread, observer):
            yield

    # -- silences ------------------------------------------------------------------------------------------------------

    def _woken(self, at: float | None) -> None:
        if at is not None and at < self._next_look:
            self._rearmed.set()

    async def _sweep_for_ever(self) -> None:
        while True:
            self._rearmed.clear()
            self._next_look = float("inf")  # a silence that begins from here on is seen below, or wakes us
            wait = await self._swept()
            self._next_look = self.clock.now() + wait
            sleep = asyncio.ensure_future(self.clock.sleep(wait))
            rearmed = asyncio.ensure_future(self._rearmed.wait())
            try:
                await asyncio.wait({sleep, rearmed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in (sleep, rearmed):
                    one.cancel()
                await asyncio.gather(sleep, rearmed, return_exceptions=True)

    async def _swept(self) -> float:
        """Sweep, and return the seconds until the next silence of this flow ends."""
        now = self.clock.now()
        try:
            await self.sweep()
            timers = await self.call(self.store.timers, now + HORIZON)
            mine = {name for name, _ in await self.summaries()} if timers else set[str]()
            ends = [at for name, at in timers if name in mine]
        except StoreError:
            logger.exception("silences could not be looked at")
            return PAUSE
        if not ends:
            return HORIZON
        return max(0.0, ends[0] - self.clock.now()) if ends[0] > now else PAUSE

    async def sweep(self) -> list[str]:
        """Act on the silences that have ended by now; return the threads they ended on (D5)."""
        timers = await self.call(self.store.timers, self.clock.now())
        mine = {name for name, _ in await self.summaries()} if timers else set[str]()
        return [name for name, _ in timers if name in mine and await self._silence_ended(name)]

    async def _silence_ended(self, name: str) -> bool:
        driver = self.driver(name)
        await driver.catch_up()
        state = driver.state
        if state is None or state.phase is not Phase.REST:
            return False
        data = {"stimuli": state.stimuli, "timed": state.timed}
        key = f"timer:{state.stimuli}:{state.timed}"
        await self.call(self.store.post, name, "timer", data, at=self.clock.now(), key=key)
        return await self._woke(name)


@contextlib.contextmanager
def _joined(table: dict[str, list[Any]], name: str, member: Any) -> Generator[None]:
    table.setdefault(name, []).append(member)
    try:
        yield
    finally:
        table[name].remove(member)
        if not table[name]:
            del table[name]


def _offline(flow: Flow[Any, Any]) -> Backend:
    rules = flow.offline
    if rules is None:
        raise ConfigurationError(
            f"the flow {flow.name} has no offline rules: hand in backend=…, or import its RuleModel first"
        )
    from handoff.backends.embedded import Embedded  # noqa: PLC0415 - only where no backend is handed in

    return Embedded(rules)


class Thread(Generic[M]):
    """One conversation. Made by `Threads.open`; what it shows is as of the latest commit this process has seen."""

    def __init__(self, threads: Threads[M], thread: str, state: State) -> None:
        self._threads = threads
        self.id = thread
        #: The thread as a value; see `handoff.core.state.State`.
        self.state = state

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def assistant(self) -> Assistant[M]:
        """The active assistant; `Flow.end` once the thread is closed."""
        flow = self._threads.flow
        return flow.end if self.state.closed else flow.assistants[self.state.assistant]

    @property
    def metadata(self) -> M:
        """A copy of the metadata."""
        return self._threads.flow.metadata_from(self.state.metadata)

    @property
    def status(self) -> str:
        """`rest`, `closed`, or the status of the active run."""
        if self.state.run is not None:
            return str(self.state.run.status)
        return "closed" if self.state.closed else "rest"

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """The calls that outlive their batch and are not decided."""
        return self.state.tickets

    async def transcript(self) -> tuple[Item, ...]:
        """Return what was said and done, in order, with what still waits to be sent."""
        driver = await self._caught_up()
        return (*driver.transcript, *self.state.due)

    async def _caught_up(self) -> Driver:
        """Return the thread's driver, having seen what others have done."""
        driver = self._threads.driver(self.id)
        await driver.catch_up()
        assert driver.state is not None
        self.state = driver.state
        return driver

    # -- messages ------------------------------------------------------------------------------------------------------

    async def send(self, text: str, *, while_running: WhileRunning = "queue", key: str | None = None) -> Reply:
        """Send a message and return the reply.

        Args:
            text: what the user says.
            while_running: what to do if a run is active: wait for its end (`queue`), join it at its next batch boundary
                (`steer`), stop it (`interrupt`), or refuse (`reject`).
            key: idempotency key: the same key returns the same reply, without saying anything twice.

        Raises:
            RunFailed: if the turn ended without a reply.
            ThreadBusy: if it is to be rejected while the thread is busy.
            ThreadClosed: if the flow reached its end.
            KeyReused: if the key was used with other content.
        """
        with self._listening(key) as sender:
            await self._hand_in(sender, text, while_running)
            return await self._follow(sender.answer)

    async def stream(
        self, text: str, *, while_running: WhileRunning = "queue", key: str | None = None
    ) -> AsyncGenerator[ThreadEvent, None]:
        """Send a message and yield what happens on the thread until it is answered.

        Leaving the iteration early does not stop the run; `cancel` does.

        Args:
            text: as for `send`.
            while_running: as for `send`.
            key: as for `send`.

        Yields:
            The events of the thread, the text of replies in pieces among them.

        Raises:
            RunFailed: after the last event, if the turn ended without a reply; and the errors of `send`.
        """
        queue: asyncio.Queue[ThreadEvent | None] = asyncio.Queue()
        with self._threads.watching(self.id, queue.put_nowait), self._listening(key) as sender:
            await self._hand_in(sender, text, while_running)
            following = asyncio.create_task(self._follow(sender.answer))
            following.add_done_callback(lambda _: queue.put_nowait(None))
            try:
                while (event := await queue.get()) is not None:
                    yield event
                await following
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def post(self, text: str, *, while_running: WhileRunning = "queue", key: str | None = None) -> Receipt:
        """Send a message and return as soon as it is committed; the arguments and errors are those of `send`."""
        receipt = await self._post_message(text, while_running, key or self._threads.clock.new_id())
        await self.wake()
        return receipt

    async def _post_message(self, text: str, while_running: WhileRunning, key: str) -> Receipt:
        if while_running not in {"queue", "steer", "interrupt", "reject"}:
            raise ConfigurationError(f"while_running={while_running!r}: use queue, steer, interrupt or reject")
        data = {"id": key, "text": _clean(text), "policy": while_running}
        return await self._post("message", data, key=f"user:{key}", reject=while_running == "reject")

    @contextlib.contextmanager
    def _listening(self, key: str | None) -> Generator[_Sender]:
        """Listen for the answer to a message that is about to be sent."""
        sender = _Sender(self._threads.clock.new_id() if key is None else key)
        with self._threads.observing(self.id, sender.observe), self._threads.awaiting(self.id, sender.answer):
            yield sender

    async def _hand_in(self, sender: _Sender, text: str, while_running: WhileRunning) -> None:
        driver = await self._caught_up()
        receipt = await self._post_message(text, while_running, sender.collector.message)
        if receipt.repeated:
            sender.collector = await self._replayed(driver, sender.collector.message)
            sender.settle()

    async def _replayed(self, driver: Driver, message: str) -> Collector:
        """Return a collector that has seen all the driver has: the message is older than this sender."""
        collector = Collector(message)
        state: State | None = None
        seq = 0
        while seq < driver.seq:
            for record in await self._threads.call(self._threads.store.journal, self.id, seq):
                if record.seq > driver.seq:
                    break  # the driver shows it when it gets there
                event = load(record.data)
                after, _ = receive(state, event)
                if state is not None:
                    collector.see(state, event, after)
                state, seq = after, record.seq
        return collector

    async def _follow(self, answer: asyncio.Future[R | HandoffError]) -> R:
        """Drive the thread, or watch whoever drives it, until the answer is there."""
        while not answer.done():
            driver = self._threads.driver(self.id)
            if await driver.wake():
                await answer
                break
            await driver.catch_up()
            if not answer.done():
                await self._threads.clock.sleep(FOLLOW)
        found = answer.result()
        if isinstance(found, HandoffError):
            raise found
        return found

    async def cancel(self) -> None:
        """Stop the active run and return when it has ended; if none is active, nothing happens (C1)."""
        await self._caught_up()
        run = self.state.run
        if run is None:
            return
        ended: asyncio.Future[HandoffError | None] = asyncio.get_running_loop().create_future()

        def observe(before: State, event: Event, after: State) -> None:
            del before, event
            if (after.run is None or after.run.number != run.number) and not ended.done():
                ended.set_result(None)

        with self._threads.observing(self.id, observe), self._threads.awaiting(self.id, ended):
            await self._post("stop", {"run": run.number, "cause": "cancel"}, key=f"cancel:{run.number}")
            await self._caught_up()
            if self.state.run is not None and self.state.run.number == run.number:
                await self._follow(ended)

    async def wake(self) -> bool:
        """Do what is outstanding, if nobody else drives the thread; return whether this process drives it."""
        return await self._threads.driver(self.id).wake()

    async def wait(self) -> None:
        """Return when nothing is under way on the thread in this process any more, bodies of tickets included."""
        await self._threads.driver(self.id).idle()

    # -- metadata and tickets ------------------------------------------------------------------------------------------

    async def edit(self, **fields: Any) -> EditReceipt:
        """Change metadata from outside; applied when the thread is next unlocked (M5).

        Args:
            fields: the fields and their new values; None unsets one.
        """
        from pydantic_core import (  # noqa: PLC0415 - beside its only use
            PydanticSerializationError,
            to_jsonable_python,
        )

        try:
            patch = to_jsonable_python(fields)
        except PydanticSerializationError as error:
            return EditReceipt(applied=False, reason=str(error))
        name = self._threads.clock.new_id()
        judged: asyncio.Future[EditReceipt | HandoffError] = asyncio.get_running_loop().create_future()

        def observe(before: State, event: Event, after: State) -> None:
            del before, after
            if isinstance(event, Edited) and event.id == name and not judged.done():
                judged.set_result(EditReceipt(applied=True))
            if isinstance(event, EditDenied) and event.id == name and not judged.done():
                judged.set_result(EditReceipt(applied=False, reason=event.reason))

        with self._threads.observing(self.id, observe), self._threads.awaiting(self.id, judged):
            await self._caught_up()
            try:
                await self._post("edit", {"id": name, "patch": patch}, key=f"edit:{name}")
            except ConfigurationError as error:  # no store can keep it
                return EditReceipt(applied=False, reason=str(error))
            return await self._follow(judged)

    async def approve(self, ticket: str, *, by: str = "") -> Decision:
        """Let a call that waits for approval run; its result comes as a message.

        Args:
            ticket: the ticket's id.
            by: who decides.

        Raises:
            TicketClosed: if it never was a ticket of this thread that waits for approval.
        """
        return await self._decide(ticket, {"outcome": "approved", "by": by})

    async def refuse(self, ticket: str, reason: str = "", *, by: str = "") -> Decision:
        """Refuse a call that waits for approval; its body never runs, and the active assistant is told.

        Args:
            ticket: the ticket's id.
            reason: what the model is told.
            by: who decides.

        Raises:
            TicketClosed: if it never was a ticket of this thread that waits for approval.
        """
        return await self._decide(ticket, {"outcome": "refused", "reason": reason, "by": by})

    async def resolve(self, ticket: str, output: str, *, by: str = "") -> Decision:
        """Deliver the result of a call that waits for the world; the first result wins.

        Args:
            ticket: the ticket's id.
            output: what the model is told.
            by: who delivers it.

        Raises:
            TicketClosed: if it is not open.
        """
        return await self.settle(ticket, output, happened=True, by=by)

    async def settle(self, ticket: str, output: str, *, happened: bool = True, by: str = "") -> Decision:
        """Say what became of a call whose outcome is unknown (E2).

        Args:
            ticket: the ticket's id.
            output: what the model is told.
            happened: whether the call took effect: then arguments named in `sets` are stored, and its transition may
                be taken.
            by: who says so.

        Raises:
            TicketClosed: if it is not open, or still waits for approval.
        """
        await self._caught_up()
        found = self.state.ticket(ticket)
        if found is None or found.stage == "approval":
            raise TicketClosed(self.id, ticket)
        row = calls.settled_by(self._threads.flow, self.state, found, output, happened=happened, by=by)
        await self._post("resolved", row, key=f"settle:{ticket}:{self._threads.clock.new_id()}")
        await self.wake()
        return Decision(ticket, "result", by)

    async def _decide(self, ticket: str, data: Mapping[str, JSON]) -> Decision:
        await self._caught_up()
        found = self.state.ticket(ticket)
        first = await self._first_decision(ticket)
        if first is not None:
            return first
        if found is None or found.stage != "approval":
            raise TicketClosed(self.id, ticket)
        try:
            await self._post("resolved", {"ticket": ticket, **data}, key=f"decide:{ticket}")
        except KeyReused:
            first = await self._first_decision(ticket)
            assert first is not None
            return first
        await self.wake()
        return Decision(ticket, str(data["outcome"]), str(data["by"]))

    async def _first_decision(self, ticket: str) -> Decision | None:
        store = self._threads.store
        for row in await self._threads.call(store.inbox, self.id):
            if row.kind == "resolved" and row.data["ticket"] == ticket and row.data["outcome"] != "result":
                return Decision(ticket, row.data["outcome"], row.data.get("by", ""))
        for record in await self._threads.call(store.journal, self.id, 0):
            if record.data["type"] == "Resolved" and record.data["ticket"] == ticket:
                event = cast("Resolved", load(record.data))
                if event.outcome in {"approved", "refused"}:
                    return Decision(ticket, event.outcome, event.by)
        return None

    async def _post(self, kind: RowKind, data: Mapping[str, Any], *, key: str, reject: bool = False) -> Receipt:
        try:
            return await self._threads.call(
                self._threads.store.post,
                self.id,
                kind,
                data,
                at=self._threads.clock.now(),
                key=key,
                reject_if_busy=reject,
            )
        except asyncio.CancelledError:
            # The row may be committed all the same, and then nobody else sees to it.
            self._threads.later(self.wake())
            raise

    def __repr__(self) -> str:
        return f"<thread {self.id} at {self.state.assistant}>"


class _Sender:
    """Whoever waits for the answer to one message."""

    def __init__(self, message: str) -> None:
        self.collector = Collector(message)
        self.answer: asyncio.Future[Reply | HandoffError] = asyncio.get_running_loop().create_future()

    def observe(self, before: State, event: Event, after: State) -> None:
        self.collector.see(before, event, after)
        self.settle()

    def settle(self) -> None:
        if self.collector.answer is not None and not self.answer.done():
            self.answer.set_result(self.collector.answer)


def _clean(text: str) -> str:
    """Return the text as UTF-8 can hold it: a lone surrogate becomes the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
