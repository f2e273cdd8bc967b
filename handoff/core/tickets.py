"""Tickets: their stages, and what a late result may still change (D3): a field that changed meanwhile is kept."""

from __future__ import annotations

from collections.abc import Mapping

from handoff.core.replacing import replace
from handoff.core.state import JSON, State, Ticket, TicketStage


def late_patch(state: State, ticket: Ticket, patch: Mapping[str, JSON]) -> tuple[dict[str, JSON], tuple[str, ...]]:
    """Return the part of the patch that still applies, and the names of the fields that keep their value.

    Args:
        state: the thread as the rows before this result left it.
        ticket: the ticket of the call.
        patch: the fields the call assigned.
    """
    kept = tuple(name for name in patch if state.metadata.get(name) != ticket.base.get(name))
    return {name: value for name, value in patch.items() if name not in kept}, kept


def with_stage(state: State, ticket: Ticket, stage: TicketStage) -> State:
    """Return the state with that ticket at another stage."""
    return replace(state, tickets=tuple(replace(one, stage=stage) if one is ticket else one for one in state.tickets))
