"""The bodies of a thread's calls: started once, run to their end, and brought to their batch or to the inbox.

A body holds a kernel lock of its own until its outcome is kept, so that nobody takes it for lost (O). One that is not
idempotent is committed as started just before it starts (E1). It is never cancelled while its threads are open: what
its batch does not wait for goes on for a ticket (D2).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import logging
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from handoff.clock import Clock
from handoff.core import events as happened
from handoff.core.commands import RunBody
from handoff.declaration.consulting import Consultation, Inquiry, Interrupted, is_interruption
from handoff.declaration.effects import Bound, BoundProbe
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.driving import calls
from handoff.driving.journaled import result_key
from handoff.driving.leaving import Left, LeftCall
from handoff.driving.requests import told_to_end
from handoff.errors import ConfigurationError, StoreError, ThreadUnknown
from handoff.events import ToolProgress, ToolStarted
from handoff.store.base import InboxRow, Lock

if TYPE_CHECKING:
    from handoff.driving.driver import Driver

logger = logging.getLogger("handoff")

Place = tuple[int, int, str]
"""(run, batch, call id)."""

Working: TypeAlias = concurrent.futures.Future[object]
"""What runs on a worker thread."""


@dataclass(slots=True)
class UnderWay:
    """A body that has begun and not ended."""

    #: Which one.
    place: Place
    #: Name of its tool.
    tool: str
    #: Whether it may wait for side rooms.
    consulting: bool
    #: What of it runs on a worker thread, which nobody can stop.
    working: Working | None = None
    #: It has ended because the threads were closed while it waited for a side room.
    interrupted: bool = False

    def left(self, thread: str, task: asyncio.Task[None] | None) -> Left | None:
        """Return it as a call that is left; None if it has ended where it waited for a side room, and lost nothing.

        Args:
            thread: id of its thread.
            task: what has run it.
        """
        if self.interrupted:
            return None
        on_thread = self.working if self.working is not None and self.working.running() else None
        going_on = on_thread or (None if task is None or task.done() else task)
        run, _, call = self.place
        return Left(LeftCall(thread, run, call, self.tool, running=going_on is not None), going_on)


#: Seconds between two attempts to have the thread while another process drives it.
FOLLOW = 0.05


class Consults(Protocol):
    """Who opens side rooms for bodies."""

    def begin(
        self, loop: asyncio.AbstractEventLoop, thread: str, command: RunBody, tool: str, inquiry: Inquiry[Any]
    ) -> Consultation[Any]:
        """Open a room for a body; called from any thread."""
        ...

    def leave(self, thread: str, place: Place) -> None:
        """Stop what a body that has ended did not wait for."""
        ...

    async def awaited(self, thread: str) -> bool:
        """Return whether a thread is to go on by itself: not if it is a side room whose call has its outcome."""
        ...


class Bodies:
    """The bodies of one thread.

    Args:
        driver: the thread.
        flow: the declaration, frozen.
        deps: what the process lends.
        tools: where synchronous bodies run.
        clock: the time.
        rooms: who opens side rooms.
    """

    def __init__(
        self, driver: Driver, flow: Flow[Any, Any], deps: Deps | None, tools: Executor, clock: Clock, rooms: Consults
    ) -> None:
        self._driver = driver
        self._flow = flow
        self._deps = deps
        self._tools = tools
        self._clock = clock
        self._rooms = rooms
        #: The bodies that run here.
        self.running: dict[Place, Lock] = {}
        self._under_way: dict[Place, UnderWay] = {}
        #: Those not to be started here: another process runs them, or their result waits in the inbox.
        self.elsewhere: set[Place] = set()

    # -- which are lost ------------------------------------------------------------------------------------------------

    async def lost(self, rows: Sequence[InboxRow]) -> tuple[Place, ...]:
        """Return the started bodies that no process runs any more: their lock is free and no result of theirs waits.

        Args:
            rows: what waits in the inbox.
        """
        self.elsewhere.clear()
        found: list[Place] = []
        posted = {row.key for row in rows}
        for place in self._driver.journaled.begun():
            if ("body", *place) in self._driver.work:
                continue
            lock = None if result_key(*place) in posted else await self._lock(place)
            if lock is None:
                self.elsewhere.add(place)
                continue
            lock.release()
            found.append(place)
        return tuple(found)

    @property
    def under_way(self) -> list[UnderWay]:
        """The bodies that have begun here and not ended."""
        return list(self._under_way.values())

    async def _lock(self, place: Place) -> Lock | None:
        name = body_lock(self._driver.thread, self._driver.journaled.state.birth, place)
        return await self._driver.call(self._driver.store.lock, name)

    # -- one body ------------------------------------------------------------------------------------------------------

    async def run(self, command: RunBody) -> None:
        """Run a body and bring its outcome to where it belongs.

        Args:
            command: which body.
        """
        lock = await self._lock(command.place)
        if lock is None:
            self.elsewhere.add(command.place)
            return
        self.running[command.place] = lock
        body: UnderWay | None = None
        try:
            if not self._driver.driving:  # then it may have been deleted until the lock was had; from here on it cannot
                await self._driver.catch_up()
            result = await self._outcome(command)
            body = self._under_way.pop(command.place, None)
            if result is not None and not self._driver.left:
                await self._deliver(command, result)
        except ThreadUnknown:
            logger.info("thread %s was deleted: nothing comes of %s any more", self._driver.thread, command.key)
        finally:
            body = self._under_way.pop(command.place, body)
            self._rooms.leave(self._driver.thread, command.place)
            # Only now: until the result is journaled or posted, nobody may take the body for lost; and one that was
            # left on its worker thread is not lost before it ends.
            _released_after(None if body is None else body.working, self.running.pop(command.place))
            self._driver.work.drop(("timeout", *command.key))

    async def _outcome(self, command: RunBody) -> calls.Result | None:
        """Run the body to its outcome; None if it is no longer wanted."""
        state, thread = self._driver.journaled.state, self._driver.thread
        call, asker, begun = calls.asked(state, command)
        if begun and not call.idempotent and not call.probed:
            return calls.Result("", {}, in_doubt=True)  # it was started, and what came of it could not be kept

        def report(text: str, fraction: float | None) -> None:
            self._driver.tell(ToolProgress(thread, command.run, call.id, call.tool, text, fraction))

        loop = asyncio.get_running_loop()

        def consult(inquiry: Inquiry[Any]) -> Consultation[Any]:
            if self._driver.left:
                raise Interrupted  # as where it waited for a room already: its loop may have ended
            if command.place not in self.running:
                raise ConfigurationError(f"the call of {call.tool} has ended: consult while its body runs")
            return self._rooms.begin(loop, thread, command, call.tool, inquiry)

        try:
            told, at = _on_loop(report), self._clock.now()
            body = calls.prepare(self._flow, state, command, self._deps, told, at=at, consult=consult)
        except Exception as error:  # noqa: BLE001 - whatever a declaration raises, its call is answered
            return calls.failed(error)
        if isinstance(body, calls.Result):
            return body
        if not await self._begin(command, commit=body.commit_first):
            return None
        self._under_way[command.place] = UnderWay(command.place, call.tool, bool(body.tool.consults))
        self._driver.tell(ToolStarted(thread, command.run, asker, call.id, call.tool, call.arguments))
        if body.tool.timeout is not None and command.ticket is None:
            self._driver.work.start(("timeout", *command.key), self._timeout(command, body.tool.timeout))
        try:
            if body.probe is not None:
                found = body.probe.finish(await self._run(command, body.probe))
                if found is not None:
                    return calls.finished(body, found)
        except Exception:
            logger.exception("thread %s: the probe of %s failed; a person has to settle the call", thread, call.tool)
            return calls.Result("", {}, in_doubt=True)
        if body.probe is not None and self._driver.closing:
            return None  # nothing more begins: whoever opens the thread next asks the probe again
        try:
            return calls.finished(body, await self._run(command, body.bound, alone=bool(body.tool.consults)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a tool raises, its call is answered
            return calls.failed(error)
        except BaseException as error:
            if is_interruption(error):
                self._under_way[command.place].interrupted = True
                return None  # it waited for a room when the process was stopped: it is lost, as by a crash
            raise

    async def _begin(self, command: RunBody, *, commit: bool) -> bool:
        """Commit that the body starts, if need be; return False if it is not to start (E1)."""
        if not commit:
            return not self._driver.closing
        while not self._driver.closing:
            if await self._driver.feed(happened.CallStarted(self._clock.now(), *command.place)):
                return self._driver.outstanding(command.key)
            await self._clock.sleep(FOLLOW)  # another process drives the thread; it leaves the body to us
            await self._driver.catch_up()
            if not self._driver.outstanding(command.key):
                return False
        return False

    async def _timeout(self, command: RunBody, seconds: float) -> None:
        """Answer the call pending when its own time is up; its body goes on for a ticket (D2)."""
        await self._clock.sleep(seconds)
        late = happened.CallDone(self._clock.now(), *command.place, "", ran=False, pending="running")
        await self._driver.feed(late)

    async def _run(self, command: RunBody, bound: Bound | BoundProbe, *, alone: bool = False) -> object:
        if not bound.is_async and alone:
            # It waits for rooms, whose bodies need the workers: on one of them it could wait for itself.
            with _worker() as worker:
                return await self._run_on(worker, command, bound)
        if not bound.is_async:
            return await self._run_on(self._tools, command, bound)
        try:
            return await bound.run()
        except asyncio.CancelledError as error:
            if told_to_end():
                raise
            raise RuntimeError("the body was cancelled by something it waited for") from error

    async def _run_on(self, workers: Executor, command: RunBody, bound: Bound | BoundProbe) -> object:
        working = workers.submit(contextvars.copy_context().run, functools.partial(_carried, bound.run))
        self._under_way[command.place].working = working
        return await asyncio.wrap_future(working)

    # -- its outcome ---------------------------------------------------------------------------------------------------

    async def _deliver(self, command: RunBody, result: calls.Result) -> None:
        """Bring the outcome to its batch, or to the inbox if a ticket has taken the call over (D2)."""
        task = asyncio.current_task()
        assert task is not None
        self._driver.work.committing(task)
        try:
            settled = await self._driver.whole(self._delivered(command, result))
        except (StoreError, ThreadUnknown):
            raise
        except Exception as error:  # noqa: BLE001 - a verdict that fails is a failure of the call
            settled = await self._driver.whole(self._delivered(command, calls.failed(error)))
        if not settled and not self._driver.left and await self._rooms.awaited(self._driver.thread):
            await self._driver.wake()

    async def _delivered(self, command: RunBody, result: calls.Result) -> bool:
        driver = self._driver
        if driver.driving and calls.open_in_batch(driver.journaled.state, command):
            done = calls.done(self._flow, driver.journaled.state, command, result, self._clock.now())
            await driver.feed_here(done)
            return True
        await driver.catch_up_here()
        ticket = calls.ticket_of(driver.journaled.state, command)
        if ticket is not None:
            # The ticket stays open while the result waits for the lock: its body is not to run again.
            self.elsewhere.add(command.place)
            row, key = calls.late(ticket, result), result_key(*command.place)
            await driver.call(driver.store.post, driver.thread, "resolved", row, at=self._clock.now(), key=key)
        return False


def body_lock(thread: str, born: str, place: Place) -> str:
    """Return the name of the lock that a body holds while it runs.

    Args:
        thread: id of its thread.
        born: the thread's birth.
        place: which body.
    """
    # No thread's id holds a NUL, so no thread, and no side room, is called like a body.
    return "\0".join((thread, born, "/".join(map(str, place))))


def _released_after(working: Working | None, lock: Lock) -> None:
    """Release the lock of a body once nothing of it runs any more."""
    if working is None:
        lock.release()
    else:
        working.add_done_callback(lambda _: lock.release())


@contextlib.contextmanager
def _worker() -> Generator[Executor]:
    """A worker thread for one body."""
    worker = ThreadPoolExecutor(1, "handoff-consult")
    try:
        yield worker
    finally:
        worker.shutdown(wait=False)


def _on_loop(report: Callable[[str, float | None], None]) -> Callable[[str, float | None], None]:
    """Return the report as a body may call it, on the loop or on a thread of its own."""
    loop = asyncio.get_running_loop()
    home = threading.get_ident()

    def told_on_loop(text: str, fraction: float | None) -> None:
        if threading.get_ident() == home:
            report(text, fraction)  # at once, so that it is told before the end of the call
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: the body was left, and nobody listens any more
            loop.call_soon_threadsafe(report, text, fraction)

    return told_on_loop


def _carried(run: Callable[[], object]) -> object:
    """Call a body on a worker thread; some exceptions mean something else to the future that carries them."""
    try:
        return run()
    except (StopIteration, asyncio.CancelledError, concurrent.futures.CancelledError) as error:
        raise RuntimeError(f"the body raised {type(error).__name__}") from error
