"""The driver's decisions, synchronous and without I/O: what one commit holds.

`advance` takes what has just happened and the rows that wait, and returns the events of one append. At an unlock the
order is: transition applied, inbox drained, instructions rendered, at most one run started (L4); while the thread is
locked only stops act at once (L6), and messages are steered in at a batch boundary (L5). What user code decides comes
from a `Judge`, which is asked here and never inside a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from handoff.core import fold
from handoff.core.bounds import start_refusal
from handoff.core.codec import load_parts
from handoff.core.events import (
    CallStarted,
    Drained,
    EditDenied,
    Edited,
    Event,
    GraceReached,
    MessageAccepted,
    MessageRefused,
    Moved,
    Resolved,
    RowIgnored,
    RunEnded,
    RunStarted,
    StartRefused,
    StopRequested,
    TimerPassed,
)
from handoff.core.items import UserMessage
from handoff.core.stale import stale
from handoff.core.state import JSON, Mode, Move, Phase, Progress, State, Ticket
from handoff.errors import InstructionsError
from handoff.store.base import InboxRow


@dataclass(frozen=True, slots=True)
class Brief:
    """What a run is started with."""

    #: The active assistant's instructions, rendered.
    instructions: str
    #: SHA-256 of the instructions, hexadecimal.
    digest: str
    #: Names of the tools it is offered.
    tools: tuple[str, ...]
    #: What the backend can do.
    mode: Mode
    #: Id of the assistant: flow, name and a hash of what it is made of (A).
    assistant_id: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the flow says of a late result."""

    #: Its patch no longer makes valid metadata.
    misfit: bool = False
    #: The transition it takes.
    move: Move | None = None
    #: Why it takes none, where its tool declares one.
    denied: str = ""


class Judge(Protocol):
    """What the declaration decides; asked outside any transaction."""

    def then(self, state: State) -> Move | None:
        """Return the transition that follows the reply just given, if one may be taken."""
        ...

    def silence(self, state: State) -> Move | str:
        """Return the transition of the silence that has ended, or why none is taken."""
        ...

    def limit(self, state: State) -> Move | None:
        """Return the transition to take where a start is refused by a limit."""
        ...

    def late(self, state: State, ticket: Ticket, data: Mapping[str, Any]) -> Verdict:
        """Judge a late result by the thread as the rows before it left it."""
        ...

    def edit(self, state: State, patch: Mapping[str, JSON]) -> str | None:
        """Return why the edit may not be applied, or None."""
        ...

    def start(self, state: State) -> Brief:
        """Render the active assistant's instructions.

        Raises:
            InstructionsError: if they cannot be rendered.
        """
        ...


@dataclass(frozen=True, slots=True)
class Advance:
    """One append, as decided."""

    #: The events, in order.
    events: tuple[Event, ...]
    #: Ids of the rows they consume.
    consumed: tuple[int, ...]
    #: The append stands only if no later row waits; None where rows may wait for the lock.
    last_row: int | None
    #: The thread just before each event.
    before: tuple[State, ...]
    #: The thread afterwards.
    state: State
    #: How many events came too late and were ignored.
    ignored: int = 0


class _Log:
    """The events of one append as they are decided."""

    def __init__(self, state: State, running: Collection[tuple[int, int, str]]) -> None:
        self.state = state
        self._running = running
        self.events: list[Event] = []
        self.before: list[State] = []
        self.consumed: list[int] = []
        self.ignored = 0

    def consume(self, row: InboxRow, event: Event | None, at: float) -> None:
        """Add what became of a row; one that comes too late is journaled as ignored."""
        self.consumed.append(row.id)
        if event is None or stale(self.state, event):
            event = RowIgnored(at, row.id, row.kind)
        self.add(event)

    def add(self, event: Event) -> None:
        if stale(self.state, event):
            self.ignored += 1
            return
        if isinstance(event, StopRequested | GraceReached | RunEnded):
            self._commit_starts(event.at)
        self._append(event)

    def _commit_starts(self, at: float) -> None:
        """Before a batch is settled at once, commit what runs uncommitted as started: it becomes a ticket (E1, B6)."""
        run = self.state.run
        for entry in () if run is None or run.batch is None else run.batch.entries:
            assert run is not None
            assert run.batch is not None
            key = (run.number, run.batch.number, entry.call.id)
            if entry.progress is Progress.READY and key in self._running:
                self._append(CallStarted(at, *key))

    def _append(self, event: Event) -> None:
        state = fold(self.state, event)
        self.before.append(self.state)
        self.events.append(event)
        self.state = state


