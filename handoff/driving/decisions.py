"""What a person decides about a ticket where the flow is not at hand: a row in the thread's inbox.

Whoever drives the thread next acts on it: an approved body runs there, a result is told to the active assistant. The
first decision stands: a second approval or refusal gets its receipt, and so does the same result again, while another
result is told what was decided. A result that may change metadata or hand over has to be judged by the flow and is
refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from handoff.clock import Clock
from handoff.core.state import State, Ticket
from handoff.driving.history import folded
from handoff.errors import ConfigurationError, KeyReused, ThreadUnknown, TicketClosed
from handoff.store.base import Store

Verdict: TypeAlias = Literal["approved", "refused"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a ticket; a second decision returns the first."""

    ticket: str
    #: approved, refused or result.
    outcome: str
    by: str = ""


def thread_state(store: Store, thread: str) -> State:
    """Return the thread as it is journaled now.

    Args:
        store: where it lives.
        thread: its id.

    Raises:
        ThreadUnknown: if the store has no such thread.
    """
    state = folded(store.journal(thread))
    if state is None:
        raise ThreadUnknown(thread)
    return state


def decide(
    store: Store, thread: str, ticket: str, outcome: Verdict, *, reason: str = "", by: str = "", clock: Clock
) -> Decision:
    """Approve or refuse a call that waits for approval.

    Args:
        store: where the thread lives.
        thread: its id.
        ticket: the ticket's id.
        outcome: what is decided.
        reason: what the model is told of a refusal.
        by: who decides.
        clock: the time.

    Returns:
        The decision, or the first one where there was one.

    Raises:
        ThreadUnknown: if the store has no such thread.
        TicketClosed: if it never was a ticket of this thread that waits for approval.
    """
    first = _approval(store, thread, ticket)
    if first is not None:
        return first
    state = thread_state(store, thread)
    found = state.ticket(ticket)
    if found is None or found.stage != "approval":
        raise TicketClosed(thread, ticket)
    row = {"ticket": ticket, "outcome": outcome, "by": by}
    if outcome == "refused":
        row["reason"] = reason
    try:
        store.post(thread, "resolved", row, at=clock.now(), key=f"decide:{ticket}", born=state.birth)
    except KeyReused:  # somebody else decided at the same moment
        first = _approval(store, thread, ticket)
        if first is None:
            raise
        return first
    return Decision(ticket, outcome, by)


def deliver(
    store: Store, thread: str, ticket: str, output: str, *, happened: bool = True, by: str = "", clock: Clock
) -> Decision:
    """Deliver the result of a call that waits for the world, or say what became of one whose outcome is unknown.

    Args:
        store: where the thread lives.
        thread: its id.
        ticket: the ticket's id.
        output: what the model is told.
        happened: whether the call took effect.
        by: who says so.
        clock: the time.

    Raises:
        ThreadUnknown: if the store has no such thread.
        TicketClosed: if the ticket is not open, still waits for approval, or has another result.
        ConfigurationError: if the flow has to judge what the result changes.
    """
    first = delivered(store, thread, ticket, output, happened=happened)
    if first is not None:
        return first
    state = thread_state(store, thread)
    found = state.ticket(ticket)
    if found is None or found.stage == "approval":
        raise TicketClosed(thread, ticket)
    if happened and needs_flow(found):
        raise ConfigurationError(f"{found.call.tool} may change metadata or hand over: name the flow that judges it")
    row: dict[str, Any] = {
        "ticket": ticket,
        "outcome": "result",
        "output": output,
        "patch": {},
        "go": None,
        "ran": happened,
        "trace": "",
        "by": by,
    }
    key = f"settle:{ticket}:{clock.new_id()}"
    store.post(thread, "resolved", row, at=clock.now(), key=key, born=state.birth)
    return Decision(ticket, "result", by)


def needs_flow(ticket: Ticket) -> bool:
    """Return whether only the flow can say what the call's result changes: it takes metadata or may transition."""
    return ticket.call.lane


def delivered(store: Store, thread: str, ticket: str, output: str, *, happened: bool) -> Decision | None:
    """Return the decision that gave the ticket this same result before; None if it has none.

    Args:
        store: where the thread lives.
        thread: its id.
        ticket: the ticket's id.
        output: what the model is told.
        happened: whether the call took effect.

    Raises:
        TicketClosed: if it has another result.
    """
    data = _first(store, thread, ticket, {"result"})
    if data is None:
        return None
    if (data.get("output", ""), data.get("ran", True)) != (output, happened):
        effect = "" if data.get("ran", True) else "did not happen, "
        by = f" by {data['by']}" if data.get("by") else ""
        raise TicketClosed(thread, ticket, f"{effect}result {data.get('output', '')!r}{by}")
    return Decision(ticket, "result", data.get("by", ""))


def _approval(store: Store, thread: str, ticket: str) -> Decision | None:
    data = _first(store, thread, ticket, {"approved", "refused"})
    return None if data is None else Decision(ticket, data["outcome"], data.get("by", ""))


def _first(store: Store, thread: str, ticket: str, outcomes: set[str]) -> Mapping[str, Any] | None:
    """Return the decision made before, journaled or waiting."""
    journaled = [record.data for record in store.journal(thread) if record.data["type"] == "Resolved"]
    waiting = [row.data for row in store.inbox(thread) if row.kind == "resolved"]
    found = (data for data in (*journaled, *waiting) if data["ticket"] == ticket and data["outcome"] in outcomes)
    return next(found, None)
