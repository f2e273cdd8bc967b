"""One thread under way: append what happened, then do what is outstanding. The shell around `turn.advance`.

Every change goes through `feed`: decide by the thread and the rows that wait, append (judging again if the inbox
grew), and only then act on it. What is outstanding is compared with what is under way, by key: missing work is
started, unwanted requests are dropped, bodies are never cancelled. After a crash nothing is under way, so recovery is
the same comparison (E2).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from typing import Any, ParamSpec, TypeVar

from handoff.backends.base import Backend
from handoff.clock import Clock
from handoff.core import events as happened
from handoff.core import todo
from handoff.core.codec import load
from handoff.core.commands import CancelRun, Command, Key, ReadBack, RunBody, SendRequest
from handoff.core.events import Event
from handoff.core.state import Phase, State
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.driving.bodies import Bodies, Consults
from handoff.driving.journaled import Journaled
from handoff.driving.judge import FlowJudge, wake_at
from handoff.driving.leaving import Left
from handoff.driving.requests import Purpose, Requests
from handoff.driving.turn import Advance, advance
from handoff.driving.work import Work
from handoff.errors import HandoffError, RunFailed, StoreBehind, ThreadsClosed, ThreadUnknown
from handoff.events import ThreadEvent
from handoff.observers import OBSERVERS
from handoff.store.access import StoreAccess
from handoff.store.base import InboxGrew, InboxRow, JournalRecord, Lock, Store

logger = logging.getLogger("handoff")

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds between two looks whether another process has posted something that acts at once.
LOOK = 0.1

#: Called after every commit with (before, event, after) of each of its events; it tells whoever watches, too.
Observer = Callable[[State, Event, State], None]


class Driver:
    """The thread as this process drives it.

    Args:
        thread: its id.
        flow: the declaration, frozen.
        deps: what the process lends.
        backend: who runs the model.
        store: where the thread lives.
        clock: the time.
        tools: where synchronous bodies run.
        tell: called with what is told to whoever watches and is not journaled.
        observe: called with every journaled event.
        woken: called when the thread's silence timer may have changed.
        broken: called when work on the thread failed and the next `wake` has to try again.
        rooms: who opens side rooms for bodies.
    """

    def __init__(
        self,
        thread: str,
        *,
        flow: Flow[Any, Any],
        deps: Deps | None,
        backend: Backend,
        store: StoreAccess,
        clock: Clock,
        tools: Executor,
        tell: Callable[[ThreadEvent], None],
        observe: Observer,
        woken: Callable[[float | None], None],
        broken: Callable[[HandoffError], None],
        rooms: Consults,
    ) -> None:
        self.thread = thread
        self.journaled = Journaled(flow)
        self.tell = tell
        #: What is under way here.
        self.work = Work(thread, clock, self._ended)
        #: How many events came too late and were ignored (I18).
        self.ignored = 0
        #: Nothing more is started.
        self.closing = False
        #: The thread was deleted: another one of its id has another driver.
        self.gone = False
        #: Nothing is written any more: bodies that still run are left, as by a crash.
        self.left = False
        self._flow = flow
        self._access = store
        self._clock = clock
        self._observe = observe
        self._woken = woken
        self._broken = broken
        self._judge = FlowJudge(flow, backend.mode)
        self._requests = Requests(self, flow, backend, clock)
        self._bodies = Bodies(self, flow, deps, tools, clock, rooms)
        self._door = asyncio.Lock()
        self._lock: Lock | None = None

    # -- the thread as journaled ---------------------------------------------------------------------------------------

    @property
    def driving(self) -> bool:
        """Whether this process holds the thread's kernel lock (O)."""
        return self._lock is not None

    @property
    def busy(self) -> bool:
        """Whether anything is under way here."""
        return self.driving or bool(self.work)

    @property
    def store(self) -> Store:
        """Where the thread lives; `call` its methods."""
        return self._access.store

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the store and return what it returns."""
        return await self._access.call(method, *args, **kwargs)

    async def catch_up(self) -> None:
        """Fold what others appended since. What was there when this process first looked is told to nobody.

        Raises:
            ThreadUnknown: it is not there, or not any more.
        """
        await self.whole(self.catch_up_here())

    async def catch_up_here(self) -> bool:
        """Fold what others appended since; return whether there was anything. For who is inside `whole` already."""
        return self._follow(await self._read(_since))

    async def _read(self, read: Callable[[Store, str, Journaled], T]) -> T:
        """Read of the thread, as long as it is there."""
        if self.gone:
            raise ThreadUnknown(self.thread)
        try:
            return await self.call(read, self.store, self.thread, self.journaled)
        except ThreadUnknown as error:
            self.gone = True
            self._broken(error)
            raise

    def _follow(self, records: Sequence[JournalRecord]) -> bool:
        known = self.journaled.known
        for record in records:
            self._apply(load(record.data), known=known)
        return bool(records)

    def _apply(self, event: Event, after: State | None = None, *, known: bool = True) -> None:
        before = self.journaled.apply(event, after)
        if before is not None and known:
            self._observe(before, event, self.journaled.state)

    # -- the one door --------------------------------------------------------------------------------------------------

    async def wake(self) -> bool:
        """Take the thread if nobody drives it, and do what is outstanding; return whether this process drives it.

        Raises:
            ThreadsClosed: the thread was left.
        """
        return await self.feed()

    async def feed(self, *facts: Event) -> bool:
        """Commit what has happened, with all that follows from it, and act on it; return False if others drive.

        Raises:
            ThreadsClosed: the thread was left; what still goes on here writes nothing any more.
        """
        if self.left:
            raise ThreadsClosed
        return await self.whole(self._taken_and_fed(facts))

    async def _taken_and_fed(self, facts: Sequence[Event]) -> bool:
        rows: Sequence[InboxRow] | None = None
        if self._lock is None:
            taken = await self._read(_taken)
            if taken is None:
                return False
            rows = await self._recovered(*taken)
        await self.feed_here(*facts, rows=rows)
        return True

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it alone and to its end, even if whoever waits gives up: half of a commit would leave the thread stuck.

        Args:
            work: what is done.
        """
        try:
            await self._door.acquire()
        except BaseException:
            work.close()
            raise
        if not self.store.shared:
            try:
                return await work  # a store in memory answers at once: nothing can come between
            finally:
                self._door.release()
        task = self.work.committing(self.work.track(asyncio.create_task(work)))
        task.add_done_callback(lambda _: self._door.release())
        return await self.work.heard(task)

    async def feed_here(self, *facts: Event, rows: Sequence[InboxRow] | None = None) -> None:
        """As `feed`, for who is inside `whole` already and drives the thread.

        Args:
            facts: what has happened.
            rows: what waits, where that was just read.
        """
        while True:
            if rows is None:
                rows = await self.call(self.store.inbox, self.thread)
            state, running = self.journaled.state, self._bodies.running
            decided = advance(state, facts, rows, self._judge, at=self._clock.now(), running=running)
            if decided is None:
                break
            try:
                await self._append(decided)
            except InboxGrew:
                rows = None
                continue
            except StoreBehind:
                rows = None
                # Somebody else appended although we hold the lock: what we knew is stale, so judge by what is there.
                await self.catch_up_here()
                continue
            break
        self._reconcile()

    async def _append(self, decided: Advance) -> None:
        commit = self.journaled.commit(decided, self._clock.now())
        await self.call(self.store.append, self.thread, commit)
        self.ignored += decided.ignored
        states = (*decided.before[1:], decided.state)
        for before, event, after in zip(decided.before, decided.events, states, strict=True):
            self._apply(event, after)
            for observer in OBSERVERS:
                observer.committed(self._flow, before, event, self.journaled.state)
        self._woken(wake_at(self._flow, decided.state))

    # -- who drives the thread (O) -------------------------------------------------------------------------------------

    async def _recovered(
        self, lock: Lock, records: Sequence[JournalRecord], rows: Sequence[InboxRow]
    ) -> Sequence[InboxRow] | None:
        """Go on from where the thread was left; return the rows that wait, or None where they have to be read anew."""
        self._lock = lock
        moved = self._follow(records)
        lost = await self._bodies.lost(rows)
        if lost or (self.journaled.state.run is not None and (moved or not any(self.work))):
            await self.feed_here(happened.Recovered(self._clock.now(), lost))
            return None
        return rows

    async def close(self) -> None:
        """Start nothing more, let running bodies commit their outcome, close requests, and give the thread up.

        What is left is outstanding in the journal, and goes on wherever the thread is opened next.
        """
        self.closing = True
        for key, task in self.work:
            if key[0] != "body":
                task.cancel()
        await self.work.idle()
        self._give_up()

    async def leave(self) -> list[Left]:
        """Leave all that is still under way, as by a crash: it is cancelled where that is possible, and lost.

        Returns:
            The calls whose bodies had begun and not ended. What goes on all the same holds its lock until it ends.
        """
        self.closing = self.left = True
        bodies = {key[1:]: task for key, task in self.work if key[0] == "body"}
        begun = self._bodies.under_way
        # Those that wait for a side room were interrupted, and are ending by themselves.
        await self.work.leave([bodies[one.place] for one in begun if one.consulting and one.place in bodies])
        self._give_up()
        left = [one.left(self.thread, bodies.get(one.place)) for one in begun]
        return [one for one in left if one is not None]

    def _give_up(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # -- what is outstanding -------------------------------------------------------------------------------------------

    def outstanding(self, key: Key) -> bool:
        """Return whether the command of that key is still to be done."""
        return any(command.key == key for command in todo(self.journaled.state))

    def _reconcile(self) -> None:
        if self.closing:
            return
        state = self.journaled.state
        wanted = {command.key: command for command in todo(state)}
        for key, task in self.work:
            if key not in wanted and task is not self._requests.answered and key[0] in {"request", "read_back"}:
                self.work.forget(key)
                self._requests.drop(task)
        for key, command in wanted.items():
            if key not in self.work and not self._is_elsewhere(command):
                self.work.start(key, self._execute(command))
        run = state.run
        if run is not None:
            if ("deadline", run.number) not in self.work:
                self.work.start(("deadline", run.number), self._deadline(run.number, run.deadline))
            if self.store.shared and ("inbox",) not in self.work:
                self.work.start(("inbox",), self._inbox())
        else:
            for key, _ in self.work:
                if key[0] in {"deadline", "inbox"}:
                    self.work.drop(key)
        if state.phase is Phase.REST:
            self._give_up()

    def _is_elsewhere(self, command: Command) -> bool:
        return isinstance(command, RunBody) and command.place in self._bodies.elsewhere

    def _execute(self, command: Command) -> Coroutine[Any, Any, None]:
        if isinstance(command, RunBody):
            return self._bodies.run(command)
        if isinstance(command, CancelRun):
            return self._requests.cancel(command)
        purpose: Purpose = "watch"
        if isinstance(command, SendRequest):
            purpose = "send"
        elif isinstance(command, ReadBack):
            purpose = "read_back"
        return self._requests.carry_out(command.key, command.run, command.request, purpose)

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self.left and isinstance(error, ThreadsClosed):
            return  # it went on after a close, and was told so
        if error is not None:
            logger.error("work on thread %s failed: %s", self.thread, key, exc_info=error)
            self._broken(error if isinstance(error, HandoffError) else RunFailed(self.thread, "failed", repr(error)))
        elif key[0] == "request" and self.driving and not task.cancelled():
            self._reconcile()  # read back meanwhile and not found: it is to be made again

    # -- time and other processes --------------------------------------------------------------------------------------

    async def _deadline(self, run: int, deadline: float) -> None:
        """Settle what is slow `grace` before the run's deadline, and stop the run at it (D1, D2)."""
        await self._clock.sleep(max(0.0, deadline - self.journaled.state.limits.grace - self._clock.now()))
        await self.grace(run)
        await self._clock.sleep(max(0.0, deadline - self._clock.now()))
        await self.feed(happened.StopRequested(self._clock.now(), run, "expired"))

    async def grace(self, run: int) -> None:
        """Answer pending what is not done, if a batch of that run is open (D2)."""
        active = self.journaled.state.run
        if active is not None and active.number == run and active.batch is not None:
            await self.feed(happened.GraceReached(self._clock.now(), run, active.batch.number))

    async def _inbox(self) -> None:
        """Look whether another process has posted something that acts at once (L6)."""
        seen: int | None = None  # so that the first look is one in any case; most runs end before it
        while True:
            await self._clock.sleep(LOOK)
            now = await self.call(self.store.changes)
            if now != seen:
                seen = now
                await self.feed()


def _taken(store: Store, thread: str, journaled: Journaled) -> tuple[Lock, list[JournalRecord], list[InboxRow]] | None:
    """Take a thread's lock, and read what was appended since and what waits: one call of the store instead of three."""
    lock = store.lock(thread)
    if lock is None:
        return None
    try:
        return lock, _since(store, thread, journaled), store.inbox(thread)
    except BaseException:
        lock.release()
        raise


def _since(store: Store, thread: str, journaled: Journaled) -> list[JournalRecord]:
    """Read what was appended to a thread since."""
    records = store.journal(thread, journaled.seq, journaled.birth)
    if not records and not journaled.known:
        raise ThreadUnknown(thread)
    return records
