"""What is outstanding: a function of the state alone, so that recovery is to load and to execute it.

At most one backend request is in flight per thread; a cancel waits for its acknowledgement (C1). Bodies run as far as
the lane allows (B3), and none once the run's transition is committed (B7): its batch is settled then.
"""

from __future__ import annotations

from handoff.core.commands import CancelRun, Command, ReadBack, RunBody, SendRequest, WatchRun
from handoff.core.state import Batch, Entry, Run, State
from handoff.core.status import Status


def runnable(batch: Batch) -> tuple[Entry, ...]:
    """Return the calls whose bodies may run now: all outside the lane, and the first unsettled one of the lane."""
    ready: list[Entry] = []
    lane_free = True
    for entry in batch.entries:
        if entry.settled:
            continue
        if not entry.call.lane:
            ready.append(entry)
        elif lane_free:
            ready.append(entry)
            lane_free = False
    return tuple(ready)


def _of_run(run: Run) -> tuple[Command, ...]:
    watch = WatchRun(run.number, run.request)
    if run.batch is not None:
        bodies = tuple(RunBody(run.number, run.batch.number, entry.call.id) for entry in runnable(run.batch))
        return bodies if run.mode.swap else (*bodies, watch)
    if run.mode.swap and run.stop is not None:
        return (CancelRun(run.number, run.request),)
    if run.doubt:
        return (ReadBack(run.number, run.request),)
    if run.unacknowledged:
        return (SendRequest(run.number, run.request),)
    if run.status is Status.CANCELLING:
        return (watch, CancelRun(run.number, run.request))
    return (watch,)


def todo(state: State) -> tuple[Command, ...]:
    """Return the outstanding commands of a thread."""
    commands = () if state.run is None else _of_run(state.run)
    late = tuple(
        RunBody(ticket.run, ticket.batch, ticket.call.id, ticket.id)
        for ticket in state.tickets
        if ticket.stage in {"approved", "running"}
    )
    return commands + late
