"""A batch from the moment it is journaled to its settlement (B).

All calls of one response are journaled before any body starts (B1). The lane runs in call order, the first allowed
transition in it wins (B4), and the settlement is one step: outputs, metadata, tickets and the transition together
(B6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from handoff.core.bounds import counted
from handoff.core.items import Output
from handoff.core.replacing import replace
from handoff.core.state import (
    JSON,
    Batch,
    Call,
    Entry,
    Move,
    Progress,
    Run,
    State,
    Ticket,
    TicketStage,
    with_outputs,
)
from handoff.core.texts import tell

SettleCause: TypeAlias = Literal["grace", "cancel", "interrupt", "expired", "ended"]

PENDING: dict[TicketStage, str] = {
    "approval": "approval",
    "running": "slow",
    "waiting": "slow",
    "in_doubt": "in_doubt",
}


def active_run(state: State) -> Run:
    """Return the active run; the caller knows that there is one."""
    assert state.run is not None
    return state.run


def open_batch(state: State) -> Batch:
    """Return the open batch; the caller knows that there is one."""
    batch = active_run(state).batch
    assert batch is not None
    return batch


def with_batch(state: State, batch: Batch | None) -> State:
    """Return the state with that batch open."""
    return replace(state, run=replace(active_run(state), batch=batch))


def with_entry(state: State, entry: Entry) -> State:
    """Return the state with that entry in place of the one of the same call."""
    batch = open_batch(state)
    entries = tuple(entry if one.call.id == entry.call.id else one for one in batch.entries)
    return with_batch(state, replace(batch, entries=entries))


def winner(batch: Batch) -> Move | None:
    """Return the transition the batch has won so far."""
    return next((entry.move for entry in batch.entries if entry.move is not None), None)


def working_metadata(state: State) -> dict[str, JSON]:
    """Return the metadata as the lane has left it so far: what the next call of the lane reads."""
    metadata = dict(state.metadata)
    if state.run is not None and state.run.batch is not None:
        for entry in state.run.batch.entries:
            metadata.update(entry.patch or {})
    return metadata


def renewed(batch: Batch) -> bool:
    """Return whether an ordinary call of the lane has brought something new: arriving again is then no loop.

    Only the lane counts, because its order is fixed; what runs beside it must not decide by being faster.
    """
    return any(entry.call.lane and not entry.call.dests and entry.ran for entry in batch.entries)


def entries_for(state: State, calls: tuple[Call, ...], left: int) -> State:
    """Journal the calls: answer what cannot run, hand approvals to tickets, leave the rest ready.

    A call beyond the limit is told so and nothing else: mended arguments would not make it run.

    Args:
        state: the thread; its run is acknowledged and has no open batch.
        calls: the calls in the model's order.
        left: how many of them may run (G).
    """
    run = active_run(state)
    number = run.batches + 1
    over = run.stop is not None or run.move is not None
    warned = run.warned or (not over and len(calls) > left)
    state = replace(state, run=replace(run, batches=number, batch=Batch(number, ()), warned=warned))
    entries: list[Entry] = []
    for position, call in enumerate(calls):
        if over:
            output = tell("interrupted" if run.stop in {"cancel", "interrupt"} else "run_ended")
            entry = Entry(call, Progress.DONE, output)
        elif position >= left:
            entry = Entry(call, Progress.DONE, tell("call_limit", limit=state.limits.calls))
        elif call.answer is not None:
            entry = Entry(call, Progress.DONE, call.answer)
        elif call.approval:
            state, entry = deferred(state, Entry(call), "approval")
        else:
            entry = Entry(call)
        entries.append(entry)
    return with_batch(state, Batch(number, tuple(entries)))


def deferred(state: State, entry: Entry, stage: TicketStage, said: str = "") -> tuple[State, Entry]:
    """Hand the call over to a new ticket and answer it pending (D2).

    Args:
        state: the thread.
        entry: the call's entry.
        stage: what the ticket waits for.
        said: what the body itself said about it.
    """
    run = active_run(state)
    issued = state.issued + 1
    ticket = Ticket(
        f"T{issued}", entry.call, run.number, open_batch(state).number, run.assistant, stage, state.metadata
    )
    state = replace(state, issued=issued, tickets=(*state.tickets, ticket))
    output = tell(PENDING[stage], ticket=ticket.id)
    return state, replace(
        entry, progress=Progress.DEFERRED, output=f"{said}\n{output}" if said else output, patch=None, move=None
    )


def advance_lane(state: State) -> State:
    """Answer the calls whose transition cannot be taken any more, because an earlier one has won (B4)."""
    batch = open_batch(state)
    move = winner(batch)
    if move is None:
        return state
    entries = tuple(
        replace(entry, progress=Progress.DONE, output=tell("not_taken", dest=move.dest))
        if entry.progress is Progress.READY and entry.call.dests and entry.call.dests != (move.dest,)
        else entry
        for entry in batch.entries
    )
    return with_batch(state, replace(batch, entries=entries))


def settle_at_once(state: State, cause: SettleCause) -> State:
    """Settle what is not settled: started calls become tickets, the others are answered "not run" (B6)."""
    for entry in open_batch(state).entries:
        if entry.settled:
            continue
        if entry.progress is Progress.STARTED:
            state, entry = deferred(state, entry, "running")  # noqa: PLW2901 - the entry goes on as deferred
        else:
            output = tell("interrupted" if cause in {"cancel", "interrupt"} else "run_ended")
            entry = replace(entry, progress=Progress.DONE, output=output)  # noqa: PLW2901 - as above
        state = with_entry(state, entry)
    return state


def settled(state: State) -> bool:
    """Return whether every call of the open batch has its output."""
    return all(entry.settled for entry in open_batch(state).entries)


def _reply(batch: Batch) -> str | None:
    """The output that is the reply, if the batch won a transition that says so."""
    return next((entry.output for entry in batch.entries if entry.move is not None and entry.move.replies), None)


def close_batch(state: State) -> State:
    """Settle the batch: outputs become due, patches metadata, the winner's transition is committed (B6)."""
    run, batch = active_run(state), open_batch(state)
    metadata: Mapping[str, JSON] = working_metadata(state)
    outputs = tuple(
        Output(run.number, batch.number, entry.call.id, entry.call.tool, entry.output) for entry in batch.entries
    )
    tickets = tuple(
        replace(ticket, base=metadata) if (ticket.run, ticket.batch) == (run.number, batch.number) else ticket
        for ticket in state.tickets
    )
    counters = state.counters
    if any(entry.ran and not entry.call.dests for entry in batch.entries):
        counters = replace(counters, visited=frozenset())
    move = winner(batch)
    if move is not None:
        counters = counted(
            counters, metadata, transition=move.transition, dest=move.dest, times=move.times, renewed=renewed(batch)
        )
    return replace(
        state,
        metadata=metadata,
        due=with_outputs(state.due, outputs),
        tickets=tickets,
        counters=counters,
        run=replace(run, batch=None, move=run.move or move, reply=_reply(batch) if run.move is None else run.reply),
    )
