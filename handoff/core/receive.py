"""The one door for events: `receive(state, event)` returns the thread after it, and what is then outstanding.

A stale event — of another run, request or batch, of a settled call, of a decided ticket — changes nothing (I18). One
that cannot have happened raises `IllegalEvent`, and changes nothing either. Each rule below handles one kind of
event; `RULES` lists them.
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
    entries_for,
    open_batch,
    renewed,
    settle_at_once,
    settled,
    winner,
    with_entry,
    working_metadata,
)
from handoff.core.bounds import blocked, called_on, calls_left, counted, ends_round, start_refusal, stimulated
from handoff.core.commands import Command
from handoff.core.events import Event
from handoff.core.items import Note, Output, Spoken, UserMessage
from handoff.core.replacing import replace
from handoff.core.stale import stale
from handoff.core.state import (
    Counters,
    Entry,
    Move,
    Phase,
    Progress,
    Run,
    State,
    Stop,
    Ticket,
    TicketStage,
    with_outputs,
)
from handoff.core.status import LEGAL, TERMINAL, Status
from handoff.core.texts import HOW, joined, tell
from handoff.core.tickets import late_patch
from handoff.core.todo import runnable, todo
from handoff.core.usage import Usage
from handoff.errors import IllegalEvent

#: The status a stopped run ends in.
STOPPED: dict[Stop, Status] = {
    "cancel": Status.CANCELLED,
    "interrupt": Status.CANCELLED,
    "expired": Status.EXPIRED,
    "limit": Status.INCOMPLETE,
}


def receive(state: State | None, event: Event) -> tuple[State, tuple[Command, ...]]:
    """Return the thread after the event, and all that is then outstanding.

    Args:
        state: the thread; None before its first event.
        event: what happened.

    Raises:
        IllegalEvent: if it cannot have happened; the state is as before.
    """
    state = fold(state, event)
    return state, todo(state)


def fold(state: State | None, event: Event) -> State:
    """Return the thread after the event, as `receive` does: for who folds several and then asks what is outstanding.

    Args:
        state: the thread; None before its first event.
        event: what happened.

    Raises:
        IllegalEvent: if it cannot have happened; the state is as before.
    """
    if isinstance(event, happened.ThreadOpened):
        _demand(state is None, event, "the thread is open already")
        return _opened(event)
    if state is None:
        raise IllegalEvent(type(event).__name__, "the thread has not been opened")
    if stale(state, event):
        return state
    return RULES[type(event)](_reply_answered(state, event), event)


def _demand(holds: bool, event: object, rule: str) -> None:
    if not holds:
        raise IllegalEvent(type(event).__name__, rule)


def _reply_answered(state: State, event: Event) -> State:
    """A reply that `then` does not take further has answered what it carried (L7, H5)."""
    if not state.replied or (isinstance(event, happened.Moved) and event.move.kind == "then"):
        return state
    return replace(state, replied=False, unanswered=())


def _status(run: Run, status: Status, event: object) -> Run:
    _demand(status is run.status or status in LEGAL[run.status], event, f"{status} cannot follow {run.status}")
    return replace(run, status=status)


# -- the thread --------------------------------------------------------------------------------------------------------


def _opened(event: happened.ThreadOpened) -> State:
    facts = (event.thread, event.flow, event.version, event.assistant, event.metadata, event.limits)
    return State(*facts, event.birth or event.thread, silent_since=event.at)


def _migrated(state: State, event: happened.FlowMigrated) -> State:
    _demand(not state.locked, event, "a run is active")
    return replace(
        state, version=event.version, assistant=event.assistant, metadata=event.metadata, limits=event.limits
    )


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
    return _after_call(state)


# -- from the inbox ----------------------------------------------------------------------------------------------------


def _message(state: State, event: happened.MessageAccepted) -> State:
    _demand(not state.closed, event, "the thread is closed")
    run = state.run
    if run is not None:
        _demand(run.joinable, event, "a run is active, and this is no batch boundary it can join at")
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
    _demand(not state.locked, event, "a run is active")
    _demand(state.closed, event, "the thread is not closed")
    due = tuple(item for item in state.due if not (isinstance(item, UserMessage) and item.id == event.id))
    unanswered = tuple(one for one in state.unanswered if one != event.id)
    return replace(state, phase=Phase.OPEN, due=due, unanswered=unanswered)


def _resolved(state: State, event: happened.Resolved) -> State:
    _demand(not state.locked, event, "a run is active")
    ticket = state.ticket(event.ticket)
    assert ticket is not None  # else it is stale
    state = replace(state, phase=Phase.OPEN)
    if event.outcome == "waiting" or event.outcome == "in_doubt":  # noqa: PLR1714 - so that types narrow
        return _with_stage(state, ticket, event.outcome)
    state = replace(state, counters=stimulated(state.counters), stimuli=state.stimuli + 1)
    if event.outcome == "approved":
        return _with_stage(state, ticket, "approved")
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
    _demand(event.move.dest in ticket.call.dests, event, f"{ticket.call.tool} does not go to {event.move.dest}")
    _demand(ticket.asker == state.assistant, event, tell("asker_gone", asker=ticket.asker))
    _demand(not state.moved, event, tell("drain_moved"))
    state = replace(_counted_move(state, event.move, event), moved=True)
    return replace(_move(state, event.move), wants=not _closes(event.move))


def _with_stage(state: State, ticket: Ticket, stage: TicketStage) -> State:
    return replace(state, tickets=tuple(replace(one, stage=stage) if one is ticket else one for one in state.tickets))


def _edited(state: State, event: happened.Edited) -> State:
    _demand(not state.locked, event, "a run is active")
    return replace(state, phase=Phase.OPEN, metadata={**state.metadata, **event.patch})


def _edit_denied(state: State, event: happened.EditDenied) -> State:
    _demand(not state.locked, event, "a run is active")
    return replace(state, phase=Phase.OPEN)


def _closes(move: Move) -> bool:
    return move.dest == "end"


def _counted_move(state: State, move: Move, event: object) -> State:
    """Count a transition outside a batch, after asking the bounds once more."""
    _demand(move.source == state.assistant, event, f"{move.source} is not active")
    named = {"transition": move.transition, "dest": move.dest, "times": move.times}
    ends = ends_round(move.kind, speaks=move.speak == "yes")
    reason = blocked(state.counters, state.limits, state.metadata, renewed=ends, **named)  # type: ignore[arg-type]
    if move.kind != "limit":
        _demand(reason is None, event, str(reason))
    return replace(state, counters=counted(state.counters, state.metadata, **named))  # type: ignore[arg-type]


def _moved(state: State, event: happened.Moved) -> State:
    move = event.move
    _demand(not state.locked and not state.closed, event, "a run is active or the thread is closed")
    if move.kind == "then":
        _demand(state.replied, event, "no run has just completed with a reply")
    elif move.kind == "after":
        _demand(not state.moved, event, tell("drain_moved"))
        counters = stimulated(state.counters)
        state = replace(state, moved=True, counters=counters, stimuli=state.stimuli + 1, phase=Phase.OPEN)
    elif move.kind == "limit":
        _demand(state.wants and start_refusal(state) is not None, event, "no start is refused")
        _demand(not state.counters.limit_taken, event, "it was taken since the user's last message")
        state = replace(state, counters=replace(state.counters, limit_taken=True, granted=True))
    else:
        raise IllegalEvent("Moved", "a tool's transition is part of its call")
    state = _move(_counted_move(state, move, event), move)
    speaks = move.speak == "yes" and not _closes(move)
    wants = speaks or (state.wants and not _closes(move))
    return replace(state, wants=wants, replied=False, unanswered=state.unanswered if wants else ())


def _move(state: State, move: Move) -> State:
    """Make the destination active and note for it who handed over (H6)."""
    due = state.due
    if move.dest != state.assistant and not _closes(move):
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


def _timer_passed(state: State, event: happened.TimerPassed) -> State:
    _demand(not state.locked, event, "a run is active")
    return replace(state, phase=Phase.OPEN, timed=state.timed + 1)


def _drained(state: State, event: happened.Drained) -> State:
    _demand(not state.locked, event, "a run is active")
    _demand(not state.wants, event, "an assistant is to speak")
    return _rest(state, event.at)


def _rest(state: State, at: float) -> State:
    since = at if state.silent_since is None else state.silent_since
    return replace(state, phase=Phase.REST, moved=False, wants=False, unanswered=(), silent_since=since)


# -- the run -----------------------------------------------------------------------------------------------------------


def _run_started(state: State, event: happened.RunStarted) -> State:
    _demand(not state.locked, event, "a run is active")
    _demand(state.wants and not state.closed, event, "nobody is to speak")
    _demand(event.assistant == state.assistant, event, f"{state.assistant} is active, not {event.assistant}")
    _demand(event.run == state.runs + 1, event, f"the next run is {state.runs + 1}, not {event.run}")
    refusal = start_refusal(state)
    _demand(refusal is None, event, str(refusal))
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
    _demand(not state.locked, event, "a run is active")
    _demand(state.wants, event, "nobody is to speak")
    return replace(_rest(state, event.at), ended=Status.FAILED, reason=event.reason)


def _stop(state: State, event: happened.StopRequested) -> State:
    run = _status(active_run(state), Status.CANCELLING, event)
    state = replace(state, run=replace(run, stop=event.cause))
    if run.batch is None:
        return state
    return _stopped(close_batch(settle_at_once(state, event.cause)))


def _stopped(state: State) -> State:
    """A stopped run whose batch is settled is over, unless the server has to end it first (C1)."""
    run = active_run(state)
    assert run.stop is not None
    return _ended(state, STOPPED[run.stop]) if run.mode.swap else state


def _grace(state: State, event: happened.GraceReached) -> State:
    del event
    return _after_call(settle_at_once(state, "grace"))


def _ended(state: State, status: Status, reason: str = "") -> State:
    """Unlock: take the committed transition, else the turn ends here unless `then` fires (H3, L4)."""
    run = active_run(state)
    if run.stop == "limit" and status is STOPPED["limit"]:
        reason = called_on(state)
    state = replace(state, run=None, phase=Phase.OPEN, ended=status, reason=reason)
    if run.move is None:
        replied = status is Status.COMPLETED and run.stop is None
        return replace(state, wants=False, replied=replied, unanswered=state.unanswered if replied else ())
    stopped = run.stop in {"cancel", "interrupt"}
    wants = run.move.speak == "yes" and not stopped and not _closes(run.move)
    state = _move(state, run.move)
    return replace(state, wants=wants, unanswered=state.unanswered if wants else ())


# -- from the backend --------------------------------------------------------------------------------------------------


def _stored(state: State, event: happened.RequestAccepted | happened.CallsRequested | happened.RunEnded) -> State:
    """What the server has stored is due no more; its name for that comes in the same step, so that both agree."""
    due, stored = state.due, event.stored
    _demand(0 <= stored <= len(due), event, f"{len(due)} items are due, {stored} cannot have been stored")
    return replace(state, due=due[stored:], ref=event.ref or state.ref)


def _known(state: State, event: happened.ThreadKnown) -> State:
    return replace(state, ref=event.ref)


def _spent(state: State, usage: Usage | None) -> State:
    """Count what an answer took: for its run, and for the thread."""
    if usage is None:
        return state
    run = active_run(state)
    return replace(state, run=replace(run, usage=run.usage + usage), usage=state.usage + usage)


def _accepted(state: State, event: happened.RequestAccepted) -> State:
    state = _stored(state, event)
    run = active_run(state)
    if run.status is not Status.CANCELLING:
        run = _status(run, Status.IN_PROGRESS, event)
    return replace(state, run=replace(run, unacknowledged=False, doubt=False))


def _doubted(state: State, event: happened.RequestDoubted) -> State:
    del event
    return replace(state, run=replace(active_run(state), doubt=True))


def _absent(state: State, event: happened.RequestAbsent) -> State:
    del event
    run = active_run(state)
    if run.stop is None:
        return replace(state, run=replace(run, doubt=False))
    if run.request == 1:
        return _ended(state, STOPPED[run.stop])
    return replace(state, run=replace(run, doubt=False, unacknowledged=False))


def _calls(state: State, event: happened.CallsRequested) -> State:
    ids = {call.id for call in event.calls}
    _demand(len(ids) == len(event.calls) > 0, event, "a batch has at least one call, and each its own id")
    state = _spent(_stored(state, event), event.usage)
    run = active_run(state)
    if run.status is not Status.CANCELLING:
        run = _status(run, Status.REQUIRES_ACTION, event)
    left, warned = calls_left(state), run.warned
    state = replace(state, run=replace(run, unacknowledged=False, doubt=False))
    state = entries_for(state, event.calls, left)
    if run.stop is None and run.move is None:
        taken = min(left, len(event.calls))
        counters = state.counters
        counters = replace(counters, calls=counters.calls + taken, total_calls=counters.total_calls + taken)
        state = replace(state, counters=counters)
        return _called_on(state) if warned else _after_call(state)
    cancelling = replace(active_run(close_batch(state)), status=Status.CANCELLING)
    return replace(close_batch(state), run=cancelling)


def _called_on(state: State) -> State:
    """The model was told that no calls are left and called on: the run ends, and the outputs ride with the next (G)."""
    state = close_batch(state)
    return _stopped(replace(state, run=replace(active_run(state), status=Status.CANCELLING, stop="limit")))


def _run_ended(state: State, event: happened.RunEnded) -> State:
    _demand(event.status in TERMINAL, event, f"{event.status} is not terminal")
    state = _spent(_stored(state, event), event.usage)
    run = active_run(state)
    if run.batch is not None:
        state = close_batch(settle_at_once(state, "ended"))
    if event.calls:
        line = "interrupted" if run.stop in {"cancel", "interrupt"} else "run_ended"
        outputs = tuple(Output(run.number, run.batches + 1, one.id, one.tool, tell(line)) for one in event.calls)
        state = replace(state, due=with_outputs(state.due, outputs))
    elif event.text and not keeps_text(event.status):
        state = replace(state, due=(*state.due, Spoken(run.assistant, run.number, event.text, cut=True)))
    status = event.status
    if status is Status.CANCELLED and run.stop is not None:
        status = STOPPED[run.stop]
    elif status is Status.CANCELLED and run.move is not None:
        status = Status.COMPLETED  # cancelled to carry a transition over: no failure, as on any other backend (L1)
    return _ended(state, status, event.reason)


def keeps_text(status: Status) -> bool:
    """Return whether the backend's transcript holds what was said in a run that ended so; else the text is due."""
    return status in {Status.COMPLETED, Status.INCOMPLETE}