def advance(
    state: State,
    facts: Sequence[Event],
    rows: Sequence[InboxRow],
    judge: Judge,
    *,
    at: float,
    running: Collection[tuple[int, int, str]] = (),
) -> Advance | None:
    """Decide the next append; None if there is nothing to append.

    Args:
        state: the thread as journaled.
        facts: what has happened to its run, in order.
        rows: the rows that wait, in commit order.
        judge: the flow's verdicts.
        at: the time now, Unix seconds.
        running: (run, batch, call id) of bodies that run although they are not committed as started: idempotent ones.

    Raises:
        IllegalEvent: if a fact cannot have happened.
    """
    log = _Log(state, running)
    boundary = False
    for fact in facts:
        before = log.state.run
        log.add(fact)
        run = log.state.run
        boundary = boundary or (run is not None and before is not None and run.request > before.request)
    waiting = _stop(log, rows, at)
    last_row: int | None = None
    if log.state.run is None:
        last_row = max((row.id for row in rows), default=0)
        _drain(log, waiting, judge, at)
    elif boundary and log.state.run.joinable:
        _steer(log, waiting, at)
    if not log.events:
        return None
    return Advance(tuple(log.events), tuple(log.consumed), last_row, tuple(log.before), log.state, log.ignored)


def _stop(log: _Log, rows: Sequence[InboxRow], at: float) -> list[InboxRow]:
    """Let cancels and interrupting messages act at once; return the rows that still wait (L6)."""
    waiting: list[InboxRow] = []
    for row in rows:
        if row.kind == "stop":
            log.consume(row, StopRequested(at, row.data["run"], row.data["cause"]), at)
            continue
        if row.kind == "message" and row.data["policy"] == "interrupt" and log.state.run is not None:
            log.add(StopRequested(at, log.state.run.number, "interrupt"))
        waiting.append(row)
    return waiting


def _steer(log: _Log, waiting: Sequence[InboxRow], at: float) -> None:
    """Let the waiting messages up to the last steer join the run, so that commit order holds (L5)."""
    messages = [row for row in waiting if row.kind == "message"]
    steers = [index for index, row in enumerate(messages) if row.data["policy"] == "steer"]
    for row in messages[: steers[-1] + 1 if steers else 0]:
        log.consume(row, _accepted(row, at), at)


def _drain(log: _Log, waiting: Sequence[InboxRow], judge: Judge, at: float) -> None:
    """Apply `then`, feed each row as the one before it left the thread, and start at most one run (L4)."""
    if log.state.replied:
        move = judge.then(log.state)
        if move is not None:
            log.add(Moved(at, move))
    for row in waiting:
        log.consume(row, _event_of(log.state, row, judge, at), at)
    if log.state.wants and start_refusal(log.state) is not None and not log.state.counters.limit_taken:
        move = judge.limit(log.state)
        if move is not None:
            log.add(Moved(at, move))
    if log.state.wants:
        log.add(_start(log.state, judge, at))
    elif log.state.phase is Phase.OPEN:
        _refuse_uncarried(log, at)
        log.add(Drained(at))


def _refuse_uncarried(log: _Log, at: float) -> None:
    """Where this drain closed the thread, refuse the messages no run has carried: none will (L7)."""
    for item in log.state.due if log.state.closed else ():
        if isinstance(item, UserMessage):
            log.add(MessageRefused(at, item.id))


def _start(state: State, judge: Judge, at: float) -> RunStarted | StartRefused:
    refusal = start_refusal(state)
    if refusal is not None:
        return StartRefused(at, "limit", refusal)
    try:
        brief = judge.start(state)
    except InstructionsError as error:
        return StartRefused(at, "instructions", str(error))
    deadline = at + state.limits.deadline
    return RunStarted(
        at,
        state.runs + 1,
        state.assistant,
        brief.instructions,
        brief.digest,
        brief.tools,
        brief.mode,
        deadline,
        brief.assistant_id,
    )


def _event_of(state: State, row: InboxRow, judge: Judge, at: float) -> Event | None:
    """Return what a row comes to, judged by the thread as the row before it left it; None for an old timer."""
    data = row.data
    if row.kind == "message":
        return MessageRefused(at, data["id"]) if state.closed else _accepted(row, at)
    if row.kind == "resolved":
        return _resolution(state, data, judge, at)
    if row.kind == "edit":
        reason = judge.edit(state, data["patch"])
        return Edited(at, data["id"], data["patch"]) if reason is None else EditDenied(at, data["id"], reason)
    if row.kind == "timer" and (state.stimuli, state.timed) == (data["stimuli"], data["timed"]):
        verdict = judge.silence(state)
        return TimerPassed(at, verdict) if isinstance(verdict, str) else Moved(at, verdict)
    return None


def _accepted(row: InboxRow, at: float) -> MessageAccepted:
    return MessageAccepted(at, row.data["id"], row.data["text"], load_parts(row.data.get("parts", ())))


def _resolution(state: State, data: Mapping[str, Any], judge: Judge, at: float) -> Resolved:
    ticket = state.ticket(data["ticket"])
    if ticket is None or data["outcome"] != "result":
        return Resolved(at, data["ticket"], data["outcome"], by=data.get("by", ""), reason=data.get("reason", ""))
    verdict = judge.late(state, ticket, data)
    return Resolved(
        at,
        ticket.id,
        "result",
        output=data["output"],
        patch=data.get("patch"),
        misfit=verdict.misfit,
        move=verdict.move,
        denied=verdict.denied,
        by=data.get("by", ""),
        ran=data.get("ran", True),
        failed=data.get("failed", False),
    )
