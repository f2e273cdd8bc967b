"""What a commit writes beside its events: the thread's summary, and its calls and tickets as rows for people to read.

These are projections: nothing is ever decided by them, except what `reject` asks (is the thread locked?), which threads
have something outstanding, and which bodies may still run on a thread that is to be deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handoff.core.events import CallsRequested, Event, Resolved
from handoff.core.items import Output
from handoff.core.state import Batch, Call, Entry, Progress, State, Ticket
from handoff.declaration.flow import Flow
from handoff.driving.judge import wake_at
from handoff.driving.turn import Advance
from handoff.store.base import LedgerRow, Summary, TicketRow


def summary_of(flow: Flow[Any, Any], state: State, at: float) -> Summary:
    """Return what a listing shows of the thread.

    Args:
        flow: its flow.
        state: the thread.
        at: the time now, Unix seconds.
    """
    status = "closed" if state.closed else "rest" if state.run is None else str(state.run.status)
    return Summary(
        state.flow, state.assistant, status, state.locked, state.closed, state.metadata, wake_at(flow, state), at
    )


def ticket_rows(before: State, after: State) -> list[TicketRow]:
    """Return the rows of the tickets that have changed."""
    if before.tickets == after.tickets:  # mostly there are none
        return []
    known = {ticket.id: ticket for ticket in before.tickets}
    changed = [ticket for ticket in after.tickets if known.pop(ticket.id, None) != ticket]
    open_now = {ticket.id for ticket in after.tickets}
    closed = [ticket for ticket in before.tickets if ticket.id not in open_now]
    return [_ticket_row(one, one.stage) for one in changed] + [_ticket_row(one, "closed") for one in closed]


def _ticket_row(ticket: Ticket, stage: str) -> TicketRow:
    call = ticket.call
    return TicketRow(ticket.id, ticket.run, ticket.batch, call.id, call.tool, ticket.asker, call.arguments, stage)


def ledger_rows(before: State, decided: Advance) -> list[LedgerRow]:
    """Return the rows of the calls that have changed.

    Args:
        before: the thread as journaled.
        decided: the commit.
    """
    rows: dict[tuple[int, int, str], LedgerRow] = {}
    states = (before, *decided.before[1:], decided.state)
    for index, event in enumerate(decided.events):
        for row in _changed(states[index], event, states[index + 1]):
            rows[row.run, row.batch, row.call] = row
    return list(rows.values())


def _changed(old: State, event: Event, new: State) -> Iterator[LedgerRow]:
    """Yield the calls that are not as they were."""
    if isinstance(event, Resolved):
        ticket = old.ticket(event.ticket)
        if ticket is not None and new.ticket(event.ticket) is None:
            progress = "resolved" if event.outcome == "result" else "refused"
            output = event.output or event.reason
            yield _row(ticket.run, ticket.batch, ticket.asker, ticket.call, progress, output)
        return
    if _batch(old) is _batch(new) and not isinstance(event, CallsRequested):
        return  # most events are not about calls
    was, now = _entries(old), _entries(new)
    for key, (asker, entry) in now.items():
        if key not in was or was[key][1] is not entry:
            yield _row(*key[:2], asker, entry.call, entry.progress, entry.output)
    if isinstance(event, CallsRequested) and old.run is not None:
        # A batch that is settled as it is journaled was never seen open.
        number, asker = old.run.batches + 1, old.run.assistant
        was |= {(event.run, number, call.id): (asker, Entry(call)) for call in event.calls}
    if was.keys() <= now.keys():
        return
    settled = {(one.run, one.batch, one.call): one for one in new.due if isinstance(one, Output)}
    deferred = {(one.run, one.batch, one.call.id) for one in new.tickets}
    for key, (asker, entry) in was.items():
        if key not in now and key in settled:
            progress = Progress.DEFERRED if key in deferred else Progress.DONE
            yield _row(*key[:2], asker, entry.call, progress, settled[key].text)


def _row(run: int, batch: int, asker: str, call: Call, progress: str, output: str) -> LedgerRow:
    return LedgerRow(run, batch, call.id, call.tool, asker, call.arguments, str(progress), output, call.position)


def _batch(state: State) -> Batch | None:
    return None if state.run is None else state.run.batch


def _entries(state: State) -> dict[tuple[int, int, str], tuple[str, Entry]]:
    """The open calls, each with the assistant that asked."""
    run = state.run
    if run is None or run.batch is None:
        return {}
    return {(run.number, run.batch.number, entry.call.id): (run.assistant, entry) for entry in run.batch.entries}
