"""One thread under way: append what happened, then do what is outstanding. The shell around `turn.advance` and `calls`.

Every change goes through `feed`: decide by the thread and the rows that wait, append (judging again if the inbox
grew), and only then act on it. What is outstanding is compared with what is under way, by key: missing work is
started, unwanted requests are dropped, bodies are never cancelled. After a crash nothing is under way, so recovery is
the same comparison (E2).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from handoff import calls
from handoff.backends.base import (
    Absent,
    Accepted,
    Backend,
    Called,
    Delta,
    Doubted,
    Ended,
    OfferedTool,
    Prompt,
    Report,
    Request,
)
from handoff.clock import Clock
from handoff.core import events as happened
from handoff.core import receive, todo
from handoff.core.codec import dump, load
from handoff.core.commands import CancelRun, Command, Key, ReadBack, RunBody, SendRequest
from handoff.core.events import Event
from handoff.core.items import Item
from handoff.core.state import Phase, Progress, State
from handoff.core.status import Status
from handoff.core.transcript import stored_by
from handoff.effects import Bound, BoundProbe
from handoff.errors import HandoffError, RunFailed, StoreBehind, StoreError
from handoff.events import TextDelta, ThreadEvent, ToolProgress, ToolStarted, told
from handoff.flow import Flow
from handoff.judge import FlowJudge, wake_at
from handoff.ledger import ledger_rows, summary_of, ticket_rows
from handoff.metadata import Deps
from handoff.store.access import StoreAccess
from handoff.store.base import Commit, InboxGrew, Lock
from handoff.turn import Advance, advance

logger = logging.getLogger("handoff")

T = TypeVar("T")

#: Seconds between two attempts to have the thread while another process drives it.
FOLLOW = 0.05
#: Seconds a dropped request may take to close before the thread is unlocked without it.
CLOSING = 5.0

#: Called after every commit with (before, event, after) of each of its events.
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
        tell: called with every event for whoever watches.
        observe: called with every journaled event.
        woken: called when the thread's silence timer may have changed.
        broken: called when work on the thread failed and the next `wake` has to try again.
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
    ) -> None:
        self.thread = thread
        self.state: State | None = None
        self.transcript: list[Item] = []
        #: How many events came too late and were ignored (I18).
        self.ignored = 0
        self._flow = flow
        self._deps = deps
        self._backend = backend
        self._store = store
        self._clock = clock
        self._tools = tools
        self._tell = tell
        self._observe = observe
        self._woken = woken
        self._broken = broken
        self._judge = FlowJudge(flow, backend.mode)
        self._seq = 0
        self._door = asyncio.Lock()
        self._lock: Lock | None = None
        self._live: dict[Key, asyncio.Task[None]] = {}
        self._held: dict[tuple[int, int, str], Lock] = {}
        #: All that runs for this thread, also what is no longer to be found by its key.
        self._tasks: set[asyncio.Task[Any]] = set()
        #: A request that was dropped and may still be closing.
        self._dropped: asyncio.Task[None] | None = None
        #: The latest request whose answer is there, perhaps not journaled yet.
        self._answered: Key = ()
        #: Bodies that are not to be started here: another process runs them, or their result waits in the inbox.
        self._elsewhere: set[Key] = set()
        self._instructions: dict[int, str] = {}
        self._offered: dict[int, tuple[str, ...]] = {}
        #: What the model has said so far in the latest request.
        self._partial = ""
        self._closing = False

    # -- the thread as journaled ---------------------------------------------------------------------------------------

    @property
    def driving(self) -> bool:
        """Whether this process holds the thread's kernel lock (O)."""
        return self._lock is not None

    @property
    def busy(self) -> bool:
        """Whether anything is under way here."""
        return self.driving or bool(self._tasks)

    @property
    def seq(self) -> int:
        """The sequence number of the latest event this process has seen."""
        return self._seq

    async def catch_up(self) -> None:
        """Fold what others appended since. What was there when this process first looked is told to nobody."""
        await self._whole(self._catch_up())

    async def _catch_up(self) -> bool:
        records = await self._store.call(self._store.store.journal, self.thread, self._seq)
        known = self.state is not None
        for record in records:
            self._apply(load(record.data), record.seq, known=known)
        return bool(records)

    def _apply(self, event: Event, seq: int, *, known: bool = True) -> None:
        before = self.state
        after, _ = receive(before, event)
        if before is not None:
            self.transcript.extend(stored_by(before, event))
        if isinstance(event, happened.RunStarted):
            self._instructions = {event.run: event.instructions}
            self._offered = {event.run: event.tools}
        self.state = after
        self._seq = seq
        if before is not None and known:
            for one in told(before, event, after):
                self._tell(one)
            self._observe(before, event, after)

    # -- the one door --------------------------------------------------------------------------------------------------

    async def wake(self) -> bool:
        """Take the thread if nobody drives it, and do what is outstanding; return whether this process drives it."""
        return await self._whole(self._taken_and_fed(()))

    async def feed(self, *facts: Event) -> bool:
        """Commit what has happened, with all that follows from it, and act on it; return False if others drive."""
        return await self._whole(self._taken_and_fed(facts))

    async def _taken_and_fed(self, facts: Sequence[Event]) -> bool:
        if not await self._take():
            return False
        await self._feed(facts)
        return True

    async def _whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it alone and to its end, even if whoever waits gives up: half of a commit would leave the thread stuck."""
        try:
            await self._door.acquire()
        except BaseException:
            work.close()
            raise
        if not self._store.store.shared:
            try:
                return await work  # a store in memory answers at once: nothing can come between
            finally:
                self._door.release()
        task = self._track(asyncio.create_task(work))
        task.add_done_callback(lambda _: self._door.release())
        return await asyncio.shield(task)

    def _track(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _feed(self, facts: Sequence[Event]) -> None:
        while True:
            assert self.state is not None
            rows = await self._store.call(self._store.store.inbox, self.thread)
            decided = advance(self.state, facts, rows, self._judge, at=self._clock.now(), running=self._held)
            if decided is None:
                break
            try:
                await self._append(decided)
            except InboxGrew:
                continue
            except StoreBehind:
                # Somebody else appended although we hold the lock: what we knew is stale, so judge by what is there.
                await self._catch_up()
                continue
            break
        self._reconcile()

    async def _append(self, decided: Advance) -> None:
        assert self.state is not None
        commit = Commit(
            expect=self._seq,
            events=[dump(event) for event in decided.events],
            consumed=decided.consumed,
            last_row=decided.last_row,
            summary=summary_of(self._flow, decided.state, self._clock.now()),
            ledger=ledger_rows(self.state, decided),
            tickets=ticket_rows(self.state, decided.state),
        )
        await self._store.call(self._store.store.append, self.thread, commit)
        self.ignored += decided.ignored
        for event in decided.events:
            self._apply(event, self._seq + 1)
        self._woken(wake_at(self._flow, decided.state))

    # -- who drives the thread (O) -------------------------------------------------------------------------------------

    async def _take(self) -> bool:
        if self._lock is not None:
            return True
        lock = await self._store.call(self._store.store.lock, self.thread)
        if lock is None:
            return False
        self._lock = lock
        self._elsewhere.clear()
        moved = await self._catch_up()
        assert self.state is not None
        lost = await self._lost()
        if lost or (self.state.run is not None and (moved or not self._live)):
            await self._feed((happened.Recovered(self._clock.now(), lost),))
        return True

    async def _lost(self) -> tuple[tuple[int, int, str], ...]:
        """Return the started bodies that no process runs any more: their lock is free and no result of theirs waits."""
        assert self.state is not None
        state = self.state
        posted = {row.key for row in await self._store.call(self._store.store.inbox, self.thread)}
        started = [(ticket.run, ticket.batch, ticket.call.id) for ticket in state.tickets if ticket.stage == "running"]
        run = state.run
        if run is not None and run.batch is not None:
            entries = run.batch.entries
            started += [(run.number, run.batch.number, e.call.id) for e in entries if e.progress is Progress.STARTED]
        lost: list[tuple[int, int, str]] = []
        for key in started:
            if ("body", *key) in self._live:
                continue
            if _result_key(*key) in posted:
                self._elsewhere.add(("body", *key))
                continue
            lock = await self._store.call(self._store.store.lock, self._body_name(key))
            if lock is None:
                self._elsewhere.add(("body", *key))
                continue
            lock.release()
            lost.append(key)
        return tuple(lost)

    def _body_name(self, key: tuple[int, int, str]) -> str:
        run, batch, call = key
        return f"{self.thread}/{run}/{batch}/{call}"

    async def close(self) -> None:
        """Start nothing more, let running bodies commit their outcome, close requests, and give the thread up.

        What is left is outstanding in the journal, and goes on wherever the thread is opened next.
        """
        self._closing = True
        for key, task in list(self._live.items()):
            if key[0] != "body":
                task.cancel()
        await self.idle()
        self._give_up()

    async def idle(self) -> None:
        """Return when nothing is under way here any more."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _give_up(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # -- what is outstanding -------------------------------------------------------------------------------------------

    def _reconcile(self) -> None:
        assert self.state is not None
        if self._closing:
            return
        wanted = {command.key: command for command in todo(self.state)}
        for key, task in list(self._live.items()):
            if key not in wanted and key != self._answered and key[0] in {"request", "read_back"}:
                self._dropped = self._live.pop(key)
                task.cancel()
        for key, command in wanted.items():
            if key not in self._live and key not in self._elsewhere:
                self._start(key, self._execute(command))
        run = self.state.run
        if run is not None:
            if ("deadline", run.number) not in self._live:
                self._start(("deadline", run.number), self._deadline(run.number, run.deadline))
            if self._store.store.shared and ("inbox",) not in self._live:
                self._start(("inbox",), self._inbox())
        else:
            for key in [one for one in self._live if one[0] in {"deadline", "inbox"}]:
                self._live.pop(key).cancel()
        if self.state.phase is Phase.REST:
            self._give_up()

    def _start(self, key: Key, work: Coroutine[Any, Any, None]) -> None:
        task = self._track(asyncio.create_task(work, name=f"{self.thread} {key}"))
        self._live[key] = task
        task.add_done_callback(lambda ended: self._ended(key, ended))

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._live.get(key) is task:
            self._live.pop(key)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("work on thread %s failed: %s", self.thread, key, exc_info=error)
            self._broken(error if isinstance(error, HandoffError) else RunFailed(self.thread, "failed", repr(error)))
        elif key[0] == "request" and self.driving and not task.cancelled():
            self._reconcile()  # read back meanwhile and not found: it is to be made again

    def _execute(self, command: Command) -> Coroutine[Any, Any, None]:
        if isinstance(command, RunBody):
            return self._body(command)
        if isinstance(command, CancelRun):
            return self._cancel(command)
        if isinstance(command, ReadBack):
            return self._request(command.key, command.run, command.request, "read_back")
        purpose = "send" if isinstance(command, SendRequest) else "watch"
        return self._request(command.key, command.run, command.request, purpose)

    async def _deadline(self, run: int, deadline: float) -> None:
        """Settle what is slow `grace` before the run's deadline, and stop the run at it (D1, D2)."""
        assert self.state is not None
        await self._clock.sleep(max(0.0, deadline - self.state.limits.grace - self._clock.now()))
        await self.grace(run)
        await self._clock.sleep(max(0.0, deadline - self._clock.now()))
        await self.feed(happened.StopRequested(self._clock.now(), run, "expired"))

    async def grace(self, run: int) -> None:
        """Answer pending what is not done, if a batch of that run is open (D2)."""
        state = self.state
        if state is not None and state.run is not None and state.run.number == run and state.run.batch is not None:
            await self.feed(happened.GraceReached(self._clock.now(), run, state.run.batch.number))

    async def _inbox(self) -> None:
        """Look whether another process has posted something that acts at once (L6)."""
        seen = await self._store.call(self._store.store.changes)
        while True:
            await self._clock.sleep(0.1)
            now = await self._store.call(self._store.store.changes)
            if now != seen:
                seen = now
                await self.feed()

    # -- requests ------------------------------------------------------------------------------------------------------

    def _asked(self, run: int, request: int, purpose: Any) -> Request:
        assert self.state is not None
        state = self.state
        assert state.run is not None
        assistant = self._flow.assistants[state.run.assistant]
        tools = self._flow.tools_of(assistant.name)
        offered = tuple(
            OfferedTool(tool.name, tool.description, tool.schema, tool.strict)
            for tool in tools.values()
            if tool.name in self._offered.get(run, ())
        )
        options: Mapping[str, Any] = {
            "model": assistant.model,
            "temperature": assistant.options.temperature,
            "tool_choice": assistant.options.tool_choice,
            "max_output_tokens": assistant.options.max_output_tokens,
        }
        prompt = Prompt(
            assistant.name,
            self._instructions[run],
            offered,
            tuple(self.transcript),
            state.due,
            {name: value for name, value in options.items() if value is not None},
        )
        return Request(self.thread, run, request, purpose, prompt, state.run.deadline, state.metadata)

    async def _request(self, key: Key, run: int, request: int, purpose: str) -> None:
        try:
            last = await self._reported(self._asked(run, request, purpose))
            # It stays known by its key until its answer is journaled, so that nobody makes it a second time.
            self._answered = key
            await self.feed(last)
            if self._outstanding(key):
                await self._clock.sleep(FOLLOW)  # the answer settled nothing: ask again, but not at once
                self._live.pop(key, None)
                await self.wake()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _told_to_end():
                raise
            logger.exception("the backend failed on thread %s", self.thread)
            self._answered = key
            await self.feed(happened.RunEnded(self._clock.now(), run, request, Status.FAILED, reason=repr(error)))

    async def _reported(self, asked: Request) -> Event:
        """Carry a request out; return what its last report says."""
        self._partial = ""
        where = (self._clock.now(), asked.run, asked.request)
        async with contextlib.aclosing(self._stream(asked)) as reports:
            async for report in reports:
                if isinstance(report, Delta):
                    self._partial += report.text
                    self._tell(TextDelta(self.thread, asked.run, asked.prompt.assistant, report.text))
                elif isinstance(report, Accepted):
                    await self.feed(happened.RequestAccepted(*where, report.stored))
                else:
                    return self._event(asked, report)
        reason = "the backend ended the request without an answer"
        return happened.RunEnded(*where, Status.FAILED, reason=reason)

    async def _stream(self, asked: Request) -> AsyncGenerator[Report, None]:
        reports = self._backend.open(asked)
        try:
            async for report in reports:
                yield report
        finally:
            if isinstance(reports, AsyncGenerator):
                await reports.aclose()

    def _event(self, asked: Request, report: Report) -> Event:
        where = (self._clock.now(), asked.run, asked.request)
        match report:
            case Called():
                assert self.state is not None
                batch = calls.journaled(self._flow, self.state, report.calls)
                return happened.CallsRequested(*where, report.stored, batch, report.text)
            case Ended():
                return happened.RunEnded(*where, report.status, report.stored, report.text, report.reason, report.calls)
            case Doubted():
                return happened.RequestDoubted(*where, report.reason)
            case Absent():
                return happened.RequestAbsent(*where)
            case _:
                raise TypeError(f"{type(report).__name__} does not end a request")

    async def _cancel(self, command: CancelRun) -> None:
        if not self._backend.mode.swap:
            await self._backend.cancel(self._asked(command.run, command.request, "watch"))
            return
        # Where the server keeps no run, closing our request is its terminal status (C1).
        if self._dropped is not None:
            patience = self._track(asyncio.ensure_future(self._clock.sleep(CLOSING)))
            try:
                await asyncio.wait({self._dropped, patience}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                patience.cancel()
        where = (self._clock.now(), command.run, command.request)
        await self.feed(happened.RunEnded(*where, Status.CANCELLED, text=self._partial))

    # -- bodies --------------------------------------------------------------------------------------------------------

    async def _body(self, command: RunBody) -> None:
        key = command.key
        name = self._body_name((command.run, command.batch, command.call))
        lock = await self._store.call(self._store.store.lock, name)
        if lock is None:
            self._elsewhere.add(key)
            return
        self._held[command.place] = lock
        try:
            result = await self._outcome(command)
            if result is not None:
                await self._deliver(command, result)
        finally:
            # Only now: until the result is journaled or posted, nobody may take the body for lost.
            self._held.pop(command.place).release()
            timeout = self._live.pop(("timeout", *key), None)
            if timeout is not None:
                timeout.cancel()

    async def _outcome(self, command: RunBody) -> calls.Result | None:
        """Run the body to its outcome; None if it is no longer wanted."""
        assert self.state is not None
        state = self.state
        call, asker, begun = calls.asked(state, command)
        if begun and not call.idempotent and not call.probed:
            return calls.Result("", {}, in_doubt=True)  # it was started, and what came of it could not be kept

        def report(text: str, fraction: float | None) -> None:
            self._tell(ToolProgress(self.thread, command.run, call.id, call.tool, text, fraction))

        try:
            body = calls.prepare(self._flow, state, command, self._deps, self._on_loop(report), at=self._clock.now())
        except Exception as error:  # noqa: BLE001 - whatever a declaration raises, its call is answered
            return calls.failed(error)
        if isinstance(body, calls.Result):
            return body
        if body.commit_first and not await self._begin(command):
            return None
        self._tell(ToolStarted(self.thread, command.run, asker, call.id, call.tool, call.arguments))
        if body.tool.timeout is not None and command.ticket is None:
            self._start(("timeout", *command.key), self._timeout(command, body.tool.timeout))
        try:
            if body.probe is not None:
                found = body.probe.finish(await self._run(body.probe))
                if found is not None:
                    return calls.finished(body, found)
        except Exception:
            logger.exception("the probe of %s failed; a person has to settle the call", call.tool)
            return calls.Result("", {}, in_doubt=True)
        try:
            return calls.finished(body, await self._run(body.bound))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a tool raises, its call is answered
            return calls.failed(error)

    async def _begin(self, command: RunBody) -> bool:
        """Commit that the body starts; return False if it is not to start (E1)."""
        while not self._closing:
            if await self.feed(happened.CallStarted(self._clock.now(), command.run, command.batch, command.call)):
                return self._outstanding(command.key)
            await self._clock.sleep(FOLLOW)  # another process drives the thread; it leaves the body to us
            await self.catch_up()
            if not self._outstanding(command.key):
                return False
        return False

    async def _timeout(self, command: RunBody, seconds: float) -> None:
        """Answer the call pending when its own time is up; its body goes on for a ticket (D2)."""
        await self._clock.sleep(seconds)
        where = (self._clock.now(), command.run, command.batch, command.call)
        await self.feed(happened.CallDone(*where, "", ran=False, pending="running"))

    def _outstanding(self, key: Key) -> bool:
        assert self.state is not None
        return any(command.key == key for command in todo(self.state))

    async def _run(self, bound: Bound | BoundProbe) -> object:
        if not bound.is_async:
            loop = asyncio.get_running_loop()
            run = functools.partial(_carried, bound.run)
            return await loop.run_in_executor(self._tools, contextvars.copy_context().run, run)
        try:
            return await bound.run()
        except asyncio.CancelledError as error:
            if _told_to_end():
                raise
            raise RuntimeError("the body was cancelled by something it waited for") from error

    @staticmethod
    def _on_loop(report: Callable[[str, float | None], None]) -> Callable[[str, float | None], None]:
        loop = asyncio.get_running_loop()
        home = threading.get_ident()

        def told_on_loop(text: str, fraction: float | None) -> None:
            if threading.get_ident() == home:
                report(text, fraction)  # at once, so that it is told before the end of the call
            else:
                loop.call_soon_threadsafe(report, text, fraction)

        return told_on_loop

    async def _deliver(self, command: RunBody, result: calls.Result) -> None:
        """Bring the outcome to its batch, or to the inbox if a ticket has taken the call over (D2)."""
        try:
            settled = await self._whole(self._delivered(command, result))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a verdict that fails is a failure of the call
            settled = await self._whole(self._delivered(command, calls.failed(error)))
        if not settled:
            await self.wake()

    async def _delivered(self, command: RunBody, result: calls.Result) -> bool:
        assert self.state is not None
        if self._lock is not None and calls.open_in_batch(self.state, command):
            await self._feed((calls.done(self._flow, self.state, command, result, self._clock.now()),))
            return True
        await self._catch_up()
        ticket = calls.ticket_of(self.state, command)
        if ticket is not None:
            # The ticket stays open while the result waits for the lock: its body is not to run again.
            self._elsewhere.add(command.key)
            await self._store.call(
                self._store.store.post,
                self.thread,
                "resolved",
                calls.late(ticket, result),
                at=self._clock.now(),
                key=_result_key(command.run, command.batch, command.call),
            )
        return False


def _result_key(run: int, batch: int, call: str) -> str:
    """Return the key under which a body posts its result."""
    return f"body:{run}/{batch}/{call}"


def _told_to_end() -> bool:
    """Return whether the running task is being cancelled, and not only something it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _carried(run: Callable[[], object]) -> object:
    """Call a body on a worker thread; some exceptions mean something else to the future that carries them."""
    try:
        return run()
    except (StopIteration, asyncio.CancelledError, concurrent.futures.CancelledError) as error:
        raise RuntimeError(f"the body raised {type(error).__name__}") from error
