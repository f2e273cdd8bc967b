"""What may happen to the active run: somebody stops it, and the backend reports on its requests (C, L1).

One rule for each kind of event; `RULES` lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handoff.core import events as happened
from handoff.core.batch import active_run, close_batch, entries_for, settle_at_once
from handoff.core.bounds import calls_left
from handoff.core.ending import STOPPED, end, end_stopped
from handoff.core.items import Output, Spoken
from handoff.core.legal import demand, with_status
from handoff.core.replacing import replace
from handoff.core.settling import after_call
from handoff.core.state import State, with_outputs
from handoff.core.status import TERMINAL, Status
from handoff.core.texts import tell
from handoff.core.transcript import keeps_text
from handoff.core.usage import Usage


def _stop(state: State, event: happened.StopRequested) -> State:
    run = with_status(active_run(state), Status.CANCELLING, event)
    state = replace(state, run=replace(run, stop=event.cause))
    if run.batch is None:
        return state
    return end_stopped(close_batch(settle_at_once(state, event.cause)))


def _known(state: State, event: happened.ThreadKnown) -> State:
    return replace(state, ref=event.ref)


def _accepted(state: State, event: happened.RequestAccepted) -> State:
    state = _stored(state, event)
    run = active_run(state)
    if run.status is not Status.CANCELLING:
        run = with_status(run, Status.IN_PROGRESS, event)
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
        return end(state, STOPPED[run.stop])
    return replace(state, run=replace(run, doubt=False, unacknowledged=False))


def _calls(state: State, event: happened.CallsRequested) -> State:
    ids = {call.id for call in event.calls}
    demand(len(ids) == len(event.calls) > 0, event, "a batch has at least one call, and each its own id")
    state = _spent(_stored(state, event), event.usage)
    run = active_run(state)
    if run.status is not Status.CANCELLING:
        run = with_status(run, Status.REQUIRES_ACTION, event)
    left, warned = calls_left(state), run.warned
    state = replace(state, run=replace(run, unacknowledged=False, doubt=False))
    state = entries_for(state, event.calls, left)
    if run.stop is None and run.move is None:
        taken = min(left, len(event.calls))
        counters = state.counters
        counters = replace(counters, calls=counters.calls + taken, total_calls=counters.total_calls + taken)
        state = replace(state, counters=counters)
        return _called_on(state) if warned else after_call(state)
    cancelling = replace(active_run(close_batch(state)), status=Status.CANCELLING)
    return replace(close_batch(state), run=cancelling)


def _called_on(state: State) -> State:
    """The model was told that no calls are left and called on: the run ends, and the outputs ride with the next (G)."""
    state = close_batch(state)
    return end_stopped(replace(state, run=replace(active_run(state), status=Status.CANCELLING, stop="limit")))


def _run_ended(state: State, event: happened.RunEnded) -> State:
    demand(event.status in TERMINAL, event, f"{event.status} is not terminal")
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
    return end(state, status, event.reason)


def _stored(state: State, event: happened.RequestAccepted | happened.CallsRequested | happened.RunEnded) -> State:
    """What the server has stored is due no more; its name for that comes in the same step, so that both agree."""
    due, stored = state.due, event.stored
    demand(0 <= stored <= len(due), event, f"{len(due)} items are due, {stored} cannot have been stored")
    return replace(state, due=due[stored:], ref=event.ref or state.ref)


def _spent(state: State, usage: Usage | None) -> State:
    """Count what an answer took: for its run, and for the thread."""
    if usage is None:
        return state
    run = active_run(state)
    return replace(state, run=replace(run, usage=run.usage + usage), usage=state.usage + usage)


#: Which rule takes which event.
RULES: dict[type, Callable[[State, Any], State]] = {
    happened.StopRequested: _stop,
    happened.ThreadKnown: _known,
    happened.RequestAccepted: _accepted,
    happened.RequestDoubted: _doubted,
    happened.RequestAbsent: _absent,
    happened.CallsRequested: _calls,
    happened.RunEnded: _run_ended,
}
