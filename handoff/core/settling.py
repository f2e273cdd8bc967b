"""What may happen to the calls of a run: their bodies start, end, are late or lost, and their batch settles (B, E).

One rule for each kind of event; `RULES` lists them. `after_call` says what follows once every call has its output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handoff.core import events as happened
from handoff.core.batch import (
    active_run,
    advance_lane,
    close_batch,
    deferred,
    open_batch,
    renewed,
    settle_at_once,
    settled,
    winner,
    with_entry,
    working_metadata,
)
from handoff.core.bounds import blocked
from handoff.core.ending import end
from handoff.core.legal import demand
from handoff.core.replacing import replace
from handoff.core.state import Entry, Progress, State, TicketStage
from handoff.core.status import Status
from handoff.core.texts import joined, tell
from handoff.core.tickets import with_stage
from handoff.core.todo import runnable
from handoff.errors import IllegalEvent


def _call_started(state: State, event: happened.CallStarted) -> State:
    key = (event.run, event.batch, event.call)
    for ticket in state.tickets:
        if (ticket.run, ticket.batch, ticket.call.id) == key:
            return with_stage(state, ticket, "running")
    return with_entry(state, replace(_runnable_entry(state, event.call, event), progress=Progress.STARTED))


def _runnable_entry(state: State, call: str, event: object) -> Entry:
    for entry in runnable(open_batch(state)):
        if entry.call.id == call:
            return entry
    raise IllegalEvent(type(event).__name__, f"an earlier call of the lane comes before {call}")


def _call_done(state: State, event: happened.CallDone) -> State:
    entry = _runnable_entry(state, event.call, event)
    if entry.progress is Progress.READY:
        demand(not event.ran or entry.call.idempotent, event, f"{event.call} was never committed as started")
    if event.pending:
        state, waiting = deferred(state, entry, event.pending, event.output)
        return after_call(with_entry(state, waiting))
    move, batch = event.move, open_batch(state)
    patch = event.patch if event.ran else None
    if move is not None:
        demand(event.ran, event, "a body that did not run to its end takes no transition")
        demand(winner(batch) is None, event, "the batch has its transition")
        demand(move.dest in entry.call.dests, event, f"{entry.call.tool} does not go to {move.dest}")
        reason = blocked(
            state.counters,
            state.limits,
            {**working_metadata(state), **(patch or {})},
            transition=move.transition,
            dest=move.dest,
            times=move.times,
            renewed=renewed(batch),
        )
        demand(reason is None, event, str(reason))
    output = event.output
    if event.denied:
        output = joined(output, tell("not_handed_over", reason=event.denied))
    done = replace(entry, progress=Progress.DONE, output=output, patch=patch, move=move, ran=event.ran)
    return after_call(advance_lane(with_entry(state, done)))


def _grace(state: State, event: happened.GraceReached) -> State:
    del event
    return after_call(settle_at_once(state, "grace"))


def after_call(state: State) -> State:
    """Settle the batch if every call has its output, and decide what comes next (B6, H4)."""
    if not settled(state):
        return state
    state = close_batch(state)
    run = active_run(state)
    if run.move is not None and run.mode.swap:
        return end(state, Status.COMPLETED)
    if run.move is not None and run.mode.carries(run.move.trigger):
        return replace(state, run=replace(run, status=Status.CANCELLING))
    return replace(state, run=replace(run, status=Status.QUEUED, request=run.request + 1, unacknowledged=True))


# -- after a crash -----------------------------------------------------------------------------------------------------


def _recovered(state: State, event: happened.Recovered) -> State:
    if state.run is not None:
        if state.run.unacknowledged:
            state = replace(state, run=replace(state.run, doubt=True))
        if state.run is not None and state.run.batch is not None:
            state = _recovered_batch(state, event)
    tickets = tuple(
        ticket
        if ticket.stage != "running" or (ticket.run, ticket.batch, ticket.call.id) not in event.lost
        else replace(ticket, stage=_stage_after_crash(ticket.call.idempotent, ticket.call.probed))
        for ticket in state.tickets
    )
    return replace(state, tickets=tickets)


def _stage_after_crash(idempotent: bool, probed: bool) -> TicketStage:
    if idempotent:
        return "approved"
    return "running" if probed else "in_doubt"


def _recovered_batch(state: State, event: happened.Recovered) -> State:
    """A lost body runs again, is asked of its probe, or is left to a person: E2."""
    run, batch = active_run(state), open_batch(state)
    for entry in batch.entries:
        if entry.progress is not Progress.STARTED or (run.number, batch.number, entry.call.id) not in event.lost:
            continue
        if entry.call.idempotent:
            state = with_entry(state, replace(entry, progress=Progress.READY))
        elif not entry.call.probed:
            state, lost = deferred(state, entry, "in_doubt")
            state = with_entry(state, lost)
    return after_call(state)


#: Which rule takes which event.
RULES: dict[type, Callable[[State, Any], State]] = {
    happened.Recovered: _recovered,
    happened.GraceReached: _grace,
    happened.CallStarted: _call_started,
    happened.CallDone: _call_done,
}
