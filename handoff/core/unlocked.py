"""What may happen while no run is active: rows of the inbox, transitions without a call, a start or a rest (L3, L4).

A drain applies them in commit order, each to the thread as the one before left it. One rule for each kind of event;
`RULES` lists them. A message is the exception: it may also join a run, at a batch boundary (L5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handoff.core import events as happened
from handoff.core.bounds import start_refusal, stimulated
from handoff.core.items import Note, UserMessage
from handoff.core.legal import demand
from handoff.core.moves import closes, counted_move, take
from handoff.core.replacing import replace
from handoff.core.state import Counters, Phase, Run, State
from handoff.core.status import Status
from handoff.core.texts import joined, tell
from handoff.core.tickets import late_patch, with_stage
from handoff.errors import IllegalEvent

# -- from the inbox ----------------------------------------------------------------------------------------------------


def _message(state: State, event: happened.MessageAccepted) -> State:
    demand(not state.closed, event, "the thread is closed")
    run = state.run
    if run is not None:
        demand(run.joinable, event, "a run is active, and this is no batch boundary it can join at")
        state = replace(state, run=replace(run, warned=False))
    else:
        state = replace(state, phase=Phase.OPEN, wants=True)
    return replace(
        state,
        due=(*state.due, UserMessage(event.id, event.text, event.parts)),
        unanswered=(*state.unanswered, event.id),
        counters=Counters(),
        stimuli=state.stimuli + 1,
        silent_since=None,
        timed=0,
    )


def _message_refused(state: State, event: happened.MessageRefused) -> State:
    demand(not state.locked, event, "a run is active")
    demand(state.closed, event, "the thread is not closed")
    due = tuple(item for item in state.due if not (isinstance(item, UserMessage) and item.id == event.id))
    unanswered = tuple(one for one in state.unanswered if one != event.id)
    return replace(state, phase=Phase.OPEN, due=due, unanswered=unanswered)


def _resolved(state: State, event: happened.Resolved) -> State:
    demand(not state.locked, event, "a run is active")
    ticket = state.ticket(event.ticket)
    assert ticket is not None  # else it is stale
    state = replace(state, phase=Phase.OPEN)
    if event.outcome == "waiting" or event.outcome == "in_doubt":  # noqa: PLR1714 - so that types narrow
        return with_stage(state, ticket, event.outcome)
    state = replace(state, counters=stimulated(state.counters), stimuli=state.stimuli + 1)
    if event.outcome == "approved":
        return with_stage(state, ticket, "approved")
    state = replace(state, tickets=tuple(one for one in state.tickets if one is not ticket), wants=not state.closed)
    named = {"tool": ticket.call.tool, "ticket": ticket.id, "asker": ticket.asker}
    if event.outcome == "refused":
        text = tell("refused", who=event.by or "a person", reason=event.reason or "no reason given", **named)
        return replace(state, due=(*state.due, Note("refused", text, ticket.id)))
    patch, kept = late_patch(state, ticket, {} if event.misfit else event.patch or {})
    text = joined(
        tell("late_result", output=event.output, **named),
        *(tell("field_kept", field=name) for name in kept),
        tell("patch_refused") if event.misfit else "",
        tell("late_not_handed_over", reason=event.denied) if event.denied else "",
    )
    state = replace(state, metadata={**state.metadata, **patch}, due=(*state.due, Note("late", text, ticket.id)))
    if event.move is None:
        return state
    demand(event.move.dest in ticket.call.dests, event, f"{ticket.call.tool} does not go to {event.move.dest}")
    demand(ticket.asker == state.assistant, event, tell("asker_gone", asker=ticket.asker))
    demand(not state.moved, event, tell("drain_moved"))
    state = replace(counted_move(state, event.move, event), moved=True)
    return replace(take(state, event.move), wants=not closes(event.move))


def _edited(state: State, event: happened.Edited) -> State:
    demand(not state.locked, event, "a run is active")
    return replace(state, phase=Phase.OPEN, metadata={**state.metadata, **event.patch})


def _edit_denied(state: State, event: happened.EditDenied) -> State:
    demand(not state.locked, event, "a run is active")
    return replace(state, phase=Phase.OPEN)


def _timer_passed(state: State, event: happened.TimerPassed) -> State:
    demand(not state.locked, event, "a run is active")
    return replace(state, phase=Phase.OPEN, timed=state.timed + 1)


# -- transitions without a call ----------------------------------------------------------------------------------------


def _moved(state: State, event: happened.Moved) -> State:
    move = event.move
    demand(not state.locked and not state.closed, event, "a run is active or the thread is closed")
    if move.kind == "then":
        demand(state.replied, event, "no run has just completed with a reply")
    elif move.kind == "after":
        demand(not state.moved, event, tell("drain_moved"))
        counters = stimulated(state.counters)
        state = replace(state, moved=True, counters=counters, stimuli=state.stimuli + 1, phase=Phase.OPEN)
    elif move.kind == "limit":
        demand(state.wants and start_refusal(state) is not None, event, "no start is refused")
        demand(not state.counters.limit_taken, event, "it was taken since the user's last message")
        state = replace(state, counters=replace(state.counters, limit_taken=True, granted=True))
    else:
        raise IllegalEvent("Moved", "a tool's transition is part of its call")
    state = take(counted_move(state, move, event), move)
    speaks = move.speak == "yes" and not closes(move)
    wants = speaks or (state.wants and not closes(move))
    return replace(state, wants=wants, replied=False, unanswered=state.unanswered if wants else ())


# -- what comes of it --------------------------------------------------------------------------------------------------


def _migrated(state: State, event: happened.FlowMigrated) -> State:
    demand(not state.locked, event, "a run is active")
    return replace(
        state, version=event.version, assistant=event.assistant, metadata=event.metadata, limits=event.limits
    )


def _run_started(state: State, event: happened.RunStarted) -> State:
    demand(not state.locked, event, "a run is active")
    demand(state.wants and not state.closed, event, "nobody is to speak")
    demand(event.assistant == state.assistant, event, f"{state.assistant} is active, not {event.assistant}")
    demand(event.run == state.runs + 1, event, f"the next run is {state.runs + 1}, not {event.run}")
    refusal = start_refusal(state)
    demand(refusal is None, event, str(refusal))
    counters = state.counters
    return replace(
        state,
        phase=Phase.RUNNING,
        run=Run(event.run, event.assistant, event.mode, event.deadline),
        runs=event.run,
        counters=replace(counters, runs=counters.runs + 1, total_runs=counters.total_runs + 1, granted=False),
        wants=False,
        moved=False,
        silent_since=None,
        timed=0,
    )


def _start_refused(state: State, event: happened.StartRefused) -> State:
    demand(not state.locked, event, "a run is active")
    demand(state.wants, event, "nobody is to speak")
    return replace(_rest(state, event.at), ended=Status.FAILED, reason=event.reason)


def _drained(state: State, event: happened.Drained) -> State:
    demand(not state.locked, event, "a run is active")
    demand(not state.wants, event, "an assistant is to speak")
    return _rest(state, event.at)


def _rest(state: State, at: float) -> State:
    since = at if state.silent_since is None else state.silent_since
    return replace(state, phase=Phase.REST, moved=False, wants=False, unanswered=(), silent_since=since)


#: Which rule takes which event.
RULES: dict[type, Callable[[State, Any], State]] = {
    happened.FlowMigrated: _migrated,
    happened.MessageAccepted: _message,
    happened.MessageRefused: _message_refused,
    happened.Resolved: _resolved,
    happened.Edited: _edited,
    happened.EditDenied: _edit_denied,
    happened.Moved: _moved,
    happened.TimerPassed: _timer_passed,
    happened.RowIgnored: lambda state, _event: state,
    happened.Drained: _drained,
    happened.RunStarted: _run_started,
    happened.StartRefused: _start_refused,
}
