"""One thread under way without an event loop: what `handoff.driving.driver` does, in the caller's own time.

Every change goes through `feed`, as there. What is then outstanding is done at once, one thing after the other, until
only the model is waited for, or a body that the test holds. A crash forgets all but the store.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from handoff.backends.base import Prompt
from handoff.clock import Clock
from handoff.core import events as happened
from handoff.core import fold, todo
from handoff.core.codec import dump, load
from handoff.core.commands import CancelRun, Command, Key, ReadBack, RunBody, SendRequest
from handoff.core.events import Event
from handoff.core.items import Item
from handoff.core.state import Mode, State
from handoff.core.status import Status
from handoff.declaration.effects import Bound, BoundProbe
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps, Metadata
from handoff.declaration.tools import Tool
from handoff.driving import calls
from handoff.driving.journaled import Journaled, result_key
from handoff.driving.judge import FlowJudge
from handoff.driving.ledger import summary_of
from handoff.driving.turn import advance
from handoff.errors import ConfigurationError
from handoff.events import ThreadEvent, ToolProgress, ToolStarted
from handoff.limits import Limits
from handoff.observers import OBSERVERS
from handoff.store.base import Commit, Receipt, RowKind, Store
from handoff.testing.loop import PrivateLoop
from handoff.testing.suspending import Asked, Suspending

#: What the embedded backend can do.
MODE = Mode(swap=True, carry=False, steer=True)


@dataclass(frozen=True, slots=True)
class Held:
    """A body that has started and does not finish before the test says so."""

    #: Which one.
    command: RunBody
    #: The body, bound to what it was started with.
    body: calls.Body
    #: Unix time in seconds it was started.
    at: float


def _opens_none(command: RunBody, tool: Tool, asked: Asked) -> None:
    """Where nobody plays rooms, none is opened."""
    del command, tool
    raise ConfigurationError(f"nobody plays the side room {asked.place.name}")


class InlineDriver:
    """The thread, its model played by whoever feeds it.

    Args:
        thread: its id.
        flow: the declaration, frozen.
        deps: what the process lends.
        store: where the thread lives.
        clock: the time.
        tell: called with what is never journaled: tool starts and progress.
        observe: called with every journaled event, and the thread before and after it.
        loop: where asynchronous bodies run; a new one if none is given.
    """

    def __init__(
        self,
        thread: str,
        *,
        flow: Flow[Any, Any],
        deps: Deps | None,
        store: Store,
        clock: Clock,
        tell: Callable[[ThreadEvent], None],
        observe: Callable[[State, Event, State], None],
        loop: PrivateLoop | None = None,
    ) -> None:
        self.thread = thread
        #: The latest request: what the model was given last.
        self.prompt: Prompt | None = None
        #: How many requests have been made.
        self.requests = 0
        #: Bodies that do not finish by themselves, the earliest first.
        self.held: dict[Key, Held] = {}
        #: Says whether a body that starts is to be held.
        self.holds: Callable[[calls.Body], bool] = lambda _: False
        #: Does what a body is to have done, in its place, and returns what it returns; None for bodies that run.
        self.pretend: Callable[[calls.Body], Callable[[], object] | None] = lambda _: None
        #: Opens a side room for a body that waits for it.
        self.enters: Callable[[RunBody, Tool, Asked], None] = _opens_none
        #: Called when all that follows from something has happened.
        self.fed: list[Callable[[], None]] = []
        #: Where asynchronous bodies run.
        self.loop = PrivateLoop() if loop is None else loop
        #: While it is, rows of the inbox wait although nothing is under way.
        self.waits = False
        #: The declaration.
        self.flow = flow
        #: Where the thread lives.
        self.store = store
        #: What bodies do that consult.
        self._consulting: dict[Key, Suspending] = {}
        self._deps = deps
        self._clock = clock
        self._tell = tell
        self._observe = observe
        self._judge = FlowJudge(flow, MODE)
        self._journaled = Journaled(flow)
        self._asked: Key | None = None

    def part(
        self,
        deps: Deps | None,
        store: Store,
        clock: Clock,
        tell: Callable[[ThreadEvent], None],
        observe: Callable[[State, Event, State], None],
    ) -> None:
        """Go its own way from here on, where it is a `copy.copy` of another.

        Args:
            deps: what the process lends from here on; held bodies get it.
            store: a copy of the store.
            clock: a copy of the clock.
            tell: as for the driver itself.
            observe: as for the driver itself.
        """
        self._deps, self.store, self._clock, self._tell, self._observe = deps, store, clock, tell, observe
        self._consulting = dict(self._consulting)
        self.fed = list(self.fed)
        self._journaled = copy.copy(self._journaled)
        self._journaled.part()
        self.held = {key: replace(held, body=self.again(held, deps)) for key, held in self.held.items()}

    def again(self, held: Held, deps: Deps | None) -> calls.Body:
        """Return a body that is or was held, not run, with other dependencies.

        Args:
            held: the body.
            deps: what the process lends now.
        """
        call, _, _ = calls.asked(self.state, held.command)
        values = held.body.tool.parse(call.arguments)
        return replace(held.body, bound=held.body.bound.again(values, deps))

    # -- the thread as journaled ---------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The thread as a value."""
        return self._journaled.state

    @property
    def transcript(self) -> list[Item]:
        """What the backend's transcript would hold."""
        return self._journaled.transcript

    @property
    def started(self) -> happened.RunStarted | None:
        """How the latest run was started."""
        return self._journaled.started

    def open(self, metadata: Metadata, limits: Limits | None = None) -> None:
        """Make the thread.

        Args:
            metadata: what it starts with.
            limits: its bounds; None for those of the flow.
        """
        now = self._clock.now()
        flow = self.flow
        facts = flow.dump(metadata)
        bounds = flow.limits if limits is None else limits
        opened = happened.ThreadOpened(now, self.thread, flow.name, flow.version, flow.initial.name, facts, bounds)
        state = fold(None, opened)
        self.store.append(self.thread, Commit(0, [dump(opened)], (), None, summary_of(flow, state, now)))
        self._load()

    def crash(self) -> None:
        """Forget everything, load the thread from its journal, and go on, as a new process would (E2)."""
        self.lose()
        self._load()
        lost = self._lost()
        recovered = happened.Recovered(self._clock.now(), lost)
        self.feed(*([recovered] if lost or self.state.run is not None else []))

    def lose(self) -> None:
        """Forget what runs, as a process that dies does."""
        held, self.held = self.held, {}
        consulting, self._consulting = self._consulting, {}
        for key, suspending in consulting.items():
            if key in held:
                suspending.abandon(held[key].body.bound)

    def _load(self) -> None:
        self._journaled, self._asked, self.prompt = Journaled(self.flow), None, None
        for record in self.store.journal(self.thread):
            self._journaled.apply(load(record.data))

    def _lost(self) -> tuple[tuple[int, int, str], ...]:
        """Return the started bodies that nobody runs any more, and whose outcome has not been posted."""
        posted = self._posted()
        return tuple(place for place in self._journaled.begun() if result_key(*place) not in posted)

    # -- the one door --------------------------------------------------------------------------------------------------

    def post(self, kind: RowKind, data: Mapping[str, Any], key: str, *, reject: bool = False) -> Receipt:
        """Commit a row to the inbox, and let it act as far as it may.

        Args:
            kind: what it is.
            data: its content.
            key: its idempotency key.
            reject: whether it is refused while the thread is busy.

        Raises:
            CallRefused: see `Store.post`.
        """
        now = self._clock.now()
        receipt = self.store.post(self.thread, kind, data, at=now, key=key, reject_if_busy=reject)
        self.feed()
        return receipt

    def feed(self, *facts: Event) -> None:
        """Commit what has happened, with all that follows from it, and do what is then outstanding.

        Args:
            facts: what has happened to the run; none to let the rows of the inbox in.
        """
        if self.waits and not facts:
            return
        self._commit(*facts)
        while (command := self._next()) is not None:
            self._execute(command)
        for look in self.fed:
            look()

    def _commit(self, *facts: Event) -> None:
        before = self.state
        now = self._clock.now()
        running = [held.command.place for held in self.held.values()]
        decided = advance(before, facts, self.store.inbox(self.thread), self._judge, at=now, running=running)
        if decided is None:
            return
        self.store.append(self.thread, self._journaled.commit(decided, now))
        for event in decided.events:
            earlier = self.state
            self._journaled.apply(event)
            self._observe(earlier, event, self.state)
            for observer in OBSERVERS:
                observer.committed(self.flow, earlier, event, self.state)

    # -- what is outstanding -------------------------------------------------------------------------------------------

    def _next(self) -> Command | None:
        """Return what can be done now, or None if only the model or a held body is waited for."""
        for command in todo(self.state):
            if isinstance(command, RunBody):
                run_already = result_key(*command.place) in self._posted()
                if command.key not in self.held and not run_already:
                    return command
            elif isinstance(command, ReadBack | CancelRun) or command.key != self._asked:
                return command
        return None

    def _execute(self, command: Command) -> None:
        now = self._clock.now()
        match command:
            case RunBody():
                self._start(command)
            case ReadBack():
                # As the embedded backend: what was asked before a crash is not there.
                self._commit(happened.RequestAbsent(now, command.run, command.request))
            case CancelRun():
                self._commit(happened.RunEnded(now, command.run, command.request, Status.CANCELLED))
            case SendRequest():
                self._asked = command.key
                self.requests += 1
                self.prompt = self._journaled.prompt()
            case _:
                raise AssertionError(f"no server keeps this run, and there is nothing to {type(command).__name__}")

    # -- bodies --------------------------------------------------------------------------------------------------------

    def finish(self, held: Held) -> None:
        """Run a held body to its end and bring its outcome to its batch, or to the inbox.

        Args:
            held: one of `held`.
        """
        outcome = self.outcome(held)
        if outcome is None:
            return
        self._forget(held.command.key)
        self._deliver(held.command, outcome)
        self.feed()

    def go_on(self, key: Key) -> None:
        """Run a body on that waited for a side room.

        Args:
            key: which one.
        """
        if key in self.held:
            self.finish(self.held[key])

    def waits_for(self, key: Key) -> list[str]:
        """Return the names of the side rooms that a body waits for.

        Args:
            key: which body.
        """
        suspending = self._consulting.get(key)
        return suspending.open_rooms if suspending is not None and suspending.blocked else []

    def _forget(self, key: Key) -> None:
        self.held.pop(key, None)
        self._consulting.pop(key, None)

    def outcome(self, held: Held) -> calls.Result | None:
        """Run a held body to its end and return what came of it, without committing it; None if it waits for a room.

        Args:
            held: one of `held`.

        Raises:
            ConfigurationError: it is asynchronous, and a loop is running here.
        """
        pretended = self.pretend(held.body)
        if pretended is None and held.body.bound.is_async:
            self.loop.require()  # the test's own mistake, which is no failure of the tool
        suspending = self._consulting[held.command.key]
        consults = bool(held.body.tool.consults) and pretended is None
        if consults and not self._proceed(held, suspending):
            return None
        try:
            if pretended is not None:
                returned = pretended()
            else:
                returned = suspending.returned() if consults else self._run(held.body.bound)
            return calls.finished(held.body, returned)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a tool raises, its call is answered
            return self.failed(held, error)

    def failed(self, held: Held, error: BaseException) -> calls.Result:
        """Return what the model is told of a body that raised.

        Args:
            held: the body.
            error: what it raised, or what its effects were refused with.
        """
        del held
        return calls.failed(error)

    def _proceed(self, held: Held, suspending: Suspending) -> bool:
        """Run a body that consults up to its end, or to where it waits for the test to play a room."""
        while not suspending.proceed(held.body.bound):
            for asked in list(suspending.asked.values()):
                if not asked.opened:
                    self.enters(held.command, held.body.tool, asked)
            if suspending.blocked:
                return False
        return True

    def _start(self, command: RunBody) -> None:
        call, asker, _ = calls.asked(self.state, command)
        now = self._clock.now()

        def report(text: str, fraction: float | None) -> None:
            self._tell(ToolProgress(self.thread, command.run, call.id, call.tool, text, fraction))

        suspending = Suspending(self.thread, command, self.loop)
        body = calls.prepare(self.flow, self.state, command, self._deps, report, at=now, consult=suspending.consult)
        if isinstance(body, calls.Result):
            self._deliver(command, body)
            return
        if body.commit_first:
            self._commit(happened.CallStarted(now, command.run, command.batch, command.call))
        self._tell(ToolStarted(self.thread, command.run, asker, call.id, call.tool, call.arguments))
        self.held[command.key] = held = Held(command, body, now)
        self._consulting[command.key] = suspending
        found = self._probed(body)
        if found is None and self.holds(body):
            return
        result = self.outcome(held) if found is None else found
        if result is None:
            return
        self._forget(command.key)
        self._deliver(command, result)

    def _probed(self, body: calls.Body) -> calls.Result | None:
        """Ask the probe of a body that a crash has lost; None if there is none, or the call did not happen."""
        if body.probe is None:
            return None
        try:
            found = body.probe.finish(self._run(body.probe))
        except Exception:  # noqa: BLE001 - a probe that fails has not said what happened
            return calls.Result("", {}, in_doubt=True)
        return None if found is None else calls.finished(body, found)

    def _run(self, bound: Bound | BoundProbe) -> object:
        return self.loop.run(bound.run()) if bound.is_async else bound.run()

    def _deliver(self, command: RunBody, result: calls.Result) -> None:
        if calls.open_in_batch(self.state, command):
            self._commit(calls.done(self.flow, self.state, command, result, self._clock.now()))
            return
        ticket = calls.ticket_of(self.state, command)
        if ticket is not None:
            key = result_key(*command.place)
            row = calls.late(ticket, result)
            self.store.post(self.thread, "resolved", row, at=self._clock.now(), key=key)
            self._commit()

    def _posted(self) -> set[str | None]:
        """Return the keys of outcomes that wait in the inbox."""
        return {row.key for row in self.store.inbox(self.thread) if row.kind == "resolved"}