# -- the calls ---------------------------------------------------------------------------------------------------------


def _call_started(state: State, event: happened.CallStarted) -> State:
    key = (event.run, event.batch, event.call)
    for ticket in state.tickets:
        if (ticket.run, ticket.batch, ticket.call.id) == key:
            return _with_stage(state, ticket, "running")
    return with_entry(state, replace(_runnable_entry(state, event.call, event), progress=Progress.STARTED))


def _runnable_entry(state: State, call: str, event: object) -> Entry:
    for entry in runnable(open_batch(state)):
        if entry.call.id == call:
            return entry
    raise IllegalEvent(type(event).__name__, f"an earlier call of the lane comes before {call}")


def _call_done(state: State, event: happened.CallDone) -> State:
    entry = _runnable_entry(state, event.call, event)
    if entry.progress is Progress.READY:
        _demand(not event.ran or entry.call.idempotent, event, f"{event.call} was never committed as started")
    if event.pending:
        state, waiting = deferred(state, entry, event.pending, event.output)
        return _after_call(with_entry(state, waiting))
    move, batch = event.move, open_batch(state)
    patch = event.patch if event.ran else None
    if move is not None:
        _demand(event.ran, event, "a body that did not run to its end takes no transition")
        _demand(winner(batch) is None, event, "the batch has its transition")
        _demand(move.dest in entry.call.dests, event, f"{entry.call.tool} does not go to {move.dest}")
        reason = blocked(
            state.counters,
            state.limits,
            {**working_metadata(state), **(patch or {})},
            transition=move.transition,
            dest=move.dest,
            times=move.times,
            renewed=renewed(batch),
        )
        _demand(reason is None, event, str(reason))
    output = event.output
    if event.denied:
        output = joined(output, tell("not_handed_over", reason=event.denied))
    done = replace(entry, progress=Progress.DONE, output=output, patch=patch, move=move, ran=event.ran)
    return _after_call(advance_lane(with_entry(state, done)))


def _after_call(state: State) -> State:
    """Settle the batch if every call has its output, and decide what comes next (B6, H4)."""
    if not settled(state):
        return state
    state = close_batch(state)
    run = active_run(state)
    if run.move is not None and run.mode.swap:
        return _ended(state, Status.COMPLETED)
    if run.move is not None and run.mode.carries(run.move.trigger):
        return replace(state, run=replace(run, status=Status.CANCELLING))
    return replace(state, run=replace(run, status=Status.QUEUED, request=run.request + 1, unacknowledged=True))


#: Which rule takes which event; `ThreadOpened` alone has none, as there is no state before it.
RULES: dict[type, Callable[[State, Any], State]] = {
    happened.FlowMigrated: _migrated,
    happened.Recovered: _recovered,
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
    happened.StopRequested: _stop,
    happened.GraceReached: _grace,
    happened.ThreadKnown: _known,
    happened.RequestAccepted: _accepted,
    happened.RequestDoubted: _doubted,
    happened.RequestAbsent: _absent,
    happened.CallsRequested: _calls,
    happened.RunEnded: _run_ended,
    happened.CallStarted: _call_started,
    happened.CallDone: _call_done,
}
