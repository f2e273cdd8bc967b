"""A transition is taken: its destination is active from here on, it counts, and a note says who handed over (H6, G)."""

from __future__ import annotations

from handoff.core.bounds import blocked, counted, ends_round
from handoff.core.items import Note
from handoff.core.legal import demand
from handoff.core.replacing import replace
from handoff.core.state import END, Move, State
from handoff.core.texts import HOW, tell


def closes(move: Move) -> bool:
    """Return whether the transition ends the flow."""
    return move.dest == END


def counted_move(state: State, move: Move, event: object) -> State:
    """Count a transition outside a batch, after asking the bounds once more."""
    demand(move.source == state.assistant, event, f"{move.source} is not active")
    named = {"transition": move.transition, "dest": move.dest, "times": move.times}
    ends = ends_round(move.kind, speaks=move.speak == "yes")
    reason = blocked(state.counters, state.limits, state.metadata, renewed=ends, **named)  # type: ignore[arg-type]
    if move.kind != "limit":
        demand(reason is None, event, str(reason))
    return replace(state, counters=counted(state.counters, state.metadata, **named))  # type: ignore[arg-type]


def take(state: State, move: Move) -> State:
    """Make the destination active and note for it who handed over (H6)."""
    due = state.due
    if move.dest != state.assistant and not closes(move):
        how = HOW[move.kind].format(trigger=move.trigger)
        text = tell("handoff", dest=move.dest, source=state.assistant, how=how)
        due = (*due, Note("handoff", text))
    return replace(
        state,
        assistant=move.dest,
        previous=state.assistant,
        trigger=move.trigger,
        due=due,
        silent_since=None,
        timed=0,
    )
