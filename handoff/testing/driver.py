"""One thread under way without an event loop: what `handoff.driving.driver` does, in the caller's own time.

Every change goes through `feed`, as there. What is then outstanding is done at once, one thing after the other, until
only the model is waited for, or a body. A crash forgets all but the store.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from handoff.clock import Clock
from handoff.core import events as happened
from handoff.core import fold, todo
from handoff.core.codec import dump, load
from handoff.core.commands import CancelRun, Command, Key, ReadBack, RunBody, SendRequest
from handoff.core.events import Event
from handoff.core.items import Item
from handoff.core.state import Mode, State
from handoff.core.status import Status
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps, Metadata
from handoff.declaration.prompt import Prompt
from handoff.driving.journaled import Journaled, result_key
from handoff.driving.judge import FlowJudge
from handoff.driving.ledger import summary_of
from handoff.driving.turn import advance
from handoff.events import ThreadEvent
from handoff.limits import Limits
from handoff.observers import OBSERVERS
from handoff.store.base import Commit, Receipt, RowKind, Store
from handoff.testing.bodies import InlineBodies
from handoff.testing.loop import PrivateLoop

#: What the embedded backend can do.
MODE = Mode(swap=True, carry=False, steer=True)


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
        bodies: what looks after its bodies.
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
        bodies: type[InlineBodies] = InlineBodies,
    ) -> None:
        self.thread = thread
        #: The latest request: what the model was given last.
        self.prompt: Prompt | None = None
        #: How many requests have been made.
        self.requests = 0
        #: Called when all that follows from something has happened.
        self.fed: list[Callable[[], None]] = []
        #: While it is, rows of the inbox wait although nothing is under way.
        self.waits = False
        #: The declaration.
        self.flow = flow
        #: Where the thread lives.
        self.store = store
        #: The time.
        self.clock = clock
        #: Called with what is never journaled.
        self.tell = tell
        #: The bodies of its calls.
        self.bodies = bodies(self, deps, PrivateLoop() if loop is None else loop)
        self._observe = observe
        self._judge = FlowJudge(flow, MODE)
        self._journaled = Journaled(flow)
        self._asked: Key | None = None

    def part(
        self,
        store: Store,
        clock: Clock,
        tell: Callable[[ThreadEvent], None],
        observe: Callable[[State, Event, State], None],
    ) -> None:
        """Go its own way from here on, where it is a `copy.copy` of another. Its bodies are still those.

        Args:
            store: a copy of the store.
            clock: a copy of the clock.
            tell: as for the driver itself.
            observe: as for the driver itself.
        """
        self.store, self.clock, self.tell, self._observe = store, clock, tell, observe
        self.fed = []
        self._journaled = copy.copy(self._journaled)
        self._journaled.part()

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
        now = self.clock.now()
        flow = self.flow
        facts = flow.dump(metadata)
        bounds = flow.limits if limits is None else limits
        opened = happened.ThreadOpened(now, self.thread, flow.name, flow.version, flow.initial.name, facts, bounds)
        state = fold(None, opened)
        self.store.append(self.thread, Commit(0, [dump(opened)], (), None, summary_of(flow, state, now)))
        self._load()

    def crash(self) -> None:
        """Forget everything, load the thread from its journal, and go on, as a new process would (E2)."""
        self.bodies.lose()
        self._load()
        lost = self._lost()
        recovered = happened.Recovered(self.clock.now(), lost)
        self.feed(*([recovered] if lost or self.state.run is not None else []))

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
        now = self.clock.now()
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
        self.commit(*facts)
        while (command := self._next()) is not None:
            self._execute(command)
        for look in self.fed:
            look()

    def commit(self, *facts: Event) -> None:
        """Commit what has happened, with all that follows from it, and do nothing yet.

        Args:
            facts: what has happened.
        """
        before = self.state
        now = self.clock.now()
        running = [held.command.place for held in self.bodies.held.values()]
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
                if command.key not in self.bodies.held and not run_already:
                    return command
            elif isinstance(command, ReadBack | CancelRun) or command.key != self._asked:
                return command
        return None

    def _execute(self, command: Command) -> None:
        now = self.clock.now()
        match command:
            case RunBody():
                self.bodies.start(command)
            case ReadBack():
                # As the embedded backend: what was asked before a crash is not there.
                self.commit(happened.RequestAbsent(now, command.run, command.request))
            case CancelRun():
                self.commit(happened.RunEnded(now, command.run, command.request, Status.CANCELLED))
            case SendRequest():
                self._asked = command.key
                self.requests += 1
                self.prompt = self._journaled.prompt()
            case _:
                raise AssertionError(f"no server keeps this run, and there is nothing to {type(command).__name__}")

    def _posted(self) -> set[str | None]:
        """Return the keys of outcomes that wait in the inbox."""
        return {row.key for row in self.store.inbox(self.thread) if row.kind == "resolved"}
