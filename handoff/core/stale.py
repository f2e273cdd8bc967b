"""Which events come too late to mean anything: of another run or request, of a settled call, of a decided ticket (I18).

A late answer is a fact of life on every backend, so it is no error; the shell counts what it ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handoff.core import events as happened
from handoff.core.events import Event
from handoff.core.state import Progress, Run, State, Ticket, TicketStage

#: Which stages a decision may find a ticket in; in any other it comes too late.
DECIDABLE: dict[happened.Outcome, frozenset[TicketStage]] = {
    "approved": frozenset({"approval"}),
    "refused": frozenset({"approval"}),
    "result": frozenset({"approved", "running", "waiting", "in_doubt"}),
    "waiting": frozenset({"approved", "running"}),
    "in_doubt": frozenset({"approved", "running"}),
}


def stale(state: State, event: Event) -> bool:
    """Return whether the event comes too late for this state: it is then ignored."""
    late = LATE.get(event.__class__)
    return late is not None and late(state, event)


def _stop(state: State, event: happened.StopRequested) -> bool:
    run = state.run
    if run is None or run.number != event.run:
        return True
    return run.stop is not None and not (run.stop in {"expired", "limit"} and event.cause == "cancel")


def _grace(state: State, event: happened.GraceReached) -> bool:
    return not _of_open_batch(state, event.run, event.batch)


def _done(state: State, event: happened.CallDone) -> bool:
    return not _of_open_batch(state, event.run, event.batch) or _settled(state, event.call)


def _started(state: State, event: happened.CallStarted) -> bool:
    ticket = _ticket_of(state, event)
    if ticket is not None:
        return ticket.stage != "approved"
    return not _of_open_batch(state, event.run, event.batch) or _begun(state, event.call)


def _resolved(state: State, event: happened.Resolved) -> bool:
    ticket = state.ticket(event.ticket)
    return ticket is None or ticket.stage not in DECIDABLE[event.outcome]


def _report(state: State, event: Any) -> bool:
    run = state.run
    return run is None or (run.number, run.request) != (event.run, event.request) or _unasked(run, event)


def _unasked(run: Run, event: Event) -> bool:
    """Whether the run does not wait for that word of its request any more."""
    closed = run.mode.swap and run.stop is not None
    match event:
        case happened.ThreadKnown():
            return closed
        case happened.RequestAccepted():
            return closed or not run.unacknowledged
        case happened.RequestDoubted():
            return closed or not run.unacknowledged or run.doubt
        case happened.RequestAbsent():
            return closed or not run.doubt
        case happened.CallsRequested():
            return closed or run.batches >= run.request or run.doubt
        case _:
            return False


def _of_open_batch(state: State, run: int, batch: int) -> bool:
    active = state.run
    return active is not None and active.batch is not None and (active.number, active.batch.number) == (run, batch)


def _settled(state: State, call: str) -> bool:
    assert state.run is not None
    assert state.run.batch is not None
    return all(entry.settled for entry in state.run.batch.entries if entry.call.id == call)


def _begun(state: State, call: str) -> bool:
    assert state.run is not None
    assert state.run.batch is not None
    return all(entry.progress is not Progress.READY for entry in state.run.batch.entries if entry.call.id == call)


def _ticket_of(state: State, event: happened.CallStarted) -> Ticket | None:
    key = (event.run, event.batch, event.call)
    return next((one for one in state.tickets if (one.run, one.batch, one.call.id) == key), None)


#: Which events can come too late, and what says that they do; all others never do.
LATE: dict[type, Callable[[State, Any], bool]] = {
    happened.StopRequested: _stop,
    happened.GraceReached: _grace,
    happened.CallDone: _done,
    happened.CallStarted: _started,
    happened.Resolved: _resolved,
    happened.ThreadKnown: _report,
    happened.RequestAccepted: _report,
    happened.RequestDoubted: _report,
    happened.RequestAbsent: _report,
    happened.CallsRequested: _report,
    happened.RunEnded: _report,
}
